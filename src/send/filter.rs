//! Who of a chunk gets it, as its claim freezes it.

use super::{
    claim::{ASKED, MINE},
    deliver::Batch,
    outcome::{BLOCKED, CAPPED, ERASED, RECENT, UNLINKED},
    rate::Endpoint,
};
use crate::store::Statement;

/// What one person's messages may be filled from, in bytes of JSON: a chunk of a hundred must fit into a row of D1 (2 MB).
pub(super) const MAX_FACTS: i64 = 18_000;

impl Batch {
    /// Messages that other sends have under way count as received, each of them: they may be. So each send has a statement of
    /// its own, and sees what the one before has frozen.
    pub(super) fn filter(&self, keys: &str) -> Statement {
        let recipients = match self.endpoint {
            Endpoint::Multicast => "json_group_array(line_user_id)".to_owned(),
            Endpoint::Push => format!(
                "json_group_array(json_array(id, line_user_id, subject, \
                   json(iif(length(CAST(facts AS BLOB)) <= {MAX_FACTS}, facts, NULL))))"
            ),
        };
        let facts = match self.endpoint {
            Endpoint::Multicast => "NULL".to_owned(),
            Endpoint::Push => facts("s.personal", "c.account"),
        };
        let had = |since: &str| {
            format!(
                "coalesce(w.messages, 0) + (SELECT count(*) FROM receipts r WHERE r.account = c.account \
                   AND r.line_user = j.value AND r.at > ?3 - {since} AND r.outcome IN (1, 30))"
            )
        };
        Statement::compiled(format!(
            "WITH under_way AS MATERIALIZED (SELECT w.value AS id, count(*) AS messages \
               FROM (SELECT DISTINCT c.account AS account, c.send AS send {MINE} AND c.ids IS NULL) f \
               CROSS JOIN sends s ON s.account = f.account AND s.id = f.send AND coalesce(s.cap, s.recent_within) IS NOT NULL \
               CROSS JOIN chunks o INDEXED BY chunks_under_way ON o.account = f.account AND o.send > '' \
                 AND o.send <> f.send AND o.state = 'open' AND o.first_attempt_at IS NOT NULL \
               CROSS JOIN json_each(o.ids) w GROUP BY w.value) \
             UPDATE chunks AS c SET outcomes = NULL, (ids, recipients, left_out) = ( \
               WITH judged AS MATERIALIZED (SELECT j.value AS id, u.line_user_id AS line_user_id, u.subject AS subject, \
                   {facts} AS facts, CASE \
                     WHEN u.id IS NULL THEN {ERASED} WHEN u.friend IS NOT 1 THEN {BLOCKED} \
                     WHEN c.linked AND l.line_user IS NULL THEN {UNLINKED} \
                     WHEN s.recent_within IS NOT NULL AND {} > 0 THEN {RECENT} \
                     WHEN s.cap IS NOT NULL AND {} >= s.cap THEN {CAPPED} ELSE 0 END AS code \
                   FROM sends s CROSS JOIN json_each(coalesce(c.rest, c.line_users)) j \
                     LEFT JOIN line_users u ON u.id = j.value AND u.account = c.account \
                     LEFT JOIN links l ON l.account = c.account AND l.line_user = j.value \
                     LEFT JOIN under_way w ON w.id = j.value \
                   WHERE s.account = c.account AND s.id = c.send) \
               SELECT json_group_array(id) FILTER (WHERE code = 0), {recipients} FILTER (WHERE code = 0), \
                 json_group_array(json_array(id, code)) FILTER (WHERE code > 0) FROM judged) \
             WHERE (account, send, chunk) IN ({ASKED}) AND claimed_by = ?2 AND state = 'open' AND ids IS NULL",
            had("s.recent_within"),
            had("s.cap_within"),
        ))
        .bind(keys)
        .bind(self.token.as_str())
        .bind(self.claimed_at)
    }
}

/// SQL of what placeholders are filled from, as JSON: of `names` (JSON), what the member of `l` has.
pub(super) fn facts(names: &str, account: &str) -> String {
    format!(
        "(SELECT json_group_object(a.name, CASE a.kind WHEN 'boolean' THEN json(iif(a.value, 'true', 'false')) \
         WHEN 'list' THEN json(a.value) ELSE a.value END) FROM json_each({names}) p CROSS JOIN attributes a \
         ON a.account = {account} AND a.member = l.member AND a.name = p.value WHERE a.kind <> 'removed')"
    )
}
