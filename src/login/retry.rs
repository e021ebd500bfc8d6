//! The retry page: where auto-login failed, the customer meets one page with one button that starts again, through the
//! shop, without auto-login in this browser. Retrying with auto-login would fail the same way for ever.
//!
//! The button sets the cookie, not the page's landing, so that a stray visit changes nothing; and the button's answer
//! checks that the cookie stuck, so that a browser without cookies is told instead of sent round in circles.

use http::{StatusCode, header};

use super::{attempt, state::State};
use crate::{
    config::{Client, Site},
    platform::Context,
    time::{MINUTE, SECOND},
    web::{
        Reply, Request, cookie,
        form::{Form, with_query},
        page::{Button, Language, Page, Text},
    },
};

/// How long the button's cookie lasts, in milliseconds.
const COOKIE_LIFETIME: i64 = 10 * MINUTE;

/// Where the button leads.
const PATH: &str = "/line/retry";

/// The page itself. Nothing of ours comes back in the URL of a failed auto-login, so the way back is, in this order:
/// a `state` of ours, the newest attempt in this browser, the account's first client.
pub(super) fn page<P>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    unverified_state: Option<&str>,
    reason: &'static str,
) -> Reply {
    let keys = &cx.settings.keys;
    let of_state = || State::open(keys, &site.account.id, unverified_state?).ok().map(|state| state.client);
    let client = of_state().or_else(|| attempt::newest_client(request, keys));
    let href = match &client {
        Some(client) => with_query(&site.url(PATH), &[("client_id", client.as_str())]),
        None => site.url(PATH),
    };
    let title =
        Text { ja: "ログインを完了できませんでした", en: "We could not complete your login" };
    let paragraphs = vec![
        Text {
            ja: "お使いのブラウザではLINEの自動ログインを利用できなかった可能性があります。下のボタンからもう一度お試しください。",
            en: "LINE's automatic login may not be available in this browser. Please try again with the button below.",
        },
        Text {
            ja: "プライベートブラウズをお使いの場合は、通常のブラウザ(SafariやChrome)で開き直すとログインできることがあります。",
            en: "If you are browsing privately, opening the shop in your usual browser (Safari or Chrome) may help.",
        },
    ];
    let again =
        Button { label: Text { ja: "もう一度ログインする", en: "Log in again" }, href: &href };
    let page = Page::new(StatusCode::BAD_REQUEST, title, paragraphs).button(again).detail(reason);
    page.into_reply(Language::of(request)).because(reason)
}

/// `GET /line/retry`: (1) sets the cookie and comes back here; (2) with the cookie, on to the shop's login start;
/// (3) without it, says that cookies are off.
#[must_use]
pub fn retry(site: &Site, request: &Request, form: &Form) -> Reply {
    let client = form.value("client_id").and_then(|id| site.account.client(id));
    let Some(client) = client.or_else(|| site.account.clients.first()) else {
        return no_cookies(site, request, None).because("no_client");
    };
    if form.value("checked").is_none() {
        // (1)
        let here = with_query(&site.url(PATH), &[("client_id", client.id.as_str()), ("checked", "1")]);
        let cookie = cookie::set(cookie::NO_AUTO_LOGIN, "1", COOKIE_LIFETIME / SECOND);
        return Reply::found(&here).with(header::SET_COOKIE, cookie);
    }
    if cookie::value(request, cookie::NO_AUTO_LOGIN).is_some() {
        // (2)
        Reply::found(&client.login_start(&site.issuer, None))
    } else {
        // (3)
        no_cookies(site, request, Some(client))
    }
}

fn no_cookies(site: &Site, request: &Request, client: Option<&Client>) -> Reply {
    let title = Text { ja: "Cookieを有効にしてください", en: "Please allow cookies" };
    let paragraphs = vec![Text {
        ja: "このブラウザではCookieが無効になっているため、ログインできません。ブラウザの設定でCookieを有効にするか、通常のブラウザ(SafariやChrome)でショップを開き直してください。",
        en: "This browser does not keep cookies, so we cannot log you in. Allow cookies in its settings, or open the shop in your usual browser (Safari or Chrome).",
    }];
    let page = Page::new(StatusCode::BAD_REQUEST, title, paragraphs);
    let page = page.way_back(site.account.home_of(client));
    page.into_reply(Language::of(request)).because("cookies_off")
}
