//! `/v1/event-types`: which types of events there are, how many of each, and how long they are kept.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::Account,
    event::{BUILT_IN, check_type},
    platform::{Context, Outcome, Platform},
    store::{Statement, event::RETENTION_DAYS},
    web::{ApiError, Reply, Request, form::Form, object},
};

/// The longest that events are kept, in days.
const MAX_DAYS: i64 = 3_650;

/// Types of a page, unless the caller says otherwise, and at most.
const LIMIT: (i64, i64) = (100, 1_000);

/// Types of the shop's own that an account may set.
const MAX_TYPES: i64 = 1_000;

/// A type as it is stored.
#[derive(Deserialize)]
struct Row {
    name: String,
    retention_days: Option<i64>,
    events: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    retention_days: i64,
}

/// `PUT /v1/event-types/{type}`: how long events of a type are kept. What is older by it is deleted soon after.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    name: &str,
) -> Result<Reply, ApiError> {
    let name = checked(name)?;
    let Put { retention_days } = request.json()?;
    if !(1..=MAX_DAYS).contains(&retention_days) {
        let description = format!("retention_days: must be a whole number from 1 to {MAX_DAYS}");
        return Err(ApiError::invalid_request(description));
    }
    let put = Statement::new(
        "INSERT INTO event_types (account, type, retention_days, updated_at) \
         SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM event_types WHERE account = ?1 AND type > '') < ?5 \
           OR EXISTS (SELECT 1 FROM event_types WHERE account = ?1 AND type = ?2) \
         ON CONFLICT (account, type) DO UPDATE SET retention_days = excluded.retention_days, updated_at = excluded.updated_at",
    )
    .bind(&account.id)
    .bind(name)
    .bind(retention_days)
    .bind(cx.platform.now())
    .bind(MAX_TYPES);
    let outcomes = cx.platform.batch(&account.database, vec![put, select(account, name)]).await?;
    let [put, read] = outcomes.as_slice() else { return Err(ApiError::not_found("the type")) };
    if put.changes == 0 {
        let description = format!("an account sets the retention of at most {MAX_TYPES} types");
        return Err(ApiError::conflict("too_many_types", description));
    }
    Ok(Reply::json(StatusCode::OK, &one(read)?))
}

/// `GET /v1/event-types/{type}`.
pub async fn show<P: Platform>(cx: Context<'_, P>, account: &Account, name: &str) -> Result<Reply, ApiError> {
    let name = checked(name)?;
    let read = cx.platform.one(&account.database, select(account, name)).await?;
    Ok(Reply::json(StatusCode::OK, &one(&read)?))
}

/// `GET /v1/event-types?after=&limit=`: those that are built in, those of which there are events, and those that were set; by name.
pub async fn list<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let limit = form.limit(LIMIT.0, LIMIT.1)?;
    let after = form.value("after").unwrap_or_default();
    let built_in: Vec<&str> = BUILT_IN.iter().map(|one| one.name).collect();
    // Days are as many as types times retention: names are leapt over by the index, one seek a type.
    let read = Statement::new(
        "WITH RECURSIVE counted (type) AS ( \
           SELECT (SELECT d.type FROM event_days d WHERE d.account = ?1 AND d.type > ?2 ORDER BY d.type LIMIT 1) \
           UNION ALL SELECT (SELECT d.type FROM event_days d WHERE d.account = ?1 AND d.type > c.type ORDER BY d.type LIMIT 1) \
             FROM counted c WHERE c.type IS NOT NULL LIMIT 1001), \
         names (type) AS (SELECT type FROM counted WHERE type IS NOT NULL \
           UNION SELECT t.type FROM event_types t WHERE t.account = ?1 AND t.type > ?2 \
           UNION SELECT value FROM json_each(?4) WHERE value > ?2) \
         SELECT n.type AS name, t.retention_days, \
           (SELECT sum(d.events) FROM event_days d WHERE d.account = ?1 AND d.type = n.type) AS events \
         FROM names n LEFT JOIN event_types t ON t.account = ?1 AND t.type = n.type ORDER BY n.type LIMIT ?3",
    )
    .bind(&account.id)
    .bind(after)
    .bind(limit)
    .bind_json(&built_in);
    let rows: Vec<Row> = cx.platform.rows(&account.database, read).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|length| length == limit);
    let next = rows.last().filter(|_| is_full).map(|row| row.name.as_str());
    let types: Vec<Value> = rows.iter().map(shown).collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "event_types": types, "next": next })))
}

/// A type that may be asked for.
fn checked(name: &str) -> Result<&str, ApiError> {
    check_type(name).map_err(|says| ApiError::invalid_request(format!("type: {says}")))?;
    Ok(name)
}

/// Reads one type; one that nobody has named has no events, and the usual retention.
fn select(account: &Account, name: &str) -> Statement {
    Statement::new(
        "SELECT ?2 AS name, (SELECT t.retention_days FROM event_types t WHERE t.account = ?1 AND t.type = ?2) AS retention_days, \
           (SELECT sum(d.events) FROM event_days d WHERE d.account = ?1 AND d.type = ?2) AS events",
    )
    .bind(&account.id)
    .bind(name)
}

fn one(outcome: &Outcome) -> Result<Value, ApiError> {
    Ok(outcome.first::<Row>()?.as_ref().map_or(Value::Null, shown))
}

fn shown(row: &Row) -> Value {
    let built_in = BUILT_IN.iter().find(|one| one.name == row.name);
    object([
        ("type", row.name.as_str().into()),
        ("built_in", built_in.is_some().into()),
        ("about", built_in.map(|one| one.about).into()),
        ("retention_days", row.retention_days.unwrap_or(RETENTION_DAYS).into()),
        ("events", row.events.unwrap_or_default().into()),
    ])
}
