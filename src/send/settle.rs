//! Settling: one batch for all chunks of a claim, each change guarded by the claim's token, so that an attempt whose lease
//! another has taken over changes nothing.

use serde::Serialize;

use super::{
    claim::{Chunk, MINE},
    deliver::{Batch, Sender},
    outcome::{ACCEPTED, BLOCKED, CAPPED, ERASED, RECENT, REFUSED, UNKNOWN, UNLINKED, UNRESOLVED},
    page::complete,
};
use crate::{
    id::{AccountId, SendId},
    line::messaging::Verdict,
    platform::{Context, Database, Platform, PlatformError},
    store::Statement,
    time::{MINUTE, SECOND, UnixMillis, japanese_month},
};

/// What became of a chunk's attempt.
#[derive(Debug, Clone)]
pub(super) enum Attempt {
    /// Nobody was left after filtering.
    Nobody,
    /// An earlier attempt is too old to be repeated.
    TooOld,
    /// LINE was not called.
    NotMade,
    /// LINE's verdict.
    Judged(Verdict),
}

/// A chunk without further attempts: account, send, number, the outcome of whoever was frozen, LINE's name of the call, why.
#[derive(Debug, Serialize)]
pub(super) struct Final(AccountId, SendId, i64, i64, Option<String>, Option<String>);

/// What is written.
#[derive(Debug, Default)]
pub(super) struct Writing {
    finals: Vec<Final>,
    others: Vec<Statement>,
}

impl Batch {
    /// Settles; says of each chunk whether and in how many milliseconds its job is to come again.
    pub(super) async fn settle<P: Platform>(
        &self,
        cx: Context<'_, P>,
        on: &Database,
        senders: &[&Sender],
        attempts: Vec<(Chunk, Attempt)>,
    ) -> Result<Vec<(Chunk, Option<i64>)>, PlatformError> {
        let now = cx.platform.now();
        let mut writing = Writing::default();
        let mut waits = Vec::with_capacity(attempts.len());
        for (chunk, attempt) in attempts {
            if matches!(attempt, Attempt::Judged(Verdict::TokenRefused)) {
                forget_token(cx, senders, &chunk);
            }
            let wait = self.outcome(&chunk, attempt, now, &mut writing);
            waits.push((chunk, wait));
        }
        let chunks: Vec<&Chunk> = waits.iter().map(|(chunk, _)| chunk).collect();
        cx.platform.batch(on, self.write(writing, &chunks, now)).await?;
        Ok(waits)
    }

    /// What an attempt changes, and how long to wait until the chunk is tried again, where it is.
    ///
    /// While an earlier attempt under the same key is of unknown outcome, nothing but LINE's acceptance settles the
    /// chunk: that attempt may have been accepted, so no refusal closes it and no new key is opened.
    fn outcome(
        &self,
        chunk: &Chunk,
        attempt: Attempt,
        now: UnixMillis,
        writing: &mut Writing,
    ) -> Option<i64> {
        let first = chunk.first_attempt_at.unwrap_or(self.claimed_at);
        let earlier_unknown = self.repeats(chunk);
        let later = backoff(now - first);
        // Each time that LINE has it not is a generation: what is refused again and again is tried less and less.
        let patience = SECOND << chunk.generation.clamp(0, 9);
        let mut again = |wait: i64, is_unknown: bool| {
            let statement = if is_unknown || earlier_unknown {
                self.again(chunk, now + wait)
            } else {
                self.afresh(chunk, now + wait)
            };
            writing.others.push(statement);
            Some(wait)
        };
        let (code, request_id, reason) = match attempt {
            Attempt::Nobody => (ACCEPTED, None, None),
            Attempt::TooOld => (UNRESOLVED, None, Some("outcome_unknown".to_owned())),
            Attempt::NotMade => return again(10 * patience, false),
            Attempt::Judged(verdict) => match verdict {
                Verdict::Accepted { request_id } => (ACCEPTED, request_id, None),
                Verdict::Unknown => return again(later, true),
                Verdict::TokenRefused => return again(patience, false),
                Verdict::TooFast => return again(2 * SECOND, false),
                // Paused or not, cron finds an attempt of unknown outcome when it is due again.
                Verdict::MonthlyLimit => {
                    again(later, false);
                    writing.others.push(paused(chunk));
                    return None;
                }
                Verdict::Refused(_) | Verdict::UnknownRecipient(_) if earlier_unknown => {
                    return again(later, true);
                }
                Verdict::UnknownRecipient(index)
                    if i64::try_from(index).is_ok_and(|index| index < chunk.people.unwrap_or_default()) =>
                {
                    writing.others.extend(self.without(chunk, index, now));
                    return Some(0);
                }
                Verdict::UnknownRecipient(_) => {
                    (REFUSED, None, Some("LINE named a recipient that was not sent".to_owned()))
                }
                Verdict::Refused(words) => (REFUSED, None, Some(words)),
            },
        };
        let (account, send) = (chunk.account.clone(), chunk.send.clone());
        writing.finals.push(Final(account, send, chunk.chunk, code, request_id, reason));
        None
    }

