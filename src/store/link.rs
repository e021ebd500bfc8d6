//! Links: made, displaced, ended, read. At most one each way per account, which two unique indexes hold.

use super::{
    Statement, Value,
    ending::{Ending, Whose},
};
use crate::{
    id::{AccountId, MemberId, Subject},
    time::UnixMillis,
};

/// A link that is to be.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The LINE user's subject.
    pub subject: &'a Subject,
    /// The shop's id of the member.
    pub member: &'a MemberId,
    /// The id that the link gets if it is new.
    pub link_id: &'a str,
}

/// The links that stand in the way of `?2 ↔ ?3`, other than itself.
const IN_THE_WAY: &str = "account = ?1 AND (member_id = ?3) <> (line_user = \
    (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2)) \
    AND EXISTS (SELECT 1 FROM line_users WHERE account = ?1 AND subject = ?2)";

/// The link of the subject `?2`.
const OF_SUBJECT: &str =
    "account = ?1 AND line_user = (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2)";

impl Wanted<'_> {
    /// Moves what stands in the way to the history, if the subject exists, and ends what lives of who was linked.
    #[must_use]
    pub fn displace(&self, ending: &Ending<'_>) -> Vec<Statement> {
        let sides =
            ["line_user = (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2)", "member_id = ?3"];
        let values: Vec<Value> = vec![self.subject.into(), self.member.into()];
        let mut statements = Vec::new();
        for side in sides {
            let users = format!("SELECT line_user FROM links WHERE {side} AND {IN_THE_WAY}");
            statements.extend(ending.of(Whose::LineUsers(users, values.clone())));
            let moved = Statement::compiled(format!(
                "{} FROM links WHERE {side} AND {IN_THE_WAY}",
                to_history("?4", "replaced")
            ));
            statements.push(self.bound(moved).bind(ending.now));
            let removed = Statement::compiled(format!(
                "DELETE FROM links WHERE {side} AND {IN_THE_WAY} RETURNING member_id, \
                 (SELECT u.subject FROM line_users u WHERE u.id = links.line_user) AS sub"
            ));
            statements.push(self.bound(removed));
        }
        statements
    }

    /// Makes the link, unless one side is taken; a link that is there takes the newer consent.
    #[must_use]
    pub fn insert(&self, consent: Option<&str>, now: UnixMillis) -> Statement {
        let insert = Statement::new(
            "INSERT INTO links (account, line_user, member_id, link_id, linked_at, consent) \
             SELECT ?1, id, ?3, ?4, ?5, ?6 FROM line_users WHERE account = ?1 AND subject = ?2 \
             ON CONFLICT (account, line_user) DO UPDATE SET consent = excluded.consent \
               WHERE member_id = excluded.member_id AND excluded.consent IS NOT NULL \
             ON CONFLICT DO NOTHING",
        );
        self.bound(insert).bind(self.link_id).bind(now).bind(consent)
    }

    fn bound(&self, statement: Statement) -> Statement {
        statement.bind(self.account).bind(self.subject).bind(self.member)
    }
}

/// Moves the link of a subject to the history, answers its ends, and ends what lives of the customer.
#[must_use]
pub fn end(subject: &Subject, ending: &Ending<'_>) -> Vec<Statement> {
    let moved =
        Statement::compiled(format!("{} FROM links WHERE {OF_SUBJECT}", to_history("?3", "unlinked")))
            .bind(ending.account)
            .bind(subject)
            .bind(ending.now);
    let removed =
        Statement::compiled(format!("DELETE FROM links WHERE {OF_SUBJECT} RETURNING member_id, ?2 AS sub"))
            .bind(ending.account)
            .bind(subject);
    let mut statements = vec![moved, removed];
    statements.extend(ending.of(Whose::Subject(subject)));
    statements
}

fn to_history(ended_at: &str, ended_by: &str) -> String {
    format!(
        "INSERT INTO link_history (account, link_id, line_user, member_id, linked_at, consent, ended_at, ended_by) \
         SELECT account, link_id, line_user, member_id, linked_at, consent, {ended_at}, '{ended_by}'"
    )
}

/// Reads the link of a subject, or of a member.
#[must_use]
pub fn select(account: &AccountId, subject: Option<&Subject>, member: Option<&MemberId>) -> Statement {
    let columns = "SELECT u.subject AS sub, l.member_id, u.line_user_id, l.linked_at, l.consent, l.link_id";
    let (from, id) = match (subject, member) {
        (Some(subject), _) => (
            "FROM line_users u JOIN links l ON l.account = u.account AND l.line_user = u.id \
             WHERE u.account = ?1 AND u.subject = ?2",
            subject.as_str(),
        ),
        (None, member) => (
            "FROM links l JOIN line_users u ON u.id = l.line_user WHERE l.account = ?1 AND l.member_id = ?2",
            member.map_or("", MemberId::as_str),
        ),
    };
    Statement::compiled(format!("{columns} {from}")).bind(account).bind(id)
}

/// Whether a subject is known.
#[must_use]
pub fn subject_exists(account: &AccountId, subject: &Subject) -> Statement {
    Statement::new("SELECT 1 AS known FROM line_users WHERE account = ?1 AND subject = ?2")
        .bind(account)
        .bind(subject)
}
