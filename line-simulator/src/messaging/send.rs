//! Reply, push, multicast and broadcast: from a request to messages in chats.
//!
//! In: a body and perhaps a retry key. Out: 200, 409 for a key that was accepted before, or a refusal that sent
//! nothing to anybody. Steps: (1) the retry key; (2) the messages; (3) the recipients; (4) the monthly quota;
//! (5) delivery to those who can be reached, silently past those who cannot. Not here: narrowcast (`narrowcast.rs`).

use std::collections::HashSet;
use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderName;
use serde_json::{Value, json};

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::id::{ChannelId, UserId};
use crate::messaging::refusal::{Problem, Refusal};
use crate::messaging::retry::Accepted;
use crate::messaging::route::Endpoint;
use crate::messaging::{Answered, empty_object, json_body, message};
use crate::people::{Delivered, Friendship};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::time::japanese_day;

const MAX_RECIPIENTS: usize = 500;
/// The message of a 429 where the month's quota is used up, or reserved.
pub(super) const MONTHLY_LIMIT: &str = "You have reached your monthly limit.";
/// The message of a 429 for too many pushes to one user; LINE's is not documented.
const FLOODED: &str = "Too many messages were sent to this user. Try again later.";
/// Distinct unit names per month; further ones are dropped without a word.
const MAX_UNITS: usize = 1_000;

