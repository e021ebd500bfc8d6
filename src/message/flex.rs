//! What LINE takes: Flex messages (Messaging API reference, "Flex Message"): bubbles and carousels.

use serde_json::{Map, Value};

use super::{
    MessageError, action,
    check::{Chosen, Field, Kind, MAY, NEEDED, Shape},
    component::{BOX_ALONE, COLOUR, HEROES},
    path::Path,
    schema::MAX_ALT_TEXT,
};

/// The largest bubble and the largest carousel, in bytes of compact JSON.
const MAX_BUBBLE: usize = 30 * 1_024;
const MAX_CAROUSEL: usize = 50 * 1_024;

pub(super) static MESSAGE: Shape = Shape {
    fields: &[
        Field("altText", NEEDED, Kind::Units(MAX_ALT_TEXT)),
        Field("contents", NEEDED, Kind::Choice(&CONTAINERS)),
    ],
    and: None,
};

static CONTAINERS: [Chosen; 2] = [("bubble", &BUBBLE), ("carousel", &CAROUSEL)];

static CAROUSEL: Shape = Shape {
    fields: &[Field("contents", NEEDED, Kind::List(1, 12, &Kind::Choice(&[("bubble", &BUBBLE)])))],
    and: Some(bubbles_fit_together),
};

fn bubbles_fit_together(fields: &Map<String, Value>, path: &Path<'_>) -> Result<(), MessageError> {
    is_at_most(fields, MAX_CAROUSEL, path)?;
    let bubbles = fields.get("contents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let list = path.name("contents");
    let first = bubbles.first().map_or("mega", size);
    for (index, bubble) in bubbles.iter().enumerate() {
        let there = list.item(index);
        if size(bubble) != first {
            let words = format!("must be {first}, as that of the first bubble");
            return Err(MessageError::wrong(&there.name("size"), words));
        }
        if has_video(bubble.get("hero")) {
            let words = "cannot be a video in a carousel; send the bubble alone";
            return Err(MessageError::wrong(&there.name("hero"), words));
        }
    }
    Ok(())
}

fn size(bubble: &Value) -> &str {
    bubble.get("size").and_then(Value::as_str).unwrap_or("mega")
}

fn has_video(hero: Option<&Value>) -> bool {
    hero.and_then(|hero| hero.get("type")).and_then(Value::as_str) == Some("video")
}

fn is_at_most(fields: &Map<String, Value>, most: usize, path: &Path<'_>) -> Result<(), MessageError> {
    let bytes = serde_json::to_string(fields).map_or(0, |text| text.len());
    if bytes > most {
        let words = format!("has {bytes} bytes as JSON; LINE takes {most}: say it with less");
        return Err(MessageError::wrong(path, words));
    }
    Ok(())
}

static BUBBLE: Shape = Shape {
    fields: &[
        Field("size", MAY, Kind::Word(&["nano", "micro", "deca", "hecto", "kilo", "mega", "giga"])),
        Field("direction", MAY, Kind::Word(&["ltr", "rtl"])),
        Field("header", MAY, Kind::Choice(&BOX_ALONE)),
        Field("hero", MAY, Kind::Choice(&HEROES)),
        Field("body", MAY, Kind::Choice(&BOX_ALONE)),
        Field("footer", MAY, Kind::Choice(&BOX_ALONE)),
        Field("styles", MAY, Kind::Object(&STYLES)),
        Field("action", MAY, Kind::Action(&action::TAPPABLE)),
    ],
    and: Some(|fields, path| {
        is_at_most(fields, MAX_BUBBLE, path)?;
        let size = fields.get("size").and_then(Value::as_str).unwrap_or("mega");
        if has_video(fields.get("hero")) && !["kilo", "mega", "giga"].contains(&size) {
            let words = "must be kilo, mega or giga, because the hero is a video";
            return Err(MessageError::wrong(&path.name("size"), words));
        }
        Ok(())
    }),
};

static STYLES: Shape = Shape {
    fields: &[
        Field("header", MAY, Kind::Object(&STYLE)),
        Field("hero", MAY, Kind::Object(&STYLE)),
        Field("body", MAY, Kind::Object(&STYLE)),
        Field("footer", MAY, Kind::Object(&STYLE)),
    ],
    and: None,
};

static STYLE: Shape = Shape {
    fields: &[
        Field("backgroundColor", MAY, COLOUR),
        Field("separator", MAY, Kind::Boolean),
        Field("separatorColor", MAY, COLOUR),
    ],
    and: None,
};
