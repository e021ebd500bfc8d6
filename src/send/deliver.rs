//! Delivery: claim, call LINE, settle.
//!
//! One statement claims all chunks of a queue batch and one batch settles them; the calls run between, a few at once.
//! The first claim of a chunk filters its recipients and freezes who gets it; every repeat sends the same body under
//! the same retry key, so whatever happened to an earlier attempt, LINE accepts the chunk once.

use std::rc::Rc;

use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use crate::{
    channel,
    config::{self, Account},
    id::{AccountId, SendId},
    line::messaging::{self, MULTICASTS_PER_SECOND, Verdict},
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    store::{Disposition, Statement},
    time::{HOUR, MINUTE, SECOND, UnixMillis},
};

/// How long a claim holds, in milliseconds: longer than the calls of a whole batch may take.
const LEASE: i64 = MINUTE;

/// Calls to LINE that run at once; Workers allow six connections. A queue batch holds no more chunks than this, so that
/// each call starts with its own rate slot however slow LINE answers.
const AT_ONCE: usize = 6;

/// From this age on an unknown outcome stays unknown, in milliseconds: LINE forgets a retry key after 24 h, and a
/// repeat after that would be a second message.
const UNRESOLVED_AFTER: i64 = 23 * HOUR;

/// How far ahead a rate slot may start before the work goes back to the queue, in milliseconds.
const MAX_WAIT: i64 = SECOND;

/// Microseconds between two multicasts: 97 % of LINE's limit, so that no sliding second exceeds it.
const SPACING: i64 = 1_000_000 * 100 / (97 * MULTICASTS_PER_SECOND);

/// One chunk that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The account.
    pub account: AccountId,
    /// The send.
    pub send: SendId,
    /// The chunk's number.
    pub chunk: i64,
}

/// Delivers chunks, in groups by send; answers for each what becomes of its job.
pub async fn deliver<P: Platform>(cx: Context<'_, P>, due: &[Due]) -> Vec<Disposition> {
    let mut dispositions = Vec::with_capacity(due.len());
    for group in due.chunk_by(|a, b| a.account == b.account && a.send == b.send) {
        let disposition = match deliver_group(cx, group).await {
            Ok(None) => Disposition::Done,
            Ok(Some(again_in)) => Disposition::Retry { seconds: seconds(again_in) },
            Err(error) => {
                cx.log_failure("send_deliver", &error);
                Disposition::Retry { seconds: seconds(LEASE) }
            }
        };
        dispositions.extend(group.iter().map(|_| disposition));
    }
    dispositions
}

/// Delivers chunks of one send; `Some` is how long to wait until what remains may be tried again.
async fn deliver_group<P: Platform>(cx: Context<'_, P>, group: &[Due]) -> Result<Option<i64>, PlatformError> {
    let Some(first) = group.first() else { return Ok(None) };
    let Some(account) = config::account_by_id(cx, &first.account).await? else { return Ok(None) };
    let token = crate::id::short(cx.platform.random());
    let batch = Batch { account, send: first.send.clone(), token, claimed_at: cx.platform.now() };
    let chunks: Vec<i64> = group.iter().map(|due| due.chunk).collect();
    match batch.claim(cx, &chunks).await? {
        Claim::Nothing => Ok(None),
        Claim::TooEarly(wait) => Ok(Some(wait)),
        Claim::Made(claimed) => {
            let attempts = batch.attempt(cx, &claimed).await?;
            batch.settle(cx, attempts).await
        }
    }
}

/// What one consumer claims under one random token.
struct Batch {
    account: Rc<Account>,
    send: SendId,
    token: String,
    claimed_at: UnixMillis,
}

/// What came of a claim.
enum Claim {
    /// Nothing is open and free: another has it, or it is done.
    Nothing,
    /// The channel's next rate slot is this far off, in milliseconds; nothing was claimed.
    TooEarly(i64),
    /// These chunks.
    Made(Claimed),
}

struct Claimed {
    chunks: Vec<Chunk>,
    messages: String,
    starts_at: UnixMillis,
}

/// A claimed chunk: its frozen recipients as pairs of row id and LINE user id.
#[derive(Debug, Clone, Deserialize)]
struct Chunk {
    chunk: i64,
    frozen: String,
    generation: i64,
    /// The oldest attempt under this key whose outcome is unknown: this one, unless an earlier one was.
    first_attempt_at: UnixMillis,
}

impl Chunk {
    fn recipients(&self) -> Result<Vec<(i64, String)>, PlatformError> {
        serde_json::from_str(&self.frozen)
            .map_err(|e| PlatformError::Stored(format!("frozen recipients: {e}")))
    }
}

