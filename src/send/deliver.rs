//! Delivery: claim, call LINE, settle.
//!
//! One batch claims all chunks of a queue batch and one settles them; the calls run between, a few at once. The first claim
//! of a chunk filters its recipients and freezes who gets it; every repeat sends the same body under the same retry key,
//! so whatever happened to an earlier attempt, LINE accepts the chunk once.

use std::rc::Rc;

use futures_util::future::join_all;

use super::{
    claim::{BEGIN_WITHIN, Chunk, Claimed, Common, FORM, LEASE, Slots},
    rate::{self, Endpoint, LATE, MAX_WAIT},
    settle::Attempt,
};
use crate::{
    channel,
    config::{self, Account},
    id::{AccountId, SendId},
    line::messaging::{self, Verdict},
    platform::{Context, Database, Platform, PlatformError},
    secret::SecretText,
    store::Disposition,
    time::{HOUR, SECOND, UnixMillis},
};

/// Calls to LINE that run at once; Workers allow six connections. A queue batch holds no more chunks than this, so that
/// each call starts at its own time however slow LINE answers.
pub(super) const AT_ONCE: usize = 6;

/// From this age on an unknown outcome stays unknown, in milliseconds: LINE forgets a retry key after 24 h, and a
/// repeat after that would be a second message.
pub(super) const UNRESOLVED_AFTER: i64 = 23 * HOUR;

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

impl Due {
    fn is(&self, chunk: &Chunk) -> bool {
        self.chunk == chunk.chunk && self.send == chunk.send && self.account == chunk.account
    }
}

/// An account whose chunks are due, with its channel's token if it could be had.
pub(super) struct Sender {
    pub(super) account: Rc<Account>,
    pub(super) token: Option<SecretText>,
}

/// What one consumer claims under one random token.
pub(super) struct Batch {
    pub(super) endpoint: Endpoint,
    pub(super) token: String,
    pub(super) claimed_at: UnixMillis,
}

/// Delivers chunks; answers for each what becomes of its job.
pub async fn deliver<P: Platform>(cx: Context<'_, P>, due: &[Due]) -> Vec<Disposition> {
    let mut dispositions = vec![Disposition::Done; due.len()];
    let (senders, failed) = senders(cx, due).await;
    for account in failed {
        set(&mut dispositions, due, |one| (one.account == account).then(|| retry(LEASE)));
    }
    let mut databases: Vec<&Database> = senders.iter().map(|sender| &sender.account.database).collect();
    databases.dedup();
    for database in databases {
        let of: Vec<&Sender> = senders.iter().filter(|sender| sender.account.database == *database).collect();
        let theirs = |one: &&Due| of.iter().any(|sender| sender.account.id == one.account);
        let group: Vec<&Due> = due.iter().filter(theirs).collect();
        match deliver_group(cx, database, &of, &group).await {
            Ok(waits) => set(&mut dispositions, due, |one| {
                waits.iter().find(|(chunk, _)| one.is(chunk)).and_then(|(_, wait)| wait.map(retry))
            }),
            Err(error) => {
                cx.log_failure("send_deliver", &error);
                set(&mut dispositions, due, |one| theirs(&one).then(|| retry(LEASE)));
            }
        }
    }
    dispositions
}

fn set(dispositions: &mut [Disposition], due: &[Due], what: impl Fn(&Due) -> Option<Disposition>) {
    for (disposition, one) in dispositions.iter_mut().zip(due) {
        if let Some(set) = what(one) {
            *disposition = set;
        }
    }
}

/// The accounts, each with its channel's token: it is had before anything is claimed, so that no start time passes
/// meanwhile. Also the accounts that could not be read.
pub(super) async fn senders<P: Platform>(cx: Context<'_, P>, due: &[Due]) -> (Vec<Sender>, Vec<AccountId>) {
    let (mut senders, mut failed): (Vec<Sender>, Vec<AccountId>) = (Vec::new(), Vec::new());
    for one in due {
        if failed.contains(&one.account) || senders.iter().any(|sender| sender.account.id == one.account) {
            continue;
        }
        let account = match config::account_by_id(cx, &one.account).await {
            Ok(Some(account)) => account,
            Ok(None) => continue,
            Err(error) => {
                cx.log_failure("send_account", &error);
                failed.push(one.account.clone());
                continue;
            }
        };
        let token = match channel::token(cx, &account).await {
            Ok(token) => Some(token),
            Err(error) => {
                cx.log_failure("channel_token", &error);
                None
            }
        };
        senders.push(Sender { account, token });
    }
    senders.sort_by(|a, b| a.account.database.binding().cmp(b.account.database.binding()));
    (senders, failed)
}

/// Delivers chunks of one database; says of each whether and in how many milliseconds its job is to come again.
async fn deliver_group<P: Platform>(
    cx: Context<'_, P>,
    on: &Database,
    senders: &[&Sender],
    group: &[&Due],
) -> Result<Vec<(Chunk, Option<i64>)>, PlatformError> {
    let token = crate::id::short(cx.platform.random());
    let batch = Batch { endpoint: Endpoint::Multicast, token, claimed_at: cx.platform.now() };
    let claimed = batch.claim(cx, on, group).await?;
    let mut waits = batch.waits(&claimed);
    if !claimed.chunks.is_empty() {
        let attempts = batch.attempt(cx, senders, &claimed).await;
        waits.extend(batch.settle(cx, on, senders, attempts).await?);
    }
    Ok(waits)
}

