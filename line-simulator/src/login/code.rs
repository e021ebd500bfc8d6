//! Authorization codes: ten minutes, one use, spent even by an exchange that fails.
//!
//! In: a finished attempt. Out: its code's record. Not here: the exchange (`token.rs`).

use serde::{Deserialize, Serialize};

use crate::login::Attempt;

/// LINE's lifetime of a code.
pub(crate) const LIFETIME_MS: i64 = 10 * 60_000;
/// Spent codes are remembered so long, to notice a second exchange.
const REMEMBERED_MS: i64 = 24 * 3_600_000;

/// A code that was issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    /// None for the dead code of a failed auto login.
    pub(crate) attempt: Option<Attempt>,
    pub(crate) issued_at: i64,
    pub(crate) spent: bool,
}

impl Code {
    pub(crate) fn new(attempt: Attempt, now: i64) -> Self {
        Self { attempt: Some(attempt), issued_at: now, spent: false }
    }

    pub(crate) fn dead(now: i64) -> Self {
        Self { attempt: None, issued_at: now, spent: false }
    }

    pub(crate) fn worth_remembering(&self, now: i64) -> bool {
        now - self.issued_at < REMEMBERED_MS
    }
}
