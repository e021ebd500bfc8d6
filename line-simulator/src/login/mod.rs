//! LINE Login v2.1: which path is which room, and what the rooms remember.
//!
//! In: requests to `access.line.me` and the login paths of `api.line.me`. Out: their answers. Not here: LIFF's pages,
//! JARM, LINE Profile+.

mod account_link;
mod assertion;
mod attempt;
mod authorize;
mod code;
mod email;
mod id_token;
mod liff;
mod liff_key;
mod page;
mod profile;
mod rsa;
mod screen;
mod token;
mod verify;

use std::collections::HashMap;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::id::{ChannelId, UserId};
use crate::reply::{self, Reply};
use crate::request::Request;

pub(crate) use attempt::Attempt;
use code::Code;
pub use liff::{LiffError, LiffLogin};
pub(crate) use liff_key::LiffKeys;
pub use rsa::RsaPublicKey;

/// The cookie that says whose phone the browser is; its value is a user id.
pub(crate) const SESSION_COOKIE: &str = "line_sim_user";

/// A user's access token, 30 days.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserToken {
    pub(crate) user: UserId,
    pub(crate) channel_id: ChannelId,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: i64,
    pub(crate) revoked: bool,
}

/// A user's refresh token, 90 days, not extended by use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RefreshToken {
    pub(crate) user: UserId,
    pub(crate) channel_id: ChannelId,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: i64,
}

/// What LINE Login remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Logins {
    pub(crate) attempts: HashMap<String, Attempt>,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) tokens: HashMap<String, UserToken>,
    pub(crate) refresh_tokens: HashMap<String, RefreshToken>,
}

impl Logins {
    /// Ends every token of the user in the channel, as unlinking does.
    pub(crate) fn end_tokens(&mut self, user: &str, channel: &str) {
        let theirs = |owner: &UserId, at: &ChannelId| owner.as_str() == user && at.as_str() == channel;
        for token in self.tokens.values_mut().filter(|token| theirs(&token.user, &token.channel_id)) {
            token.revoked = true;
        }
        self.refresh_tokens.retain(|_, token| !theirs(&token.user, &token.channel_id));
    }
}

impl Simulator {
    /// The answer, if the path belongs to LINE Login or to the issuing of channel access tokens.
    pub(crate) fn login(&mut self, request: &Request) -> Option<Reply> {
        let get = request.method == Method::GET;
        let post = request.method == Method::POST;
        Some(match request.path.as_str() {
            "/oauth2/v2.1/authorize" if get => self.authorize(request),
            "/oauth2/v2.1/token" if post => self.token(request),
            "/oauth2/v2.1/token" => self.token_by_wrong_method(request),
            "/oauth2/v2.1/verify" if get => self.verify_access_token(request),
            "/oauth2/v2.1/verify" if post => self.verify_id_token(request),
            "/oauth2/v2.1/revoke" if post => self.revoke(request),
            "/oauth2/v2.1/userinfo" if get || post => self.userinfo(request),
            "/oauth2/v2.1/certs" if get => reply::ok(&self.certs()),
            "/v2/profile" if get => self.profile(request),
            "/friendship/v1/status" if get => self.friendship_status(request),
            "/user/v1/deauthorize" if post => self.deauthorize(request),
            "/oauth2/v3/token" if post => self.stateless_token(request),
            "/v2/oauth/accessToken" if post => self.short_lived_token(request),
            "/dialog/bot/accountLink" if get => self.account_link(request),
            "/.well-known/openid-configuration" if get => reply::ok(&discovery()),
            path if LOGIN_PATHS.contains(&path) => self.wrong_method(request),
            _ => return None,
        })
    }

    pub(crate) fn wrong_method(&mut self, request: &Request) -> Reply {
        let detail = format!("{} {}", request.method, request.path);
        self.violate(ViolationKind::UnknownEndpoint, detail);
        reply::message(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }

    fn token_by_wrong_method(&mut self, request: &Request) -> Reply {
        self.violate(ViolationKind::TokenByGet, format!("{} {}", request.method, request.path));
        reply::message(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }
}

const LOGIN_PATHS: [&str; 13] = [
    "/oauth2/v2.1/authorize",
    "/oauth2/v2.1/token",
    "/oauth2/v2.1/verify",
    "/oauth2/v2.1/revoke",
    "/oauth2/v2.1/userinfo",
    "/oauth2/v2.1/certs",
    "/v2/profile",
    "/friendship/v1/status",
    "/user/v1/deauthorize",
    "/oauth2/v3/token",
    "/v2/oauth/accessToken",
    "/dialog/bot/accountLink",
    "/.well-known/openid-configuration",
];

/// The discovery document as LINE serves it: it speaks of ES256 only, although web logins of a channel with a secret get
/// HS256.
fn discovery() -> serde_json::Value {
    json!({
        "issuer": id_token::ISSUER,
        "authorization_endpoint": "https://access.line.me/oauth2/v2.1/authorize",
        "token_endpoint": "https://api.line.me/oauth2/v2.1/token",
        "revocation_endpoint": "https://api.line.me/oauth2/v2.1/revoke",
        "userinfo_endpoint": "https://api.line.me/oauth2/v2.1/userinfo",
        "scopes_supported": ["openid", "profile", "email"],
        "jwks_uri": "https://api.line.me/oauth2/v2.1/certs",
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
    })
}
