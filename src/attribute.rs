//! Values of attributes, as the shop says them of its members and as rules name them.
//!
//! In: JSON. Out: a value with its kind, or what is wrong with it. The kind is a function of the value, so that members and
//! rules cannot differ. Not here: when a value was said, and of whom (`word.rs`).

use serde::{Deserialize, Serialize};

use crate::time::Day;

/// The longest name of an attribute or a tag, in characters.
pub const MAX_NAME: usize = 64;

/// The longest text, in characters.
pub const MAX_TEXT: usize = 1_000;

/// Elements of a list.
pub const MAX_ITEMS: usize = 100;

/// The longest text in a list, in characters.
pub const MAX_ITEM: usize = 255;

/// The length of a date, `YYYY-MM-DD`.
const DATE: usize = 10;

/// Below this whole numbers are exact: 2^53. From here on a number that is said may be another when it is read.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` and `false`.
    Boolean(bool),
    /// A number; whole ones are exact to ±(2^53 − 1).
    Number(f64),
    /// Text; of the form `YYYY-MM-DD` it is a date.
    Text(String),
}

impl Scalar {
    /// The kind, as it is stored beside the value: `"1"`, `1` and `true` are three different values. A text that is a day of the
    /// calendar, `YYYY-MM-DD`, is a date.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(text) if is_date(text) => "date",
            Self::Text(_) => "text",
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Boolean(truth) => (*truth).into(),
            #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is within 2^53")]
            Self::Number(number) if number.fract() == 0.0 => (*number as i64).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
        }
    }

    /// Checks the value, which a list takes up to another length.
    fn check(&self, longest: usize, error: AttributeError) -> Result<(), AttributeError> {
        match self {
            Self::Text(text) if text.chars().count() > longest || text.contains('\0') => Err(error),
            Self::Number(number) if number.abs() >= EXACT => Err(AttributeError::Number),
            _ => Ok(()),
        }
    }
}

/// What an attribute holds: one value, or a list of texts and numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// One value.
    One(Scalar),
    /// A list, in the shop's order.
    List(Vec<Scalar>),
}

impl Attribute {
    /// The kind, as it is stored.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::One(value) => value.kind(),
            Self::List(_) => "list",
        }
    }

    /// As it is stored and shown: a number that is whole is written as one.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::One(value) => value.json(),
            Self::List(items) => items.iter().map(Scalar::json).collect(),
        }
    }

    /// Checks the value.
    pub fn check(&self) -> Result<(), AttributeError> {
        match self {
            Self::One(value) => value.check(MAX_TEXT, AttributeError::Text),
            Self::List(items) if items.len() > MAX_ITEMS => Err(AttributeError::Items),
            Self::List(items) => items.iter().try_for_each(|item| match item {
                Scalar::Boolean(_) => Err(AttributeError::Item),
                _ => item.check(MAX_ITEM, AttributeError::Item),
            }),
        }
    }

    /// Reads a value, and checks it.
    pub fn parse(json: serde_json::Value) -> Result<Self, AttributeError> {
        let error = if json.is_array() { AttributeError::Item } else { AttributeError::Kind };
        let attribute: Self = serde_json::from_value(json).map_err(|_| error)?;
        attribute.check()?;
        Ok(attribute)
    }
}

/// Why an attribute is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// The name has no acceptable form.
    #[error("a name has 1 to 64 characters, none of them a control character")]
    Name,
    /// Not a value at all.
    #[error(
        "a value is text, a number, true, false, or a list of texts and numbers; null removes the attribute"
    )]
    Kind,
    /// A number that would not come back as it was said.
    #[error("a number lies within ±(2^53 − 1); write a longer one as text")]
    Number,
    /// A text that is too long.
    #[error("a text has at most 1000 characters, and not U+0000")]
    Text,
    /// A list that is too long.
    #[error("a list has at most 100 elements")]
    Items,
    /// Something in a list that may not be there.
    #[error("a list holds texts of at most 255 characters, without U+0000, and numbers")]
    Item,
}

/// Checks the name of an attribute or a tag.
pub fn check_name(name: &str) -> Result<(), AttributeError> {
    let is_name = (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if is_name { Ok(()) } else { Err(AttributeError::Name) }
}

/// Whether a text is a day of the calendar, `YYYY-MM-DD`.
#[must_use]
pub fn is_date(text: &str) -> bool {
    text.len() == DATE && Day::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_kind_follows_from_the_value() {
        for (json, kind) in [
            (json!(true), "boolean"),
            (json!(1), "number"),
            (json!(-1.5e3), "number"),
            (json!("1"), "text"),
            (json!(""), "text"),
            (json!("2024-02-29"), "date"),
            (json!("2023-02-29"), "text"),
            (json!("2024-2-29"), "text"),
            (json!("12024-02-29"), "text"),
            (json!(["a", 1]), "list"),
            (json!([]), "list"),
        ] {
            assert_eq!(Attribute::parse(json.clone()).unwrap().kind(), kind, "{json}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (json, error) in [
            (json!(null), AttributeError::Kind),
            (json!({}), AttributeError::Kind),
            (json!("x".repeat(1_001)), AttributeError::Text),
            (json!("a\0"), AttributeError::Text),
            (json!(9_007_199_254_740_993_i64), AttributeError::Number),
            (json!(u64::MAX), AttributeError::Number),
            (json!(-1e308), AttributeError::Number),
            (json!([1, 9_007_199_254_740_992_i64]), AttributeError::Number),
            (json!([true]), AttributeError::Item),
            (json!([null]), AttributeError::Item),
            (json!([["a"]]), AttributeError::Item),
            (json!(["x".repeat(256)]), AttributeError::Item),
            (json!(vec![1; 101]), AttributeError::Items),
        ] {
            assert_eq!(Attribute::parse(json.clone()), Err(error), "{json}");
        }
        let most = json!(9_007_199_254_740_991_i64);
        assert_eq!(Attribute::parse(most.clone()).unwrap().json(), most);
        assert!(Attribute::parse(json!("あ".repeat(1_000))).is_ok());
        assert!(Attribute::parse(json!(vec!["あ".repeat(255); 100])).is_ok());
    }

    #[test]
    fn a_name_has_a_form() {
        assert!(check_name("ランク").is_ok() && check_name(&"x".repeat(64)).is_ok());
        for wrong in ["", "a\n", &"x".repeat(65)] {
            assert_eq!(check_name(wrong), Err(AttributeError::Name), "{wrong:?}");
        }
    }
}