    /// The batch: (1) receipts, (2) the month's count, (3) the send's, (4) the chunks; then what is tried again; at last
    /// sends that are complete.
    fn write(&self, writing: Writing, chunks: &[&Chunk], now: UnixMillis) -> Vec<Statement> {
        let mut statements = Vec::new();
        if !writing.finals.is_empty() {
            statements.extend(self.settled(&writing.finals, now));
        }
        statements.extend(writing.others);
        statements.extend(cancelled(chunks));
        let mut sends: Vec<(&AccountId, &SendId)> = Vec::new();
        for chunk in chunks {
            let send = (&chunk.account, &chunk.send);
            if !sends.contains(&send) {
                sends.push(send);
            }
        }
        statements.push(complete(&sends, now));
        statements
    }

    fn settled(&self, finals: &[Final], now: UnixMillis) -> Vec<Statement> {
        let keys = serde_json::to_string(finals).unwrap_or_default();
        let with = |sql: String| Statement::compiled(sql).bind(keys.as_str()).bind(self.token.as_str());
        let receipts = |list: &str, who: &str, outcome: &str| {
            with(format!(
                "WITH settled AS MATERIALIZED (SELECT c.account AS account, s.number AS send, c.ids AS ids, c.left_out AS left_out, \
                   k.value ->> 3 AS outcome {MINE} CROSS JOIN sends s ON s.account = c.account AND s.id = c.send) \
                 INSERT INTO receipts (account, line_user, at, send, outcome) \
                 SELECT f.account, {who}, ?3, f.send, {outcome} FROM settled f CROSS JOIN json_each(f.{list}) j \
                 WHERE true ON CONFLICT DO NOTHING"
            ))
            .bind(now)
        };
        let counted = |code: i64| {
            format!("(SELECT count(*) FROM json_each(chunks.left_out) o WHERE o.value ->> 1 = {code})")
        };
        let frozen = |code: i64| format!("iif(f.outcome = {code}, coalesce(json_array_length(ids), 0), 0)");
        vec![
            // (1)
            receipts("ids", "j.value", "f.outcome"),
            receipts("left_out", "j.value ->> 0", "j.value ->> 1"),
            // (2)
            with(format!(
                "INSERT INTO usage (account, month, accepted) \
                 SELECT c.account, ?3, sum(coalesce(json_array_length(c.ids), 0)) {MINE} \
                 WHERE k.value ->> 3 IN ({ACCEPTED}, {UNRESOLVED}) GROUP BY c.account \
                 ON CONFLICT (account, month) DO UPDATE SET accepted = accepted + excluded.accepted"
            ))
            .bind(japanese_month(now)),
            // (3)
            with(format!(
                "UPDATE sends SET settled = settled + f.people, settled_at = ?3 FROM (SELECT c.account AS account, \
                   c.send AS send, sum(json_array_length(coalesce(c.rest, c.line_users))) AS people {MINE} GROUP BY 1, 2) AS f \
                 WHERE sends.account = f.account AND sends.id = f.send"
            ))
            .bind(now),
            // (4)
            with(format!(
                "UPDATE chunks SET state = CASE f.outcome WHEN {ACCEPTED} THEN 'accepted' WHEN {UNRESOLVED} THEN 'unresolved' \
                   ELSE 'failed' END, accepted = accepted + {}, refused = refused + {}, unresolved = unresolved + {}, \
                   blocked = blocked + {}, unlinked = unlinked + {}, capped = capped + {}, recent = recent + {}, \
                   erased = erased + {}, request_id = f.request_id, reason = f.reason, \
                   ids = NULL, recipients = NULL, left_out = NULL, rest = NULL, claimed_by = NULL \
                 FROM (SELECT value ->> 0 AS account, value ->> 1 AS send, value ->> 2 AS chunk, value ->> 3 AS outcome, \
                   value ->> 4 AS request_id, value ->> 5 AS reason FROM json_each(?1)) AS f \
                 WHERE chunks.account = f.account AND chunks.send = f.send AND chunks.chunk = f.chunk \
                   AND chunks.claimed_by = ?2 AND chunks.state = 'open'",
                frozen(ACCEPTED),
                frozen(REFUSED),
                frozen(UNRESOLVED),
                counted(BLOCKED),
                counted(UNLINKED),
                counted(CAPPED),
                counted(RECENT),
                counted(ERASED),
            )),
        ]
    }

