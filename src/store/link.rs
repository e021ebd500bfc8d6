//! Links: made, displaced, ended, read. At most one each way per account, which two unique indexes hold.

use super::{
    Statement, Value,
    audit::{self, Change},
    ending::{Ending, Whose},
    outbox::{DEAUTHORIZE, DEAUTHORIZE_LIFETIME, Events},
};
use crate::{
    id::{AccountId, LineUserId, MemberId, Subject},
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
    /// Ends what stands in the way, if the subject exists: the subject's own link, whose LINE user is linked on, and the
    /// member's, whose LINE user is not.
    #[must_use]
    pub fn displace(&self, ending: &Ending<'_>) -> Vec<Statement> {
        let bound: Vec<Value> = vec![self.account.into(), self.subject.into(), self.member.into()];
        let of_subject = format!(
            "line_user = (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2) AND {IN_THE_WAY}"
        );
        let of_member = format!("member_id = ?3 AND {IN_THE_WAY}");
        let links = |which: &str, linked_on, side| Links {
            which: which.to_owned(),
            bound: bound.clone(),
            linked_on,
            audit: Some(format!("{}.{side}", self.link_id)),
        };
        [links(&of_subject, true, "subject"), links(&of_member, false, "member")]
            .iter()
            .flat_map(|links| links.end(EndedBy::Replaced, ending))
            .collect()
    }

    /// Makes the link with this consent, unless one side is taken. A link that is there takes the consent if it is newer
    /// than none.
    #[must_use]
    pub fn insert(&self, consent: &str, is_newer: bool, now: UnixMillis) -> Statement {
        Statement::new(
            "INSERT INTO links (account, line_user, member_id, link_id, linked_at, consent) \
             SELECT ?1, id, ?3, ?4, ?5, ?6 FROM line_users WHERE account = ?1 AND subject = ?2 \
             ON CONFLICT (account, line_user) DO UPDATE SET consent = excluded.consent \
               WHERE member_id = excluded.member_id AND ?7 \
             ON CONFLICT DO NOTHING",
        )
        .bind(self.account)
        .bind(self.subject)
        .bind(self.member)
        .bind(self.link_id)
        .bind(now)
        .bind(consent)
        .bind(is_newer)
    }
}

/// Owes the shop the event of the link of this id between a LINE user and `member`, if this batch made it.
#[must_use]
pub fn made(account: &AccountId, member: &MemberId, link_id: &str, now: UnixMillis) -> Statement {
    let from = "FROM links l JOIN line_users u ON u.id = l.line_user \
         WHERE l.account = ?1 AND l.member_id = ?2 AND l.link_id = ?3";
    made_of(from, vec![account.into(), member.into(), link_id.into()], now)
}

/// Owes the shop the events of the links `l` of LINE users `u` that SQL selects.
#[must_use]
pub fn made_of(from: &str, bound: Vec<Value>, now: UnixMillis) -> Statement {
    let events = Events {
        kind: "link.made",
        name: "l.link_id",
        data: "'sub', u.subject, 'member_id', l.member_id",
        line_user: "u.id",
        from,
        at: None,
    };
    events.owe(bound, now)
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The shop's call.
    Unlinked,
    /// The customer's own word.
    Customer,
    /// A link that took its place.
    Replaced,
}

impl EndedBy {
    fn word(self) -> &'static str {
        match self {
            Self::Unlinked => "unlinked",
            Self::Customer => "customer",
            Self::Replaced => "replaced",
        }
    }
}

/// Links that are to end.
struct Links {
    /// SQL: a condition on rows of `links`, over the placeholders of `bound`, the account first.
    which: String,
    bound: Vec<Value>,
    /// Their LINE users are linked to others in the same batch: LINE is told nothing.
    linked_on: bool,
    /// The id of the audit log's entry, where somebody decided against a link that stood.
    audit: Option<String>,
}

