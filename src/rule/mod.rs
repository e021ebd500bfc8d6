//! The language of segments: a rule over members and friends, read from JSON and compiled to SQL.
//!
//! One compiler serves count, list and send, so they cannot disagree. The account, "friend" and "linked" are added by
//! the compiler outside the rule: no rule can reach another account or someone who blocked.

mod compile;

pub use compile::{Audience, audience};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::attribute::Scalar;
use crate::attribute::{Attribute, check_name};

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
    #[error("an attribute's text has at most 1000 characters, and not U+0000")]
    Text,
}

impl Rule {
    /// Reads a rule; an empty one is refused, because it would mean everyone.
    pub fn parse(json: Value) -> Result<Self, RuleError> {
        let rule: Self = serde_json::from_value(json).map_err(|_| RuleError::Unknown)?;
        let Self::AttributeEquals { attribute, equals } = &rule;
        check_name(attribute).map_err(|_| RuleError::Name)?;
        Attribute::One(equals.clone()).check().map_err(|_| RuleError::Text)?;
        Ok(rule)
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