    /// A statement about one claimed chunk: `?1` account, `?2` send, `?3` chunk, `?4` the claim's token.
    pub(super) fn about(&self, chunk: &Chunk, sql: impl Into<String>) -> Statement {
        Statement::compiled(sql.into())
            .bind(&chunk.account)
            .bind(&chunk.send)
            .bind(chunk.chunk)
            .bind(self.token.as_str())
    }

    /// Without the recipient that LINE does not know, filtered again, under the key of the next generation: LINE refused
    /// the whole call, so nothing was sent under the old one.
    fn without(&self, chunk: &Chunk, index: usize, now: UnixMillis) -> Vec<Statement> {
        vec![
            self.about(
                chunk,
                format!(
                    "INSERT INTO receipts (account, line_user, at, send, outcome) \
                     SELECT c.account, c.ids ->> '$[{index}]', ?5, s.number, {UNKNOWN} \
                     FROM chunks c JOIN sends s ON s.account = c.account AND s.id = c.send \
                     WHERE c.account = ?1 AND c.send = ?2 AND c.chunk = ?3 AND c.claimed_by = ?4 AND c.state = 'open' \
                     ON CONFLICT DO NOTHING"
                ),
            )
            .bind(now),
            self.about(
                chunk,
                "UPDATE sends SET settled = settled + 1 WHERE account = ?1 AND id = ?2 AND EXISTS (SELECT 1 FROM chunks c \
                   WHERE c.account = ?1 AND c.send = ?2 AND c.chunk = ?3 AND c.claimed_by = ?4 AND c.state = 'open')",
            ),
            self.about(
                chunk,
                format!(
                    "UPDATE chunks SET rest = (SELECT json_group_array(j.value) FROM json_each(coalesce(rest, line_users)) j \
                         WHERE j.value IS NOT chunks.ids ->> '$[{index}]'), \
                       unknown = unknown + 1, {AFRESH}, lease_until = 0, due_at = ?5 \
                     WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'"
                ),
            )
            .bind(now),
        ]
    }

    /// The same key again, later: LINE may have it.
    fn again(&self, chunk: &Chunk, at: UnixMillis) -> Statement {
        self.about(
            chunk,
            "UPDATE chunks SET lease_until = ?5, due_at = ?5, claimed_by = NULL \
             WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'",
        )
        .bind(at)
    }

    /// As if it had not been tried, later: LINE does not have it, so its recipients are filtered again then.
    fn afresh(&self, chunk: &Chunk, at: UnixMillis) -> Statement {
        self.about(
            chunk,
            format!(
                "UPDATE chunks SET lease_until = ?5, due_at = ?5, {AFRESH} \
                 WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'"
            ),
        )
        .bind(at)
    }
}

/// The next generation of a chunk.
pub(super) const AFRESH: &str = "generation = generation + 1, first_attempt_at = NULL, form = NULL, ids = NULL, \
    recipients = NULL, left_out = NULL, outcomes = NULL, claimed_by = NULL";

pub(super) fn forget_token<P: Platform>(cx: Context<'_, P>, senders: &[&Sender], chunk: &Chunk) {
    if let Some(sender) = senders.iter().find(|sender| sender.account.id == chunk.account) {
        cx.memory.forget_channel_token(&sender.account.messaging.channel_id);
    }
}

/// The month's messages are used up: the send pauses wherever it is, and reserves afresh when it goes on.
pub(super) fn paused(chunk: &Chunk) -> Statement {
    Statement::new(
        "UPDATE sends SET paused = 'monthly_limit', month = NULL \
         WHERE account = ?1 AND id = ?2 AND paused IS NULL AND state IN ('expanding', 'sending')",
    )
    .bind(&chunk.account)
    .bind(&chunk.send)
}

/// Of a send that is being cancelled, what LINE does not have is not tried again.
pub(super) fn cancelled(chunks: &[&Chunk]) -> Option<Statement> {
    let keys: Vec<(&AccountId, &SendId, i64)> =
        chunks.iter().map(|chunk| (&chunk.account, &chunk.send, chunk.chunk)).collect();
    (!keys.is_empty()).then(|| {
        Statement::new(
            "UPDATE chunks SET state = 'cancelled' WHERE (account, send, chunk) IN \
               (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)) \
               AND state = 'open' AND first_attempt_at IS NULL AND EXISTS (SELECT 1 FROM sends s \
                 WHERE s.account = chunks.account AND s.id = chunks.send AND s.state = 'cancelling')",
        )
        .bind_json(&keys)
    })
}

/// How long an attempt of unknown outcome waits for its repeat: a quarter of its age, 10 s to 10 minutes.
pub(super) fn backoff(age: i64) -> i64 {
    (age / 4).clamp(10 * SECOND, 10 * MINUTE)
}
