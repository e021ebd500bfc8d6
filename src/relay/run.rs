//! A run: what lies after a relay's cursor is sent on, one delivery at a time and in sequence.
//!
//! (1) The relay is claimed, for longer than the run may take; who finds it claimed comes back when the claim ends. (2) Dead letters
//! that somebody wants tried again, a few. (3) The delivery after the cursor: sent, and once it is done with, the cursor moves by
//! a write that asks for the lease, in a batch that reads the next. So nothing lies in memory while somebody unsends it, two runs
//! never interleave, and a crash repeats one delivery at most. (4) What failed is put off; what failed for a day is kept as dead,
//! and passed. (5) A run ends in time, and hands on by a fresh job.

use std::rc::Rc;

use futures_util::future::join_all;
use serde::Deserialize;

use super::{
    send::{Attempt, send},
    statements::{Head, Holder, Letter, Verdict, closed, remove},
};
use crate::{
    config::{self, Account},
    id::{AccountId, RelayId},
    platform::{Context, Database, Outcome, Platform, PlatformError},
    store::{Disposition, Statement, relay::ON_ITS_WAY},
    time::{DAY, MINUTE, SECOND, UnixMillis},
};

/// Deliveries of one run: with everything around them fewer than the 50 statements of an invocation on the Free plan.
const MAX_DELIVERIES: usize = 10;

/// Dead letters of one run: beside the sequence, and not before it.
const MAX_LETTERS: usize = 3;

/// How long after it began a run still begins an attempt, in milliseconds.
const WORK: i64 = 15 * SECOND;

/// How long a run has a relay, in milliseconds: longer than `WORK` and the last attempt's [`crate::web::DEADLINE`].
const LEASE: i64 = 30 * SECOND;

/// How long a delivery is tried before it counts as dead, in milliseconds.
const LIFETIME: i64 = DAY;

/// How long one that is not applied yet holds up those behind it, in milliseconds, and how soon it is looked at again. Before, nobody
/// knows whether it is of somebody who was erased.
const UNAPPLIED: (i64, i64) = (10 * MINUTE, 2 * SECOND);

/// For how long the ledger keeps every delivery for certain, in milliseconds: a day less than it does.
const KEPT: i64 = 13 * DAY;

/// How soon a job whose store failed comes again, in seconds.
const STORE_RETRY: u32 = 10;

/// How long a relay waits whose account does not open, in milliseconds.
const CLOSED: i64 = 10 * MINUTE;

/// A relay whose job has come.
#[derive(Debug)]
pub struct Due {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub relay: RelayId,
}

/// Works on relays: each alone, for its target may take its time.
pub async fn run<P: Platform>(cx: Context<'_, P>, due: &[Due]) -> Vec<Disposition> {
    let work = due.iter().map(async |one| match go(cx, one).await {
        Ok(disposition) => disposition,
        Err(error) => {
            cx.log_failure("relay", &error);
            Disposition::Retry { seconds: STORE_RETRY }
        }
    });
    join_all(work).await
}

/// A row that says when somebody may come again.
#[derive(Deserialize)]
struct DueAt {
    due_at: UnixMillis,
}

/// A run under its lease.
struct Run<'a, P> {
    cx: Context<'a, P>,
    account: Rc<Account>,
    holder: Holder<'a>,
    began: UnixMillis,
}

/// What is to be done next.
enum Next {
    /// Nothing, or nothing by this run.
    Done,
    /// This delivery.
    Head(Head),
    /// Something, but not now: there are letters, or the relay is paused.
    Later,
}

async fn go<P: Platform>(cx: Context<'_, P>, due: &Due) -> Result<Disposition, PlatformError> {
    let Some(account) = open(cx, due).await? else { return Ok(Disposition::Done) };
    // (1)
    let lease = crate::id::short(cx.platform.random());
    let holder = Holder { account: &due.account, relay: &due.relay, lease: &lease };
    let run = Run { cx, account, holder, began: cx.platform.now() };
    let claim = holder.claim(run.began, run.began + LEASE);
    let read = [claim, holder.held(), holder.release(run.began), holder.letter(), holder.head()];
    let [claimed, elsewhere, released, letter, head] = run.batch(read).await?;
    if claimed.changes == 0 {
        let until = elsewhere.first::<DueAt>()?.map(|held| held.due_at);
        return Ok(until.map_or(Disposition::Done, |until| run.again_at(until)));
    }
    let next = match letter.first::<Letter>()? {
        // (2)
        Some(letter) => run.replay(letter).await?,
        None => next(released.changes > 0, &head)?,
    };
    run.send_on(next).await
}

/// The account. A relay of one that is gone goes too; one that does not open must not stay first in cron's eyes.
async fn open<P: Platform>(cx: Context<'_, P>, due: &Due) -> Result<Option<Rc<Account>>, PlatformError> {
    let statements = match config::account_by_id(cx, &due.account).await {
        Ok(Some(account)) => return Ok(Some(account)),
        Ok(None) => remove(&due.account, &due.relay).into(),
        Err(error @ PlatformError::Stored(_)) => {
            cx.log_failure("relay", &error);
            let now = cx.platform.now();
            vec![closed(&due.account, &due.relay, error.reason(), [now, now + CLOSED])]
        }
        Err(error) => return Err(error),
    };
    cx.platform.batch(&Database::default(), statements).await.map(|_| None)
}

fn next(is_released: bool, head: &Outcome) -> Result<Next, PlatformError> {
    if is_released {
        return Ok(Next::Done);
    }
    Ok(head.first()?.map_or(Next::Later, Next::Head))
}

