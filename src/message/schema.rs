//! What LINE takes: every kind of message; the larger ones have files of their own (Messaging API reference, "Message objects").
//!
//! A row is a property, whether LINE needs it, and what it takes. Not here: what only LINE knows, such as whether an address
//! serves an image, a sticker may be sent or a coupon exists.

use serde_json::{Map, Value};

use super::{
    MessageError, action,
    check::{Chosen, Field, Kind, MAY, NEEDED, Shape, chosen, object},
    flex, imagemap,
    path::Path,
    template, text_v2,
};

/// The longest text that stands for a message where it cannot be shown.
pub(super) const MAX_ALT_TEXT: usize = 1_500;
pub(super) const MAX_TEXT: usize = 5_000;
/// LINE counts pixels and milliseconds in 32 bits.
pub(super) const MOST: f64 = 2_147_483_647.0;

static KINDS: [Chosen; 11] = [
    ("text", &TEXT),
    ("textV2", &text_v2::MESSAGE),
    ("sticker", &STICKER),
    ("image", &IMAGE),
    ("video", &VIDEO),
    ("audio", &AUDIO),
    ("location", &LOCATION),
    ("coupon", &COUPON),
    ("imagemap", &imagemap::MESSAGE),
    ("template", &template::MESSAGE),
    ("flex", &flex::MESSAGE),
];

/// The list of messages.
pub(super) static MESSAGES: Kind =
    Kind::List(1, crate::line::messaging::MAX_MESSAGES, &Kind::Object(&MESSAGE));

static MESSAGE: Shape = Shape {
    fields: &[
        Field("quickReply", MAY, Kind::Object(&QUICK_REPLY)),
        Field("sender", MAY, Kind::Object(&SENDER)),
    ],
    and: Some(|fields, path| object(fields, chosen(fields, &KINDS, path)?, path)),
};

static QUICK_REPLY: Shape = Shape {
    fields: &[Field("items", NEEDED, Kind::List(1, 13, &Kind::Object(&QUICK_REPLY_ITEM)))],
    and: None,
};

static QUICK_REPLY_ITEM: Shape = Shape {
    fields: &[
        Field("type", NEEDED, Kind::Word(&["action"])),
        Field("imageUrl", MAY, Kind::Url),
        Field("action", NEEDED, Kind::Action(&action::QUICK_REPLY)),
    ],
    and: None,
};

static SENDER: Shape = Shape {
    fields: &[Field("name", MAY, Kind::Units(20)), Field("iconUrl", MAY, Kind::Url)],
    and: Some(|fields, path| {
        let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.trim().eq_ignore_ascii_case("line") {
            return Err(MessageError::wrong(&path.name("name"), "must be another name; LINE keeps this one"));
        }
        Ok(())
    }),
};

static TEXT: Shape = Shape {
    fields: &[
        Field("text", NEEDED, Kind::Units(MAX_TEXT)),
        Field("emojis", MAY, Kind::List(0, 20, &Kind::Object(&EMOJI))),
        Field("quoteToken", MAY, Kind::Units(usize::MAX)),
    ],
    and: Some(emojis_stand_at_dollars),
};

static EMOJI: Shape = Shape {
    fields: &[
        Field("index", NEEDED, Kind::Whole(0.0, 4_999.0)),
        Field("productId", NEEDED, Kind::Units(100)),
        Field("emojiId", NEEDED, Kind::Units(100)),
    ],
    and: None,
};

fn emojis_stand_at_dollars(fields: &Map<String, Value>, path: &Path<'_>) -> Result<(), MessageError> {
    let Some(Value::Array(emojis)) = fields.get("emojis") else { return Ok(()) };
    let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
    let units: Vec<u16> = text.encode_utf16().collect();
    let list = path.name("emojis");
    for (index, emoji) in emojis.iter().enumerate() {
        let place = emoji.get("index").and_then(Value::as_u64).and_then(|place| usize::try_from(place).ok());
        if place.and_then(|place| units.get(place)) != Some(&u16::from(b'$')) {
            let words = "must be where a $ stands in the text, counted in UTF-16 units from 0";
            return Err(MessageError::wrong(&list.item(index).name("index"), words));
        }
    }
    Ok(())
}

/// Letters, digits and underscores.
pub(super) fn is_tag(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

const DIGITS: Kind = Kind::Form(
    |text| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    "must be a text of digits",
);

static STICKER: Shape = Shape {
    fields: &[
        Field("packageId", NEEDED, DIGITS),
        Field("stickerId", NEEDED, DIGITS),
        Field("quoteToken", MAY, Kind::Units(usize::MAX)),
    ],
    and: None,
};

static IMAGE: Shape = Shape {
    fields: &[Field("originalContentUrl", NEEDED, Kind::Url), Field("previewImageUrl", NEEDED, Kind::Url)],
    and: None,
};

static VIDEO: Shape = Shape {
    fields: &[
        Field("originalContentUrl", NEEDED, Kind::Url),
        Field("previewImageUrl", NEEDED, Kind::Url),
        Field("trackingId", MAY, Kind::Units(100)),
    ],
    and: None,
};

static AUDIO: Shape = Shape {
    fields: &[
        Field("originalContentUrl", NEEDED, Kind::Url),
        Field("duration", NEEDED, Kind::Whole(1.0, MOST)),
    ],
    and: None,
};

static LOCATION: Shape = Shape {
    fields: &[
        Field("title", NEEDED, Kind::Units(100)),
        Field("address", NEEDED, Kind::Units(100)),
        Field("latitude", NEEDED, Kind::Number(-90.0, 90.0)),
        Field("longitude", NEEDED, Kind::Number(-180.0, 180.0)),
    ],
    and: None,
};

static COUPON: Shape = Shape {
    fields: &[
        Field("couponId", NEEDED, Kind::Units(1_000)),
        Field(
            "deliveryTag",
            MAY,
            Kind::Form(|text| is_tag(text, 30), "must have 1 to 30 letters, digits and underscores"),
        ),
    ],
    and: None,
};
