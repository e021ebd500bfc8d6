//! What LINE takes: the components of Flex messages (Messaging API reference, "Flex Message", "Component").
//!
//! Sizes, offsets, margins and paddings are keywords, pixels or percentages; of them only LINE knows all, and any text passes.

use serde_json::{Map, Value};

use super::{
    MessageError, action,
    check::{Chosen, Field, Kind, MAY, NEEDED, Shape},
    path::Path,
};

pub(super) static BOX_ALONE: [Chosen; 1] = [("box", &BOX)];
pub(super) static HEROES: [Chosen; 3] = [("box", &BOX), ("image", &IMAGE), ("video", &VIDEO)];
static STILL: [Chosen; 2] = [("box", &BOX), ("image", &IMAGE)];
static SPANS: [Chosen; 1] = [("span", &SPAN)];

/// What a box holds; icons in baseline boxes only.
static COMPONENTS: [Chosen; 7] = [
    ("box", &BOX),
    ("button", &BUTTON),
    ("image", &IMAGE),
    ("icon", &ICON),
    ("text", &TEXT),
    ("separator", &SEPARATOR),
    ("filler", &FILLER),
];

/// `#RRGGBB`, or with transparency `#RRGGBBAA`.
pub(super) const COLOUR: Kind = Kind::Form(
    |text| {
        matches!(text.len(), 7 | 9)
            && text
                .strip_prefix('#')
                .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    },
    "must be a colour as #06C755",
);

/// `width:height`.
const ASPECT: Kind = Kind::Form(
    |text| {
        let side = |text: &str| text.parse().ok().filter(|side| (1.0..=100_000.0).contains(side));
        let sides: Option<(f64, f64)> =
            text.split_once(':').and_then(|(width, height)| Some((side(width)?, side(height)?)));
        sides.is_some_and(|(width, height)| height <= 3.0 * width)
    },
    "must be width:height as 20:13, each from 1 to 100000, and no higher than three times its width",
);

/// A keyword, pixels or a percentage.
const EXTENT: Kind = Kind::Units(50);
const FLEX: Kind = Kind::Whole(0.0, 2_147_483_647.0);
const POSITION: Kind = Kind::Word(&["relative", "absolute"]);
const ALIGN: Kind = Kind::Word(&["start", "end", "center"]);
const GRAVITY: Kind = Kind::Word(&["top", "bottom", "center"]);
const SHRINK: Kind = Kind::Word(&["shrink-to-fit"]);
const TAPPED: Kind = Kind::Action(&action::TAPPABLE);

static BOX: Shape = Shape {
    fields: &[
        Field("layout", NEEDED, Kind::Word(&["horizontal", "vertical", "baseline"])),
        Field("contents", NEEDED, Kind::List(0, usize::MAX, &Kind::Choice(&COMPONENTS))),
        Field("flex", MAY, FLEX),
        Field("spacing", MAY, EXTENT),
        Field("margin", MAY, EXTENT),
        Field("position", MAY, POSITION),
        Field("backgroundColor", MAY, COLOUR),
        Field("borderColor", MAY, COLOUR),
        Field("borderWidth", MAY, EXTENT),
        Field("cornerRadius", MAY, EXTENT),
        Field("width", MAY, EXTENT),
        Field("height", MAY, EXTENT),
        Field("paddingAll", MAY, EXTENT),
        Field(
            "justifyContent",
            MAY,
            Kind::Word(&[
                "center",
                "flex-start",
                "flex-end",
                "space-between",
                "space-around",
                "space-evenly",
            ]),
        ),
        Field("alignItems", MAY, Kind::Word(&["center", "flex-start", "flex-end"])),
        Field("background", MAY, Kind::Choice(&[("linearGradient", &GRADIENT)])),
        Field("action", MAY, TAPPED),
    ],
    and: Some(icons_stand_on_a_baseline),
};

