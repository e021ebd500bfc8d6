//! Who answers LINE's events. A reply token counts once, and whoever gets the deliveries relayed sees the same one: so of each
//! type of event exactly one answers, we or one relayed tool.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::RelayId;

/// Types of events that can be answered, as LINE names them (Messaging API reference, "Webhook event objects").
pub const REPLYABLE: [&str; 10] = [
    "accountLink",
    "beacon",
    "follow",
    "join",
    "memberJoined",
    "membership",
    "message",
    "messageEdited",
    "postback",
    "videoPlayComplete",
];

/// Who answers, by type of event. Nobody answers a type that is not there.
pub type Repliers = BTreeMap<String, Replier>;

/// Who answers one type of event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "replier", rename_all = "snake_case", deny_unknown_fields)]
pub enum Replier {
    /// We do.
    Enishi(Reply),
    /// A tool that gets the deliveries relayed.
    Relay {
        /// The relay.
        relay: RelayId,
    },
}

/// What we answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// LINE message objects, 1 to 5.
    pub messages: Value,
    /// Whether somebody who ends a block is answered like a new friend.
    #[serde(default = "yes")]
    pub when_unblocked: bool,
    /// Whether what comes too late for a reply, which is free, is pushed, which counts as a message.
    #[serde(default)]
    pub push_when_late: bool,
}

fn yes() -> bool {
    true
}
