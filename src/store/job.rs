//! Jobs on the queues: JSON text with a version field, read tolerantly.
//!
//! Queues deliver at least once, in any order, so each job names a row whose state decides what remains to be done.
//! Bodies carry our ids; the raw webhook body is the exception, because it is what must not be lost.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, AudienceId, NarrowcastId, RelayId, SendId},
    time::UnixMillis,
};

/// Which queue a job travels on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// LINE's deliveries: `WEBHOOKS`.
    Webhooks,
    /// Delivering sends: `SENDS`.
    Sends,
    /// What takes an invocation of its own: a send moves on, a chunk of personal messages is delivered: `STEPS`.
    Steps,
    /// What is owed to the shop: `OUTBOX`.
    Outbox,
    /// Deliveries that further tools take from us: `RELAYS`.
    Relays,
}

/// Something to be done later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// A verified webhook delivery.
    Webhook {
        /// The account whose bot it is for.
        account: AccountId,
        /// When we acknowledged it.
        received_at: UnixMillis,
        /// LINE's signature; those of before do not have it.
        #[serde(default)]
        signature: String,
        /// The raw body, as LINE sent it.
        body: String,
    },
    /// A verified webhook delivery that lies in the ledger, to be applied: for the first time, or again.
    Delivery {
        /// The account whose bot it is for.
        account: AccountId,
        /// Its place in the ledger.
        seq: i64,
    },
    /// Move a send on: begin it, freeze the next page of its recipients as chunks, release some of them.
    Expand {
        /// The account.
        account: AccountId,
        /// The send.
        send: SendId,
    },
    /// Deliver one chunk of a send.
    Deliver {
        /// The account.
        account: AccountId,
        /// The send.
        send: SendId,
        /// The chunk's number within the send, from 0.
        chunk: i64,
    },
    /// Deliver one chunk of a send whose messages are personal.
    Push {
        /// The account.
        account: AccountId,
        /// The send.
        send: SendId,
        /// The chunk's number within the send, from 0.
        chunk: i64,
    },
    /// Move an audience on.
    Audience {
        /// The account.
        account: AccountId,
        /// The audience.
        audience: AudienceId,
    },
    /// Move a narrowcast on.
    Narrowcast {
        /// The account.
        account: AccountId,
        /// The narrowcast.
        narrowcast: NarrowcastId,
    },
    /// Tell the shop what a row of the outbox says.
    Outbox {
        /// The account.
        account: AccountId,
        /// The row's id.
        id: String,
    },
    /// Send on what lies after a relay's cursor.
    Relay {
        /// The account.
        account: AccountId,
        /// The relay.
        relay: RelayId,
    },
}

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Done, or never to be done.
    Done,
    /// To be delivered again after this many seconds.
    Retry {
        /// The delay.
        seconds: u32,
    },
}

/// The version in front of each job; readers refuse what is newer than they are.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    #[serde(flatten)]
    job: &'a Job,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl Job {
    /// The queue it travels on.
    #[must_use]
    pub fn queue(&self) -> Queue {
        match self {
            Self::Webhook { .. } | Self::Delivery { .. } => Queue::Webhooks,
            Self::Deliver { .. } => Queue::Sends,
            Self::Expand { .. } | Self::Push { .. } | Self::Audience { .. } | Self::Narrowcast { .. } => {
                Queue::Steps
            }
            Self::Outbox { .. } => Queue::Outbox,
            Self::Relay { .. } => Queue::Relays,
        }
    }

    /// The account it is for.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Webhook { account, .. }
            | Self::Delivery { account, .. }
            | Self::Expand { account, .. }
            | Self::Deliver { account, .. }
            | Self::Push { account, .. }
            | Self::Audience { account, .. }
            | Self::Narrowcast { account, .. }
            | Self::Outbox { account, .. }
            | Self::Relay { account, .. } => account,
        }
    }

    /// The job as JSON text.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(&Written { v: VERSION, job: self }).unwrap_or_default()
    }

    /// Reads a job; what cannot be read goes to the dead letters.
    pub fn parse(text: &str) -> Result<Self, UnreadableJob> {
        let Version { v } = serde_json::from_str(text).map_err(|e| UnreadableJob(e.to_string()))?;
        if v != VERSION {
            return Err(UnreadableJob(format!("version {v} is not {VERSION}")));
        }
        serde_json::from_str(text).map_err(|e| UnreadableJob(e.to_string()))
    }
}

/// A queue body that is no job of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a job: {0}")]
pub struct UnreadableJob(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_its_text_and_an_unknown_version_is_refused() {
        let job = Job::Deliver {
            account: AccountId::parse("a").unwrap(),
            send: SendId::from_random([1; 32]),
            chunk: 7,
        };
        assert_eq!(Job::parse(&job.to_text()).unwrap(), job);
        assert!(Job::parse(&job.to_text().replace("\"v\":1", "\"v\":2")).is_err());
        assert!(Job::parse("{}").is_err());
        assert!(Job::parse("not json").is_err());
    }

    #[test]
    fn a_field_that_this_version_does_not_know_is_ignored() {
        let text =
            r#"{"v":1,"job":"expand","account":"a","send":"6f9619ff-8b86-4011-b42d-00c04fc964ff","new":1}"#;
        assert!(Job::parse(text).is_ok());
    }
}
