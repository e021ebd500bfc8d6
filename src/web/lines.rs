//! Bodies of many lines, `{"events": […]}`: each line is judged on its own, and answered by its place.

use serde_json::{Map, Value};

use super::{ApiError, Request};

/// Lines of one call.
pub const MAX_LINES: usize = 1_000;

/// A line that is refused: what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The field, as a path: `properties.items[2].product_id`. Nothing where the line itself is meant.
    pub field: String,
    /// A sentence.
    pub says: String,
}

impl Refused {
    /// Refuses a field.
    #[must_use]
    pub fn new(field: impl Into<String>, says: impl Into<String>) -> Self {
        Self { field: field.into(), says: says.into() }
    }

    /// The same within another field.
    #[must_use]
    pub fn within(self, field: &str) -> Self {
        let dot = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        Self { field: format!("{field}{dot}{}", self.field), says: self.says }
    }
}

impl From<Refused> for ApiError {
    /// Of a call with one line.
    fn from(refused: Refused) -> Self {
        let Refused { field, says } = refused;
        Self::invalid_request(if field.is_empty() { says } else { format!("{field}: {says}") })
    }
}

/// The lines of a body, whose one field is `name`.
pub fn read(request: &Request, name: &str) -> Result<Vec<Value>, ApiError> {
    let mut body: Map<String, Value> = request.json()?;
    let lines = body.remove(name);
    if let Some(other) = body.keys().next() {
        return Err(ApiError::invalid_request(format!("{other}: there is no such field; send {name}")));
    }
    match lines {
        Some(Value::Array(lines)) if (1..=MAX_LINES).contains(&lines.len()) => Ok(lines),
        _ => Err(ApiError::invalid_request(format!("{name}: send a list of 1 to {MAX_LINES}"))),
    }
}

/// The fields of a line.
pub fn fields(line: Value) -> Result<Map<String, Value>, Refused> {
    match line {
        Value::Object(fields) => Ok(fields),
        _ => Err(Refused::new("", "a line is a JSON object")),
    }
}

/// Takes a text out of the fields of a line, if it is there.
pub fn optional(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match fields.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::new(name, "must be text")),
        None => Ok(None),
    }
}

/// Takes a text out of the fields of a line.
pub fn text(fields: &mut Map<String, Value>, name: &str) -> Result<String, Refused> {
    optional(fields, name)?.ok_or_else(|| Refused::new(name, "is missing"))
}

/// That every field of a line was taken: a field that nobody reads would be lost without a word.
pub fn nothing_more(fields: &Map<String, Value>, known: &str) -> Result<(), Refused> {
    match fields.keys().next() {
        Some(name) => {
            Err(Refused::new(super::repeated(name), format!("there is no such field; known are {known}")))
        }
        None => Ok(()),
    }
}

/// What a line that was refused is answered.
#[must_use]
pub fn refused(index: usize, refused: Refused) -> Value {
    super::object([
        ("index", index.into()),
        ("result", "refused".into()),
        ("field", refused.field.into()),
        ("error_description", refused.says.into()),
    ])
}
