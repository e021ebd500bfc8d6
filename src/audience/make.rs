//! `POST /v1/audiences`, `DELETE /v1/audiences/{id}`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    audience_job, enqueue,
    whom::{self, checked_name},
};
use crate::{
    config::Account,
    id::{AudienceId, NarrowcastId},
    platform::{Context, Platform},
    store::{
        Statement,
        audience::{ENDS, STANDS},
    },
    time::UnixMillis,
    web::{ApiError, Fields, Reply, Request},
};

/// Uploads whoever belongs to a rule or segment as an audience; 202 as soon as that is durable.
pub async fn make<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let mut fields = Fields::of(request)?;
    let name = checked_name(fields.need("name")?)?;
    let (rule, segment) = (fields.take("rule")?, fields.take("segment")?);
    let keep = fields.take("keep")?.unwrap_or(true);
    fields.end()?;
    let rule = whom::rule(cx, account, rule, segment).await?;
    let rule = rule.ok_or_else(|| ApiError::invalid_request("an audience has one of rule and segment"))?;
    let id = AudienceId::from_random(cx.platform.random());
    cx.platform.one(&account.database, insert(account, &id, &name, &rule, keep, cx.platform.now())).await?;
    enqueue(cx, audience_job(account, &id)).await;
    Ok(Reply::json(StatusCode::ACCEPTED, &json!({ "id": id, "state": "uploading" })))
}

/// The row of a new audience.
pub(super) fn insert(
    account: &Account,
    id: &AudienceId,
    name: &str,
    rule: &Value,
    keep: bool,
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "INSERT INTO audiences (account, id, name, rule, state, keep, created_at, due_at) \
         VALUES (?1, ?2, ?3, ?4, 'uploading', ?5, ?6, ?6)",
    )
    .bind(&account.id)
    .bind(id)
    .bind(name)
    .bind(rule.to_string())
    .bind(keep)
    .bind(now)
}

/// The row of an audience for one narrowcast alone, if that was stored in the same batch.
pub(super) fn insert_for(
    account: &Account,
    id: &AudienceId,
    name: &str,
    rule: &Value,
    narrowcast: &NarrowcastId,
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "INSERT INTO audiences (account, id, name, rule, state, keep, created_at, due_at) \
         SELECT ?1, ?2, ?3, ?4, 'uploading', 0, ?5, ?5 \
         WHERE EXISTS (SELECT 1 FROM narrowcasts WHERE account = ?1 AND id = ?6)",
    )
    .bind(&account.id)
    .bind(id)
    .bind(name)
    .bind(rule.to_string())
    .bind(now)
    .bind(narrowcast)
}

/// Has an audience deleted at LINE; a narrowcast that waits for it fails.
pub async fn delete<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let id = AudienceId::parse(id)?;
    let delete = Statement::compiled(format!(
        "UPDATE audiences SET {ENDS} WHERE account = ?1 AND id = ?3 AND {STANDS}"
    ))
    .bind(&account.id)
    .bind(cx.platform.now())
    .bind(&id);
    let known = Statement::new("SELECT state FROM audiences WHERE account = ?1 AND id = ?2");
    let known = known.bind(&account.id).bind(&id);
    let outcomes = cx.platform.batch(&account.database, vec![delete, known]).await?;
    let [deleted, known] = outcomes.as_slice() else { return Err(ApiError::not_found("the audience")) };
    if known.rows::<Value>()?.is_empty() {
        return Err(ApiError::not_found("the audience"));
    }
    if deleted.changes > 0 {
        enqueue(cx, audience_job(account, &id)).await;
    }
    Ok(Reply::new(StatusCode::NO_CONTENT))
}
