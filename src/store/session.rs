//! Sessions, and the codes that let a storefront share one. Ending a session ends its codes and access tokens with it,
//! because each of them is good only while its session is.

use super::Statement;
use crate::{
    id::{AccountId, AttemptId, LineUserId, SessionId, Subject},
    oauth::Scope,
    secret::SecretText,
    time::{HOUR, MINUTE, UnixMillis},
};

/// How long a session lasts, in milliseconds.
pub const LIFETIME: i64 = 12 * HOUR;

/// How long a code may be redeemed, in milliseconds (decision: at most 60 s).
pub const CODE_LIFETIME: i64 = MINUTE;

/// A session that begins with a login.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// `sid`.
    pub sid: &'a SessionId,
    /// The cookie's value; its digest is stored.
    pub token: &'a SecretText,
    /// Who logged in.
    pub line_user_id: &'a LineUserId,
    /// When LINE authenticated.
    pub auth_time: UnixMillis,
    /// How LINE authenticated.
    pub methods: &'a [String],
}

/// Begins a session of a LINE user whose row exists.
#[must_use]
pub fn begin(account: &AccountId, session: &NewSession<'_>, now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO sessions (account, sid, token_digest, line_user, auth_time, amr, created_at, expires_at) \
         SELECT ?1, ?2, ?3, id, ?5, ?6, ?7, ?8 FROM line_users WHERE account = ?1 AND line_user_id = ?4",
    )
    .bind(account)
    .bind(session.sid)
    .bind(&session.token.digest())
    .bind(session.line_user_id)
    .bind(session.auth_time)
    .bind(serde_json::to_string(session.methods).unwrap_or_default())
    .bind(now)
    .bind(now + LIFETIME)
}

/// Ends every session of a subject.
#[must_use]
pub fn end_all(account: &AccountId, subject: &Subject, now: UnixMillis) -> Statement {
    let line_user = "SELECT id FROM line_users WHERE account = ?1 AND subject = ?2";
    Statement::compiled(end_of(line_user, "?3")).bind(account).bind(subject).bind(now)
}

/// The SQL that ends the live sessions of LINE users: `line_users` selects their row ids, `now` is the placeholder of the
/// time. The index is named, because the planner would read all sessions of the account instead.
#[must_use]
pub fn end_of(line_users: &str, now: &str) -> String {
    format!(
        "UPDATE sessions INDEXED BY sessions_by_line_user SET ended_at = {now} \
         WHERE account = ?1 AND ended_at IS NULL AND line_user IN ({line_users})"
    )
}

/// An authorization code and what it is bound to (RFC 6749 section 4.1.2).
#[derive(Debug)]
pub struct NewCode<'a> {
    /// The code; its digest is stored.
    pub code: &'a SecretText,
    /// The client that may redeem it.
    pub client_id: &'a str,
    /// The redirect URI that must be repeated.
    pub redirect_uri: &'a str,
    /// The PKCE challenge that must be met.
    pub code_challenge: Option<&'a str>,
    /// Echoed in the ID token.
    pub nonce: Option<&'a str>,
    /// What was granted.
    pub scope: Scope,
}

/// How the session of a new code is found.
#[derive(Debug)]
pub enum CodeFor<'a> {
    /// The session that a login attempt made.
    Attempt(&'a AttemptId),
    /// The live session of a cookie, authenticated no earlier than this.
    Cookie {
        /// The cookie's value.
        token: &'a SecretText,
        /// The oldest authentication that is accepted.
        not_before: UnixMillis,
    },
}

/// Makes a code, if the session lives; no change means that there is none.
#[must_use]
pub fn issue_code(
    account: &AccountId,
    code: &NewCode<'_>,
    session: &CodeFor<'_>,
    now: UnixMillis,
) -> Statement {
    let sql = match session {
        CodeFor::Attempt(_) => {
            "INSERT INTO codes (account, digest, client_id, redirect_uri, code_challenge, nonce, scope, sid, created_at, expires_at) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, s.sid, ?8, ?9 FROM login_attempts t \
             JOIN sessions s ON s.account = t.account AND s.sid = t.sid \
             WHERE t.account = ?1 AND t.attempt = ?10 AND s.ended_at IS NULL AND s.expires_at > ?8"
        }
        CodeFor::Cookie { .. } => {
            "INSERT INTO codes (account, digest, client_id, redirect_uri, code_challenge, nonce, scope, sid, created_at, expires_at) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, sid, ?8, ?9 FROM sessions \
             WHERE account = ?1 AND token_digest = ?10 AND ended_at IS NULL AND expires_at > ?8 AND auth_time >= ?11"
        }
    };
    let statement = Statement::new(sql)
        .bind(account)
        .bind(&code.code.digest())
        .bind(code.client_id)
        .bind(code.redirect_uri)
        .bind(code.code_challenge)
        .bind(code.nonce)
        .bind(code.scope.text())
        .bind(now)
        .bind(now + CODE_LIFETIME);
    match session {
        CodeFor::Attempt(attempt) => statement.bind(*attempt),
        CodeFor::Cookie { token, not_before } => statement.bind(&token.digest()).bind(*not_before),
    }
}
