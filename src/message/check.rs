//! Walks messages along the tables of what LINE takes (`schema.rs`, `flex.rs`, `action.rs`).
//!
//! What LINE refuses by its reference is refused, with the property's place. Properties that the tables do not know pass: LINE's
//! validate endpoint judges them.

use serde_json::{Map, Value};
use url::Url;

use super::{
    MessageError,
    action::{self, Place},
    count::{clusters, units},
    path::Path,
};

/// The longest URL, in characters.
const MAX_URL: usize = 2_000;

/// A property: its name, whether LINE needs it, and what it takes.
pub(super) struct Field(pub(super) &'static str, pub(super) bool, pub(super) Kind);

/// Readable instead of `true` and `false` in the tables.
pub(super) const NEEDED: bool = true;
/// See [`NEEDED`].
pub(super) const MAY: bool = false;

/// An object: its properties, and what more holds of them together.
pub(super) struct Shape {
    pub(super) fields: &'static [Field],
    pub(super) and: Option<Also>,
}

/// A check of an object beyond its properties.
pub(super) type Also = fn(&Map<String, Value>, &Path<'_>) -> Result<(), MessageError>;

/// Objects by their `type`.
pub(super) type Choice = &'static [Chosen];

/// A type and the object that has it.
pub(super) type Chosen = (&'static str, &'static Shape);

/// What a property takes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A text of at most so many UTF-16 units; where it is needed, not an empty one.
    Units(usize),
    /// A text of at most so many grapheme clusters.
    Clusters(usize),
    /// A text of a form, with words for it.
    Form(fn(&str) -> bool, &'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    /// An https URL.
    Url,
    /// An address that a tap opens: at most 1,000 characters; http, https, line or tel.
    Address,
    /// A number within bounds.
    Number(f64, f64),
    /// A whole number within bounds.
    Whole(f64, f64),
    /// True or false.
    Boolean,
    /// An object.
    Object(&'static Shape),
    /// An object by its type.
    Choice(Choice),
    /// A list of so many to so many.
    List(usize, usize, &'static Kind),
    /// An action, where it stands.
    Action(&'static Place),
    /// An object whose names the shape's own check reads.
    Names,
}

/// Checks one value.
pub(super) fn check(value: &Value, kind: Kind, needed: bool, path: &Path<'_>) -> Result<(), MessageError> {
    match kind {
        Kind::Units(most) => length(text(value, path)?, most, needed, units, "UTF-16 units", path),
        Kind::Clusters(most) => length(text(value, path)?, most, needed, clusters, "characters", path),
        Kind::Form(fits, words) => {
            if fits(text(value, path)?) {
                Ok(())
            } else {
                Err(MessageError::wrong(path, words))
            }
        }
        Kind::Word(words) => word(value, words, path),
        Kind::Url => address(value, MAX_URL, &["https"], path),
        Kind::Address => address(value, action::MAX_ADDRESS, &["http", "https", "line", "tel"], path),
        Kind::Number(least, most) | Kind::Whole(least, most) => {
            let whole = matches!(kind, Kind::Whole(..));
            let fits = |number: &f64| (least..=most).contains(number) && (!whole || number.fract() == 0.0);
            value.as_f64().filter(fits).map(|_| ()).ok_or_else(|| {
                let what = if whole { "a whole number" } else { "a number" };
                MessageError::wrong(path, format!("must be {what} from {least} to {most}"))
            })
        }
        Kind::Boolean if value.is_boolean() => Ok(()),
        Kind::Boolean => Err(MessageError::wrong(path, "must be true or false")),
        Kind::Object(shape) => object(fields(value, path)?, shape, path),
        Kind::Choice(choice) => {
            let fields = fields(value, path)?;
            object(fields, chosen(fields, choice, path)?, path)
        }
        Kind::List(least, most, item) => list(value, (least, most), *item, path),
        Kind::Action(place) => action::check(fields(value, path)?, place, path),
        Kind::Names if value.is_object() => Ok(()),
        Kind::Names => Err(MessageError::wrong(path, "must be an object")),
    }
}

/// Checks an object's properties and what holds of them together. Null is as good as absent.
pub(super) fn object(
    fields: &Map<String, Value>,
    shape: &Shape,
    path: &Path<'_>,
) -> Result<(), MessageError> {
    shape.fields.iter().try_for_each(|one| field(fields, one, path))?;
    shape.and.map_or(Ok(()), |and| and(fields, path))
}

/// Checks one property of an object.
pub(super) fn field(fields: &Map<String, Value>, one: &Field, path: &Path<'_>) -> Result<(), MessageError> {
    let Field(name, needed, kind) = one;
    let path = path.name(name);
    match fields.get(*name).filter(|value| !value.is_null()) {
        Some(value) => check(value, *kind, *needed, &path),
        None if *needed => Err(MessageError::wrong(&path, "is missing; LINE needs it")),
        None => Ok(()),
    }
}

/// The shape of an object by its type.
pub(super) fn chosen(
    fields: &Map<String, Value>,
    choice: Choice,
    path: &Path<'_>,
) -> Result<&'static Shape, MessageError> {
    let kind = fields.get("type").and_then(Value::as_str);
    let found = choice.iter().find(|(name, _)| Some(*name) == kind);
    found.map(|(_, shape)| *shape).ok_or_else(|| {
        let names: Vec<&str> = choice.iter().map(|(name, _)| *name).collect();
        MessageError::wrong(&path.name("type"), format!("must be one of {}", names.join(", ")))
    })
}

fn fields<'a>(value: &'a Value, path: &Path<'_>) -> Result<&'a Map<String, Value>, MessageError> {
    value.as_object().ok_or_else(|| MessageError::wrong(path, "must be an object"))
}

fn text<'a>(value: &'a Value, path: &Path<'_>) -> Result<&'a str, MessageError> {
    value.as_str().ok_or_else(|| MessageError::wrong(path, "must be a text"))
}

fn length(
    text: &str,
    most: usize,
    needed: bool,
    measure: fn(&str) -> usize,
    unit: &str,
    path: &Path<'_>,
) -> Result<(), MessageError> {
    if needed && text.is_empty() {
        return Err(MessageError::wrong(path, "is empty; write something"));
    }
    // Neither count is above the number of bytes.
    let long = if text.len() > most { measure(text) } else { 0 };
    if long > most {
        return Err(MessageError::wrong(path, format!("has {long} {unit}; shorten it to {most}")));
    }
    Ok(())
}

fn word(value: &Value, words: &[&str], path: &Path<'_>) -> Result<(), MessageError> {
    if value.as_str().is_some_and(|word| words.contains(&word)) {
        return Ok(());
    }
    Err(MessageError::wrong(path, format!("must be one of {}", words.join(", "))))
}

fn list(
    value: &Value,
    (least, most): (usize, usize),
    kind: Kind,
    path: &Path<'_>,
) -> Result<(), MessageError> {
    let items = value.as_array().ok_or_else(|| MessageError::wrong(path, "must be a list"))?;
    if !(least..=most).contains(&items.len()) {
        let words = format!("has {} items; LINE takes {least} to {most}", items.len());
        return Err(MessageError::wrong(path, words));
    }
    items.iter().enumerate().try_for_each(|(index, item)| check(item, kind, true, &path.item(index)))
}

/// An absolute URL of printable ASCII, with one of the schemes.
fn address(value: &Value, most: usize, schemes: &[&str], path: &Path<'_>) -> Result<(), MessageError> {
    let text = text(value, path)?;
    if text.len() > most {
        let words = format!("has {} characters; shorten the address to {most}", text.len());
        return Err(MessageError::wrong(path, words));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let words = "has characters that an address cannot have; percent-encode them (in UTF-8)";
        return Err(MessageError::wrong(path, words));
    }
    let scheme = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()));
    scheme.map(|_| ()).ok_or_else(|| {
        MessageError::wrong(path, format!("must be a whole address with scheme {}", schemes.join(", ")))
    })
}
