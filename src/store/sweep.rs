//! Rows whose time is over, deleted by age in small pieces so that no statement runs long.

use super::{
    Statement, event,
    grant::{REFRESH_IDLE, REFRESH_LIFETIME},
};
use crate::{
    rule::CLICKS_KEPT,
    time::{DAY, HOUR, UnixMillis},
};

/// Rows that one sweep deletes of one table.
const PIECE: i64 = 1_000;

/// How long deliveries can be replayed, in milliseconds.
const DELIVERIES_KEPT: i64 = 14 * DAY;

/// How long a claim keeps its event from being applied again, in milliseconds: it outlives every body that could come again,
/// those of the ledger, of queues (4 days) and of LINE.
const CLAIMS_KEPT: i64 = 30 * DAY;

/// How long it is known what came, in milliseconds.
const COUNTS_KEPT: i64 = 90 * DAY;

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
        (
            "DELETE FROM clicks WHERE (account, line_user, at, link) IN \
             (SELECT account, line_user, at, link FROM clicks INDEXED BY clicks_by_age WHERE at < ?1 LIMIT ?2)",
            now + -CLICKS_KEPT * DAY,
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
        (
            "DELETE FROM webhook_deliveries WHERE (account, seq) IN (SELECT d.account, d.seq FROM accounts a \
               CROSS JOIN webhook_deliveries d ON d.account = a.id \
                 AND d.seq < (SELECT max(seq) FROM webhook_deliveries WHERE account = a.id AND seq > 0) \
                 AND d.seq < ?2 + (SELECT min(seq) FROM webhook_deliveries WHERE account = a.id AND seq > 0) \
               WHERE a.id > '' AND d.received_at < ?1 AND ?1 > (SELECT o.received_at FROM webhook_deliveries o \
                 WHERE o.account = a.id AND o.seq > 0 ORDER BY o.seq LIMIT 1))",
            now + -DELIVERIES_KEPT,
        ),
        (
            "DELETE FROM webhook_counts WHERE (account, hour) IN (SELECT c.account, c.hour FROM accounts a \
               CROSS JOIN webhook_counts c ON c.account = a.id AND c.hour < ?1 WHERE a.id > '' LIMIT ?2)",
            now + -COUNTS_KEPT,
        ),
        (
            "DELETE FROM webhook_refusals WHERE (account, hour, reason) IN (SELECT c.account, c.hour, c.reason \
               FROM accounts a CROSS JOIN webhook_refusals c ON c.account = a.id AND c.hour < ?1 WHERE a.id > '' LIMIT ?2)",
            now + -COUNTS_KEPT,
        ),
        (
            "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE at < ?1 LIMIT ?2)",
            now + -90 * DAY,
        ),
    ]
    .map(|(sql, before)| Statement::new(sql).bind(before).bind(PIECE))
    .into_iter()
    .chain([claims(now)])
    .chain(event::sweep(now, PIECE))
    .collect()
}

/// Claims in the order of their ids, which is that of time (ULID), so that they need no index by age. Any that LINE ever names
/// otherwise would stay.
fn claims(now: UnixMillis) -> Statement {
    let before = now + -CLAIMS_KEPT;
    Statement::new(
        "DELETE FROM webhook_events WHERE (account, webhook_event_id) IN (SELECT w.account, w.webhook_event_id \
           FROM accounts a CROSS JOIN webhook_events w ON w.account = a.id AND w.webhook_event_id < ?3 \
           WHERE a.id > '' AND w.received_at < ?1 LIMIT ?2)",
    )
    .bind(before)
    .bind(PIECE)
    .bind(before.ulid())
}
