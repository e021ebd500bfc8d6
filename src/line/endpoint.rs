//! The channel's webhook endpoint at LINE (Messaging API reference, "Webhook settings"): set, read and tested. Whether
//! "Use webhook" and "Webhook redelivery" are on is a person's to say in LINE's console; only the former can be read.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::{
    platform::LineBases,
    secret::SecretText,
    web::{Answer, Call},
};

/// The longest address that LINE takes, in characters.
pub const MAX_LENGTH: usize = 500;

/// Asks which address is registered: [`Registered`], or 404 where there is none.
#[must_use]
pub fn read(bases: &LineBases, token: &SecretText) -> Call {
    Call::new(Method::GET, url(bases, "endpoint")).bearer(token.expose())
}

/// Registers an address, in place of whatever is registered; in effect within a minute.
#[must_use]
pub fn set(bases: &LineBases, token: &SecretText, endpoint: &str) -> Call {
    let call = naming(url(bases, "endpoint"), token, endpoint);
    Call { method: Method::PUT, ..call }
}

/// Has LINE send a delivery without events to an address, and asks what came of it: [`Tested`]. 60 an hour.
#[must_use]
pub fn test(bases: &LineBases, token: &SecretText, endpoint: &str) -> Call {
    naming(url(bases, "test"), token, endpoint)
}

fn url(bases: &LineBases, what: &str) -> String {
    format!("{}/v2/bot/channel/webhook/{what}", bases.api)
}

fn naming(url: String, token: &SecretText, endpoint: &str) -> Call {
    let body = serde_json::json!({ "endpoint": endpoint }).to_string();
    Call::json(url, body.into_bytes()).bearer(token.expose())
}

/// Where LINE sends the channel's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// The address.
    pub endpoint: String,
    /// Whether "Use webhook" is on: while it is off, LINE sends nothing.
    pub active: bool,
}

/// What LINE says of its test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Whether the answer was 2xx.
    pub success: bool,
    /// The answer's status; 0 or less where none came.
    #[serde(rename(deserialize = "statusCode"))]
    pub status_code: i64,
    /// `OK`, `COULD_NOT_CONNECT`, `REQUEST_TIMEOUT`, `ERROR_STATUS_CODE`, `UNCLASSIFIED`; LINE may add others.
    pub reason: String,
    /// More of it.
    #[serde(default)]
    pub detail: String,
    /// When, as LINE writes it.
    #[serde(default)]
    pub timestamp: String,
}

impl Tested {
    /// Reads LINE's answer; none if it is none.
    #[must_use]
    pub fn of(answer: &Answer) -> Option<Self> {
        if answer.status.is_success() { answer.json() } else { None }
    }
}
