//! One attempt: the raw body, with LINE's own signature.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, Method, header};
use serde::{Deserialize, de::IgnoredAny};

use super::statements::Delivery;
use crate::{
    config::Account,
    platform::{Context, Platform},
    secret::hmac_sha256,
    web::{Call, LINE_SIGNATURE},
};

/// Who calls. LINE's own product comes first, since existing tools and their firewalls may look for it.
const USER_AGENT: &str = concat!("LineBotWebhook/2.0 Enishi/", env!("CARGO_PKG_VERSION"));

/// What an attempt came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The tool answered 2xx.
    Taken,
    /// Nothing is left to be sent: all of it was unsent, or was of persons who were erased.
    Empty,
    /// With what was answered instead.
    Refused(String),
}

/// Sends a delivery to a tool; `attempts` were in vain before.
pub(super) async fn send<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    url: &str,
    delivery: Delivery<'_>,
    attempts: u32,
) -> Attempt {
    if is_empty(delivery) {
        return Attempt::Empty;
    }
    match cx.platform.fetch(call(account, url, delivery, attempts)).await {
        Ok(answer) if answer.status.is_success() => Attempt::Taken,
        Ok(answer) => Attempt::Refused(format!("http_{}", answer.status.as_u16())),
        Err(_) => Attempt::Refused("no_answer".to_owned()),
    }
}

/// Whether a delivery has nothing to say, or is not as LINE sent it any more and has no event left.
fn is_empty(delivery: Delivery<'_>) -> bool {
    #[derive(Deserialize)]
    struct Left {
        events: Vec<IgnoredAny>,
    }
    delivery.body.is_empty()
        || delivery.altered != 0
            && serde_json::from_str::<Left>(delivery.body).map_or(true, |left| left.events.is_empty())
}

/// As LINE calls: the body byte by byte under LINE's signature, but signed anew where it is not LINE's body any more. Signed anew
/// by turns also what was not taken: if the channel's secret was replaced since, the tool may know only the present one.
fn call(account: &Account, url: &str, delivery: Delivery<'_>, attempts: u32) -> Call {
    let body = delivery.body.as_bytes();
    let is_lines = delivery.altered == 0 && !delivery.signature.is_empty();
    let anew;
    let signature = if is_lines && attempts.is_multiple_of(2) {
        delivery.signature
    } else {
        anew = STANDARD.encode(hmac_sha256(account.messaging.secret.expose().as_bytes(), body));
        &anew
    };
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::USER_AGENT, USER_AGENT),
        (LINE_SIGNATURE, signature),
    ];
    let mut call = Call::new(Method::POST, url.to_owned()).for_status();
    call.body = body.to_vec();
    headers.into_iter().fold(call, |call, (name, value)| call.with(name, value))
}
