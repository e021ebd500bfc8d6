//! What is owed to others: a row in the batch of its reason, a job after it, and cron for what was lost in between.
//! `event`: for the shop, of ids alone; `webhook`: one for the shop that is sealed, because it says more of a person;
//! `logout`: for a client, which session ended; `deauthorize`: for LINE, whose link ended; `reply`: for a LINE user, who wrote or
//! followed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Job, Statement};
use crate::{
    id::{AccountId, ClientId, LineUserId, SessionId, Subject},
    platform::Outcome,
    secret::{Keys, Purpose},
    time::{DAY, HOUR, MINUTE, SECOND, UnixMillis},
};

/// How long a notice of a logout is tried, in milliseconds.
pub const LOGOUT_LIFETIME: i64 = DAY;

/// How long an event is tried before it counts as dead, in milliseconds.
pub const EVENT_LIFETIME: i64 = 3 * DAY;

/// In front of the id of a link whose end LINE is to be told.
pub const DEAUTHORIZE: &str = "deauthorize.";

/// How long LINE is tried, in milliseconds.
pub const DEAUTHORIZE_LIFETIME: i64 = 3 * DAY;

/// How long an answer is tried by reply, in milliseconds: LINE's tokens live a minute.
pub const REPLY_LIFETIME: i64 = 50 * SECOND;

/// How long one is tried that may be pushed, in milliseconds.
pub const PUSH_LIFETIME: i64 = HOUR;

/// How long one attempt holds a row, in milliseconds: longer than its call may take.
const LEASE: i64 = MINUTE;

/// Rows that cron looks at in one tick.
const PIECE: i64 = 100;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An event for the shop's webhook endpoint, sealed.
    Webhook,
    /// An event for the shop's webhook endpoint.
    Event,
    /// A notice for one client.
    Logout,
    /// LINE's tokens of a user whose link ended, sealed.
    Deauthorize,
    /// The answer to an event of LINE's.
    Reply,
}

/// The body of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logout {
    /// Whom to tell.
    pub client_id: ClientId,
    /// Which session ended.
    pub sid: SessionId,
    /// Whose.
    pub sub: Subject,
    /// The issuer, as the client knows it.
    pub iss: String,
}

/// Something that happened, to be told to the shop if the statement before it in the batch changed a row.
#[derive(Debug)]
pub struct Event<'a> {
    /// Where.
    pub account: &'a AccountId,
    /// `type`, as `object.verb`.
    pub kind: &'static str,
    /// `data`.
    pub data: Value,
    /// Of whom it speaks, with whom it is erased.
    pub subject: &'a Subject,
    /// When.
    pub at: UnixMillis,
    /// Until when it makes sense.
    pub until: UnixMillis,
}

/// A row that was claimed.
#[derive(Debug, Deserialize)]
pub struct Claimed {
    /// What it is.
    pub kind: Kind,
    /// Its body.
    pub body: String,
    /// Whom it speaks of, with whom it would be erased.
    pub line_user: Option<i64>,
    /// Attempts, this one included.
    pub attempts: u32,
    /// When it was owed first.
    pub created_at: UnixMillis,
    /// Until when it makes sense.
    pub expires_at: UnixMillis,
}

/// Owes the shop an event (Standard Webhooks): `{type, timestamp, data}`, sealed, under an id that stays the same however
/// often it is delivered.
#[must_use]
pub fn webhook(keys: &Keys, randoms: [[u8; 32]; 2], event: &Event<'_>) -> Statement {
    let [id, nonce] = randoms;
    let body = json!({ "type": event.kind, "timestamp": event.at.rfc3339(), "data": event.data });
    Statement::new(
        "INSERT INTO outbox (account, id, kind, body, line_user, created_at, due_at, expires_at) \
         SELECT ?1, ?2, 'webhook', ?3, id, ?4, ?4, ?5 FROM line_users \
         WHERE account = ?1 AND subject = ?6 AND changes() > 0 RETURNING id AS outbox_id",
    )
    .bind(event.account)
    .bind(format!("msg_{}", crate::id::short(id)))
    .bind(keys.seal_text(Purpose::Outbox, &body.to_string(), nonce))
    .bind(event.at)
    .bind(event.until)
    .bind(event.subject)
}

