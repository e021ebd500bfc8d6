//! The ID token that storefronts receive (OpenID Connect Core section 2), as the input that is to be signed.
//!
//! RSA does not run in wasm at a bearable price, so the platform signs; a JWT library cannot, because its signing is
//! synchronous. What is here is the JWS signing input of RFC 7515 section 5.1.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Scope;
use crate::{
    id::{MemberId, SessionId, Subject},
    secret::SecretText,
    time::UnixMillis,
};

/// How long an ID token is valid, in seconds: it is read once, at login.
pub const LIFETIME: i64 = 600;

/// The claims of an ID token.
#[derive(Debug, Serialize)]
pub struct IdTokenClaims<'a> {
    iss: &'a str,
    sub: &'a Subject,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    amr: &'a [String],
    sid: &'a SessionId,
    #[serde(flatten)]
    profile: &'a Profile,
}

/// What an ID token and `/userinfo` say of the customer alike; each is there only where it is known and in scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Profile {
    /// The name at LINE, with scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The picture at LINE, with scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// The shop's own id of the member, once linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
    /// Whether the customer is a friend of the Official Account and does not block it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_friend: Option<bool>,
}

/// What the store knows of a customer, as the queries of `/token` and `/userinfo` name it.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownProfile {
    name: Option<String>,
    picture: Option<String>,
    friend: Option<i64>,
    member_id: Option<MemberId>,
}

impl KnownProfile {
    /// What of it these scopes allow to be shown.
    #[must_use]
    pub fn shown(&self, scope: Scope) -> Profile {
        Profile {
            name: self.name.clone().filter(|_| scope.profile),
            picture: self.picture.clone().filter(|_| scope.profile),
            member_id: self.member_id.clone(),
            line_friend: self.friend.map(|friend| friend == 1),
        }
    }
}

/// Who logged in where and when.
#[derive(Debug, Clone, Copy)]
pub struct Authentication<'a> {
    /// `sub`.
    pub subject: &'a Subject,
    /// `sid`.
    pub session: &'a SessionId,
    /// `auth_time`: when LINE authenticated, not when this token was made.
    pub at: UnixMillis,
    /// `amr`, as LINE named it.
    pub methods: &'a [String],
}

impl<'a> IdTokenClaims<'a> {
    /// The claims of a token issued at `now` beside `access_token`.
    #[must_use]
    pub fn new(
        issuer: &'a str,
        client_id: &'a str,
        authentication: Authentication<'a>,
        nonce: Option<&'a str>,
        access_token: &SecretText,
        profile: &'a Profile,
        now: UnixMillis,
    ) -> Self {
        Self {
            iss: issuer,
            sub: authentication.subject,
            aud: client_id,
            exp: now.seconds() + LIFETIME,
            iat: now.seconds(),
            auth_time: authentication.at.seconds(),
            nonce,
            at_hash: at_hash(access_token),
            amr: authentication.methods,
            sid: authentication.session,
            profile,
        }
    }
}

/// `at_hash` (OpenID Connect Core section 3.1.3.6): the left half of the access token's SHA-256.
fn at_hash(access_token: &SecretText) -> String {
    let hash: [u8; 32] = Sha256::digest(access_token.expose().as_bytes()).into();
    let (left, _) = hash.split_at(16);
    URL_SAFE_NO_PAD.encode(left)
}

/// Header and claims as the JWS signing input; the signature follows a dot.
#[must_use]
pub fn signing_input(kid: &str, claims: &IdTokenClaims<'_>) -> String {
    let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": kid }).to_string();
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// The whole token: signing input, a dot, the signature.
#[must_use]
pub fn signed(input: String, signature: &[u8]) -> String {
    input + "." + &URL_SAFE_NO_PAD.encode(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_agrees_with_the_example_of_the_specification() {
        // OpenID Connect Core 1.0, appendix A.3.
        let token = SecretText::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y".into());
        assert_eq!(at_hash(&token), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
