//! `POST /v1/sends`: checked, stored, put on the queue; 202 as soon as it is durable.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::SHOWN_STATE;
use crate::{
    channel,
    config::Account,
    id::SendId,
    platform::{Context, Outcome, Platform, PlatformError},
    rule::Rule,
    secret::Digest,
    store::{Job, Statement},
    web::{ApiError, IDEMPOTENCY_KEY, Reply, Request},
};

/// The longest Idempotency-Key, in bytes.
const MAX_KEY: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    rule: Value,
    messages: Value,
}

#[derive(Deserialize)]
struct Row {
    id: SendId,
    state: String,
    request_digest: Digest,
}

/// (1) The rule and the messages are checked, the messages by LINE; (2) the send is stored, or the one of the same
/// Idempotency-Key found; (3) its expansion is put on the queue. If (3) fails, cron finds the row.
pub async fn create<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let key = idempotency_key(request)?;
    let Create { rule, messages } = request.json()?;
    let rule = Rule::parse(rule)?;
    let checked = channel::check_messages(cx, account, "multicast", &messages).await?;
    if checked.is_personal() {
        return Err(ApiError::invalid_request("a send says the same to everybody: leave out {{…}}"));
    }
    // (2)
    let id = SendId::from_random(cx.platform.random());
    let digest = Digest::of(request.bytes());
    let insert = Statement::new(
        "INSERT INTO sends (account, id, idempotency_key, request_digest, rule, messages, state, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'expanding', ?7) ON CONFLICT DO NOTHING",
    )
    .bind(&account.id)
    .bind(&id)
    .bind(key)
    .bind(&digest)
    .bind(serde_json::to_string(&rule).unwrap_or_default())
    .bind(messages.to_string())
    .bind(cx.platform.now());
    let find = match key {
        Some(key) => Statement::compiled(format!(
            "SELECT id, {SHOWN_STATE}, request_digest FROM sends WHERE account = ?1 AND idempotency_key = ?2"
        ))
        .bind(&account.id)
        .bind(key),
        None => Statement::compiled(format!(
            "SELECT id, {SHOWN_STATE}, request_digest FROM sends WHERE account = ?1 AND id = ?2"
        ))
        .bind(&account.id)
        .bind(&id),
    };
    let outcomes = cx.platform.batch(&account.database, vec![insert, find]).await?;
    let row: Option<Row> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
    let row = row.ok_or_else(|| PlatformError::Database("the send was not stored".to_owned()))?;
    if row.request_digest != digest {
        let description = "this Idempotency-Key was used for another send; draw a new one for each";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", description));
    }
    // (3)
    if row.id == id {
        let job = Job::Expand { account: account.id.clone(), send: id };
        if let Err(error) = cx.platform.enqueue(&[job]).await {
            cx.log_failure("send_enqueue", &error);
        }
    }
    Ok(Reply::json(StatusCode::ACCEPTED, &json!({ "id": row.id, "state": row.state })))
}

fn idempotency_key(request: &Request) -> Result<Option<&str>, ApiError> {
    let Some(sent) = request.headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    match sent.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key)),
        _ => Err(ApiError::invalid_request("Idempotency-Key has 1 to 255 ASCII characters")),
    }
}
