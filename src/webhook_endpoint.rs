//! `/v1/webhook-endpoint`: where the shop takes our events, and the secret that signs them (Standard Webhooks).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::{Account, Draft, StoredWebhookEndpoint, WebhookEndpoint, is_acceptable_target},
    platform::{Context, Outcome, Platform},
    secret::{Purpose, SecretText},
    store::{audit::Change, outbox},
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form, keyset},
};

/// The body of `PUT /v1/webhook-endpoint`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    url: String,
    #[serde(default)]
    new_secret: bool,
}

/// `GET /v1/webhook-endpoint`.
pub fn show(account: &Account) -> Result<Reply, ApiError> {
    let endpoint =
        account.webhook_endpoint.as_ref().ok_or_else(|| ApiError::not_found("a webhook endpoint"))?;
    Ok(Reply::json(StatusCode::OK, &json!({ "url": endpoint.url })))
}

/// `PUT /v1/webhook-endpoint`: a new endpoint, or one that asks for it, gets a new secret, which is shown this once.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let Put { url, new_secret } = request.json()?;
    if !is_acceptable_target(&url, &account.host) {
        return Err(ApiError::invalid_request(
            "url must be an https URL with a host name, without a fragment",
        ));
    }
    let mut draft = Draft::of_id(cx, &account.id).await?;
    let known = draft.stored.webhook_endpoint.take().filter(|_| !new_secret);
    let (sealed_secret, shown) = if let Some(known) = known {
        (known.sealed_secret, None)
    } else {
        let key = STANDARD.encode(cx.platform.random());
        let secret = SecretText::new(format!("{}{key}", WebhookEndpoint::SECRET_PREFIX));
        let sealed =
            cx.settings.keys.seal_text(Purpose::Configuration, secret.expose(), cx.platform.random());
        (sealed, Some(secret))
    };
    let detail = json!({ "url": url, "new_secret": shown.is_some() });
    draft.stored.webhook_endpoint = Some(StoredWebhookEndpoint { url: url.clone(), sealed_secret });
    draft.write(cx, Change { actor: "api_key", action: "webhook_endpoint.put", detail }).await?;
    let mut answer = json!({ "url": url });
    if let (Some(secret), Some(fields)) = (shown, answer.as_object_mut()) {
        fields.insert("secret".to_owned(), json!(secret));
    }
    Ok(Reply::json(StatusCode::OK, &answer))
}

/// `DELETE /v1/webhook-endpoint`: what waits to be told is dropped when its turn comes.
pub async fn delete<P: Platform>(cx: Context<'_, P>, account: &Account) -> Result<Reply, ApiError> {
    let mut draft = Draft::of_id(cx, &account.id).await?;
    if draft.stored.webhook_endpoint.take().is_none() {
        return Err(ApiError::not_found("a webhook endpoint"));
    }
    let change = Change { actor: "api_key", action: "webhook_endpoint.delete", detail: json!({}) };
    draft.write(cx, change).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct DeadLetter {
    id: String,
    body: String,
    attempts: u32,
    reason: Option<String>,
    created_at: UnixMillis,
    dead_at: UnixMillis,
}

/// `GET /v1/webhook-endpoint/dead-letters`: events that the endpoint did not take in three days, the oldest first, with what the
/// last attempt came to.
pub async fn dead_letters<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let read = outbox::dead(&account.id, keyset::at_place(&form)?, limit);
    let rows: Vec<DeadLetter> = cx.platform.rows(&account.database, read).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|length| length == limit);
    let next = rows.last().filter(|_| is_full).map(|row| keyset::place(row.dead_at, &row.id));
    let letters: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "event": serde_json::from_str::<Value>(&row.body).unwrap_or_default(),
                "attempts": row.attempts, "reason": row.reason, "created_at": row.created_at.rfc3339(),
                "dead_at": row.dead_at.rfc3339(),
            })
        })
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "dead_letters": letters, "next": next })))
}

/// The body of `POST /v1/webhook-endpoint/replay`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    ids: Option<Vec<String>>,
}

/// `POST /v1/webhook-endpoint/replay`: dead events are told again, under their ids of before: those that are named, else the
/// oldest 1,000. Answers how many, so that a caller with more repeats until it is none.
pub async fn replay<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let Replay { ids } = request.json()?;
    if account.webhook_endpoint.is_none() {
        return Err(ApiError::conflict("no_webhook_endpoint", "set one with PUT /v1/webhook-endpoint first"));
    }
    let most = keyset::LIMIT.1;
    if ids.as_ref().is_some_and(|ids| i64::try_from(ids.len()).is_ok_and(|length| length > most)) {
        return Err(ApiError::invalid_request(format!("one call names at most {most} ids")));
    }
    let replay = outbox::replay(&account.id, ids.as_deref(), most, cx.platform.now());
    let outcomes = cx.platform.batch(&account.database, vec![replay]).await?;
    cx.hand_over(&account.id, &outcomes).await;
    let replayed = outcomes.first().map(Outcome::rows::<Value>).transpose()?.map_or(0, |rows| rows.len());
    Ok(Reply::json(StatusCode::ACCEPTED, &json!({ "replayed": replayed })))
}
