//! LINE's deliveries, and what of them lies among the dead letters, as the shop looks at them and has them applied again.
//! What the door and the consumer write of them is elsewhere.

use super::{MAX_INTEGER, Statement};
use crate::{
    id::AccountId,
    time::{MINUTE, UnixMillis},
};

/// How far the clocks of two isolates may be apart, in milliseconds.
const SKEW: i64 = MINUTE;

/// Deliveries that a page of one verdict looks at.
pub const LOOKED_AT: i64 = 10_000;

/// What a list says of a delivery. The size is known without reading the body.
macro_rules! columns {
    () => {
        "seq, received_at, applied_at, verdict, events, duplicates, altered, octet_length(body) AS size"
    };
}

/// Bytes of dead letters that are read at once; one more may begin below it.
const BYTES_AT_ONCE: i64 = 1_000_000;

/// A page of the ledger, the newest first, from below a place.
#[must_use]
pub fn page(account: &AccountId, before: Option<i64>, limit: i64) -> Statement {
    Statement::new(concat!(
        "SELECT ",
        columns!(),
        " FROM webhook_deliveries WHERE account = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
    ))
    .bind(account)
    .bind(before.unwrap_or(MAX_INTEGER))
    .bind(limit)
}

/// The same of one verdict that is still to be seen to: few have it, and they are found by an index of their own.
#[must_use]
pub fn page_of_open(account: &AccountId, before: Option<i64>, limit: i64, verdict: &str) -> Statement {
    Statement::new(concat!(
        "SELECT ",
        columns!(),
        " FROM webhook_deliveries INDEXED BY webhook_deliveries_open \
          WHERE account = ?1 AND seq < ?2 AND verdict IN ('waiting', 'unreadable', 'failed') AND verdict = ?4 \
          ORDER BY seq DESC LIMIT ?3"
    ))
    .bind(account)
    .bind(before.unwrap_or(MAX_INTEGER))
    .bind(limit)
    .bind(verdict)
}

/// The same of one verdict that needs no seeing to: of the next [`LOOKED_AT`] deliveries, however few have it. The second
/// statement says how far they go: how many were `looked` at, and which was the `last`.
#[must_use]
pub fn page_of_done(account: &AccountId, before: Option<i64>, limit: i64, verdict: &str) -> [Statement; 2] {
    let page = Statement::new(concat!(
        "SELECT ",
        columns!(),
        " FROM (SELECT * FROM webhook_deliveries WHERE account = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?5) \
          WHERE verdict = ?4 ORDER BY seq DESC LIMIT ?3"
    ));
    let reach = Statement::new(
        "SELECT count(*) AS looked, min(seq) AS last FROM (SELECT seq FROM webhook_deliveries \
           WHERE account = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3)",
    );
    let before = before.unwrap_or(MAX_INTEGER);
    [
        page.bind(account).bind(before).bind(limit).bind(verdict).bind(LOOKED_AT),
        reach.bind(account).bind(before).bind(LOOKED_AT),
    ]
}

/// One delivery with its body.
#[must_use]
pub fn one(account: &AccountId, seq: i64) -> Statement {
    Statement::new(concat!(
        "SELECT ",
        columns!(),
        ", signature, body FROM webhook_deliveries WHERE account = ?1 AND seq = ?2"
    ))
    .bind(account)
    .bind(seq)
}

/// Which of these deliveries there are, and whether they say nothing new.
#[must_use]
pub fn known(account: &AccountId, seqs: &[i64]) -> Statement {
    Statement::new(
        "SELECT d.seq, d.verdict = 'duplicate' AS is_empty FROM (SELECT DISTINCT CAST(value AS INTEGER) AS seq FROM json_each(?2)) wanted \
         JOIN webhook_deliveries d ON d.account = ?1 AND d.seq = wanted.seq ORDER BY d.seq",
    )
    .bind(account)
    .bind_json(seqs)
}

/// Looks at a piece of the ledger, the newest first, from below a place: `seqs` (JSON) were received from `from` until
/// before `to` and say something; `looked` is how many there were, `last` the oldest of them, and `past` whether all that are older were
/// received before `from`. A delivery stands in the ledger in the order in which it became durable there, which is after it
/// was received and before it was applied: so none is older than one that was applied before `from` and received later.
#[must_use]
pub fn received_in(
    account: &AccountId,
    (from, to): (UnixMillis, UnixMillis),
    before: Option<i64>,
    limit: i64,
) -> Statement {
    Statement::new(
        "WITH piece AS (SELECT seq, received_at, applied_at, verdict FROM webhook_deliveries \
           WHERE account = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3) \
         SELECT (SELECT json_group_array(seq) FROM piece \
             WHERE received_at >= ?4 AND received_at < ?5 AND verdict <> 'duplicate') AS seqs, \
           (SELECT count(*) FROM piece) AS looked, (SELECT min(seq) FROM piece) AS last, \
           EXISTS (SELECT 1 FROM piece WHERE applied_at < ?6) AS past",
    )
    .bind(account)
    .bind(before.unwrap_or(MAX_INTEGER))
    .bind(limit)
    .bind(from)
    .bind(to)
    .bind(from + -SKEW)
}

