//! Everything the stand-in draws by chance: ids, codes, tokens.
//!
//! In: a seed. Out: the same sequence for the same seed, so that a failing test can be repeated. Not here:
//! secrecy; a stand-in has no secrets worth keeping.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::UserId;

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A counter hashed with a seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// What follows from the seed alone, however much was drawn: the same for the same purpose.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(purpose).finalize().into()
    }

    fn block(&mut self) -> [u8; 32] {
        self.drawn += 1;
        Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.drawn.to_be_bytes())
            .finalize()
            .into()
    }

    fn symbols(&mut self, alphabet: &[u8], count: usize) -> String {
        let mut text = String::with_capacity(count);
        while text.len() < count {
            let wanted = count - text.len();
            text.extend(self.block().iter().take(wanted).filter_map(|byte| {
                alphabet.get(usize::from(*byte) % alphabet.len()).map(|symbol| char::from(*symbol))
            }));
        }
        text
    }

    /// `count` letters and digits.
    pub(crate) fn alphanumeric(&mut self, count: usize) -> String {
        self.symbols(ALPHANUMERIC, count)
    }

    /// `count` lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, count: usize) -> String {
        self.symbols(b"0123456789abcdef", count)
    }

    /// 256 bits in Base64url.
    pub(crate) fn opaque(&mut self) -> String {
        URL_SAFE_NO_PAD.encode(self.block())
    }

    /// A version 4 UUID, the form of `x-line-request-id`.
    pub(crate) fn uuid(&mut self) -> String {
        let hex = self.hex(30);
        let part = |from, to| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
    }

    /// A ULID whose time part is `now` (Unix milliseconds), the form of `webhookEventId`.
    pub(crate) fn ulid(&mut self, now: i64) -> String {
        let time = (0..10).rev().map(|place| (now >> (place * 5)) & 31);
        let mut text: String =
            time.filter_map(|value| usize::try_from(value).ok()).filter_map(crockford).collect();
        text.push_str(&self.symbols(CROCKFORD, 16));
        text
    }

    pub(crate) fn user_id(&mut self) -> UserId {
        format!("U{}", self.hex(32)).into()
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = self.block().iter().take(7).fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        number.checked_rem(bound).unwrap_or_default()
    }
}

fn crockford(value: usize) -> Option<char> {
    CROCKFORD.get(value).map(|symbol| char::from(*symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_ids() {
        assert_eq!(Random::new(7).user_id(), Random::new(7).user_id());
        assert_ne!(Random::new(7).user_id(), Random::new(8).user_id());
    }

    #[test]
    fn a_ulid_opens_with_its_time() {
        assert!(Random::new(1).ulid(1_767_225_600_000).starts_with("01KDVDNA00"));
        assert_eq!(Random::new(1).ulid(1_767_225_600_000).len(), 26);
    }

    #[test]
    fn a_request_id_is_a_uuid() {
        assert!(crate::id::is_uuid(&Random::new(3).uuid()));
    }
}