impl Batch {
    /// Whether an earlier attempt under the chunk's keys is of unknown outcome: a claim begins after the lease of the one before.
    pub(super) fn repeats(&self, chunk: &Chunk) -> bool {
        chunk.first_attempt_at.is_some_and(|first| first < self.claimed_at)
    }

    /// Those that wait for a start time come again when it is near, not later: whole seconds, rounded down.
    pub(super) fn waits(&self, claimed: &Claimed) -> Vec<(Chunk, Option<i64>)> {
        let wait = |chunk: &Chunk| {
            let slots = claimed.standing.iter().find(|slots| slots.account == chunk.account)?;
            let wait = UnixMillis((slots.next_at + 999).div_euclid(1_000)) - self.claimed_at;
            (wait > MAX_WAIT).then_some(wait / SECOND * SECOND)
        };
        claimed.waiting.iter().map(|chunk| (chunk.clone(), wait(chunk))).collect()
    }

    /// Calls LINE once for each chunk, each at its own start time. Without a channel token no call is made.
    async fn attempt<P: Platform>(
        &self,
        cx: Context<'_, P>,
        senders: &[&Sender],
        claimed: &Claimed,
    ) -> Vec<(Chunk, Attempt)> {
        let starts = self.starts(&claimed.chunks, &claimed.taken);
        let calls: Vec<(&Chunk, UnixMillis)> = claimed.chunks.iter().zip(starts).collect();
        let attempt = async |(chunk, start): &(&Chunk, UnixMillis)| {
            let sender = senders.iter().find(|sender| sender.account.id == chunk.account);
            let common =
                claimed.sends.iter().find(|send| send.account == chunk.account && send.id == chunk.send);
            let attempt = match (sender, common) {
                (Some(sender), Some(common)) => self.attempt_one(cx, sender, common, chunk, *start).await,
                _ => Attempt::NotMade,
            };
            ((*chunk).clone(), attempt)
        };
        let mut attempts = Vec::with_capacity(calls.len());
        for some in calls.chunks(AT_ONCE) {
            attempts.extend(join_all(some.iter().map(attempt)).await);
        }
        attempts
    }

    /// When each call starts: of each account's run, one for each chunk that has recipients.
    fn starts(&self, chunks: &[Chunk], taken: &[Slots]) -> Vec<UnixMillis> {
        let calls = |account: &AccountId, chunks: &[Chunk]| {
            let theirs = |chunk: &&Chunk| chunk.account == *account && chunk.people.unwrap_or_default() > 0;
            i64::try_from(chunks.iter().filter(theirs).count()).unwrap_or_default()
        };
        let start = |(place, chunk): (usize, &Chunk)| {
            let slots = taken.iter().find(|slots| slots.account == chunk.account)?;
            let before = calls(&chunk.account, chunks.get(..place).unwrap_or_default());
            Some(rate::start(self.endpoint, slots.next_at, calls(&chunk.account, chunks), before))
        };
        chunks.iter().enumerate().map(|one| start(one).unwrap_or(self.claimed_at)).collect()
    }

    async fn attempt_one<P: Platform>(
        &self,
        cx: Context<'_, P>,
        sender: &Sender,
        common: &Common,
        chunk: &Chunk,
        start: UnixMillis,
    ) -> Attempt {
        let to = match &chunk.recipients {
            Some(to) if chunk.people.unwrap_or_default() > 0 => to,
            _ => return Attempt::Nobody,
        };
        if chunk.first_attempt_at.is_some_and(|first| cx.platform.now() - first >= UNRESOLVED_AFTER) {
            return Attempt::TooOld;
        }
        let Some(token) = sender.token.as_ref().filter(|_| chunk.form == Some(FORM)) else {
            return Attempt::NotMade;
        };
        if !self.await_start(cx, &sender.account, start).await {
            return Attempt::NotMade;
        }
        let retry_key = chunk.send.retry_key(chunk.chunk, chunk.generation);
        let (messages, with_each) = (&common.messages, &common.with_each);
        let call = messaging::multicast(&cx.settings.line, token, to, messages, with_each, &retry_key);
        let answer = cx.platform.fetch(call).await;
        Attempt::Judged(answer.map_or(Verdict::Unknown, |answer| messaging::verdict(&answer)))
    }

    /// Waits until a call starts; whoever is late takes another start time, so that no second has more calls than LINE takes.
    /// False if the claim does not last for a call.
    pub(super) async fn await_start<P: Platform>(
        &self,
        cx: Context<'_, P>,
        account: &Account,
        mut start: UnixMillis,
    ) -> bool {
        loop {
            if start - self.claimed_at > BEGIN_WITHIN {
                return false;
            }
            cx.platform.sleep_until(start).await;
            let now = cx.platform.now();
            if now - self.claimed_at > BEGIN_WITHIN {
                return false;
            }
            if now - start <= LATE {
                return true;
            }
            match rate::take_now(cx, account, self.endpoint, 1).await {
                Ok(next_at) => start = rate::start(self.endpoint, next_at, 1, 0),
                Err(error) => {
                    cx.log_failure("send_start", &error);
                    return false;
                }
            }
        }
    }
}

/// Whole seconds, rounded up: queues delay by seconds.
pub(super) fn retry(millis: i64) -> Disposition {
    Disposition::Retry { seconds: u32::try_from((millis.max(0) + SECOND - 1) / SECOND).unwrap_or(u32::MAX) }
}
