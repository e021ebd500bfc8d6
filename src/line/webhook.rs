//! LINE's webhooks (Messaging API reference, "Webhook event objects"), read leniently: unknown types and fields are
//! kept out of the way, one unreadable event does not spoil its neighbours.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    id::{BotUserId, LineUserId},
    secret::{SecretText, hmac_sha256_base64_matches},
    time::UnixMillis,
};

/// The longest `webhookEventId` that is kept, in bytes: a ULID has 26.
const MAX_EVENT_ID: usize = 64;

/// The last `timestamp` that is one: 9999-12-31T23:59:59.999Z. What claims to be later would stay the newest for ever.
const MAX_TIMESTAMP: i64 = 253_402_300_799_999;

/// Whether it may be a `webhookEventId`. With a `/` the claims of events call further persons, and none must look like one.
fn is_event_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_EVENT_ID && !id.contains('/')
}

/// Whether `signature` is LINE's over these raw bytes, under the channel's secret or the one before it. The secret is
/// used as it stands, although it looks like hexadecimal.
#[must_use]
pub fn is_signed<'a>(
    body: &[u8],
    signature: &str,
    secrets: impl IntoIterator<Item = &'a SecretText>,
) -> bool {
    // 44 characters are the base64 of 32 bytes: anything else is refused before it is hashed.
    signature.len() == 44
        && secrets
            .into_iter()
            .any(|secret| hmac_sha256_base64_matches(secret.expose().as_bytes(), body, signature))
}

/// One delivery.
#[derive(Debug, Clone, Deserialize)]
pub struct Delivery {
    /// The events, unread: each is read alone.
    #[serde(default)]
    pub events: Vec<Box<RawValue>>,
}

impl Delivery {
    /// Reads a delivery; none if it is none.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }
}

/// What a delivery must say before it is taken: for whom, and whether there is anything in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Envelope {
    /// The bot that it is for.
    pub destination: BotUserId,
    /// The events, unread.
    #[serde(default)]
    pub events: Vec<serde::de::IgnoredAny>,
}

/// One event, with what is common to all.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `webhookEventId`: the same on every redelivery.
    pub id: String,
    /// `timestamp`: when it happened, unchanged on redelivery.
    pub at: UnixMillis,
    /// Who caused it, where LINE says so and it was a one-to-one chat.
    pub user: Option<LineUserId>,
    /// Everybody whom it names.
    pub named: Vec<LineUserId>,
    /// With what it may be answered: none of an event in `standby` mode, for then somebody else has the chat.
    pub reply_token: Option<String>,
    /// What happened.
    pub kind: Kind,
}

/// What happened (Messaging API reference, "Webhook event objects").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The user added or unblocked the Official Account.
    Follow {
        /// Whether LINE says that a block ended; it may be wrong.
        unblocked: bool,
    },
    /// The user blocked it.
    Unfollow,
    /// The user wrote, or somebody in a group did.
    Message {
        /// LINE's id of the message.
        id: String,
        /// `text`, `image`, `sticker`, …
        kind: String,
        /// The text of a text message.
        text: Option<String>,
    },
    /// Somebody in a group changed what they wrote.
    MessageEdited {
        /// LINE's id of the message, as before.
        id: String,
    },
    /// A message was taken back: it must not be shown any more.
    Unsend {
        /// LINE's id of the message.
        message_id: String,
    },
    /// The account-link flow of a nonce ended; `Event::user` is whom LINE saw, none where it failed.
    AccountLink {
        /// The nonce, as the flow began with it.
        nonce: String,
        /// LINE's `ok`.
        ok: bool,
    },
    /// A button, a rich menu or a date picker was tapped.
    Postback,
    /// The Official Account came into a group or room.
    Join,
    /// It left, or was removed.
    Leave,
    /// Others came into a group or room.
    MemberJoined,
    /// Others left it.
    MemberLeft,
    /// A video was watched to its end.
    VideoPlayComplete,
    /// The user came near a beacon.
    Beacon,
    /// A paid membership began, ended or went on.
    Membership,
    /// A module channel was attached or detached.
    Module,
    /// A module channel got the chat.
    Activated,
    /// It lost the chat.
    Deactivated,
    /// The Official Account was suspended.
    BotSuspended,
    /// It is so no more.
    BotResumed,
    /// A LINE notification message was shown.
    Delivery,
    /// A type that LINE added since.
    Unknown,
}

