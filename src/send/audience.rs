//! Whom a send is for: a rule, a stored segment, or members by name.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    config::Account,
    id::{AccountId, MemberId},
    platform::{Context, Platform, PlatformError},
    rule::{self, Rule},
    selection,
    time::UnixMillis,
    web::ApiError,
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

    /// What a rule names is there.
    pub(super) async fn check<P: Platform>(
        &self,
        cx: Context<'_, P>,
        account: &Account,
    ) -> Result<(), ApiError> {
        match self {
            Self::Rule(json) => selection::checked(cx, account, json.clone()).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Whether its rule is one still: what a rule may be was another when it was stored.
    pub(super) fn is_rule_taken(&self) -> bool {
        match self {
            Self::Rule(json) => Rule::stored(json.clone()).is_ok(),
            _ => true,
        }
    }

    /// As it is stored.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As SQL, as of `now`: its recipients after a subject.
    pub(super) fn select(
        self,
        account: &AccountId,
        now: UnixMillis,
        after: i64,
    ) -> Result<rule::Audience, PlatformError> {
        let audience = match self {
            Self::Rule(json) => {
                let rule = Rule::stored(json).map_err(|e| PlatformError::Stored(format!("rule: {e}")))?;
                rule::audience(account, &rule, now)
            }
            Self::Members(members) => rule::named(account, &members, now),
            Self::Segment(_) | Self::MembersNamed(_) => rule::named(account, &[], now),
        };
        Ok(audience.after(after))
    }
}
