//! Whom a send is for: a rule, a stored segment, or members by name.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    config::Account,
    id::{AccountId, MemberId},
    platform::{Context, Platform, PlatformError},
    rule::{self, Rule, RuleError},
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

    /// As it is stored.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As SQL, as of `now`. What a rule may be was another when it was stored: then it is refused.
    pub(super) fn select(self, account: &AccountId, now: UnixMillis) -> Result<rule::Audience, RuleError> {
        Ok(match self {
            Self::Rule(json) => rule::audience(account, &Rule::stored(json)?, now),
            Self::Members(members) => rule::named(account, &members, now),
            Self::Segment(_) | Self::MembersNamed(_) => rule::named(account, &[], now),
        })
    }
}
