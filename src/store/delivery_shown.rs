//! LINE's deliveries as the shop looks at them and has them applied again.
//! What the door and the consumer write of them is elsewhere.

use super::{MAX_INTEGER, Statement};
use crate::{
    id::AccountId,
    time::{MINUTE, UnixMillis},
};

/// How far the clocks of two isolates may be apart, and how long a batch may take whose time was read before it, in
/// milliseconds.
const SKEW: i64 = MINUTE;

/// Deliveries that a page of one verdict looks at.
pub const LOOKED_AT: i64 = 10_000;

/// What a list says of a delivery. The size is known without reading the body.
macro_rules! columns {
    () => {
        "seq, received_at, applied_at, verdict, events, duplicates, altered, octet_length(body) AS size"
    };
}

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

/// The places alone.
#[must_use]
pub fn open(account: &AccountId, before: Option<i64>, limit: i64, verdict: &str) -> Statement {
    Statement::new(
        "SELECT seq FROM webhook_deliveries INDEXED BY webhook_deliveries_open \
         WHERE account = ?1 AND seq < ?2 AND verdict IN ('waiting', 'unreadable', 'failed') AND verdict = ?4 \
         ORDER BY seq DESC LIMIT ?3",
    )
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
