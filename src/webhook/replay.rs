//! `POST /v1/webhooks/replay` and `POST /v1/webhooks/dead-letters/replay`: LINE's deliveries put on the queue again. An event
//! that was applied is known by its claim and changes nothing, so any of it may be repeated.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::letter;
use crate::{
    config::Account,
    platform::{Context, Outcome, Platform, PlatformError},
    store::{Job, MAX_INTEGER, delivery::Place, delivery_shown},
    time::UnixMillis,
    web::{ApiError, Reply, Request, keyset, object},
};

/// Deliveries that one call looks at unless it says otherwise, and at most.
const DELIVERIES: (i64, i64) = (1_000, 10_000);

/// Dead letters that one call looks at, at most.
const LETTERS: i64 = 100;

/// The body of `POST /v1/webhooks/replay`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    ids: Option<Vec<i64>>,
    from: Option<String>,
    to: Option<String>,
    before: Option<i64>,
    limit: Option<i64>,
}

/// `POST /v1/webhooks/replay`: deliveries that are named, or that were received within a time.
pub async fn replay<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    match request.json()? {
        Replay { ids: Some(ids), from: None, to: None, before: None, limit: None } => {
            named(cx, account, &ids).await
        }
        Replay { ids: None, from: Some(from), to: Some(to), before, limit } => {
            let (from, to) = (instant("from", &from)?, instant("to", &to)?);
            if from >= to {
                return Err(ApiError::invalid_request("from must be before to"));
            }
            let limit = limit.unwrap_or(DELIVERIES.0);
            if !(1..=DELIVERIES.1).contains(&limit) {
                let range = format!("limit is a number from 1 to {}", DELIVERIES.1);
                return Err(ApiError::invalid_request(range));
            }
            if before.is_some_and(|before| !(0..=MAX_INTEGER).contains(&before)) {
                return Err(ApiError::invalid_request("before is what next said in the answer before"));
            }
            within(cx, account, (from, to), before, limit).await
        }
        _ => Err(ApiError::invalid_request(
            "send either ids, or from and to (RFC 3339), with limit and, to go on, before",
        )),
    }
}

fn instant(name: &str, text: &str) -> Result<UnixMillis, ApiError> {
    let instant = UnixMillis::parse_rfc3339(text).filter(|at| (0..=MAX_INTEGER).contains(&at.0));
    instant.ok_or_else(|| {
        ApiError::invalid_request(format!(
            "{name} is an RFC 3339 time with its offset, as 2026-01-05T12:00:00+09:00"
        ))
    })
}

/// Those that are named; which of them there are not is said.
async fn named<P: Platform>(cx: Context<'_, P>, account: &Account, ids: &[i64]) -> Result<Reply, ApiError> {
    #[derive(Deserialize)]
    struct Row {
        seq: i64,
        is_empty: i64,
    }
    let too_many = i64::try_from(ids.len()).map_or(true, |length| length > DELIVERIES.1);
    if ids.is_empty() || too_many || ids.iter().any(|id| !(0..=MAX_INTEGER).contains(id)) {
        let wanted = format!("ids are 1 to {} ids of deliveries", DELIVERIES.1);
        return Err(ApiError::invalid_request(wanted));
    }
    let known = delivery_shown::known(&account.id, ids);
    let rows: Vec<Row> = cx.platform.rows(&account.database, known).await?;
    let seqs: Vec<i64> = rows.iter().filter(|row| row.is_empty == 0).map(|row| row.seq).collect();
    enqueue(cx, account, &seqs).await?;
    let is_known = |id: &i64| rows.binary_search_by_key(id, |row| row.seq).is_ok();
    let unknown: Vec<i64> = ids.iter().copied().filter(|id| !is_known(id)).collect();
    Ok(accepted([("replayed", seqs.len().into()), ("unknown", unknown.into()), ("next", Value::Null)]))
}

/// Those received within a time, the newest first. A call looks at a piece of the ledger, so that it costs the same
/// wherever the time lies, and `next` says where to go on.
async fn within<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    time: (UnixMillis, UnixMillis),
    before: Option<i64>,
    limit: i64,
) -> Result<Reply, ApiError> {
    #[derive(Deserialize)]
    struct Piece {
        seqs: String,
        looked: i64,
        last: Option<i64>,
        past: i64,
    }
    let look = delivery_shown::received_in(&account.id, time, before, limit);
    let piece: Option<Piece> = cx.platform.one(&account.database, look).await?.first()?;
    let Piece { seqs, looked, last, past } =
        piece.ok_or_else(|| PlatformError::Database("no piece of the ledger".to_owned()))?;
    let seqs: Vec<i64> = serde_json::from_str(&seqs).map_err(|e| PlatformError::Stored(e.to_string()))?;
    enqueue(cx, account, &seqs).await?;
    let next = last.filter(|_| looked == limit && past == 0);
    Ok(accepted([
        ("replayed", seqs.len().into()),
        ("unknown", Value::Array(Vec::new())),
        ("next", next.into()),
    ]))
}

