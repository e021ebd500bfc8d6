//! ID tokens: HS256 under the Login channel's secret without a `kid` for web logins, ES256 with a `kid` for LIFF and for
//! web logins of a channel without a secret.
//!
//! In: claims. Out: the compact token, and the claims again if the signature is right under the one key that its
//! algorithm may use. Not here: the P-256 keys (`liff_key.rs`), and what claims must say (`verify.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::liff_key::{LiffKey, ServedKeys};
use crate::config::LoginChannel;
use crate::people::User;

/// `iss`, whatever the base of the stand-in.
pub(crate) const ISSUER: &str = "https://access.line.me";
/// ID tokens live an hour.
pub(crate) const LIFETIME_S: i64 = 3_600;

const HS256_HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// The payload; absent claims are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) picture: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

impl Claims {
    /// What a token issued at `now` (Unix milliseconds) tells a channel of a user, by the scopes that it has.
    pub(crate) fn new(user: &User, channel: &LoginChannel, now: i64, has: impl Fn(&str) -> bool) -> Self {
        let iat = now.div_euclid(1_000);
        Self {
            iss: ISSUER.into(),
            sub: user.id.to_string(),
            aud: channel.channel_id.to_string(),
            exp: iat + LIFETIME_S,
            iat,
            auth_time: None,
            nonce: None,
            amr: Vec::new(),
            name: has("profile").then(|| user.name.clone()),
            picture: has("profile").then(|| user.picture_url()),
            email: user.email.clone().filter(|_| has("email")),
        }
    }
}

/// Why a token is refused before its claims are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotOurs;

