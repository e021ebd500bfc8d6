//! ES256 (RFC 7518 section 3.4): ECDSA on P-256, for clients that chose it, and for LIFF's ID tokens. Signing is
//! deterministic (RFC 6979), so that no bad randomness can betray the key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt_compact::{
    Algorithm, AlgorithmSignature,
    alg::{Es256, SigningKey as _},
    jwk::JsonWebKey,
};
use serde_json::{Value, json};

use crate::secret::SecretText;

type Private = <Es256 as Algorithm>::SigningKey;

/// A public key.
pub type Public = <Es256 as Algorithm>::VerifyingKey;

/// A private key from 256 random bits, as base64url; none for the few that are no scalar of the curve.
#[must_use]
pub fn private_key(random: [u8; 32]) -> Option<SecretText> {
    Private::from_slice(&random).ok().map(|_| SecretText::from_random(random))
}

/// The public half as a JWK with `kid`, `use` and `alg`.
#[must_use]
pub fn public_jwk(private: &SecretText, kid: &str) -> Option<Value> {
    let key = opened(private)?.to_verifying_key();
    let JsonWebKey::EllipticCurve { x, y, .. } = JsonWebKey::from(&key) else { return None };
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Some(
        json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": text(&x), "y": text(&y) }),
    )
}

/// Signs a JWS signing input.
#[must_use]
pub fn sign(private: &SecretText, input: &[u8]) -> Option<Vec<u8>> {
    Some(Es256.sign(&opened(private)?, input).as_bytes().into_owned())
}

/// Whether `signature` is the one of `input` under a published key.
#[must_use]
pub fn verifies(public_jwk: &Value, input: &[u8], signature: &[u8]) -> bool {
    let key = serde_json::from_value::<JsonWebKey<'_>>(public_jwk.clone()).ok();
    let key = key.and_then(|key| Public::try_from(&key).ok());
    let signature = <Es256 as Algorithm>::Signature::try_from_slice(signature).ok();
    key.zip(signature).is_some_and(|(key, signature)| Es256.verify_signature(&signature, &key, input))
}

fn opened(private: &SecretText) -> Option<Private> {
    Private::from_slice(&URL_SAFE_NO_PAD.decode(private.expose()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_signs_verifies_under_its_public_half_and_no_other() {
        let (one, other) = (private_key([1; 32]).unwrap(), private_key([2; 32]).unwrap());
        let signature = sign(&one, b"input").unwrap();
        assert!(verifies(&public_jwk(&one, "a").unwrap(), b"input", &signature));
        assert!(!verifies(&public_jwk(&one, "a").unwrap(), b"other", &signature));
        assert!(!verifies(&public_jwk(&other, "b").unwrap(), b"input", &signature));
        assert!(!verifies(&public_jwk(&one, "a").unwrap(), b"input", b"short"));
        assert!(private_key([0; 32]).is_none() && private_key([0xff; 32]).is_none());
    }
}
