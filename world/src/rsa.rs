//! RS256 by OpenSSL, with keys in the form that `WebCrypto` exports (RFC 7518 section 6.3).
//!
//! Making a key takes a tenth of a second, so a process makes few and every world receives the same ones.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{
    bn::{BigNum, BigNumRef},
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::{Rsa, RsaPrivateKeyBuilder},
    sign::{Signer, Verifier},
};
use serde_json::{Value, json};

/// Keys of a process. Two, so that one account's signature is seen to be wrong under another's key.
static KEYS: [OnceLock<String>; 2] = [OnceLock::new(), OnceLock::new()];

/// Keys that operators have made for LINE: one of each of the two accounts, and neither of them ours.
static ASSERTION_KEYS: [OnceLock<String>; 2] = [OnceLock::new(), OnceLock::new()];

/// The private key for the `number`-th time that a world asks for one, as a JWK.
pub(crate) fn generate(number: usize) -> Result<String, String> {
    key_of(&KEYS, number)
}

/// The private key that an operator has made for the `number`-th account, as a JWK.
pub(crate) fn assertion_key(number: usize) -> Result<String, String> {
    key_of(&ASSERTION_KEYS, number)
}

fn key_of(keys: &'static [OnceLock<String>; 2], number: usize) -> Result<String, String> {
    let [first, second] = keys;
    let key = if number.is_multiple_of(2) { first } else { second };
    if let Some(known) = key.get() {
        return Ok(known.clone());
    }
    let made = generated().map_err(|error| error.to_string())?;
    Ok(key.get_or_init(|| made).clone())
}

fn generated() -> Result<String, ErrorStack> {
    let key = Rsa::generate(2048)?;
    let text = |number: &BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec());
    let optional = |number: Option<&BigNumRef>| number.map(text);
    let jwk = json!({
        "kty": "RSA", "alg": "RS256", "key_ops": ["sign"], "ext": true,
        "n": text(key.n()), "e": text(key.e()), "d": text(key.d()),
        "p": optional(key.p()), "q": optional(key.q()),
        "dp": optional(key.dmp1()), "dq": optional(key.dmq1()), "qi": optional(key.iqmp()),
    });
    Ok(jwk.to_string())
}

/// Signs with RSASSA-PKCS1-v1_5 and SHA-256.
pub(crate) fn sign(private_jwk: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let jwk: Value = serde_json::from_str(private_jwk).map_err(|error| error.to_string())?;
    let key = private_key(&jwk)?;
    let signed = || -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::from_rsa(key)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(input)?;
        signer.sign_to_vec()
    };
    signed().map_err(|error| error.to_string())
}

/// Whether the numbers of a private key belong together, which `WebCrypto` looks at when it imports one. It takes some
/// milliseconds, so a process looks at each key once.
pub(crate) fn imports(private_jwk: &str) -> bool {
    static LOOKED_AT: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let looked_at = || LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = looked_at().get(private_jwk) {
        return *known;
    }
    let key = serde_json::from_str(private_jwk).ok().and_then(|jwk| private_key(&jwk).ok());
    let is_whole = key.is_some_and(|key| key.check_key().unwrap_or(false));
    looked_at().insert(private_jwk.to_owned(), is_whole);
    is_whole
}

/// Whether a signature verifies under a public key, as a storefront sees it in the JWK set.
#[must_use]
pub fn verifies(public_jwk: &Value, input: &[u8], signature: &[u8]) -> bool {
    let (Ok(n), Ok(e)) = (number(public_jwk, "n"), number(public_jwk, "e")) else { return false };
    let verified = || -> Result<bool, ErrorStack> {
        let key = PKey::from_rsa(Rsa::from_public_components(n, e)?)?;
        Verifier::new(MessageDigest::sha256(), &key)?.verify_oneshot(signature, input)
    };
    verified().unwrap_or(false)
}

fn number(jwk: &Value, name: &str) -> Result<BigNum, String> {
    let text = jwk.get(name).and_then(Value::as_str).ok_or_else(|| format!("the key has no {name}"))?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("{name}: {error}"))?;
    BigNum::from_slice(&bytes).map_err(|error| error.to_string())
}

fn private_key(jwk: &Value) -> Result<Rsa<Private>, String> {
    let number = |name| number(jwk, name);
    let refused = |error: ErrorStack| error.to_string();
    let builder = RsaPrivateKeyBuilder::new(number("n")?, number("e")?, number("d")?).map_err(refused)?;
    let builder = builder.set_factors(number("p")?, number("q")?).map_err(refused)?;
    let builder = builder.set_crt_params(number("dp")?, number("dq")?, number("qi")?).map_err(refused)?;
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_with_a_jwk_verifies_under_its_public_half() {
        let jwk = generate(0).unwrap();
        assert_eq!(generate(2).unwrap(), jwk);
        let signature = sign(&jwk, b"input").unwrap();
        let public = serde_json::from_str(&jwk).unwrap();
        assert!(verifies(&public, b"input", &signature));
        assert!(!verifies(&public, b"other", &signature));
        assert!(!verifies(&serde_json::from_str(&generate(1).unwrap()).unwrap(), b"input", &signature));
    }

    #[test]
    fn a_key_of_mixed_numbers_does_not_import() {
        let (one, other) = (generate(0).unwrap(), generate(1).unwrap());
        assert!(imports(&one) && imports(&other));
        let other: Value = serde_json::from_str(&other).unwrap();
        for name in ["n", "d", "p", "q", "dp", "dq", "qi"] {
            let mut mixed: Value = serde_json::from_str(&one).unwrap();
            mixed[name] = other[name].clone();
            assert!(!imports(&mixed.to_string()), "{name}");
        }
    }
}
