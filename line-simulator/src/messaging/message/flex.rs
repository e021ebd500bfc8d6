//! Flex messages: sizes, bubbles, and the components within.
//!
//! In: a message object of type `flex`. Out: problems. Not here: the whole schema of Flex; properties of style and
//! their values pass unseen.

use serde_json::Value;

use super::check::{Check, Node};
use super::{action, kinds};

const MAX_BUBBLE: usize = 30 * 1_024;
const MAX_CAROUSEL: usize = 50 * 1_024;
const MAX_BUBBLES: usize = 12;
/// Deeper nesting than any message needs; the walk ends there.
const MAX_DEPTH: usize = 32;

const SIZES: [&str; 7] = ["nano", "micro", "deca", "hecto", "kilo", "mega", "giga"];
const COMPONENTS: [&str; 9] =
    ["box", "button", "image", "video", "icon", "text", "span", "separator", "filler"];

/// What LINE reports by properties of the body.
pub(super) fn check(check: &mut Check, item: &Node<'_>) {
    check.text(&item.field("altText"), 1, kinds::MAX_ALT_TEXT);
    if !item.field("contents").value().is_some_and(Value::is_object) {
        check.problem(&item.field("contents"), "May not be null");
    }
}

/// What LINE reports by pointers into the message.
pub(super) fn contents(check: &mut Check, container: &Node<'_>) {
    match container.field("type").str() {
        Some("bubble") => bubble(check, container),
        Some("carousel") => carousel(check, container),
        _ => check.problem(&container.field("type"), "unknown container type"),
    }
}

fn carousel(check: &mut Check, carousel: &Node<'_>) {
    if carousel.json_size() > MAX_CAROUSEL {
        check.problem(carousel, "too large: a carousel is 50 KB at most");
    }
    let bubbles = carousel.field("contents").items();
    if !(1..=MAX_BUBBLES).contains(&bubbles.len()) {
        check.problem(&carousel.field("contents"), format!("must have 1 to {MAX_BUBBLES} bubbles"));
    }
    let size = |bubble: &Node<'_>| bubble.field("size").str().unwrap_or("mega").to_owned();
    let first = bubbles.first().map(size);
    for node in &bubbles {
        if node.field("type").str() != Some("bubble") {
            check.problem(&node.field("type"), "must be a bubble");
        }
        if Some(size(node)) != first {
            check.problem(&node.field("size"), "must be the same in all bubbles");
        }
        bubble(check, node);
    }
}

fn bubble(check: &mut Check, bubble: &Node<'_>) {
    if bubble.json_size() > MAX_BUBBLE {
        check.problem(bubble, "too large: a bubble is 30 KB at most");
    }
    if bubble.field("size").str().is_some_and(|size| !SIZES.contains(&size)) {
        check.problem(&bubble.field("size"), "invalid property");
    }
    for block in ["header", "hero", "body", "footer"] {
        let node = bubble.field(block);
        if !node.is_absent() {
            component(check, &node, 0);
        }
    }
    tappable(check, bubble);
}

fn component(check: &mut Check, node: &Node<'_>, depth: usize) {
    let kind = node.field("type").str().unwrap_or_default();
    match kind {
        "box" => container(check, node, depth),
        "text" => text(check, node, depth),
        "span" => non_empty(check, &node.field("text")),
        "button" => action::check(check, &node.field("action"), &action::FLEX_BUTTON),
        "image" | "icon" => check.url(&node.field("url")),
        "video" => {
            check.url(&node.field("url"));
            check.url(&node.field("previewUrl"));
            component(check, &node.field("altContent"), depth + 1);
        }
        _ if COMPONENTS.contains(&kind) => {}
        _ => check.problem(&node.field("type"), "unknown component type"),
    }
    if kind != "button" {
        tappable(check, node);
    }
}

fn container(check: &mut Check, node: &Node<'_>, depth: usize) {
    if !matches!(node.field("layout").str(), Some("horizontal" | "vertical" | "baseline")) {
        check.problem(&node.field("layout"), "invalid property");
    }
    if !node.field("contents").value().is_some_and(Value::is_array) {
        check.problem(&node.field("contents"), "must be specified");
    }
    for child in node.field("contents").items().iter().filter(|_| depth < MAX_DEPTH) {
        component(check, child, depth + 1);
    }
}

/// A text is non-empty, or made of spans.
fn text(check: &mut Check, node: &Node<'_>, depth: usize) {
    let spans = node.field("contents").items();
    if spans.is_empty() {
        non_empty(check, &node.field("text"));
    }
    for span in spans.iter().filter(|_| depth < MAX_DEPTH) {
        component(check, span, depth + 1);
    }
}

fn non_empty(check: &mut Check, node: &Node<'_>) {
    if node.str().is_none_or(str::is_empty) {
        check.problem(node, "must be non-empty text");
    }
}

fn tappable(check: &mut Check, node: &Node<'_>) {
    if !node.field("action").is_absent() {
        action::check(check, &node.field("action"), &action::TAPPABLE);
    }
}
