//! Narrowcast: accepted at once, sent a while later, with LINE's thresholds and its reservation of the quota.
//!
//! In: messages, recipients, a filter, a limit. Out: 202 and a request id; later the progress. Steps: (1) the request is
//! checked, and the target reach where attributes are used; (2) the quota is reserved, for the whole reach or for the limit;
//! (3) half a minute later the recipients are found, or too few; (4) half a minute later it is over. Not here: who is meant
//! (`recipient.rs`).

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Simulator;
use crate::id::{ChannelId, UserId};
use crate::messaging::audience::AudienceKind;
use crate::messaging::recipient::{check_filter, passes};
use crate::messaging::refusal::{Problem, Refusal};
use crate::messaging::route::Endpoint;
use crate::messaging::{Answered, json_body};
use crate::people::Friendship;
use crate::reply;
use crate::request::Request;
use crate::time::{iso, japanese_day};

const SENDING_AFTER_MS: i64 = 30_000;
const OVER_AFTER_MS: i64 = 60_000;
const KNOWN_MS: i64 = 14 * 86_400_000;
/// Friends that an account must reach where attributes are used.
const LEAST_REACH: usize = 100;
/// Recipients that a narrowcast must have in the end, and each of its audiences.
const LEAST_RECIPIENTS: usize = 50;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Outcome {
    Sent(usize),
    /// LINE's error code and its words.
    Failed(u8, String),
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Limit {
    max: Option<u64>,
    up_to_remaining_quota: bool,
    forbid_partial_delivery: bool,
}

/// One narrowcast.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Narrowcast {
    channel: ChannelId,
    pub(crate) request_id: String,
    accepted_at: i64,
    messages: Vec<Value>,
    recipient: Option<Value>,
    filter: Option<Value>,
    audiences: Vec<u64>,
    limit: Limit,
    /// Of the quota, until it is known how many there are.
    reserved: u64,
    outcome: Option<Outcome>,
}

impl Narrowcast {
    fn is_over(&self, now: i64) -> bool {
        matches!(self.outcome, Some(Outcome::Failed(..)))
            || (self.outcome.is_some() && now - self.accepted_at >= OVER_AFTER_MS)
    }
}

impl Simulator {
    pub(super) fn narrowcast(
        &mut self,
        request: &Request,
        channel: &ChannelId,
        key: Option<&str>,
    ) -> Answered {
        if let Some(conflict) =
            key.and_then(|key| self.conflict(channel, Endpoint::Narrowcast, key, &request.body))
        {
            return Ok(conflict);
        }
        // (1)
        let body = json_body(request)?;
        self.check_messages(&body)?;
        let part = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
        let recipient = part(body.get("recipient"));
        let filter = part(body.get("filter").and_then(|filter| filter.get("demographic")));
        let (mut audiences, mut objects) = (Vec::new(), 0);
        if let Some(recipient) = &recipient {
            self.check_recipient(recipient, channel, &mut audiences, &mut objects)?;
        }
        let reach = self.reach(channel).len();
        if let Some(filter) = &filter {
            check_filter(filter, &mut 0)?;
            if reach < LEAST_REACH {
                let text = "Your account does not have enough friends";
                return Err(Refusal::new(StatusCode::FORBIDDEN, text));
            }
        }
        let limit = limit(&body)?;
        // (2)
        let reserved = self.reserve(channel, limit, reach as u64)?;
        let request_id = self.memory.random.uuid();
        let messages = body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
        self.memory.bots.narrowcasts.push(Narrowcast {
            channel: channel.clone(),
            request_id: request_id.clone(),
            accepted_at: self.now,
            messages,
            recipient,
            filter,
            audiences,
            limit,
            reserved,
            outcome: None,
        });
        self.accepted(channel, Endpoint::Narrowcast, key, &request_id, None);
        let mut reply = reply::json(StatusCode::ACCEPTED, &json!({}));
        reply::set(&mut reply, http::header::HeaderName::from_static("x-line-request-id"), &request_id);
        Ok(reply)
    }

    /// Friends of an account.
    fn reach(&self, channel: &ChannelId) -> Vec<&UserId> {
        let friends = self.users().iter().filter(|user| user.friendship(channel) == Friendship::Friend);
        friends.map(|user| &user.id).collect()
    }

    /// What is left of the month's quota; none is no limit.
    pub(super) fn quota_left(&mut self, channel: &ChannelId) -> Option<u64> {
        let quota = self.memory.config.messaging(channel).and_then(|channel| channel.quota)?;
        let reserved: u64 = self
            .memory
            .bots
            .narrowcasts
            .iter()
            .filter(|one| one.channel == *channel && one.outcome.is_none())
            .map(|one| one.reserved)
            .sum();
        let used = self.memory.bots.usage(channel, self.now).messages;
        Some(quota.saturating_sub(used).saturating_sub(reserved))
    }

