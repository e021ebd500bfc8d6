//! `/v1/send-settings`: quiet hours, how often one recipient is written to, and what it may cost.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    config::{Account, Draft, Sending},
    platform::{Context, Platform},
    store::audit::Change,
    web::{ApiError, Reply, Request},
};

/// `GET /v1/send-settings`: null is what is not set.
pub fn show(account: &Account) -> Reply {
    Reply::json(StatusCode::OK, &shown(&account.sending))
}

/// `PUT /v1/send-settings`: all of them; what is left out is not set. They count for sends that begin from then on.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // An object: serde would read an array as one, too.
    let body: Map<String, Value> = request.json()?;
    let sending: Sending = serde_json::from_value(Value::Object(body))
        .map_err(|error| ApiError::invalid_request(error.to_string()))?;
    sending.check().map_err(ApiError::invalid_request)?;
    let mut draft = Draft::of_id(cx, &account.id).await?;
    let answer = shown(&sending);
    draft.stored.sending = sending;
    draft.write(cx, Change { actor: "api_key", action: "send_settings.put", detail: answer.clone() }).await?;
    Ok(Reply::json(StatusCode::OK, &answer))
}

fn shown(sending: &Sending) -> Value {
    json!({
        "quiet_hours": sending.quiet_hours,
        "frequency_cap": sending.frequency_cap,
        "price_per_message": sending.price_per_message,
        "monthly_budget": sending.monthly_budget,
    })
}
