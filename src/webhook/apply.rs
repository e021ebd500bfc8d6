//! The consumer: deliveries become effects in D1, each event once.
//!
//! The claim of a `webhookEventId` stands in the same batch as the event's effects, and guards each of them. A group of
//! deliveries goes in one batch; if that fails, each half is tried alone, so that one poison event neither blocks nor
//! fails its neighbours: only its own delivery is tried again, and ends among the dead letters.

use std::borrow::Cow;

use serde::Deserialize;

use super::effect::{self, Claimed, Of};
use crate::{
    batch::groups,
    config::{self, Account},
    dead_letters,
    id::{AccountId, Subject},
    line::webhook::{Delivery, Event},
    platform::{Context, Database, Platform, PlatformError},
    store::{Disposition, Job, Statement, tombstone::Tombs},
    time::{MINUTE, UnixMillis},
};

/// Events that go in one batch at most.
const EVENTS_PER_BATCH: usize = 500;

/// Bytes of text that go in one batch: D1 takes 2 MB as one value, and JSON makes text grow, rarely more than twice.
const TEXT_PER_BATCH: usize = 500_000;

/// Batches that one group may take: enough to find some poison events by halving, far below the 1,000 statements of an
/// invocation.
const MAX_BATCHES: usize = 60;

/// How long a delivery waits before it is tried again, in seconds.
const RETRY_AFTER: u32 = 30;

/// How often a delivery is tried before it is buried.
const LAST_TRIES: usize = 2;

/// Inbox rows that one tick puts on the queue again.
const DRAINED_PER_TICK: i64 = 100;

/// One delivery that is to be applied.
pub struct Received {
    /// The account.
    pub account: AccountId,
    /// When it was acknowledged.
    pub received_at: UnixMillis,
    /// The raw body, or the id of the inbox row that holds it.
    pub body: Body,
}

/// Where the raw body is.
pub enum Body {
    /// In the job.
    Here(String),
    /// In `webhook_inbox`.
    Inbox(String),
}

/// An event, and the place of its delivery in the group.
struct Placed {
    place: usize,
    event: Event,
    received_at: UnixMillis,
}

/// Applies deliveries, in groups by account; answers for each what becomes of its job.
pub async fn apply<P: Platform>(cx: Context<'_, P>, deliveries: Vec<Received>) -> Vec<Disposition> {
    let mut dispositions = Vec::with_capacity(deliveries.len());
    for group in deliveries.chunk_by(|a, b| a.account == b.account) {
        let mut failed = vec![false; group.len()];
        if let Err(error) = apply_group(cx, group, &mut failed).await {
            cx.log_failure("webhook_apply", &error);
            failed.fill(true);
        }
        dispositions.extend(failed.into_iter().map(|failed| {
            if failed { Disposition::Retry { seconds: RETRY_AFTER } } else { Disposition::Done }
        }));
    }
    dispositions
}

/// Applies one delivery on which its queue gave up; twice if need be, so that one mishap of a store does not bury it.
/// Says whether it is applied.
pub async fn apply_at_last<P: Platform>(cx: Context<'_, P>, account: AccountId, body: Body) -> bool {
    let delivery = [Received { account, received_at: cx.platform.now(), body }];
    for _ in 0..LAST_TRIES {
        let mut failed = [false];
        match apply_group(cx, &delivery, &mut failed).await {
            Ok(()) if failed == [false] => return true,
            Ok(()) => {}
            Err(error) => cx.log_failure("webhook_apply", &error),
        }
    }
    false
}

/// Applies the deliveries of one account; `failed` learns which are to be tried again.
async fn apply_group<P: Platform>(
    cx: Context<'_, P>,
    group: &[Received],
    failed: &mut [bool],
) -> Result<(), PlatformError> {
    let Some(first) = group.first() else { return Ok(()) };
    let account = config::account_by_id(cx, &first.account).await?;
    let mut events = Vec::new();
    for (place, received) in group.iter().enumerate() {
        // Of an account that is gone nothing is applied; its inbox rows go below.
        let Some(account) = &account else { break };
        for event in read(cx, account, received).await? {
            events.push(Placed { place, event, received_at: received.received_at });
        }
    }
    if let Some(account) = &account {
        let mut budget = MAX_BATCHES;
        for some in groups(&events, EVENTS_PER_BATCH, TEXT_PER_BATCH, |placed| placed.event.text_length()) {
            apply_events(cx, account, some, &mut budget, failed).await;
        }
    }
    let done = group.iter().zip(failed).filter(|(_, failed)| !**failed);
    let inbox_ids = done.filter_map(|(received, _)| match &received.body {
        Body::Inbox(id) => Some(id.as_str()),
        Body::Here(_) => None,
    });
    let database = account.as_ref().map(|account| account.database.clone()).unwrap_or_default();
    forget(cx, &database, &inbox_ids.collect::<Vec<_>>()).await
}

