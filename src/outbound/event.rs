//! Events for the shop (Standard Webhooks).

use std::{borrow::Cow, rc::Rc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderName;

use super::{Owed, Told, call};
use crate::{
    config::{Account, WebhookEndpoint},
    platform::{Context, Platform, PlatformError},
    secret::{Purpose, hmac_sha256},
    store::outbox::{Claimed, Kind},
    time::UnixMillis,
    web::Call,
};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Tells the shop of an event, if it takes any.
pub(super) async fn tell<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    owed: &Owed,
    row: &Claimed,
) -> Result<Told, PlatformError> {
    let Some(endpoint) = &account.webhook_endpoint else { return Ok(Told::Unwanted) };
    let body = match row.kind {
        Kind::Webhook => {
            let opened = cx.settings.keys.open_text(Purpose::Outbox, &row.body);
            Cow::Owned(opened.map_err(|e| PlatformError::Stored(e.to_string()))?.expose().to_owned())
        }
        _ => Cow::Borrowed(row.body.as_str()),
    };
    Ok(call(cx, signed(endpoint, &owed.id, &body, cx.platform.now())).await)
}

/// A signed event: HMAC-SHA256 over id, time of the attempt, and body.
fn signed(endpoint: &WebhookEndpoint, id: &str, body: &str, now: UnixMillis) -> Call {
    let secret = endpoint.secret.expose();
    let key = STANDARD.decode(secret.trim_start_matches(WebhookEndpoint::SECRET_PREFIX)).unwrap_or_default();
    let timestamp = now.seconds().to_string();
    let signature = STANDARD.encode(hmac_sha256(&key, format!("{id}.{timestamp}.{body}").as_bytes()));
    Call::json(endpoint.url.clone(), body.as_bytes().to_vec())
        .with(WEBHOOK_ID, id)
        .with(WEBHOOK_TIMESTAMP, &timestamp)
        .with(WEBHOOK_SIGNATURE, &format!("v1,{signature}"))
}
