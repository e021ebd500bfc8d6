//! The language of segments: a rule over members and friends, read from JSON and compiled to SQL.
//!
//! One compiler serves count, list and send, so they cannot disagree. The account, "friend" and "linked" are added by
//! the compiler outside the rule: no rule can reach another account or someone who blocked.

mod compile;

pub use compile::{Audience, audience};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Day;

/// The longest attribute name, in characters.
pub const MAX_NAME: usize = 64;

/// The longest text value of an attribute, in characters.
pub const MAX_TEXT: usize = 1_000;

/// The length of a date, `YYYY-MM-DD`.
const DATE: usize = 10;

/// Who belongs to a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Rule {
    /// `{"attribute": "rank", "equals": "gold"}`: members whose attribute has this value.
    AttributeEquals {
        /// The attribute's name.
        attribute: String,
        /// The value: text, number or boolean.
        equals: Scalar,
    },
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` and `false`.
    Boolean(bool),
    /// A number; whole ones are exact to ±(2^53 − 1).
    Number(f64),
    /// Text.
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
            Self::Text(text) if text.len() == DATE && Day::parse(text).is_some() => "date",
            Self::Text(_) => "text",
        }
    }
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a rule that this version knows.
    #[error("the rule must be {{\"attribute\": name, \"equals\": text, number or boolean}}")]
    Unknown,
    /// The attribute's name has no acceptable form.
    #[error("an attribute's name has 1 to 64 characters")]
    Name,
    /// The value is too long.
    #[error("an attribute's text has at most 1000 characters")]
    Text,
}

impl Rule {
    /// Reads a rule; an empty one is refused, because it would mean everyone.
    pub fn parse(json: Value) -> Result<Self, RuleError> {
        let rule: Self = serde_json::from_value(json).map_err(|_| RuleError::Unknown)?;
        let Self::AttributeEquals { attribute, equals } = &rule;
        check_attribute(attribute, equals)?;
        Ok(rule)
    }
}

/// Checks an attribute's name and value, as rules and members write them alike.
pub fn check_attribute(name: &str, value: &Scalar) -> Result<(), RuleError> {
    if !(1..=MAX_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(RuleError::Name);
    }
    match value {
        Scalar::Text(text) if text.chars().count() > MAX_TEXT => Err(RuleError::Text),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_is_read_and_everything_else_is_refused() {
        assert!(Rule::parse(json!({"attribute": "rank", "equals": "gold"})).is_ok());
        for wrong in [
            json!({}),
            json!([]),
            json!(null),
            json!({"attribute": "rank"}),
            json!({"attribute": "rank", "equals": null}),
            json!({"attribute": "rank", "equals": ["gold"]}),
            json!({"attribute": "rank", "equals": "gold", "or": true}),
        ] {
            assert_eq!(Rule::parse(wrong), Err(RuleError::Unknown));
        }
        assert_eq!(Rule::parse(json!({"attribute": "", "equals": 1})), Err(RuleError::Name));
    }
}
