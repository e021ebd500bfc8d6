//! A Login channel's assertion key: the private RSA key whose public half the operator has registered at LINE, and the
//! JWT that proves the channel with it (Messaging API documentation, "Channel access token v2.1"; RFC 7523 section 3).
//!
//! LINE documents client assertions for channel access tokens. That the exchange of a login's code takes one as well is
//! inferred. Not here: who signs (`channel.rs`).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    oauth::{SignatureAlgorithm, signing_input},
    secret::{Digest, SecretText},
    time::{MINUTE, UnixMillis},
};

/// `client_assertion_type` (RFC 7523 section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// `aud`, whichever host is called.
const AUDIENCE: &str = "https://api.line.me/";

/// How long an assertion is good, in milliseconds: LINE takes up to 30 minutes, and it is used at once.
const LIFETIME: i64 = 5 * MINUTE;

/// The bits of a modulus: LINE registers RSA-2048; more is let pass.
const BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// The numbers that a private key must bring for `WebCrypto` to import it (RFC 7518 section 6.3).
const NUMBERS: [&str; 8] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];

/// A private RSA key as a JWK that holds nothing but what signing needs; or what is wrong with it. Whether its numbers
/// belong together only a signature shows.
pub fn private_jwk(given: &Value) -> Result<SecretText, &'static str> {
    let given =
        given.as_object().ok_or("private_jwk is a JSON Web Key, a JSON object; neither PEM nor text")?;
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    if text("kty") != Some("RSA") {
        return Err("private_jwk must be an RSA key, with kty RSA: LINE takes no other");
    }
    if given.contains_key("alg") && text("alg") != Some("RS256") {
        return Err("private_jwk must be for RS256: alg is RS256, or absent");
    }
    if given.contains_key("use") && text("use") != Some("sig") {
        return Err("private_jwk must be for signatures: use is sig, or absent");
    }
    let signs = |operations: &Value| operations.as_array().is_some_and(|all| all.contains(&json!("sign")));
    if given.get("key_ops").is_some_and(|operations| !signs(operations)) {
        return Err("private_jwk must be for signing: key_ops has sign in it, or is absent");
    }
    if !given.contains_key("d") {
        return Err("private_jwk is a public key: LINE has that one; give the private one, which has d");
    }
    if given.contains_key("oth") {
        return Err("private_jwk must be a key of two primes, without oth");
    }
    let mut kept = Map::from_iter([("kty".to_owned(), json!("RSA")), ("alg".to_owned(), json!("RS256"))]);
    for name in NUMBERS {
        let number =
            text(name).filter(|text| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| !bytes.is_empty()));
        let number = number
            .ok_or("private_jwk needs n, e, d, p, q, dp, dq and qi, each as base64url without padding")?;
        kept.insert(name.to_owned(), json!(number));
    }
    if !BITS.contains(&bits(text("n").unwrap_or_default())) {
        return Err("private_jwk must have 2048 bits (LINE's RSA-2048), and at most 4096");
    }
    if text("e") != Some("AQAB") {
        return Err("private_jwk must have the public exponent 65537, e AQAB");
    }
    Ok(SecretText::new(Value::Object(kept).to_string()))
}

/// How many bits a number in base64url has.
fn bits(text: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes.get(zeros).copied().unwrap_or_default();
    ((bytes.len() - zeros) * 8).saturating_sub(first.leading_zeros() as usize)
}

/// The public half of a private key, as it verifies.
#[must_use]
pub fn public_jwk(private_jwk: &SecretText) -> Value {
    let private: Value = serde_json::from_str(private_jwk.expose()).unwrap_or_default();
    let number = |name: &str| private.get(name).cloned().unwrap_or_default();
    json!({ "kty": "RSA", "alg": "RS256", "n": number("n"), "e": number("e") })
}

/// What names a private key to whoever keeps it imported. Not LINE's `kid`, which the operator types: under that name a
/// corrected key would find the wrong one, and one account another's.
#[must_use]
pub fn import_name(private_jwk: &SecretText) -> String {
    format!("line.{}", Digest::of(private_jwk.expose().as_bytes()).as_str())
}

