//! The ID token that storefronts receive (OpenID Connect Core section 2), as the input that is to be signed, and as it
//! comes back in a hint.
//!
//! RSA does not run in wasm at a bearable price, so the platform signs; a JWT library cannot, because its signing is
//! synchronous. What is here is the JWS signing input of RFC 7515 section 5.1.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Profile, SignatureAlgorithm};
use crate::{
    id::{SessionId, Subject},
    secret::SecretText,
    time::UnixMillis,
};

/// How long an ID token is valid, in seconds: it is read once, at login.
pub const LIFETIME: i64 = 600;

/// The longest hint that is read, in bytes: ours are far shorter.
const MAX_HINT: usize = 8_000;

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

/// Header and claims as the JWS signing input; the signature follows a dot. `typ` is `JWT` for ID tokens.
#[must_use]
pub fn signing_input(algorithm: SignatureAlgorithm, kid: &str, typ: &str, claims: &impl Serialize) -> String {
    let header = serde_json::json!({ "alg": algorithm, "typ": typ, "kid": kid }).to_string();
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// The whole token: signing input, a dot, the signature.
#[must_use]
pub fn signed(input: String, signature: &[u8]) -> String {
    input + "." + &URL_SAFE_NO_PAD.encode(signature)
}

/// An ID token of ours that a client presents as a hint: who it speaks of, once its signature is verified under the
/// key that it names. Its time may be over (OpenID Connect RP-Initiated Logout section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedHint {
    /// `kid`.
    pub kid: String,
    /// What is signed.
    pub input: String,
    /// The signature.
    pub signature: Vec<u8>,
    /// The claims, to be believed only after verification.
    pub claims: HintClaims,
}

/// What a hint says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HintClaims {
    /// `iss`.
    pub iss: String,
    /// `sub`.
    pub sub: Subject,
    /// `aud`: the client.
    pub aud: String,
    /// `sid`.
    pub sid: SessionId,
}

impl UnverifiedHint {
    /// Reads a token of the form of ours; `None` for any other.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Header {
            kid: String,
            typ: String,
        }
        let (input, signature) = text.rsplit_once('.').filter(|_| text.len() <= MAX_HINT)?;
        let (header, claims) = input.split_once('.')?;
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let header: Header = serde_json::from_slice(&part(header)?).ok()?;
        (header.typ == "JWT").then_some(())?;
        Some(Self {
            kid: header.kid,
            input: input.to_owned(),
            signature: part(signature)?,
            claims: serde_json::from_slice(&part(claims)?).ok()?,
        })
    }
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

    #[test]
    fn a_hint_is_read_whole_or_not_at_all() {
        let claims = serde_json::json!({ "iss": "i", "sub": "s", "aud": "a", "sid": "x", "exp": 1 });
        let token = signed(signing_input(SignatureAlgorithm::Rs256, "k", "JWT", &claims), b"signature");
        assert_eq!(UnverifiedHint::read(&token).unwrap().claims.sub.as_str(), "s");
        let logout =
            signed(signing_input(SignatureAlgorithm::Rs256, "k", "logout+jwt", &claims), b"signature");
        for wrong in ["", "a.b.c", "..", &token[1..], &logout, &token.repeat(100)] {
            assert_eq!(UnverifiedHint::read(wrong), None, "{wrong}");
        }
    }
}
