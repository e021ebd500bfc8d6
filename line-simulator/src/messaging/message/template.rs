//! Template messages: buttons, confirm, carousel, image carousel.
//!
//! In: a message object of type `template`. Out: problems. Lengths of titles and texts are grapheme clusters.

use serde_json::Value;

use super::check::{Check, Node};
use super::{action, kinds};

const MAX_COLUMNS: usize = 10;

pub(super) fn check(check: &mut Check, item: &Node<'_>) {
    check.text(&item.field("altText"), 1, kinds::MAX_ALT_TEXT);
    let template = item.field("template");
    match check.one_of(&template.field("type"), &["buttons", "confirm", "carousel", "image_carousel"]) {
        "buttons" => card(check, &template, 160, 4),
        "confirm" => {
            check.graphemes(&template.field("text"), 240);
            actions(check, &template, 2, 2);
        }
        "carousel" => {
            for column in check.array(&template.field("columns"), 1, MAX_COLUMNS) {
                card(check, &column, 120, 3);
            }
        }
        "image_carousel" => {
            for column in check.array(&template.field("columns"), 1, MAX_COLUMNS) {
                check.url(&column.field("imageUrl"));
                action::check(check, &column.field("action"), &action::IMAGE_CAROUSEL);
            }
        }
        _ => {}
    }
}

/// Title, text and actions; the text is shorter beside a title or an image.
fn card(check: &mut Check, card: &Node<'_>, longest: usize, most_actions: usize) {
    let (title, image) = (card.field("title"), card.field("thumbnailImageUrl"));
    let crowded = !title.is_absent() || !image.is_absent();
    check.graphemes_if_any(&title, 40);
    check.url_if_any(&image);
    check.graphemes(&card.field("text"), if crowded { 60 } else { longest });
    actions(check, card, 1, most_actions);
    if !card.field("defaultAction").is_absent() {
        action::check(check, &card.field("defaultAction"), &action::TAPPABLE);
    }
}

fn actions(check: &mut Check, card: &Node<'_>, least: usize, most: usize) {
    for action in check.array(&card.field("actions"), least, most) {
        action::check(check, &action, &action::TEMPLATE);
    }
}

/// All columns of a carousel have the same number of actions.
pub(super) fn contents(check: &mut Check, template: &Node<'_>) {
    if template.field("type").str() != Some("carousel") {
        return;
    }
    let columns = template.field("columns").items();
    let count = |column: &Node<'_>| column.field("actions").value().and_then(Value::as_array).map(Vec::len);
    let first = columns.first().and_then(count);
    for column in columns.iter().filter(|column| count(column) != first) {
        check.problem(&column.field("actions"), "must have the same number of actions in all columns");
    }
}
