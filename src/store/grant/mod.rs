//! Grants: what one authorization gave a client. Access and refresh tokens are good only while their grant is, so that
//! ending it ends them all in one write, within the same transaction as the reason.

mod redemption;
mod refresh;
mod trade;

pub use redemption::Redemption;
pub use refresh::Refresh;
pub use trade::Trade;

use super::Statement;
use crate::{
    id::{AccountId, ClientId},
    oauth::KnownProfile,
    secret::{Digest, SecretText},
    time::{DAY, HOUR, SECOND, UnixMillis},
};

/// How long an access token is valid, in milliseconds.
pub const ACCESS_LIFETIME: i64 = HOUR;

/// How long a refresh token may lie unused, in milliseconds.
pub const REFRESH_IDLE: i64 = 30 * DAY;

/// How long a grant with refresh tokens lasts at most, in milliseconds.
pub const REFRESH_LIFETIME: i64 = 90 * DAY;

/// How long a used refresh token is answered with the successor that it had, in milliseconds.
pub const GRACE: i64 = 30 * SECOND;

/// Whether a grant has refresh tokens; `always` is a placeholder.
fn is_offline(scope: &str, always: &str) -> String {
    format!("({always} OR instr(' ' || {scope} || ' ', ' offline_access '))")
}

/// What becomes valid if a grant is made.
#[derive(Debug)]
pub struct Fresh {
    /// The grant's id; it also marks who spent the code.
    pub grant: String,
    /// The id of a link that is made.
    pub link: String,
    /// The access token.
    pub access_token: SecretText,
    /// The refresh token.
    pub refresh_token: SecretText,
}

/// (3) The first access token of a grant.
fn access_token(account: &AccountId, fresh: &Fresh, now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO bearer_tokens (account, digest, grant_id, scope, expires_at) \
         SELECT ?1, ?3, id, scope, ?4 FROM grants WHERE account = ?1 AND id = ?2",
    )
    .bind(account)
    .bind(fresh.grant.as_str())
    .bind(&fresh.access_token.digest())
    .bind(now + ACCESS_LIFETIME)
}

/// (4) The first refresh token of a grant that has them.
fn refresh_token(account: &AccountId, fresh: &Fresh, always: bool, now: UnixMillis) -> Statement {
    Statement::compiled(format!(
        "INSERT INTO refresh_tokens (account, digest, grant_id, expires_at) \
         SELECT ?1, ?3, id, ?4 FROM grants WHERE account = ?1 AND id = ?2 AND {}",
        is_offline("scope", "?5")
    ))
    .bind(account)
    .bind(fresh.grant.as_str())
    .bind(&fresh.refresh_token.digest())
    .bind(now + REFRESH_IDLE)
    .bind(always)
}

/// Reads a grant with its customer; `nonce` is SQL that may use `?3`.
fn read(account: &AccountId, grant: &str, nonce: &str) -> Statement {
    Statement::compiled(format!(
        "SELECT {nonce} AS nonce, g.scope, g.expires_at, g.sid, g.auth_time, g.amr, u.subject, {} \
         FROM grants g JOIN line_users u ON u.id = g.line_user \
         LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id \
         WHERE g.account = ?1 AND g.id = ?2",
        KnownProfile::COLUMNS
    ))
    .bind(account)
    .bind(grant)
}

/// Revokes a token of this client (RFC 7009): a refresh token ends its grant, an access token only itself.
#[must_use]
pub fn revoke(account: &AccountId, client: &ClientId, token: &Digest, now: UnixMillis) -> Vec<Statement> {
    let of_refresh = Statement::new(
        "UPDATE grants SET ended_at = ?4 WHERE account = ?1 AND client_id = ?3 AND ended_at IS NULL \
           AND id = (SELECT grant_id FROM refresh_tokens WHERE account = ?1 AND digest = ?2)",
    )
    .bind(account)
    .bind(token)
    .bind(client)
    .bind(now);
    let of_access = Statement::new(
        "DELETE FROM bearer_tokens WHERE account = ?1 AND digest = ?2 AND EXISTS \
           (SELECT 1 FROM grants g WHERE g.account = ?1 AND g.id = bearer_tokens.grant_id AND g.client_id = ?3)",
    )
    .bind(account)
    .bind(token)
    .bind(client);
    vec![of_refresh, of_access]
}

/// Reads whom an access token speaks for, if it and its grant live.
#[must_use]
pub fn of_access_token(account: &AccountId, token: &Digest, now: UnixMillis) -> Statement {
    Statement::compiled(format!(
        "SELECT t.scope, g.client_id, g.created_at, u.subject, {} \
         FROM bearer_tokens t JOIN grants g ON g.account = ?1 AND g.id = t.grant_id \
         JOIN line_users u ON u.id = g.line_user \
         LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id \
         WHERE t.account = ?1 AND t.digest = ?2 AND t.expires_at > ?3 AND g.ended_at IS NULL AND g.expires_at > ?3",
        KnownProfile::COLUMNS
    ))
    .bind(account)
    .bind(token)
    .bind(now)
}
