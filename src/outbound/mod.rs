//! What is told to others: events to the shop by Standard Webhooks (`event.rs`), ended sessions to clients by OpenID Connect
//! Back-Channel Logout (`logout.rs`), ended links to LINE (`deauthorize.rs`), answers to those who wrote or followed (`reply.rs`). A row of the outbox is tried until it is taken,
//! with growing delays, or until it makes no sense any more. Redirects are not followed.
//!
//! Not here: what comes to be owed (`store::outbox`).

mod deauthorize;
mod event;
mod logout;
mod reply;

use std::rc::Rc;

use futures_util::future::join_all;
use http::StatusCode;

use crate::{
    config::{self, Account},
    id::AccountId,
    platform::{Context, Database, Platform, PlatformError},
    store::{
        Disposition, Job, Statement, link,
        outbox::{self, Claimed, Kind},
    },
    time::{HOUR, SECOND},
    web::Call,
};

/// How long after the first failure the next attempt comes, in milliseconds; it doubles.
const FIRST_DELAY: i64 = 5 * SECOND;

/// The longest delay, in milliseconds.
const MAX_DELAY: i64 = HOUR;

/// How soon a job whose store failed comes again, in seconds.
const STORE_RETRY: u32 = 10;

/// Who calls: some firewalls turn away who does not say.
const USER_AGENT: &str = concat!("Enishi/", env!("CARGO_PKG_VERSION"));

/// A row of the outbox whose job has come.
#[derive(Debug)]
pub struct Owed {
    /// Whose.
    pub account: AccountId,
    /// The row.
    pub id: String,
}

/// What one attempt came to.
enum Told {
    /// It was taken.
    Done,
    /// By this configuration there is nobody to tell.
    Unwanted,
    /// It never will be.
    Never,
    /// It may be later; with what was answered instead.
    NotYet(Option<StatusCode>),
    /// Likewise, and this attempt was none: nothing can have reached anybody.
    NotTried(Option<StatusCode>),
}

/// Works on what is owed: all at once, for each server may take its time.
pub async fn deliver<P: Platform>(cx: Context<'_, P>, owed: &[Owed]) -> Vec<Disposition> {
    let work = owed.iter().map(async |one| match tell(cx, one).await {
        Ok(disposition) => disposition,
        Err(error) => {
            cx.log_failure("outbox", &error);
            Disposition::Retry { seconds: STORE_RETRY }
        }
    });
    join_all(work).await
}

/// (1) The row is claimed, for one attempt; (2) what was not taken in its time is given up; (3) the server is told, and what
/// nobody wants is dropped by the newest configuration alone: whoever owed the row may have known a newer one than this
/// isolate; (4) the row goes, or waits.
async fn tell<P: Platform>(cx: Context<'_, P>, owed: &Owed) -> Result<Disposition, PlatformError> {
    // (1)
    let account = match config::account_by_id(cx, &owed.account).await {
        Ok(Some(account)) => account,
        // The rows of an account that is gone, or does not open, would stay first in cron's eyes for ever.
        Ok(None) => {
            cx.platform.one(&Database::default(), outbox::remove(&owed.account, &owed.id)).await?;
            return Ok(Disposition::Done);
        }
        Err(error @ PlatformError::Stored(_)) => {
            cx.log_failure("outbox", &error);
            let until = cx.platform.now() + MAX_DELAY;
            let put_off = outbox::put_off(&owed.account, &owed.id, until, error.reason());
            cx.platform.one(&Database::default(), put_off).await?;
            return Ok(Disposition::Done);
        }
        Err(error) => return Err(error),
    };
    let claim = outbox::claim(&account.id, &owed.id, cx.platform.now());
    let Some(row) = cx.platform.one(&account.database, claim).await?.first::<Claimed>()? else {
        return Ok(Disposition::Done);
    };
    // (2)
    if row.expires_at <= cx.platform.now() {
        settle(cx, &account, given_up(&account, owed, &row, cx.platform.now())).await?;
        log(cx, &account, &row, "expired", None);
        return Ok(Disposition::Done);
    }
    // (3)
    let mut told = attempt(cx, &account, owed, &row).await?;
    if matches!(told, Told::Unwanted)
        && let Some(newest) = config::newest(cx, &account).await?
    {
        told = attempt(cx, &newest, owed, &row).await?;
    }
    // (4)
    let (status, is_tried) = match told {
        Told::Done | Told::Unwanted => {
            settle(cx, &account, done(&account, owed, row.kind, true)).await?;
            return Ok(Disposition::Done);
        }
        Told::Never => {
            settle(cx, &account, done(&account, owed, row.kind, false)).await?;
            return Ok(Disposition::Done);
        }
        Told::NotYet(status) => (status, true),
        Told::NotTried(status) => (status, false),
    };
    log(cx, &account, &row, "refused", status);
    let delay = delay(row.attempts);
    let reason = status.map_or_else(|| "no_answer".to_owned(), |status| format!("http_{}", status.as_u16()));
    let put_off = outbox::put_off(&account.id, &owed.id, cx.platform.now() + delay, &reason);
    let uncounted = (!is_tried).then(|| outbox::uncounted(&account.id, &owed.id));
    settle(cx, &account, [put_off].into_iter().chain(uncounted).collect()).await?;
    Ok(Disposition::Retry { seconds: u32::try_from(delay / SECOND).unwrap_or(u32::MAX) })
}

