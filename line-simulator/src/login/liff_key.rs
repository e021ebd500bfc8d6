//! The P-256 keys that LINE signs the ID tokens of LIFF apps with, and of Login channels without a secret, and the JWK set
//! that shows their public halves.
//!
//! In: the seed, so that they are the stand-in's own and nobody's secret. Out: keys, JWKs, signatures in the form of
//! JWS (RFC 7518 section 3.4: r and s, 32 bytes each). Not here: tokens (`id_token.rs`), and who asks (`liff.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::random::Random;

/// A key and its name.
#[derive(Clone, Debug)]
pub(crate) struct LiffKey {
    pub(crate) kid: String,
    key: SigningKey,
}

impl LiffKey {
    fn derive(random: &Random, number: u32) -> Self {
        let mut scalar = random.derived(&format!("LIFF key {number}"));
        loop {
            if let Ok(key) = SigningKey::from_slice(&scalar) {
                return Self { kid: kid(key.verifying_key()), key };
            }
            // Zero or beyond the order of the curve: one hash in four thousand million.
            scalar = Sha256::digest(scalar).into();
        }
    }

    pub(crate) fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(signed);
        signature.to_bytes().to_vec()
    }

    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        verifies(self.key.verifying_key(), signed, signature)
    }

    fn jwk(&self) -> Value {
        let (x, y) = coordinates(self.key.verifying_key());
        json!({
            "kty": "EC", "alg": "ES256", "use": "sig", "kid": self.kid, "crv": "P-256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

fn verifies(key: &VerifyingKey, signed: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify(signed, &signature).is_ok())
}

fn coordinates(key: &VerifyingKey) -> (Vec<u8>, Vec<u8>) {
    let point = key.to_encoded_point(false);
    let bytes = |coordinate: Option<&p256::FieldBytes>| coordinate.map(|x| x.to_vec()).unwrap_or_default();
    (bytes(point.x()), bytes(point.y()))
}

/// 64 hexadecimal digits, as LINE's own key ids are seen to be.
fn kid(key: &VerifyingKey) -> String {
    let (x, y) = coordinates(key);
    Sha256::new()
        .chain_update(x)
        .chain_update(y)
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The keys that `/certs` shows.
#[derive(Clone, Debug)]
pub(crate) struct ServedKeys {
    /// Which signs.
    pub(crate) newest: LiffKey,
    /// Which signed before the last rotation, if there was one.
    previous: Option<LiffKey>,
}

impl ServedKeys {
    fn all(&self) -> impl Iterator<Item = &LiffKey> {
        std::iter::once(&self.newest).chain(&self.previous)
    }

    pub(crate) fn named(&self, kid: &str) -> Option<&LiffKey> {
        self.all().find(|key| key.kid == kid)
    }

    pub(crate) fn jwk_set(&self) -> Value {
        json!({ "keys": self.all().map(LiffKey::jwk).collect::<Vec<_>>() })
    }
}

/// The keys of one platform, made when somebody first looks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LiffKeys {
    /// How often the key was rotated, which is the number of the newest.
    rotations: u32,
    #[serde(skip)]
    served: Option<ServedKeys>,
}

impl LiffKeys {
    pub(crate) fn served(&mut self, random: &Random) -> &ServedKeys {
        let number = self.rotations;
        self.served.get_or_insert_with(|| ServedKeys {
            newest: LiffKey::derive(random, number),
            previous: number.checked_sub(1).map(|number| LiffKey::derive(random, number)),
        })
    }

    /// A new key signs from now on; the one before it is still served, any older one no more.
    pub(crate) fn rotate(&mut self) {
        self.rotations += 1;
        self.served = None;
    }
}

#[cfg(test)]
mod tests {
    use p256::EncodedPoint;

    use super::*;

    /// The vector T5 of the fact sheet: an ES256 token and its JWK.
    const T5: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6ImxvY2FsLWVzMjU2LTEifQ.eyJpc3MiOiJodHRwczovL2FjY2Vzcy5saW5lLm1lIiwic3ViIjoiVTEyMzQ1Njc4OTBhYmNkZWYxMjM0NTY3ODkwYWJjZGVmIiwiYXVkIjoiMTIzNDU2Nzg5MCIsImV4cCI6MTc2NzIyOTIwMCwiaWF0IjoxNzY3MjI1NjAwLCJhbXIiOlsibGluZXNzbyJdLCJuYW1lIjoiVGFybyJ9.klv7eoMlA-JFuZFmkPTafY93sGY4VB2qXKaqLauu0h1-OAz9PX_nbCBZ2-PGkuGz_-RCcuyqJZYkJAqjF7R7aA";
    const X: &str = "aV1sqQNHF0fdSjoLjEt48bNCGl1pfjzB0130QqutSsA";
    const Y: &str = "FaqvisDUIftQvKoWJqdcUmzhcNiew_RxRM8wYPWP0N8";

    fn key_of(x: &str, y: &str) -> VerifyingKey {
        let bytes = |text| p256::FieldBytes::clone_from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap());
        let point = EncodedPoint::from_affine_coordinates(&bytes(x), &bytes(y), false);
        VerifyingKey::from_encoded_point(&point).unwrap()
    }

    #[test]
    fn the_vector_of_the_fact_sheet_verifies_and_no_other_text_does() {
        let (signed, signature) = T5.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(verifies(&key_of(X, Y), signed.as_bytes(), &signature));
        assert!(!verifies(&key_of(X, Y), &signed.as_bytes()[1..], &signature));
        assert!(!verifies(&key_of(X, Y), signed.as_bytes(), &signature[1..]));
    }

    #[test]
    fn what_a_key_signs_verifies_under_its_jwk() {
        let key = LiffKey::derive(&Random::new(1), 0);
        let jwk = key.jwk();
        let public = key_of(jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
        let signature = key.sign(b"text");
        assert_eq!(signature.len(), 64);
        assert!(verifies(&public, b"text", &signature));
        assert_eq!(key.sign(b"text"), signature, "a run can be repeated");
    }

    #[test]
    fn a_rotation_serves_the_new_key_beside_the_last_one_only() {
        let random = Random::new(1);
        let kids = |keys: &mut LiffKeys| -> Vec<String> {
            keys.served(&random).all().map(|key| key.kid.clone()).collect()
        };
        let mut keys = LiffKeys::default();
        let first = kids(&mut keys);
        keys.rotate();
        let second = kids(&mut keys);
        keys.rotate();
        let third = kids(&mut keys);
        assert_eq!((first.len(), second.len(), third.len()), (1, 2, 2));
        assert_eq!((&second[1], &third[1]), (&first[0], &second[0]));
        assert!(keys.served(&random).named(&first[0]).is_none());
        assert_ne!(LiffKeys::default().served(&Random::new(2)).newest.kid, first[0]);
    }
}
