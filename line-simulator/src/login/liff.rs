//! LIFF, as far as a server sees it: the ID tokens that `liff.getIDToken()` hands to a page, and the keys at `/certs`.
//!
//! In: who opened a LIFF app of which Login channel, and what they allowed. Out: an ES256 token. Not here: LIFF's
//! pages, SDK and access tokens; a token is issued without a screen, because its consent is given inside LINE.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id_token::{self, Claims};
use crate::Simulator;
use crate::id::{ChannelId, UserId};

/// A LIFF app that a user has opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiffLogin {
    /// The user.
    pub user: UserId,
    /// The LINE Login channel that the LIFF app belongs to: the token's `aud`.
    pub channel_id: ChannelId,
    /// The scopes of the LIFF app that the user allowed, separated by spaces. Other scopes than `openid`, `profile`
    /// and `email` change nothing about the token.
    pub scope: String,
    /// How the user proved who they are; empty leaves the claim out.
    pub amr: Vec<String>,
}

impl LiffLogin {
    /// The user opened a LIFF app of this channel and allowed `profile` and `openid`.
    #[must_use]
    pub fn new(user: impl Into<UserId>, channel_id: impl Into<ChannelId>) -> Self {
        Self {
            user: user.into(),
            channel_id: channel_id.into(),
            scope: "profile openid".to_owned(),
            amr: vec!["linesso".to_owned()],
        }
    }

    fn has(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|one| one == scope)
    }
}

/// Why a LIFF app has no ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiffError {
    /// No user of that id.
    #[error("no such user")]
    UnknownUser,
    /// No LINE Login channel of that id.
    #[error("no such login channel")]
    UnknownChannel,
    /// Without the `openid` scope `liff.getIDToken()` is null.
    #[error("a LIFF app without the openid scope gets no ID token")]
    NoOpenId,
}

impl Simulator {
    /// The ID token that a LIFF app gets, issued at `now` (Unix milliseconds), whatever the time of other calls is:
    /// an hour ago for one that is over. The address is in it only if it was allowed, the channel has the permission
    /// for it and the user has one.
    pub fn liff_id_token(&mut self, now: i64, login: &LiffLogin) -> Result<String, LiffError> {
        let memory = &mut self.memory;
        let user = memory.people.get(&login.user).ok_or(LiffError::UnknownUser)?;
        let channel = memory.config.login(&login.channel_id).ok_or(LiffError::UnknownChannel)?;
        if !login.has("openid") {
            return Err(LiffError::NoOpenId);
        }
        let has = |scope: &str| login.has(scope) && (scope != "email" || channel.email_permission);
        let claims = Claims { amr: login.amr.clone(), ..Claims::new(user, channel, now, has) };
        Ok(id_token::encode_es256(&claims, &memory.liff_keys.served(&memory.random).newest))
    }

    /// Any claims under LINE's newest key: what LINE would never say, for tests of whoever must not believe it.
    pub fn signed_by_line(&mut self, claims: &Value) -> String {
        id_token::encode_es256(claims, &self.memory.liff_keys.served(&self.memory.random).newest)
    }

    /// LINE signs with a new key from now on; says its `kid`. `/certs` shows it beside the last one, so that tokens
    /// under way stay good; a key from before that is gone.
    pub fn rotate_liff_key(&mut self) -> String {
        self.memory.liff_keys.rotate();
        self.memory.liff_keys.served(&self.memory.random).newest.kid.clone()
    }

    pub(super) fn certs(&mut self) -> Value {
        self.memory.liff_keys.served(&self.memory.random).jwk_set()
    }
}