/// Events for the shop, one for each row of a query. They speak of ids alone.
#[derive(Debug)]
pub struct Events<'a> {
    /// `type`, as `object.verb`.
    pub kind: &'static str,
    /// SQL: the event's own name; what happened once has it once.
    pub name: &'a str,
    /// SQL: the arguments of `json_object` that make `data`.
    pub data: &'a str,
    /// SQL: the row of the LINE user whom it speaks of, with whom it is erased; `NULL` for none.
    pub line_user: &'a str,
    /// SQL: `FROM … WHERE …`, over placeholders whose values are `bound`.
    pub from: &'a str,
    /// SQL: when it happened (RFC 3339), where that is not now.
    pub at: Option<&'a str>,
}

impl Events<'_> {
    /// Owes them, each once.
    #[must_use]
    pub fn owe(&self, bound: Vec<super::Value>, now: UnixMillis) -> Statement {
        let next = bound.len() + 1;
        let Self { kind, name, data, line_user, from, .. } = self;
        let at = self.at.map_or_else(|| format!("?{}", next + 2), str::to_owned);
        let statement = Statement::compiled(format!(
            "INSERT INTO outbox (account, id, kind, body, line_user, created_at, due_at, expires_at) \
             SELECT ?1, 'msg_{kind}.' || ({name}), 'event', \
               json_object('type', '{kind}', 'timestamp', {at}, 'data', json_object({data})), \
               {line_user}, ?{next}, ?{next}, ?{} {from} \
             ON CONFLICT (account, id) DO NOTHING RETURNING id AS outbox_id",
            next + 1
        ));
        let statement = bound.into_iter().fold(statement, Statement::bind);
        let statement = statement.bind(now).bind(now + EVENT_LIFETIME);
        if self.at.is_none() { statement.bind(now.rfc3339()) } else { statement }
    }
}

/// An event that is to be answered.
#[derive(Debug, Clone, Serialize)]
pub struct Answerable<'a> {
    /// `webhookEventId`.
    pub event_id: &'a str,
    /// The token of its claim, without which it is not answered.
    pub claim: &'a str,
    /// Whom.
    pub line_user_id: &'a LineUserId,
    /// When its delivery was acknowledged: its reply token lives from then on.
    pub received_at: UnixMillis,
    /// Until when an answer makes sense.
    pub expires_at: UnixMillis,
    /// The type of the event.
    pub event: &'static str,
    /// LINE's reply token.
    pub token: &'a str,
}

/// Owes answers to events that were claimed, each once.
#[must_use]
pub fn replies(account: &AccountId, events: &[Answerable<'_>]) -> Statement {
    Statement::new(
        "INSERT INTO outbox (account, id, kind, body, line_user, created_at, due_at, expires_at) \
         SELECT ?1, 'reply.' || (e.value ->> 'event_id'), 'reply', \
           json_object('event', e.value ->> 'event', 'token', e.value ->> 'token'), u.id, \
           e.value ->> 'received_at', e.value ->> 'received_at', e.value ->> 'expires_at' \
         FROM json_each(?2) e \
         CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = e.value ->> 'line_user_id' \
         WHERE EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
           AND w.webhook_event_id = e.value ->> 'event_id' AND w.claimed_by = e.value ->> 'claim') \
         ON CONFLICT (account, id) DO NOTHING RETURNING id AS outbox_id",
    )
    .bind(account)
    .bind_json(events)
}

/// Says something else from now on.
#[must_use]
pub fn rewrite(account: &AccountId, id: &str, body: &str) -> Statement {
    Statement::new("UPDATE outbox SET body = ?3 WHERE account = ?1 AND id = ?2")
        .bind(account)
        .bind(id)
        .bind(body)
}

/// The SQL that owes notices for the grants `g` of LINE users `u` that `live` selects: one for each session and client.
/// The other arguments are placeholders.
#[must_use]
pub fn logout(live: &str, issuer: &str, now: &str, expires_at: &str) -> String {
    format!(
        "INSERT INTO outbox (account, id, kind, body, created_at, due_at, expires_at) \
         SELECT ?1, 'logout.' || g.sid || '.' || g.client_id, 'logout', \
           json_object('client_id', g.client_id, 'sid', g.sid, 'sub', u.subject, 'iss', {issuer}), {now}, {now}, {expires_at} {live} \
         ON CONFLICT (account, id) DO NOTHING RETURNING id AS outbox_id"
    )
}