/// What became of a chunk's attempt.
enum Attempt {
    /// Nobody was left after filtering.
    Nobody,
    /// An earlier attempt is too old to be repeated.
    TooOld,
    /// LINE was not called.
    NotMade,
    /// LINE's verdict.
    Judged(Verdict),
}

impl Batch {
    /// One batch: claims what is open and free, filtering and freezing at a first claim, and takes as many rate slots
    /// as chunks were claimed. If the next slot is far off nothing is claimed and no slot is taken: who waits must not
    /// push the others back.
    async fn claim<P: Platform>(&self, cx: Context<'_, P>, chunks: &[i64]) -> Result<Claim, PlatformError> {
        #[derive(Deserialize)]
        struct Messages {
            messages: String,
        }
        #[derive(Deserialize)]
        struct Slot {
            next_at: i64,
        }
        let now = self.claimed_at;
        let claim = Statement::new(
            "UPDATE chunks SET claimed_by = ?4, lease_until = ?5, due_at = ?5, \
               first_attempt_at = coalesce(first_attempt_at, ?6), \
               frozen = coalesce(frozen, (SELECT json_group_array(json_array(u.id, u.line_user_id)) \
                 FROM json_each(chunks.line_users) j CROSS JOIN line_users u ON u.id = j.value \
                 CROSS JOIN links l ON l.account = ?1 AND l.line_user = u.id \
                 WHERE u.account = ?1 AND u.friend = 1)) \
             WHERE account = ?1 AND send = ?2 AND chunk IN (SELECT value FROM json_each(?3)) \
               AND state = 'open' AND lease_until <= ?6 \
               AND EXISTS (SELECT 1 FROM sends s WHERE s.account = ?1 AND s.id = ?2 \
                           AND (s.paused IS NULL OR chunks.first_attempt_at IS NOT NULL)) \
               AND NOT EXISTS (SELECT 1 FROM rates r \
                               WHERE r.account = ?1 AND r.endpoint = 'multicast' AND r.next_at > ?7) \
             RETURNING chunk, frozen, generation, first_attempt_at",
        )
        .bind(&self.account.id)
        .bind(&self.send)
        .bind_json(chunks)
        .bind(self.token.as_str())
        .bind(now + LEASE)
        .bind(now)
        .bind((now + MAX_WAIT).0 * 1_000);
        let slots = Statement::compiled(format!(
            "INSERT INTO rates (account, endpoint, next_at) \
             VALUES (?1, 'multicast', ?4 + {SPACING} * (SELECT count(*) FROM chunks WHERE account = ?1 AND send = ?2 \
               AND chunk IN (SELECT value FROM json_each(?5)) AND claimed_by = ?3 AND state = 'open')) \
             ON CONFLICT (account, endpoint) DO UPDATE SET next_at = max(next_at, ?4) + (excluded.next_at - ?4) \
             RETURNING next_at"
        ))
        .bind(&self.account.id)
        .bind(&self.send)
        .bind(self.token.as_str())
        .bind(now.0 * 1_000)
        .bind_json(chunks);
        let messages = Statement::new("SELECT messages FROM sends WHERE account = ?1 AND id = ?2")
            .bind(&self.account.id)
            .bind(&self.send);
        let outcomes = cx.platform.batch(&self.account.database, vec![claim, slots, messages]).await?;
        let [claimed, slot, messages] = outcomes.as_slice() else {
            return Err(PlatformError::Database("a statement has no outcome".to_owned()));
        };
        let (chunks, slot, messages) =
            (claimed.rows::<Chunk>()?, slot.first::<Slot>()?, messages.first::<Messages>()?);
        let (Some(slot), Some(Messages { messages })) = (slot, messages) else { return Ok(Claim::Nothing) };
        let taken = SPACING * i64::try_from(chunks.len()).unwrap_or_default();
        // Rounded up: a slot that begins within this millisecond has not begun yet.
        let starts_at = UnixMillis((slot.next_at - taken + 999) / 1_000);
        Ok(match (chunks.is_empty(), starts_at - now) {
            (true, wait) if wait > MAX_WAIT => Claim::TooEarly(wait),
            (true, _) => Claim::Nothing,
            (false, _) => Claim::Made(Claimed { chunks, messages, starts_at }),
        })
    }

    /// Calls LINE once for each chunk, each from its own rate slot on. Without a channel token no call is made.
    async fn attempt<P: Platform>(
        &self,
        cx: Context<'_, P>,
        claimed: &Claimed,
    ) -> Result<Vec<(Chunk, Attempt)>, PlatformError> {
        let token = match channel::token(cx, &self.account).await {
            Ok(token) => Some(token),
            Err(error) => {
                cx.log_failure("channel_token", &error);
                None
            }
        };
        let attempts = (0_i64..).zip(&claimed.chunks).map(|(place, chunk)| {
            let starts_at = claimed.starts_at + (place * SPACING + 999) / 1_000;
            self.attempt_one(cx, chunk, &claimed.messages, token.as_ref(), starts_at)
        });
        let attempts: Vec<_> = stream::iter(attempts).buffer_unordered(AT_ONCE).collect().await;
        attempts.into_iter().collect()
    }

