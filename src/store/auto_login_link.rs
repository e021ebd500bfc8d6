//! Auto-login links as rows: what reports call a link, and for a stored one where it leads. A row stays when its link is
//! revoked, so that reports still name it.

use serde::Deserialize;

use super::Statement;
use crate::{
    id::{AccountId, AutoLoginLinkId, ClientId},
    time::UnixMillis,
};

/// A row.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// Its id.
    pub id: AutoLoginLinkId,
    /// Whose login.
    pub client_id: ClientId,
    /// The page, without the context parameters.
    pub target: String,
    /// The context parameters: a JSON object of texts.
    pub context: String,
    /// How people call it.
    pub label: String,
    /// What it belongs to.
    pub campaign: String,
    /// The address of a sealed one, behind `/go/`; none: it is stored, and its id is its address.
    pub sealed: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Until when it leads anywhere; none: until it is revoked.
    pub expires_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
    /// Counts up with each change.
    pub version: i64,
}

const COLUMNS: &str = "id, client_id, target, context, label, campaign, sealed, created_at, expires_at, revoked_at, \
    version";

/// Makes a row.
#[must_use]
pub fn insert(account: &AccountId, row: &Row) -> Statement {
    Statement::compiled(format!(
        "INSERT INTO auto_login_links (account, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    ))
    .bind(account)
    .bind(&row.id)
    .bind(&row.client_id)
    .bind(row.target.as_str())
    .bind(row.context.as_str())
    .bind(row.label.as_str())
    .bind(row.campaign.as_str())
    .bind(row.sealed.clone())
    .bind(row.created_at)
    .bind(row.expires_at)
    .bind(row.revoked_at)
    .bind(row.version)
}

/// Reads one row.
#[must_use]
pub fn select(account: &AccountId, id: &AutoLoginLinkId) -> Statement {
    Statement::compiled(format!("SELECT {COLUMNS} FROM auto_login_links WHERE account = ?1 AND id = ?2"))
        .bind(account)
        .bind(id)
}

/// Reads rows, the newest first, from behind the row `after` on.
#[must_use]
pub fn page(
    account: &AccountId,
    client: Option<&str>,
    after: Option<&AutoLoginLinkId>,
    limit: i64,
) -> Statement {
    Statement::compiled(format!(
        "SELECT {COLUMNS} FROM auto_login_links INDEXED BY auto_login_links_by_age \
         WHERE account = ?1 AND (created_at, id) < \
           (coalesce((SELECT a.created_at FROM auto_login_links a WHERE a.account = ?1 AND a.id = ?2), 9e15), \
            coalesce(?2, '')) \
           AND client_id = coalesce(?3, client_id) \
         ORDER BY created_at DESC, id DESC LIMIT ?4"
    ))
    .bind(account)
    .bind(after.map(|id| id.as_str().to_owned()))
    .bind(client.map(str::to_owned))
    .bind(limit)
}

/// Writes what may change of a stored link that lives, if nobody else changed it meanwhile.
#[must_use]
pub fn update(account: &AccountId, row: &Row) -> Statement {
    Statement::new(
        "UPDATE auto_login_links SET target = ?4, context = ?5, label = ?6, campaign = ?7, expires_at = ?8, \
           version = version + 1 \
         WHERE account = ?1 AND id = ?2 AND version = ?3 AND revoked_at IS NULL",
    )
    .bind(account)
    .bind(&row.id)
    .bind(row.version)
    .bind(row.target.as_str())
    .bind(row.context.as_str())
    .bind(row.label.as_str())
    .bind(row.campaign.as_str())
    .bind(row.expires_at)
}

/// Revokes a stored link; one that is revoked stays as it is.
#[must_use]
pub fn revoke(account: &AccountId, id: &AutoLoginLinkId, now: UnixMillis) -> Statement {
    Statement::new(
        "UPDATE auto_login_links SET revoked_at = coalesce(revoked_at, ?3), version = version + 1 \
         WHERE account = ?1 AND id = ?2 AND sealed IS NULL",
    )
    .bind(account)
    .bind(id)
    .bind(now)
}
