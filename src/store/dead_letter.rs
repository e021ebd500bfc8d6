//! What could not be done, kept with its body where it can be seen.

use super::Statement;
use crate::{id::AccountId, secret::Digest, time::UnixMillis};

/// Keeps one dead letter, unless one of these, whom it names, was erased meanwhile. Its id is the digest of what it says, so
/// that burying twice keeps one, with the later time: so whoever has just put it on the queue again does not take one away
/// that came back at once.
#[must_use]
pub fn write(
    account: Option<&AccountId>,
    (source, reason): (&str, &str),
    body: &str,
    named: &[Digest],
    now: UnixMillis,
) -> Statement {
    let id = Digest::of(format!("{source}\n{reason}\n{body}").as_bytes());
    Statement::new(
        "INSERT INTO dead_letters (id, account, source, reason, body, at) SELECT ?1, ?2, ?3, ?4, ?5, ?6 \
         WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE account = ?2 AND digest IN (SELECT value FROM json_each(?7))) \
         ON CONFLICT (id) DO UPDATE SET at = excluded.at",
    )
    .bind(&id)
    .bind(account.map(|account| account.as_str().to_owned()))
    .bind(source)
    .bind(reason)
    .bind(body)
    .bind(now)
    .bind_json(named)
}