fn icons_stand_on_a_baseline(fields: &Map<String, Value>, path: &Path<'_>) -> Result<(), MessageError> {
    if fields.get("layout").and_then(Value::as_str) == Some("baseline") {
        return Ok(());
    }
    let contents = fields.get("contents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_icon = |item: &Value| item.get("type").and_then(Value::as_str) == Some("icon");
    match contents.iter().position(is_icon) {
        None => Ok(()),
        Some(index) => {
            let words = "can be icon in a box of layout baseline only";
            let list = path.name("contents");
            Err(MessageError::wrong(&list.item(index).name("type"), words))
        }
    }
}

static GRADIENT: Shape = Shape {
    fields: &[
        Field("angle", NEEDED, Kind::Units(50)),
        Field("startColor", NEEDED, COLOUR),
        Field("endColor", NEEDED, COLOUR),
        Field("centerColor", MAY, COLOUR),
    ],
    and: None,
};

static BUTTON: Shape = Shape {
    fields: &[
        Field("action", NEEDED, Kind::Action(&action::FLEX_BUTTON)),
        Field("flex", MAY, FLEX),
        Field("color", MAY, COLOUR),
        Field("style", MAY, Kind::Word(&["primary", "secondary", "link"])),
        Field("gravity", MAY, GRAVITY),
        Field("margin", MAY, EXTENT),
        Field("position", MAY, POSITION),
        Field("height", MAY, Kind::Word(&["sm", "md"])),
        Field("adjustMode", MAY, SHRINK),
        Field("scaling", MAY, Kind::Boolean),
    ],
    and: None,
};

static IMAGE: Shape = Shape {
    fields: &[
        Field("url", NEEDED, Kind::Url),
        Field("flex", MAY, FLEX),
        Field("margin", MAY, EXTENT),
        Field("position", MAY, POSITION),
        Field("align", MAY, ALIGN),
        Field("gravity", MAY, GRAVITY),
        Field("size", MAY, EXTENT),
        Field("aspectRatio", MAY, ASPECT),
        Field("aspectMode", MAY, Kind::Word(&["cover", "fit"])),
        Field("backgroundColor", MAY, COLOUR),
        Field("animated", MAY, Kind::Boolean),
        Field("action", MAY, TAPPED),
    ],
    and: None,
};

static VIDEO: Shape = Shape {
    fields: &[
        Field("url", NEEDED, Kind::Url),
        Field("previewUrl", NEEDED, Kind::Url),
        Field("altContent", NEEDED, Kind::Choice(&STILL)),
        Field("aspectRatio", MAY, ASPECT),
        Field("action", MAY, TAPPED),
    ],
    and: None,
};

static ICON: Shape = Shape {
    fields: &[
        Field("url", NEEDED, Kind::Url),
        Field("margin", MAY, EXTENT),
        Field("position", MAY, POSITION),
        Field("size", MAY, EXTENT),
        Field("aspectRatio", MAY, ASPECT),
        Field("scaling", MAY, Kind::Boolean),
    ],
    and: None,
};

const TEXT_SIZE: usize = usize::MAX;
const WEIGHT: Kind = Kind::Word(&["regular", "bold"]);
const SLANT: Kind = Kind::Word(&["normal", "italic"]);
const DECORATION: Kind = Kind::Word(&["none", "underline", "line-through"]);

static TEXT: Shape = Shape {
    fields: &[
        Field("text", MAY, Kind::Units(TEXT_SIZE)),
        Field("contents", MAY, Kind::List(0, usize::MAX, &Kind::Choice(&SPANS))),
        Field("flex", MAY, FLEX),
        Field("size", MAY, EXTENT),
        Field("align", MAY, ALIGN),
        Field("gravity", MAY, GRAVITY),
        Field("color", MAY, COLOUR),
        Field("weight", MAY, WEIGHT),
        Field("style", MAY, SLANT),
        Field("decoration", MAY, DECORATION),
        Field("wrap", MAY, Kind::Boolean),
        Field("lineSpacing", MAY, EXTENT),
        Field("margin", MAY, EXTENT),
        Field("position", MAY, POSITION),
        Field("maxLines", MAY, FLEX),
        Field("adjustMode", MAY, SHRINK),
        Field("scaling", MAY, Kind::Boolean),
        Field("action", MAY, TAPPED),
    ],
    and: Some(|fields, path| {
        let has_spans =
            fields.get("contents").and_then(Value::as_array).is_some_and(|spans| !spans.is_empty());
        let has_text = fields.get("text").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if has_spans || has_text {
            return Ok(());
        }
        Err(MessageError::wrong(&path.name("text"), "is empty; write something, or spans as contents"))
    }),
};

static SPAN: Shape = Shape {
    fields: &[
        Field("text", NEEDED, Kind::Units(TEXT_SIZE)),
        Field("size", MAY, EXTENT),
        Field("color", MAY, COLOUR),
        Field("weight", MAY, WEIGHT),
        Field("style", MAY, SLANT),
        Field("decoration", MAY, DECORATION),
    ],
    and: None,
};

static SEPARATOR: Shape =
    Shape { fields: &[Field("margin", MAY, EXTENT), Field("color", MAY, COLOUR)], and: None };

static FILLER: Shape = Shape { fields: &[Field("flex", MAY, FLEX)], and: None };
