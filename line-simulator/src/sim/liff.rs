//! The script API about LIFF: ID tokens as a page gets them, and LINE's key.
//!
//! In: JSON bodies. Out: JSON values. Not here: what is in a token (`login/liff.rs`).

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Scripted, Wrong};
use crate::Simulator;
use crate::login::{LiffError, LiffLogin};
use crate::request::Request;

/// The body of `POST /sim/users/{id}/liff`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Opened {
    channel_id: Option<String>,
    scope: Option<String>,
    amr: Option<Vec<String>>,
    issued_at: Option<i64>,
}

impl From<LiffError> for Wrong {
    fn from(error: LiffError) -> Self {
        let status = match error {
            LiffError::UnknownUser | LiffError::UnknownChannel => StatusCode::NOT_FOUND,
            LiffError::NoOpenId => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}

impl Simulator {
    /// The user opens a LIFF app of a channel, the first Login channel if none is named.
    pub(super) fn open_liff(&mut self, request: &Request, user: &str) -> Scripted {
        let opened: Opened = serde_json::from_value(request.json()?)?;
        let first = self.config().login_channels.first().map(|channel| channel.channel_id.clone());
        let channel = opened.channel_id.map(Into::into).or(first).ok_or(LiffError::UnknownChannel)?;
        let mut login = LiffLogin::new(user, channel);
        login.scope = opened.scope.unwrap_or(login.scope);
        login.amr = opened.amr.unwrap_or(login.amr);
        let id_token = self.liff_id_token(opened.issued_at.unwrap_or(self.now), &login)?;
        Ok(json!({ "id_token": id_token }))
    }

    pub(super) fn new_liff_key(&mut self) -> Value {
        json!({ "kid": self.rotate_liff_key() })
    }
}
