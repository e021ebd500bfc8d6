//! Who is asked about: the account's linked friends, or all friends where the rule speaks of the link; and for the figures
//! beside a count, those who are left out.

use super::Compiler;
use crate::{
    id::{AccountId, MemberId},
    rule::{ERASED, Rule, condition::Condition},
    store::{Statement, Value},
    time::UnixMillis,
};

/// Whom SQL goes through. Members are `m`, LINE users `u`, links `l`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// Links, in the subjects' order, and their LINE users.
    Linked,
    /// LINE users, in their order, and their links if they have one.
    Users,
    /// Members who are linked to nobody.
    Unlinked,
}

impl Frame {
    /// The frame of those who are reached.
    pub(super) fn of(condition: &Condition) -> Self {
        if condition.speaks_of_link() { Self::Users } else { Self::Linked }
    }

    /// The member's number; 0 where there is none.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Linked => "l.member",
            Self::Users => "ifnull(l.member, 0)",
            Self::Unlinked => "m.id",
        }
    }

    /// The subject's number; 0 where there is none.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Linked => "l.line_user",
            Self::Users => "u.id",
            Self::Unlinked => "0",
        }
    }

    /// Selects from those who are asked about, all of them.
    pub(super) fn asked(self) -> &'static str {
        match self {
            Self::Linked | Self::Unlinked => "FROM links q WHERE q.account = ?1 AND q.line_user > 0",
            Self::Users => {
                "FROM line_users q INDEXED BY line_users_in_order WHERE q.account = ?1 AND q.friend = 1 AND q.id > 0"
            }
        }
    }

    /// What is counted of them. In SQL, a truth is a number.
    fn figures(self) -> &'static str {
        match self {
            Self::Unlinked => "0 AS reachable, 0 AS blocked, 0 AS not_friends, count(*) AS not_linked",
            Self::Linked | Self::Users => {
                "coalesce(sum(u.friend IS 1), 0) AS reachable, \
                 coalesce(sum(u.friend IS 0 AND u.friendship_event <> ''), 0) AS blocked, \
                 coalesce(sum(u.friend IS NULL OR (u.friend = 0 AND u.friendship_event = '')), 0) AS not_friends, \
                 0 AS not_linked"
            }
        }
    }

    /// `FROM … WHERE …` of those with this friendship; of links only if they have it.
    fn clause(self, friendship: &str, condition: &str) -> String {
        match self {
            Self::Linked => format!(
                "FROM links l CROSS JOIN line_users u ON u.id = l.line_user \
                 WHERE l.account = ?1 AND l.line_user > ?2 AND u.account = ?1 AND {friendship} AND {condition}"
            ),
            Self::Users => format!(
                "FROM line_users u INDEXED BY line_users_in_order \
                 LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id \
                 WHERE u.account = ?1 AND {friendship} AND u.id > ?2 AND {condition}"
            ),
            Self::Unlinked => format!(
                "FROM members m INDEXED BY members_by_member_id \
                 WHERE m.account = ?1 AND m.member_id > '' AND m.id > ?2 AND {friendship} AND NOT EXISTS \
                   (SELECT 1 FROM links l INDEXED BY links_by_member_number WHERE l.account = ?1 AND l.member = m.id) \
                 AND {condition}"
            ),
        }
    }
}

/// `FROM … WHERE …` over `line_users u` and `links l`, with the values of its placeholders in order. `?1` is the
/// account, `?2` the subject's number after which a page begins; further placeholders of the statement that uses it come
/// after [`Audience::bound`]. Rows come in the order of [`Audience::subject`] without being sorted.
///
/// Where the rule speaks of the link, `l` is NULL of friends who are linked to nobody; else everybody is linked.
#[derive(Debug, Clone, PartialEq)]
pub struct Audience {
    clause: String,
    values: Vec<Value>,
    subject: &'static str,
}

impl Audience {
    fn new(
        account: &AccountId,
        condition: &Condition,
        now: UnixMillis,
        frame: Frame,
        friendship: &str,
    ) -> Self {
        let mut compiler = Compiler::new(account.into(), frame, now);
        let known = compiler.sends_are_known(condition);
        let condition = format!("{}{known}", compiler.condition(condition));
        Self {
            clause: frame.clause(friendship, &condition),
            values: compiler.values,
            subject: frame.subject(),
        }
    }

    /// How many placeholders are taken.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.values.len()
    }

    /// The clause, for a statement that continues it.
    #[must_use]
    pub fn clause(&self) -> &str {
        &self.clause
    }

    /// The subject's number, by which a page is ordered.
    #[must_use]
    pub fn subject(&self) -> &'static str {
        self.subject
    }

    /// Whether everybody is linked to a member.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.subject == Frame::Linked.subject()
    }

    /// Only subjects after this one.
    #[must_use]
    pub fn after(mut self, subject: i64) -> Self {
        if let Some(after) = self.values.get_mut(1) {
            *after = Value::Integer(subject);
        }
        self
    }

    /// A statement around the clause, whose first placeholders are bound.
    #[must_use]
    pub fn statement(&self, sql: String) -> Statement {
        self.values.iter().cloned().fold(Statement::compiled(sql), Statement::bind)
    }

    /// How many would be reached now.
    #[must_use]
    pub fn count(&self) -> Statement {
        self.statement(format!("SELECT count(*) AS count {}", self.clause))
    }
}

/// Compiles a rule for one account, as of `now`. Reachable are friends that do not block, and are linked to a member unless
/// the rule itself speaks of the link.
#[must_use]
pub fn audience(account: &AccountId, rule: &Rule, now: UnixMillis) -> Audience {
    Audience::new(account, &rule.condition, now, Frame::of(&rule.condition), "u.friend = 1")
}

/// Members by name, reached as those of a rule are; nobody for those who were erased.
#[must_use]
pub fn named(account: &AccountId, members: &[MemberId], now: UnixMillis) -> Audience {
    let mut compiler = Compiler::new(account.into(), Frame::Linked, now);
    let members: Vec<&MemberId> = members.iter().filter(|member| member.as_str() != ERASED).collect();
    let members = compiler.bind_list(&members);
    let condition = format!(
        "l.line_user IN (SELECT n.line_user FROM json_each({members}) j \
         CROSS JOIN links n ON n.account = ?1 AND n.member_id = j.value)"
    );
    let clause = Frame::Linked.clause("u.friend = 1", &condition);
    Audience { clause, values: compiler.values, subject: Frame::Linked.subject() }
}

/// Counts those of whom the rule is true, as `reachable`, and of those who are not reached as `blocked`, `not_friends` and
/// `not_linked`: members, and where the rule speaks of the link, LINE users. The rows are to be summed.
///
/// `blocked` is LINE's word in an event; of whom we only know at a login that they were no friend, it may be either.
#[must_use]
pub fn figures(account: &AccountId, rule: &Rule, now: UnixMillis) -> Vec<Statement> {
    // Links and LINE users lie in one order: friends or not, they are gone through once. By friendship there is an index.
    let parts: &[(Frame, &str)] = match Frame::of(&rule.condition) {
        Frame::Users => &[
            (Frame::Users, "u.friend = 1"),
            (Frame::Users, "u.friend = 0"),
            (Frame::Users, "u.friend IS NULL"),
        ],
        _ => &[(Frame::Linked, "1"), (Frame::Unlinked, "1")],
    };
    let counted = |(frame, friendship): &(Frame, &str)| {
        let audience = Audience::new(account, &rule.condition, now, *frame, friendship);
        let sql = format!("SELECT {} {}", frame.figures(), audience.clause);
        audience.statement(sql)
    };
    parts.iter().map(counted).collect()
}
