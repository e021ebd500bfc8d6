//! Rows whose time is over, deleted by age in small pieces so that no statement runs long.

use super::{
    Statement,
    grant::{REFRESH_IDLE, REFRESH_LIFETIME},
};
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
        // A spent code must still be known when it is tried again, so that what it gave can be ended.
        (
            "DELETE FROM codes WHERE (account, digest) IN \
             (SELECT account, digest FROM codes WHERE expires_at < ?1 LIMIT ?2)",
            now + -2 * HOUR,
        ),
        (
            "DELETE FROM bearer_tokens WHERE (account, digest) IN \
             (SELECT account, digest FROM bearer_tokens WHERE expires_at < ?1 LIMIT ?2)",
            now + -HOUR,
        ),
        // A used refresh token must still be known when it comes again, as long as its grant lives.
        (
            "DELETE FROM refresh_tokens WHERE (account, digest) IN \
             (SELECT account, digest FROM refresh_tokens WHERE expires_at < ?1 LIMIT ?2)",
            now + -(REFRESH_LIFETIME - REFRESH_IDLE),
        ),
        // Whoever received tokens is told of the session's end, which may come after theirs.
        (
            "DELETE FROM grants WHERE (account, id) IN \
             (SELECT account, id FROM grants WHERE expires_at < ?1 LIMIT ?2)",
            now + -DAY,
        ),
        (
            "DELETE FROM traded_tokens WHERE (account, digest) IN \
             (SELECT account, digest FROM traded_tokens WHERE expires_at < ?1 LIMIT ?2)",
            now,
        ),
        (
            "DELETE FROM pushed_requests WHERE (account, digest) IN \
             (SELECT account, digest FROM pushed_requests WHERE created_at < ?1 LIMIT ?2)",
            now + -HOUR,
        ),
        (
            "DELETE FROM email_codes WHERE (account, attempt) IN \
             (SELECT account, attempt FROM email_codes WHERE expires_at < ?1 LIMIT ?2)",
            now + -HOUR,
        ),
        // LINE's answer may come late: queues keep a body for 4 days.
        (
            "DELETE FROM link_nonces WHERE (account, digest) IN \
             (SELECT account, digest FROM link_nonces WHERE expires_at < ?1 LIMIT ?2)",
            now + -5 * DAY,
        ),
        (
            "DELETE FROM outbox WHERE (account, id) IN \
             (SELECT account, id FROM outbox INDEXED BY outbox_dead WHERE dead_at < ?1 LIMIT ?2)",
            now + -90 * DAY,
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
