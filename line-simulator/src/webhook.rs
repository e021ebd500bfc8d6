//! Webhooks on their way to a channel's endpoint: signed, and redelivered, doubled or shuffled on demand.
//!
//! In: events. Out: deliveries for the host or the server to carry, and what became of the last of them. Not here:
//! which events there are (`event.rs`), and the network.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::config::MessagingChannel;
use crate::id::ChannelId;
use crate::random::Random;

/// LINE waits so long for the answer to a webhook.
pub const WEBHOOK_TIMEOUT_MS: u64 = 2_000;

/// A delivery that fails is repeated so many times; LINE's own count is undisclosed.
const REDELIVERIES: u32 = 5;
/// The first repeat comes so much later, the next after twice that, and so on; LINE's own interval is undisclosed.
const REDELIVERY_AFTER_MS: i64 = 10_000;
/// How many results `GET /sim/webhooks` shows.
const RESULTS_KEPT: usize = 200;

/// `x-line-signature`: Base64 of the HMAC-SHA256 of the raw body under the channel secret's bytes.
#[must_use]
pub fn sign(channel_secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of every length, so the error cannot happen.
    Hmac::<Sha256>::new_from_slice(channel_secret.as_bytes())
        .map(|mac| STANDARD.encode(mac.chain_update(body).finalize().into_bytes()))
        .unwrap_or_default()
}

/// How webhooks are to be carried, on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookBehaviour {
    /// Deliveries that fail are repeated; off at LINE until a person switches it on.
    pub redelivery: bool,
    /// Every delivery comes twice.
    pub duplicate: bool,
    /// Deliveries come in a random order.
    pub shuffle: bool,
}

/// One webhook request, to be sent as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookDelivery {
    /// The delivery's number.
    pub number: u64,
    /// The channel whose events these are.
    pub channel_id: ChannelId,
    /// The endpoint at the time of the event.
    pub url: String,
    /// `content-type`, `user-agent` and `x-line-signature`.
    pub headers: HeaderMap,
    /// The body; its bytes are what was signed.
    pub body: Vec<u8>,
    /// 0 for the first attempt.
    pub redelivery: u32,
    /// Not to be sent before this time, Unix milliseconds.
    pub due: i64,
    events: Vec<Value>,
}

impl WebhookDelivery {
    /// The `webhookEventId` of each event within.
    pub fn event_ids(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| event.get("webhookEventId")).filter_map(Value::as_str)
    }

    pub(crate) fn reply_tokens(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| event.get("replyToken")).filter_map(Value::as_str)
    }
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookResult {
    /// The delivery's number.
    pub number: u64,
    /// When the answer came or was given up, Unix milliseconds.
    pub at: i64,
    /// The channel.
    pub channel_id: ChannelId,
    /// The endpoint; empty if the channel has none, or does not use it.
    pub url: String,
    /// The status answered; none after a time-out or without a connection.
    pub status: Option<u16>,
    /// 0 for the first attempt.
    pub redelivery: u32,
    /// The body that was sent, as text.
    pub body: String,
}

/// Deliveries to come and results so far.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    pub(crate) behaviour: WebhookBehaviour,
    outbox: Vec<WebhookDelivery>,
    results: VecDeque<WebhookResult>,
    number: u64,
}

impl Webhooks {
    pub(crate) fn clear(&mut self) {
        *self = Self { number: self.number, ..Self::default() };
    }

    pub(crate) fn results(&self) -> impl Iterator<Item = &WebhookResult> {
        self.results.iter()
    }

