//! `POST /v1/sends`: checked, stored, put on the queue; 202 as soon as it is durable.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{SHOWN_STATE, wanted::Wanted};
use crate::{
    channel,
    config::Account,
    id::SendId,
    message::Messages,
    platform::{Context, Outcome, Platform, PlatformError},
    secret::Digest,
    store::{Job, Statement},
    time::UnixMillis,
    web::{ApiError, IDEMPOTENCY_KEY, Reply, Request},
};

/// The longest Idempotency-Key, in bytes.
const MAX_KEY: usize = 255;

#[derive(Deserialize)]
struct Row {
    id: SendId,
    state: String,
    request_digest: Digest,
}

/// (1) The request is checked, the messages by LINE; (2) the send is stored, or the one of the same Idempotency-Key found;
/// (3) if it is to begin now, that is put on the queue. If (3) fails, cron finds the row.
pub async fn create<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let now = cx.platform.now();
    let key = idempotency_key(request)?;
    let wanted = Wanted::read(account, request, now)?;
    wanted.audience.check(cx, account).await?;
    let messages = channel::check_messages(cx, account, "multicast", &wanted.messages).await?;
    // (2)
    let id = SendId::from_random(cx.platform.random());
    let digest = Digest::of(request.bytes());
    let insert = insert(account, &id, &wanted, &messages, now).bind(key).bind(&digest);
    let by = if key.is_some() { "s.idempotency_key" } else { "s.id" };
    let find = Statement::compiled(format!(
        "SELECT s.id, {SHOWN_STATE}, s.request_digest FROM sends s WHERE s.account = ?1 AND {by} = ?2"
    ))
    .bind(&account.id)
    .bind(key.unwrap_or_else(|| id.as_str()));
    let outcomes = cx.platform.batch(&account.database, vec![insert, find]).await?;
    let row: Option<Row> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
    let row = row.ok_or_else(|| match wanted.audience.segment() {
        Some(_) => ApiError::not_found("the segment"),
        None => PlatformError::Database("the send was not stored".to_owned()).into(),
    })?;
    if row.request_digest != digest {
        let description = "this Idempotency-Key was used for another send; draw a new one for each";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", description));
    }
    // (3)
    if row.id == id && wanted.state == "expanding" {
        enqueue(cx, account, &id).await;
    }
    Ok(Reply::json(StatusCode::ACCEPTED, &json!({ "id": row.id, "state": row.state })))
}

/// The send as a row; its Idempotency-Key and the request's digest are still to be bound.
fn insert(
    account: &Account,
    id: &SendId,
    wanted: &Wanted,
    messages: &Messages,
    now: UnixMillis,
) -> Statement {
    let due_at = match wanted.state {
        "expanding" => Some(now),
        "scheduled" => wanted.scheduled_at,
        _ => None,
    };
    Statement::new(
        "INSERT INTO sends (account, id, name, audience, messages, state, created_at, scheduled_at, due_at, quiet, capped, \
           cap, cap_within, recent_within, budget, with_each, unit, personal, segment, idempotency_key, request_digest) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21 \
         WHERE ?19 IS NULL OR EXISTS (SELECT 1 FROM segments g WHERE g.account = ?1 AND g.id = ?19) \
         ON CONFLICT DO NOTHING",
    )
    .bind(&account.id)
    .bind(id)
    .bind(wanted.name.as_str())
    .bind(wanted.audience.text())
    .bind(messages.json())
    .bind(wanted.state)
    .bind(now)
    .bind(wanted.scheduled_at)
    .bind(due_at)
    .bind(wanted.quiet.as_deref())
    .bind(wanted.capped.as_deref())
    .bind(wanted.cap.map(|cap| cap.messages))
    .bind(wanted.cap.map(|cap| cap.within()))
    .bind(wanted.recent_within)
    .bind(wanted.budget)
    .bind(wanted.with_each.as_str())
    .bind(wanted.unit.as_deref())
    .bind(personal(messages))
    .bind(wanted.audience.segment())
}

/// The attributes that messages speak of, as JSON; none where they are the same for everybody.
pub(super) fn personal(messages: &Messages) -> Option<String> {
    let names: Vec<&str> = messages.placeholders().collect();
    messages.is_personal().then(|| serde_json::to_string(&names).unwrap_or_default())
}

/// Has a send looked at now; if the queue refuses, cron does it within a minute.
pub(super) async fn enqueue<P: Platform>(cx: Context<'_, P>, account: &Account, send: &SendId) {
    let job = Job::Expand { account: account.id.clone(), send: send.clone() };
    if let Err(error) = cx.platform.enqueue(&[job]).await {
        cx.log_failure("send_enqueue", &error);
    }
}

pub(super) fn idempotency_key(request: &Request) -> Result<Option<&str>, ApiError> {
    let Some(sent) = request.headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    match sent.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key)),
        _ => Err(ApiError::invalid_request("Idempotency-Key has 1 to 255 ASCII characters")),
    }
}
