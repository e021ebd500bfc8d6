//! The ledger of LINE's deliveries: each a row, in the order in which they became durable (`seq`), with its raw body as long
//! as it can be replayed or relayed. A delivery that only repeats what is known is a row without a body.

use serde::{Deserialize, Serialize};

use super::{Statement, chat_message::Message, tombstone::STANDS_AGAINST_NONE};
use crate::{
    id::{AccountId, LineUserId},
    secret::Digest,
    time::{HOUR, MINUTE, UnixMillis},
};

/// A delivery that the door puts down as it came, to be applied later.
#[derive(Debug)]
pub struct Put<'a> {
    /// When it was acknowledged.
    pub received_at: UnixMillis,
    /// LINE's signature.
    pub signature: &'a str,
    /// The raw body.
    pub body: &'a str,
    /// How many events are in it.
    pub events: usize,
}

impl Put<'_> {
    /// Puts it down; answers its `seq`.
    #[must_use]
    pub fn waiting(&self, account: &AccountId) -> Statement {
        Statement::new(
            "INSERT INTO webhook_deliveries (account, seq, received_at, due_at, verdict, events, signature, body) \
             SELECT ?1, 1 + coalesce((SELECT max(seq) FROM webhook_deliveries WHERE account = ?1 AND seq > 0), 0), \
               ?2, ?2, 'waiting', ?3, ?4, ?5 RETURNING seq",
        )
        .bind(account)
        .bind(self.received_at)
        .bind(i64::try_from(self.events).unwrap_or(i64::MAX))
        .bind(self.signature)
        .bind(self.body)
    }
}

/// The place of a delivery in the ledger.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Place {
    /// Its number.
    pub seq: i64,
}

/// A delivery as it lies in the ledger.
#[derive(Debug, Default, Deserialize)]
pub struct Stored {
    /// When it was acknowledged.
    pub received_at: UnixMillis,
    /// What became of it.
    pub verdict: String,
    /// The raw body; empty where it says nothing new.
    pub body: String,
}

/// Reads a delivery.
#[must_use]
pub fn read(account: &AccountId, seq: i64) -> Statement {
    Statement::new(
        "SELECT received_at, verdict, body FROM webhook_deliveries WHERE account = ?1 AND seq = ?2",
    )
    .bind(account)
    .bind(seq)
}

/// An event of a delivery that is kept: by which claim it counts, and whom it names.
#[derive(Debug, Clone, Serialize)]
pub struct Named<'a> {
    /// `webhookEventId`; none of an event that cannot be read.
    pub id: Option<&'a str>,
    /// The token of its claim; none if it is not claimed in this batch.
    pub claim: Option<String>,
    /// When it happened.
    pub at: UnixMillis,
    /// The digests of everybody whom it names.
    pub tombs: &'a [Digest],
}

/// A delivery that the consumer keeps, in the batch of its claims.
#[derive(Debug, Clone, Serialize)]
pub struct Kept<'a> {
    /// When it was acknowledged.
    pub received_at: UnixMillis,
    /// LINE's signature.
    pub signature: &'a str,
    /// The raw body.
    pub body: &'a str,
    /// Its events, in their order.
    pub events: Vec<Named<'a>>,
    /// `unreadable` or `failed`, where it is one of them.
    pub verdict: Option<&'static str>,
}

/// SQL: one event of the deliveries `{body}`, a row `b` of `json_each`, as JSON.
fn event_of(body: &str) -> String {
    format!("CASE WHEN b.type IN ('object', 'array') THEN json(b.value) ELSE json({body} -> b.fullkey) END")
}

