//! What an attempt of a chunk of personal messages writes.

use super::people::{Attempted, Fate};
use crate::{
    line::messaging::Verdict,
    send::{
        claim::Chunk,
        deliver::Batch,
        outcome::{ACCEPTED, BLOCKED, CAPPED, ERASED, RECENT, REFUSED, UNFIT, UNKNOWN, UNLINKED, UNRESOLVED},
        page::complete,
        settle::{AFRESH, backoff, cancelled, paused},
    },
    store::Statement,
    time::{SECOND, UnixMillis, japanese_month},
};

impl Batch {
    /// What an attempt changes, and in how many milliseconds the chunk's job is to come again: (1) while LINE may have
    /// something of it, each one's fate is kept; (2) else whoever is settled has their receipt, and (3) whoever is not is
    /// the next generation; where nobody is left, the chunk is done.
    pub(super) fn settle_people(
        &self,
        chunk: &Chunk,
        attempted: &Attempted,
        now: UnixMillis,
    ) -> (Vec<Statement>, Option<i64>) {
        let age = now - chunk.first_attempt_at.unwrap_or(self.claimed_at);
        let patience = SECOND << chunk.generation.clamp(0, 9);
        let (mut statements, wait);
        if attempted.fates.contains(&Fate::Unknown) {
            // (1)
            let later = backoff(age);
            statements = vec![
                self.about(
                    chunk,
                    "UPDATE chunks SET outcomes = ?6, reason = coalesce(?7, reason), lease_until = ?5, due_at = ?5, \
                       claimed_by = NULL \
                     WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'",
                )
                .bind(now + later)
                .bind(attempted.outcomes())
                .bind(attempted.reason.as_deref()),
            ];
            wait = Some(later);
        } else {
            let is_done = !attempted.fates.contains(&Fate::Open);
            let later = match attempted.stopped {
                Some(Verdict::TooFast) => 2 * SECOND,
                Some(_) => patience,
                // The repeat was all that the others waited for.
                None if self.repeats(chunk) => SECOND,
                None => 10 * patience,
            };
            statements = self.receipts_of(chunk, attempted, is_done, now);
            statements.push(self.close(chunk, attempted, is_done, now + later));
            wait = (!is_done).then_some(later);
        }
        if attempted.stopped == Some(Verdict::MonthlyLimit) {
            statements.push(paused(chunk));
        }
        statements.extend(cancelled(&[chunk]));
        statements.push(complete(&[(&chunk.account, &chunk.send)], now));
        (statements, if attempted.stopped == Some(Verdict::MonthlyLimit) { None } else { wait })
    }

    /// (2) `?5` are the settled, as pairs of id and outcome; of a chunk that is done, whoever was left out too.
    fn receipts_of(
        &self,
        chunk: &Chunk,
        attempted: &Attempted,
        is_done: bool,
        now: UnixMillis,
    ) -> Vec<Statement> {
        const MINE: &str =
            "c.account = ?1 AND c.send = ?2 AND c.chunk = ?3 AND c.claimed_by = ?4 AND c.state = 'open'";
        let settled = attempted.settled();
        let with = |sql: String| self.about(chunk, sql).bind_json(&settled);
        let left_out = if is_done { "c.left_out" } else { "'[]'" };
        let receipts = |list: &str| {
            with(format!(
                "INSERT INTO receipts (account, line_user, at, send, outcome) \
                 SELECT c.account, j.value ->> 0, ?6, s.number, j.value ->> 1 \
                 FROM chunks c JOIN sends s ON s.account = c.account AND s.id = c.send CROSS JOIN json_each({list}) j \
                 WHERE {MINE} AND ?5 IS NOT NULL ON CONFLICT DO NOTHING"
            ))
            .bind(now)
        };
        vec![
            receipts("?5"),
            receipts(left_out),
            with(format!(
                "INSERT INTO usage (account, month, accepted) SELECT c.account, ?6, (SELECT count(*) FROM json_each(?5) j \
                   WHERE j.value ->> 1 IN ({ACCEPTED}, {UNRESOLVED})) FROM chunks c WHERE {MINE} \
                 ON CONFLICT (account, month) DO UPDATE SET accepted = accepted + excluded.accepted"
            ))
            .bind(japanese_month(now)),
            with(format!(
                "UPDATE sends SET settled_at = ?6, settled = settled + json_array_length(?5) + (SELECT \
                   coalesce(json_array_length({left_out}), 0) FROM chunks c WHERE {MINE}) \
                 WHERE account = ?1 AND id = ?2 AND EXISTS (SELECT 1 FROM chunks c WHERE {MINE})"
            ))
            .bind(now),
        ]
    }

    /// (3)
    fn close(&self, chunk: &Chunk, attempted: &Attempted, is_done: bool, again_at: UnixMillis) -> Statement {
        let settled = attempted.settled();
        let number = |code: i64| settled.iter().filter(|(_, settled)| *settled == code).count();
        let added = |column: &str, code: i64| format!("{column} = {column} + {}", number(code));
        let counts = [
            added("accepted", ACCEPTED),
            added("unknown", UNKNOWN),
            added("refused", REFUSED),
            added("unfit", UNFIT),
            added("unresolved", UNRESOLVED),
        ]
        .join(", ");
        let mine = "account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'";
        if !is_done {
            let sql = format!(
                "UPDATE chunks SET {counts}, reason = coalesce(?6, reason), lease_until = ?7, due_at = ?7, \
                   rest = (SELECT json_group_array(j.value) FROM json_each(coalesce(rest, line_users)) j \
                     WHERE j.value NOT IN (SELECT o.value ->> 0 FROM json_each(?5) o)), {AFRESH} WHERE {mine}"
            );
            let close = self.about(chunk, sql).bind_json(&settled);
            return close.bind(attempted.reason.as_deref()).bind(again_at);
        }
        let counted = |column: &str, code: i64| {
            format!(
                "{column} = {column} + (SELECT count(*) FROM json_each(chunks.left_out) o WHERE o.value ->> 1 = {code})"
            )
        };
        let left_out = [
            counted("blocked", BLOCKED),
            counted("unlinked", UNLINKED),
            counted("capped", CAPPED),
            counted("recent", RECENT),
            counted("erased", ERASED),
        ]
        .join(", ");
        let failed = number(REFUSED) + number(UNFIT) > 0;
        let state = match (number(UNRESOLVED) > 0, failed) {
            (true, _) => "unresolved",
            (_, true) => "failed",
            _ => "accepted",
        };
        let sql = format!(
            "UPDATE chunks SET state = '{state}', {counts}, {left_out}, reason = coalesce(?5, reason), ids = NULL, \
               recipients = NULL, left_out = NULL, rest = NULL, outcomes = NULL, claimed_by = NULL WHERE {mine}"
        );
        self.about(chunk, sql).bind(attempted.reason.as_deref())
    }
}