impl<P: Platform> Run<'_, P> {
    async fn batch<const N: usize>(&self, statements: [Statement; N]) -> Result<[Outcome; N], PlatformError> {
        let outcomes = self.cx.platform.batch(&self.account.database, statements.into()).await?;
        outcomes.try_into().map_err(|_| PlatformError::Database("no outcome".to_owned()))
    }

    fn now(&self) -> UnixMillis {
        self.cx.platform.now()
    }

    /// Whether an attempt that begins now could end after the lease.
    fn is_over(&self) -> bool {
        self.now() - self.began >= WORK
    }

    /// The job comes again when the relay may be taken up; a second later, as clocks differ.
    fn again_at(&self, due_at: UnixMillis) -> Disposition {
        let seconds = (due_at - self.now()).max(0).div_euclid(SECOND) + 1;
        Disposition::Retry { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }

    /// (2) Each letter that somebody wants tried again is tried once, under the present secret; the first that fails leaves the rest
    /// to the next run.
    async fn replay(&self, first: Letter) -> Result<Next, PlatformError> {
        let mut letter = Some(first);
        for _ in 0..MAX_LETTERS {
            let Some(one) = letter.take_if(|_| !self.is_over()) else { break };
            let attempt = match one.delivery() {
                Some(delivery) => send(self.cx, &self.account, &one.url, delivery, 1).await,
                None => Attempt::Refused("not_kept".to_owned()),
            };
            if let Attempt::Refused(reason) = &attempt {
                self.batch([self.holder.remains(one.seq, reason)]).await?;
                self.log("replay", reason, 1);
                break;
            }
            let [gone, counted] = self.holder.settled(one.seq, attempt == Attempt::Taken, self.now());
            let [_, _, following] = self.batch([gone, counted, self.holder.letter()]).await?;
            letter = following.first()?;
        }
        let [released, head] = self.batch([self.holder.release(self.now()), self.holder.head()]).await?;
        next(released.changes > 0, &head)
    }

    /// (3), (4), (5)
    async fn send_on(&self, mut next: Next) -> Result<Disposition, PlatformError> {
        for number in 1..=MAX_DELIVERIES {
            let head = match next {
                Next::Done => return Ok(Disposition::Done),
                Next::Head(head) if !self.is_over() => head,
                Next::Head(_) | Next::Later => break,
            };
            if head.waits != 0 && self.now() - head.received_at < UNAPPLIED.0 {
                return self.put_off(self.holder.wait(self.now() + UNAPPLIED.1)).await;
            }
            // (3)
            let attempt = send(self.cx, &self.account, &head.url, head.delivery(), head.attempts).await;
            let (verdict, buried) = match attempt {
                Attempt::Taken => (Verdict::Taken, None),
                Attempt::Empty => (Verdict::Empty, None),
                // (4)
                Attempt::Refused(reason) => {
                    let now = self.now();
                    let is_dead = head.failing_since.is_some_and(|since| now - since >= LIFETIME);
                    self.log(if is_dead { "dead" } else { "refused" }, &reason, head.attempts + 1);
                    if !is_dead {
                        return self.put_off(self.holder.put_off(&reason, now)).await;
                    }
                    (Verdict::Dead, Some(self.holder.bury(&head, &reason, now)))
                }
            };
            let is_last = number == MAX_DELIVERIES || self.is_over();
            next = self.pass(&head, verdict, buried, is_last).await?;
        }
        // (5)
        if !matches!(next, Next::Done) {
            let outcomes = self.batch([self.holder.hand_on(self.now() + ON_ITS_WAY)]).await?;
            self.cx.hand_over(&self.account.id, &outcomes).await;
        }
        Ok(Disposition::Done)
    }

    /// Moves the cursor past a delivery, and reads the next, or hands on; done where the lease was lost.
    async fn pass(
        &self,
        head: &Head,
        verdict: Verdict,
        buried: Option<Statement>,
        is_last: bool,
    ) -> Result<Next, PlatformError> {
        let now = self.now();
        // The ledger may leave out a place; only where the cursor is old were there deliveries, and are no more.
        let gap = if now - head.cursor_at > KEPT { head.seq - head.cursor - 1 } else { 0 };
        let [moved, let_go] = self.holder.moved(head, verdict, gap, now);
        let on = if is_last { self.holder.hand_on(now + ON_ITS_WAY) } else { self.holder.head() };
        let statements = buried.into_iter().chain([moved, let_go, on]).collect();
        let outcomes = self.cx.platform.batch(&self.account.database, statements).await?;
        match outcomes.as_slice() {
            [.., moved, _, on] if !is_last && moved.changes > 0 => next(false, on),
            [.., on] => {
                self.cx.hand_over(&self.account.id, std::slice::from_ref(on)).await;
                Ok(Next::Done)
            }
            [] => Ok(Next::Done),
        }
    }

    /// Waits until a time that the statement answers; another's where the lease was lost.
    async fn put_off(&self, statement: Statement) -> Result<Disposition, PlatformError> {
        let [waits] = self.batch([statement]).await?;
        Ok(waits.first::<DueAt>()?.map_or(Disposition::Done, |waits| self.again_at(waits.due_at)))
    }

    /// One line for each attempt that failed: never the address, which may hold a key of the tool's.
    fn log(&self, what: &str, reason: &str, attempts: u32) {
        let line = serde_json::json!({
            "event": "relay", "account": self.holder.account, "relay": self.holder.relay, "what": what,
            "reason": reason, "attempts": attempts,
        });
        self.cx.platform.log(&line.to_string());
    }
}