async fn attempt<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    owed: &Owed,
    row: &Claimed,
) -> Result<Told, PlatformError> {
    match row.kind {
        Kind::Webhook | Kind::Event => event::tell(cx, account, owed, row).await,
        Kind::Logout => logout::tell(cx, account, owed, row).await,
        Kind::Deauthorize => deauthorize::tell(cx, account, owed, row).await,
        Kind::Reply => reply::tell(cx, account, owed, row).await,
    }
}

/// The row is gone; of LINE it is noted whether it was told.
fn done(account: &Account, owed: &Owed, kind: Kind, told: bool) -> Vec<Statement> {
    let mut statements = vec![outbox::remove(&account.id, &owed.id)];
    if kind == Kind::Deauthorize {
        let link_id = owed.id.strip_prefix(outbox::DEAUTHORIZE).unwrap_or_default();
        statements.push(link::line_told(&account.id, link_id, told));
    }
    statements
}

/// What was not taken in its time: an event is kept for whoever asks, all else is gone.
fn given_up(account: &Account, owed: &Owed, row: &Claimed, now: crate::time::UnixMillis) -> Vec<Statement> {
    match row.kind {
        Kind::Event if row.line_user.is_some() => vec![outbox::bury(&account.id, &owed.id, now)],
        kind => done(account, owed, kind, false),
    }
}

/// 5 s, 10 s, 20 s, … up to an hour.
fn delay(attempts: u32) -> i64 {
    FIRST_DELAY.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(MAX_DELAY)
}

async fn settle<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    statements: Vec<Statement>,
) -> Result<(), PlatformError> {
    cx.platform.batch(&account.database, statements).await.map(|_| ())
}

/// Makes one call; any 2xx is taken.
async fn call<P: Platform>(cx: Context<'_, P>, call: Call) -> Told {
    match cx.platform.fetch(call.with(http::header::USER_AGENT, USER_AGENT).for_status()).await {
        Ok(answer) if answer.status.is_success() => Told::Done,
        Ok(answer) => Told::NotYet(Some(answer.status)),
        Err(_) => Told::NotYet(None),
    }
}

/// One line for each attempt that failed: never the body, which may name a person.
fn log<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    row: &Claimed,
    what: &str,
    status: Option<StatusCode>,
) {
    let line = serde_json::json!({
        "event": "outbox", "account": account.id, "kind": format!("{:?}", row.kind).to_lowercase(),
        "reason": what, "attempts": row.attempts, "status": status.map(|status| status.as_u16()),
    });
    cx.platform.log(&line.to_string());
}

/// Cron: what a lost job left behind goes on the queue again.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(serde::Deserialize)]
    struct Row {
        account: AccountId,
        outbox_id: String,
    }
    let overdue = cx.platform.one(&Database::default(), outbox::overdue(cx.platform.now())).await?;
    let rows: Vec<Row> = overdue.rows()?;
    let jobs: Vec<Job> =
        rows.into_iter().map(|row| Job::Outbox { account: row.account, id: row.outbox_id }).collect();
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}
