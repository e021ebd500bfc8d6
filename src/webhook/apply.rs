//! The consumer: deliveries become effects in D1, each event once.
//!
//! The claim of a `webhookEventId` stands in the same batch as the event's effects, and guards each of them. A group of
//! deliveries goes in one batch; if that fails, each event is tried alone, so that one poison event neither blocks nor
//! fails its neighbours, and ends among the dead letters.

use serde::Deserialize;

use super::effect;
use crate::{
    app::Disposition,
    config::{self, Account},
    id::{AccountId, Subject},
    line::webhook::{Delivery, Event},
    platform::{Context, Database, Platform, PlatformError},
    store::{Job, Statement, dead_letter, line_user::Claim},
    time::{MINUTE, UnixMillis},
};

/// Events whose statements go in one batch: 3 statements each, far from what D1 allows in its 30 s.
const EVENTS_PER_BATCH: usize = 100;

/// How long a delivery waits before it is tried again, in seconds.
const RETRY_AFTER: u32 = 5;

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

/// Applies deliveries, in groups by account; answers for each what becomes of its job.
pub async fn apply<P: Platform>(cx: Context<'_, P>, deliveries: Vec<Received>) -> Vec<Disposition> {
    let mut dispositions = Vec::with_capacity(deliveries.len());
    for group in deliveries.chunk_by(|a, b| a.account == b.account) {
        match apply_group(cx, group).await {
            Ok(()) => dispositions.extend(group.iter().map(|_| Disposition::Done)),
            Err(error) => {
                cx.log_failure("webhook_apply", &error);
                dispositions.extend(group.iter().map(|_| Disposition::Retry { seconds: RETRY_AFTER }));
            }
        }
    }
    dispositions
}

async fn apply_group<P: Platform>(cx: Context<'_, P>, group: &[Received]) -> Result<(), PlatformError> {
    let Some(first) = group.first() else { return Ok(()) };
    let Some(account) = config::account_by_id(cx, &first.account).await? else {
        // The account is gone, and its data with it.
        return Ok(());
    };
    let mut events = Vec::new();
    let mut inbox_ids = Vec::new();
    for received in group {
        let body = match &received.body {
            Body::Here(body) => Some(body.clone()),
            Body::Inbox(id) => {
                inbox_ids.push(id.clone());
                from_inbox(cx, &account, id).await?
            }
        };
        let Some(body) = body else { continue };
        match serde_json::from_str::<Delivery>(&body) {
            Ok(delivery) => {
                for event in delivery.events {
                    match Event::read(event.clone()) {
                        Some(read) => events.push((read, received.received_at)),
                        None => bury(cx, &account, "unreadable_event", &event.to_string()).await?,
                    }
                }
            }
            Err(_) => bury(cx, &account, "unreadable_delivery", &body).await?,
        }
    }
    for some in events.chunks(EVENTS_PER_BATCH) {
        apply_events(cx, &account, some).await?;
    }
    forget(cx, &account, &inbox_ids).await
}

/// One batch for all; where that fails for a reason of its own, one batch for each.
async fn apply_events<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    events: &[(Event, UnixMillis)],
) -> Result<(), PlatformError> {
    let together = events.iter().flat_map(|(event, at)| statements(cx, account, event, *at)).collect();
    let Err(first) = cx.platform.batch(&account.database, together).await else { return Ok(()) };
    if events.len() == 1 {
        return Err(first);
    }
    let mut failed = None;
    for (event, at) in events {
        if let Err(error) = cx.platform.batch(&account.database, statements(cx, account, event, *at)).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The claim, and the effects that it guards.
fn statements<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    event: &Event,
    received_at: UnixMillis,
) -> Vec<Statement> {
    let claim = Claim { event_id: event.id.clone(), token: crate::id::short(cx.platform.random()) };
    let fresh = Subject::from_random(cx.platform.random());
    let mut statements = vec![
        Statement::new(
            "INSERT INTO webhook_events (account, webhook_event_id, claimed_by, received_at) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, webhook_event_id) DO NOTHING",
        )
        .bind(&account.id)
        .bind(claim.event_id.as_str())
        .bind(claim.token.as_str())
        .bind(received_at),
    ];
    statements.extend(effect::of(&account.id, event, &claim, &fresh, cx.platform.now()));
    statements
}

async fn bury<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    reason: &'static str,
    body: &str,
) -> Result<(), PlatformError> {
    let letter = dead_letter::write(Some(&account.id), "webhook", reason, body, cx.platform.now());
    cx.platform.one(&account.database, letter).await.map(|_| ())
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
    account: &Account,
    inbox_ids: &[String],
) -> Result<(), PlatformError> {
    if inbox_ids.is_empty() {
        return Ok(());
    }
    let ids = serde_json::to_string(inbox_ids).unwrap_or_default();
    let statement = Statement::new(
        "DELETE FROM webhook_inbox WHERE account = ?1 AND id IN (SELECT value FROM json_each(?2))",
    )
    .bind(&account.id)
    .bind(ids);
    cx.platform.one(&account.database, statement).await.map(|_| ())
}

/// Puts deliveries that wait in the inbox on the queue again: their first job was refused or lost.
pub async fn drain_inbox<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        account: AccountId,
    }
    let statement = Statement::new(
        "SELECT id, account FROM webhook_inbox WHERE received_at < ?1 ORDER BY received_at LIMIT ?2",
    )
    .bind(cx.platform.now() + -MINUTE)
    .bind(DRAINED_PER_TICK);
    let rows: Vec<Row> = cx.platform.rows(&Database::default(), statement).await?;
    let jobs: Vec<Job> =
        rows.into_iter().map(|row| Job::WebhookInbox { account: row.account, inbox_id: row.id }).collect();
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}

/// Moves a delivery that could not be applied from the inbox to the dead letters.
pub async fn give_up<P: Platform>(cx: Context<'_, P>, account: &AccountId, inbox_id: &str) -> Disposition {
    let moved = async {
        let Some(owner) = config::account_by_id(cx, account).await? else { return Ok(()) };
        if let Some(body) = from_inbox(cx, &owner, inbox_id).await? {
            bury(cx, &owner, "retries_exhausted", &body).await?;
        }
        forget(cx, &owner, &[inbox_id.to_owned()]).await
    };
    match moved.await {
        Ok(()) => Disposition::Done,
        Err(error) => {
            cx.log_failure("dead_letter", &error);
            Disposition::Retry { seconds: 60 }
        }
    }
}
