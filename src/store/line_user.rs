//! A LINE user of an account, and the friendship between them and the Official Account.
//!
//! Friendship has two sources, webhooks and the friendship API at login; the newest evidence wins, whichever arrives
//! last. Evidence of equal time is settled by the larger event id.

use super::Statement;
use crate::{
    id::{AccountId, LineUserId, Subject},
    time::UnixMillis,
};

/// Makes the LINE user's row, unless it is there. `fresh` becomes the subject of a new one.
#[must_use]
pub fn seen(account: &AccountId, line_user_id: &LineUserId, fresh: &Subject, now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO line_users (account, line_user_id, subject, created_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (account, line_user_id) DO NOTHING",
    )
    .bind(account)
    .bind(line_user_id)
    .bind(fresh)
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

/// A claimed webhook event: its effects happen only if this very claim was the first.
#[derive(Debug, Clone)]
pub struct Claim {
    /// `webhookEventId`.
    pub event_id: String,
    /// Random, so that a second claim of the same event is told from this one.
    pub token: String,
}

/// What somebody said about a friendship.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Friend and not blocking.
    pub friend: bool,
    /// When it was so: the event's `timestamp`, or the time of the API's answer.
    pub at: UnixMillis,
    /// The event's claim; none for the API.
    pub claim: Option<&'a Claim>,
}

/// Changes the friendship if the evidence is newer than what is known, and was claimed where it is an event.
#[must_use]
pub fn friendship(account: &AccountId, line_user_id: &LineUserId, evidence: Evidence<'_>) -> Statement {
    let (event, token) =
        evidence.claim.map_or(("", None), |claim| (claim.event_id.as_str(), Some(claim.token.as_str())));
    Statement::new(
        "UPDATE line_users SET friend = ?3, friendship_at = ?4, friendship_event = ?5, \
           friend_since = CASE WHEN ?3 = 0 THEN NULL WHEN friend = 1 THEN friend_since ELSE ?4 END \
         WHERE account = ?1 AND line_user_id = ?2 \
           AND (friendship_at < ?4 OR (friendship_at = ?4 AND friendship_event < ?5)) \
           AND (?6 IS NULL OR EXISTS (SELECT 1 FROM webhook_events \
                WHERE account = ?1 AND webhook_event_id = ?5 AND claimed_by = ?6))",
    )
    .bind(account)
    .bind(line_user_id)
    .bind(evidence.friend)
    .bind(evidence.at)
    .bind(event)
    .bind(token)
}
