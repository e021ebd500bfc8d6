//! Randomness that follows from a seed.

use sha2::{Digest, Sha256};

/// A stream of SHA-256 blocks over seed and counter.
#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    counter: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next 256 bits.
    pub(crate) fn block(&mut self) -> [u8; 32] {
        self.counter += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.counter.to_be_bytes());
        hash.finalize().into()
    }

    /// A number below `bound`; 0 if there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let [a, b, c, d, ..] = self.block();
        let number = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or_default();
        number.checked_rem(bound).unwrap_or_default()
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        let [a, b, c, d, ..] = self.block();
        f64::from(u32::from_be_bytes([a, b, c, d])) < probability * f64::from(u32::MAX)
    }

    /// Puts things into a random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.below(last + 1);
            things.swap(last, other);
        }
    }
}
