//! What messages cost, and how many the account may still send this month.

use serde_json::{Value, json};

use crate::{
    config::Account,
    platform::{Context, Platform},
    quota,
    time::MINUTE,
};

/// How long the month's figures are remembered, in milliseconds.
const REMEMBERED: i64 = MINUTE;

/// Yen for so many messages, to the hundredth, if the account says what one costs.
pub(super) fn yen(account: &Account, messages: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "nobody has so many friends")]
    let messages = messages as f64;
    account.sending.price_per_message.map(|price| (messages * price * 100.0).round() / 100.0)
}

/// LINE's quota as `limit` (none: there is no limit), what of it is `used` and `reserved` by sends, and what is `left`; nothing
/// if LINE does not say: a count is worth something without it.
pub(super) async fn month<P: Platform>(cx: Context<'_, P>, account: &Account) -> Option<Value> {
    let now = cx.platform.now();
    let channel = &account.messaging.channel_id;
    let standing = match cx.memory.quota(channel, now) {
        Some(known) => known,
        None => match quota::standing(cx, account).await {
            Ok(standing) => {
                cx.memory.remember_quota(channel, standing, now + REMEMBERED);
                standing
            }
            Err(error) => {
                cx.log_failure("line_quota", &error);
                return None;
            }
        },
    };
    Some(json!({
        "limit": standing.quota, "used": standing.used, "reserved": standing.reserved, "left": standing.left(),
    }))
}
