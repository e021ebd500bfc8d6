//! Rows whose time is over, deleted by age in small pieces so that no statement runs long.

use super::Statement;
use crate::time::{DAY, HOUR, UnixMillis};

/// Rows that one sweep deletes of one table.
const PIECE: i64 = 1_000;

/// Statements that delete what nothing asks for any more.
#[must_use]
pub fn expired(now: UnixMillis) -> Vec<Statement> {
    [
        // A claim outlives every cookie that could repeat its attempt (15 minutes).
        (
            "DELETE FROM login_attempts WHERE (account, attempt) IN \
             (SELECT account, attempt FROM login_attempts WHERE claimed_at < ?1 LIMIT ?2)",
            now + -HOUR,
        ),
        (
            "DELETE FROM parked_attempts WHERE (account, attempt) IN \
             (SELECT account, attempt FROM parked_attempts WHERE created_at < ?1 LIMIT ?2)",
            now + -HOUR,
        ),
        // A spent code must still be known when it is tried again, as long as the tokens it gave live.
        (
            "DELETE FROM codes WHERE (account, digest) IN \
             (SELECT account, digest FROM codes WHERE expires_at < ?1 LIMIT ?2)",
            now + -2 * HOUR,
        ),
        (
            "DELETE FROM access_tokens WHERE (account, digest) IN \
             (SELECT account, digest FROM access_tokens WHERE expires_at < ?1 LIMIT ?2)",
            now + -HOUR,
        ),
        (
            "DELETE FROM sessions WHERE (account, sid) IN \
             (SELECT account, sid FROM sessions WHERE expires_at < ?1 LIMIT ?2)",
            now + -DAY,
        ),
        // Claims outlive every delivery that could come again: queues keep a body for 4 days, LINE redelivers for less.
        (
            "DELETE FROM webhook_events WHERE (account, webhook_event_id) IN \
             (SELECT account, webhook_event_id FROM webhook_events WHERE received_at < ?1 LIMIT ?2)",
            now + -30 * DAY,
        ),
        (
            "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE at < ?1 LIMIT ?2)",
            now + -90 * DAY,
        ),
    ]
    .map(|(sql, before)| Statement::new(sql).bind(before).bind(PIECE))
    .into()
}
