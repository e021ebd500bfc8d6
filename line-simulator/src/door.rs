//! The door of the stand-in: every request comes in here, meets its fault, finds its room and is recorded.
//!
//! In: the time and a request. Out: an [`Answer`]. Not here: what LINE answers; that is in `login/` and
//! `messaging/`, and the stand-in's own pages and script API are in `sim/`.

use http::StatusCode;
use http::header::HeaderName;

use crate::calls::{Accepted, Call, Record, Violation, ViolationKind};
use crate::config::Config;
use crate::fault::{Fault, FaultKind, Faults};
use crate::id::UserId;
use crate::memory::{Memory, RestoreError};
use crate::messaging::endpoint::TestOutcome;
use crate::people::{Delivered, NewUser, User};
use crate::rate::{Buckets, Floods};
use crate::reply::{self, Reply};
use crate::request::{BODY_LIMIT, Request};
use crate::webhook::{WebhookBehaviour, WebhookDelivery, WebhookResult, Webhooks};

/// What the caller gets.
#[derive(Debug)]
pub enum Answer {
    /// An answer at once.
    Reply(http::Response<Vec<u8>>),
    /// An answer so many milliseconds later.
    Delayed {
        /// The answer.
        reply: http::Response<Vec<u8>>,
        /// The delay.
        ms: u64,
    },
    /// The connection closes without an answer; nothing was done.
    Dropped,
    /// It was done, and no answer ever comes.
    TimedOut,
}

/// The LINE Platform of one provider.
#[derive(Debug)]
pub struct Simulator {
    pub(crate) memory: Memory,
    pub(crate) now: i64,
    pub(crate) buckets: Buckets,
    pub(crate) floods: Floods,
    pub(crate) webhooks: Webhooks,
    pub(crate) faults: Faults,
    pub(crate) record: Record,
    pub(crate) test_outcome: Option<TestOutcome>,
    revision: u64,
}