/// What belongs to a type is read apart: LINE may change its shape, and the event still counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: i64,
    webhook_event_id: String,
    mode: Option<String>,
    reply_token: Option<String>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    follow: Option<&'a RawValue>,
    #[serde(borrow)]
    unsend: Option<&'a RawValue>,
    #[serde(borrow)]
    link: Option<&'a RawValue>,
}

fn part<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(rename = "type")]
    kind: Option<String>,
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Follow {
    is_unblocked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unsend {
    message_id: String,
}

#[derive(Deserialize)]
struct Link {
    result: String,
    nonce: String,
}

impl Event {
    /// Bytes of the text that it carries.
    #[must_use]
    pub fn text_length(&self) -> usize {
        match &self.kind {
            Kind::Message { text: Some(text), .. } => text.len(),
            _ => 0,
        }
    }

    /// Reads one event; `None` if it has not even an id and a time, or is of a type that counts and lacks what belongs to it.
    #[must_use]
    pub fn read(event: &str) -> Option<Self> {
        let raw: Raw<'_> = serde_json::from_str(event).ok()?;
        if !is_event_id(&raw.webhook_event_id) || !(0..=MAX_TIMESTAMP).contains(&raw.timestamp) {
            return None;
        }
        let source = part::<Source>(raw.source).filter(|source| source.kind.as_deref() == Some("user"));
        let kind = Kind::of(&raw)?;
        let user = source.and_then(|source| source.user_id).and_then(|id| LineUserId::parse(&id).ok());
        let mut named = user_ids(event);
        // JSON may write it otherwise.
        named.extend(user.iter().filter(|user| !named.contains(user)).cloned().collect::<Vec<_>>());
        Some(Self {
            at: UnixMillis(raw.timestamp),
            user,
            named,
            reply_token: raw.reply_token.filter(|_| raw.mode.as_deref() != Some("standby")),
            kind,
            id: raw.webhook_event_id,
        })
    }
}

impl Kind {
    fn of(raw: &Raw<'_>) -> Option<Self> {
        Some(match raw.kind.as_str() {
            "follow" => Self::Follow {
                unblocked: part::<Follow>(raw.follow).is_some_and(|follow| follow.is_unblocked),
            },
            "unfollow" => Self::Unfollow,
            "message" => {
                part(raw.message).map(|Message { id, kind, text }| Self::Message { id, kind, text })?
            }
            "messageEdited" => part(raw.message).map(|Message { id, .. }| Self::MessageEdited { id })?,
            "unsend" => part(raw.unsend).map(|Unsend { message_id }| Self::Unsend { message_id })?,
            "accountLink" => part(raw.link)
                .map(|Link { result, nonce }| Self::AccountLink { nonce, ok: result == "ok" })?,
            "postback" => Self::Postback,
            "join" => Self::Join,
            "leave" => Self::Leave,
            "memberJoined" => Self::MemberJoined,
            "memberLeft" => Self::MemberLeft,
            "videoPlayComplete" => Self::VideoPlayComplete,
            "beacon" => Self::Beacon,
            "membership" => Self::Membership,
            "module" => Self::Module,
            "activated" => Self::Activated,
            "deactivated" => Self::Deactivated,
            "botSuspended" => Self::BotSuspended,
            "botResumed" => Self::BotResumed,
            "delivery" => Self::Delivery,
            _ => Self::Unknown,
        })
    }
}

/// The LINE user ids that a text contains, wherever they stand, each once.
#[must_use]
pub fn user_ids(text: &str) -> Vec<LineUserId> {
    let (mut ids, mut known) = (Vec::new(), HashSet::new());
    for (at, _) in text.match_indices('U') {
        let id = text.get(at..at + 33).filter(|id| !known.contains(id));
        if let Some(id) = id.and_then(|id| LineUserId::parse(id).ok()) {
            known.extend(text.get(at..at + 33));
            ids.push(id);
        }
    }
    ids
}

/// A delivery without the events that name a LINE user; none if it is no delivery, or nothing is left of it.
#[must_use]
pub fn without(delivery: &str, line_user_id: &str) -> Option<String> {
    let mut delivery: serde_json::Map<String, serde_json::Value> = serde_json::from_str(delivery).ok()?;
    let events = delivery.get_mut("events")?.as_array_mut()?;
    events.retain(|event| !event.to_string().contains(line_user_id));
    let is_empty = events.is_empty();
    let left = serde_json::Value::Object(delivery).to_string();
    (!is_empty && !left.contains(line_user_id)).then_some(left)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret() -> SecretText {
        SecretText::new("5f2d1c3b4a69788796a5b4c3d2e1f00f".into())
    }

    const FOLLOW: &str = r#"{"destination":"U0123456789abcdef0123456789abcdef","events":[{"type":"follow","timestamp":1767225600000,"source":{"type":"user","userId":"Uabcdefabcdefabcdefabcdefabcdefab"},"replyToken":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","mode":"active","webhookEventId":"01KDVDNA00ABCDEFGHJKMNPQRS","deliveryContext":{"isRedelivery":false},"follow":{"isUnblocked":false}}]}"#;
    const FOLLOW_SIGNATURE: &str = "m26+XMF/FarD4Z6ZCEaW1kyCj9zrbgsM61qXzOWF48k=";

    #[test]
    fn a_signature_counts_for_the_raw_bytes_and_nothing_else() {
        let good = |body: &[u8], signature: &str| is_signed(body, signature, [&secret()]);
        assert!(good(FOLLOW.as_bytes(), FOLLOW_SIGNATURE));
        for wrong in ["", &FOLLOW_SIGNATURE[..43], &format!("{FOLLOW_SIGNATURE}=")] {
            assert!(!good(FOLLOW.as_bytes(), wrong));
        }
        let base64url = FOLLOW_SIGNATURE.replace('+', "-").replace('/', "_");
        assert!(!good(FOLLOW.as_bytes(), &base64url));
        let mut flipped = FOLLOW.as_bytes().to_vec();
        flipped[40] ^= 1;
        assert!(!good(&flipped, FOLLOW_SIGNATURE));
        assert!(!good(format!("{FOLLOW}\n").as_bytes(), FOLLOW_SIGNATURE));
    }

    #[test]
    fn during_a_rotation_two_secrets_are_tried() {
        let other = SecretText::new("other".into());
        assert!(is_signed(FOLLOW.as_bytes(), FOLLOW_SIGNATURE, [&other, &secret()]));
        assert!(!is_signed(FOLLOW.as_bytes(), FOLLOW_SIGNATURE, [&other]));
        assert!(!is_signed(FOLLOW.as_bytes(), FOLLOW_SIGNATURE, []));
    }

    #[test]
    fn an_event_type_of_the_future_is_read_as_unknown() {
        let event = json!({"type": "someFutureEvent", "timestamp": 1, "mode": "active", "webhookEventId": "E",
            "deliveryContext": {"isRedelivery": true}, "someFutureEvent": {"x": 1}});
        assert_eq!(Event::read(&event.to_string()).unwrap().kind, Kind::Unknown);
    }

    #[test]
    fn a_message_without_text_and_an_event_in_a_group_are_read_without_them() {
        let sticker = json!({"type": "message", "timestamp": 1, "webhookEventId": "E",
            "source": {"type": "group", "groupId": "C", "userId": "Uabcdefabcdefabcdefabcdefabcdefab"},
            "message": {"type": "sticker", "id": "9", "packageId": "1", "stickerId": "2"}});
        let event = Event::read(&sticker.to_string()).unwrap();
        assert_eq!(event.user, None);
        assert_eq!(event.kind, Kind::Message { id: "9".into(), kind: "sticker".into(), text: None });
    }

    #[test]
    fn a_delivery_without_somebody_keeps_the_events_of_others() {
        let [erased, other] = ["Uabcdefabcdefabcdefabcdefabcdefab", "U0123456789abcdef0123456789abcde0"];
        let event = |user: &str| json!({"type": "follow", "source": {"type": "user", "userId": user}});
        let delivery = json!({"destination": "U0123456789abcdef0123456789abcdef", "events": [event(erased), event(other)]});
        let text = delivery.to_string();
        let ids: Vec<String> = user_ids(&text).iter().map(ToString::to_string).collect();
        assert!(ids.contains(&erased.to_owned()) && ids.contains(&other.to_owned()), "{ids:?}");
        let left: serde_json::Value = serde_json::from_str(&without(&text, erased).unwrap()).unwrap();
        assert_eq!(left["events"], json!([event(other)]));
        assert_eq!(without(&json!({"events": [event(erased)]}).to_string(), erased), None);
        assert_eq!(without(&event(erased).to_string(), erased), None);
        assert_eq!(without("not json", erased), None);
    }

    #[test]
    fn what_has_no_id_or_no_time_is_no_event() {
        assert!(Event::read(r#"{"type": "follow", "timestamp": 1}"#).is_none());
        assert!(Event::read(r#"{"type": "follow", "webhookEventId": "E"}"#).is_none());
        assert!(Event::read("\"follow\"").is_none());
    }
}
