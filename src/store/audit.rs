//! The audit log: who changed what in an account's configuration, appended and never changed.

use serde_json::Value;

use super::Statement;
use crate::{id::AccountId, time::UnixMillis};

/// Who changed what: never a secret, a name or an address.
#[derive(Debug)]
pub struct Change {
    /// `operator`, `api_key`, `age`.
    pub actor: &'static str,
    /// What was done, as `object.verb`.
    pub action: &'static str,
    /// What it was done to, and what was decided.
    pub detail: Value,
}

/// Appends an entry, if the statement before it in the batch changed a row.
#[must_use]
pub fn if_changed(account: &AccountId, change: &Change, id: &str, now: UnixMillis) -> Statement {
    append(account, change, id, now).if_changed()
}

/// Appends an entry.
#[must_use]
pub fn append(account: &AccountId, change: &Change, id: &str, now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO audit_log (account, at, id, actor, action, detail) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE true",
    )
    .bind(account)
    .bind(now)
    .bind(id)
    .bind(change.actor)
    .bind(change.action)
    .bind(change.detail.to_string())
}
