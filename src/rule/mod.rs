//! The language of segments: a rule over members and friends, read from JSON and compiled to SQL.
//!
//! One compiler serves count, list and send, so they cannot disagree. The account, "friend" and "linked" are added by
//! the compiler outside the rule: no rule can reach another account or someone who blocked. In: JSON. Out: a [`Rule`], and
//! of it an [`Audience`]. Not here: whether what a rule names is there (`audience.rs`), who asks. The language is in
//! `docs/API.md`.

mod at;
mod certain;
mod compile;
mod condition;
mod read;

pub use compile::{Audience, audience, figures, named};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{at::At, certain::Truth, condition::Condition, read::Reader};
pub use crate::attribute::Scalar;

/// How deep `all`, `any` and `not` lie within each other.
pub const MAX_DEPTH: usize = 8;

/// Conditions of a rule.
pub const MAX_CONDITIONS: usize = 50;

/// The length of a rule as JSON, in bytes.
pub const MAX_BYTES: usize = 32_000;

/// What a rule may cost, in points: with a million members and five million events of one type one took D1 0.45 s at worst, and D1 gives up after 30.
pub const MAX_COST: i64 = 50;

/// Members that a list names.
pub const MAX_MEMBERS: usize = 1_000;

/// Lists of members in one rule.
pub const MAX_LISTS: usize = 8;

/// What stands in a list of members in place of one who was erased: nobody, even if a shop calls somebody so.
pub const ERASED: &str = "(erased)";

/// Values that a rule binds: the rest of D1's 100 is for who uses it.
pub const MAX_VALUES: usize = 90;

/// How long it is known what was sent to whom, in days.
pub const RECEIPTS_KEPT: i64 = 90;

/// How long it is known who logged in by which link, in days.
pub const CLICKS_KEPT: i64 = 365;

/// Who belongs to a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Rule {
    json: Value,
    condition: Condition,
}

/// Why a rule is refused: what is wrong, at which place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} {problem}")]
pub struct RuleError {
    /// The place, as in `all[1].event.count.gte`; `rule` is the whole.
    pub path: String,
    /// What to do.
    pub problem: String,
}

impl Rule {
    /// Reads a rule that somebody says: (1) it is short enough; (2) it is a rule; (3) it is not true of everyone, or of nobody, by
    /// its form.
    pub fn parse(json: Value) -> Result<Self, RuleError> {
        // (1)
        if json.to_string().len() > MAX_BYTES {
            return Err(At::root(&json).refused(format!("must have at most {MAX_BYTES} bytes as JSON")));
        }
        // (2)
        let rule = Self::stored(json)?;
        // (3)
        let said = matches!(rule.condition, Condition::Everyone { .. });
        let root = At::root(&rule.json);
        match certain::truth(&rule.condition) {
            Truth::Always if !said => Err(root
                .refused("is true of everyone; if that is meant, say {\"everyone\": true} and nothing else")),
            Truth::Never => Err(root.refused("is true of nobody: it contradicts itself")),
            _ => Ok(rule),
        }
    }

    /// Reads a rule: (1) every condition is well formed, and all together are not too many; (2) it does not bind too many values.
    /// One that was said before is no worse because it got longer, or certain, when members were erased from its lists.
    pub fn stored(json: Value) -> Result<Self, RuleError> {
        let root = At::root(&json);
        // (1)
        let condition = Reader::default().condition(&root, 0)?;
        // (2)
        let bound = compile::bound(&condition);
        if bound > MAX_VALUES {
            return Err(root.refused(format!(
                "names too many names and values: {bound}, and at most {MAX_VALUES} can be; say values of one attribute with \
                 in, which counts as one"
            )));
        }
        Ok(Self { json, condition })
    }

    /// Ids of the sends that it names.
    #[must_use]
    pub fn sends(&self) -> Vec<&str> {
        let mut sends = Vec::new();
        self.condition.sends(&mut sends);
        sends
    }

    /// Whether friends who are linked to nobody can belong: because it speaks of the link.
    #[must_use]
    pub fn reaches_unlinked(&self) -> bool {
        self.condition.speaks_of_link()
    }
}

impl TryFrom<Value> for Rule {
    type Error = RuleError;

    fn try_from(json: Value) -> Result<Self, RuleError> {
        Self::parse(json)
    }
}

impl From<Rule> for Value {
    fn from(rule: Rule) -> Self {
        rule.json
    }
}
