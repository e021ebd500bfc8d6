//! Notices of ended sessions for clients (OpenID Connect Back-Channel Logout).

use std::rc::Rc;

use super::{Owed, Told, call};
use crate::{
    config::{Account, signing_key},
    oauth::logout_token::{self, LogoutTokenClaims},
    platform::{Context, Platform, PlatformError},
    secret::Digest,
    store::outbox::{Claimed, Logout},
    web::Call,
};

/// A logout token by POST (section 2.5), if the client still wants any.
pub(super) async fn tell<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    owed: &Owed,
    row: &Claimed,
) -> Result<Told, PlatformError> {
    let notice: Logout = serde_json::from_str(&row.body).map_err(|e| PlatformError::Stored(e.to_string()))?;
    let client = account.client(notice.client_id.as_str());
    let Some((client, uri)) =
        client.and_then(|client| Some((client, client.backchannel_logout_uri.clone()?)))
    else {
        return Ok(Told::Unwanted);
    };
    let now = cx.platform.now();
    let key = signing_key::in_use(&account.signing_keys, client.id_token_signed_response_alg, now);
    // In an emergency no key signs for a while.
    let Some(key) = key else { return Ok(Told::NotYet(None)) };
    let jti = Digest::of(owed.id.as_bytes());
    let claims =
        LogoutTokenClaims::new(&notice.iss, client.id.as_str(), &notice.sub, &notice.sid, jti.as_str(), now);
    let token = key.sign(cx, logout_token::TYPE, &claims).await?;
    Ok(call(cx, Call::form(uri, &[("logout_token", &token)])).await)
}