/// The assertion of a channel at `now`, yet to be signed. Nothing but LINE's documented claims: LINE says of no other
/// whether it takes it.
#[must_use]
pub fn unsigned(channel_id: &str, key_id: &str, now: UnixMillis) -> String {
    let claims =
        json!({ "iss": channel_id, "sub": channel_id, "aud": AUDIENCE, "exp": (now + LIFETIME).seconds() });
    signing_input(SignatureAlgorithm::Rs256, key_id, "JWT", &claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JWK of the right shape; its numbers are none of a key.
    fn jwk() -> Value {
        let number = |length: usize| URL_SAFE_NO_PAD.encode(vec![0xc1; length]);
        json!({
            "kty": "RSA", "alg": "RS256", "key_ops": ["sign"], "ext": true, "kid": "mine", "n": number(256),
            "e": "AQAB", "d": number(256), "p": number(128), "q": number(128), "dp": number(128),
            "dq": number(128), "qi": number(128),
        })
    }

    fn but(name: &str, value: Value) -> Value {
        let mut jwk = jwk();
        jwk[name] = value;
        jwk
    }

    fn without(name: &str) -> Value {
        let mut jwk = jwk();
        jwk.as_object_mut().unwrap().remove(name);
        jwk
    }

    #[test]
    fn a_private_key_is_kept_without_what_signing_does_not_need() {
        for good in [jwk(), without("alg"), without("key_ops"), but("use", "sig".into())] {
            let kept: Value = serde_json::from_str(private_jwk(&good).unwrap().expose()).unwrap();
            assert_eq!(kept.as_object().unwrap().len(), 10, "{kept}");
            assert_eq!((&kept["n"], &kept["qi"]), (&good["n"], &good["qi"]));
        }
    }

    #[test]
    fn a_key_that_cannot_sign_for_line_is_refused_with_what_is_wrong() {
        let weak = URL_SAFE_NO_PAD.encode(vec![0xc1; 128]);
        let padded = URL_SAFE_NO_PAD.encode([vec![0; 130], vec![0xc1; 128]].concat());
        let nearly = URL_SAFE_NO_PAD.encode([vec![0x7f], vec![0xc1; 255]].concat());
        let huge = URL_SAFE_NO_PAD.encode(vec![0xc1; 513]);
        for (wrong, why) in [
            (json!("-----BEGIN PRIVATE KEY-----"), "neither PEM"),
            (json!(null), "neither PEM"),
            (but("kty", "EC".into()), "kty RSA"),
            (without("kty"), "kty RSA"),
            (but("alg", "RS512".into()), "RS256"),
            (but("alg", json!(null)), "RS256"),
            (but("use", "enc".into()), "use is sig"),
            (but("key_ops", json!(["verify"])), "has sign"),
            (but("key_ops", "sign".into()), "has sign"),
            (without("d"), "public key"),
            (without("p"), "needs n, e, d"),
            (without("qi"), "needs n, e, d"),
            (but("dq", "".into()), "needs n, e, d"),
            (but("dq", "+/==".into()), "needs n, e, d"),
            (but("q", json!(7)), "needs n, e, d"),
            (but("oth", json!([])), "two primes"),
            (but("n", weak.into()), "2048 bits"),
            (but("n", padded.into()), "2048 bits"),
            (but("n", nearly.into()), "2048 bits"),
            (but("n", huge.into()), "4096"),
            (but("e", "Aw".into()), "65537"),
        ] {
            let refused = private_jwk(&wrong).unwrap_err();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
    }

    #[test]
    fn an_assertion_says_what_line_documents_and_no_more() {
        let input = unsigned("1234567890", "key-of-line", UnixMillis::from_seconds(1_767_225_600));
        let part = |at: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(input.split('.').nth(at).unwrap()).unwrap())
                .unwrap()
        };
        assert_eq!(part(0), json!({ "alg": "RS256", "typ": "JWT", "kid": "key-of-line" }));
        assert_eq!(
            part(1),
            json!({
                "iss": "1234567890", "sub": "1234567890", "aud": "https://api.line.me/", "exp": 1_767_225_900,
            })
        );
    }

    #[test]
    fn keys_are_imported_under_their_own_names() {
        let (one, other) = (SecretText::new("{}".into()), SecretText::new("{ }".into()));
        assert_eq!(import_name(&one), import_name(&one.clone()));
        assert_ne!(import_name(&one), import_name(&other));
    }
}
