//! Customer events (`event`): one line of `POST /v1/events` is taken or refused with its field; what is taken is within its bounds,
//! and written again it is taken as the same.
//!
//! Input: the line.

use enishi::{
    fuzzed::event_line,
    time::{MINUTE, UnixMillis},
};
use serde_json::Value;

/// 2026-01-05T03:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_582_000_000);

pub(crate) fn check(data: &[u8]) {
    let taken = match event_line(data, NOW) {
        None => return,
        Some(Err(refused)) => {
            assert!(!refused.says.is_empty());
            // A line that is no object has no field to name.
            let is_object = data.trim_ascii_start().starts_with(b"{");
            assert!(
                !(refused.field.is_empty() && is_object) || refused.says.contains("object"),
                "{refused:?}"
            );
            return;
        }
        Some(Ok(taken)) => taken,
    };
    let text = |name: &str| taken[name].as_str().expect("a text");
    assert!((1..=128).contains(&text("id").chars().count()));
    assert!((1..=255).contains(&text("member_id").chars().count()));
    let is_type = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    assert!((1..=64).contains(&text("type").len()) && text("type").bytes().all(is_type));
    assert!(!["id", "member_id"].iter().any(|name| text(name).contains(char::is_control)));
    let properties = &taken["properties"];
    assert!(properties.is_object() && properties.to_string().len() <= 10_000 && depth(properties) <= 5);
    let written = taken.to_string();
    let at = UnixMillis::parse_rfc3339(text("occurred_at"));
    // Years of before are written otherwise.
    if let Some(at) = at {
        assert!(at.0 <= NOW.0 + 5 * MINUTE);
        assert_eq!(event_line(written.as_bytes(), NOW), Some(Ok(taken)), "{written}");
    }
}

/// How deep lists and objects lie in each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
