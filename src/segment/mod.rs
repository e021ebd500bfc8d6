//! `/v1/segments`: rules under a name; and for any rule, kept or not, how many it reaches, whom, and what that would cost.
//! The same compiler serves sends.

mod cost;
mod count;
mod who;

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::{count::count, who::members};
use crate::{
    config::Account,
    id::SegmentId,
    platform::{Context, Platform, PlatformError},
    selection,
    store::segment::{self, Row},
    web::{ApiError, Reply, Request, form::Form, keyset::LIMIT, object},
};

/// The longest name, in characters.
const MAX_NAME: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    name: String,
    rule: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    name: Option<String>,
    rule: Option<Value>,
}

/// A rule, or the id of a segment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meant {
    rule: Option<Value>,
    segment: Option<String>,
}

/// `POST /v1/segments`: 201 with the segment.
pub async fn post<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let Post { name, rule } = request.json()?;
    check_name(&name)?;
    let rule = selection::checked(cx, account, rule).await?;
    let (id, now) = (SegmentId::from_random(cx.platform.random()), cx.platform.now());
    let row = Row { id, name, rule: Value::from(rule).to_string(), created_at: now, updated_at: now };
    if cx.platform.one(&account.database, segment::insert(&account.id, &row)).await?.changes == 0 {
        return Err(taken());
    }
    let location = format!("/v1/segments/{}", row.id);
    Ok(Reply::json(StatusCode::CREATED, &shown(&row)?).with(header::LOCATION, location))
}

/// `GET /v1/segments`: by name; `next` is the `after` of the following page.
pub async fn list<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let limit = form.limit(LIMIT.0, LIMIT.1)?;
    let page = segment::page(&account.id, form.value("after").unwrap_or_default(), limit + 1);
    let mut rows: Vec<Row> = cx.platform.rows(&account.database, page).await?;
    let has_more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > limit;
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    let next = rows.last().filter(|_| has_more).map(|row| row.name.clone());
    let segments = rows.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
    Ok(Reply::json(StatusCode::OK, &object([("segments", segments.into()), ("next", next.into())])))
}

/// `GET /v1/segments/{id}`.
pub async fn show<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    Ok(Reply::json(StatusCode::OK, &shown(&selection::find(cx, account, id).await?)?))
}

/// `PATCH /v1/segments/{id}`: another name, another rule, or both.
pub async fn patch<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let Patch { name, rule } = request.json()?;
    let row = selection::find(cx, account, id).await?;
    name.as_deref().map(check_name).transpose()?;
    let rule = match rule {
        Some(rule) => Some(Value::from(selection::checked(cx, account, rule).await?).to_string()),
        None => None,
    };
    let now = cx.platform.now();
    let update = segment::update(&account.id, &row.id, name.as_deref(), rule.as_deref(), now);
    let changed: Option<Row> = cx.platform.one(&account.database, update).await?.first()?;
    let Some(row) = changed else {
        // Ended since it was found, or the name is another's.
        selection::find(cx, account, id).await?;
        return Err(taken());
    };
    Ok(Reply::json(StatusCode::OK, &shown(&row)?))
}

/// `DELETE /v1/segments/{id}`. Sends that were made of it keep what they were told to do.
pub async fn delete<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let row = selection::find(cx, account, id).await?;
    cx.platform.one(&account.database, segment::delete(&account.id, &row.id)).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let is_name = (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if is_name {
        return Ok(());
    }
    Err(ApiError::invalid_request("name has 1 to 100 characters, none of them a control character"))
}

fn taken() -> ApiError {
    ApiError::conflict("name_taken", "another segment of this account has this name; choose another")
}

fn shown(row: &Row) -> Result<Value, PlatformError> {
    let rule: Value = serde_json::from_str(&row.rule).map_err(|e| PlatformError::Stored(e.to_string()))?;
    Ok(json!({
        "id": row.id, "name": row.name, "rule": rule,
        "created_at": row.created_at.rfc3339(), "updated_at": row.updated_at.rfc3339(),
    }))
}