/// The jobs of what a batch came to owe.
#[must_use]
pub fn owed(account: &AccountId, outcomes: &[Outcome]) -> Vec<Job> {
    #[derive(Deserialize)]
    struct Row {
        outbox_id: String,
    }
    let rows = outcomes.iter().filter(|outcome| outcome.rows.contains("\"outbox_id\""));
    let rows = rows.flat_map(|outcome| outcome.rows::<Row>().unwrap_or_default());
    rows.map(|row| Job::Outbox { account: account.clone(), id: row.outbox_id }).collect()
}

/// Claims a row that is due, for one attempt; a second consumer finds nothing.
#[must_use]
pub fn claim(account: &AccountId, id: &str, now: UnixMillis) -> Statement {
    Statement::new(
        "UPDATE outbox SET attempts = attempts + 1, due_at = ?4 \
         WHERE account = ?1 AND id = ?2 AND due_at <= ?3 AND dead_at IS NULL \
         RETURNING kind, body, line_user, attempts, created_at, expires_at",
    )
    .bind(account)
    .bind(id)
    .bind(now)
    .bind(now + LEASE)
}

/// Puts a row off, with what its attempt came to.
#[must_use]
pub fn put_off(account: &AccountId, id: &str, until: UnixMillis, reason: &str) -> Statement {
    Statement::new("UPDATE outbox SET due_at = ?3, reason = ?4 WHERE account = ?1 AND id = ?2")
        .bind(account)
        .bind(id)
        .bind(until)
        .bind(reason)
}

/// Takes an attempt back that was none.
#[must_use]
pub fn uncounted(account: &AccountId, id: &str) -> Statement {
    Statement::new(
        "UPDATE outbox SET attempts = attempts - 1 WHERE account = ?1 AND id = ?2 AND attempts > 0",
    )
    .bind(account)
    .bind(id)
}

/// Keeps an event that nobody took in its time.
#[must_use]
pub fn bury(account: &AccountId, id: &str, now: UnixMillis) -> Statement {
    Statement::new("UPDATE outbox SET dead_at = ?3 WHERE account = ?1 AND id = ?2 AND dead_at IS NULL")
        .bind(account)
        .bind(id)
        .bind(now)
}

/// Dead events after those of `after`, the oldest first.
#[must_use]
pub fn dead(account: &AccountId, after: Option<(UnixMillis, &str)>, limit: i64) -> Statement {
    let (at, id) = after.unwrap_or((UnixMillis(0), ""));
    Statement::new(
        "SELECT id, body, attempts, reason, created_at, dead_at FROM outbox INDEXED BY outbox_dead \
         WHERE account = ?1 AND dead_at IS NOT NULL AND (dead_at, id) > (?2, ?3) ORDER BY dead_at, id LIMIT ?4",
    )
    .bind(account)
    .bind(at)
    .bind(id)
    .bind(limit)
}

/// Has dead events told again: these, or where none are named, the oldest up to `limit`.
#[must_use]
pub fn replay(account: &AccountId, ids: Option<&[String]>, limit: i64, now: UnixMillis) -> Statement {
    let which = match ids {
        Some(_) => "SELECT value FROM json_each(?4)",
        None => {
            "SELECT id FROM outbox INDEXED BY outbox_dead WHERE account = ?1 AND dead_at > 0 ORDER BY dead_at, id LIMIT ?4"
        }
    };
    let statement = Statement::compiled(format!(
        "UPDATE outbox SET dead_at = NULL, due_at = ?2, expires_at = ?3, attempts = 0, reason = NULL \
         WHERE account = ?1 AND dead_at IS NOT NULL AND id IN ({which}) RETURNING id AS outbox_id"
    ))
    .bind(account)
    .bind(now)
    .bind(now + EVENT_LIFETIME);
    match ids {
        Some(ids) => statement.bind_json(ids),
        None => statement.bind(limit),
    }
}

/// What was delivered, or makes no sense any more, is gone.
#[must_use]
pub fn remove(account: &AccountId, id: &str) -> Statement {
    Statement::new("DELETE FROM outbox WHERE account = ?1 AND id = ?2").bind(account).bind(id)
}

/// What has been due for a minute without anyone at work on it, as `account` and `outbox_id`.
#[must_use]
pub fn overdue(now: UnixMillis) -> Statement {
    Statement::new(
        "SELECT account, id AS outbox_id FROM outbox WHERE due_at <= ?1 AND dead_at IS NULL ORDER BY due_at LIMIT ?2",
    )
        .bind(now + -MINUTE)
        .bind(PIECE)
}
