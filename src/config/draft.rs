//! Changing an account's configuration: read, changed, and written if nobody else wrote meanwhile, with an entry in the
//! audit log in the same batch.

use serde::Deserialize;

use super::{StoredAccount, signing_key};
use crate::{
    id::AccountId,
    platform::{Context, Database, Platform, PlatformError},
    store::{Statement, audit, audit::Change},
    web::ApiError,
};

/// An account as it is stored, to be changed.
#[derive(Debug)]
pub struct Draft {
    /// Our id.
    pub id: AccountId,
    /// The host name.
    pub host: String,
    /// What is to be stored; none until an account of this host has one.
    pub version: Option<i64>,
    /// The configuration.
    pub stored: StoredAccount,
}

#[derive(Deserialize)]
struct Row {
    id: AccountId,
    host: String,
    version: i64,
    config: String,
}

impl Draft {
    /// The stored account of a host name.
    pub async fn of_host<P: Platform>(cx: Context<'_, P>, host: &str) -> Result<Option<Self>, PlatformError> {
        let select =
            Statement::new("SELECT id, host, version, config FROM accounts WHERE host = ?1").bind(host);
        let row: Option<Row> = cx.platform.one(&Database::default(), select).await?.first()?;
        row.map(Row::opened).transpose()
    }

    /// The stored account of an id.
    pub async fn of_id<P: Platform>(cx: Context<'_, P>, id: &AccountId) -> Result<Self, PlatformError> {
        let select = Statement::new("SELECT id, host, version, config FROM accounts WHERE id = ?1").bind(id);
        let row: Option<Row> = cx.platform.one(&Database::default(), select).await?.first()?;
        row.map(Row::opened)
            .transpose()?
            .ok_or_else(|| PlatformError::Stored("the account has vanished".to_owned()))
    }

    /// Writes it, without keys that are over, with its audit entry; 409 if somebody else wrote meanwhile. This isolate
    /// forgets what it knew.
    pub async fn write<P: Platform>(mut self, cx: Context<'_, P>, change: Change) -> Result<(), ApiError> {
        let now = cx.platform.now();
        self.stored.signing_keys.retain(|key| key.is_published(now));
        let config = serde_json::to_string(&self.stored).map_err(|e| PlatformError::Stored(e.to_string()))?;
        let write = match self.version {
            Some(version) => Statement::new(
                "UPDATE accounts SET config = ?3, version = version + 1, updated_at = ?4, keys_due_at = ?5 \
                 WHERE id = ?1 AND version = ?2",
            )
            .bind(&self.id)
            .bind(version),
            None => Statement::new(
                "INSERT INTO accounts (id, host, version, config, updated_at, keys_due_at) \
                 VALUES (?1, ?2, 1, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )
            .bind(&self.id)
            .bind(self.host.as_str()),
        };
        let write = write.bind(config).bind(now).bind(signing_key::due_at(&self.stored.signing_keys));
        let entry = audit::if_changed(&self.id, &change, &crate::id::short(cx.platform.random()), now);
        let outcomes = cx.platform.batch(&Database::default(), vec![write, entry]).await?;
        cx.memory.forget_account(&self.host);
        if outcomes.first().is_none_or(|written| written.changes == 0) {
            return Err(ApiError::conflict(
                "changed_meanwhile",
                "somebody else changed this account; send it again",
            ));
        }
        Ok(())
    }
}

impl Row {
    fn opened(self) -> Result<Draft, PlatformError> {
        let stored =
            serde_json::from_str(&self.config).map_err(|e| PlatformError::Stored(format!("account: {e}")))?;
        Ok(Draft { id: self.id, host: self.host, version: Some(self.version), stored })
    }
}
