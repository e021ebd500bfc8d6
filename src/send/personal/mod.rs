//! Messages of one's own: a chunk of at most 100 people, each with a push under a key of their own.
//!
//! The claim freezes what the messages are filled from, so that a repeat says the same. What became of each stands in the
//! chunk's row until all are settled: whoever may have it, and nobody else, is asked for again under the same key; once nobody
//! may, whoever was not sent anything is filtered anew, under the keys of the next generation. Where an attempt wrote nothing,
//! anybody may have it. Pushes start in waves of as many as run at once, each at its own start time.
//!
//! Here the consumer and its calls; `people.rs` what is known of each; `settle.rs` what is written.

mod people;
mod settle;

use futures_util::future::join_all;

use self::people::{Attempted, Fate, Person};
use super::{
    claim::{BEGIN_WITHIN, Chunk, Common, FORM, LEASE},
    deliver::{AT_ONCE, Batch, Due, Sender, UNRESOLVED_AFTER, retry, senders},
    rate::{self, Endpoint},
    settle::forget_token,
};
use crate::{
    line::messaging::{self, Verdict},
    message::Messages,
    platform::{Context, Platform, PlatformError},
    store::Disposition,
    time::UnixMillis,
};

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
    let attempted = batch.attempt_people(cx, sender, chunk, common).await?;
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
        chunk: &Chunk,
        common: &Common,
    ) -> Result<Attempted, PlatformError> {
        let is_repeat = self.repeats(chunk);
        let mut attempted = Attempted::before(chunk, is_repeat)?;
        if chunk.first_attempt_at.is_some_and(|first| cx.platform.now() - first >= UNRESOLVED_AFTER) {
            attempted.give_up();
            return Ok(attempted);
        }
        if sender.token.is_none() || chunk.form != Some(FORM) {
            return Ok(attempted);
        }
        // What was stored before LINE's limits changed may break them now.
        let messages = serde_json::from_str(&common.messages)
            .map_err(|error| PlatformError::Stored(format!("messages: {error}")))?;
        let asked =
            attempted.asked(if is_repeat { Fate::Unknown } else { Fate::Open }, &Messages::parse(messages));
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
        (person, messages): (&Person, &str),
        start: UnixMillis,
    ) -> Option<Verdict> {
        let token = sender.token.as_ref()?;
        if !self.await_start(cx, &sender.account, start).await {
            return None;
        }
        let key = chunk.send.personal_key(chunk.chunk, chunk.generation, &person.subject);
        let call = messaging::push_text(
            &cx.settings.line,
            token,
            &person.line_user_id,
            messages,
            &common.with_each,
            &key,
        );
        let answer = cx.platform.fetch(call).await;
        Some(answer.map_or(Verdict::Unknown, |answer| messaging::verdict(&answer)))
    }
}
