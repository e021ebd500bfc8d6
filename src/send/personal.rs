//! Messages of one's own: a chunk of at most 100 people, each with a push under a key of their own.
//!
//! The claim freezes what the messages are filled from, so that a repeat says the same. What became of each stands in the
//! chunk's row until all are settled: whoever may have it, and nobody else, is asked for again under the same key; once nobody
//! may, whoever was not sent anything is filtered anew, under the keys of the next generation. Where an attempt wrote nothing,
//! anybody may have it. Pushes start in waves of as many as run at once, each at its own start time.

use futures_util::future::join_all;
use serde::Deserialize;

use super::{
    claim::{BEGIN_WITHIN, Chunk, Claimed, Common, FORM, LEASE},
    deliver::{AT_ONCE, Batch, Due, Sender, UNRESOLVED_AFTER, retry, senders},
    filter::MAX_FACTS,
    outcome::{ACCEPTED, BLOCKED, CAPPED, ERASED, RECENT, REFUSED, UNFIT, UNKNOWN, UNLINKED, UNRESOLVED},
    page::complete,
    rate::{self, Endpoint},
    settle::{AFRESH, backoff, cancelled, forget_token, paused},
};
use crate::{
    id::LineUserId,
    line::messaging::{self, Verdict},
    message::{MessageError, Messages, Values},
    platform::{Context, Platform, PlatformError},
    store::{Disposition, Statement},
    time::{SECOND, UnixMillis, japanese_month},
};

/// Somebody, as the claim froze them: `line_users.id`, LINE's name and ours, what the messages are filled from, unless it is more
/// than [`MAX_FACTS`].
#[derive(Debug, Deserialize)]
struct Person(i64, LineUserId, String, Option<Values>);

/// What is known of one person's push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// LINE has nothing.
    Open,
    /// LINE may have it.
    Unknown,
    /// One of `outcome`.
    Settled(i64),
}

/// Of what LINE may have, in `chunks.outcomes`.
const MAY_HAVE: i64 = 0;

/// What an attempt of a whole chunk came to.
struct Attempted {
    people: Vec<Person>,
    fates: Vec<Fate>,
    /// LINE's words, or what was wrong with the messages of somebody.
    reason: Option<String>,
    /// Why it ended before everybody was asked for.
    stopped: Option<Verdict>,
}

/// Delivers chunks of personal messages, one after the other; answers for each what becomes of its job.
pub async fn deliver_personal<P: Platform>(cx: Context<'_, P>, due: &[Due]) -> Vec<Disposition> {
    let mut dispositions = Vec::with_capacity(due.len());
    for one in due {
        dispositions.push(match deliver_one(cx, one).await {
            Ok(wait) => wait.map_or(Disposition::Done, retry),
            Err(error) => {
                cx.log_failure("send_deliver", &error);
                retry(LEASE)
            }
        });
    }
    dispositions
}

async fn deliver_one<P: Platform>(cx: Context<'_, P>, due: &Due) -> Result<Option<i64>, PlatformError> {
    let (senders, failed) = senders(cx, std::slice::from_ref(due)).await;
    let Some(sender) = senders.first() else { return Ok((!failed.is_empty()).then_some(LEASE)) };
    let token = crate::id::short(cx.platform.random());
    let batch = Batch { endpoint: Endpoint::Push, token, claimed_at: cx.platform.now() };
    let claimed = batch.claim(cx, &sender.account.database, &[due]).await?;
    let (Some(chunk), Some(common)) = (claimed.chunks.first(), claimed.sends.first()) else {
        return Ok(batch.waits(&claimed).first().and_then(|(_, wait)| *wait));
    };
    let attempted = batch.attempt_people(cx, sender, &claimed, chunk, common).await?;
    let now = cx.platform.now();
    if attempted.stopped == Some(Verdict::TokenRefused) {
        forget_token(cx, &[sender], chunk);
    }
    let (statements, wait) = batch.settle_people(chunk, &attempted, now);
    cx.platform.batch(&sender.account.database, statements).await?;
    Ok(wait)
}

impl Batch {
    /// Calls LINE in waves: for each whose fate is open, or in a repeat for each whose fate is unknown.
    async fn attempt_people<P: Platform>(
        &self,
        cx: Context<'_, P>,
        sender: &Sender,
        claimed: &Claimed,
        chunk: &Chunk,
        common: &Common,
    ) -> Result<Attempted, PlatformError> {
        let stored = |error: serde_json::Error| PlatformError::Stored(format!("recipients: {error}"));
        let people: Vec<Person> =
            serde_json::from_str(chunk.recipients.as_deref().unwrap_or("[]")).map_err(stored)?;
        let before: Vec<Option<i64>> =
            chunk.outcomes.as_deref().map_or(Ok(Vec::new()), serde_json::from_str).map_err(stored)?;
        let is_repeat = self.repeats(chunk);
        let fate = |place: usize| match before.get(place).copied().flatten() {
            None if is_repeat && before.is_empty() => Fate::Unknown,
            None => Fate::Open,
            Some(MAY_HAVE) => Fate::Unknown,
            Some(code) => Fate::Settled(code),
        };
        let fates = (0..people.len()).map(fate).collect();
        let mut attempted = Attempted { people, fates, reason: None, stopped: None };
        if chunk.first_attempt_at.is_some_and(|first| cx.platform.now() - first >= UNRESOLVED_AFTER) {
            for fate in attempted.fates.iter_mut().filter(|fate| **fate == Fate::Unknown) {
                *fate = Fate::Settled(UNRESOLVED);
            }
            attempted.reason = Some("outcome_unknown".to_owned());
            return Ok(attempted);
        }
        if sender.token.is_none() || chunk.form != Some(FORM) || claimed.chunks.is_empty() {
            return Ok(attempted);
        }
        // What was stored before LINE's limits changed may break them now.
        let messages = Messages::parse(serde_json::from_str(&common.messages).map_err(stored)?);
        let wanted = if is_repeat { Fate::Unknown } else { Fate::Open };
        let asked: Vec<usize> =
            (0..attempted.fates.len()).filter(|place| attempted.fates.get(*place) == Some(&wanted)).collect();
        let asked: Vec<(usize, String)> = asked
            .into_iter()
            .filter_map(|place| Some((place, attempted.filled(place, &messages)?)))
            .collect();
        self.waves(cx, sender, chunk, common, &asked, &mut attempted).await;
        Ok(attempted)
    }

