//! Counters by day in Japan: what became of logins, and of the friend box. They name no person.

use super::Statement;
use crate::{
    config::FriendMode,
    id::{AccountId, AutoLoginLinkId, ClientId, LineUserId},
    time::{Day, UnixMillis},
    web::browser::Browser,
};

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// LINE logged the customer in by itself.
    AutoLogin,
    /// LINE showed a form or its "continue as".
    Asked,
    /// It did not complete, and auto-login may be why.
    Failed,
    /// The customer cancelled at LINE.
    Cancelled,
    /// The retry page's button was pressed.
    RetryPressed,
    /// A login without auto-login completed.
    RetriedOk,
    /// A login without auto-login did not.
    RetryFailed,
    /// The way back does not know the page to arrive at.
    TargetLost,
}

impl Outcome {
    /// The name in the table and in reports.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AutoLogin => "auto_login",
            Self::Asked => "asked",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::RetryPressed => "retry_pressed",
            Self::RetriedOk => "retried_ok",
            Self::RetryFailed => "retry_failed",
            Self::TargetLost => "target_lost",
        }
    }
}

/// When something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// In any case.
    Always,
    /// If the statement before it in the batch changed a row.
    IfChanged,
}

/// Whose login is counted, and where.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The storefront, where it is known.
    pub client: Option<&'a ClientId>,
    /// The auto-login link that it began at.
    pub link: Option<&'a AutoLoginLinkId>,
    /// In which browser.
    pub browser: Browser,
    /// When.
    pub at: UnixMillis,
}

impl Login<'_> {
    /// Counts one. `reason` says why a login failed, and is empty otherwise.
    #[must_use]
    pub fn count(&self, when: When, outcome: Outcome, reason: &'static str) -> Statement {
        let condition = match when {
            When::Always => "1",
            When::IfChanged => "changes() > 0",
        };
        Statement::compiled(format!(
            "INSERT INTO login_counts (account, day, client_id, link, browser, outcome, reason, count) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 1 WHERE {condition} \
             ON CONFLICT (account, day, client_id, link, browser, outcome, reason) DO UPDATE SET count = count + 1"
        ))
        .bind(self.account)
        .bind(Day::of(self.at).to_string())
        .bind(self.client.map_or("", ClientId::as_str))
        .bind(self.link.map_or("", AutoLoginLinkId::as_str))
        .bind(self.browser.label())
        .bind(outcome.label())
        .bind(reason)
    }
}

/// A login whose friend box is judged. LINE's API says who is a friend now; LINE's parameter, which the customer could
/// alter, only whether that is new; and our own older evidence stands against the parameter.
#[derive(Debug, Clone, Copy)]
pub struct FriendBox<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// Who logged in; their row exists.
    pub line_user_id: &'a LineUserId,
    /// At which storefront.
    pub client: &'a ClientId,
    /// How the friend box was offered.
    pub mode: FriendMode,
    /// The friendship API's answer, if it answered.
    pub friend: Option<bool>,
    /// `friendship_status_changed`, if the box was shown.
    pub unverified_changed: Option<bool>,
    /// When the attempt began: who was a friend before that was not added by it.
    pub started_at: UnixMillis,
}

/// Whether our evidence says that `?2` was a friend before the attempt began at `?3`.
const WAS_FRIEND: &str = "EXISTS (SELECT 1 FROM line_users WHERE account = ?1 AND line_user_id = ?2 AND friend = 1 AND friend_since < ?3)";

impl FriendBox<'_> {
    /// Counts the login, and marks the LINE user whom it added; to stand before this login's own evidence is written.
    #[must_use]
    pub fn statements(&self, now: UnixMillis) -> Vec<Statement> {
        let (before, added, declined, not_shown, unknown) = match (self.friend, self.unverified_changed) {
            (None, _) => ("0", "0", "0", "0", "1"),
            (Some(true), Some(true)) => ("w.f", "1 - w.f", "0", "0", "0"),
            (Some(true), _) => ("1", "0", "0", "0", "0"),
            (Some(false), Some(_)) => ("0", "0", "1", "0", "0"),
            (Some(false), None) => ("0", "0", "0", "1", "0"),
        };
        let count = Statement::compiled(format!(
            "INSERT INTO friend_add_counts (account, day, client_id, mode, logins, friends_before, friends_added, \
               declined, not_shown, unknown) \
             SELECT ?1, ?4, ?5, ?6, 1, {before}, {added}, {declined}, {not_shown}, {unknown} \
             FROM (SELECT {WAS_FRIEND} AS f) w WHERE 1 \
             ON CONFLICT (account, day, client_id, mode) DO UPDATE SET logins = logins + 1, \
               friends_before = friends_before + excluded.friends_before, \
               friends_added = friends_added + excluded.friends_added, declined = declined + excluded.declined, \
               not_shown = not_shown + excluded.not_shown, unknown = unknown + excluded.unknown"
        ));
        let mut statements =
            vec![self.bound(count).bind(Day::of(now).to_string()).bind(self.client).bind(self.mode.label())];
        if self.friend == Some(true) && self.unverified_changed == Some(true) {
            let mark = Statement::compiled(format!(
                "UPDATE line_users SET added_mode = ?4, added_client = ?5, added_at = ?6 \
                 WHERE account = ?1 AND line_user_id = ?2 AND NOT {WAS_FRIEND}"
            ));
            statements.push(self.bound(mark).bind(self.mode.label()).bind(self.client).bind(now));
        }
        statements
    }

    fn bound(&self, statement: Statement) -> Statement {
        statement.bind(self.account).bind(self.line_user_id).bind(self.started_at)
    }
}
