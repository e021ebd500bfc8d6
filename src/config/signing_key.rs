//! The keys that sign ID tokens: which one signs now, which are published, and how one follows the other.
//!
//! A new key is published 24 h before it signs, and the old one 48 h after, so that no storefront's cache fails. In an
//! emergency the old keys go at once, and the new one signs as soon as every isolate knows it; in between no isolate that
//! knows it signs, because a signature of the old key must not be believed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::StoredAccount;
use crate::{
    oauth::{SignatureAlgorithm, es256, signed, signing_input},
    platform::{Context, Platform, PlatformError},
    secret::{Purpose, SecretText},
    time::{DAY, HOUR, SECOND, UnixMillis},
};

/// How long before its first use a key is published, in milliseconds.
pub const LEAD: i64 = DAY;

/// How long after its last use a key is published, in milliseconds.
pub const TAIL: i64 = 48 * HOUR;

/// How long a key signs before age replaces it, in milliseconds.
pub const LIFETIME: i64 = 90 * DAY;

/// How long after an emergency the new key begins, in milliseconds: twice the configuration's age in an isolate.
pub const EMERGENCY_LEAD: i64 = 120 * SECOND;

/// A key that signs ID tokens, with its public half as it is published.
#[derive(Debug)]
pub struct SigningKey {
    /// `kid` in the JWK set (RFC 7517 section 4.5).
    pub kid: String,
    /// What it signs with.
    pub algorithm: SignatureAlgorithm,
    /// The private key: for RS256 a JWK, for ES256 the scalar as base64url.
    pub private: SecretText,
    /// The public JWK with `kid`, `use` and `alg`.
    pub public_jwk: Value,
    /// From when on it signs.
    pub use_from: UnixMillis,
    /// Until when it is published; none: until a successor is made.
    pub publish_until: Option<UnixMillis>,
}

/// The stored form of a signing key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredSigningKey {
    /// `kid`.
    pub kid: String,
    /// What it signs with.
    #[serde(default)]
    pub algorithm: SignatureAlgorithm,
    /// The public JWK.
    pub public_jwk: Value,
    /// The sealed private key.
    #[serde(alias = "sealed_private_jwk")]
    pub sealed_private: String,
    /// From when on it signs.
    #[serde(default = "always")]
    pub use_from: UnixMillis,
    /// Until when it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_until: Option<UnixMillis>,
}

fn always() -> UnixMillis {
    UnixMillis(0)
}

impl SigningKey {
    /// Signs claims as a JWT whose header says `typ` (RFC 7515 section 5.1). RSA does not run in wasm at a bearable price,
    /// so the platform does it.
    pub async fn sign<P: Platform>(
        &self,
        cx: Context<'_, P>,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, PlatformError> {
        let input = signing_input(self.algorithm, &self.kid, typ, claims);
        let signature = match self.algorithm {
            SignatureAlgorithm::Rs256 => {
                cx.platform.sign_rs256(&self.kid, &self.private, input.as_bytes()).await?
            }
            SignatureAlgorithm::Es256 => es256::sign(&self.private, input.as_bytes())
                .ok_or_else(|| PlatformError::Crypto("a stored ES256 key is none".to_owned()))?,
        };
        Ok(signed(input, &signature))
    }
}

/// Makes a key that signs from `use_from` on: its public half as a JWK with `kid`, `use` and `alg`, its private half
/// sealed.
pub async fn make<P: Platform>(
    cx: Context<'_, P>,
    algorithm: SignatureAlgorithm,
    use_from: UnixMillis,
) -> Result<StoredSigningKey, PlatformError> {
    let kid = crate::id::short(cx.platform.random());
    let (private, public_jwk) = match algorithm {
        SignatureAlgorithm::Rs256 => rs256(cx, &kid).await?,
        SignatureAlgorithm::Es256 => es256_key(cx, &kid)?,
    };
    let sealed_private =
        cx.settings.keys.seal_text(Purpose::SigningKey, private.expose(), cx.platform.random());
    Ok(StoredSigningKey { kid, algorithm, public_jwk, sealed_private, use_from, publish_until: None })
}

/// Makes the first key of each algorithm that the account's clients sign with, and of RS256, which everybody must find. A
/// first key needs no lead time.
pub async fn provide<P: Platform>(
    cx: Context<'_, P>,
    stored: &mut StoredAccount,
) -> Result<(), PlatformError> {
    for algorithm in SignatureAlgorithm::ALL {
        let is_wanted = algorithm == SignatureAlgorithm::default()
            || stored.clients.iter().any(|client| client.id_token_signed_response_alg == algorithm);
        if is_wanted && !stored.signing_keys.iter().any(|key| key.algorithm == algorithm) {
            stored.signing_keys.push(make(cx, algorithm, cx.platform.now()).await?);
        }
    }
    Ok(())
}