/// A page of the account's dead letters of LINE's webhooks, the oldest first, without what they say.
#[must_use]
pub fn dead(account: &AccountId, after: Option<(UnixMillis, &str)>, limit: i64) -> Statement {
    let (at, id) = after.unwrap_or((UnixMillis(0), ""));
    Statement::new(
        "SELECT id, at, source, reason, octet_length(body) AS size \
         FROM dead_letters INDEXED BY dead_letters_of_webhooks \
         WHERE account = ?1 AND source IN ('webhook', 'queue') AND (at, id) > (?2, ?3) ORDER BY at, id LIMIT ?4",
    )
    .bind(account)
    .bind(at)
    .bind(id)
    .bind(limit)
}

/// One dead letter with what it says.
#[must_use]
pub fn dead_one(account: &AccountId, id: &str) -> Statement {
    Statement::new(
        "SELECT id, at, source, reason, octet_length(body) AS size, body FROM dead_letters \
         WHERE id = ?2 AND account = ?1 AND source IN ('webhook', 'queue')",
    )
    .bind(account)
    .bind(id)
}

/// The oldest dead letters with what they say, as many as are read at once.
#[must_use]
pub fn dead_bodies(account: &AccountId, after: Option<(UnixMillis, &str)>, limit: i64) -> Statement {
    let (at, id) = after.unwrap_or((UnixMillis(0), ""));
    Statement::new(
        "WITH piece AS (SELECT id, at, octet_length(body) AS size \
             FROM dead_letters INDEXED BY dead_letters_of_webhooks \
             WHERE account = ?1 AND source IN ('webhook', 'queue') AND (at, id) > (?2, ?3) \
             ORDER BY at, id LIMIT ?4), \
           summed AS (SELECT id, sum(size) OVER (ORDER BY at, id) - size AS earlier FROM piece) \
         SELECT d.id, d.at, d.body FROM summed JOIN dead_letters d ON d.id = summed.id \
         WHERE summed.earlier < ?5 ORDER BY d.at, d.id",
    )
    .bind(account)
    .bind(at)
    .bind(id)
    .bind(limit)
    .bind(BYTES_AT_ONCE)
}

/// The same of those that are named.
#[must_use]
pub fn dead_bodies_of(account: &AccountId, ids: &[String]) -> Statement {
    Statement::new(
        "WITH piece AS (SELECT d.id, d.at, octet_length(d.body) AS size \
             FROM (SELECT DISTINCT value AS id FROM json_each(?2)) wanted JOIN dead_letters d ON d.id = wanted.id \
             WHERE d.account = ?1 AND d.source IN ('webhook', 'queue')), \
           summed AS (SELECT id, sum(size) OVER (ORDER BY at, id) - size AS earlier FROM piece) \
         SELECT d.id, d.at, d.body FROM summed JOIN dead_letters d ON d.id = summed.id \
         WHERE summed.earlier < ?3 ORDER BY d.at, d.id",
    )
    .bind(account)
    .bind_json(ids)
    .bind(BYTES_AT_ONCE)
}

/// Deletes dead letters that are on the queue again, unless they were buried anew meanwhile: `letters` are their ids and
/// times.
#[must_use]
pub fn exhumed(account: &AccountId, letters: &[(&str, UnixMillis)]) -> Statement {
    Statement::new(
        "DELETE FROM dead_letters WHERE account = ?1 AND id IN \
           (SELECT d.id FROM json_each(?2) j JOIN dead_letters d ON d.id = j.value ->> 0 AND d.at = j.value ->> 1)",
    )
    .bind(account)
    .bind_json(letters)
}

/// Moves a dead letter that is too large for the queue into the ledger, where it waits; to be followed by [`exhumed`] in
/// the same batch. Nothing if it is not as it was read any more: buried anew, or somebody was erased from it. `size` is that
/// of the letter, `body` the delivery that it makes, which is not as LINE signed it.
#[must_use]
pub fn into_ledger(
    account: &AccountId,
    (id, at, size): (&str, UnixMillis, i64),
    (body, events): (&str, usize),
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "INSERT INTO webhook_deliveries (account, seq, received_at, verdict, events, signature, altered, body, due_at) \
         SELECT ?1, 1 + coalesce((SELECT max(seq) FROM webhook_deliveries WHERE account = ?1 AND seq > 0), 0), \
           d.at, 'waiting', ?5, '', 1, ?6, ?7 FROM dead_letters d \
         WHERE d.id = ?2 AND d.account = ?1 AND d.at = ?3 AND octet_length(d.body) = ?4 RETURNING seq",
    )
    .bind(account)
    .bind(id)
    .bind(at)
    .bind(size)
    .bind(i64::try_from(events).unwrap_or(i64::MAX))
    .bind(body)
    .bind(now)
}
