//! Whom a send is for: a rule, a stored segment, or members by name.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    id::{AccountId, MemberId},
    platform::PlatformError,
    rule::{self, Rule},
    store::{Statement, Value},
};

/// The most members that one send names.
pub(super) const MAX_MEMBERS: usize = 10_000;

/// Whom a send is for, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Audience {
    /// A rule.
    Rule(Json),
    /// A segment, until the send begins: then its rule as it is.
    Segment(String),
    /// Members by name.
    Members(Vec<MemberId>),
    /// So many members by name: who they were is nobody's business once the send is expanded.
    MembersNamed(i64),
}

/// `FROM … WHERE …` over `line_users u` and `links l`, as [`rule::Audience`].
pub(super) enum Selection {
    Rule(rule::Audience),
    Members(Vec<Value>),
}

/// Members by name: `?1` is the account, `?2` their ids as JSON.
const MEMBERS: &str = "FROM line_users u JOIN links l ON l.account = u.account AND l.line_user = u.id \
    WHERE u.account = ?1 AND l.account = ?1 AND u.friend = 1 AND l.line_user IN (SELECT m.line_user \
    FROM json_each(?2) j CROSS JOIN links m ON m.account = ?1 AND m.member_id = j.value)";

impl Audience {
    /// Reads what is stored.
    pub(super) fn read(text: &str) -> Result<Self, PlatformError> {
        serde_json::from_str(text).map_err(|e| PlatformError::Stored(format!("audience: {e}")))
    }

    /// The segment that it names.
    pub(super) fn segment(&self) -> Option<&str> {
        match self {
            Self::Segment(id) => Some(id),
            _ => None,
        }
    }

    /// As it is stored.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As SQL.
    pub(super) fn select(self, account: &AccountId) -> Result<Selection, PlatformError> {
        match self {
            Self::Rule(json) => {
                let rule = Rule::parse(json).map_err(|e| PlatformError::Stored(format!("rule: {e}")))?;
                Ok(Selection::Rule(rule::audience(account, &rule)))
            }
            Self::Members(members) => {
                let members = serde_json::to_string(&members).unwrap_or_default();
                Ok(Selection::Members(vec![account.into(), members.into()]))
            }
            Self::Segment(_) | Self::MembersNamed(_) => {
                Ok(Selection::Members(vec![account.into(), "[]".into()]))
            }
        }
    }
}

impl Selection {
    /// How many placeholders are taken.
    pub(super) fn bound(&self) -> usize {
        match self {
            Self::Rule(audience) => audience.bound(),
            Self::Members(values) => values.len(),
        }
    }

    /// The clause, for a statement that continues it.
    pub(super) fn clause(&self) -> &str {
        match self {
            Self::Rule(audience) => audience.clause(),
            Self::Members(_) => MEMBERS,
        }
    }

    /// A statement around the clause, whose first placeholders are bound.
    pub(super) fn statement(&self, sql: String) -> Statement {
        match self {
            Self::Rule(audience) => audience.statement(sql),
            Self::Members(values) => values.iter().cloned().fold(Statement::compiled(sql), Statement::bind),
        }
    }

    /// How many would be reached now, as `count`.
    pub(super) fn count(&self) -> Statement {
        self.statement(format!("SELECT count(*) AS count {}", self.clause()))
    }
}