    /// Whether something waits in the outbox.
    pub(crate) fn waiting(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// A signed delivery of these events to an endpoint of the channel.
    pub(crate) fn compose(
        &mut self,
        channel: &MessagingChannel,
        url: &str,
        events: Vec<Value>,
        now: i64,
    ) -> WebhookDelivery {
        self.number += 1;
        let body = json!({ "destination": channel.bot_user_id, "events": events }).to_string().into_bytes();
        WebhookDelivery {
            number: self.number,
            channel_id: channel.channel_id.clone(),
            url: url.to_owned(),
            headers: headers(&sign(&channel.channel_secret, &body)),
            body,
            redelivery: 0,
            due: now,
            events,
        }
    }

    /// Queues events for the channel's endpoint; without one, or while the webhook is not in use, they are lost, and the
    /// results say so.
    pub(crate) fn queue(&mut self, channel: &MessagingChannel, events: Vec<Value>, now: i64) {
        let url = channel.webhook_endpoint.clone().filter(|_| channel.webhook_active).unwrap_or_default();
        let delivery = self.compose(channel, &url, events, now);
        if url.is_empty() {
            self.keep_result(&delivery, None, now);
            return;
        }
        if self.behaviour.duplicate {
            self.outbox.push(delivery.clone());
        }
        self.outbox.push(delivery);
    }

    /// Queues a delivery as it stands.
    pub(crate) fn push(&mut self, delivery: WebhookDelivery) {
        self.outbox.push(delivery);
    }

    pub(crate) fn take(&mut self, random: &mut Random) -> Vec<WebhookDelivery> {
        let mut taken = std::mem::take(&mut self.outbox);
        if self.behaviour.shuffle {
            for last in (1..taken.len()).rev() {
                taken.swap(last, random.below(last + 1));
            }
        }
        taken
    }

    /// Notes the answer; a failed delivery is queued again if redelivery is on; then says when it is due.
    pub(crate) fn answered(
        &mut self,
        channel: Option<&MessagingChannel>,
        delivery: WebhookDelivery,
        status: Option<u16>,
        now: i64,
    ) -> Option<i64> {
        self.keep_result(&delivery, status, now);
        let failed = !status.is_some_and(|status| (200..300).contains(&status));
        let again = failed && self.behaviour.redelivery && delivery.redelivery < REDELIVERIES;
        channel.filter(|_| again).map(|channel| self.redeliver(channel, delivery, now))
    }

    fn redeliver(&mut self, channel: &MessagingChannel, delivery: WebhookDelivery, now: i64) -> i64 {
        let url = channel.webhook_endpoint.clone().unwrap_or(delivery.url);
        let events = delivery.events.into_iter().map(marked_as_redelivery).collect();
        let due = now + (REDELIVERY_AFTER_MS << delivery.redelivery);
        let again = self.compose(channel, &url, events, due);
        self.outbox.push(WebhookDelivery { redelivery: delivery.redelivery + 1, ..again });
        due
    }

    fn keep_result(&mut self, delivery: &WebhookDelivery, status: Option<u16>, now: i64) {
        if self.results.len() >= RESULTS_KEPT {
            self.results.pop_front();
        }
        self.results.push_back(WebhookResult {
            number: delivery.number,
            at: now,
            channel_id: delivery.channel_id.clone(),
            url: delivery.url.clone(),
            status,
            redelivery: delivery.redelivery,
            body: String::from_utf8_lossy(&delivery.body).into_owned(),
        });
    }
}

fn marked_as_redelivery(mut event: Value) -> Value {
    if let Some(mark) = event.pointer_mut("/deliveryContext/isRedelivery") {
        *mark = Value::Bool(true);
    }
    event
}

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert("user-agent", HeaderValue::from_static("LineBotWebhook/2.0"));
    if let Ok(signature) = HeaderValue::from_str(signature) {
        headers.insert("x-line-signature", signature);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_equal_the_published_ones() {
        let verify = r#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}"#;
        let vectors = [
            ("8c570fa6dd201bb328f1c1eac23a96d8", verify, "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs="),
            ("test_secret", r#"{"hello":"world"}"#, "t7Hn4ZDHqs6e+wdvI5TyQIvzie0DmMUmuXEBqyyE/tM="),
            ("channel_secret", "bodybodybodybody", "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="),
            ("test_channel_secret", "i am not jason", "Z8YlPpm0lQOqPipiCHVbiuwIDIzRzD7w5hvHgmwEuEs="),
            ("5f2d1c3b4a69788796a5b4c3d2e1f00f", "", "uToumYkK3BO9XIVgz1I/D/zF9EV0OXLXd/xmn0ZfXTU="),
        ];
        for (secret, body, signature) in vectors {
            assert_eq!(sign(secret, body.as_bytes()), signature);
        }
    }

    #[test]
    fn raw_japanese_is_signed_as_its_bytes_and_escapes_make_another_signature() {
        let secret = "5f2d1c3b4a69788796a5b4c3d2e1f00f";
        let body = r#"{"destination":"U0123456789abcdef0123456789abcdef","events":[{"type":"message","message":{"type":"text","id":"2","quoteToken":"q","text":"こんにちは😀"},"timestamp":1767225600002,"source":{"type":"user","userId":"Uabcdefabcdefabcdefabcdefabcdefab"},"replyToken":"r","mode":"active","webhookEventId":"01KDVDNA02ABCDEFGHJKMNPQRS","deliveryContext":{"isRedelivery":false}}]}"#;
        assert_eq!(sign(secret, body.as_bytes()), "Hu0rMW9XLM6EqYRCGgiTqdEJebAtO3TkhLOU4dnBnEo=");
        let escaped = body.replace("こんにちは😀", r"\u3053\u3093\u306b\u3061\u306f\ud83d\ude00");
        assert_eq!(sign(secret, escaped.as_bytes()), "RikHcS7HQWGSpU7D+SLfP5fe6/Q1UWARksvUhzBWamU=");
    }
}
