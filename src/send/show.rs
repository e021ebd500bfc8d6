//! `GET /v1/sends/{id}`: where a send stands, summed over its chunks.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::SHOWN_STATE;
use crate::{
    config::Account,
    id::SendId,
    platform::{Context, Platform},
    store::Statement,
    web::{ApiError, Reply},
};

/// Every recipient that was targeted is in exactly one of `accepted`, `excluded`, `failed`, `unresolved`, or waits.
#[derive(Serialize, Deserialize)]
struct Shown {
    id: SendId,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    targeted: i64,
    accepted: i64,
    excluded: i64,
    failed: i64,
    unresolved: i64,
}

/// Answers with the counts; "accepted" is accepted by LINE, which is all that anyone can know.
pub async fn show<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let id = SendId::parse(id)?;
    let statement = Statement::compiled(format!(
        "SELECT s.id, s.state, s.reason, \
           coalesce(sum(c.targeted), 0) AS targeted, \
           coalesce(sum(CASE WHEN c.state = 'accepted' THEN c.recipients END), 0) AS accepted, \
           coalesce(sum(c.excluded), 0) AS excluded, \
           coalesce(sum(c.refused + CASE WHEN c.state = 'failed' THEN c.recipients ELSE 0 END), 0) AS failed, \
           coalesce(sum(CASE WHEN c.state = 'unresolved' THEN c.recipients END), 0) AS unresolved \
         FROM (SELECT account, id, {SHOWN_STATE}, paused AS reason FROM sends WHERE account = ?1 AND id = ?2) s \
         LEFT JOIN chunks c ON c.account = s.account AND c.send = s.id GROUP BY s.id"
    ))
    .bind(&account.id)
    .bind(&id);
    let shown: Option<Shown> = cx.platform.one(&account.database, statement).await?.first()?;
    Ok(Reply::json(StatusCode::OK, &shown.ok_or_else(|| ApiError::not_found("the send"))?))
}
