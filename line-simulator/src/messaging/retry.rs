//! Retry keys: what was accepted under a key is not done again for 24 hours from the key's first request.
//!
//! In: channel, endpoint, key and body. Out: whether to go on, and what was accepted before. Not here: where a key
//! may stand. That a key counts per channel and endpoint is inferred; what another body under a used key does is
//! undocumented, and refused here.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::id::ChannelId;

const REMEMBERED_MS: i64 = 24 * 3_600_000;
/// From so many keys on, those that are over are swept.
const SWEEP_AT: usize = 4_096;

/// What was accepted under a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) request_id: String,
    /// `sentMessages` of a push.
    pub(crate) sent_messages: Option<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    first_at: i64,
    digest: String,
    accepted: Option<Accepted>,
}

/// What a key says of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// The key was used with another body before.
    pub(crate) body_changed: bool,
    /// An earlier request with the key was accepted: 409.
    pub(crate) accepted: Option<Accepted>,
}

/// The keys of all channels.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RetryKeys {
    kept: HashMap<String, Kept>,
    #[serde(default)]
    swept_at: usize,
}

impl RetryKeys {
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    fn name(channel: &ChannelId, endpoint: &str, key: &str) -> String {
        format!("{channel} {endpoint} {key}")
    }

    /// Notes a request under a key.
    pub(crate) fn see(
        &mut self,
        channel: &ChannelId,
        endpoint: &str,
        key: &str,
        body: &[u8],
        now: i64,
    ) -> Seen {
        self.sweep(now);
        let digest = STANDARD_NO_PAD.encode(Sha256::digest(body));
        let fresh = Kept { first_at: now, digest: digest.clone(), accepted: None };
        let kept = self.kept.entry(Self::name(channel, endpoint, key)).or_insert_with(|| fresh.clone());
        if now - kept.first_at >= REMEMBERED_MS {
            *kept = fresh;
        }
        Seen { body_changed: kept.digest != digest, accepted: kept.accepted.clone() }
    }

    /// Notes that the request under the key was accepted.
    pub(crate) fn accept(&mut self, channel: &ChannelId, endpoint: &str, key: &str, accepted: Accepted) {
        if let Some(kept) = self.kept.get_mut(&Self::name(channel, endpoint, key)) {
            kept.accepted = Some(accepted);
        }
    }

    fn sweep(&mut self, now: i64) {
        if self.kept.len() >= SWEEP_AT.max(self.swept_at * 2) {
            self.kept.retain(|_, kept| now - kept.first_at < REMEMBERED_MS);
            self.swept_at = self.kept.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_for_24_hours_from_its_first_request() {
        let (mut keys, channel) = (RetryKeys::default(), ChannelId::from("1"));
        let accepted = Accepted { request_id: "r".into(), sent_messages: None };
        assert_eq!(keys.see(&channel, "push", "k", b"a", 0), Seen::default());
        keys.accept(&channel, "push", "k", accepted.clone());
        let later = keys.see(&channel, "push", "k", b"a", REMEMBERED_MS - 1);
        assert_eq!(later, Seen { body_changed: false, accepted: Some(accepted) });
        assert_eq!(keys.see(&channel, "push", "k", b"a", REMEMBERED_MS), Seen::default());
    }

    #[test]
    fn another_body_under_a_key_is_noticed() {
        let (mut keys, channel) = (RetryKeys::default(), ChannelId::from("1"));
        keys.see(&channel, "push", "k", b"a", 0);
        assert!(keys.see(&channel, "push", "k", b"b", 1).body_changed);
        assert!(!keys.see(&channel, "multicast", "k", b"b", 1).body_changed);
    }
}
