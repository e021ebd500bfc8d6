//! Sessions, and the codes that let a storefront share one. A code is good only while its session is.

use super::{Statement, Value};
use crate::{
    id::{AccountId, AttemptId, LineUserId, SessionId},
    oauth::authorization::AuthorizationRequest,
    secret::{Digest, SecretText},
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
    /// Whether LINE was asked for the e-mail address.
    pub email_asked: bool,
}

/// Begins a session of a LINE user whose row exists.
#[must_use]
pub fn begin(account: &AccountId, session: &NewSession<'_>, now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO sessions (account, sid, token_digest, line_user, auth_time, amr, created_at, expires_at, email_asked) \
         SELECT ?1, ?2, ?3, id, ?5, ?6, ?7, ?8, ?9 FROM line_users WHERE account = ?1 AND line_user_id = ?4",
    )
    .bind(account)
    .bind(session.sid)
    .bind(&session.token.digest())
    .bind(session.line_user_id)
    .bind(session.auth_time)
    .bind(serde_json::to_string(session.methods).unwrap_or_default())
    .bind(now)
    .bind(now + LIFETIME)
    .bind(session.email_asked)
}

/// The customer of an attempt's session goes on with an address that is not verified.
#[must_use]
pub fn waive_email(account: &AccountId, attempt: &AttemptId) -> Statement {
    Statement::new(
        "UPDATE sessions SET email_waived = 1 WHERE account = ?1 \
           AND sid = (SELECT sid FROM login_attempts WHERE account = ?1 AND attempt = ?2)",
    )
    .bind(account)
    .bind(attempt)
}

/// An authorization code (RFC 6749 section 4.1.2): what was asked for, and whose session answers it.
#[derive(Debug)]
pub struct NewCode<'a> {
    /// The code; its digest is stored.
    pub code: &'a SecretText,
    /// What was asked for.
    pub asked: Asked<'a>,
    /// Whose session.
    pub of: Of<'a>,
    /// The link that its redemption makes, as the customer agreed: `{member_id, consent}` as JSON.
    pub link: Option<String>,
    /// What holds it back if the request has the scope `email`.
    pub email: EmailHold,
}

/// What must be settled about the customer's e-mail address before a code is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EmailHold {
    /// The session's login asked LINE for it, or it is known.
    pub asked: bool,
    /// It is verified, or there is none, or the customer goes on with one that is not.
    pub settled: bool,
}

impl EmailHold {
    fn sql(self) -> String {
        let asked = if self.asked { "(s.email_asked = 1 OR u.email IS NOT NULL)" } else { "1" };
        let settled = if self.settled {
            "(u.email IS NULL OR u.email_verified_at IS NOT NULL OR s.email_waived = 1)"
        } else {
            "1"
        };
        format!("(NOT instr(' ' || (a.r ->> 'scope') || ' ', ' email ') OR ({asked} AND {settled}))")
    }
}

/// What a code answers.
#[derive(Debug)]
pub enum Asked<'a> {
    /// This request.
    Request(&'a AuthorizationRequest),
    /// The pushed request of this digest, that one of these opened.
    Pushed {
        /// Of the `request_uri`.
        digest: &'a Digest,
        /// Names under which this browser opened it.
        openers: &'a [String],
    },
}

