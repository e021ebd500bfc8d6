//! What LINE takes: `textV2` messages, whose text has `{key}` where a substitution stands (Messaging API reference, "Text message
//! (v2)").

use serde_json::{Map, Value};

use super::{
    MessageError,
    check::{Chosen, Field, Kind, MAY, NEEDED, Shape, check},
    path::Path,
    schema::{MAX_TEXT, is_tag},
};

pub(super) static MESSAGE: Shape = Shape {
    fields: &[
        Field("text", NEEDED, Kind::Units(MAX_TEXT)),
        Field("substitution", MAY, Kind::Names),
        Field("quoteToken", MAY, Kind::Units(usize::MAX)),
    ],
    and: Some(substitutions_fit),
};

static SUBSTITUTIONS: [Chosen; 2] = [("mention", &MENTION), ("emoji", &EMOJI_V2)];

static MENTION: Shape = Shape { fields: &[Field("mentionee", NEEDED, Kind::Choice(&MENTIONEES))], and: None };

static MENTIONEES: [Chosen; 2] = [("user", &MENTIONED_USER), ("all", &MENTIONED_ALL)];

static MENTIONED_USER: Shape = Shape { fields: &[Field("userId", NEEDED, Kind::Units(100))], and: None };

static MENTIONED_ALL: Shape = Shape { fields: &[], and: None };

static EMOJI_V2: Shape = Shape {
    fields: &[Field("productId", NEEDED, Kind::Units(100)), Field("emojiId", NEEDED, Kind::Units(100))],
    and: None,
};

/// Substitutions of a `textV2`, and those of one kind.
const MOST_SUBSTITUTIONS: usize = 100;
const MOST_OF_A_KIND: usize = 20;

fn substitutions_fit(fields: &Map<String, Value>, path: &Path<'_>) -> Result<(), MessageError> {
    let none = Map::new();
    let substitution = fields.get("substitution").and_then(Value::as_object).unwrap_or(&none);
    let there = path.name("substitution");
    if substitution.len() > MOST_SUBSTITUTIONS {
        let words = format!("has {} names; LINE takes {MOST_SUBSTITUTIONS}", substitution.len());
        return Err(MessageError::wrong(&there, words));
    }
    for (name, value) in substitution {
        if !is_tag(name, 20) {
            let words = "must have names of 1 to 20 letters, digits and underscores";
            return Err(MessageError::wrong(&there, words));
        }
        check(value, Kind::Choice(&SUBSTITUTIONS), true, &there.name(name))?;
    }
    for kind in ["mention", "emoji"] {
        let count = substitution.values().filter(|value| value.get("type") == Some(&kind.into())).count();
        if count > MOST_OF_A_KIND {
            let words = format!("has {count} of type {kind}; LINE takes {MOST_OF_A_KIND}");
            return Err(MessageError::wrong(&there, words));
        }
    }
    let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
    let Some(keys) = keys(text) else {
        let words = "has a brace without its partner; write {{ and }} for braces themselves";
        return Err(MessageError::wrong(&path.name("text"), words));
    };
    match keys.iter().find(|key| !substitution.contains_key(**key)) {
        Some(key) => Err(MessageError::wrong(&there, format!("must have what {{{key}}} in text stands for"))),
        None => Ok(()),
    }
}

/// The keys in single braces of a `textV2`; none if braces do not pair. Doubled braces stand for themselves.
fn keys(text: &str) -> Option<Vec<&str>> {
    let (mut keys, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let found = rest.get(at..)?;
        if let Some(after) = found.strip_prefix("{{").or_else(|| found.strip_prefix("}}")) {
            rest = after;
            continue;
        }
        let (key, after) = found.strip_prefix('{')?.split_once('}')?;
        if key.contains('{') {
            return None;
        }
        keys.push(key);
        rest = after;
    }
    Some(keys)
}
