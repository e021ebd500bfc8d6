//! `/v1/webhooks/relays/{id}/dead-letters`: what a relay gave up on, and another try.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown::{parsed, shown, unknown};
use crate::{
    config::Account,
    id::{AccountId, RelayId},
    platform::{Context, Platform},
    store::{
        MAX_INTEGER, Statement,
        relay::{call, known},
        shown::{time, truth},
    },
    web::{ApiError, Reply, Request, form::Form, keyset},
};

/// `GET /v1/webhooks/relays/{id}/dead-letters`: in the order of the ledger. `id` is the delivery's; where `received_at` is null,
/// the ledger has it no more.
pub async fn dead_letters<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let id = parsed(id)?;
    let form = Form::of_query(request)?;
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let after = form.value("after").map_or(Some(0), |text| text.parse().ok());
    let after = after
        .filter(|seq| (0..=MAX_INTEGER).contains(seq))
        .ok_or_else(|| ApiError::invalid_request("after is what next said on the page before"))?;
    let read = vec![known(&account.id, &id), page(&account.id, &id, after, limit)];
    let outcomes = cx.platform.batch(&account.database, read).await?;
    let [relay, page] = outcomes.as_slice() else { return Err(unknown()) };
    if relay.rows::<Value>()?.is_empty() {
        return Err(unknown());
    }
    let letters = shown(page)?;
    let is_full = i64::try_from(letters.len()).is_ok_and(|length| length == limit);
    let next = letters.last().filter(|_| is_full).and_then(|letter| letter.get("id")).map(Value::to_string);
    Ok(Reply::json(StatusCode::OK, &json!({ "dead_letters": letters, "next": next })))
}

/// The body of `POST /v1/webhooks/relays/{id}/dead-letters/replay`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    ids: Option<Vec<i64>>,
}

/// `POST /v1/webhooks/relays/{id}/dead-letters/replay`: those that are named, else the oldest 1,000, are each tried once more,
/// beside the sequence. What is taken is a dead letter no more; what is not stays one, with the new reason.
pub async fn replay<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let Replay { ids } = request.json()?;
    let id = parsed(id)?;
    let most = keyset::LIMIT.1;
    if ids.as_ref().is_some_and(|ids| i64::try_from(ids.len()).is_ok_and(|length| length > most)) {
        return Err(ApiError::invalid_request(format!("one call names at most {most} ids")));
    }
    let statements = vec![
        known(&account.id, &id),
        again(&account.id, &id, ids.as_deref(), most),
        call(&account.id, &id, cx.platform.now()),
    ];
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let [relay, marked, _] = outcomes.as_slice() else { return Err(unknown()) };
    if relay.rows::<Value>()?.is_empty() {
        return Err(unknown());
    }
    cx.hand_over(&account.id, &outcomes).await;
    Ok(Reply::json(StatusCode::ACCEPTED, &json!({ "replayed": marked.changes })))
}

fn page(account: &AccountId, relay: &RelayId, after: i64, limit: i64) -> Statement {
    Statement::new(concat!(
        "SELECT json_object('id', l.seq, 'received_at', ",
        time!("d.received_at"),
        ", 'reason', l.reason, 'dead_at', ",
        time!("l.at"),
        ", 'again', ",
        truth!("l.again"),
        ") AS shown FROM relay_dead_letters l \
           LEFT JOIN webhook_deliveries d ON d.account = l.account AND d.seq = l.seq \
         WHERE l.account = ?1 AND l.relay = ?2 AND l.seq > ?3 ORDER BY l.seq LIMIT ?4"
    ))
    .bind(account)
    .bind(relay)
    .bind(after)
    .bind(limit)
}

/// Marks letters that are to be tried once more.
fn again(account: &AccountId, relay: &RelayId, ids: Option<&[i64]>, limit: i64) -> Statement {
    let which = match ids {
        Some(_) => "SELECT value FROM json_each(?3)",
        None => {
            "SELECT seq FROM relay_dead_letters WHERE account = ?1 AND relay = ?2 AND again = 0 ORDER BY seq LIMIT ?3"
        }
    };
    let statement = Statement::compiled(format!(
        "UPDATE relay_dead_letters SET again = 1 \
         WHERE account = ?1 AND relay = ?2 AND again = 0 AND seq IN ({which})"
    ))
    .bind(account)
    .bind(relay);
    match ids {
        Some(ids) => statement.bind_json(ids),
        None => statement.bind(limit),
    }
}
