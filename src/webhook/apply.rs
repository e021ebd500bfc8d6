//! The consumer: deliveries become effects in D1, each event once, and rows of the ledger.
//!
//! The claim of a `webhookEventId` stands in the same batch as the event's effects, and guards each of them. A group of
//! deliveries goes in one batch; if that fails, each half is tried alone, so that one poison event neither blocks nor
//! fails its neighbours: only its own delivery is tried again, and ends in the ledger as one that failed.

use serde::Deserialize;

use super::{
    effect::{self, Of},
    item::{Batch, Item, Placed, Received},
};
use crate::{
    batch::groups,
    config::{self, Account},
    id::AccountId,
    platform::{Context, Database, Platform, PlatformError},
    store::{
        Disposition, Job, Statement,
        delivery::{self, Place},
        relay,
        tombstone::Tombs,
        webhook_count,
    },
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

/// How often a delivery is tried before it is given up.
const LAST_TRIES: usize = 2;

/// Waiting rows that one tick puts on the queue again.
const DRAINED_PER_TICK: i64 = 100;

/// Applies deliveries, in groups by account; answers for each what becomes of its job.
pub async fn apply<P: Platform>(cx: Context<'_, P>, deliveries: Vec<Received>) -> Vec<Disposition> {
    let mut dispositions = Vec::with_capacity(deliveries.len());
    for group in deliveries.chunk_by(|a, b| a.account == b.account) {
        let failed = apply_group(cx, group).await.unwrap_or_else(|error| {
            cx.log_failure("webhook_apply", &error);
            vec![true; group.len()]
        });
        dispositions.extend(failed.into_iter().map(|failed| {
            if failed { Disposition::Retry { seconds: RETRY_AFTER } } else { Disposition::Done }
        }));
    }
    dispositions
}

/// Applies one delivery on which its queue gave up; twice if need be, so that one mishap of a store does not end it. What
/// cannot be applied stays in the ledger as `failed`, where it can be seen and replayed.
pub async fn apply_at_last<P: Platform>(cx: Context<'_, P>, received: Received) -> Result<(), PlatformError> {
    let group = [received];
    for _ in 0..LAST_TRIES {
        match apply_group(cx, &group).await {
            Ok(failed) if failed == [false] => return Ok(()),
            Ok(_) => {}
            Err(error) => cx.log_failure("webhook_apply", &error),
        }
    }
    let [received] = &group;
    let (account, now) = (&received.account, cx.platform.now());
    let database = match config::account_by_id(cx, account).await {
        Ok(Some(owner)) => owner.database.clone(),
        Ok(None) => return Ok(()),
        // One that does not open says nothing of its database.
        Err(PlatformError::Stored(_)) => Database::default(),
        Err(error) => return Err(error),
    };
    let item = Item::read(cx, &database, &Tombs::new(&cx.settings.keys, account), received).await?;
    let mut statements: Vec<Statement> =
        item.failed().map(|failed| delivery::keep(account, &[failed], now)).into_iter().collect();
    if let Some(seq) = item.seq {
        statements.push(delivery::without_erased(account, seq, &item.unclaimed()));
        statements.push(delivery::judged(account, seq, "failed", None));
    }
    statements.extend(effect::blank(account, item.events.iter().filter_map(|read| read.event.as_ref())));
    statements.push(relay::wake(account, now));
    let outcomes = cx.platform.batch(&database, statements).await?;
    cx.hand_over(account, &outcomes).await;
    Ok(())
}

/// Applies the deliveries of one account; says of each whether it is to be tried again.
async fn apply_group<P: Platform>(
    cx: Context<'_, P>,
    group: &[Received],
) -> Result<Vec<bool>, PlatformError> {
    let Some(first) = group.first() else { return Ok(Vec::new()) };
    let Some(account) = config::account_by_id(cx, &first.account).await? else {
        // Of an account that is gone nothing is applied.
        let places: Vec<i64> = group.iter().filter_map(Received::seq).collect();
        if !places.is_empty() {
            cx.platform.one(&Database::default(), delivery::remove(&first.account, &places)).await?;
        }
        return Ok(vec![false; group.len()]);
    };
    let tombs = Tombs::new(&cx.settings.keys, &account.id);
    let mut items = Vec::with_capacity(group.len());
    for received in group {
        items.push(Item::read(cx, &account.database, &tombs, received).await?);
    }
    let places: Vec<(Placed, usize)> = items
        .iter()
        .enumerate()
        .flat_map(|(number, item)| {
            item.places(number).into_iter().map(|placed| (placed, item.weight(placed)))
        })
        .collect();
    let mut budget = MAX_BATCHES;
    for some in groups(&places, EVENTS_PER_BATCH, TEXT_PER_BATCH, |(_, weight)| *weight) {
        let places: Vec<Placed> = some.iter().map(|(placed, _)| *placed).collect();
        apply_events(cx, (&account, &tombs), &mut items, &places, &mut budget).await;
    }
    settle(cx, &account, group, &items).await?;
    Ok(items.into_iter().map(|item| item.failed).collect())
}

/// One batch for all; where that fails, each half alone, until the event that fails it is found. In an outage every
/// batch fails: then the rest is left for later instead of being tried in vain.
async fn apply_events<P: Platform>(
    cx: Context<'_, P>,
    of: (&Account, &Tombs<'_>),
    items: &mut [Item<'_>],
    places: &[Placed],
    budget: &mut usize,
) {
    let mut batches = vec![places];
    while let Some(batch) = batches.pop() {
        let outcome = if *budget > 0 { apply_batch(cx, of, items, batch).await } else { Err(None) };
        *budget = budget.saturating_sub(1);
        match outcome {
            Ok(kept) => {
                for (number, seq) in kept {
                    if let Some(item) = items.get_mut(number) {
                        (item.keeps, item.seq) = (None, Some(seq));
                    }
                }
                for item in batch.iter().map(|placed| placed.item) {
                    if let Some(item) = items.get_mut(item) {
                        item.is_new = false;
                    }
                }
            }
            Err(Some(_)) if batch.len() > 1 => {
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([second, first]);
            }
            Err(error) => {
                if let Some(error) = error {
                    cx.log_failure("webhook_apply", &error);
                }
                for placed in batch {
                    if let Some(item) = items.get_mut(placed.item) {
                        item.failed = true;
                    }
                }
            }
        }
    }
}

/// (1) The events are claimed and (2) counted, (3) their deliveries kept; (4) what the claims guard happens, and relays wake; (5)
/// what came to be owed is handed over. Answers where each delivery lies that was kept.
async fn apply_batch<P: Platform>(
    cx: Context<'_, P>,
    (account, tombs): (&Account, &Tombs<'_>),
    items: &[Item<'_>],
    places: &[Placed],
) -> Result<Vec<(usize, i64)>, Option<PlatformError>> {
    let now = cx.platform.now();
    let Batch { events, kept, keeping, lags } = Batch::new(cx, items, places);
    // (1)
    let mut statements = vec![effect::claims(&account.id, &events)];
    // (2)
    statements.push(webhook_count::applied(&account.id, &lags, events.len(), now));
    statements.extend(effect::others(&account.id, &events, tombs));
    // (3)
    let keep = statements.len();
    if !kept.is_empty() {
        statements.push(delivery::keep(&account.id, &kept, now));
    }
    // (4)
    let of = Of { account, kept: kept.len() };
    statements.extend(effect::statements(&of, &events, now));
    if !kept.is_empty() {
        statements.push(relay::wake(&account.id, now));
    }
    let outcomes = cx.platform.batch(&account.database, statements).await.map_err(Some)?;
    // (5)
    cx.hand_over(&account.id, &outcomes).await;
    let lie: Vec<Place> = match outcomes.get(keep).filter(|_| !kept.is_empty()) {
        Some(outcome) => outcome.rows().map_err(Some)?,
        None => Vec::new(),
    };
    Ok(keeping.into_iter().zip(lie).map(|(number, place)| (number, place.seq)).collect())
}

/// What waited in the ledger, and is done, waits no more, and says nothing of those who were erased before it came.
async fn settle<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    group: &[Received],
    items: &[Item<'_>],
) -> Result<(), PlatformError> {
    let now = cx.platform.now();
    let waited = group.iter().zip(items).filter(|(_, item)| !item.failed);
    let waited = waited.filter_map(|(received, item)| received.seq().map(|seq| (seq, item)));
    let mut statements = Vec::new();
    let mut applied: Vec<(i64, Vec<&str>)> = Vec::new();
    for (seq, item) in waited {
        statements.push(delivery::without_erased(&account.id, seq, &item.unclaimed()));
        if item.is_unreadable() {
            statements.push(delivery::judged(&account.id, seq, "unreadable", Some(now)));
        } else {
            applied.push((seq, item.ids()));
        }
    }
    if !applied.is_empty() {
        statements.extend(delivery::applied(&account.id, &applied, now));
    }
    if statements.is_empty() {
        return Ok(());
    }
    statements.push(relay::wake(&account.id, now));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    cx.hand_over(&account.id, &outcomes).await;
    Ok(())
}

/// Puts deliveries that wait on the queue again: their first job was refused or lost.
pub async fn drain<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        account: AccountId,
        seq: i64,
    }
    let overdue = delivery::overdue(cx.platform.now(), DRAINED_PER_TICK);
    let rows: Vec<Row> = cx.platform.rows(&Database::default(), overdue).await?;
    let jobs: Vec<Job> =
        rows.into_iter().map(|Row { account, seq }| Job::Delivery { account, seq }).collect();
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}
