//! Ending sessions and grants, and with them codes and tokens: by logout, unlinking, erasure. Clients that registered for
//! back-channel logout are owed a notice, written in the same batch.

use super::{Statement, Value, outbox};
use crate::{
    id::{SessionId, Subject},
    secret::Digest,
    time::UnixMillis,
};

/// Whose sessions and grants end.
#[derive(Debug)]
pub enum Whose<'a> {
    /// A subject's, all of them.
    Subject(&'a Subject),
    /// One session's, and that of a cookie if it is of the same subject.
    Session {
        /// The session.
        sid: &'a SessionId,
        /// Its subject.
        subject: &'a Subject,
        /// The digest of the cookie.
        cookie: Option<Digest>,
    },
    /// The session of a cookie.
    Cookie(Digest),
    /// Those of the LINE users whose row ids this SQL selects, with the values of its placeholders from `?2` on.
    LineUsers(String, Vec<Value>),
}

/// What the statements share.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The account.
    pub account: &'a crate::id::AccountId,
    /// Its issuer, as clients know it.
    pub issuer: &'a str,
    /// The clients that are told.
    pub told: Vec<&'a str>,
    /// Whether the shop takes events.
    pub takes_events: bool,
    /// When.
    pub now: UnixMillis,
}

impl Ending<'_> {
    /// (1) Clients are owed a notice, if any is to be told; (2) grants end, (3) sessions end. The indexes are named,
    /// because the planner would read all rows of the account instead.
    #[must_use]
    pub fn of(&self, whose: Whose<'_>) -> Vec<Statement> {
        let (column, index, selected, values): (_, _, String, Vec<Value>) = match whose {
            Whose::Subject(subject) => (
                "line_user",
                "line_user",
                "SELECT id FROM line_users WHERE account = ?1 AND subject = ?2".to_owned(),
                vec![subject.into()],
            ),
            Whose::Session { sid, subject, cookie } => (
                "sid",
                "sid",
                "SELECT ?2 UNION ALL SELECT c.sid FROM sessions c INDEXED BY sessions_by_token \
                   JOIN line_users o ON o.id = c.line_user \
                 WHERE c.account = ?1 AND c.token_digest = ?3 AND o.subject = ?4"
                    .to_owned(),
                vec![sid.into(), cookie.as_ref().map(|digest| digest.as_str().to_owned()).into(), subject.into()],
            ),
            Whose::Cookie(cookie) => (
                "sid",
                "sid",
                "SELECT c.sid FROM sessions c INDEXED BY sessions_by_token WHERE c.account = ?1 AND c.token_digest = ?2"
                    .to_owned(),
                vec![(&cookie).into()],
            ),
            Whose::LineUsers(sql, values) => ("line_user", "line_user", sql, values),
        };
        let next = values.len() + 2;
        let bound = |sql: String| {
            let statement = Statement::compiled(sql).bind(self.account);
            values.iter().cloned().fold(statement, Statement::bind).bind(self.now)
        };
        let mut statements = Vec::with_capacity(3);
        // (1)
        if !self.told.is_empty() {
            let live = format!(
                "FROM grants g INDEXED BY grants_by_{index} JOIN line_users u ON u.id = g.line_user \
                 WHERE g.account = ?1 AND g.ended_at IS NULL AND g.{column} IN ({selected}) \
                   AND g.client_id IN (SELECT value FROM json_each(?{}))",
                next + 1
            );
            let placeholder = |after: usize| format!("?{}", next + after);
            let sql = outbox::logout(&live, &placeholder(3), &placeholder(0), &placeholder(2));
            let until = self.now + outbox::LOGOUT_LIFETIME;
            statements.push(bound(sql).bind_json(&self.told).bind(until).bind(self.issuer));
        }
        // (2), (3)
        let sessions = if column == "sid" { "" } else { "INDEXED BY sessions_by_line_user" };
        for table in [format!("grants INDEXED BY grants_by_{index}"), format!("sessions {sessions}")] {
            statements.push(bound(format!(
                "UPDATE {table} SET ended_at = ?{next} \
                 WHERE account = ?1 AND ended_at IS NULL AND {column} IN ({selected})"
            )));
        }
        statements
    }
}