async fn rs256<P: Platform>(cx: Context<'_, P>, kid: &str) -> Result<(SecretText, Value), PlatformError> {
    #[derive(Deserialize)]
    struct PublicPart {
        n: String,
        e: String,
    }
    let private = cx.platform.generate_rs256().await?;
    let public: PublicPart =
        serde_json::from_str(private.expose()).map_err(|e| PlatformError::Crypto(e.to_string()))?;
    let jwk = json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": public.n, "e": public.e });
    Ok((private, jwk))
}

fn es256_key<P: Platform>(cx: Context<'_, P>, kid: &str) -> Result<(SecretText, Value), PlatformError> {
    // Of 2^256 draws, 2^224 are no scalar of the curve.
    let private = es256::private_key(cx.platform.random());
    let key = private.and_then(|private| es256::public_jwk(&private, kid).map(|jwk| (private, jwk)));
    key.ok_or_else(|| PlatformError::Crypto("no ES256 key was drawn; try again".to_owned()))
}

/// The key that signs with `algorithm` at `now`: of those that may, the newest.
#[must_use]
pub fn in_use(keys: &[SigningKey], algorithm: SignatureAlgorithm, now: UnixMillis) -> Option<&SigningKey> {
    let usable = keys.iter().filter(|key| key.algorithm == algorithm && key.use_from <= now);
    usable.max_by_key(|key| key.use_from)
}

/// The keys that are published at `now`, RS256 first.
pub fn published(keys: &[SigningKey], now: UnixMillis) -> impl Iterator<Item = &SigningKey> {
    let is_published = move |key: &&SigningKey| key.publish_until.is_none_or(|until| now < until);
    let of = move |algorithm| keys.iter().filter(move |key| key.algorithm == algorithm);
    SignatureAlgorithm::ALL.into_iter().flat_map(of).filter(is_published)
}

/// Takes in a key that follows those of the same algorithm: (1) what is over is dropped; (2) in an emergency the others
/// go as well; (3) otherwise they stay published until [`TAIL`] after the new one's first use.
pub fn succeed(keys: &mut Vec<StoredSigningKey>, new: StoredSigningKey, emergency: bool, now: UnixMillis) {
    // (1)
    keys.retain(|key| key.is_published(now));
    // (2)
    keys.retain(|key| !(emergency && key.algorithm == new.algorithm));
    // (3)
    for key in keys.iter_mut().filter(|key| key.algorithm == new.algorithm) {
        key.publish_until = key.publish_until.or(Some(new.use_from + TAIL));
    }
    keys.insert(0, new);
}

/// When the next key must be made, so that it is published [`LEAD`] before the oldest successor-less one is too old.
#[must_use]
pub fn due_at(keys: &[StoredSigningKey]) -> UnixMillis {
    let last = keys.iter().filter(|key| key.publish_until.is_none()).map(|key| key.use_from).min();
    last.map_or(UnixMillis(0), |use_from| use_from + (LIFETIME - LEAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, use_from: i64) -> StoredSigningKey {
        StoredSigningKey {
            kid: kid.to_owned(),
            algorithm: SignatureAlgorithm::Rs256,
            public_jwk: Value::Null,
            sealed_private: String::new(),
            use_from: UnixMillis(use_from),
            publish_until: None,
        }
    }

    fn kids(keys: &[StoredSigningKey]) -> Vec<&str> {
        keys.iter().map(|key| key.kid.as_str()).collect()
    }

    #[test]
    fn a_successor_leaves_the_old_key_published_and_an_emergency_does_not() {
        let mut keys = vec![key("a", 0)];
        let now = UnixMillis(100 * DAY);
        succeed(&mut keys, key("b", 101 * DAY), false, now);
        assert_eq!(kids(&keys), ["b", "a"]);
        assert_eq!(keys[1].publish_until, Some(UnixMillis(101 * DAY + TAIL)));
        assert_eq!(due_at(&keys), UnixMillis(101 * DAY + LIFETIME - LEAD));
        succeed(&mut keys, key("c", 200 * DAY), false, UnixMillis(190 * DAY));
        assert_eq!(kids(&keys), ["c", "b"], "what is over is dropped");
        succeed(&mut keys, key("d", 190 * DAY + EMERGENCY_LEAD), true, UnixMillis(190 * DAY));
        assert_eq!(kids(&keys), ["d"]);
    }
}
