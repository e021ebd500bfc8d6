//! What messages cost, and how many LINE lets the account send this month.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    channel,
    config::Account,
    line::messaging,
    platform::{Context, Platform, PlatformError},
    time::MINUTE,
    web::Answer,
};

/// How long LINE's figures are remembered, in milliseconds.
const REMEMBERED: i64 = MINUTE;

/// Yen for one message, if the account says it.
pub(super) fn price(_account: &Account) -> Option<f64> {
    None
}

/// Yen for so many messages, to the hundredth.
pub(super) fn yen(messages: i64, price: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody has so many friends")]
    let messages = messages as f64;
    (messages * price * 100.0).round() / 100.0
}

/// LINE's quota as `limit` (none: there is no limit), `used` and `left`; nothing if LINE does not say: a count is worth
/// something without it.
pub(super) async fn quota<P: Platform>(cx: Context<'_, P>, account: &Account) -> Option<Value> {
    let now = cx.platform.now();
    let channel = &account.messaging.channel_id;
    let (limit, used) = match cx.memory.quota(channel, now) {
        Some(known) => known,
        None => match asked(cx, account).await {
            Ok(known) => {
                cx.memory.remember_quota(channel, known, now + REMEMBERED);
                known
            }
            Err(error) => {
                cx.log_failure("line_quota", &error);
                return None;
            }
        },
    };
    let left = limit.map(|limit: i64| limit.saturating_sub(used).max(0));
    Some(json!({ "limit": limit, "used": used, "left": left }))
}

/// LINE's words: the limit of the month, if there is one, and what of it is used.
async fn asked<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
) -> Result<(Option<i64>, i64), PlatformError> {
    #[derive(Deserialize)]
    struct Quota {
        #[serde(rename = "type")]
        kind: String,
        value: Option<i64>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Consumption {
        total_usage: i64,
    }
    let token = channel::token(cx, account).await?;
    let quota = cx.platform.fetch(messaging::quota(&cx.settings.line, &token)).await?;
    let used = cx.platform.fetch(messaging::consumption(&cx.settings.line, &token)).await?;
    let no_answer = |answer: &Answer| {
        if answer.status == http::StatusCode::UNAUTHORIZED {
            cx.memory.forget_channel_token(&account.messaging.channel_id);
        }
        PlatformError::NoAnswer(format!("LINE's quota: HTTP {}", answer.status.as_u16()))
    };
    let Quota { kind, value } = good(&quota).ok_or_else(|| no_answer(&quota))?;
    let Consumption { total_usage } = good(&used).ok_or_else(|| no_answer(&used))?;
    let limit = if kind == "none" { None } else { Some(value.unwrap_or_default()) };
    Ok((limit, total_usage))
}

fn good<T: serde::de::DeserializeOwned>(answer: &Answer) -> Option<T> {
    if answer.status.is_success() { answer.json() } else { None }
}