impl Simulator {
    pub(super) fn send(
        &mut self,
        request: &Request,
        endpoint: Endpoint,
        channel: &ChannelId,
        key: Option<&str>,
    ) -> Answered {
        if let Some(conflict) = key.and_then(|key| self.conflict(channel, endpoint, key, &request.body)) {
            return Ok(conflict);
        }
        let body = json_body(request)?;
        self.check_messages(&body)?;
        let units = units(&body, endpoint)?;
        let recipients = self.recipients(&body, endpoint, channel)?;
        let named: Vec<usize> = recipients.iter().filter_map(|user| self.memory.people.place(user)).collect();
        let reached: Vec<UserId> =
            recipients.into_iter().filter(|user| self.reaches(channel, user, endpoint)).collect();
        if endpoint == Endpoint::Push && self.floods.floods(channel, reached.first(), self.now) {
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, FLOODED));
        }
        let unit = self.count(channel, endpoint, reached.len(), units)?;
        self.record.accept(self.now, channel.clone(), endpoint.name(), named);
        Ok(self.accept(&body, endpoint, channel, key, unit, &reached))
    }

    /// 409 if a request with the key was accepted before.
    pub(super) fn conflict(
        &mut self,
        channel: &ChannelId,
        endpoint: Endpoint,
        key: &str,
        body: &[u8],
    ) -> Option<Reply> {
        let seen = self.memory.bots.retry_keys.see(channel, endpoint.name(), key, body, self.now);
        if seen.body_changed {
            self.violate(ViolationKind::RetryKeyBodyChanged, format!("{} {key}", endpoint.name()));
        }
        let accepted = seen.accepted?;
        let mut body = json!({ "message": "The retry key is already accepted" });
        if let (Some(sent), Some(object)) = (accepted.sent_messages, body.as_object_mut()) {
            object.insert("sentMessages".into(), sent);
        }
        let mut reply = reply::json(StatusCode::CONFLICT, &body);
        reply::set(&mut reply, HeaderName::from_static("x-line-accepted-request-id"), &accepted.request_id);
        Some(reply)
    }

    pub(super) fn check_messages(&mut self, body: &Value) -> Result<(), Refusal> {
        message::check(body).inspect_err(|refusal| {
            self.violate(ViolationKind::InvalidMessage, format!("{refusal:?}"));
        })
    }

    fn recipients(
        &mut self,
        body: &Value,
        endpoint: Endpoint,
        channel: &ChannelId,
    ) -> Result<Vec<UserId>, Refusal> {
        match endpoint {
            Endpoint::Reply => self.reply_recipient(body, channel).map(|user| vec![user]),
            Endpoint::Multicast => self.multicast_recipients(body),
            Endpoint::Broadcast => Ok(self.users().iter().map(|user| user.id.clone()).collect()),
            _ => self.push_recipient(body).map(|user| vec![user]),
        }
    }

    fn reply_recipient(&self, body: &Value, channel: &ChannelId) -> Result<UserId, Refusal> {
        let token = body.get("replyToken").and_then(Value::as_str).unwrap_or_default();
        if token.is_empty() {
            let problem = Problem { property: "replyToken".into(), message: "May not be empty".into() };
            return Err(Refusal::problems(vec![problem]));
        }
        let user = self.memory.bots.reply_token(token, channel, self.now);
        user.ok_or_else(|| Refusal::bad("Invalid reply token"))
    }

    fn push_recipient(&mut self, body: &Value) -> Result<UserId, Refusal> {
        let to = body.get("to").and_then(Value::as_str).unwrap_or_default();
        if let Some(user) = self.memory.people.get(to) {
            return Ok(user.id.clone());
        }
        self.violate(ViolationKind::UnknownRecipient, format!("push to '{to}'"));
        if crate::id::is_user_id(to) {
            Err(Refusal::bad("Failed to send messages"))
        } else {
            Err(Refusal::property("'to'"))
        }
    }

    /// Each known id once; an unknown one refuses the whole call and is named by its index.
    fn multicast_recipients(&mut self, body: &Value) -> Result<Vec<UserId>, Refusal> {
        let to = body.get("to").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if to.is_empty() || to.len() > MAX_RECIPIENTS {
            if !to.is_empty() {
                self.violate(ViolationKind::TooManyRecipients, format!("{} ids", to.len()));
            }
            let message = format!("Size must be between 1 and {MAX_RECIPIENTS}");
            return Err(Refusal::problems(vec![Problem { property: "to".into(), message }]));
        }
        let (mut seen, mut recipients) = (HashSet::with_capacity(to.len()), Vec::with_capacity(to.len()));
        for (index, id) in to.iter().enumerate() {
            let Some(user) = id.as_str().and_then(|id| self.memory.people.get(id)) else {
                self.violate(ViolationKind::UnknownRecipient, format!("multicast to[{index}] {id}"));
                return Err(Refusal::property(&format!("to[{index}]")));
            };
            if seen.insert(&user.id) {
                recipients.push(user.id.clone());
            }
        }
        Ok(recipients)
    }

    /// Friends are reached; a push also reaches who wrote within seven days and does not block; a reply, who does
    /// not block.
    fn reaches(&self, channel: &ChannelId, user: &UserId, endpoint: Endpoint) -> bool {
        let Some(user) = self.memory.people.get(user) else { return false };
        match (user.friendship(channel), endpoint) {
            (Friendship::Friend, _) | (Friendship::Stranger, Endpoint::Reply) => true,
            (Friendship::Stranger, Endpoint::Push) => user.wrote_within_a_week(channel, self.now),
            (Friendship::Stranger | Friendship::Blocked, _) => false,
        }
    }

    /// Counts the reached recipients toward the month, which replies do not; or refuses them all. The unit comes back if it
    /// still counts this month.
    fn count(
        &mut self,
        channel: &ChannelId,
        endpoint: Endpoint,
        reached: usize,
        unit: Option<String>,
    ) -> Result<Option<String>, Refusal> {
        let left = self.quota_left(channel);
        let usage = self.memory.bots.usage(channel, self.now);
        if endpoint != Endpoint::Reply {
            let reached = reached as u64;
            if left.is_some_and(|left| reached > left) {
                return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, MONTHLY_LIMIT));
            }
            usage.messages += reached;
        }
        let fits = usage.units.len() < MAX_UNITS;
        let unit = unit.filter(|unit| fits || usage.units.contains(unit));
        usage.units.extend(unit.clone());
        Ok(unit)
    }

    fn accept(
        &mut self,
        body: &Value,
        endpoint: Endpoint,
        channel: &ChannelId,
        key: Option<&str>,
        unit: Option<String>,
        reached: &[UserId],
    ) -> Reply {
        let request_id = self.memory.random.uuid();
        let messages = body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
        let day = japanese_day(self.now);
        let statistics = &mut self.memory.bots.statistics;
        statistics.sent(channel, endpoint.name(), unit, day, reached.len(), &messages);
        let delivered = self.deliver(messages, endpoint, channel, &request_id, reached);
        let sent =
            matches!(endpoint, Endpoint::Push | Endpoint::Reply).then(|| self.sent_messages(&delivered));
        if let Some(token) = body.get("replyToken").and_then(Value::as_str) {
            self.memory.bots.spend_reply_token(token);
        }
        self.accepted(channel, endpoint, key, &request_id, sent.clone());
        let mut reply = sent.map_or_else(empty_object, |sent| reply::ok(&json!({ "sentMessages": sent })));
        reply::set(&mut reply, HeaderName::from_static("x-line-request-id"), &request_id);
        reply
    }

    /// Remembers what was accepted under a key.
    pub(super) fn accepted(
        &mut self,
        channel: &ChannelId,
        endpoint: Endpoint,
        key: Option<&str>,
        request_id: &str,
        sent_messages: Option<Value>,
    ) {
        if let Some(key) = key {
            let accepted = Accepted { request_id: request_id.to_owned(), sent_messages };
            self.memory.bots.retry_keys.accept(channel, endpoint.name(), key, accepted);
        }
    }

    /// Puts the messages into the chats; says what a recipient got.
    pub(super) fn deliver(
        &mut self,
        messages: Vec<Value>,
        endpoint: Endpoint,
        channel: &ChannelId,
        request_id: &str,
        reached: &[UserId],
    ) -> Vec<Delivered> {
        let (method, request_id): (Arc<str>, Arc<str>) = (endpoint.name().into(), request_id.into());
        let delivered: Vec<Delivered> = messages
            .into_iter()
            .map(|message| Delivered {
                id: self.memory.next_message_id(),
                channel_id: channel.clone(),
                at: self.now,
                method: Arc::clone(&method),
                request_id: Arc::clone(&request_id),
                message: Arc::new(message),
            })
            .collect();
        for user in reached {
            if let Some(user) = self.memory.people.get_mut(user) {
                user.chat.extend(delivered.iter().cloned());
            }
        }
        delivered
    }

    /// Text, image, video and sticker messages come with a quote token.
    fn sent_messages(&mut self, delivered: &[Delivered]) -> Value {
        let sent = delivered.iter().map(|delivered| {
            let kind = delivered.message.get("type").and_then(Value::as_str).unwrap_or_default();
            let id = delivered.id.to_string();
            if matches!(kind, "text" | "textV2" | "sticker" | "image" | "video" | "template") {
                json!({ "id": id, "quoteToken": self.memory.random.opaque() })
            } else {
                json!({ "id": id })
            }
        });
        Value::Array(sent.collect())
    }
}

/// `customAggregationUnits`: at most one name of 1–30 letters, digits and underscores, on push and multicast.
fn units(body: &Value, endpoint: Endpoint) -> Result<Option<String>, Refusal> {
    let Some(units) = body.get("customAggregationUnits") else { return Ok(None) };
    let names = units.as_array().map(Vec::as_slice);
    let takes = matches!(endpoint, Endpoint::Push | Endpoint::Multicast);
    match names.filter(|_| takes) {
        Some([]) => Ok(None),
        Some([name]) => name
            .as_str()
            .filter(|name| is_unit(name))
            .map(|name| Some(name.to_owned()))
            .ok_or_else(|| Refusal::property("'customAggregationUnits[0]'")),
        _ => Err(Refusal::property("'customAggregationUnits'")),
    }
}

/// Whether it is a unit name: 1–30 letters, digits and underscores.
pub(super) fn is_unit(name: &str) -> bool {
    (1..=30).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