/// Keeps deliveries after their claims, in their order; answers `seq` of each. One has its body if it says something: an event
/// of it is claimed, or will be, or cannot be read; unless it lies there already, byte for byte, because an earlier try kept it. Where
/// somebody was erased since, what names them is left out.
#[must_use]
pub fn keep(account: &AccountId, kept: &[Kept<'_>], now: UnixMillis) -> Statement {
    let event = event_of("d.value ->> 'body'");
    Statement::compiled(format!(
        "INSERT INTO webhook_deliveries \
           (account, seq, received_at, applied_at, verdict, events, duplicates, signature, altered, loose, body) \
         SELECT ?1, d.top + d.key + 1, d.value ->> 'received_at', iif(d.value ->> 'verdict' IS 'failed', NULL, ?3), \
           iif(d.says, coalesce(d.value ->> 'verdict', 'applied'), 'duplicate'), \
           json_array_length(d.value -> 'events'), d.tried - d.claimed, d.value ->> 'signature', d.erased, \
           d.says AND d.claimed < json_array_length(d.value -> 'events'), \
           CASE WHEN NOT d.says THEN '' WHEN NOT d.erased THEN d.value ->> 'body' \
             WHEN NOT json_valid(d.value ->> 'body') THEN '' \
             ELSE json_set(d.value ->> 'body', '$.events', (SELECT json_group_array(json({event})) \
               FROM json_each(d.value ->> 'body', '$.events') b \
               JOIN json_each(d.value -> 'events') e ON e.key = b.key WHERE {STANDS_AGAINST_NONE})) END \
         FROM (SELECT c.*, CASE WHEN c.value ->> 'verdict' = 'failed' THEN 1 WHEN EXISTS ( \
             SELECT 1 FROM json_each(c.value -> 'events') e CROSS JOIN webhook_events w ON w.account = ?1 \
               AND w.webhook_event_id = e.value ->> 'id' \
             CROSS JOIN webhook_deliveries o ON o.account = ?1 AND o.seq = w.delivery \
               AND o.signature = c.value ->> 'signature' AND o.signature <> '') THEN 0 \
             ELSE c.claimed > 0 OR c.value ->> 'verdict' IS NOT NULL OR EXISTS ( \
               SELECT 1 FROM json_each(c.value -> 'events') e WHERE e.value ->> 'claim' IS NULL AND NOT EXISTS ( \
                 SELECT 1 FROM webhook_events w WHERE w.account = ?1 AND w.webhook_event_id = e.value ->> 'id')) END AS says \
           FROM (SELECT d.key, d.value, \
             coalesce((SELECT max(seq) FROM webhook_deliveries WHERE account = ?1 AND seq > 0), 0) AS top, \
             (SELECT count(*) FROM json_each(d.value -> 'events') e WHERE e.value ->> 'claim' IS NOT NULL) AS tried, \
             (SELECT count(*) FROM json_each(d.value -> 'events') e CROSS JOIN webhook_events w ON w.account = ?1 \
                AND w.webhook_event_id = e.value ->> 'id' AND w.claimed_by = e.value ->> 'claim') AS claimed, \
             EXISTS (SELECT 1 FROM json_each(d.value -> 'events') e WHERE NOT ({STANDS_AGAINST_NONE})) AS erased \
           FROM json_each(?2) d) c) d WHERE 1 ORDER BY d.key RETURNING seq"
    ))
    .bind(account)
    .bind_json(kept)
    .bind(now)
}

/// SQL: in which delivery an event lies, `{e}` a row of `json_each`: its own word, or one of those that [`keep`] keeps in this
/// batch, behind this statement.
#[must_use]
pub fn place_before(e: &str) -> String {
    format!(
        "coalesce({e}.value ->> 'delivery', {e}.value ->> 'place' + 1 \
           + coalesce((SELECT max(seq) FROM webhook_deliveries WHERE account = ?1 AND seq > 0), 0))"
    )
}

/// The same in front of this statement; `{kept}` are how many.
#[must_use]
pub fn place_behind(e: &str, kept: &str) -> String {
    format!(
        "coalesce({e}.value ->> 'delivery', {e}.value ->> 'place' + 1 - {kept} \
           + (SELECT max(seq) FROM webhook_deliveries WHERE account = ?1 AND seq > 0))"
    )
}

/// What waited is applied: places, each with the ids of its events. Those that another delivery claimed were known; where all
/// were, nothing is left of it but that it came.
#[must_use]
pub fn applied(account: &AccountId, places: &[(i64, Vec<&str>)], now: UnixMillis) -> [Statement; 2] {
    let applied = "UPDATE webhook_deliveries SET verdict = 'applied', applied_at = ?3, due_at = NULL, loose = 1, \
           duplicates = (SELECT count(*) FROM json_each(?2) p CROSS JOIN json_each(p.value -> 1) i \
             WHERE p.value ->> 0 = seq AND NOT EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
               AND w.webhook_event_id = i.value AND w.delivery = webhook_deliveries.seq)) \
         WHERE account = ?1 AND seq IN (SELECT value ->> 0 FROM json_each(?2)) \
           AND verdict IN ('waiting', 'failed', 'unreadable')";
    let known = "UPDATE webhook_deliveries SET loose = duplicates > 0 AND duplicates < events, \
           verdict = iif(duplicates < events, verdict, 'duplicate'), body = iif(duplicates < events, body, '') \
         WHERE account = ?1 AND seq IN (SELECT value ->> 0 FROM json_each(?2)) AND verdict = 'applied' AND loose = 1 \
           AND applied_at = ?3";
    [applied, known].map(|sql| Statement::new(sql).bind(account).bind_json(places).bind(now))
}

