//! The trade of a LIFF ID token for tokens of ours (RFC 8693).

use super::{ACCESS_LIFETIME, Fresh, REFRESH_LIFETIME, access_token, read, refresh_token};
use crate::{
    id::{AccountId, ClientId, LineUserId, SessionId},
    oauth::Scope,
    secret::Digest,
    store::Statement,
    time::UnixMillis,
};

/// A LIFF ID token that a client trades for tokens of ours (RFC 8693).
#[derive(Debug)]
pub struct Trade<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The client that proved itself.
    pub client: &'a ClientId,
    /// The digest of LINE's token.
    pub token: Digest,
    /// Until when LINE's token could be presented again.
    pub until: UnixMillis,
    /// Of whom it speaks; the row exists.
    pub line_user_id: &'a LineUserId,
    /// `sid`.
    pub sid: &'a SessionId,
    /// What is granted.
    pub scope: Scope,
    /// `auth_time`.
    pub auth_time: UnixMillis,
    /// `amr` as JSON.
    pub amr: String,
    /// Whether it receives refresh tokens without asking.
    pub always_refresh: bool,
    /// Fresh tokens and ids.
    pub fresh: &'a Fresh,
}

impl Trade<'_> {
    /// Claims the token, once.
    #[must_use]
    pub fn claim(&self) -> Statement {
        Statement::new(
            "INSERT INTO traded_tokens (account, digest, traded_by, expires_at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (account, digest) DO NOTHING",
        )
        .bind(self.account)
        .bind(&self.token)
        .bind(self.fresh.grant.as_str())
        .bind(self.until)
    }

    /// After the claim, in one batch: only then the grant exists with its tokens, and is read.
    #[must_use]
    pub fn statements(&self, now: UnixMillis) -> Vec<Statement> {
        let grant = self.fresh.grant.as_str();
        let offline = self.always_refresh || self.scope.offline_access;
        let make = Statement::new(
            "INSERT INTO grants (account, id, client_id, line_user, sid, scope, auth_time, amr, created_at, expires_at) \
             SELECT ?1, ?3, ?4, u.id, ?6, ?7, ?8, ?9, ?10, ?11 FROM line_users u \
             WHERE u.account = ?1 AND u.line_user_id = ?5 AND EXISTS \
               (SELECT 1 FROM traded_tokens t WHERE t.account = ?1 AND t.digest = ?2 AND t.traded_by = ?3)",
        )
        .bind(self.account)
        .bind(&self.token)
        .bind(grant)
        .bind(self.client)
        .bind(self.line_user_id)
        .bind(self.sid)
        .bind(self.scope.text())
        .bind(self.auth_time)
        .bind(self.amr.as_str())
        .bind(now)
        .bind(now + if offline { REFRESH_LIFETIME } else { ACCESS_LIFETIME });
        vec![
            make,
            access_token(self.account, self.fresh, now),
            refresh_token(self.account, self.fresh, self.always_refresh, now),
            read(self.account, grant, "NULL"),
        ]
    }
}
