//! A job's hold on a row of `audiences` or `narrowcasts`: until `due_at`, nobody else moves it on, and whatever the job writes is
//! conditional on that.

use serde::de::DeserializeOwned;

use super::SOON;
use crate::{
    channel,
    config::Account,
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    store::{Statement, Value},
    time::UnixMillis,
};

/// One job's hold.
pub(super) struct Hold<'a, P, Id> {
    pub(super) cx: Context<'a, P>,
    pub(super) account: &'a Account,
    pub(super) id: &'a Id,
    /// When the job began.
    pub(super) now: UnixMillis,
    table: &'static str,
    /// The row's `due_at` while the job has it.
    until: UnixMillis,
}

impl<'a, P: Platform, Id> Hold<'a, P, Id>
where
    Value: for<'b> From<&'b Id>,
{
    /// A hold for so many milliseconds, once the row is taken.
    pub(super) fn on(
        table: &'static str,
        millis: i64,
        cx: Context<'a, P>,
        account: &'a Account,
        id: &'a Id,
    ) -> Self {
        let now = cx.platform.now();
        Self { cx, account, id, now, table, until: now + millis }
    }

    /// Takes the row if it is due: `set` is SQL of what changes beside, `returning` of what is answered.
    pub(super) async fn take<R: DeserializeOwned>(
        &self,
        set: &str,
        returning: &str,
    ) -> Result<Option<R>, PlatformError> {
        let take = Statement::compiled(format!(
            "UPDATE {} SET due_at = ?4{set} WHERE account = ?1 AND id = ?2 AND due_at <= ?3 RETURNING {returning}",
            self.table
        ))
        .bind(&self.account.id)
        .bind(self.id)
        .bind(self.now)
        .bind(self.until);
        self.cx.platform.one(&self.account.database, take).await?.first()
    }

    /// Sets something, with values from `?4` on, if the row is still this job's.
    pub(super) fn writing(&self, set: &str, values: Vec<Value>) -> Statement {
        let write = Statement::compiled(format!(
            "UPDATE {} SET {set} WHERE account = ?1 AND id = ?2 AND due_at = ?3",
            self.table
        ))
        .bind(&self.account.id)
        .bind(self.id)
        .bind(self.until);
        values.into_iter().fold(write, Statement::bind)
    }

    /// The same, now; whether the row was this job's.
    pub(super) async fn write(&self, set: &str, values: Vec<Value>) -> Result<bool, PlatformError> {
        Ok(self.cx.platform.one(&self.account.database, self.writing(set, values)).await?.changes > 0)
    }

    /// The row is due again in so many milliseconds.
    pub(super) async fn later(&self, millis: i64) -> Result<(), PlatformError> {
        let at = self.cx.platform.now() + millis;
        self.write("due_at = ?4", vec![at.into()]).await.map(|_| ())
    }

    /// The channel's token; while it cannot be had, the row waits.
    pub(super) async fn token(&self) -> Result<SecretText, PlatformError> {
        match channel::token(self.cx, self.account).await {
            Ok(token) => Ok(token),
            Err(error) => {
                self.later(SOON).await?;
                Err(error)
            }
        }
    }
}