async fn enqueue<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    seqs: &[i64],
) -> Result<(), PlatformError> {
    let job = |seq: &i64| Job::Delivery { account: account.id.clone(), seq: *seq };
    let jobs: Vec<Job> = seqs.iter().map(job).collect();
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}

fn accepted<const N: usize>(fields: [(&str, Value); N]) -> Reply {
    Reply::json(StatusCode::ACCEPTED, &object(fields))
}

/// The body of `POST /v1/webhooks/dead-letters/replay`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayLetters {
    ids: Option<Vec<String>>,
    after: Option<String>,
}

#[derive(Deserialize)]
struct Letter {
    id: String,
    at: UnixMillis,
    body: String,
}

/// `POST /v1/webhooks/dead-letters/replay`: (1) the letters that are named, else the oldest, as many as are read at once; (2)
/// each becomes its job again; what is neither a job of LINE's webhooks nor what LINE sends stays, and is named; (3) jobs go
/// on the queue, and their letters only then: a crash in between has them done twice, which changes nothing; (4) one that
/// no message holds moves to the ledger in one step, and cron knows it there.
pub async fn replay_dead<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let ReplayLetters { ids, after } = request.json()?;
    let letters = letters(cx, account, ids.as_deref(), after.as_deref()).await?;
    // (2)
    let (mut jobs, mut refused) = (Vec::new(), Vec::new());
    for letter in &letters {
        match letter::job(account, letter.at, &letter.body) {
            Some(job) => jobs.push((letter, job)),
            None => refused.push(letter.id.as_str()),
        }
    }
    // (3)
    let (small, large): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(_, job)| letter::fits(job));
    let (small_letters, jobs): (Vec<&Letter>, Vec<Job>) = small.into_iter().unzip();
    if !jobs.is_empty() {
        cx.platform.enqueue(&jobs).await?;
        let done: Vec<_> = small_letters.iter().map(|letter| (letter.id.as_str(), letter.at)).collect();
        cx.platform.one(&account.database, delivery_shown::exhumed(&account.id, &done)).await?;
    }
    // (4)
    let mut replayed = jobs.len();
    for (letter, job) in large {
        replayed += usize::from(into_ledger(cx, account, letter, &job).await?);
    }
    let next = letters.last().filter(|_| ids.is_none()).map(|last| keyset::place(last.at, &last.id));
    Ok(accepted([("replayed", replayed.into()), ("refused", refused.into()), ("next", next.into())]))
}

async fn letters<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    ids: Option<&[String]>,
    after: Option<&str>,
) -> Result<Vec<Letter>, ApiError> {
    let read = match (ids, after) {
        (Some(ids), None) => {
            if ids.is_empty() || i64::try_from(ids.len()).map_or(true, |length| length > LETTERS) {
                let wanted = format!("ids are 1 to {LETTERS} ids of dead letters");
                return Err(ApiError::invalid_request(wanted));
            }
            delivery_shown::dead_bodies_of(&account.id, ids)
        }
        (None, after) => {
            let after = after.map(keyset::read_place).transpose()?;
            delivery_shown::dead_bodies(&account.id, after, LETTERS)
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid_request(
                "send either ids, or after to go on, or neither for the oldest",
            ));
        }
    };
    Ok(cx.platform.rows(&account.database, read).await?)
}

/// Whether the letter moved. What the queue refuses then, cron finds in the ledger.
async fn into_ledger<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    letter: &Letter,
    job: &Job,
) -> Result<bool, ApiError> {
    let Job::Webhook { body, .. } = job else { return Ok(false) };
    let size = i64::try_from(letter.body.len()).unwrap_or(i64::MAX);
    let events = letter::events(body);
    let moved = vec![
        delivery_shown::into_ledger(
            &account.id,
            (&letter.id, letter.at, size),
            (body, events),
            cx.platform.now(),
        ),
        delivery_shown::exhumed(&account.id, &[(&letter.id, letter.at)]),
    ];
    let outcomes = cx.platform.batch(&account.database, moved).await?;
    let place: Option<Place> = outcomes.first().map(Outcome::first).transpose()?.flatten();
    let Some(Place { seq }) = place else { return Ok(false) };
    if let Err(error) = enqueue(cx, account, &[seq]).await {
        cx.log_failure("webhook_replay", &error);
    }
    Ok(true)
}
