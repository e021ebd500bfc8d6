//! What LINE takes: template messages (Messaging API reference, "Template messages").

use serde_json::{Map, Value};

use super::{
    MessageError, action,
    check::{Chosen, Field, Kind, MAY, NEEDED, Shape, check},
    component::COLOUR,
    path::Path,
    schema::MAX_ALT_TEXT,
};

pub(super) static MESSAGE: Shape = Shape {
    fields: &[
        Field("altText", NEEDED, Kind::Units(MAX_ALT_TEXT)),
        Field("template", NEEDED, Kind::Choice(&TEMPLATES)),
    ],
    and: None,
};

static TEMPLATES: [Chosen; 4] = [
    ("buttons", &BUTTONS),
    ("confirm", &CONFIRM),
    ("carousel", &CAROUSEL),
    ("image_carousel", &IMAGE_CAROUSEL),
];

const ASPECTS: Kind = Kind::Word(&["rectangle", "square"]);
const SIZES: Kind = Kind::Word(&["cover", "contain"]);

static BUTTONS: Shape = Shape {
    fields: &[
        Field("thumbnailImageUrl", MAY, Kind::Url),
        Field("imageAspectRatio", MAY, ASPECTS),
        Field("imageSize", MAY, SIZES),
        Field("imageBackgroundColor", MAY, COLOUR),
        Field("title", MAY, Kind::Clusters(40)),
        Field("text", NEEDED, Kind::Clusters(160)),
        Field("defaultAction", MAY, Kind::Action(&action::TAPPABLE)),
        Field("actions", NEEDED, Kind::List(1, 4, &Kind::Action(&action::TEMPLATE))),
    ],
    and: Some(text_beside_picture_or_title),
};

/// Beside a title or an image the text of a card is shorter.
fn text_beside_picture_or_title(fields: &Map<String, Value>, path: &Path<'_>) -> Result<(), MessageError> {
    let is_there = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    match fields.get("text") {
        Some(text) if is_there("title") || is_there("thumbnailImageUrl") => {
            check(text, Kind::Clusters(60), true, &path.name("text"))
        }
        _ => Ok(()),
    }
}

static CONFIRM: Shape = Shape {
    fields: &[
        Field("text", NEEDED, Kind::Clusters(240)),
        Field("actions", NEEDED, Kind::List(2, 2, &Kind::Action(&action::TEMPLATE))),
    ],
    and: None,
};

static CAROUSEL: Shape = Shape {
    fields: &[
        Field("columns", NEEDED, Kind::List(1, 10, &Kind::Object(&COLUMN))),
        Field("imageAspectRatio", MAY, ASPECTS),
        Field("imageSize", MAY, SIZES),
    ],
    and: Some(|fields, path| {
        let columns = fields.get("columns").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let count = |column: &Value| column.get("actions").and_then(Value::as_array).map_or(0, Vec::len);
        let Some(first) = columns.first().map(count) else { return Ok(()) };
        match columns.iter().position(|column| count(column) != first) {
            None => Ok(()),
            Some(index) => {
                let words = format!("must be {first}, as in the first column: LINE wants as many in each");
                let list = path.name("columns");
                Err(MessageError::wrong(&list.item(index).name("actions"), words))
            }
        }
    }),
};

static COLUMN: Shape = Shape {
    fields: &[
        Field("thumbnailImageUrl", MAY, Kind::Url),
        Field("imageBackgroundColor", MAY, COLOUR),
        Field("title", MAY, Kind::Clusters(40)),
        Field("text", NEEDED, Kind::Clusters(120)),
        Field("defaultAction", MAY, Kind::Action(&action::TAPPABLE)),
        Field("actions", NEEDED, Kind::List(1, 3, &Kind::Action(&action::TEMPLATE))),
    ],
    and: Some(text_beside_picture_or_title),
};

static IMAGE_CAROUSEL: Shape =
    Shape { fields: &[Field("columns", NEEDED, Kind::List(1, 10, &Kind::Object(&IMAGE_COLUMN)))], and: None };

static IMAGE_COLUMN: Shape = Shape {
    fields: &[
        Field("imageUrl", NEEDED, Kind::Url),
        Field("action", NEEDED, Kind::Action(&action::IMAGE_CAROUSEL)),
    ],
    and: None,
};
