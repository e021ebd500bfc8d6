//! `GET /v1/audiences`, `GET /v1/narrowcasts`, and one of each.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::Account,
    id::{AudienceId, NarrowcastId},
    platform::{Context, Platform},
    store::{
        Statement,
        shown::{stored, time, truth},
    },
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form, keyset},
};

/// An audience as it is shown.
const AUDIENCE: &str = concat!(
    "json_object('id', r.id, 'name', r.name, 'state', r.state, 'reason', r.reason, 'rule', ",
    stored!("r.rule"),
    ", 'keep', ",
    truth!("r.keep"),
    ", 'line_audience_group_id', r.group_id, 'uploaded', r.uploaded, 'line_count', r.line_count, 'created_at', ",
    time!("r.created_at"),
    ")"
);

/// A narrowcast as it is shown.
const NARROWCAST: &str = concat!(
    "json_object('id', r.id, 'name', r.name, 'state', r.state, 'reason', r.reason, 'audience', r.audience, 'filter', ",
    stored!("r.filter"),
    ", 'max', coalesce(r.max, r.wanted_max), 'targeted', r.target, 'succeeded', r.success, 'failed', r.failure, \
       'created_at', ",
    time!("r.created_at"),
    ", 'accepted_at', ",
    time!("r.accepted_at"),
    ", 'ended_at', ",
    time!("r.ended_at"),
    ", 'line_request_id', r.request_id)"
);

#[derive(Deserialize)]
struct Row {
    row: String,
    at: UnixMillis,
    id: String,
}

/// `GET /v1/audiences/{id}`.
pub async fn audience<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    id: &str,
) -> Result<Reply, ApiError> {
    let id = AudienceId::parse(id)?;
    one(cx, account, AUDIENCE, "audiences", id.as_str()).await
}

/// `GET /v1/narrowcasts/{id}`.
pub async fn narrowcast<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    id: &str,
) -> Result<Reply, ApiError> {
    let id = NarrowcastId::parse(id)?;
    one(cx, account, NARROWCAST, "narrowcasts", id.as_str()).await
}

async fn one<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    shown: &str,
    table: &str,
    id: &str,
) -> Result<Reply, ApiError> {
    let read = Statement::compiled(format!(
        "SELECT {shown} AS row, r.created_at AS at, r.id FROM {table} r WHERE r.account = ?1 AND r.id = ?2"
    ));
    let row: Option<Row> =
        cx.platform.one(&account.database, read.bind(&account.id).bind(id)).await?.first()?;
    let row = row.ok_or_else(|| ApiError::not_found(table))?;
    Ok(Reply::json(StatusCode::OK, &serde_json::from_str::<Value>(&row.row).unwrap_or_default()))
}

/// `GET /v1/audiences`: the newest first.
pub async fn audiences<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    list(cx, account, request, AUDIENCE, "audiences").await
}

/// `GET /v1/narrowcasts`: the newest first.
pub async fn narrowcasts<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    list(cx, account, request, NARROWCAST, "narrowcasts").await
}

async fn list<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    shown: &str,
    table: &str,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let (at, id) = keyset::at_place(&form)?.unwrap_or((UnixMillis(crate::store::MAX_INTEGER), ""));
    let read = Statement::compiled(format!(
        "SELECT {shown} AS row, r.created_at AS at, r.id FROM {table} r INDEXED BY {table}_by_time \
         WHERE r.account = ?1 AND r.created_at <= ?2 AND (r.created_at < ?2 OR r.id < ?3) \
         ORDER BY r.created_at DESC, r.id DESC LIMIT ?4"
    ));
    let read = read.bind(&account.id).bind(at).bind(id).bind(limit);
    let rows: Vec<Row> = cx.platform.rows(&account.database, read).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|length| length == limit);
    let next = rows.last().filter(|_| is_full).map(|row| keyset::place(row.at, &row.id));
    let shown: Vec<Value> = rows.iter().filter_map(|row| serde_json::from_str(&row.row).ok()).collect();
    Ok(Reply::json(StatusCode::OK, &json!({ table: shown, "next": next })))
}
