//! What is owed to the shop: a row in the batch of its reason, a job after it, and cron for what was lost in between.
//! `webhook`: an event, sealed, because it may name a person. `logout`: who to tell that which session ended.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Job, Statement};
use crate::{
    id::{AccountId, ClientId, SessionId, Subject},
    platform::Outcome,
    secret::{Keys, Purpose},
    time::{DAY, MINUTE, UnixMillis},
};

/// How long a notice of a logout is tried, in milliseconds.
pub const LOGOUT_LIFETIME: i64 = DAY;

/// How long one attempt holds a row, in milliseconds: longer than its call may take.
const LEASE: i64 = MINUTE;

/// Rows that cron looks at in one tick.
const PIECE: i64 = 100;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An event for the shop's webhook endpoint.
    Webhook,
    /// A notice for one client.
    Logout,
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
        "INSERT INTO outbox (account, id, kind, body, created_at, due_at, expires_at) \
         SELECT ?1, ?2, 'webhook', ?3, ?4, ?4, ?5 WHERE changes() > 0 RETURNING id AS outbox_id",
    )
    .bind(event.account)
    .bind(format!("msg_{}", crate::id::short(id)))
    .bind(keys.seal_text(Purpose::Outbox, &body.to_string(), nonce))
    .bind(event.at)
    .bind(event.until)
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
        "UPDATE outbox SET attempts = attempts + 1, due_at = ?4 WHERE account = ?1 AND id = ?2 AND due_at <= ?3 \
         RETURNING kind, body, attempts, created_at, expires_at",
    )
    .bind(account)
    .bind(id)
    .bind(now)
    .bind(now + LEASE)
}

/// Puts a row off.
#[must_use]
pub fn put_off(account: &AccountId, id: &str, until: UnixMillis) -> Statement {
    Statement::new("UPDATE outbox SET due_at = ?3 WHERE account = ?1 AND id = ?2")
        .bind(account)
        .bind(id)
        .bind(until)
}

/// What was delivered, or makes no sense any more, is gone.
#[must_use]
pub fn remove(account: &AccountId, id: &str) -> Statement {
    Statement::new("DELETE FROM outbox WHERE account = ?1 AND id = ?2").bind(account).bind(id)
}

/// What has been due for a minute without anyone at work on it, as `account` and `outbox_id`.
#[must_use]
pub fn overdue(now: UnixMillis) -> Statement {
    Statement::new("SELECT account, id AS outbox_id FROM outbox WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2")
        .bind(now + -MINUTE)
        .bind(PIECE)
}
