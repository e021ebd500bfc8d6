//! Pushed authorization requests (RFC 9126): stored whole, opened by one browser within a minute, spent with its code.

use super::Statement;
use crate::{
    id::{AccountId, ClientId},
    oauth::authorization::AuthorizationRequest,
    secret::{Digest, SecretText},
    time::{MINUTE, UnixMillis},
};

/// How long a `request_uri` may wait to be opened, in milliseconds.
pub const LIFETIME: i64 = MINUTE;

/// Keeps a request.
#[must_use]
pub fn push(
    account: &AccountId,
    digest: &Digest,
    request: &AuthorizationRequest,
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "INSERT INTO pushed_requests (account, digest, client_id, request, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(account)
    .bind(digest)
    .bind(&request.client_id)
    .bind(serde_json::to_string(request).unwrap_or_default())
    .bind(now)
}

/// Opens a request of this client and answers it as `request` and `opened_by`: for the first browser within its time, under
/// the last of `openers`, or again for the browser that opened it, which knows its name.
#[must_use]
pub fn open(
    account: &AccountId,
    digest: &Digest,
    client_id: &ClientId,
    openers: &[String],
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "UPDATE pushed_requests SET opened_by = coalesce(opened_by, ?4) \
         WHERE account = ?1 AND digest = ?2 AND client_id = ?3 AND spent_by IS NULL \
           AND ((opened_by IS NULL AND created_at > ?5) OR opened_by IN (SELECT value FROM json_each(?6))) \
         RETURNING request, opened_by",
    )
    .bind(account)
    .bind(digest)
    .bind(client_id)
    .bind(openers.last().cloned())
    .bind(now + -LIFETIME)
    .bind_json(openers)
}

/// Spends a request with the code that was made of it, if it was.
#[must_use]
pub fn spend(account: &AccountId, digest: &Digest, by: &str, code: &SecretText) -> Statement {
    Statement::new(
        "UPDATE pushed_requests SET spent_by = ?3 WHERE account = ?1 AND digest = ?2 AND spent_by IS NULL \
           AND EXISTS (SELECT 1 FROM codes c WHERE c.account = ?1 AND c.digest = ?4)",
    )
    .bind(account)
    .bind(digest)
    .bind(by)
    .bind(&code.digest())
}

/// Spends a request that the customer declined, for that customer's own attempt as well: a no is a no.
#[must_use]
pub fn decline(account: &AccountId, digest: &Digest) -> Statement {
    Statement::new(
        "UPDATE pushed_requests SET spent_by = 'declined' WHERE account = ?1 AND digest = ?2 AND spent_by IS NULL",
    )
    .bind(account)
    .bind(digest)
}
