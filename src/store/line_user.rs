//! LINE users of an account, and the friendship between each of them and the Official Account.
//!
//! Friendship has two sources, webhooks and the friendship API at login; the newest evidence wins, whichever arrives
//! last. Evidence of equal time is settled by the larger event id. Statements take any number of users as one JSON
//! parameter, so that their count does not grow with the work.

use serde::Serialize;

use super::{Statement, Value, outbox::Events, tombstone::STANDS_AGAINST_NONE};
use crate::{
    id::{AccountId, LineUserId, Subject},
    secret::Digest,
    time::UnixMillis,
};

/// A LINE user, with the subject that becomes theirs if they are seen for the first time.
#[derive(Debug, Clone, Serialize)]
pub struct Seen<'a> {
    /// LINE's id.
    pub line_user_id: &'a LineUserId,
    /// A fresh subject.
    pub subject: Subject,
    /// When.
    pub at: UnixMillis,
    /// Of the person's tombstone: who was erased since is not seen. None where they come by themselves, now.
    pub tombs: Vec<Digest>,
}

impl<'a> Seen<'a> {
    /// Somebody who comes by themselves.
    #[must_use]
    pub fn now(line_user_id: &'a LineUserId, subject: Subject, now: UnixMillis) -> Self {
        Self { line_user_id, subject, at: now, tombs: Vec::new() }
    }
}

/// Makes the rows of LINE users, unless they are there, or were erased since they were seen.
#[must_use]
pub fn seen(account: &AccountId, users: &[Seen<'_>], now: UnixMillis) -> Statement {
    Statement::compiled(format!(
        "INSERT INTO line_users (account, line_user_id, subject, created_at) \
         SELECT ?1, e.value ->> 'line_user_id', e.value ->> 'subject', ?3 FROM json_each(?2) e WHERE {STANDS_AGAINST_NONE} \
         ON CONFLICT (account, line_user_id) DO NOTHING"
    ))
    .bind(account)
    .bind_json(users)
    .bind(now)
}

/// Reads a LINE user by this column, with the member who is linked.
#[must_use]
pub fn show(account: &AccountId, column: &'static str, value: Value) -> Statement {
    Statement::compiled(format!(
        "SELECT u.subject AS sub, u.line_user_id, u.name, u.picture, u.friend, u.friend_since, l.member_id \
         FROM line_users u LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id WHERE u.account = ?1 AND u.{column} = ?2"
    ))
    .bind(account)
    .bind(value)
}

/// Reads LINE's id of a user of the account who is a friend, by our row.
#[must_use]
pub fn friend_of_id(account: &AccountId, id: i64) -> Statement {
    Statement::new("SELECT line_user_id FROM line_users WHERE id = ?2 AND account = ?1 AND friend = 1")
        .bind(account)
        .bind(id)
}

/// What LINE's ID token showed of a customer.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// The picture.
    pub picture: Option<&'a str>,
    /// The address, if it was asked for: none then means that the customer does not agree (any more).
    pub email: Option<Option<&'a str>>,
}

/// Keeps what LINE's ID token showed. One without a name was not allowed to show it, nor a picture. Another address is not
/// verified.
#[must_use]
pub fn profile(account: &AccountId, line_user_id: &LineUserId, shown: Shown<'_>) -> Statement {
    let statement = match shown.email {
        None => Statement::new(
            "UPDATE line_users SET name = ?3, picture = ?4 \
             WHERE account = ?1 AND line_user_id = ?2 AND ?3 IS NOT NULL AND (name IS NOT ?3 OR picture IS NOT ?4)",
        ),
        Some(_) => Statement::new(
            "UPDATE line_users SET name = coalesce(?3, name), picture = CASE WHEN ?3 IS NULL THEN picture ELSE ?4 END, \
               email = ?5, \
               email_verified_at = CASE WHEN email = ?5 COLLATE NOCASE THEN email_verified_at END \
             WHERE account = ?1 AND line_user_id = ?2 AND (name IS NOT ?3 OR picture IS NOT ?4 OR email IS NOT ?5)",
        ),
    };
    let statement = statement.bind(account).bind(line_user_id).bind(shown.name).bind(shown.picture);
    match shown.email {
        None => statement,
        Some(email) => statement.bind(email),
    }
}

