//! RS256 of client assertions: the public keys that are registered for Login channels, and signatures under them.
//!
//! In: a JWK as the console takes it, a text and a signature. Out: whether the signature is the key's. Not here: what an
//! assertion says (`assertion.rs`), and private keys, which LINE never sees.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_bigint::modular::runtime_mod::{DynResidue, DynResidueParams};
use crypto_bigint::{Encoding as _, U64, U2048};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Bytes of a modulus and of a signature: RSA-2048 only, as LINE has it.
const BYTES: usize = 256;

/// The public exponent 65537 and its length in bits.
const EXPONENT: (u64, usize) = (65_537, 17);

/// The DER of `DigestInfo` for SHA-256, in front of the digest (RFC 8017 section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// A public key as the console registers it: RSA-2048 for RS256, without a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct RsaPublicKey {
    jwk: Value,
    modulus: Box<U2048>,
}

impl TryFrom<Value> for RsaPublicKey {
    type Error = &'static str;

    /// The rules of LINE's documentation for the key that is registered.
    fn try_from(jwk: Value) -> Result<Self, Self::Error> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("kty") != Some("RSA") || text("alg") != Some("RS256") {
            return Err("a public key has kty RSA and alg RS256");
        }
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        let verifies = operations.is_some_and(|all| all.iter().any(|one| one == "verify"));
        if text("use") != Some("sig") && !verifies {
            return Err("a public key has use sig, or verify among its key_ops");
        }
        if jwk.get("kid").is_some() {
            return Err("a public key is registered without kid: LINE names it");
        }
        if jwk.get("d").is_some() {
            return Err("this is a private key, which nobody else may have");
        }
        if text("e") != Some("AQAB") {
            return Err("a public key has e AQAB");
        }
        let bytes = text("n").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let bytes =
            bytes.filter(|bytes| bytes.len() == BYTES && bytes.first().is_some_and(|byte| *byte >= 0x80));
        let bytes = bytes.filter(|bytes| bytes.last().is_some_and(|byte| byte % 2 == 1));
        let bytes = bytes.ok_or("a public key has n of 2048 bits in base64url")?;
        Ok(Self { modulus: Box::new(U2048::from_be_slice(&bytes)), jwk })
    }
}

impl From<RsaPublicKey> for Value {
    fn from(key: RsaPublicKey) -> Self {
        key.jwk
    }
}

impl RsaPublicKey {
    /// Whether a signature is the key's (RFC 8017 section 8.2.2): what it stands for is built anew and compared, so that
    /// nothing of it has to be read.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        if signature.len() != BYTES {
            return false;
        }
        let signature = U2048::from_be_slice(signature);
        if signature >= *self.modulus {
            return false;
        }
        let (exponent, bits) = EXPONENT;
        let power = DynResidue::new(&signature, DynResidueParams::new(&self.modulus));
        power.pow_bounded_exp(&U64::from_u64(exponent), bits).retrieve().to_be_bytes() == encoded(signed)
    }
}

/// EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 9.2).
fn encoded(signed: &[u8]) -> [u8; BYTES] {
    let digest = Sha256::digest(signed);
    let padding = BYTES - 3 - DIGEST_INFO.len() - digest.len();
    let bytes = [0, 1].into_iter().chain(std::iter::repeat_n(0xff, padding)).chain([0]);
    let mut bytes = bytes.chain(DIGEST_INFO).chain(digest);
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Made with OpenSSL 3.0 (`openssl genrsa`, `openssl dgst -sign`).
    const N: &str = "pTaYWDup1_M_8gYd18s-OS9v9oBpoulJAAaQ-FWWgxCDpScbo3hA7jXTHdXfBfKWSFCt0j4iYaxvOzQ3G5PKXBmuyB0p2lAN63E50wyy-DRTDwPv9bx2NYZCwp_Pa_s5z08KLc9f_qerVjKUuEboalHBVwnxYkrPt-16_ZaVH1IhoyvSJwT4nNyIyo2hVrbnb_relDRMjJnvXHjMJVDqA-ctFzaJccyYD6vmQ5YHlyTzCSNGp6OL5uPucMYMR2jA9uRrZ2BG6SfpKtqc_pcfaK8pKAkrypHHrsDo7Zp3XmtfP3uKPuEBnpoHVsJiyxqgJ-ncDlggxO0fE4pGzDm-JQ";
    const SHA256: &str = "OqmeCAAXRxLOVwe_VF0HfDzOHVVaFhC_O2JGVO4L3InbOEvKR9TmToC-_EIH4CEjrfctsPpJ84kkPHzQ9zb3mHw2LzrlkUNCDE-deCG9jVqkOCiy6-waPCXhGsXWCOXk5H7aq1Yyfe9D-xbfR_qRs4cCNqaFMgk_vVh3JXjnEwUYgMrTsO-n1EM0IeGuXYzmmkd-U92dPEon3bbYG25rAgcVXS8GKM2NSL-9P9mFIINE21IVz03bsDvbvOQBOI2EwgUDqNMnVRXq0_jGjxt4ijizk9wcUJoIqFWw9pupykDlsz0bJdfsjSNLrO2cf4ch2XxNz6nR5_zRE5LHy3kJRg";
    const SHA512: &str = "kEZ3dSjHY04Tj4BxJt6q6N2bq1PvVS4dA0_CZHGZPFWZkqNRt4lBjb1ENGizUiz_70M0Lg63TLOeg7G5pmIgVTlxt5LNgjFtlTpjpfMY02s8qMoaRHR0iSI4F6DVPu_rlBO3IPDluis3KHyfN6DM1z8BTM5Y33LgQ96I7_yNeJMsjCHGNm__wZVN8CXfO_sZiZAKQRw2J8IR17EvFQmuG7V7jycVLF_GUto7IB2YORRCLC1lvzb4xaAoiDJyoVI76U6Bh9X95_D3OBvrcVOhEmRl1KsG28ZrJpALKIB31sdlfnVuYMVhzje_5Akrjjc_xkB17uTex5e7WxTUVCCXOg";
    const PSS: &str = "AWk8t9ibk_V3DzIKGfNq3fzt2vyRGhiBlYmyY1F2fP62Op96HIjhaXjYT2VeJFHCvhFaKDdagrcmK_v8IZ3yhkvdqXtVPQ_ym05DiV7vb9tG4ymtJbRxn3Jcmuz95I-ERbtEBVR9c4aQPrI8G8BV1RiuuFpV2lHb5LLuG3OAwU0xycgC5u_TujofhGeKc3jb2C8Mqoftvl60vnh5LhAHOVwOdt9cbwJTRN8TW0ZZFOoSaxXiS48gbTz7AOWyonZKdCUKK4dh2fdjvEJC7wTGkCLGvaZwJmgx6kBySKRYc-ZVUgEJvCjCcNqIdn_0HSCpvoDKqzOsqmGx_xmzzVnSxQ";
    const TEXT: &[u8] = b"signed text";

    fn jwk() -> Value {
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "n": N, "e": "AQAB" })
    }

    fn key() -> RsaPublicKey {
        RsaPublicKey::try_from(jwk()).unwrap()
    }

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn a_signature_of_openssl_verifies_and_no_other_text_padding_or_hash_does() {
        assert!(key().verifies(TEXT, &bytes(SHA256)));
        assert!(!key().verifies(b"signed tex", &bytes(SHA256)));
        assert!(!key().verifies(TEXT, &bytes(SHA512)));
        assert!(!key().verifies(TEXT, &bytes(PSS)));
    }

    #[test]
    fn a_signature_that_is_short_long_changed_or_beyond_the_modulus_is_none() {
        let good = bytes(SHA256);
        let mut changed = good.clone();
        changed[255] ^= 1;
        for wrong in
            [&good[1..], &[&good[..], &[0]].concat(), &changed, &[0; 256], &[0xff; 256], &bytes(N), &[]]
        {
            assert!(!key().verifies(TEXT, wrong));
        }
    }

    #[test]
    fn a_key_is_registered_as_the_console_takes_it_or_not_at_all() {
        let but = |name: &str, value: Value| {
            let mut jwk = jwk();
            jwk[name] = value;
            RsaPublicKey::try_from(jwk)
        };
        assert!(but("use", Value::Null).is_err());
        let mut operations = jwk();
        operations.as_object_mut().unwrap().remove("use");
        operations["key_ops"] = json!(["verify"]);
        assert!(RsaPublicKey::try_from(operations).is_ok());
        let small = URL_SAFE_NO_PAD.encode([0xc1; 128]);
        let even = URL_SAFE_NO_PAD.encode([0xc2; 256]);
        for (name, value) in [
            ("kty", json!("EC")),
            ("alg", json!("RS512")),
            ("kid", json!("mine")),
            ("d", json!("AQ")),
            ("e", json!("Aw")),
            ("n", json!(small)),
            ("n", json!(even)),
            ("n", json!("not base64url!")),
            ("n", json!(7)),
        ] {
            assert!(but(name, value.clone()).is_err(), "{name} {value}");
        }
        let again: RsaPublicKey = serde_json::from_value(serde_json::to_value(key()).unwrap()).unwrap();
        assert_eq!(again, key());
    }
}
