//! LINE's ID token (LINE Login reference, "ID tokens"): verified before anything in it is believed.
//!
//! A web login's token is HS256 under the Login channel's secret, although LINE's discovery document lists only ES256.
//! LIFF's is ES256 under a key that LINE publishes, and so is a web login's where the channel has an assertion key and no
//! secret. Which one is expected is said by the way it came and the channel's credential, never by the token.

use jwt_compact::{
    AlgorithmExt, Token, UntrustedToken, ValidationError,
    alg::{Es256, Hs256, Hs256Key},
    jwk::JsonWebKey,
};
use serde::Deserialize;

use crate::{
    id::LineUserId,
    oauth::es256,
    secret::SecretText,
    time::{MINUTE, UnixMillis},
};

/// `iss` of every ID token of LINE, whichever host answered.
pub const ISSUER: &str = "https://access.line.me";

/// How far LINE's clock and ours may differ, in milliseconds.
pub const LEEWAY: i64 = MINUTE;

/// What a verified ID token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdToken {
    /// `sub`: the LINE user, as every channel of the provider knows them.
    pub line_user_id: LineUserId,
    /// `name`, with scope `profile`.
    pub name: Option<String>,
    /// `picture`, with scope `profile`.
    pub picture: Option<String>,
    /// `amr`: how LINE authenticated; `lineautologin` among others, possibly nothing.
    pub amr: Vec<String>,
    /// `auth_time`, if `max_age` was asked for.
    pub auth_time: Option<UnixMillis>,
    /// `email`, with scope `email`, the channel's permission and the customer's consent.
    pub email: Option<String>,
    /// `iat`.
    pub issued_at: UnixMillis,
}

/// Why an ID token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// Not a JWT with the claims of an ID token.
    #[error("malformed")]
    Malformed,
    /// Another algorithm, or a signature under another key.
    #[error("wrong algorithm or signature")]
    Signature,
    /// Issued by somebody else.
    #[error("wrong issuer")]
    Issuer,
    /// Meant for another channel.
    #[error("wrong audience")]
    Audience,
    /// Past its time, or from the future.
    #[error("expired or not yet valid")]
    Expired,
    /// Not the answer to this login attempt.
    #[error("wrong nonce")]
    Nonce,
}

impl IdTokenError {
    /// The stable label that is logged.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "id_token_malformed",
            Self::Signature => "id_token_signature",
            Self::Issuer => "id_token_issuer",
            Self::Audience => "id_token_audience",
            Self::Expired => "id_token_expired",
            Self::Nonce => "id_token_nonce",
        }
    }
}

/// The claims beside `exp` and `iat`, which the JWT library reads itself.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    nonce: Option<String>,
    auth_time: Option<i64>,
    #[serde(default)]
    amr: Vec<String>,
    name: Option<String>,
    picture: Option<String>,
    email: Option<String>,
}

/// What the ID token of one login attempt must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The Login channel's id.
    pub channel_id: &'a str,
    /// The nonce that was sent; none for LIFF, where the shop sends none.
    pub nonce: Option<&'a str>,
}

/// Verifies the ID token of a web login of a channel with a secret: HS256 under it.
pub fn verify_hs256(
    unverified_token: &str,
    channel_secret: &SecretText,
    expected: Expected<'_>,
    now: UnixMillis,
) -> Result<IdToken, IdTokenError> {
    let untrusted = UntrustedToken::new(unverified_token).map_err(|_| IdTokenError::Malformed)?;
    let key = Hs256Key::new(channel_secret.expose().as_bytes());
    let token =
        Hs256.validator::<Claims>(&key).validate(&untrusted).map_err(|error| signature_error(&error))?;
    verified(&token, expected, now)
}

/// Verifies an ID token of LIFF, or of a channel without a secret: ES256 under the key that it names, as LINE published
/// it.
pub fn verify_es256(
    unverified_token: &str,
    public_jwk: &serde_json::Value,
    expected: Expected<'_>,
    now: UnixMillis,
) -> Result<IdToken, IdTokenError> {
    let untrusted = UntrustedToken::new(unverified_token).map_err(|_| IdTokenError::Malformed)?;
    let key: JsonWebKey<'_> =
        serde_json::from_value(public_jwk.clone()).map_err(|_| IdTokenError::Signature)?;
    let key = es256::Public::try_from(&key).map_err(|_| IdTokenError::Signature)?;
    let token =
        Es256.validator::<Claims>(&key).validate(&untrusted).map_err(|error| signature_error(&error))?;
    verified(&token, expected, now)
}

