//! The columns of members and events, and what their cells say.
//!
//! A column is a name, and where its form does not tell what is meant, `:text`, `:number`, `:boolean`, `:date` or `:list` behind
//! it. Without it a property that is text in a type that is built in (`order_id`) is text; `true` and `false` are booleans, what JSON takes
//! as a number is one (`007` is text), and all else is text. An empty cell says nothing.

use serde_json::Value;

use super::Kind;
use crate::{
    attribute::{check_name, is_date},
    event::{BUILT_IN, Form},
};

/// What separates the elements of a list in a cell.
const SEPARATOR: char = '|';

/// What a cell is by its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// By its form.
    Guessed,
    /// Text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day.
    Date,
    /// Texts with `|` between them.
    List,
    /// JSON.
    Json,
}

/// A column: its name, and what its cells are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// What its cells are.
    pub(super) cell: Cell,
}

/// The columns that a kind has of itself; others are attributes or properties.
pub(super) fn own(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Events => &["id", "member_id", "type", "occurred_at", "properties"],
        _ => &["member_id", "as_of", "tags"],
    }
}

/// Those that must be there.
pub(super) fn needed(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Events => &["id", "member_id", "type", "occurred_at"],
        _ => &["member_id"],
    }
}

impl Column {
    /// Reads a column's name.
    pub(super) fn of(kind: Kind, written: &str) -> Result<Self, String> {
        let written = written.trim();
        if let Some(own) = own(kind).iter().find(|own| **own == written) {
            let cell = match *own {
                "properties" => Cell::Json,
                "tags" => Cell::List,
                _ => Cell::Text,
            };
            return Ok(Self { name: (*own).to_owned(), cell });
        }
        if written == "line_user_id" {
            return Err("line_user_id is brought by an import of the kind links".to_owned());
        }
        let of = |form: &str| match form {
            "text" => Some(Cell::Text),
            "number" => Some(Cell::Number),
            "boolean" => Some(Cell::Boolean),
            "date" => Some(Cell::Date),
            "list" => Some(Cell::List),
            _ => None,
        };
        let formed = written.rsplit_once(':').and_then(|(name, form)| Some((name, of(form)?)));
        let (name, cell) = formed.unwrap_or_else(|| {
            (written, if kind == Kind::Events && is_text(written) { Cell::Text } else { Cell::Guessed })
        });
        check_name(name).map_err(|error| format!("{error}; a column's name is empty or too long"))?;
        Ok(Self { name: name.to_owned(), cell })
    }
}

/// Whether a property of this name is text where it is built in: ids of digits are no numbers.
fn is_text(name: &str) -> bool {
    let mut known = BUILT_IN.iter().flat_map(|one| one.properties);
    known.any(|property| property.name == name && matches!(property.form, Form::Id | Form::Text))
}

impl Cell {
    /// The value of a cell that is not empty.
    pub(super) fn read(self, text: &str) -> Result<Value, &'static str> {
        let is_bare = !text.starts_with(char::is_whitespace) && !text.ends_with(char::is_whitespace);
        let number = || serde_json::from_str::<serde_json::Number>(text).ok().filter(|_| is_bare);
        let boolean = || text.parse::<bool>().ok();
        Ok(match self {
            Self::Text => text.into(),
            Self::Guessed => match (boolean(), number()) {
                (Some(truth), _) => truth.into(),
                (_, Some(number)) => number.into(),
                _ => text.into(),
            },
            Self::Number => number().ok_or("must be a number, such as 12 or 0.5")?.into(),
            Self::Boolean => boolean().ok_or("must be true or false")?.into(),
            Self::Date if is_date(text) => text.into(),
            Self::Date => return Err("must be a day, YYYY-MM-DD"),
            Self::List => text.split(SEPARATOR).map(Value::from).collect(),
            Self::Json => serde_json::from_str(text).map_err(|_| "must be a JSON object")?,
        })
    }
}