impl Links {
    /// (1) LINE and (2) the shop are owed the news; (3) sessions and grants end; (4) the links move to the history,
    /// with an entry in the audit log, (5) LINE's tokens are held no more, (6) the links are gone, and answered as `unlinked`
    /// and `sub`.
    fn end(&self, by: EndedBy, ending: &Ending<'_>) -> Vec<Statement> {
        let Self { which, bound, .. } = self;
        let next = bound.len() + 1;
        let with = |sql: String| bound.iter().cloned().fold(Statement::compiled(sql), Statement::bind);
        let from = format!(
            "FROM (SELECT * FROM links WHERE {which}) l CROSS JOIN line_users u ON u.id = l.line_user"
        );
        let mut statements = Vec::new();
        if !self.linked_on {
            statements.push(owe_deauthorize(
                &format!("{from} WHERE 1"),
                "l.link_id",
                bound.clone(),
                ending.now,
            ));
        }
        if ending.takes_events {
            let data = format!("'sub', u.subject, 'member_id', l.member_id, 'reason', '{}'", by.word());
            let events = Events {
                kind: "link.ended",
                name: "l.link_id",
                data: &data,
                line_user: "u.id",
                from: &format!("{from} WHERE 1"),
                at: None,
            };
            statements.push(events.owe(bound.clone(), ending.now));
        }
        let users = format!("SELECT line_user FROM links WHERE {which}");
        statements
            .extend(ending.of(Whose::LineUsers(users.clone(), bound.iter().skip(1).cloned().collect())));
        let told = if self.linked_on {
            "NULL"
        } else {
            "CASE WHEN u.line_tokens IS NULL THEN 'impossible' ELSE 'owed' END"
        };
        let moved = with(format!(
            "INSERT INTO link_history (account, link_id, line_user, member_id, linked_at, consent, ended_at, ended_by, line_told) \
             SELECT ?1, l.link_id, l.line_user, l.member_id, l.linked_at, l.consent, ?{next}, '{}', {told} {from}",
            by.word()
        ));
        statements.push(moved.bind(ending.now));
        if let Some(id) = &self.audit {
            let detail = serde_json::json!({ "replaced_by": id.split('.').next() });
            let change = Change { actor: "api_key", action: "link.replace", detail };
            statements.push(audit::if_changed(ending.account, &change, id, ending.now));
        }
        if !self.linked_on {
            statements.push(with(format!("UPDATE line_users SET line_tokens = NULL WHERE id IN ({users})")));
        }
        statements.push(with(format!(
            "DELETE FROM links WHERE {which} RETURNING member_id AS unlinked, \
             (SELECT u.subject FROM line_users u WHERE u.id = links.line_user) AS sub"
        )));
        statements
    }
}

/// Owes LINE the news about LINE users `u` whose tokens are held; `name` is SQL for what each row is called.
pub(super) fn owe_deauthorize(from: &str, name: &str, bound: Vec<Value>, now: UnixMillis) -> Statement {
    let next = bound.len() + 1;
    let statement = Statement::compiled(format!(
        "INSERT INTO outbox (account, id, kind, body, created_at, due_at, expires_at) \
         SELECT ?1, '{DEAUTHORIZE}' || {name}, 'deauthorize', u.line_tokens, ?{next}, ?{next}, ?{} {from} \
           AND u.line_tokens IS NOT NULL \
         ON CONFLICT (account, id) DO NOTHING RETURNING id AS outbox_id",
        next + 1
    ));
    bound.into_iter().fold(statement, Statement::bind).bind(now).bind(now + DEAUTHORIZE_LIFETIME)
}

/// What became of telling LINE of a link's end.
#[must_use]
pub fn line_told(account: &AccountId, link_id: &str, told: bool) -> Statement {
    Statement::new(
        "UPDATE link_history SET line_told = ?3 WHERE account = ?1 AND link_id = ?2 AND line_told = 'owed'",
    )
    .bind(account)
    .bind(link_id)
    .bind(if told { "told" } else { "impossible" })
}

/// What is owed to LINE about a link's end is owed no more, if its LINE user is linked again: their authorization is wanted.
/// LINE's tokens are held again, unless a newer login brought others. The last statement changes a row if it was so.
#[must_use]
pub fn linked_again(account: &AccountId, link_id: &str) -> Vec<Statement> {
    let again = "SELECT h.line_user FROM link_history h JOIN links l ON l.account = ?1 AND l.line_user = h.line_user \
        WHERE h.account = ?1 AND h.link_id = ?2";
    let with = |sql: String| Statement::compiled(sql).bind(account).bind(link_id);
    vec![
        with(format!(
            "UPDATE line_users SET line_tokens = coalesce(line_tokens, (SELECT o.body FROM outbox o \
               WHERE o.account = ?1 AND o.id = '{DEAUTHORIZE}' || ?2)) WHERE id = ({again})"
        )),
        with(format!(
            "UPDATE link_history SET line_told = NULL \
             WHERE account = ?1 AND link_id = ?2 AND line_told = 'owed' AND EXISTS ({again})"
        )),
        with(format!(
            "DELETE FROM outbox WHERE account = ?1 AND id = '{DEAUTHORIZE}' || ?2 AND EXISTS ({again})"
        )),
    ]
}

