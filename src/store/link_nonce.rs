//! Account-link flows from the chat: who asked, under the digest of the nonce that LINE repeats when it is done.

use serde::Serialize;

use super::{Statement, Value, link, outbox::Events};
use crate::{
    id::{AccountId, LineUserId, MemberId},
    secret::Digest,
    time::{MINUTE, UnixMillis},
};

/// How long a member has at LINE, in milliseconds: longer than a link token lives.
pub const LIFETIME: i64 = 15 * MINUTE;

/// Keeps a nonce, unless the member is linked.
#[must_use]
pub fn keep(
    account: &AccountId,
    digest: &Digest,
    member: &MemberId,
    consent: &str,
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "INSERT INTO link_nonces (account, digest, member_id, consent, created_at, expires_at) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM links WHERE account = ?1 AND member_id = ?3)",
    )
    .bind(account)
    .bind(digest)
    .bind(member)
    .bind(consent)
    .bind(now)
    .bind(now + LIFETIME)
}

/// What LINE said of one flow, by an event that was claimed.
#[derive(Debug, Clone, Serialize)]
pub struct Answer<'a> {
    /// `webhookEventId`.
    pub event_id: &'a str,
    /// The token of the event's claim, without which the answer does not count.
    pub claim: &'a str,
    /// Of the nonce.
    pub digest: Digest,
    /// Whom LINE saw; none: the flow failed.
    pub line_user_id: Option<&'a LineUserId>,
    /// The id that the link gets.
    pub link_id: String,
    /// When LINE said it.
    pub at: UnixMillis,
}

/// That an answer was claimed, and its nonce lives.
const COUNTS: &str = "n.account = ?1 AND n.digest = e.value ->> 'digest' AND n.expires_at >= e.value ->> 'at' \
    AND EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
      AND w.webhook_event_id = e.value ->> 'event_id' AND w.claimed_by = e.value ->> 'claim')";

/// (1) Links are made of the answers that succeeded, unless a side is taken; the shop is owed (2) the news of each, and
/// (3) of each that came to nothing; (4) the nonces are spent.
#[must_use]
pub fn settle(
    account: &AccountId,
    answers: &[Answer<'_>],
    takes_events: bool,
    now: UnixMillis,
) -> Vec<Statement> {
    let bound =
        || -> Vec<Value> { vec![account.into(), serde_json::to_string(answers).unwrap_or_default().into()] };
    let with = |sql: String| bound().into_iter().fold(Statement::compiled(sql), Statement::bind);
    // (1)
    let mut statements = vec![
        with(format!(
            "INSERT INTO links (account, line_user, member_id, link_id, linked_at, consent) \
             SELECT ?1, u.id, n.member_id, e.value ->> 'link_id', ?3, n.consent \
             FROM json_each(?2) e CROSS JOIN link_nonces n \
             CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = e.value ->> 'line_user_id' \
             WHERE {COUNTS} ON CONFLICT DO NOTHING"
        ))
        .bind(now),
    ];
    if takes_events {
        // (2)
        let made = format!(
            "FROM json_each(?2) e CROSS JOIN link_nonces n CROSS JOIN links l ON l.account = ?1 AND l.member_id = n.member_id \
               AND l.link_id = e.value ->> 'link_id' JOIN line_users u ON u.id = l.line_user WHERE {COUNTS}"
        );
        statements.push(link::made_of(&made, bound(), now));
        // (3)
        let refused = format!(
            "FROM json_each(?2) e CROSS JOIN link_nonces n \
             LEFT JOIN line_users u ON u.account = ?1 AND u.line_user_id = e.value ->> 'line_user_id' \
             WHERE {COUNTS} AND NOT EXISTS (SELECT 1 FROM links l WHERE l.account = ?1 AND l.line_user = u.id \
               AND l.member_id = n.member_id)"
        );
        let events = Events {
            kind: "link.refused",
            name: "n.digest",
            data: "'sub', u.subject, 'member_id', n.member_id, 'reason', CASE WHEN u.id IS NULL THEN 'line_failed' \
                WHEN EXISTS (SELECT 1 FROM links l WHERE l.account = ?1 AND l.line_user = u.id) \
                THEN 'subject_is_linked' ELSE 'member_is_linked' END",
            line_user: "u.id",
            from: &refused,
            at: None,
        };
        statements.push(events.owe(bound(), now));
    }
    // (4)
    statements.push(with(format!(
        "DELETE FROM link_nonces WHERE account = ?1 AND digest IN \
           (SELECT n.digest FROM json_each(?2) e CROSS JOIN link_nonces n WHERE {COUNTS})"
    )));
    statements
}