    fn reserve(&mut self, channel: &ChannelId, limit: Limit, reach: u64) -> Result<u64, Refusal> {
        let wanted = limit.max.map_or(reach, |max| max.min(reach));
        match self.quota_left(channel) {
            Some(left) if wanted > left && limit.up_to_remaining_quota => Ok(left),
            Some(left) if wanted > left => {
                Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, super::send::MONTHLY_LIMIT))
            }
            _ => Ok(wanted),
        }
    }

    /// (3), for every narrowcast whose time has come.
    pub(crate) fn send_narrowcasts(&mut self) {
        for place in 0..self.memory.bots.narrowcasts.len() {
            let Some(one) = self.memory.bots.narrowcasts.get(place) else { return };
            if one.outcome.is_some() || self.now - one.accepted_at < SENDING_AFTER_MS {
                continue;
            }
            let one = one.clone();
            let outcome = match self.found(&one) {
                Ok(users) => {
                    let day = japanese_day(self.now);
                    let statistics = &mut self.memory.bots.statistics;
                    statistics.sent(&one.channel, "narrowcast", None, day, users.len(), &one.messages);
                    self.memory.bots.usage(&one.channel, self.now).messages += users.len() as u64;
                    self.deliver(one.messages, Endpoint::Narrowcast, &one.channel, &one.request_id, &users);
                    Outcome::Sent(users.len())
                }
                Err((code, words)) => Outcome::Failed(code, words.to_owned()),
            };
            if let Some(one) = self.memory.bots.narrowcasts.get_mut(place) {
                one.outcome = Some(outcome);
            }
        }
    }

    /// Who gets it in the end, or LINE's error code and words.
    fn found(&self, one: &Narrowcast) -> Result<Vec<UserId>, (u8, &'static str)> {
        let audience = |id: &u64| self.memory.bots.audiences.of(&one.channel, *id);
        let is_small = |id: &u64| {
            audience(id).is_none_or(|audience| {
                audience.kind != AudienceKind::Upload && audience.users(self.now).len() < LEAST_RECIPIENTS
            })
        };
        if one.audiences.len() > 1 && one.audiences.iter().any(is_small) {
            return Err((4, "An audience of less than 50 recipients is included"));
        }
        let mut users: Vec<UserId> = self
            .users()
            .iter()
            .filter(|user| user.friendship(&one.channel) == Friendship::Friend)
            .filter(|user| {
                one.recipient.as_ref().is_none_or(|node| self.is_recipient(node, &one.channel, user))
            })
            .filter(|user| one.filter.as_ref().is_none_or(|node| passes(node, &user.id)))
            .map(|user| user.id.clone())
            .collect();
        let is_own_list = !one.audiences.is_empty()
            && one
                .audiences
                .iter()
                .all(|id| audience(id).is_some_and(|one| one.kind == AudienceKind::Upload));
        if users.len() < LEAST_RECIPIENTS && !is_own_list {
            return Err((2, "Failed to create a recipient list because there are not enough recipients"));
        }
        let most = usize::try_from(one.limit.max.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let reserved = usize::try_from(one.reserved).unwrap_or(usize::MAX);
        // Only together with `upToRemainingQuota`, as was checked.
        if one.limit.forbid_partial_delivery && users.len().min(most) > reserved {
            return Err((5, "The message was cancelled because the quota is not enough for all recipients"));
        }
        // At random, and yet the same each time.
        users.sort_by_key(|user| {
            let mut hasher = DefaultHasher::new();
            (&one.request_id, user).hash(&mut hasher);
            hasher.finish()
        });
        users.truncate(most.min(reserved));
        Ok(users)
    }

    pub(super) fn narrowcast_progress(&self, request: &Request, channel: &ChannelId) -> Answered {
        let id = request.query.get("requestId").ok_or_else(|| Refusal::bad("requestId is required"))?;
        let mut all = self.memory.bots.narrowcasts.iter();
        let one = all.find(|one| one.request_id == id && one.channel == *channel);
        let one = one.filter(|one| self.now - one.accepted_at < KNOWN_MS);
        let one = one.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Not found"))?;
        let accepted = iso(one.accepted_at);
        let answer = match &one.outcome {
            None => json!({ "phase": "waiting", "acceptedTime": accepted }),
            Some(Outcome::Failed(code, words)) => json!({
                "phase": "failed", "failedDescription": words, "errorCode": code,
                "acceptedTime": accepted, "completedTime": iso(one.accepted_at + SENDING_AFTER_MS),
            }),
            Some(Outcome::Sent(count)) if one.is_over(self.now) => json!({
                "phase": "succeeded", "successCount": count, "failureCount": 0, "targetCount": count,
                "acceptedTime": accepted, "completedTime": iso(one.accepted_at + OVER_AFTER_MS),
            }),
            Some(Outcome::Sent(count)) => json!({
                "phase": "sending", "successCount": count / 2, "failureCount": 0, "targetCount": count,
                "acceptedTime": accepted,
            }),
        };
        Ok(reply::ok(&answer))
    }

    /// Whether a narrowcast may be sent to the recipients of this one.
    pub(super) fn is_redeliverable(&self, channel: &ChannelId, id: &str) -> bool {
        let mut all = self.memory.bots.narrowcasts.iter();
        all.any(|one| {
            one.request_id == id
                && one.channel == *channel
                && matches!(one.outcome, Some(Outcome::Sent(_)))
                && one.is_over(self.now)
                && self.now - one.accepted_at < KNOWN_MS
        })
    }
}

fn limit(body: &Value) -> Result<Limit, Refusal> {
    let Some(limit) = body.get("limit").filter(|limit| !limit.is_null()) else { return Ok(Limit::default()) };
    let wrong = |property: &str, message: &str| {
        let problem = Problem { property: property.to_owned(), message: message.to_owned() };
        Refusal::problems(vec![problem])
    };
    let limit: Limit = serde_json::from_value(limit.clone()).map_err(|_| wrong("limit", "is invalid"))?;
    if limit.max == Some(0) {
        return Err(wrong("limit.max", "must be greater than 0"));
    }
    if limit.forbid_partial_delivery && !limit.up_to_remaining_quota {
        return Err(wrong("limit.forbidPartialDelivery", "needs upToRemainingQuota"));
    }
    Ok(limit)
}