/// Ends the link of a subject, and what lives of the customer.
#[must_use]
pub fn end(subject: &Subject, by: EndedBy, ending: &Ending<'_>) -> Vec<Statement> {
    let links = Links {
        which: OF_SUBJECT.to_owned(),
        bound: vec![ending.account.into(), subject.into()],
        linked_on: false,
        audit: None,
    };
    links.end(by, ending)
}

/// By which side links are looked for.
#[derive(Debug, Clone, Copy)]
pub enum Side<'a> {
    /// The subject.
    Subject(&'a Subject),
    /// The member.
    Member(&'a MemberId),
    /// The LINE user.
    LineUser(&'a LineUserId),
}

const COLUMNS: &str = "u.subject AS sub, l.member_id, u.line_user_id, l.linked_at, l.consent, l.link_id";

/// Reads the link of one side.
#[must_use]
pub fn select(account: &AccountId, side: Side<'_>) -> Statement {
    let of_user = |column: &str| {
        format!(
            "SELECT {COLUMNS} FROM line_users u JOIN links l ON l.account = u.account AND l.line_user = u.id \
             WHERE u.account = ?1 AND u.{column} = ?2"
        )
    };
    match side {
        Side::Subject(subject) => Statement::compiled(of_user("subject")).bind(account).bind(subject),
        Side::LineUser(id) => Statement::compiled(of_user("line_user_id")).bind(account).bind(id),
        Side::Member(member) => Statement::compiled(format!(
            "SELECT {COLUMNS} FROM links l JOIN line_users u ON u.id = l.line_user WHERE l.account = ?1 AND l.member_id = ?2"
        ))
        .bind(account)
        .bind(member),
    }
}

/// Reads links in the order of their members, after this one.
#[must_use]
pub fn list(account: &AccountId, after: &str, limit: i64) -> Statement {
    Statement::compiled(format!(
        "SELECT {COLUMNS} FROM links l INDEXED BY links_by_member JOIN line_users u ON u.id = l.line_user \
         WHERE l.account = ?1 AND l.member_id > ?2 ORDER BY l.member_id LIMIT ?3"
    ))
    .bind(account)
    .bind(after)
    .bind(limit)
}

/// Reads the links that ended of one side, the newest first, before this one.
#[must_use]
pub fn history(
    account: &AccountId,
    side: Side<'_>,
    before: Option<(UnixMillis, &str)>,
    limit: i64,
) -> Statement {
    let (index, which, value): (_, _, Value) = match side {
        Side::Subject(subject) => (
            "link_history_by_line_user",
            "line_user = (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2)",
            subject.into(),
        ),
        Side::LineUser(id) => (
            "link_history_by_line_user",
            "line_user = (SELECT id FROM line_users WHERE account = ?1 AND line_user_id = ?2)",
            id.into(),
        ),
        Side::Member(member) => ("link_history_by_member", "member_id = ?2", member.into()),
    };
    let (at, id) = before.unwrap_or((UnixMillis(super::MAX_INTEGER), ""));
    Statement::compiled(format!(
        "SELECT u.subject AS sub, h.member_id, h.linked_at, h.ended_at, h.ended_by, h.line_told, h.consent, h.link_id \
         FROM (SELECT * FROM link_history INDEXED BY {index} WHERE account = ?1 AND {which} \
           AND (ended_at, link_id) < (?3, ?4) ORDER BY ended_at DESC, link_id DESC LIMIT ?5) h \
         LEFT JOIN line_users u ON u.id = h.line_user ORDER BY h.ended_at DESC, h.link_id DESC"
    ))
    .bind(account)
    .bind(value)
    .bind(at)
    .bind(id)
    .bind(limit)
}

/// Whether a subject is known.
#[must_use]
pub fn subject_exists(account: &AccountId, subject: &Subject) -> Statement {
    Statement::new("SELECT 1 AS known FROM line_users WHERE account = ?1 AND subject = ?2")
        .bind(account)
        .bind(subject)
}