/// The `kid` that an unverified token names, if it says that it is ES256: no other is worth looking for.
pub fn unverified_es256_kid(unverified_token: &str) -> Result<String, IdTokenError> {
    let untrusted = UntrustedToken::new(unverified_token).map_err(|_| IdTokenError::Malformed)?;
    let kid = untrusted.header().key_id.clone().filter(|_| untrusted.algorithm() == "ES256");
    kid.ok_or(IdTokenError::Signature)
}

fn signature_error(error: &ValidationError) -> IdTokenError {
    match error {
        ValidationError::MalformedClaims(_) => IdTokenError::Malformed,
        _ => IdTokenError::Signature,
    }
}

/// Believes a token whose (1) algorithm and signature are proven, in this order: (2) `iss`, (3) `aud`, (4) `exp` and
/// `iat`, (5) `nonce`, (6) the form of `sub` (OpenID Connect Core section 3.1.3.7).
fn verified(token: &Token<Claims>, expected: Expected<'_>, now: UnixMillis) -> Result<IdToken, IdTokenError> {
    let claims = token.claims();
    let (issued_at, expiration) = (claims.issued_at, claims.expiration);
    let claims = &claims.custom;
    // (2)
    if claims.iss != ISSUER {
        return Err(IdTokenError::Issuer);
    }
    // (3)
    if claims.aud != expected.channel_id {
        return Err(IdTokenError::Audience);
    }
    // (4)
    let (Some(issued_at), Some(expiration)) = (issued_at, expiration) else {
        return Err(IdTokenError::Malformed);
    };
    let from = UnixMillis::from_seconds(issued_at.timestamp()) + -LEEWAY;
    let until = UnixMillis::from_seconds(expiration.timestamp()) + LEEWAY;
    if now < from || now > until {
        return Err(IdTokenError::Expired);
    }
    // (5)
    if expected.nonce.is_some() && claims.nonce.as_deref() != expected.nonce {
        return Err(IdTokenError::Nonce);
    }
    // (6)
    let line_user_id = LineUserId::parse(&claims.sub).map_err(|_| IdTokenError::Malformed)?;
    Ok(IdToken {
        line_user_id,
        name: claims.name.clone(),
        picture: claims.picture.clone(),
        amr: claims.amr.clone(),
        auth_time: claims.auth_time.map(UnixMillis::from_seconds),
        email: claims.email.clone(),
        issued_at: UnixMillis::from_seconds(issued_at.timestamp()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Built locally with channel id 1234567890 and iat 1767225600; LINE issued none of them.
    const VALID: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ",
        "1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0Ijo",
        "xNzY3MjI1NjAwLCJub25jZSI6IjA5ODc2NTRhc2RmIiwiYW1yIjpbImxpbmVhdXRvbG9naW4iXSwibmFtZSI6IuODhuOCueO",
        "DiCBUYXJvIiwicGljdHVyZSI6Imh0dHBzOi8vcHJvZmlsZS5saW5lLXNjZG4ubmV0L2FiY2RlZmdoaWprbG1uIn0.KLjYher",
        "K2DzQLBb_KPGDMZ5U0wWrX18Snris4sErH9s",
    );
    const FOREIGN_AUDIENCE: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ",
        "1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiOTk5OTk5OTk5OSIsImV4cCI6MTc2NzIyOTIwMCwiaWF0Ijo",
        "xNzY3MjI1NjAwLCJub25jZSI6IjA5ODc2NTRhc2RmIiwiYW1yIjpbImxpbmVhdXRvbG9naW4iXSwibmFtZSI6IuODhuOCueO",
        "DiCBUYXJvIiwicGljdHVyZSI6Imh0dHBzOi8vcHJvZmlsZS5saW5lLXNjZG4ubmV0L2FiY2RlZmdoaWprbG1uIn0.fkzSOHL",
        "lUMp6UB3kDaBf_wW43_SmlG8JhOsj8LdFUZI",
    );
    const WITHOUT_NONCE: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ",
        "1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0Ijo",
        "xNzY3MjI1NjAwLCJuYW1lIjoi44OG44K544OIIFRhcm8iLCJwaWN0dXJlIjoiaHR0cHM6Ly9wcm9maWxlLmxpbmUtc2Nkbi5",
        "uZXQvYWJjZGVmZ2hpamtsbW4ifQ.cyeXFWOM9Y9su8HS-7-PzxvnYSB6KhQ-Y6-8HiHmOmw",
    );
    const ALG_NONE: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ1",
        "Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0Ijox",
        "NzY3MjI1NjAwLCJub25jZSI6IjA5ODc2NTRhc2RmIiwiYW1yIjpbImxpbmVhdXRvbG9naW4iXSwibmFtZSI6IuODhuOCueOD",
        "iCBUYXJvIiwicGljdHVyZSI6Imh0dHBzOi8vcHJvZmlsZS5saW5lLXNjZG4ubmV0L2FiY2RlZmdoaWprbG1uIn0.",
    );
    const HS256_UNDER_A_PUBLIC_KEY: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6ImxvY2FsLWVzMjU2LTEifQ.eyJpc3MiOiJodHRwczovL2FjY2Vzc",
        "y5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsI",
        "mV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJhbXIiOlsibGluZXNzbyJdLCJuYW1lIjoiVGFybyJ9.2LVKGpwI",
        "SEzrstYB2EA3hS0IaWkP8LDhhK2tNrbQ298",
    );
    const ES256: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6ImxvY2FsLWVzMjU2LTEifQ.eyJpc3MiOiJodHRwczovL2FjY2Vzc",
        "y5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsI",
        "mV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJhbXIiOlsibGluZXNzbyJdLCJuYW1lIjoiVGFybyJ9.klv7eoMl",
        "A-JFuZFmkPTafY93sGY4VB2qXKaqLauu0h1-OAz9PX_nbCBZ2-PGkuGz_-RCcuyqJZYkJAqjF7R7aA",
    );
    const IAT: i64 = 1_767_225_600;

    fn verify(token: &str, nonce: &str, at_seconds: i64) -> Result<IdToken, IdTokenError> {
        let secret = SecretText::new("1234567890abcdefghij1234567890ab".into());
        let expected = Expected { channel_id: "1234567890", nonce: Some(nonce) };
        verify_hs256(token, &secret, expected, UnixMillis::from_seconds(at_seconds))
    }

    #[test]
    fn a_good_token_says_who_logged_in_and_how() {
        let token = verify(VALID, "0987654asdf", IAT + 5).unwrap();
        assert_eq!(token.line_user_id.as_str(), "U1234567890abcdef1234567890abcdef");
        assert_eq!(token.name.as_deref(), Some("テスト Taro"));
        assert_eq!(token.amr, ["lineautologin"]);
    }

    #[test]
    fn forged_and_foreign_tokens_are_refused_each_for_its_reason() {
        let at = IAT + 5;
        assert_eq!(verify(FOREIGN_AUDIENCE, "0987654asdf", at), Err(IdTokenError::Audience));
        assert_eq!(verify(WITHOUT_NONCE, "0987654asdf", at), Err(IdTokenError::Nonce));
        assert_eq!(verify(VALID, "another", at), Err(IdTokenError::Nonce));
        assert_eq!(verify(ES256, "0987654asdf", at), Err(IdTokenError::Signature));
        assert_eq!(verify(HS256_UNDER_A_PUBLIC_KEY, "0987654asdf", at), Err(IdTokenError::Signature));
        assert!(verify(ALG_NONE, "0987654asdf", at).is_err());
        assert_eq!(verify("not a token", "0987654asdf", at), Err(IdTokenError::Malformed));
    }

    #[test]
    fn a_changed_signature_is_refused() {
        let changed = VALID.replace("9sH9s", "9sH8s").replace("sErH9s", "sErH8s");
        assert_ne!(changed, VALID);
        assert_eq!(verify(&changed, "0987654asdf", IAT + 5), Err(IdTokenError::Signature));
    }

    #[test]
    fn a_token_is_good_from_its_issue_to_its_end_with_a_minute_of_leeway() {
        assert!(verify(VALID, "0987654asdf", IAT - 60).is_ok());
        assert_eq!(verify(VALID, "0987654asdf", IAT - 61), Err(IdTokenError::Expired));
        assert!(verify(VALID, "0987654asdf", IAT + 3_660).is_ok());
        assert_eq!(verify(VALID, "0987654asdf", IAT + 3_661), Err(IdTokenError::Expired));
    }

    #[test]
    fn only_an_es256_token_names_a_key_that_is_looked_for() {
        assert_eq!(unverified_es256_kid(ES256).as_deref(), Ok("local-es256-1"));
        assert_eq!(unverified_es256_kid(HS256_UNDER_A_PUBLIC_KEY), Err(IdTokenError::Signature));
        assert_eq!(unverified_es256_kid(VALID), Err(IdTokenError::Signature));
        assert_eq!(unverified_es256_kid("not a token"), Err(IdTokenError::Malformed));
    }
}
