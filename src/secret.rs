//! Secrets: the master key and what is derived from it, sealing, digests, and text that does not print itself.
//!
//! One secret is set at deploy, `MASTER_KEY`: 32 random bytes as base64url. From it HKDF-SHA256 (RFC 5869) derives one
//! key per purpose. Seals are XChaCha20-Poly1305 with a random nonce and a purpose as associated data, so that a seal
//! made for one purpose opens for no other. Not here: where sealed values are kept (`store/`, cookies).

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of the nonce in front of each seal.
const NONCE: usize = 24;

/// A text that must not appear in logs, errors or answers: `Debug` hides it and dropping wipes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Draws a new secret of 256 random bits, 43 unreserved characters.
    #[must_use]
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random))
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// The SHA-256 of a secret with at least 128 random bits, as 43 characters of base64url: what is stored of codes,
/// tokens, API keys and client secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
    }

    /// The digest as it stands in the store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the digest of `secret`, in time that tells nothing.
    #[must_use]
    pub fn is_of(&self, secret: &str) -> bool {
        self.0.as_bytes().ct_eq(Self::of(secret.as_bytes()).0.as_bytes()).into()
    }
}

/// Why a key or a seal could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// `MASTER_KEY` is missing or not 32 bytes of base64url.
    #[error("MASTER_KEY must be 32 random bytes as base64url without padding")]
    MasterKey,
    /// The sealed text was altered, belongs to another purpose, or was sealed under another key.
    #[error("a sealed value does not open with the keys of this deployment")]
    Seal,
}

/// What a seal is for; it is part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A secret of an account's channels or clients, in D1.
    Configuration,
    /// A private signing key, in D1.
    SigningKey,
    /// A login attempt, in its cookie.
    Attempt,
    /// A login attempt's `state`, in the URL.
    State,
    /// What waits to be told to the shop, in D1.
    Outbox,
    /// LINE's tokens of a user, in D1.
    LineTokens,
    /// An auto-login link that carries everything itself, in its address.
    AutoLoginLink,
    /// Where a login is to arrive, in its cookie and in `login_hint`.
    Ticket,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Configuration => b"enishi configuration",
            Self::SigningKey => b"enishi signing key",
            Self::Attempt => b"enishi login attempt",
            Self::State => b"enishi login state",
            Self::Outbox => b"enishi outbox",
            Self::LineTokens => b"enishi line tokens",
            Self::AutoLoginLink => b"enishi auto-login link",
            Self::Ticket => b"enishi ticket",
        }
    }
}

/// The keys of this deployment: the current one, and the previous one while old seals remain.
pub struct Keys {
    current: Zeroizing<[u8; 32]>,
    previous: Option<Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Reads `MASTER_KEY` and, where it is set, `MASTER_KEY_PREVIOUS`.
    pub fn parse(current: &str, previous: Option<&str>) -> Result<Self, SecretError> {
        let previous = previous.filter(|text| !text.is_empty()).map(master_key).transpose()?;
        Ok(Self { current: master_key(current)?, previous })
    }

    /// The operator's API key, for `/v1/accounts`: derived, so that there is nothing to store.
    #[must_use]
    pub fn operator_key(&self) -> SecretText {
        let key = derive(&self.current, b"enishi operator api key v1");
        SecretText(format!("enishi_op_{}", URL_SAFE_NO_PAD.encode(*key)))
    }

