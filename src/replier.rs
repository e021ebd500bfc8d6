//! `/v1/webhooks/repliers`: who answers LINE's events, by type; and what we answer.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    channel,
    config::{Account, Draft, REPLYABLE, Replier, Reply},
    platform::{Context, Platform},
    store::{audit::Change, relay},
    web::{ApiError, Reply as Answer, Request},
};

/// The types that we answer.
const OURS: [&str; 1] = ["follow"];

/// The largest body of a rule, in bytes: it travels with the account's configuration.
const MAX_RULE: usize = 20_000;

/// `GET /v1/webhooks/repliers`: every type that can be answered, with who does; null: nobody.
pub fn list(account: &Account) -> Answer {
    let all: serde_json::Map<String, Value> =
        REPLYABLE.iter().map(|event| ((*event).to_owned(), json!(account.repliers.get(*event)))).collect();
    Answer::json(StatusCode::OK, &json!({ "repliers": all }))
}

/// `PUT /v1/webhooks/repliers/{event_type}`: `{"replier": "enishi", "messages": […], "when_unblocked", "push_when_late"}` or
/// `{"replier": "relay", "relay": "…"}`. Whoever answered before answers no more.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    event: &str,
) -> Result<Answer, ApiError> {
    let event = known(event)?;
    if request.bytes().len() > MAX_RULE {
        return Err(ApiError::invalid_request("a rule has at most 20,000 bytes"));
    }
    let replier: Replier = request.json()?;
    match &replier {
        Replier::Enishi(_) if !OURS.contains(&event) => {
            return Err(ApiError::invalid_request(
                "replier enishi answers follow alone; of other types a relay may be the replier",
            ));
        }
        Replier::Enishi(Reply { messages, .. }) => {
            channel::check_messages(cx, account, "reply", messages).await?;
        }
        Replier::Relay { relay } => {
            let known = cx.platform.one(&account.database, relay::known(&account.id, relay)).await?;
            if known.rows::<Value>()?.is_empty() {
                return Err(ApiError::invalid_request("relay is the id of a relay of this account"));
            }
        }
    }
    let mut draft = Draft::of_id(cx, &account.id).await?;
    let detail = json!({ "event": event, "replier": replier });
    draft.stored.repliers.insert(event.to_owned(), replier.clone());
    draft.write(cx, Change { actor: "api_key", action: "replier.put", detail }).await?;
    Ok(Answer::json(StatusCode::OK, &json!(replier)))
}

/// `DELETE /v1/webhooks/repliers/{event_type}`: nobody answers.
pub async fn delete<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    event: &str,
) -> Result<Answer, ApiError> {
    let event = known(event)?;
    let mut draft = Draft::of_id(cx, &account.id).await?;
    if draft.stored.repliers.remove(event).is_none() {
        return Err(ApiError::not_found("a replier for this type"));
    }
    let change = Change { actor: "api_key", action: "replier.delete", detail: json!({ "event": event }) };
    draft.write(cx, change).await?;
    Ok(Answer::new(StatusCode::NO_CONTENT))
}

fn known(event: &str) -> Result<&'static str, ApiError> {
    REPLYABLE.into_iter().find(|known| *known == event).ok_or_else(|| {
        ApiError::invalid_request(format!("the types that can be answered are {}", REPLYABLE.join(", ")))
    })
}
