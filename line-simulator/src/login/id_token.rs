//! ID tokens of web logins: HS256 under the Login channel's secret, no `kid`.
//!
//! In: claims. Out: the compact token, and the claims again if the signature is right. Not here: ES256 (LIFF).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// `iss`, whatever the base of the stand-in.
pub(crate) const ISSUER: &str = "https://access.line.me";
/// ID tokens live an hour.
pub(crate) const LIFETIME_S: i64 = 3_600;

const HEADER: &[u8] = br#"{"typ":"JWT","alg":"HS256"}"#;

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

/// Why a token is refused before its claims are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotOurs;

pub(crate) fn encode(claims: &Claims, channel_secret: &str) -> String {
    let payload = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload));
    let signature = mac(channel_secret, &signed).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims of a token signed with HS256 under this secret.
pub(crate) fn decode(token: &str, channel_secret: &str) -> Result<Claims, NotOurs> {
    let (signed, signature) = token.rsplit_once('.').ok_or(NotOurs)?;
    let (header, payload) = signed.split_once('.').ok_or(NotOurs)?;
    let header: serde_json::Value = from_base64_json(header)?;
    if header.get("alg").and_then(serde_json::Value::as_str) != Some("HS256") {
        return Err(NotOurs);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotOurs)?;
    mac(channel_secret, signed).ok_or(NotOurs)?.verify_slice(&signature).map_err(|_| NotOurs)?;
    from_base64_json(payload)
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

    const SECRET: &str = "1234567890abcdefghij1234567890ab";
    const T1: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJub25jZSI6IjA5ODc2NTRhc2RmIiwiYW1yIjpbImxpbmVhdXRvbG9naW4iXSwibmFtZSI6IuODhuOCueODiCBUYXJvIiwicGljdHVyZSI6Imh0dHBzOi8vcHJvZmlsZS5saW5lLXNjZG4ubmV0L2FiY2RlZmdoaWprbG1uIn0.KLjYherK2DzQLBb_KPGDMZ5U0wWrX18Snris4sErH9s";
    const T4: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJub25jZSI6IjA5ODc2NTRhc2RmIiwiYW1yIjpbImxpbmVhdXRvbG9naW4iXSwibmFtZSI6IuODhuOCueODiCBUYXJvIiwicGljdHVyZSI6Imh0dHBzOi8vcHJvZmlsZS5saW5lLXNjZG4ubmV0L2FiY2RlZmdoaWprbG1uIn0.";

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

    #[test]
    fn the_token_equals_the_vector_of_the_fact_sheet() {
        assert_eq!(encode(&claims(), SECRET), T1);
        assert_eq!(decode(T1, SECRET), Ok(claims()));
    }

    #[test]
    fn no_algorithm_and_a_foreign_secret_are_refused() {
        assert_eq!(decode(T4, SECRET), Err(NotOurs));
        assert_eq!(decode(T1, "another"), Err(NotOurs));
    }
}
