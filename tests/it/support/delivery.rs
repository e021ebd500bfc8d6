//! Deliveries as LINE makes them.

use enishi_world::ACCOUNT;
use serde_json::{Value, json};

/// A delivery with these events for the first account's bot.
pub(crate) fn delivery(events: &Value) -> String {
    json!({ "destination": ACCOUNT.bot_user_id, "events": events }).to_string()
}

/// An event of one user.
pub(crate) fn event(kind: &str, user: &str, id: &str, at: i64) -> Value {
    json!({
        "type": kind, "mode": "active", "timestamp": at, "webhookEventId": id,
        "source": { "type": "user", "userId": user }, "deliveryContext": { "isRedelivery": false },
    })
}

/// A text message of one user, as the event `EVENT{id}`.
pub(crate) fn message(user: &str, id: &str, text: &str, at: i64) -> Value {
    let mut event = event("message", user, &format!("EVENT{id}"), at);
    event["message"] = json!({ "type": "text", "id": id, "quoteToken": "q", "text": text });
    event
}
