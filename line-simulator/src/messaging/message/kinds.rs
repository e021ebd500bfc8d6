//! The plain kinds of message: text, sticker, media, location, imagemap.
//!
//! In: a message object. Out: problems. Not here: templates and Flex.

use std::collections::HashSet;

use serde_json::Value;

use super::check::{Check, Node};

const MAX_TEXT: usize = 5_000;
pub(super) const MAX_ALT_TEXT: usize = 1_500;
const MAX_EMOJI: usize = 20;
const MAX_SUBSTITUTIONS: usize = 100;

pub(super) fn text(check: &mut Check, item: &Node<'_>) {
    check.text(&item.field("text"), 1, MAX_TEXT);
    let units: Vec<u16> = item.field("text").str().unwrap_or_default().encode_utf16().collect();
    for emoji in check.array(&item.field("emojis"), 0, MAX_EMOJI) {
        let index = emoji.field("index");
        let place = index.value().and_then(Value::as_u64).and_then(|place| usize::try_from(place).ok());
        if place.and_then(|place| units.get(place)) != Some(&u16::from(b'$')) {
            check.problem(&index, "The emoji index is invalid");
        }
        check.text(&emoji.field("productId"), 1, 100);
        check.text(&emoji.field("emojiId"), 1, 100);
    }
}

pub(super) fn text_v2(check: &mut Check, item: &Node<'_>) {
    let text = item.field("text");
    check.text(&text, 1, MAX_TEXT);
    let substitution = item.field("substitution");
    let known: HashSet<&str> = substitution
        .value()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    if known.len() > MAX_SUBSTITUTIONS {
        check.problem(&substitution, format!("Size must be between 0 and {MAX_SUBSTITUTIONS}"));
    }
    let fits = |key: &str| {
        (1..=20).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !known.iter().all(|key| fits(key)) {
        check.problem(&substitution, "A key is invalid");
    }
    match placeholders(text.str().unwrap_or_default()) {
        Some(keys) if keys.iter().all(|key| known.contains(key.as_str())) => {}
        Some(_) => check.problem(&substitution, "A placeholder has no substitution"),
        None => check.problem(&text, "The braces are not balanced"),
    }
}

/// The keys in braces; `{{` and `}}` stand for themselves. None if braces do not pair.
fn placeholders(text: &str) -> Option<Vec<String>> {
    let (mut keys, mut open) = (Vec::new(), None::<String>);
    let mut rest = text.chars().peekable();
    while let Some(symbol) = rest.next() {
        match (symbol, &mut open) {
            ('{' | '}', None) if rest.next_if_eq(&symbol).is_some() => {}
            ('{', None) => open = Some(String::new()),
            ('}', Some(_)) => keys.extend(open.take()),
            ('}', None) | ('{', Some(_)) => return None,
            (symbol, Some(key)) => key.push(symbol),
            (_, None) => {}
        }
    }
    open.is_none().then_some(keys)
}

pub(super) fn sticker(check: &mut Check, item: &Node<'_>) {
    for name in ["packageId", "stickerId"] {
        let id = item.field(name);
        check.text(&id, 1, 20);
        if id.str().is_some_and(|id| !id.bytes().all(|byte| byte.is_ascii_digit())) {
            check.problem(&id, "Must be a number");
        }
    }
}

pub(super) fn image(check: &mut Check, item: &Node<'_>) {
    check.url(&item.field("originalContentUrl"));
    check.url(&item.field("previewImageUrl"));
}

pub(super) fn video(check: &mut Check, item: &Node<'_>) {
    image(check, item);
    check.text_if_any(&item.field("trackingId"), 100);
}

pub(super) fn audio(check: &mut Check, item: &Node<'_>) {
    check.url(&item.field("originalContentUrl"));
    check.number(&item.field("duration"), 1.0, 86_400_000.0);
}

pub(super) fn location(check: &mut Check, item: &Node<'_>) {
    check.text(&item.field("title"), 1, 100);
    check.text(&item.field("address"), 1, 100);
    check.number(&item.field("latitude"), -90.0, 90.0);
    check.number(&item.field("longitude"), -180.0, 180.0);
}

pub(super) fn imagemap(check: &mut Check, item: &Node<'_>) {
    check.url(&item.field("baseUrl"));
    check.text(&item.field("altText"), 1, MAX_ALT_TEXT);
    check.number(&item.field("baseSize").field("width"), 1_040.0, 1_040.0);
    check.number(&item.field("baseSize").field("height"), 1.0, 10_000.0);
    for action in check.array(&item.field("actions"), 1, 50) {
        match check.one_of(&action.field("type"), &["uri", "message", "clipboard"]) {
            "uri" => check.address(&action.field("linkUri"), 1_000, &["http", "https", "line", "tel"]),
            "message" => check.text(&action.field("text"), 1, 400),
            "clipboard" => check.text(&action.field("clipboardText"), 1, 1_000),
            _ => {}
        }
        if action.field("area").is_absent() {
            check.problem(&action.field("area"), "May not be null");
        }
    }
}
