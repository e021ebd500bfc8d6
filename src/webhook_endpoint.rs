//! `/v1/webhook-endpoint`: where the shop takes our events, and the secret that signs them (Standard Webhooks).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::{Account, Draft, StoredWebhookEndpoint, WebhookEndpoint, is_acceptable_target},
    platform::{Context, Platform},
    secret::{Purpose, SecretText},
    store::audit::Change,
    web::{ApiError, Reply, Request},
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