/// The events of a delivery; what cannot be read is buried alone.
async fn read<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    received: &Received,
) -> Result<Vec<Event>, PlatformError> {
    let body = match &received.body {
        Body::Here(body) => Cow::Borrowed(body),
        Body::Inbox(id) => match from_inbox(cx, account, id).await? {
            Some(body) => Cow::Owned(body),
            None => return Ok(Vec::new()),
        },
    };
    let Ok(delivery) = serde_json::from_str::<Delivery>(&body) else {
        bury(cx, account, "unreadable_delivery", &body).await?;
        return Ok(Vec::new());
    };
    let mut events = Vec::with_capacity(delivery.events.len());
    for raw in &delivery.events {
        match Event::read(raw.get()) {
            Some(event) => events.push(event),
            None => bury(cx, account, "unreadable_event", raw.get()).await?,
        }
    }
    Ok(events)
}

/// One batch for all; where that fails, each half alone, until the event that fails it is found. In an outage every
/// batch fails: then the rest is left for later instead of being tried in vain.
async fn apply_events<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    events: &[Placed],
    budget: &mut usize,
    failed: &mut [bool],
) {
    let mut batches = vec![events];
    while let Some(batch) = batches.pop() {
        let outcome = if *budget > 0 { apply_batch(cx, account, batch).await } else { Err(None) };
        *budget = budget.saturating_sub(1);
        match outcome {
            Ok(()) => {}
            Err(Some(_)) if batch.len() > 1 => {
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([second, first]);
            }
            Err(error) => {
                if let Some(error) = error {
                    cx.log_failure("webhook_apply", &error);
                }
                for placed in batch {
                    if let Some(failed) = failed.get_mut(placed.place) {
                        *failed = true;
                    }
                }
            }
        }
    }
}

async fn apply_batch<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    events: &[Placed],
) -> Result<(), Option<PlatformError>> {
    let claimed: Vec<Claimed<'_>> = events.iter().map(|placed| claimed(cx, placed)).collect();
    let of = Of {
        account: &account.id,
        takes_events: account.takes_events(),
        tombs: Tombs::new(&cx.settings.keys, &account.id),
    };
    let statements = effect::statements(&of, &claimed, cx.platform.now());
    let outcomes = cx.platform.batch(&account.database, statements).await.map_err(Some)?;
    cx.hand_over(&account.id, &outcomes).await;
    Ok(())
}

fn claimed<'a, P: Platform>(cx: Context<'_, P>, placed: &'a Placed) -> Claimed<'a> {
    Claimed {
        event: &placed.event,
        received_at: placed.received_at,
        claim: crate::id::short(cx.platform.random()),
        fresh: Subject::from_random(cx.platform.random()),
    }
}

async fn bury<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    reason: &'static str,
    body: &str,
) -> Result<(), PlatformError> {
    dead_letters::bury(cx, &account.database, Some(&account.id), ("webhook", reason), body).await
}

async fn from_inbox<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    inbox_id: &str,
) -> Result<Option<String>, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        body: String,
    }
    let statement = Statement::new("SELECT body FROM webhook_inbox WHERE id = ?1 AND account = ?2")
        .bind(inbox_id)
        .bind(&account.id);
    let row: Option<Row> = cx.platform.one(&account.database, statement).await?.first()?;
    Ok(row.map(|row| row.body))
}

async fn forget<P: Platform>(
    cx: Context<'_, P>,
    database: &Database,
    inbox_ids: &[&str],
) -> Result<(), PlatformError> {
    if inbox_ids.is_empty() {
        return Ok(());
    }
    let statement = Statement::new("DELETE FROM webhook_inbox WHERE id IN (SELECT value FROM json_each(?1))")
        .bind_json(inbox_ids);
    cx.platform.one(database, statement).await.map(|_| ())
}

/// Puts deliveries that wait in the inbox on the queue again: their first job was refused or lost. They go to the end of the
/// line, so that those of an account that does not open keep nobody else's waiting.
pub async fn drain_inbox<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        account: AccountId,
    }
    let now = cx.platform.now();
    let statement = Statement::new(
        "UPDATE webhook_inbox SET received_at = ?3 WHERE id IN \
           (SELECT id FROM webhook_inbox WHERE received_at < ?1 ORDER BY received_at LIMIT ?2) RETURNING id, account",
    )
    .bind(now + -MINUTE)
    .bind(DRAINED_PER_TICK)
    .bind(now);
    let rows: Vec<Row> = cx.platform.rows(&Database::default(), statement).await?;
    let jobs: Vec<Job> =
        rows.into_iter().map(|row| Job::WebhookInbox { account: row.account, inbox_id: row.id }).collect();
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}

/// Moves a delivery that could not be applied from the inbox to the dead letters.
pub async fn give_up<P: Platform>(
    cx: Context<'_, P>,
    account: &AccountId,
    inbox_id: &str,
) -> Result<(), PlatformError> {
    let Some(owner) = config::account_by_id(cx, account).await? else { return Ok(()) };
    if let Some(body) = from_inbox(cx, &owner, inbox_id).await? {
        bury(cx, &owner, "retries_exhausted", &body).await?;
    }
    forget(cx, &owner.database, &[inbox_id]).await
}
