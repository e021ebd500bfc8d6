//! `POST /v1/webhooks/replay`: LINE's deliveries put on the queue again. An event that was applied is known by its claim and
//! changes nothing, so any of it may be repeated.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::Account,
    platform::{Context, Platform, PlatformError},
    store::{Job, MAX_INTEGER, delivery::Place, delivery_shown},
    time::UnixMillis,
    web::{ApiError, Reply, Request, object},
};

/// Deliveries that one call looks at unless it says otherwise, and at most.
const DELIVERIES: (i64, i64) = (1_000, 10_000);

/// The body of `POST /v1/webhooks/replay`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    ids: Option<Vec<i64>>,
    from: Option<String>,
    to: Option<String>,
    verdict: Option<Open>,
    before: Option<i64>,
    limit: Option<i64>,
}

/// What was not applied, or not wholly.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Open {
    /// The queue gave up.
    Failed,
    /// Something in it could not be read by the version of the program that tried.
    Unreadable,
}

impl Open {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// `POST /v1/webhooks/replay`: deliveries that are named, that were received within a time, or that could not be applied.
pub async fn replay<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    match request.json()? {
        Replay { ids: Some(ids), from: None, to: None, verdict: None, before: None, limit: None } => {
            named(cx, account, &ids).await
        }
        Replay { ids: None, from: Some(from), to: Some(to), verdict: None, before, limit } => {
            let (from, to) = (instant("from", &from)?, instant("to", &to)?);
            if from >= to {
                return Err(ApiError::invalid_request("from must be before to"));
            }
            within(cx, account, (from, to), checked(before)?, limited(limit)?).await
        }
        Replay { ids: None, from: None, to: None, verdict: Some(verdict), before, limit } => {
            open(cx, account, &verdict, checked(before)?, limited(limit)?).await
        }
        _ => Err(ApiError::invalid_request(
            "send ids, or from and to (RFC 3339), or verdict; the latter with limit and, to go on, before",
        )),
    }
}

fn checked(before: Option<i64>) -> Result<Option<i64>, ApiError> {
    if before.is_some_and(|before| !(0..=MAX_INTEGER).contains(&before)) {
        return Err(ApiError::invalid_request("before is what next said in the answer before"));
    }
    Ok(before)
}

fn limited(limit: Option<i64>) -> Result<i64, ApiError> {
    let limit = limit.unwrap_or(DELIVERIES.0);
    if (1..=DELIVERIES.1).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::invalid_request(format!("limit is a number from 1 to {}", DELIVERIES.1)))
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

/// Those that could not be applied, the newest first.
async fn open<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    verdict: &Open,
    before: Option<i64>,
    limit: i64,
) -> Result<Reply, ApiError> {
    let open = delivery_shown::open(&account.id, before, limit, verdict.as_str());
    let rows: Vec<Place> = cx.platform.rows(&account.database, open).await?;
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    enqueue(cx, account, &seqs).await?;
    let next = seqs.last().filter(|_| i64::try_from(seqs.len()).is_ok_and(|length| length == limit));
    Ok(accepted([
        ("replayed", seqs.len().into()),
        ("unknown", Value::Array(Vec::new())),
        ("next", next.copied().into()),
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
