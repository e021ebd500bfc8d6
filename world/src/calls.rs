//! How often the product turned to the world: what "no store call" is counted by.

use crate::World;

/// Calls since the last reset. Each counts when it is made, whatever comes of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Round trips to D1.
    pub batches: u32,
    /// Statements in them; Workers allow 1,000 per invocation, 50 on the Free plan.
    pub statements: u32,
    /// Reads of KV.
    pub cache_reads: u32,
    /// Writes and deletions in KV.
    pub cache_writes: u32,
    /// Requests to a queue.
    pub enqueues: u32,
    /// Calls to LINE and to the shop's servers.
    pub fetches: u32,
    /// RSA signatures.
    pub signatures: u32,
}

impl Calls {
    /// Whether neither D1 nor KV was asked anything.
    #[must_use]
    pub fn touched_no_store(&self) -> bool {
        self.batches + self.statements + self.cache_reads + self.cache_writes == 0
    }
}

impl World {
    /// What was asked of the world since the last reset.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls.get()
    }

    /// Starts counting anew.
    pub fn reset_calls(&self) {
        self.calls.set(Calls::default());
    }

    pub(crate) fn count(&self, add: impl FnOnce(&mut Calls)) {
        let mut calls = self.calls.get();
        add(&mut calls);
        self.calls.set(calls);
    }
}
