//! Actions: what a tap does, and how long its label may be where it stands.
//!
//! In: an action and its place. Out: problems. Not here: the tap itself.

use super::check::{Check, Node};

const MAX_DATA: usize = 300;
const MAX_URI: usize = 1_000;

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The longest label, in grapheme clusters.
    label: usize,
    label_required: bool,
    /// Whether the camera, camera roll and location actions may stand here.
    quick_reply: bool,
}

pub(super) const QUICK_REPLY: Place = Place { label: 20, label_required: true, quick_reply: true };
pub(super) const TEMPLATE: Place = Place { label: 20, label_required: true, quick_reply: false };
pub(super) const IMAGE_CAROUSEL: Place = Place { label: 12, label_required: false, quick_reply: false };
pub(super) const FLEX_BUTTON: Place = Place { label: 40, label_required: true, quick_reply: false };
/// An image, a box or a whole bubble that can be tapped.
pub(super) const TAPPABLE: Place = Place { label: 40, label_required: false, quick_reply: false };

const ANYWHERE: [&str; 5] = ["postback", "message", "uri", "datetimepicker", "clipboard"];
const IN_QUICK_REPLY: [&str; 8] =
    ["postback", "message", "uri", "datetimepicker", "clipboard", "camera", "cameraRoll", "location"];

pub(super) fn check(check: &mut Check, action: &Node<'_>, place: &Place) {
    let kinds: &[&str] = if place.quick_reply { &IN_QUICK_REPLY } else { &ANYWHERE };
    let kind = check.one_of(&action.field("type"), kinds);
    if place.label_required {
        check.graphemes(&action.field("label"), place.label);
    } else {
        check.graphemes_if_any(&action.field("label"), place.label);
    }
    match kind {
        "postback" => postback(check, action),
        "message" => check.graphemes(&action.field("text"), MAX_DATA),
        "uri" => check.address(&action.field("uri"), MAX_URI, &["http", "https", "line", "tel"]),
        "datetimepicker" => {
            check.text(&action.field("data"), 1, MAX_DATA);
            check.one_of(&action.field("mode"), &["date", "time", "datetime"]);
        }
        "clipboard" => check.text(&action.field("clipboardText"), 1, 1_000),
        _ => {}
    }
}

fn postback(check: &mut Check, action: &Node<'_>) {
    check.text(&action.field("data"), 1, MAX_DATA);
    for name in ["displayText", "fillInText", "text"] {
        check.graphemes_if_any(&action.field(name), MAX_DATA);
    }
    if !action.field("inputOption").is_absent() {
        let options = ["closeRichMenu", "openRichMenu", "openKeyboard", "openVoice"];
        check.one_of(&action.field("inputOption"), &options);
    }
}