/// The token of a web login.
pub(crate) fn encode_hs256(claims: &Claims, channel_secret: &str) -> String {
    let signed = signing_input(HS256_HEADER, claims);
    let signature = mac(channel_secret, &signed).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The token of a LIFF app, or of a web login of a channel without a secret.
pub(crate) fn encode_es256(claims: &impl Serialize, key: &LiffKey) -> String {
    let header = format!(r#"{{"typ":"JWT","alg":"ES256","kid":"{}"}}"#, key.kid);
    let signed = signing_input(&header, claims);
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signing_input(header: &str, claims: &impl Serialize) -> String {
    let payload = serde_json::to_vec(claims).unwrap_or_default();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// The claims of a token that is signed with HS256 under this secret, or with ES256 under the one of these keys that
/// it names. Each algorithm has its own kind of key, so that neither can be confused with the other.
pub(crate) fn decode(
    token: &str,
    channel_secret: Option<&str>,
    liff_keys: &ServedKeys,
) -> Result<Claims, NotOurs> {
    let (signed, signature) = token.rsplit_once('.').ok_or(NotOurs)?;
    let (header, payload) = signed.split_once('.').ok_or(NotOurs)?;
    let header: Header = from_base64_json(header)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotOurs)?;
    let ours = match header.alg.as_str() {
        "HS256" => channel_secret
            .and_then(|secret| mac(secret, signed))
            .is_some_and(|mac| mac.verify_slice(&signature).is_ok()),
        "ES256" => header
            .kid
            .and_then(|kid| liff_keys.named(&kid))
            .is_some_and(|key| key.verifies(signed.as_bytes(), &signature)),
        _ => false,
    };
    if ours { from_base64_json(payload) } else { Err(NotOurs) }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

fn mac(channel_secret: &str, signed: &str) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(channel_secret.as_bytes()).ok()?;
    Some(mac.chain_update(signed.as_bytes()))
}

fn from_base64_json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, NotOurs> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| NotOurs)?;
    serde_json::from_slice(&bytes).map_err(|_| NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::LiffKeys;
    use crate::random::Random;

    const SECRET: &str = "1234567890abcdefghij1234567890ab";
    const T1: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJub25jZSI6IjA5ODc2NTRhc2RmIiwiYW1yIjpbImxpbmVhdXRvbG9naW4iXSwibmFtZSI6IuODhuOCueODiCBUYXJvIiwicGljdHVyZSI6Imh0dHBzOi8vcHJvZmlsZS5saW5lLXNjZG4ubmV0L2FiY2RlZmdoaWprbG1uIn0.KLjYherK2DzQLBb_KPGDMZ5U0wWrX18Snris4sErH9s";
    const T4: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJub25jZSI6IjA5ODc2NTRhc2RmIiwiYW1yIjpbImxpbmVhdXRvbG9naW4iXSwibmFtZSI6IuODhuOCueODiCBUYXJvIiwicGljdHVyZSI6Imh0dHBzOi8vcHJvZmlsZS5saW5lLXNjZG4ubmV0L2FiY2RlZmdoaWprbG1uIn0.";
    /// HS256 keyed with the `x` of T5's JWK, and with its `kid`.
    const T6: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6ImxvY2FsLWVzMjU2LTEifQ.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJhbXIiOlsibGluZXNzbyJdLCJuYW1lIjoiVGFybyJ9.2LVKGpwISEzrstYB2EA3hS0IaWkP8LDhhK2tNrbQ298";
    const X_OF_T6: &str = "aV1sqQNHF0fdSjoLjEt48bNCGl1pfjzB0130QqutSsA";

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.into(),
            sub: "U1234567890abcdef1234567890abcdef".into(),
            aud: "1234567890".into(),
            exp: 1_767_229_200,
            iat: 1_767_225_600,
            auth_time: None,
            nonce: Some("0987654asdf".into()),
            amr: vec!["lineautologin".into()],
            name: Some("テスト Taro".into()),
            picture: Some("https://profile.line-scdn.net/abcdefghijklmn".into()),
            email: None,
        }
    }

    fn liff_keys(seed: u64) -> ServedKeys {
        LiffKeys::default().served(&Random::new(seed)).clone()
    }

    #[test]
    fn the_token_equals_the_vector_of_the_fact_sheet() {
        assert_eq!(encode_hs256(&claims(), SECRET), T1);
        assert_eq!(decode(T1, Some(SECRET), &liff_keys(1)), Ok(claims()));
    }

    #[test]
    fn no_algorithm_and_a_foreign_secret_are_refused() {
        let keys = liff_keys(1);
        assert_eq!(decode(T4, Some(SECRET), &keys), Err(NotOurs));
        assert_eq!(decode(T1, Some("another"), &keys), Err(NotOurs));
        assert_eq!(decode(T1, None, &keys), Err(NotOurs));
    }

    #[test]
    fn a_liff_token_names_its_key_and_is_refused_without_it() {
        let keys = liff_keys(1);
        let token = encode_es256(&claims(), &keys.newest);
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, serde_json::json!({ "typ": "JWT", "alg": "ES256", "kid": keys.newest.kid }));
        assert_eq!(decode(&token, None, &keys), Ok(claims()));
        assert_eq!(decode(&token, None, &liff_keys(2)), Err(NotOurs));
        let (signed, _) = token.rsplit_once('.').unwrap();
        let foreign = liff_keys(2).newest.sign(signed.as_bytes());
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(foreign));
        assert_eq!(decode(&forged, None, &keys), Err(NotOurs));
    }

    #[test]
    fn a_public_key_is_no_secret_of_hs256() {
        let keys = liff_keys(1);
        assert_eq!(decode(T6, Some(SECRET), &keys), Err(NotOurs));
        assert!(decode(T6, Some(X_OF_T6), &keys).is_ok(), "the vector is what it says it is");
        let header = format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, keys.newest.kid);
        let signed = signing_input(&header, &claims());
        let jwks = keys.jwk_set();
        let public = jwks["keys"][0]["x"].as_str().unwrap();
        let signature = mac(public, &signed).unwrap().finalize().into_bytes();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(decode(&token, Some(SECRET), &keys), Err(NotOurs));
    }
}
