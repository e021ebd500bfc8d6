//! A relay as the API shows it.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    id::{AccountId, RelayId},
    platform::Outcome,
    store::{
        Statement,
        shown::{time, truth},
    },
    time::UnixMillis,
    web::ApiError,
};

/// A relay `r` as the API shows it. Deliveries are counted up to 10,000, so that a look stays cheap however far behind it is.
const SHOWN: &str = concat!(
    "json_object('id', r.id, 'label', r.label, 'url', r.url, 'paused', ",
    truth!("r.paused"),
    ", 'created_at', ",
    time!("r.created_at"),
    ", 'lag', json_object('deliveries', (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries d \
         WHERE d.account = r.account AND d.seq > r.cursor AND d.verdict <> 'duplicate' LIMIT 10000)), \
       'seconds', coalesce((SELECT CAST(max(0, ?2 - d.received_at) / 1000 AS INTEGER) FROM webhook_deliveries d \
         WHERE d.account = r.account AND d.seq > r.cursor AND d.verdict <> 'duplicate' ORDER BY d.seq LIMIT 1), 0)), \
       'attempts', r.attempts, 'failing_since', ",
    time!("r.failing_since"),
    ", 'next_attempt_at', iif(r.attempts > 0 AND r.lease IS NULL, ",
    time!("r.due_at"),
    ", NULL), 'reason', r.reason, 'delivered', r.delivered, 'delivered_at', ",
    time!("r.delivered_at"),
    ", 'lost', r.lost, 'dead_letters', (SELECT count(*) FROM relay_dead_letters l \
       WHERE l.account = r.account AND l.relay = r.id)) AS shown"
);

/// Reads one relay, or all, as `shown`.
pub(super) fn read(account: &AccountId, relay: Option<&RelayId>, now: UnixMillis) -> Statement {
    let which = if relay.is_some() { "r.id = ?3" } else { "r.id > ?3" };
    Statement::compiled(format!(
        "SELECT {SHOWN} FROM relays r WHERE r.account = ?1 AND {which} ORDER BY r.created_at, r.id"
    ))
    .bind(account)
    .bind(now)
    .bind(relay.map_or_else(String::new, |relay| relay.as_str().to_owned()))
}

/// The JSON objects that a statement made, as `shown`.
pub(super) fn shown(outcome: &Outcome) -> Result<Vec<Value>, ApiError> {
    #[derive(Deserialize)]
    struct Row {
        shown: String,
    }
    let rows: Vec<Row> = outcome.rows()?;
    Ok(rows.iter().map(|row| serde_json::from_str(&row.shown).unwrap_or_default()).collect())
}

/// The relay that the last statement read.
pub(super) fn last_of(outcomes: &[Outcome]) -> Result<Value, ApiError> {
    let rows = outcomes.last().map(shown).transpose()?.unwrap_or_default();
    rows.into_iter().next().ok_or_else(unknown)
}

pub(super) fn unknown() -> ApiError {
    ApiError::not_found("the relay")
}

pub(super) fn parsed(id: &str) -> Result<RelayId, ApiError> {
    RelayId::parse(id).map_err(|_| unknown())
}