    async fn attempt_one<P: Platform>(
        &self,
        cx: Context<'_, P>,
        chunk: &Chunk,
        messages: &str,
        token: Option<&SecretText>,
        starts_at: UnixMillis,
    ) -> Result<(Chunk, Attempt), PlatformError> {
        let to: Vec<String> = chunk.recipients()?.into_iter().map(|(_, line_user_id)| line_user_id).collect();
        let too_old = cx.platform.now() - chunk.first_attempt_at >= UNRESOLVED_AFTER;
        let attempt = match token {
            _ if to.is_empty() => Attempt::Nobody,
            _ if too_old => Attempt::TooOld,
            None => Attempt::NotMade,
            Some(token) => {
                cx.platform.sleep_until(starts_at).await;
                let retry_key = self.send.retry_key(chunk.chunk, chunk.generation);
                let call = messaging::multicast(&cx.settings.line, token, &to, messages, &retry_key);
                let answer = cx.platform.fetch(call).await;
                Attempt::Judged(answer.map_or(Verdict::Unknown, |answer| messaging::verdict(&answer)))
            }
        };
        Ok((chunk.clone(), attempt))
    }

    /// One batch: what became of each chunk, and whether the send is complete. Guarded by the claim's token: an attempt
    /// whose lease another has taken over changes nothing.
    async fn settle<P: Platform>(
        &self,
        cx: Context<'_, P>,
        attempts: Vec<(Chunk, Attempt)>,
    ) -> Result<Option<i64>, PlatformError> {
        let now = cx.platform.now();
        let mut statements = Vec::new();
        let mut again_in: Option<i64> = None;
        for (chunk, attempt) in &attempts {
            if matches!(attempt, Attempt::Judged(Verdict::TokenRefused)) {
                cx.memory.forget_channel_token(&self.account.messaging.channel_id);
            }
            let (settled, wait) = self.outcome(chunk, attempt, now)?;
            statements.extend(settled);
            again_in = again_in.max(wait);
        }
        statements.push(complete(&self.account.id, &self.send));
        cx.platform.batch(&self.account.database, statements).await?;
        Ok(again_in)
    }

    /// What an attempt changes, and how long to wait until the chunk is tried again, where it is.
    ///
    /// While an earlier attempt under the same key is of unknown outcome, nothing but LINE's acceptance settles the
    /// chunk: that attempt may have been accepted, so no refusal closes it and no new key is opened.
    fn outcome(
        &self,
        chunk: &Chunk,
        attempt: &Attempt,
        now: UnixMillis,
    ) -> Result<(Vec<Statement>, Option<i64>), PlatformError> {
        let earlier_unknown = chunk.first_attempt_at < self.claimed_at;
        let later = backoff(now - chunk.first_attempt_at);
        // Each time that LINE has it not is a generation: what is refused again and again is tried less and less.
        let patience = SECOND << chunk.generation.clamp(0, 9);
        let unknown = || (vec![self.again(chunk, now + later)], Some(later));
        let not_accepted = |wait| {
            let again =
                if earlier_unknown { self.again(chunk, now + wait) } else { self.afresh(chunk, now + wait) };
            (vec![again], Some(wait))
        };
        Ok(match attempt {
            Attempt::Nobody => (self.accepted(chunk, None, now), None),
            Attempt::TooOld => (vec![self.closed(chunk, "unresolved", "outcome_unknown")], None),
            Attempt::NotMade => not_accepted(10 * patience),
            Attempt::Judged(verdict) => match verdict {
                Verdict::Accepted { request_id } => (self.accepted(chunk, request_id.as_deref(), now), None),
                Verdict::Unknown => unknown(),
                Verdict::TokenRefused => not_accepted(patience),
                Verdict::TooFast => not_accepted(2 * SECOND),
                // Paused or not, cron finds an attempt of unknown outcome when it is due again.
                Verdict::MonthlyLimit => ([not_accepted(later).0, vec![self.paused()]].concat(), None),
                Verdict::Refused(_) | Verdict::UnknownRecipient(_) if earlier_unknown => unknown(),
                Verdict::Refused(words) => (vec![self.closed(chunk, "failed", words)], None),
                Verdict::UnknownRecipient(index) => match self.without(chunk, *index)? {
                    Some(statement) => (vec![statement], Some(0)),
                    None => {
                        (vec![self.closed(chunk, "failed", "LINE named a recipient that was not sent")], None)
                    }
                },
            },
        })
    }