    /// Seals bytes: nonce, ciphertext and tag.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, plain: &[u8], random: [u8; 32]) -> Vec<u8> {
        let nonce = random.first_chunk::<NONCE>().unwrap_or(&[0; NONCE]);
        let sealed = sealing_cipher(&self.current)
            .encrypt(XNonce::from_slice(nonce), Payload { msg: plain, aad: purpose.label() })
            .unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Keys::seal`] made for the same purpose.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>, SecretError> {
        let (nonce, text) = sealed.split_at_checked(NONCE).ok_or(SecretError::Seal)?;
        let payload = || Payload { msg: text, aad: purpose.label() };
        let nonce = XNonce::from_slice(nonce);
        sealing_cipher(&self.current)
            .decrypt(nonce, payload())
            .or_else(|refused| match &self.previous {
                Some(previous) => sealing_cipher(previous).decrypt(nonce, payload()),
                None => Err(refused),
            })
            .map_err(|_| SecretError::Seal)
    }

    /// Seals text for a JSON value or a cookie, with a version in front.
    #[must_use]
    pub fn seal_text(&self, purpose: Purpose, plain: &str, random: [u8; 32]) -> String {
        format!("v1.{}", URL_SAFE_NO_PAD.encode(self.seal(purpose, plain.as_bytes(), random)))
    }

    /// Opens what [`Keys::seal_text`] made for the same purpose.
    pub fn open_text(&self, purpose: Purpose, sealed: &str) -> Result<SecretText, SecretError> {
        let text = sealed.strip_prefix("v1.").ok_or(SecretError::Seal)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SecretError::Seal)?;
        let plain = self.open(purpose, &bytes)?;
        String::from_utf8(plain).map(SecretText).map_err(|_| SecretError::Seal)
    }

    /// A secret that both this deployment's isolates derive alike from a secret of the caller: the session token of a
    /// login attempt, so that a double tap receives the same session.
    #[must_use]
    pub fn derived_token(&self, label: &str, secret: &str) -> SecretText {
        let key = derive(&self.current, label.as_bytes());
        SecretText(URL_SAFE_NO_PAD.encode(hmac_sha256(&*key, secret.as_bytes())))
    }

    /// What makes digests of texts that could be guessed from a plain digest: under the current key, and under the previous
    /// one while there is one.
    #[must_use]
    pub fn keyed(&self, label: &str) -> Keyed {
        let masters = std::iter::once(&self.current).chain(&self.previous);
        Keyed(masters.map(|master| derive(master, label.as_bytes())).collect())
    }
}

/// Makes keyed digests for one purpose.
pub struct Keyed(Vec<Zeroizing<[u8; 32]>>);

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed(…)")
    }
}

impl Keyed {
    /// The digests of a text, the current key's first.
    #[must_use]
    pub fn digests(&self, text: &str) -> Vec<Digest> {
        let digest =
            |key: &Zeroizing<[u8; 32]>| Digest(URL_SAFE_NO_PAD.encode(hmac_sha256(&**key, text.as_bytes())));
        self.0.iter().map(digest).collect()
    }
}

/// The SHA-256 of public bytes as standard base64: what a Content Security Policy names.
#[must_use]
pub fn sha256_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

/// HMAC-SHA256 (RFC 2104) of a message.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Whether `signature` is the standard base64 of the HMAC-SHA256 of `message`, compared in constant time.
#[must_use]
pub fn hmac_sha256_base64_matches(key: &[u8], message: &[u8], signature: &str) -> bool {
    let Ok(claimed) = STANDARD.decode(signature) else { return false };
    let mut mac = keyed(key);
    mac.update(message);
    mac.verify_slice(&claimed).is_ok()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length: the error exists only in the trait.
    <Hmac<Sha256> as Mac>::new_from_slice(key)
        .unwrap_or_else(|_| Mac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()))
}

fn sealing_cipher(master: &Zeroizing<[u8; 32]>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*derive(master, b"enishi sealing v1")).into())
}

fn derive(master: &Zeroizing<[u8; 32]>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // 32 bytes are within HKDF's 255 × 32: the error exists only in the signature.
    let _ = Hkdf::<Sha256>::new(None, &**master).expand(info, &mut *key);
    key
}

fn master_key(text: &str) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| SecretError::MasterKey)?);
    <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| SecretError::MasterKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", None).unwrap()
    }

    #[test]
    fn a_seal_opens_for_its_purpose_only_and_not_after_one_bit_changed() {
        let keys = keys();
        let sealed = keys.seal(Purpose::State, b"attempt", [9; 32]);
        assert_eq!(keys.open(Purpose::State, &sealed).unwrap(), b"attempt");
        assert_eq!(keys.open(Purpose::Attempt, &sealed), Err(SecretError::Seal));
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert_eq!(keys.open(Purpose::State, &altered), Err(SecretError::Seal));
        }
        assert_eq!(keys.open(Purpose::State, b"short"), Err(SecretError::Seal));
    }

    #[test]
    fn the_previous_master_key_still_opens_old_seals() {
        let old = keys();
        let sealed = old.seal_text(Purpose::Configuration, "secret", [1; 32]);
        let new = "__________________________________________8";
        let rotated = Keys::parse(new, Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")).unwrap();
        assert_eq!(rotated.open_text(Purpose::Configuration, &sealed).unwrap().expose(), "secret");
        let fresh = Keys::parse(new, None).unwrap();
        assert!(fresh.open_text(Purpose::Configuration, &sealed).is_err());
    }

    #[test]
    fn a_master_key_of_the_wrong_length_is_refused() {
        for wrong in ["", "AAAA", "not base64url!", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ"] {
            assert_eq!(Keys::parse(wrong, None).unwrap_err(), SecretError::MasterKey);
        }
    }

    #[test]
    fn the_operators_key_is_the_one_that_the_projects_own_commands_derive() {
        let expected = "enishi_op_EbvKs_EjNoFAiWSugfxUBuCMVZe2WJhdCVBurZ_hTmQ";
        assert_eq!(keys().operator_key().expose(), expected);
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        let secret = SecretText::new("canary".into());
        assert!(!format!("{secret:?} {:?}", keys()).contains("canary"));
    }

    #[test]
    fn hmac_signatures_agree_with_the_published_vectors() {
        // LINE's documentation (verify-webhook-signature) and its Node.js SDK's test.
        let body = br#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}"#;
        let key = b"8c570fa6dd201bb328f1c1eac23a96d8";
        assert!(hmac_sha256_base64_matches(key, body, "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs="));
        let good = "t7Hn4ZDHqs6e+wdvI5TyQIvzie0DmMUmuXEBqyyE/tM=";
        assert!(hmac_sha256_base64_matches(b"test_secret", br#"{"hello":"world"}"#, good));
        let case_changed = "t7Hn4ZDHqs6e+wdvI5TyQIvzie0DmMUmuXEBqyyE/Tm=";
        assert!(!hmac_sha256_base64_matches(b"test_secret", br#"{"hello":"world"}"#, case_changed));
    }
}
