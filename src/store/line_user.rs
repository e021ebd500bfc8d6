//! LINE users of an account, and the friendship between each of them and the Official Account.
//!
//! Friendship has two sources, webhooks and the friendship API at login; the newest evidence wins, whichever arrives
//! last. Evidence of equal time is settled by the larger event id. Statements take any number of users as one JSON
//! parameter, so that their count does not grow with the work.

use serde::Serialize;

use super::Statement;
use crate::{
    id::{AccountId, LineUserId, Subject},
    time::UnixMillis,
};

/// A LINE user, with the subject that becomes theirs if they are seen for the first time.
#[derive(Debug, Clone, Serialize)]
pub struct Seen<'a> {
    /// LINE's id.
    pub line_user_id: &'a LineUserId,
    /// A fresh subject.
    pub subject: Subject,
}

/// Makes the rows of LINE users, unless they are there.
#[must_use]
pub fn seen(account: &AccountId, users: &[Seen<'_>], now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO line_users (account, line_user_id, subject, created_at) \
         SELECT ?1, value ->> 'line_user_id', value ->> 'subject', ?3 FROM json_each(?2) WHERE 1 \
         ON CONFLICT (account, line_user_id) DO NOTHING",
    )
    .bind(account)
    .bind_json(users)
    .bind(now)
}

/// Keeps the name and picture that LINE's ID token showed.
#[must_use]
pub fn profile(
    account: &AccountId,
    line_user_id: &LineUserId,
    name: Option<&str>,
    picture: Option<&str>,
) -> Statement {
    Statement::new(
        "UPDATE line_users SET name = ?3, picture = ?4 \
         WHERE account = ?1 AND line_user_id = ?2 AND (name IS NOT ?3 OR picture IS NOT ?4)",
    )
    .bind(account)
    .bind(line_user_id)
    .bind(name)
    .bind(picture)
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
    /// `webhookEventId`; empty for the API.
    pub event_id: &'a str,
    /// The token of the event's claim: without it the evidence does not count. None for the API.
    pub claim: Option<&'a str>,
}

/// Changes friendships where the evidence is newer than what is known, and was claimed where it is an event. At most
/// one piece of evidence for each user: the newest.
#[must_use]
pub fn friendships(account: &AccountId, evidence: &[Evidence<'_>]) -> Statement {
    Statement::new(
        "UPDATE line_users SET friend = e.friend, friendship_at = e.at, friendship_event = e.event_id, \
           friend_since = CASE WHEN e.friend = 0 THEN NULL WHEN line_users.friend = 1 THEN friend_since ELSE e.at END \
         FROM (SELECT value ->> 'line_user_id' AS line_user_id, value ->> 'friend' AS friend, value ->> 'at' AS at, \
                 value ->> 'event_id' AS event_id, value ->> 'claim' AS claim FROM json_each(?2)) e \
         WHERE account = ?1 AND line_users.line_user_id = e.line_user_id \
           AND (friendship_at < e.at OR (friendship_at = e.at AND friendship_event < e.event_id)) \
           AND (e.claim IS NULL OR EXISTS (SELECT 1 FROM webhook_events w \
                WHERE w.account = ?1 AND w.webhook_event_id = e.event_id AND w.claimed_by = e.claim))",
    )
    .bind(account)
    .bind_json(evidence)
}
