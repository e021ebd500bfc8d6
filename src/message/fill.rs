//! From messages with placeholders to one person's messages.
//!
//! Placeholders stand for people in texts, in `data` and in addresses, by the names that LINE gives these properties; anywhere else
//! (types, ids, colours, sizes, numbers, and what LINE's reference does not know) one is an error. Only parsed string values are
//! touched, so that no value changes the JSON around it; in an address a placeholder comes after the host and its value is
//! percent-encoded, so that no value changes where it leads; a `textV2` keeps its text as it is, because LINE has its own `{key}`
//! and `{{` there.

use serde_json::{Map, Value};

use super::{
    MessageError,
    count::units,
    path::Path,
    placeholder::{Piece, Reader, encoded, is_in, pieces},
};

/// What a property is to placeholders.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A text that people read.
    Text,
    /// A text that comes back to a program.
    Data,
    /// An address.
    Address,
    /// LINE's own braces.
    Untouched,
    /// No place for one.
    Other,
}

fn role(owner: &Map<String, Value>, name: &str) -> Role {
    let is_v2 = || owner.get("type").and_then(Value::as_str) == Some("textV2");
    match name {
        "text" | "substitution" if is_v2() => Role::Untouched,
        "text" | "altText" | "title" | "address" | "label" | "displayText" | "fillInText"
        | "clipboardText" | "name" => Role::Text,
        "data" => Role::Data,
        "uri" | "linkUri" | "desktop" => Role::Address,
        name if name.ends_with("Url") || name == "url" => Role::Address,
        _ => Role::Other,
    }
}

/// What stands for an attribute, by its name, its fall-back and who reads it; none where there is neither.
pub(super) type Resolve<'a> = &'a mut dyn FnMut(&str, Option<&str>, Reader) -> Option<String>;

/// The value with every placeholder replaced.
pub(super) fn filled(value: &Value, path: &Path<'_>, with: Resolve<'_>) -> Result<Value, MessageError> {
    replaced(value, Role::Other, path, with)
}

fn replaced(value: &Value, role: Role, path: &Path<'_>, with: Resolve<'_>) -> Result<Value, MessageError> {
    Ok(match value {
        Value::String(text) if is_in(text) && role != Role::Untouched => {
            Value::String(replaced_text(text, role, path, with)?)
        }
        Value::Array(items) if role != Role::Untouched => {
            let items = items.iter().enumerate();
            Value::Array(
                items.map(|(index, item)| filled(item, &path.item(index), with)).collect::<Result<_, _>>()?,
            )
        }
        Value::Object(fields) if role != Role::Untouched => {
            Value::Object(replaced_fields(fields, path, with)?)
        }
        other => other.clone(),
    })
}

fn replaced_fields(
    fields: &Map<String, Value>,
    path: &Path<'_>,
    with: Resolve<'_>,
) -> Result<Map<String, Value>, MessageError> {
    let mut new = Map::new();
    for (name, value) in fields {
        new.insert(name.clone(), replaced(value, role(fields, name), &path.name(name), with)?);
    }
    if let (Some(Value::String(text)), Some(Value::Array(emojis))) =
        (fields.get("text"), new.get_mut("emojis"))
    {
        move_emojis(emojis, text, with);
    }
    Ok(new)
}

fn replaced_text(text: &str, role: Role, path: &Path<'_>, with: Resolve<'_>) -> Result<String, MessageError> {
    let reader = match role {
        Role::Text => Reader::Person,
        Role::Data => Reader::Program,
        Role::Address if leads_somewhere(text) => Reader::Program,
        Role::Address => {
            let words =
                "may have placeholders after scheme and host only, as in https://shop.example/{{name}}";
            return Err(MessageError::wrong(path, words));
        }
        Role::Other | Role::Untouched => {
            let words = "takes no placeholders; they stand in texts, labels, data and addresses";
            return Err(MessageError::wrong(path, words));
        }
    };
    let mut new = String::with_capacity(text.len());
    for piece in pieces(text).map_err(|words| MessageError::wrong(path, words))? {
        match piece {
            Piece::Literal(literal) => new.push_str(literal),
            Piece::Placeholder { name, fall_back, .. } => {
                let value = with(name, fall_back, reader).ok_or_else(|| MessageError::missing(path, name))?;
                match role {
                    Role::Address if matches!(value.as_str(), "." | "..") => {
                        return Err(MessageError::wrong(path, "takes no dots alone for a placeholder"));
                    }
                    Role::Address => new.push_str(&encoded(&value)),
                    _ => new.push_str(&value),
                }
            }
        }
    }
    Ok(new)
}

/// Whether scheme and host are said before the first placeholder.
fn leads_somewhere(text: &str) -> bool {
    let Some((before, _)) = text.split_once("{{") else { return true };
    match before.split_once(':') {
        Some((_, rest)) if rest.starts_with("//") => {
            rest.trim_start_matches('/').find(['/', '?', '#']).is_some_and(|end| end > 0)
        }
        Some((scheme, _)) => scheme.eq_ignore_ascii_case("tel"),
        None => false,
    }
}

/// LINE's emoji stand at places of the text, counted in UTF-16 units: they move with what is filled in before them.
fn move_emojis(emojis: &mut [Value], text: &str, with: Resolve<'_>) {
    let mut moves = Vec::new();
    let mut at = 0;
    for piece in pieces(text).unwrap_or_default() {
        match piece {
            Piece::Literal(literal) => at += units(literal),
            Piece::Placeholder { whole, name, fall_back } => {
                at += units(whole);
                let new = with(name, fall_back, Reader::Person).unwrap_or_default();
                moves.push((at, units(whole), units(&new)));
            }
        }
    }
    for index in emojis.iter_mut().filter_map(|emoji| emoji.get_mut("index")) {
        let Some(old) = index.as_u64().and_then(|old| usize::try_from(old).ok()) else { continue };
        let before = moves.iter().filter(|(end, _, _)| *end <= old);
        let new = before.fold(old, |place, (_, old, new)| (place + new).saturating_sub(*old));
        *index = new.into();
    }
}