    /// A statement about one claimed chunk: `?1` account, `?2` send, `?3` chunk, `?4` the claim's token.
    fn about(&self, chunk: &Chunk, sql: &'static str) -> Statement {
        Statement::new(sql)
            .bind(&self.account.id)
            .bind(&self.send)
            .bind(chunk.chunk)
            .bind(self.token.as_str())
    }

    /// LINE has it: one narrow row for each recipient, and the counts.
    fn accepted(&self, chunk: &Chunk, request_id: Option<&str>, now: UnixMillis) -> Vec<Statement> {
        vec![
            self.about(
                chunk,
                "INSERT INTO received (account, line_user, at, send) \
                 SELECT ?1, j.value ->> 0, ?5, ?2 FROM chunks c, json_each(c.frozen) j \
                 WHERE c.account = ?1 AND c.send = ?2 AND c.chunk = ?3 AND c.claimed_by = ?4 AND c.state = 'open' \
                 ON CONFLICT DO NOTHING",
            )
            .bind(now),
            self.about(
                chunk,
                "UPDATE chunks SET state = 'accepted', recipients = json_array_length(frozen), \
                   excluded = targeted - refused - json_array_length(frozen), request_id = ?5, \
                   frozen = NULL, claimed_by = NULL \
                 WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'",
            )
            .bind(request_id),
        ]
    }

    /// No further attempt, for this reason.
    fn closed(&self, chunk: &Chunk, state: &str, reason: &str) -> Statement {
        self.about(
            chunk,
            "UPDATE chunks SET state = ?5, reason = ?6, recipients = json_array_length(frozen), \
               excluded = targeted - refused - json_array_length(frozen), frozen = NULL, claimed_by = NULL \
             WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'",
        )
        .bind(state)
        .bind(reason)
    }

    /// Without the recipient that LINE does not know, filtered again, under the key of the next generation: LINE refused
    /// the whole call, so nothing was sent under the old one. `None` if there is no such recipient.
    fn without(&self, chunk: &Chunk, index: usize) -> Result<Option<Statement>, PlatformError> {
        let mut recipients: Vec<i64> =
            chunk.recipients()?.into_iter().map(|(line_user, _)| line_user).collect();
        if index >= recipients.len() {
            return Ok(None);
        }
        recipients.remove(index);
        let statement = self.about(
            chunk,
            "UPDATE chunks SET frozen = NULL, line_users = ?5, refused = refused + 1, \
               generation = generation + 1, first_attempt_at = NULL, lease_until = 0, claimed_by = NULL \
             WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'",
        );
        Ok(Some(statement.bind(serde_json::to_string(&recipients).unwrap_or_default())))
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
            "UPDATE chunks SET lease_until = ?5, due_at = ?5, claimed_by = NULL, frozen = NULL, \
               generation = generation + 1, first_attempt_at = NULL \
             WHERE account = ?1 AND send = ?2 AND chunk = ?3 AND claimed_by = ?4 AND state = 'open'",
        )
        .bind(at)
    }

    /// The month's messages are used up: the send pauses wherever it is.
    fn paused(&self) -> Statement {
        Statement::new(
            "UPDATE sends SET paused = 'monthly_limit' WHERE account = ?1 AND id = ?2 AND paused IS NULL",
        )
        .bind(&self.account.id)
        .bind(&self.send)
    }
}

/// A send is complete once it is expanded and no chunk is open.
pub(super) fn complete(account: &AccountId, send: &SendId) -> Statement {
    Statement::new(
        "UPDATE sends SET state = CASE WHEN EXISTS (SELECT 1 FROM chunks WHERE account = ?1 AND send = ?2 \
           AND (state IN ('failed', 'unresolved') OR refused > 0)) THEN 'partly_failed' ELSE 'done' END \
         WHERE account = ?1 AND id = ?2 AND state = 'sending' \
           AND NOT EXISTS (SELECT 1 FROM chunks WHERE account = ?1 AND send = ?2 AND state = 'open')",
    )
    .bind(account)
    .bind(send)
}

/// How long an attempt of unknown outcome waits for its repeat: a quarter of its age, 10 s to 10 minutes.
fn backoff(age: i64) -> i64 {
    (age / 4).clamp(10 * SECOND, 10 * MINUTE)
}

/// Whole seconds, rounded up: queues delay by seconds.
fn seconds(millis: i64) -> u32 {
    u32::try_from((millis.max(0) + SECOND - 1) / SECOND).unwrap_or(u32::MAX)
}
