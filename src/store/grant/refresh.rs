//! The use of a refresh token (RFC 6749 section 6): rotation, grace, and the end of the family.

use super::{ACCESS_LIFETIME, GRACE, REFRESH_IDLE};
use crate::{
    id::{AccountId, ClientId},
    oauth::{KnownProfile, Scope},
    secret::{Digest, SecretText},
    store::Statement,
    time::UnixMillis,
};

/// A refresh token that a client presents (RFC 6749 section 6).
#[derive(Debug)]
pub struct Refresh<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The client that proved itself.
    pub client: &'a ClientId,
    /// Since when there has been a client of this id.
    pub client_since: UnixMillis,
    /// The digest of the token.
    pub token: Digest,
    /// The digest of the one successor that it can have.
    pub successor: Digest,
    /// A narrower scope, if one is asked for.
    pub scope: Option<Scope>,
    /// The new access token.
    pub access_token: &'a SecretText,
}

impl Refresh<'_> {
    /// One batch: (1) the token is used, once, if its grant lives and covers the scope; (2) its successor exists, and
    /// (3) an access token, also for a repeat within [`GRACE`]. (4) The grant is read;
    /// `issued` says whether the access token exists, `covered` whether the scope is within the grant's.
    #[must_use]
    pub fn statements(&self, now: UnixMillis) -> Vec<Statement> {
        // ?1 account, ?2 token, ?3 client, ?4 scope as JSON or NULL, ?5 now, ?6 since when there has been the client.
        let covered = "NOT EXISTS (SELECT 1 FROM json_each(coalesce(?4, '[]')) \
            WHERE NOT instr(' ' || g.scope || ' ', ' ' || value || ' '))";
        let lives = "g.client_id = ?3 AND g.ended_at IS NULL AND g.expires_at > ?5 AND g.created_at >= ?6";
        let bound = |sql: String| {
            Statement::compiled(sql)
                .bind(self.account)
                .bind(&self.token)
                .bind(self.client)
                .bind(self.scope.map(|scope| serde_json::to_string(&scope.names()).unwrap_or_default()))
                .bind(now)
                .bind(self.client_since)
        };
        let of_repeat = format!(
            "FROM refresh_tokens r JOIN grants g ON g.account = ?1 AND g.id = r.grant_id \
             WHERE r.account = ?1 AND r.digest = ?2 AND r.successor = ?7 AND r.used_at > ?8 AND {lives} AND {covered}"
        );
        // (1)
        let used = bound(format!(
            "UPDATE refresh_tokens SET used_at = ?5, successor = ?7 \
             WHERE account = ?1 AND digest = ?2 AND used_at IS NULL AND expires_at > ?5 AND EXISTS \
               (SELECT 1 FROM grants g WHERE g.account = ?1 AND g.id = refresh_tokens.grant_id AND {lives} AND {covered})"
        ))
        .bind(&self.successor);
        // (2)
        let succeeded = bound(format!(
            "INSERT INTO refresh_tokens (account, digest, grant_id, expires_at) \
             SELECT ?1, ?7, g.id, min(?9, g.expires_at) {of_repeat} ON CONFLICT (account, digest) DO NOTHING"
        ))
        .bind(&self.successor)
        .bind(now + -GRACE)
        .bind(now + REFRESH_IDLE);
        // (3)
        let scope = self.scope.map(Scope::text);
        let issued = bound(format!(
            "INSERT INTO bearer_tokens (account, digest, grant_id, scope, expires_at) \
             SELECT ?1, ?9, g.id, coalesce(?10, g.scope), ?11 {of_repeat}"
        ))
        .bind(&self.successor)
        .bind(now + -GRACE)
        .bind(&self.access_token.digest())
        .bind(scope)
        .bind(now + ACCESS_LIFETIME);
        // (4)
        let read = bound(format!(
            "SELECT NULL AS nonce, coalesce(?8, g.scope) AS scope, g.expires_at, g.sid, g.auth_time, g.amr, u.subject, {}, \
               {covered} AS covered, \
               EXISTS (SELECT 1 FROM bearer_tokens t WHERE t.account = ?1 AND t.digest = ?7) AS issued \
             FROM refresh_tokens r JOIN grants g ON g.account = ?1 AND g.id = r.grant_id \
             JOIN line_users u ON u.id = g.line_user \
             LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id \
             WHERE r.account = ?1 AND r.digest = ?2 AND {lives}",
            KnownProfile::COLUMNS
        ))
        .bind(&self.access_token.digest())
        .bind(self.scope.map(Scope::text));
        vec![used, succeeded, issued, read]
    }

    /// A token that was presented too late for its successor ends its grant: one of the two who have it is a thief
    /// (RFC 9700 section 4.14).
    #[must_use]
    pub fn reuse(&self, now: UnixMillis) -> Statement {
        Statement::new(
            "UPDATE grants SET ended_at = ?4 WHERE account = ?1 AND client_id = ?3 AND ended_at IS NULL AND id = \
               (SELECT grant_id FROM refresh_tokens WHERE account = ?1 AND digest = ?2 AND used_at <= ?5)",
        )
        .bind(self.account)
        .bind(&self.token)
        .bind(self.client)
        .bind(now)
        .bind(now + -GRACE)
    }
}
