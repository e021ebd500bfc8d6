//! A customer event: something that a member did in the shop, or that happened to them there.
//!
//! In: JSON of one event, and the time. Out: the event, or the field that is wrong and what to do. Not here: whether it is
//! older than its type is kept, and whether it was there before (`store/event.rs`).

mod properties;
mod types;

use serde_json::{Map, Value};

pub use self::types::{BUILT_IN, Form, Property, Type};
use crate::{
    id::MemberId,
    time::{MINUTE, UnixMillis},
    web::lines::{Refused, fields, nothing_more, text},
};

/// How far ahead of our clock the shop's may be, in milliseconds.
pub const AHEAD: i64 = 5 * MINUTE;

/// The longest id, in characters.
const MAX_ID: usize = 128;

/// The longest type, in characters.
const MAX_TYPE: usize = 64;

/// What is wrong with a time ahead of ours.
const IS_AHEAD: &str = "is more than 5 minutes in the future; send an event when it has happened";

/// An event that is well formed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The shop's id of it, under which it counts once.
    pub id: String,
    /// Whose.
    pub member: MemberId,
    /// `type`.
    pub kind: String,
    /// When it happened.
    pub at: UnixMillis,
    /// The properties, as JSON.
    pub properties: Map<String, Value>,
}

impl Event {
    /// Reads one event.
    pub fn parse(json: Value, now: UnixMillis) -> Result<Self, Refused> {
        let mut fields = fields(json)?;
        let id = checked_id(text(&mut fields, "id")?)?;
        let member = checked_member(&text(&mut fields, "member_id")?)?;
        let kind = text(&mut fields, "type")?;
        check_type(&kind).map_err(|says| Refused::new("type", says))?;
        let at = checked_time("occurred_at", &text(&mut fields, "occurred_at")?, now)?;
        let properties = match fields.remove("properties") {
            None => Map::new(),
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err(Refused::new("properties", "must be a JSON object")),
        };
        nothing_more(&fields, "id, member_id, type, occurred_at, properties")?;
        properties::check(&kind, &properties).map_err(|refused| refused.within("properties"))?;
        Ok(Self { id, member, kind, at, properties })
    }
}

fn checked_id(id: String) -> Result<String, Refused> {
    let is_id = (1..=MAX_ID).contains(&id.chars().count()) && !id.chars().any(char::is_control);
    if is_id {
        Ok(id)
    } else {
        Err(Refused::new(
            "id",
            "must be 1 to 128 characters without control characters, yours for this event",
        ))
    }
}

/// Reads a member's id.
pub fn checked_member(id: &str) -> Result<MemberId, Refused> {
    MemberId::parse(id).map_err(|e| Refused::new("member_id", format!("must be {}", e.form)))
}

/// Reads a time that is not ahead of ours.
pub fn checked_time(field: &str, text: &str, now: UnixMillis) -> Result<UnixMillis, Refused> {
    let at = UnixMillis::parse_rfc3339(text).ok_or_else(|| {
        Refused::new(field, "must be a time in RFC 3339, such as 2026-01-05T12:00:00+09:00")
    })?;
    if at > now + AHEAD { Err(Refused::new(field, IS_AHEAD)) } else { Ok(at) }
}

/// Checks the name of a type.
pub fn check_type(name: &str) -> Result<(), &'static str> {
    let is_type = (1..=MAX_TYPE).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'));
    if is_type { Ok(()) } else { Err("must be 1 to 64 of a-z 0-9 _ .") }
}

/// An event for the fuzzers: read from bytes at this time, and written again.
#[doc(hidden)]
#[must_use]
pub fn event_line(body: &[u8], now: UnixMillis) -> Option<Result<Value, Refused>> {
    let json = serde_json::from_slice(body).ok()?;
    Some(Event::parse(json, now).map(|event| {
        crate::web::object([
            ("id", event.id.into()),
            ("member_id", event.member.as_str().into()),
            ("type", event.kind.into()),
            ("occurred_at", event.at.rfc3339().into()),
            ("properties", event.properties.into()),
        ])
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_767_582_000_000);

    fn field_of(json: Value) -> String {
        Event::parse(json, NOW).map_or_else(|refused| refused.field, |_| String::new())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut event = json!({
            "id": "e-1", "member_id": "m-1", "type": "visited", "occurred_at": "2026-01-05T03:00:00Z",
            "properties": {},
        });
        event[name] = value;
        event
    }

    #[test]
    fn every_field_is_needed_but_properties_and_no_other_is_known() {
        for name in ["id", "member_id", "type", "occurred_at"] {
            let mut event = with("x", json!(null));
            event.as_object_mut().unwrap().remove("x");
            assert_eq!(field_of(event.clone()), "");
            event.as_object_mut().unwrap().remove(name);
            assert_eq!(field_of(event), name);
        }
        assert_eq!(field_of(with("occured_at", json!("x"))), "occured_at");
        assert!(Event::parse(json!([]), NOW).is_err());
    }

    #[test]
    fn a_clock_may_be_five_minutes_ahead() {
        assert_eq!(field_of(with("occurred_at", json!("2026-01-05T03:05:00Z"))), "");
        assert_eq!(field_of(with("occurred_at", json!("2026-01-05T03:05:00.001Z"))), "occurred_at");
    }
}
