//! Messages and what is filled into them (`message`): what is stored is read as the same; whatever the values, the filled
//! messages are JSON of the same shape, with nothing changed where no placeholder stands, and every address leads to the host
//! that the template says.
//!
//! Input: JSON, `{"messages": […], "values": {…}}`.

use enishi::message::{Messages, Values};
use serde_json::Value;
use url::Url;

pub(crate) fn check(data: &[u8]) {
    let Ok(Value::Object(mut input)) = serde_json::from_slice(data) else { return };
    let values = match input.remove("values") {
        Some(Value::Object(values)) => values,
        _ => Values::new(),
    };
    filled(&input.remove("messages").unwrap_or_default(), &values);
}

fn filled(given: &Value, values: &Values) {
    let messages = match Messages::parse(given.clone()) {
        Ok(messages) => messages,
        Err(error) => {
            assert!(error.property().starts_with("messages"), "{error}");
            return;
        }
    };
    let json: Value = serde_json::from_str(&messages.json()).expect("JSON");
    assert_eq!(Messages::parse(json).as_ref(), Ok(&messages), "what is stored");
    assert_eq!(messages.is_personal(), messages.placeholders().next().is_some());
    is_like(given, &messages.sample(), "", false);
    match messages.fill(values) {
        Ok(text) => {
            is_like(given, &serde_json::from_str(&text).expect("JSON"), "", false);
            if !messages.is_personal() {
                assert_eq!(text, messages.json());
            }
        }
        Err(error) => {
            assert!(messages.is_personal(), "{error}");
            assert!(["attribute_missing", "message_invalid"].contains(&error.reason()));
        }
    }
}

/// The same but for placeholders. `name` is the property's, `own` whether LINE's own braces stand there.
fn is_like(template: &Value, filled: &Value, name: &str, own: bool) {
    match (template, filled) {
        (Value::Object(fields), Value::Object(others)) => {
            assert!(fields.keys().eq(others.keys()));
            let v2 = fields.get("type").and_then(Value::as_str) == Some("textV2");
            for (name, value) in fields {
                let own = own || (v2 && matches!(name.as_str(), "text" | "substitution"));
                is_like(value, &others[name], name, own);
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            assert_eq!(items.len(), others.len());
            items.iter().zip(others).for_each(|(item, other)| is_like(item, other, "", own));
        }
        (Value::String(text), Value::String(other)) if text.contains("{{") && !own => {
            assert!(!matches!(name, "type") && !name.ends_with("Id"), "{name}");
            let (before, _) = text.split_once("{{").expect("braces");
            assert!(other.starts_with(before), "{other}");
            if matches!(name, "uri" | "linkUri" | "desktop" | "url") || name.ends_with("Url") {
                leads_there(before, other);
            }
        }
        // Emoji move with the text.
        (Value::Number(_), Value::Number(_)) if name == "index" => {}
        (same, other) => assert_eq!(same, other, "{name}"),
    }
}

fn leads_there(before: &str, filled: &str) {
    let Ok(meant) = Url::parse(before) else {
        // In a property that LINE does not have anything may stand; no value makes an address of it.
        assert!(before.eq_ignore_ascii_case("tel:") || Url::parse(filled).is_err(), "{before}");
        return;
    };
    let there = Url::parse(filled).expect("a URL");
    assert_eq!(meant.scheme(), there.scheme());
    assert_eq!((meant.host_str(), meant.port()), (there.host_str(), there.port()), "{filled}");
    assert_eq!((meant.username(), meant.password()), (there.username(), there.password()), "{filled}");
}