impl Simulator {
    /// A platform with these channels and nobody on it; all ids and tokens follow from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self::over(Memory::new(config, seed))
    }

    /// The platform that [`Simulator::save`] wrote down, with these channels added or replaced.
    pub fn restore(config: Config, saved: &[u8]) -> Result<Self, RestoreError> {
        Memory::restore(config, saved).map(Self::over)
    }

    fn over(memory: Memory) -> Self {
        Self {
            memory,
            now: 0,
            buckets: Buckets::default(),
            floods: Floods::default(),
            webhooks: Webhooks::default(),
            faults: Faults::default(),
            record: Record::default(),
            test_outcome: None,
            revision: 0,
        }
    }

    /// What lasts, as JSON: channels, users, friendships, chats, consents, tokens, retry keys, quota.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.memory.save()
    }

    /// Grows with every request that may have changed what [`Simulator::save`] writes.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Answers one request at `now` (Unix milliseconds). The path decides; scheme and host are ignored.
    pub fn handle(&mut self, now: i64, request: http::Request<Vec<u8>>) -> Answer {
        self.now = now;
        self.send_narrowcasts();
        let request = Request::new(request);
        if request.method != http::Method::GET || !request.path.starts_with("/sim/") {
            self.revision += 1;
        }
        if request.path == "/" || request.path == "/sim" {
            return Answer::Reply(reply::redirect(StatusCode::FOUND, "/sim/"));
        }
        if request.path.starts_with("/sim/") {
            return Answer::Reply(self.sim(&request));
        }
        if asked_by_browsers(&request.path) {
            return Answer::Reply(reply::empty(StatusCode::NO_CONTENT));
        }
        self.platform(request)
    }

    fn platform(&mut self, request: Request) -> Answer {
        self.record.begin();
        let fault = self.faults.meet(&request.path);
        let kind = fault.as_ref().map(|fault| fault.kind.as_str());
        let reply = match fault.as_ref().map(|fault| fault.kind) {
            Some(FaultKind::Drop) => None,
            Some(FaultKind::Status) => fault.as_ref().map(faulty_reply),
            Some(FaultKind::Latency | FaultKind::AcceptThenTimeout) | None => Some(self.route(&request)),
        };
        let reply = reply.map(|reply| self.with_request_id(reply));
        let timed_out = kind == Some(FaultKind::AcceptThenTimeout.as_str());
        self.record.end(self.now, request, reply.as_ref().filter(|_| !timed_out), kind);
        match (reply, fault) {
            (None, _) => Answer::Dropped,
            (Some(_), _) if timed_out => Answer::TimedOut,
            (Some(reply), Some(Fault { kind: FaultKind::Latency, ms, .. })) => {
                Answer::Delayed { reply, ms: ms.unwrap_or(1_000) }
            }
            (Some(reply), _) => Answer::Reply(reply),
        }
    }

    fn route(&mut self, request: &Request) -> Reply {
        if request.body.len() > BODY_LIMIT {
            return reply::message(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large");
        }
        if let Some(reply) = self.login(request) {
            return reply;
        }
        if let Some(reply) = self.messaging(request) {
            return reply;
        }
        let unknown = format!("{} {} is not played", request.method, request.path);
        self.violate(ViolationKind::UnknownEndpoint, unknown);
        reply::message(StatusCode::NOT_FOUND, "Not found")
    }

    fn with_request_id(&mut self, mut reply: Reply) -> Reply {
        let name = HeaderName::from_static("x-line-request-id");
        if !reply.headers().contains_key(&name) {
            let id = self.memory.random.uuid();
            reply::set(&mut reply, name, &id);
        }
        reply
    }

    pub(crate) fn violate(&mut self, kind: ViolationKind, detail: impl Into<String>) {
        self.record.violate(self.now, kind, detail);
    }

    /// Everybody, in the order they were made.
    #[must_use]
    pub fn users(&self) -> &[User] {
        self.memory.people.all()
    }

    /// One user.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<&User> {
        self.memory.people.get(id)
    }

    /// Makes a user; a friend from the start is one without a `follow` event.
    pub fn add_user(&mut self, user: NewUser) -> UserId {
        self.revision += 1;
        let account = self.account(None).ok();
        self.memory.people.add(user, account.as_ref(), &mut self.memory.random)
    }

    /// The messages that reached a user, oldest first; empty for a user that is not.
    #[must_use]
    pub fn chat(&self, user: &str) -> &[Delivered] {
        self.user(user).map(|user| user.chat.as_slice()).unwrap_or_default()
    }

    /// The calls to LINE since the last reset, oldest first; at most [`crate::CALLS_KEPT`].
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.record.calls
    }

    /// What broke LINE's rules since the last reset.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.record.violations
    }

    /// The most calls of a channel to an endpoint (`push`, `multicast`, …) that came within any second, or whatever span its
    /// limit speaks of; refused calls count.
    #[must_use]
    pub fn busiest(&self, channel: &str, endpoint: &str) -> usize {
        let all = self.buckets.busiest();
        all.filter(|(id, name, _)| id.as_str() == channel && *name == endpoint)
            .map(|(_, _, calls)| calls)
            .max()
            .unwrap_or(0)
    }

    /// Sets a channel's monthly quota, and what is used of it this month: the Official Account Manager draws on it too.
    pub fn set_quota(&mut self, now: i64, channel: &str, quota: Option<u64>, used: Option<u64>) {
        self.revision += 1;
        if let Some(channel) = self.memory.config.messaging_mut(channel) {
            channel.quota = quota;
        }
        if let Some(used) = used {
            self.memory.bots.usage(&channel.into(), now).messages = used;
        }
    }

    /// The calls that sent messages since the last reset, oldest first, as LINE counts them.
    #[must_use]
    pub fn accepted_calls(&self) -> &[Accepted] {
        &self.record.accepted
    }

    /// Lets the next calls to a path meet a fault.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// The channels as they are now.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.memory.config
    }

    /// Adds channels, replacing those of the same id.
    pub fn upsert_channels(&mut self, config: Config) {
        self.revision += 1;
        self.memory.config.upsert(config);
    }

    /// Takes these channels for all there are, as they stand: what a person changes in LINE's console.
    pub fn replace_channels(&mut self, config: Config) {
        self.revision += 1;
        self.memory.config = config;
    }

    /// Forgets users, chats, calls and faults; channels stay.
    pub fn reset(&mut self) {
        self.revision += 1;
        self.memory.reset();
        self.buckets.clear();
        self.floods.clear();
        self.webhooks.clear();
        self.faults.clear();
        self.record = Record::default();
    }

    /// The webhooks to be carried now; each is handed out once.
    pub fn take_webhooks(&mut self) -> Vec<WebhookDelivery> {
        self.webhooks.take(&mut self.memory.random)
    }

    /// Whether [`Simulator::take_webhooks`] would hand out something.
    #[must_use]
    pub fn webhooks_waiting(&self) -> bool {
        self.webhooks.waiting()
    }

    /// Tells what a webhook was answered, none for a time-out or a refused connection. With redelivery on, a
    /// failure queues it again: the same events and ids, `isRedelivery` true, [`WebhookDelivery::due`] later.
    pub fn webhook_answered(&mut self, now: i64, delivery: WebhookDelivery, status: Option<u16>) {
        let tokens: Vec<String> = delivery.reply_tokens().map(str::to_owned).collect();
        let channel = self.memory.config.messaging(&delivery.channel_id);
        if let Some(due) = self.webhooks.answered(channel, delivery, status, now) {
            self.memory.bots.renew_reply_tokens(&tokens, due);
        }
    }

    /// How webhooks are carried now.
    #[must_use]
    pub fn webhook_behaviour(&self) -> WebhookBehaviour {
        self.webhooks.behaviour
    }

    /// How webhooks are carried from now on.
    pub fn set_webhook_behaviour(&mut self, behaviour: WebhookBehaviour) {
        self.webhooks.behaviour = behaviour;
    }

    /// What became of the last webhooks, oldest first.
    pub fn webhook_results(&self) -> impl Iterator<Item = &WebhookResult> {
        self.webhooks.results()
    }
}

/// What browsers ask of every host by themselves; LINE is not meant by it.
fn asked_by_browsers(path: &str) -> bool {
    path == "/favicon.ico" || path.starts_with("/.well-known/appspecific/")
}

fn faulty_reply(fault: &Fault) -> Reply {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = match status {
        StatusCode::TOO_MANY_REQUESTS => crate::messaging::RATE_LIMITED,
        StatusCode::UNAUTHORIZED => crate::messaging::UNAUTHORIZED,
        status => status.canonical_reason().unwrap_or("Error"),
    };
    reply::message(status, text)
}
