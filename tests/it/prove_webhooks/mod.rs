//! LINE's webhooks against a plain model: what came twice, late, in pieces and through crashes ends as if it had come once, in
//! order; and what LINE did not sign ends nowhere.
//!
//! Here is what customers do; `deliveries.rs`, `friendships.rs`, `outages.rs` and `forgeries.rs` are the proofs, `compare.rs`
//! looks whether everything is as the model says.

mod compare;
mod deliveries;
mod forgeries;
mod friendships;
mod outages;

use std::collections::{BTreeMap, BTreeSet};

use enishi::time::UnixMillis;
use enishi_world::{ACCOUNT, Disturbance, World};
use serde_json::{Value, json};

/// Deliveries that come within a moment.
const AT_ONCE: usize = 100;

/// Queues that are late, in disorder, and deliver some things twice.
const ROUGH: Disturbance = Disturbance { duplicates: 0.02, late: 3_000, shuffle: true, consumers: 3 };

const USERS: usize = 300;
const GROUPS: usize = 12;

/// What LINE delivers once.
struct Original {
    /// Its events as JSON without their `deliveryContext`, which redelivery changes.
    events: Vec<String>,
    ids: Vec<String>,
}

impl Original {
    fn body(&self, again: bool) -> String {
        let context = format!(r#","deliveryContext":{{"isRedelivery":{again}}}}}"#);
        let events: Vec<String> =
            self.events.iter().map(|event| format!("{}{context}", &event[..event.len() - 1])).collect();
        format!(r#"{{"destination":"{}","events":[{}]}}"#, ACCOUNT.bot_user_id, events.join(","))
    }
}

/// A message as it should be kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Kept {
    text: Option<String>,
    unsent: bool,
}

/// Of a friendship: when it was so, by which event, and whether it was one.
type Evidence = (i64, String, bool);

/// What should be.
#[derive(Default)]
struct Model {
    /// By user: the newest evidence.
    friends: BTreeMap<String, Evidence>,
    /// Whom we should know.
    seen: BTreeSet<String>,
    /// By user (none: of groups) and the row's name.
    messages: BTreeMap<(Option<String>, String), Kept>,
    /// LINE's ids of messages that were unsent.
    unsent: BTreeSet<String>,
    /// The events.
    claims: BTreeSet<String>,
}

/// What customers do, and what LINE makes of it.
struct Customers<'a> {
    world: &'a World,
    model: Model,
    /// Messages that may be unsent: who sent them, where, and LINE's id.
    sent: Vec<(usize, Option<usize>, String)>,
    number: usize,
    at: i64,
}

fn user(number: usize) -> String {
    format!("U{number:032x}")
}

/// What nobody else writes.
fn words(id: &str) -> String {
    format!("§{id}§")
}

