//! `POST /par` (RFC 9126): an authenticated client hands in its authorization request, and sends the browser with a name
//! for it. Only here may a request speak of a member to link.

use http::{StatusCode, header};
use serde_json::json;

use super::{
    error::EndpointError,
    hint,
    prove::{Proven, prove},
};
use crate::{
    config::Site,
    oauth::authorization::{self, AuthorizationRequest, Channel, Refusal},
    platform::{Context, Platform},
    secret::SecretText,
    store::pushed,
    time::SECOND,
    web::{Reply, Request},
};

/// In front of the name of a request of ours.
pub(super) const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// Answers a pushed request.
pub async fn par<P: Platform>(cx: Context<'_, P>, site: &Site, request: &Request) -> Reply {
    match push(cx, site, request).await {
        Ok(uri) => {
            let answer = json!({ "request_uri": uri.expose(), "expires_in": pushed::LIFETIME / SECOND });
            Reply::json(StatusCode::CREATED, &answer).with(header::PRAGMA, "no-cache")
        }
        Err(error) => error.into_reply(cx, "par"),
    }
}

/// (1) The client proves itself; (2) the request is judged as at `/authorize`, and is that client's; (3) whom it expects
/// is verified; (4) it is kept under a digest of its name.
async fn push<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<SecretText, EndpointError> {
    // (1)
    let proven = prove(cx, site, request).await?;
    // (2)
    let asked = judge(cx, &proven).await?;
    // (3)
    let subject = hint::expected(cx, &proven.site, asked.unverified_hint.as_deref()).await?;
    let asked = AuthorizationRequest { subject: subject.map_err(EndpointError::Authorization)?, ..asked };
    // (4)
    let name =
        SecretText::new(format!("{REQUEST_URI}{}", SecretText::from_random(cx.platform.random()).expose()));
    let account = &proven.site.account;
    let keep = pushed::push(&account.id, &name.digest(), &asked, cx.platform.now());
    cx.platform.one(&account.database, keep).await?;
    Ok(name)
}

/// The request as the remembered configuration reads it, or where a redirect URI is not known, the newest.
async fn judge<P: Platform>(
    cx: Context<'_, P>,
    proven: &Proven,
) -> Result<AuthorizationRequest, EndpointError> {
    let client_id = proven.client.id.as_str();
    if proven.form.value("client_id").is_some_and(|named| named != client_id) {
        return Err(EndpointError::InvalidRequest("client_id is another client's"));
    }
    let form = proven.form.with("client_id", client_id);
    let read = |site: &Site| authorization::read(&form, &site.account, Channel::Pushed);
    let judged = match read(&proven.site) {
        Err(Refusal::UnknownRedirectUri(_)) => read(&proven.site.afresh(cx).await?),
        judged => judged,
    };
    judged.map_err(|refusal| match refusal {
        Refusal::UnknownClient => EndpointError::InvalidRequest("client_id is missing"),
        Refusal::UnknownRedirectUri(_) => {
            EndpointError::InvalidRequest("redirect_uri must be one of the client's, character by character")
        }
        Refusal::Redirect(_, error) => EndpointError::Authorization(error),
    })
}
