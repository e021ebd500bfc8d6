//! The logout token (OpenID Connect Back-Channel Logout section 2.4): tells a client that a session has ended.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    id::{SessionId, Subject},
    time::UnixMillis,
};

/// `typ` of the header, so that it is never taken for an ID token.
pub const TYPE: &str = "logout+jwt";

/// How long a logout token is valid, in seconds.
const LIFETIME: i64 = 120;

/// The claims. There is no nonce, so that nobody takes it for an ID token.
#[derive(Debug, Serialize)]
pub struct LogoutTokenClaims<'a> {
    iss: &'a str,
    sub: &'a Subject,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    sid: &'a SessionId,
    events: Value,
}

impl<'a> LogoutTokenClaims<'a> {
    /// The claims of a token made at `now`; `jti` stays the same however often it is delivered.
    #[must_use]
    pub fn new(
        issuer: &'a str,
        client_id: &'a str,
        subject: &'a Subject,
        session: &'a SessionId,
        jti: &'a str,
        now: UnixMillis,
    ) -> Self {
        Self {
            iss: issuer,
            sub: subject,
            aud: client_id,
            iat: now.seconds(),
            exp: now.seconds() + LIFETIME,
            jti,
            sid: session,
            events: json!({ "http://schemas.openid.net/event/backchannel-logout": {} }),
        }
    }
}
