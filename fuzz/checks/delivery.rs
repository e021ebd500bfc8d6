//! LINE's deliveries (`line::webhook`), read leniently: what is read is what stands there, each event alone; who is taken
//! out of a delivery is nowhere in what is left, and nothing else is gone.
//!
//! Input: the body.

use enishi::line::webhook::{Delivery, Envelope, Event, user_ids, without};
use serde_json::Value;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    look_for_ids(text);
    event(text);
    let envelope: Option<Envelope> = serde_json::from_str(text).ok();
    let delivery = Delivery::read(text);
    if let (Some(envelope), Some(delivery)) = (&envelope, &delivery) {
        assert_eq!(envelope.events.len(), delivery.events.len());
    }
    for raw in delivery.iter().flat_map(|delivery| &delivery.events) {
        event(raw.get());
    }
    for id in user_ids(text).iter().take(4) {
        take_out(text, id.as_str());
    }
}

/// Every place where an id stands is found, and nothing else.
fn look_for_ids(text: &str) {
    let is_id = |window: &[u8]| {
        window.first() == Some(&b'U')
            && window[1..].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut standing: Vec<&[u8]> = text.as_bytes().windows(33).filter(|window| is_id(window)).collect();
    standing.sort_unstable();
    standing.dedup();
    let mut found = user_ids(text);
    let number = found.len();
    found.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    found.dedup();
    assert_eq!(found.len(), number, "each once");
    assert!(found.iter().map(|id| id.as_str().as_bytes()).eq(standing));
}

fn event(text: &str) {
    let Some(event) = Event::read(text) else { return };
    assert!((1..=64).contains(&event.id.len()));
    assert!(event.text_length() <= text.len());
    // serde_json reads values less deep than it passes them over.
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    assert_eq!(value.get("webhookEventId").and_then(Value::as_str), Some(event.id.as_str()));
    assert_eq!(value.get("timestamp").and_then(Value::as_i64), Some(event.at.0));
    if value.get("mode").and_then(Value::as_str) == Some("standby") {
        assert_eq!(event.reply_token, None, "somebody else has the chat");
    }
    if let Some(user) = &event.user {
        assert_eq!(value.pointer("/source/userId").and_then(Value::as_str), Some(user.as_str()));
        assert_eq!(value.pointer("/source/type").and_then(Value::as_str), Some("user"));
        // LINE escapes no letter or digit.
        assert!(text.contains('\\') || event.named.contains(user));
    }
}

fn take_out(text: &str, id: &str) {
    let Some(left) = without(text, id) else { return };
    assert!(!left.contains(id));
    let left: Value = serde_json::from_str(&left).expect("JSON");
    let before: Value = serde_json::from_str(text).expect("JSON");
    let events = |delivery: &Value| delivery["events"].as_array().expect("events").clone();
    let others: Vec<Value> =
        events(&before).into_iter().filter(|event| !event.to_string().contains(id)).collect();
    let rounded = |events: &[Value]| events.iter().map(rounded).collect::<Vec<_>>();
    assert_eq!(rounded(&events(&left)), rounded(&others), "nobody else is gone");
    assert!(!others.is_empty());
    let fields = |delivery: &Value| {
        let mut fields = delivery.as_object().expect("an object").clone();
        fields.remove("events");
        fields
    };
    assert_eq!(rounded(&[fields(&left).into()]), rounded(&[fields(&before).into()]));
}

/// The same without what follows a decimal point: what is left is written anew, and its last digits may differ.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => Value::from("a decimal"),
        Value::Array(values) => values.iter().map(rounded).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), rounded(value))).collect(),
        other => other.clone(),
    }
}