/// What waited is not what it should be: `unreadable`, in part at least, since then; or `failed`.
#[must_use]
pub fn judged(account: &AccountId, seq: i64, verdict: &str, since: Option<UnixMillis>) -> Statement {
    Statement::new(
        "UPDATE webhook_deliveries SET verdict = ?3, applied_at = ?4, due_at = NULL \
         WHERE account = ?1 AND seq = ?2 AND verdict IN ('waiting', 'failed')",
    )
    .bind(account)
    .bind(seq)
    .bind(verdict)
    .bind(since)
}

/// Takes whom it names out of a delivery that lies in the ledger, if they were erased since. Others may have been taken out after
/// its events were read: those that cannot be read have no name, and then go with them.
#[must_use]
pub fn without_erased(account: &AccountId, seq: i64, events: &[Named<'_>]) -> Statement {
    let event = event_of("webhook_deliveries.body");
    Statement::compiled(format!(
        "UPDATE webhook_deliveries SET altered = 1, body = CASE WHEN NOT json_valid(body) THEN '' ELSE \
           json_set(body, '$.events', (SELECT json_group_array(json({event})) \
             FROM json_each(webhook_deliveries.body, '$.events') b \
             WHERE EXISTS (SELECT 1 FROM json_each(?3) e WHERE {STANDS_AGAINST_NONE} \
               AND CASE WHEN e.value ->> 'id' IS NULL THEN e.key = b.key AND json_array_length(?3) = \
                   json_array_length(webhook_deliveries.body, '$.events') \
                 ELSE b.type = 'object' AND b.value ->> 'webhookEventId' = e.value ->> 'id' END))) END \
         WHERE account = ?1 AND seq = ?2 AND EXISTS (SELECT 1 FROM json_each(?3) e WHERE NOT ({STANDS_AGAINST_NONE}))"
    ))
    .bind(account)
    .bind(seq)
    .bind_json(events)
}

/// Deletes what waits for an account that is gone.
#[must_use]
pub fn remove(account: &AccountId, places: &[i64]) -> Statement {
    Statement::new(
        "DELETE FROM webhook_deliveries WHERE account = ?1 AND seq IN (SELECT value FROM json_each(?2))",
    )
    .bind(account)
    .bind_json(places)
}

/// What has waited for a minute, as `account` and `seq`. It comes again in an hour, by when its job has been tried a hundred
/// times: so nothing has many jobs, and what does not open keeps nobody else's waiting.
#[must_use]
pub fn overdue(now: UnixMillis, most: i64) -> Statement {
    Statement::new(
        "UPDATE webhook_deliveries SET due_at = ?3 WHERE (account, seq) IN (SELECT account, seq \
           FROM webhook_deliveries INDEXED BY webhook_deliveries_waiting \
           WHERE verdict = 'waiting' AND due_at < ?1 ORDER BY due_at LIMIT ?2) RETURNING account, seq",
    )
    .bind(now + -MINUTE)
    .bind(most)
    .bind(now + HOUR)
}

/// Takes messages out of the bodies that hold them, if they are unsent.
#[must_use]
pub fn blank(account: &AccountId, messages: &[&Message<'_>]) -> Statement {
    const UNSENT: &str = "json_each(?2) m LEFT JOIN line_users u ON u.account = ?1 AND u.line_user_id = m.value ->> 'line_user_id' \
        CROSS JOIN chat_messages c ON c.account = ?1 AND c.line_user = coalesce(u.id, 0) \
          AND c.message_id = m.value ->> 'of' AND c.unsent = 1";
    const HOLDS: &str = "instr(o.body, '\"' || c.message_id || '\"') AND CASE WHEN json_valid(o.body) THEN EXISTS ( \
        SELECT 1 FROM json_each(o.body, '$.events') b \
        WHERE b.type = 'object' AND b.value ->> '$.message.id' = c.message_id) ELSE 1 END";
    let event = event_of("webhook_deliveries.body");
    Statement::compiled(format!(
        "UPDATE webhook_deliveries SET altered = 1, body = CASE WHEN NOT json_valid(body) THEN '' ELSE \
           json_set(body, '$.events', (SELECT json_group_array(json(CASE WHEN b.type = 'object' \
             AND b.value ->> '$.message.id' IN (SELECT c.message_id FROM {UNSENT}) \
             THEN json_set(b.value, '$.message', \
               json_object('id', b.value ->> '$.message.id', 'type', b.value ->> '$.message.type')) ELSE {event} END)) \
           FROM json_each(webhook_deliveries.body, '$.events') b)) END \
         WHERE account = ?1 AND body <> '' AND seq IN ( \
           SELECT d.delivery FROM {UNSENT} CROSS JOIN chat_messages d ON d.account = ?1 AND d.line_user = c.line_user \
             AND d.message_id >= c.message_id AND d.message_id < c.message_id || '0' WHERE d.delivery IS NOT NULL \
           UNION ALL SELECT o.seq FROM {UNSENT} CROSS JOIN webhook_deliveries o INDEXED BY webhook_deliveries_open \
             ON o.account = ?1 AND o.seq > 0 AND o.verdict IN ('waiting', 'unreadable', 'failed') AND {HOLDS} \
           UNION ALL SELECT o.seq FROM {UNSENT} CROSS JOIN webhook_deliveries o INDEXED BY webhook_deliveries_loose \
             ON o.account = ?1 AND o.seq > 0 AND o.loose = 1 AND {HOLDS})"
    ))
    .bind(account)
    .bind_json(messages)
}

/// Takes a LINE user out of the bodies that name them: those of their claims, and those to which claims do not lead.
#[must_use]
pub fn erase(account: &AccountId, line_user_id: &LineUserId) -> [Statement; 2] {
    let event = event_of("webhook_deliveries.body");
    let bodies = Statement::compiled(format!(
        "UPDATE webhook_deliveries SET altered = 1, body = CASE WHEN NOT json_valid(body) THEN '' ELSE \
           (SELECT CASE WHEN instr(x.rest, ?2) THEN '' ELSE x.rest END FROM (SELECT json_set(body, '$.events', \
             (SELECT json_group_array(json({event})) FROM json_each(webhook_deliveries.body, '$.events') b \
              WHERE NOT coalesce(instr(b.value, ?2), 0))) AS rest) x) END \
         WHERE account = ?1 AND instr(body, ?2) AND seq IN ( \
           SELECT w.delivery FROM webhook_events w INDEXED BY webhook_events_by_line_user \
             WHERE w.account = ?1 AND w.line_user_id = ?2 AND w.delivery IS NOT NULL \
           UNION ALL SELECT o.seq FROM webhook_deliveries o INDEXED BY webhook_deliveries_open \
             WHERE o.account = ?1 AND o.seq > 0 AND o.verdict IN ('waiting', 'unreadable', 'failed') \
           UNION ALL SELECT o.seq FROM webhook_deliveries o INDEXED BY webhook_deliveries_loose \
             WHERE o.account = ?1 AND o.seq > 0 AND o.loose = 1)"
    ));
    let claims = Statement::new(
        "UPDATE webhook_events INDEXED BY webhook_events_by_line_user SET line_user_id = NULL \
         WHERE account = ?1 AND line_user_id = ?2",
    );
    [bodies, claims].map(|statement| statement.bind(account).bind(line_user_id))
}
