//! What LINE takes: imagemap messages (Messaging API reference, "Imagemap message").

use super::{
    check::{Chosen, Field, Kind, MAY, NEEDED, Shape},
    schema::{MAX_ALT_TEXT, MOST},
};

pub(super) static MESSAGE: Shape = Shape {
    fields: &[
        Field("baseUrl", NEEDED, Kind::Url),
        Field("altText", NEEDED, Kind::Units(MAX_ALT_TEXT)),
        Field("baseSize", NEEDED, Kind::Object(&BASE_SIZE)),
        Field("actions", NEEDED, Kind::List(0, 50, &Kind::Choice(&ACTIONS))),
        Field("video", MAY, Kind::Object(&VIDEO)),
    ],
    and: None,
};

static BASE_SIZE: Shape = Shape {
    fields: &[
        Field("width", NEEDED, Kind::Whole(1_040.0, 1_040.0)),
        Field("height", NEEDED, Kind::Whole(1.0, MOST)),
    ],
    and: None,
};

static ACTIONS: [Chosen; 3] = [("uri", &URI), ("message", &TEXT), ("clipboard", &CLIPBOARD)];

static URI: Shape = Shape {
    fields: &[Field("linkUri", NEEDED, Kind::Address), Field("area", NEEDED, Kind::Object(&AREA))],
    and: None,
};

static TEXT: Shape = Shape {
    fields: &[Field("text", NEEDED, Kind::Units(400)), Field("area", NEEDED, Kind::Object(&AREA))],
    and: None,
};

static CLIPBOARD: Shape = Shape {
    fields: &[Field("clipboardText", NEEDED, Kind::Units(1_000)), Field("area", NEEDED, Kind::Object(&AREA))],
    and: None,
};

static AREA: Shape = Shape {
    fields: &[
        Field("x", NEEDED, Kind::Whole(0.0, MOST)),
        Field("y", NEEDED, Kind::Whole(0.0, MOST)),
        Field("width", NEEDED, Kind::Whole(0.0, MOST)),
        Field("height", NEEDED, Kind::Whole(0.0, MOST)),
    ],
    and: None,
};

static VIDEO: Shape = Shape {
    fields: &[
        Field("originalContentUrl", NEEDED, Kind::Url),
        Field("previewImageUrl", NEEDED, Kind::Url),
        Field("area", NEEDED, Kind::Object(&AREA)),
        Field("externalLink", MAY, Kind::Object(&EXTERNAL_LINK)),
    ],
    and: None,
};

static EXTERNAL_LINK: Shape = Shape {
    fields: &[Field("linkUri", NEEDED, Kind::Address), Field("label", NEEDED, Kind::Units(30))],
    and: None,
};
