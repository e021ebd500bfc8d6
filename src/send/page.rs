//! A page of the recipients of a send, frozen into chunks inside SQL: recipients do not leave the database.

use super::PAGE;
use crate::{
    id::{AccountId, SendId},
    rule::Audience,
    store::Statement,
    time::UnixMillis,
};

/// Where an expansion stands.
pub(super) struct Place<'a> {
    pub(super) account: &'a AccountId,
    pub(super) send: &'a SendId,
    /// The last recipient of the page before.
    pub(super) after: i64,
    /// The number of the page's first chunk.
    pub(super) chunks: i64,
    /// Recipients of one chunk.
    pub(super) size: i64,
}

impl Place<'_> {
    /// Selects, numbers and packs the next page, if the send is still at this place. The page's measures stand in the text,
    /// because D1 binds every number as a REAL and the division must be whole.
    pub(super) fn freeze(&self, audience: &Audience, now: UnixMillis) -> Statement {
        let n = audience.bound();
        let (id, chunks, at, size, subject) = (n + 1, n + 2, n + 3, self.size, audience.subject());
        let linked = i32::from(audience.is_linked());
        let sql = format!(
            "INSERT INTO chunks (account, send, chunk, state, line_users, last_line_user, targeted, due_at, linked) \
             SELECT ?1, ?{id}, s.chunks + g.number, 'open', g.line_users, g.last, g.targeted, ?{at}, {linked} FROM ( \
               SELECT (place - 1) / {size} AS number, json_group_array(line_user) AS line_users, \
                 max(line_user) AS last, count(*) AS targeted \
               FROM (SELECT {subject} AS line_user, row_number() OVER (ORDER BY {subject}) AS place {} \
                     ORDER BY {subject} LIMIT {PAGE}) \
               GROUP BY number) g \
             JOIN sends s ON s.account = ?1 AND s.id = ?{id} \
             WHERE s.state = 'expanding' AND s.paused IS NULL AND s.expanded_to = ?2 AND s.chunks = ?{chunks}",
            audience.clause()
        );
        audience.statement(sql).bind(self.send).bind(self.chunks).bind(now)
    }

    /// The send continues after the page's last recipient; a page that is not full was the last. Whoever was named is
    /// forgotten then: the chunks know them.
    pub(super) fn move_on(&self) -> Statement {
        Statement::compiled(format!(
            "UPDATE sends SET \
               state = CASE WHEN page.targeted < {PAGE} THEN 'sending' ELSE 'expanding' END, \
               granted = CASE WHEN page.targeted < {PAGE} AND sends.month IS NOT NULL \
                 AND sends.granted >= sends.targeted + page.targeted THEN sends.targeted + page.targeted ELSE sends.granted END, \
               audience = CASE WHEN page.targeted < {PAGE} AND json_type(sends.audience, '$.members') IS NOT NULL \
                 THEN json_object('members_named', json_array_length(sends.audience, '$.members')) ELSE sends.audience END, \
               targeted = sends.targeted + page.targeted, \
               expanded_to = coalesce(page.last, sends.expanded_to), chunks = coalesce(page.next, sends.chunks) \
             FROM (SELECT coalesce(sum(targeted), 0) AS targeted, max(last_line_user) AS last, max(chunk) + 1 AS next \
                   FROM chunks WHERE account = ?1 AND send = ?2 AND chunk >= ?4) AS page \
             WHERE sends.account = ?1 AND sends.id = ?2 AND sends.state = 'expanding' AND sends.paused IS NULL \
               AND sends.expanded_to = ?3 AND sends.chunks = ?4"
        ))
        .bind(self.account)
        .bind(self.send)
        .bind(self.after)
        .bind(self.chunks)
    }
}

/// A send is complete once it is expanded and no chunk is open; one that was cancelled, once LINE has nothing of it whose
/// outcome nobody knows. `?1` are the sends as JSON: pairs of account and id.
pub(super) fn complete(sends: &[(&AccountId, &SendId)], now: UnixMillis) -> Statement {
    Statement::new(
        "UPDATE sends SET due_at = NULL, paused = NULL, ended_at = ?2, granted = settled, \
           state = CASE WHEN state = 'cancelling' THEN 'cancelled' \
             WHEN EXISTS (SELECT 1 FROM chunks c WHERE c.account = sends.account AND c.send = sends.id AND c.chunk >= 0 \
               AND (c.state IN ('failed', 'unresolved') OR c.unknown > 0 OR c.refused > 0 OR c.unfit > 0 OR c.unresolved > 0)) \
             THEN 'partly_failed' ELSE 'done' END \
         WHERE (account, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND state IN ('sending', 'cancelling') \
           AND NOT EXISTS (SELECT 1 FROM chunks o INDEXED BY chunks_open WHERE o.account = sends.account AND o.send = sends.id \
             AND o.state = 'open')",
    )
    .bind_json(sends)
    .bind(now)
}
