//! What a link carries: as a sealed address, and as KV keeps it.

use serde::{Deserialize, Serialize};

use super::PATH;
use crate::{
    id::{AccountId, AutoLoginLinkId, ClientId},
    secret::{Keys, Purpose},
    store::auto_login_link::Row,
    time::UnixMillis,
    web::form::with_query,
};

/// The longest address of a link, in characters: LINE's limit for `uri` (Messaging API reference, "URI action").
pub(super) const MAX_ADDRESS: usize = 1_000;

/// Everything that opening a link needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Carried {
    #[serde(rename = "a")]
    account: AccountId,
    #[serde(rename = "i")]
    pub(super) id: AutoLoginLinkId,
    #[serde(rename = "c")]
    pub(super) client: ClientId,
    /// The page, with the context parameters.
    #[serde(rename = "t")]
    pub(super) target: String,
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub(super) label: String,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<UnixMillis>,
    #[serde(skip)]
    pub(super) is_revoked: bool,
}

impl Carried {
    /// What the row of a link says.
    pub(super) fn of(account: &AccountId, row: &Row) -> Self {
        Self {
            account: account.clone(),
            id: row.id.clone(),
            client: row.client_id.clone(),
            target: page_of(&row.target, &row.context),
            label: row.label.clone(),
            expires_at: row.expires_at,
            is_revoked: row.revoked_at.is_some(),
        }
    }

    /// The sealed address, behind `/go/`.
    pub(super) fn seal(&self, keys: &Keys, random: [u8; 32]) -> String {
        keys.seal_text(Purpose::AutoLoginLink, &serde_json::to_string(self).unwrap_or_default(), random)
    }

    /// Opens a sealed address of this account.
    pub(super) fn open(keys: &Keys, account: &AccountId, unverified: &str) -> Option<Self> {
        let plain = keys.open_text(Purpose::AutoLoginLink, unverified).ok()?;
        let carried: Self = serde_json::from_str(plain.expose()).ok()?;
        (carried.account == *account).then_some(carried)
    }
}

/// The address of a link.
pub(super) fn address(issuer: &str, link: &str) -> String {
    format!("{issuer}{PATH}{link}")
}

/// A page with the context parameters in its query; `context` is a JSON object of texts.
pub(super) fn page_of(target: &str, context: &str) -> String {
    let context: std::collections::BTreeMap<String, String> =
        serde_json::from_str(context).unwrap_or_default();
    if context.is_empty() {
        return target.to_owned();
    }
    let parameters: Vec<(&str, &str)> =
        context.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    with_query(target, &parameters)
}
