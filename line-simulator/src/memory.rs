//! What the stand-in remembers across restarts, as one value.
//!
//! In: a configuration and, if there is one, what was saved. Out: the same again. Not here: calls, violations,
//! faults, rate limits and webhooks under way; those start afresh.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::login::{LiffKeys, Logins};
use crate::messaging::Bots;
use crate::people::People;
use crate::random::Random;

/// The first message id, of the length that LINE's have.
const FIRST_MESSAGE_ID: u64 = 461_230_966_842_064_897;

/// The saved state could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the saved state is not readable: {0}")]
pub struct RestoreError(#[from] serde_json::Error);

/// Everything that lasts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) people: People,
    #[serde(default)]
    pub(crate) logins: Logins,
    #[serde(default)]
    pub(crate) liff_keys: LiffKeys,
    #[serde(default)]
    pub(crate) bots: Bots,
    last_message_id: u64,
}

impl Memory {
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            people: People::default(),
            logins: Logins::default(),
            liff_keys: LiffKeys::default(),
            bots: Bots::default(),
            last_message_id: FIRST_MESSAGE_ID - 1,
        }
    }

    pub(crate) fn restore(config: Config, saved: &[u8]) -> Result<Self, RestoreError> {
        let mut memory: Self = serde_json::from_slice(saved)?;
        memory.config.upsert(config);
        Ok(memory)
    }

    pub(crate) fn save(&self) -> Vec<u8> {
        // Every part has string keys, so the error cannot happen.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn next_message_id(&mut self) -> u64 {
        self.last_message_id += 1;
        self.last_message_id
    }

    /// Forgets people and all that came of them; channels, their tokens and settings, and LINE's keys stay.
    pub(crate) fn reset(&mut self) {
        self.people.clear();
        self.logins = Logins::default();
        self.bots.reset();
    }
}
