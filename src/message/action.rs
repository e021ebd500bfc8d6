//! Actions: what a tap does, and how long its label may be where it stands (Messaging API reference, "Action objects").

use serde_json::{Map, Value};

use super::{
    MessageError,
    check::{Choice, Chosen, Field, Kind, MAY, NEEDED, Shape, chosen, field, object},
    path::Path,
};
use crate::time::Day;

/// The longest address that a tap opens, in characters.
pub(super) const MAX_ADDRESS: usize = 1_000;

/// Where an action stands.
pub(super) struct Place {
    label: Field,
    kinds: Choice,
}

const fn place(label: usize, needed: bool, kinds: Choice) -> Place {
    Place { label: Field("label", needed, Kind::Clusters(label)), kinds }
}

pub(super) static QUICK_REPLY: Place = place(20, NEEDED, &IN_QUICK_REPLY);
pub(super) static TEMPLATE: Place = place(20, NEEDED, &ANYWHERE);
pub(super) static IMAGE_CAROUSEL: Place = place(12, MAY, &ANYWHERE);
pub(super) static FLEX_BUTTON: Place = place(40, NEEDED, &ANYWHERE);
/// An image, a box, a whole card or bubble that can be tapped.
pub(super) static TAPPABLE: Place = place(40, MAY, &ANYWHERE);

static ANYWHERE: [Chosen; 5] = [
    ("postback", &POSTBACK),
    ("message", &MESSAGE),
    ("uri", &URI),
    ("datetimepicker", &DATE_TIME_PICKER),
    ("clipboard", &CLIPBOARD),
];

static IN_QUICK_REPLY: [Chosen; 8] = [
    ("postback", &POSTBACK),
    ("message", &MESSAGE),
    ("uri", &URI),
    ("datetimepicker", &DATE_TIME_PICKER),
    ("clipboard", &CLIPBOARD),
    ("camera", &PLAIN),
    ("cameraRoll", &PLAIN),
    ("location", &PLAIN),
];

const MAX_DATA: usize = 300;

static PLAIN: Shape = Shape { fields: &[], and: None };

static POSTBACK: Shape = Shape {
    fields: &[
        Field("data", NEEDED, Kind::Units(MAX_DATA)),
        Field("displayText", MAY, Kind::Clusters(MAX_DATA)),
        Field("text", MAY, Kind::Clusters(MAX_DATA)),
        Field(
            "inputOption",
            MAY,
            Kind::Word(&["closeRichMenu", "openRichMenu", "openKeyboard", "openVoice"]),
        ),
        Field("fillInText", MAY, Kind::Clusters(MAX_DATA)),
    ],
    and: None,
};

static MESSAGE: Shape = Shape { fields: &[Field("text", NEEDED, Kind::Clusters(MAX_DATA))], and: None };

static URI: Shape = Shape {
    fields: &[Field("uri", NEEDED, Kind::Address), Field("altUri", MAY, Kind::Object(&ALTERNATIVE))],
    and: None,
};

static ALTERNATIVE: Shape = Shape { fields: &[Field("desktop", MAY, Kind::Address)], and: None };

static CLIPBOARD: Shape = Shape { fields: &[Field("clipboardText", NEEDED, Kind::Units(1_000))], and: None };

static DATE_TIME_PICKER: Shape = Shape {
    fields: &[
        Field("data", NEEDED, Kind::Units(MAX_DATA)),
        Field("mode", NEEDED, Kind::Word(&["date", "time", "datetime"])),
    ],
    and: Some(times),
};

/// The first, the last and the initial time are of the mode's form, and in this order.
fn times(fields: &Map<String, Value>, path: &Path<'_>) -> Result<(), MessageError> {
    let mode = fields.get("mode").and_then(Value::as_str).unwrap_or_default();
    let at = |name: &str| fields.get(name).filter(|value| !value.is_null());
    for name in ["initial", "max", "min"] {
        let Some(value) = at(name) else { continue };
        if !value.as_str().is_some_and(|text| is_time(mode, text)) {
            let words = match mode {
                "date" => "must be a date as 2026-12-24, from 1900-01-01 to 2100-12-31",
                "time" => "must be a time as 09:30, from 00:00 to 23:59",
                _ => "must be date and time as 2026-12-24t09:30, from 1900-01-01 to 2100-12-31",
            };
            return Err(MessageError::wrong(&path.name(name), words));
        }
    }
    // The form is fixed, so that texts are ordered as times are.
    let lower = |name| at(name).and_then(Value::as_str).map(str::to_ascii_lowercase);
    match (lower("min"), lower("max")) {
        (Some(min), Some(max)) if min >= max => {
            Err(MessageError::wrong(&path.name("min"), "must be before max"))
        }
        _ => Ok(()),
    }
}

fn is_time(mode: &str, text: &str) -> bool {
    let is_date = |text: &str| Day::parse(text).is_some() && ("1900-01-01"..="2100-12-31").contains(&text);
    let is_clock = |text: &str| {
        let part = |text: &str, below: u8| {
            text.len() == 2
                && text.bytes().all(|digit| digit.is_ascii_digit())
                && text.parse().is_ok_and(|part: u8| part < below)
        };
        text.split_once(':').is_some_and(|(hour, minute)| part(hour, 24) && part(minute, 60))
    };
    match mode {
        "date" => is_date(text),
        "time" => is_clock(text),
        _ => text.split_once(['t', 'T']).is_some_and(|(date, clock)| is_date(date) && is_clock(clock)),
    }
}

/// Checks an action at its place.
pub(super) fn check(fields: &Map<String, Value>, place: &Place, path: &Path<'_>) -> Result<(), MessageError> {
    let shape = chosen(fields, place.kinds, path)?;
    field(fields, &place.label, path)?;
    object(fields, shape, path)
}