/// Holds LINE's tokens of a user, sealed, in place of those of the login before.
#[must_use]
pub fn hold_tokens(account: &AccountId, line_user_id: &LineUserId, sealed: &str) -> Statement {
    Statement::new("UPDATE line_users SET line_tokens = ?3 WHERE account = ?1 AND line_user_id = ?2")
        .bind(account)
        .bind(line_user_id)
        .bind(sealed)
}

/// What somebody said about a friendship.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence<'a> {
    /// Whose.
    pub line_user_id: &'a LineUserId,
    /// Friend and not blocking.
    pub friend: bool,
    /// When it was so: the event's `timestamp`, or the time of asking the API.
    pub at: UnixMillis,
    /// The same for those who are told (RFC 3339).
    pub when: String,
    /// `webhookEventId`; empty for the API.
    pub event_id: &'a str,
    /// The token of the event's claim: without it the evidence does not count. None for the API.
    pub claim: Option<&'a str>,
}

/// Owes the shop the news of `follow` or `unfollow` events that were claimed, before [`friendships`] applies them: unless a
/// newer event has said otherwise already. What a login saw first of the same change does not hide it.
#[must_use]
pub fn friendship_events(
    account: &AccountId,
    friend: bool,
    evidence: &[Evidence<'_>],
    now: UnixMillis,
) -> Statement {
    let events = Events {
        kind: if friend { "friend.added" } else { "friend.blocked" },
        name: "e.value ->> 'event_id'",
        data: "'sub', u.subject, 'member_id', (SELECT l.member_id FROM links l WHERE l.account = ?1 AND l.line_user = u.id)",
        line_user: "u.id",
        from: "FROM json_each(?2) e CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = e.value ->> 'line_user_id' \
            WHERE e.value ->> 'friend' = ?3 AND EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
              AND w.webhook_event_id = e.value ->> 'event_id' AND w.claimed_by = e.value ->> 'claim') \
            AND (u.friendship_at < e.value ->> 'at' \
              OR (u.friendship_at = e.value ->> 'at' AND u.friendship_event < e.value ->> 'event_id') \
              OR (u.friendship_event = '' AND u.friend = e.value ->> 'friend'))",
        at: Some("e.value ->> 'when'"),
    };
    let list = serde_json::to_string(evidence).unwrap_or_default();
    events.owe(vec![account.into(), list.into(), friend.into()], now)
}

/// Changes friendships where the evidence is newer than what is known, and was claimed where it is an event. At most
/// one piece of evidence for each user: the newest.
#[must_use]
pub fn friendships(account: &AccountId, evidence: &[Evidence<'_>]) -> Statement {
    // An upsert over rows that are there: an UPDATE … FROM would read every LINE user of the account.
    Statement::new(
        "INSERT INTO line_users (account, line_user_id, subject, created_at, friend, friendship_at, friendship_event, friend_since) \
         SELECT ?1, u.line_user_id, u.subject, u.created_at, e.value ->> 'friend', e.value ->> 'at', \
           e.value ->> 'event_id', CASE WHEN e.value ->> 'friend' THEN e.value ->> 'at' END \
         FROM json_each(?2) e \
         CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = e.value ->> 'line_user_id' \
         WHERE e.value ->> 'claim' IS NULL OR EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
           AND w.webhook_event_id = e.value ->> 'event_id' AND w.claimed_by = e.value ->> 'claim') \
         ON CONFLICT (account, line_user_id) DO UPDATE SET friend = excluded.friend, \
           friendship_at = excluded.friendship_at, friendship_event = excluded.friendship_event, \
           friend_since = CASE WHEN excluded.friend = 0 THEN NULL WHEN line_users.friend = 1 THEN friend_since \
             ELSE excluded.friendship_at END \
         WHERE friendship_at < excluded.friendship_at \
           OR (friendship_at = excluded.friendship_at AND friendship_event < excluded.friendship_event)",
    )
    .bind(account)
    .bind_json(evidence)
}