/// Whose session a code is for.
#[derive(Debug)]
pub enum Of<'a> {
    /// The one that a login attempt made.
    Attempt(&'a AttemptId),
    /// The live one of a cookie, if it satisfies the request by itself: `prompt`, `max_age`, `login_hint`.
    Cookie(&'a SecretText),
}

/// Makes a code, if the session lives and is of the subject that the client expects; no change means that there is none.
#[must_use]
pub fn issue_code(account: &AccountId, new: &NewCode<'_>, now: UnixMillis) -> Statement {
    // ?1 account, ?2 digest, ?3 now, ?4 end, ?5 link, ?6 session; then the request.
    let (asked, values): (&str, Vec<Value>) = match &new.asked {
        Asked::Request(request) => {
            let json = serde_json::to_string(request).unwrap_or_default();
            ("(SELECT ?7 AS r)", vec![json.into()])
        }
        Asked::Pushed { digest, openers } => (
            "(SELECT request AS r FROM pushed_requests WHERE account = ?1 AND digest = ?7 AND spent_by IS NULL \
               AND opened_by IN (SELECT value FROM json_each(?8)))",
            vec![(*digest).into(), serde_json::to_string(openers).unwrap_or_default().into()],
        ),
    };
    let (session, satisfied, named): (_, _, Value) = match new.of {
        Of::Attempt(attempt) => (
            "JOIN login_attempts t ON t.account = ?1 AND t.attempt = ?6 \
             JOIN sessions s ON s.account = ?1 AND s.sid = t.sid",
            // A pushed request that is gone was erased with its member: its row outlives every attempt.
            "(a.r ->> '$.pushed.digest' IS NULL OR EXISTS (SELECT 1 FROM pushed_requests p WHERE p.account = ?1 \
               AND p.digest = a.r ->> '$.pushed.digest' AND coalesce(p.spent_by, ?6) = ?6))",
            attempt.into(),
        ),
        Of::Cookie(token) => (
            "JOIN sessions s INDEXED BY sessions_by_token ON s.account = ?1 AND s.token_digest = ?6",
            "s.auth_time >= ?3 - 1000 * coalesce(a.r ->> 'max_age', 1e12) \
             AND a.r ->> 'prompt' NOT IN ('login', 'consent') AND a.r -> 'link' IS NULL \
             AND coalesce(u.email = a.r ->> 'email_hint' COLLATE NOCASE, 1)",
            (&token.digest()).into(),
        ),
    };
    let email = new.email.sql();
    let statement = Statement::compiled(format!(
        "INSERT INTO codes (account, digest, client_id, redirect_uri, code_challenge, nonce, scope, sid, link, created_at, expires_at) \
         SELECT ?1, ?2, a.r ->> 'client_id', a.r ->> 'redirect_uri', a.r ->> 'code_challenge', a.r ->> 'nonce', \
           a.r ->> 'scope', s.sid, ?5, ?3, ?4 \
         FROM {asked} a {session} JOIN line_users u ON u.id = s.line_user \
         WHERE s.ended_at IS NULL AND s.expires_at > ?3 AND coalesce(u.subject = a.r ->> 'subject', 1) \
           AND {satisfied} AND {email}"
    ))
    .bind(account)
    .bind(&new.code.digest())
    .bind(now)
    .bind(now + CODE_LIFETIME)
    .bind(new.link.clone())
    .bind(named);
    values.into_iter().fold(statement, Statement::bind)
}

/// Reads whose live session a cookie is, and since when they are linked: `sub`, `name`, `linked_at`.
#[must_use]
pub fn customer(account: &AccountId, cookie: &Digest, now: UnixMillis) -> Statement {
    Statement::new(
        "SELECT u.subject AS sub, u.name, l.linked_at FROM sessions s INDEXED BY sessions_by_token \
         JOIN line_users u ON u.id = s.line_user LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id \
         WHERE s.account = ?1 AND s.token_digest = ?2 AND s.ended_at IS NULL AND s.expires_at > ?3",
    )
    .bind(account)
    .bind(cookie)
    .bind(now)
}

/// Reads whose ended session a cookie was, and since when they are linked now: `sub`, `name`, `linked_at`.
#[must_use]
pub fn customer_of_before(account: &AccountId, cookie: &Digest) -> Statement {
    Statement::new(
        "SELECT u.subject AS sub, u.name, l.linked_at FROM sessions s INDEXED BY sessions_by_token \
         JOIN line_users u ON u.id = s.line_user LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id \
         WHERE s.account = ?1 AND s.token_digest = ?2 AND s.ended_at IS NOT NULL",
    )
    .bind(account)
    .bind(cookie)
}

/// Whether the session of a cookie lives.
#[must_use]
pub fn lives(account: &AccountId, cookie: &Digest, now: UnixMillis) -> Statement {
    Statement::new(
        "SELECT 1 AS lives FROM sessions INDEXED BY sessions_by_token \
         WHERE account = ?1 AND token_digest = ?2 AND ended_at IS NULL AND expires_at > ?3",
    )
    .bind(account)
    .bind(cookie)
    .bind(now)
}