    async fn waves<P: Platform>(
        &self,
        cx: Context<'_, P>,
        sender: &Sender,
        chunk: &Chunk,
        common: &Common,
        asked: &[(usize, String)],
        attempted: &mut Attempted,
    ) {
        for wave in asked.chunks(AT_ONCE) {
            let now = cx.platform.now();
            let is_late = now - self.claimed_at > BEGIN_WITHIN || common.rests(self.claimed_at, now);
            if is_late || attempted.stopped.is_some() {
                return;
            }
            let calls = i64::try_from(wave.len()).unwrap_or_default();
            let next_at = match rate::take_now(cx, &sender.account, Endpoint::Push, calls).await {
                Ok(next_at) => next_at,
                Err(error) => return cx.log_failure("send_start", &error),
            };
            let pushes =
                (0_i64..).zip(wave).map(|(order, (place, text))| {
                    let start = rate::start(Endpoint::Push, next_at, calls, order);
                    let person = attempted.people.get(*place);
                    async move {
                        Some((*place, self.push(cx, sender, chunk, common, (person?, text), start).await?))
                    }
                });
            for (place, verdict) in join_all(pushes).await.into_iter().flatten() {
                attempted.judge(place, verdict);
            }
        }
    }

    async fn push<P: Platform>(
        &self,
        cx: Context<'_, P>,
        sender: &Sender,
        chunk: &Chunk,
        common: &Common,
        (Person(_, to, subject, _), messages): (&Person, &str),
        start: UnixMillis,
    ) -> Option<Verdict> {
        let token = sender.token.as_ref()?;
        if !self.await_start(cx, &sender.account, start).await {
            return None;
        }
        let key = chunk.send.personal_key(chunk.chunk, chunk.generation, subject);
        let call = messaging::push_text(&cx.settings.line, token, to, messages, &common.with_each, &key);
        let answer = cx.platform.fetch(call).await;
        Some(answer.map_or(Verdict::Unknown, |answer| messaging::verdict(&answer)))
    }

    /// What an attempt changes, and in how many milliseconds the chunk's job is to come again: (1) while LINE may have
    /// something of it, each one's fate is kept; (2) else whoever is settled has their receipt, and (3) whoever is not is
    /// the next generation; where nobody is left, the chunk is done.
    fn settle_people(
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

impl Attempted {
    /// Somebody's messages; whoever cannot have them is settled, unless LINE may have them already.
    fn filled(&mut self, place: usize, messages: &Result<Messages, MessageError>) -> Option<String> {
        let Person(.., values) = self.people.get(place)?;
        let filled = match (messages, values) {
            (Ok(messages), Some(values)) => messages.fill(values).map_err(|error| error.to_string()),
            (Err(error), _) => Err(error.to_string()),
            (_, None) => {
                Err(format!("the attributes that it is filled from have more than {MAX_FACTS} bytes"))
            }
        };
        match filled {
            Ok(text) => Some(text),
            Err(reason) => {
                let fate = self.fates.get_mut(place)?;
                if *fate == Fate::Open {
                    *fate = Fate::Settled(UNFIT);
                    self.reason = Some(reason);
                }
                None
            }
        }
    }

    /// While an earlier attempt may have been accepted, nothing but LINE's acceptance settles anybody.
    fn judge(&mut self, place: usize, verdict: Verdict) {
        let Some(fate) = self.fates.get_mut(place) else { return };
        let may_have = *fate == Fate::Unknown;
        match verdict {
            Verdict::Accepted { .. } => *fate = Fate::Settled(ACCEPTED),
            Verdict::Unknown => *fate = Fate::Unknown,
            Verdict::TokenRefused | Verdict::TooFast | Verdict::MonthlyLimit => self.stopped = Some(verdict),
            Verdict::Refused(_) | Verdict::UnknownRecipient(_) if may_have => {}
            Verdict::UnknownRecipient(_) => *fate = Fate::Settled(UNKNOWN),
            Verdict::Refused(words) if words.starts_with(messaging::UNREACHABLE) => {
                *fate = Fate::Settled(UNKNOWN);
            }
            Verdict::Refused(words) => {
                *fate = Fate::Settled(REFUSED);
                self.reason = Some(words);
            }
        }
    }

    fn settled(&self) -> Vec<(i64, i64)> {
        let fates = self.people.iter().zip(&self.fates);
        fates
            .filter_map(|(Person(id, ..), fate)| match fate {
                Fate::Settled(code) => Some((*id, *code)),
                Fate::Open | Fate::Unknown => None,
            })
            .collect()
    }

    fn outcomes(&self) -> String {
        let code = |fate: &Fate| match fate {
            Fate::Open => None,
            Fate::Unknown => Some(MAY_HAVE),
            Fate::Settled(code) => Some(*code),
        };
        let outcomes: Vec<Option<i64>> = self.fates.iter().map(code).collect();
        serde_json::to_string(&outcomes).unwrap_or_default()
    }
}