impl<'a> Customers<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, model: Model::default(), sent: Vec::new(), number: 0, at: world.now().0 }
    }

    fn below(&self, bound: usize) -> usize {
        self.world.below(bound)
    }

    fn original(&mut self) -> Original {
        let events = 1 + [0, 0, 0, 0, 0, 0, 1, 1, 2, 4][self.below(10)];
        let (mut original, large) =
            (Original { events: Vec::new(), ids: Vec::new() }, self.below(1_000) == 0);
        for _ in 0..events {
            let (id, mut event) = self.event();
            if large {
                event["someFutureField"] = "長".repeat(40_000).into();
            }
            original.events.push(event.to_string());
            original.ids.push(id);
        }
        original
    }

    fn event(&mut self) -> (String, Value) {
        self.number += 1;
        // Some happen in the same millisecond.
        self.at += i64::try_from(self.below(3)).unwrap();
        let id =
            format!("{}{:016}", UnixMillis(self.at).ulid(), self.below(1_000_000) * 1_000_000 + self.number);
        let who = self.below(USERS);
        let name = user(who);
        let mut event = json!({ "mode": "active", "timestamp": self.at, "webhookEventId": id,
            "source": { "type": "user", "userId": name } });
        self.model.claims.insert(id.clone());
        match self.below(100) {
            0..20 => self.friendship(&mut event, &id, &name, true),
            20..32 => self.friendship(&mut event, &id, &name, false),
            32..60 => self.message(&mut event, who, None),
            60..70 => {
                let group = self.below(GROUPS);
                self.message(&mut event, who, Some(group));
            }
            70..76 => self.edit(&mut event, &id),
            76..86 => self.unsend(&mut event),
            86..92 => {
                event["type"] = "postback".into();
                event["postback"] = json!({ "data": "menu=b" });
            }
            92..96 => {
                event["type"] = "memberJoined".into();
                event["source"] = json!({ "type": "group", "groupId": "C1" });
                event["joined"] =
                    json!({ "members": [{ "type": "user", "userId": user(self.below(USERS)) }] });
            }
            _ => event["type"] = "someFutureEvent".into(),
        }
        (id, event)
    }

    fn friendship(&mut self, event: &mut Value, id: &str, name: &str, friend: bool) {
        event["type"] = if friend { "follow" } else { "unfollow" }.into();
        self.model.seen.insert(name.to_owned());
        let evidence = (self.at, id.to_owned(), friend);
        let known = self.model.friends.entry(name.to_owned()).or_insert_with(|| evidence.clone());
        if (known.0, &known.1) < (evidence.0, &evidence.1) {
            *known = evidence;
        }
    }

    fn source(who: usize, group: Option<usize>) -> Value {
        match group {
            None => json!({ "type": "user", "userId": user(who) }),
            Some(group) => json!({ "type": "group", "groupId": format!("C{group}"), "userId": user(who) }),
        }
    }

    fn message(&mut self, event: &mut Value, who: usize, group: Option<usize>) {
        let message = format!("{}", 500_000_000_000 + self.number);
        event["type"] = "message".into();
        event["source"] = Self::source(who, group);
        event["message"] = json!({ "type": "text", "id": message, "text": words(&message) });
        let name = group.is_none().then(|| user(who));
        self.model.seen.extend(name.clone());
        let kept = self.model.messages.entry((name.clone(), message.clone())).or_default();
        kept.text = name.map(|_| words(&message));
        self.sent.push((who, group, message));
    }

    /// Somebody in a group changes what they wrote; before anybody wrote, it is a tap.
    fn edit(&mut self, event: &mut Value, id: &str) {
        let of_groups: Vec<_> =
            self.sent.iter().rev().take(200).filter(|(_, group, _)| group.is_some()).cloned().collect();
        event["type"] = "postback".into();
        let Some((who, group, message)) = of_groups.get(self.below(of_groups.len())).cloned() else { return };
        event["type"] = "messageEdited".into();
        event["source"] = Self::source(who, group);
        event["message"] = json!({ "type": "text", "id": message, "text": words(&message) });
        self.model.messages.entry((None, format!("{message}/{id}"))).or_default();
    }

    fn unsend(&mut self, event: &mut Value) {
        let recent = self.sent.len().min(500);
        let place = self.sent.len() - recent + self.below(recent);
        event["type"] = "postback".into();
        if self.sent.is_empty() {
            return;
        }
        let (who, group, message) = self.sent.swap_remove(place);
        event["type"] = "unsend".into();
        event["source"] = Self::source(who, group);
        event["unsend"] = json!({ "messageId": message });
        let name = group.is_none().then(|| user(who));
        *self.model.messages.get_mut(&(name, message.clone())).unwrap() = Kept { text: None, unsent: true };
        self.model.unsent.insert(message);
    }
}

/// Of a row, a column of text.
fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

fn evidence(row: &Value) -> Evidence {
    (row["friendship_at"].as_i64().unwrap(), text(row, "friendship_event"), row["friend"] == 1)
}
