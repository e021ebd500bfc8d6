//! Pages that are left by themselves at once: an answer that is posted to the shop, and the way on from a form of ours.

use http::{StatusCode, header};

use super::{
    Reply,
    page::{CONTENT_SECURITY_POLICY, escape, hidden, html},
};
use crate::secret::sha256_base64;

/// What submits a form by itself; its digest in the policy is what allows it to run.
const SUBMIT: &str = "document.forms[0].submit()";

/// A page that posts parameters to the shop at once, or by its button where scripts are off (OAuth 2.0 Form Post
/// Response Mode section 2). The policy names no single target: a browser applies it to every redirect that follows,
/// and where the shop redirects is its own affair.
#[must_use]
pub fn form_post(action: &str, parameters: &[(&str, &str)]) -> Reply {
    let origin = crate::config::origin_of(action).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'; form-action https: {origin}",
        sha256_base64(SUBMIT.as_bytes())
    );
    let body = format!(
        "<form method=\"post\" action=\"{}\">{}<noscript><button>{BACK}</button></noscript></form>\
         <script>{SUBMIT}</script>",
        escape(action),
        hidden(parameters)
    );
    html(StatusCode::OK, &policy, passing("", &body))
}

/// The answer to a form of ours that leads to the shop: a page that goes on by itself instead of a redirect, because a
/// browser would apply the form's policy to the shop's own redirects.
#[must_use]
pub fn onward(mut redirect: Reply) -> Reply {
    let Some(location) = redirect.headers.remove(header::LOCATION) else { return redirect };
    let location = escape(location.to_str().unwrap_or_default());
    let refresh = format!("<meta http-equiv=\"refresh\" content=\"0; url={location}\">");
    let body = format!("<p><a data-testid=\"go-on\" href=\"{location}\">{BACK}</a></p>");
    let mut page = html(StatusCode::OK, CONTENT_SECURITY_POLICY, passing(&refresh, &body));
    for cookie in redirect.headers.get_all(header::SET_COOKIE) {
        page.headers.append(header::SET_COOKIE, cookie.clone());
    }
    Reply { reason: redirect.reason, ..page }
}

const BACK: &str = "ショップに戻る / Back to the shop";

/// A page that is left by itself at once.
fn passing(head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"ja\"><head><meta charset=\"utf-8\">{head}<title>{BACK}</title></head>\
         <body>{body}</body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_or_gone_on_to_is_escaped() {
        let evil = "\"><script>alert('1')</script>";
        let posted = String::from_utf8(form_post(evil, &[(evil, evil)]).body).unwrap();
        assert_eq!(posted.matches("<script>").count(), 1, "{posted}");
        let on = onward(Reply::found(evil));
        assert!(!String::from_utf8(on.body).unwrap().contains("<script"));
    }
}
