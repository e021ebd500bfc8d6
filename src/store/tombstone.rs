//! Who was erased: keyed digests of member ids and LINE user ids, so that neither an import nor work that was under way
//! brings anybody back. The key is not in the database: member ids are soon guessed from a plain digest.

use super::Statement;
use crate::{
    id::{AccountId, LineUserId, MemberId},
    secret::{Digest, Keyed, Keys},
    time::UnixMillis,
};

/// That nobody of `e.value -> 'tombs'` was erased at or after `e.value ->> 'at'`; `e` are rows of `json_each`.
pub const STANDS_AGAINST_NONE: &str = "NOT EXISTS (SELECT 1 FROM tombstones d WHERE d.account = ?1 \
    AND d.digest IN (SELECT value FROM json_each(e.value -> 'tombs')) AND d.erased_at >= e.value ->> 'at')";

/// Makes the digests of one account's persons.
#[derive(Debug)]
pub struct Tombs<'a> {
    account: &'a AccountId,
    keyed: Keyed,
}

impl<'a> Tombs<'a> {
    /// For an account, with the keys of this deployment.
    #[must_use]
    pub fn new(keys: &Keys, account: &'a AccountId) -> Self {
        Self { account, keyed: keys.keyed("enishi tombstones v1") }
    }

    /// Of a member.
    #[must_use]
    pub fn of_member(&self, member: &MemberId) -> Vec<Digest> {
        self.keyed.digests(&format!("{} member {member}", self.account))
    }

    /// Of a LINE user.
    #[must_use]
    pub fn of_line_user(&self, line_user_id: &LineUserId) -> Vec<Digest> {
        self.keyed.digests(&format!("{} line_user {line_user_id}", self.account))
    }
}

/// Sets tombstones. Their time is later than that of all before them in the account, in the order in which they come to be:
/// clocks differ, and a batch may take long after its time was taken.
#[must_use]
pub fn set(account: &AccountId, digests: &[Digest], now: UnixMillis) -> Statement {
    Statement::compiled(format!(
        "INSERT INTO tombstones (account, digest, erased_at) \
         SELECT ?1, value, max(?3, 1 + coalesce(({NEWEST}), 0)) FROM json_each(?2) WHERE 1 \
         ON CONFLICT (account, digest) DO UPDATE SET erased_at = excluded.erased_at"
    ))
    .bind(account)
    .bind_json(digests)
    .bind(now)
}

/// SQL: the time of the newest tombstone of the account `?1`, null where there is none.
pub const NEWEST: &str =
    "SELECT max(erased_at) FROM tombstones INDEXED BY tombstones_by_age WHERE account = ?1 AND erased_at > 0";

/// SQL: that nobody of the account `?1` was erased after the tombstone of this time, or if it is 0, ever.
#[must_use]
pub fn nobody_after(newest: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM tombstones INDEXED BY tombstones_by_age WHERE account = ?1 AND erased_at > {newest})"
    )
}

/// Which of these digests are tombstones, as `digest`.
#[must_use]
pub fn known(account: &AccountId, digests: &[Digest]) -> Statement {
    Statement::new(
        "SELECT digest FROM tombstones WHERE account = ?1 AND digest IN (SELECT value FROM json_each(?2))",
    )
    .bind(account)
    .bind_json(digests)
}
