//! Reading what is kept about one person: each section as rows of one column, `row`, a JSON object.

use serde_json::Value as Json;

use super::{
    Statement,
    shown::{stored, time, truth},
};
use crate::{
    id::{AccountId, MemberId},
    time::UnixMillis,
};

/// Rows of a section that are read at once.
pub const PAGE: usize = 2_000;

/// The LINE user who is linked to the member `?2`.
const USER: &str = "(SELECT line_user FROM links WHERE account = ?1 AND member_id = ?2)";

/// The arguments of `json_object` of an event `e`.
macro_rules! event_object {
    ($more:literal) => {
        concat!(
            "'id', e.id, 'type', e.type, 'occurred_at', ",
            time!("e.occurred_at"),
            ", 'received_at', ",
            time!("e.received_at"),
            ", 'properties', ",
            stored!("e.properties"),
            $more
        )
    };
}

/// A part of what is known about a person.
pub struct Section {
    /// Its name in the export.
    pub name: &'static str,
    /// The arguments of `json_object`; a section that can be long has `'after'` among them, by which it is ordered.
    object: &'static str,
    /// `FROM … WHERE …`, over `?1` account, `?2` member, and `{user}` for the LINE user.
    from: &'static str,
    /// `AND … > ?3 ORDER BY …` of a section that can be long.
    pages: Option<&'static str>,
}

impl Section {
    /// The rows after the one whose `after` this is.
    #[must_use]
    pub fn page(&self, account: &AccountId, member: &MemberId, after: Option<&Json>) -> Statement {
        let from = self.from.replace("{user}", USER);
        let select = format!("SELECT json_object({}) AS \"row\" {from}", self.object);
        let bound = |sql: String| Statement::compiled(sql).bind(account).bind(member);
        match self.pages {
            None => bound(format!("{select} LIMIT {PAGE}")),
            Some(pages) => bound(format!("{select} {pages} LIMIT {PAGE}"))
                .bind(after.and_then(Json::as_str).unwrap_or_default()),
        }
    }
}

/// What the shop said of a member, beside attributes.
#[must_use]
pub fn member(account: &AccountId, member: &MemberId) -> Statement {
    MEMBER.page(account, member, None)
}

/// A member's attributes.
#[must_use]
pub fn attributes(account: &AccountId, member: &MemberId) -> Statement {
    ATTRIBUTES.page(account, member, None)
}

/// A member's tags.
#[must_use]
pub fn tags(account: &AccountId, member: &MemberId) -> Statement {
    TAGS.page(account, member, None)
}

/// A member's link.
#[must_use]
pub fn link(account: &AccountId, member: &MemberId) -> Statement {
    LINK.page(account, member, None)
}

const MEMBER: Section = Section {
    name: "member",
    object: concat!("'created_at', ", time!("created_at"), ", 'updated_at', ", time!("updated_at")),
    from: "FROM members WHERE account = ?1 AND member_id = ?2",
    pages: None,
};

const ATTRIBUTES: Section = Section {
    name: "attributes",
    object: concat!(
        "'name', name, 'value', CASE kind WHEN 'boolean' THEN json(CASE value WHEN 0 THEN 'false' ELSE 'true' END) \
         WHEN 'list' THEN json(value) ELSE value END, 'updated_at', ",
        time!("updated_at"),
        ", 'after', name"
    ),
    from: "FROM attributes WHERE kind <> 'removed' AND account = ?1 \
        AND member = (SELECT id FROM members WHERE account = ?1 AND member_id = ?2)",
    pages: Some("AND name > ?3 ORDER BY name"),
};

const LINK: Section = Section {
    name: "link",
    object: concat!(
        "'sub', u.subject, 'line_user_id', u.line_user_id, 'linked_at', ",
        time!("l.linked_at"),
        ", 'consent', ",
        stored!("l.consent")
    ),
    from: "FROM links l JOIN line_users u ON u.id = l.line_user WHERE l.account = ?1 AND l.member_id = ?2",
    pages: None,
};

const TAGS: Section = Section {
    name: "tags",
    object: concat!("'tag', tag, 'tagged_at', ", time!("tagged_at"), ", 'after', tag"),
    from: "FROM tags INDEXED BY tags_by_member WHERE account = ?1 \
        AND member = (SELECT id FROM members WHERE account = ?1 AND member_id = ?2)",
    pages: Some("AND tag > ?3 ORDER BY tag"),
};

/// In the order of the index by member.
const EVENTS: Section = Section {
    name: "events",
    object: event_object!(", 'after', printf('%s/%020d.%d', e.type, e.occurred_at, e.number)"),
    from: "FROM events e INDEXED BY events_by_member WHERE e.account = ?1 \
        AND e.member = (SELECT id FROM members WHERE account = ?1 AND member_id = ?2)",
    pages: Some(
        "AND (e.type, e.occurred_at, e.number) > (substr(?3, 1, instr(?3, '/') - 1), \
           CAST(substr(?3, instr(?3, '/') + 1, 20) AS INTEGER), CAST(substr(?3, instr(?3, '/') + 22) AS INTEGER)) \
         ORDER BY e.type, e.occurred_at, e.number",
    ),
};

/// Reads a member's events, the newest first, before this one. Of all of them the index is read, of a page the rows.
#[must_use]
pub fn events(
    account: &AccountId,
    member: &MemberId,
    before: Option<(UnixMillis, i64)>,
    limit: i64,
) -> Statement {
    let (at, number) = before.unwrap_or((UnixMillis(super::MAX_INTEGER), 0));
    Statement::new(concat!(
        "SELECT json_object(",
        event_object!(""),
        ") AS \"row\", e.occurred_at AS at, e.number FROM (SELECT number FROM events INDEXED BY events_by_member \
           WHERE account = ?1 AND member = (SELECT id FROM members WHERE account = ?1 AND member_id = ?2) \
             AND (occurred_at, number) < (?3, ?4) ORDER BY occurred_at DESC, number DESC LIMIT ?5) n \
         CROSS JOIN events e ON e.number = n.number ORDER BY e.occurred_at DESC, e.number DESC"
    ))
    .bind(account)
    .bind(member)
    .bind(at)
    .bind(number)
    .bind(limit)
}

/// Everything, in the order of the export.
pub const SECTIONS: [Section; 12] = [
    MEMBER,
    ATTRIBUTES,
    TAGS,
    EVENTS,
    LINK,
    Section {
        name: "link_history",
        object: concat!(
            "'sub', (SELECT u.subject FROM line_users u WHERE u.id = h.line_user), 'linked_at', ",
            time!("h.linked_at"),
            ", 'ended_at', ",
            time!("h.ended_at"),
            ", 'ended_by', h.ended_by, 'line_told', h.line_told, 'consent', ",
            stored!("h.consent"),
            ", 'after', printf('%020d.%s', h.ended_at, h.link_id)"
        ),
        from: "FROM link_history h INDEXED BY link_history_by_member WHERE h.account = ?1 AND h.member_id = ?2",
        pages: Some("AND printf('%020d.%s', h.ended_at, h.link_id) > ?3 ORDER BY h.ended_at, h.link_id"),
    },
    Section {
        name: "line_user",
        object: concat!(
            "'sub', subject, 'line_user_id', line_user_id, 'name', name, 'picture', picture, 'email', email, \
             'email_verified_at', ",
            time!("email_verified_at"),
            ", 'friend', ",
            truth!("friend"),
            ", 'friend_since', ",
            time!("friend_since"),
            ", 'added_mode', added_mode, 'added_client_id', added_client, 'added_at', ",
            time!("added_at"),
            ", 'created_at', ",
            time!("created_at")
        ),
        from: "FROM line_users WHERE id = {user}",
        pages: None,
    },
    Section {
        name: "chat_messages",
        object: concat!(
            "'message_id', message_id, 'kind', kind, 'text', text, 'sent_at', ",
            time!("sent_at"),
            ", 'unsent', ",
            truth!("unsent"),
            ", 'after', message_id"
        ),
        from: "FROM chat_messages WHERE account = ?1 AND line_user = {user}",
        pages: Some("AND message_id > ?3 ORDER BY message_id"),
    },
    Section {
        name: "receipts",
        object: concat!(
            "'send', (SELECT s.id FROM sends s WHERE s.number = send AND s.account = ?1), 'outcome', outcome, 'at', ",
            time!("at"),
            ", 'after', printf('%020d.%020d', at, send)"
        ),
        from: "FROM receipts WHERE account = ?1 AND line_user = {user}",
        pages: Some("AND printf('%020d.%020d', at, send) > ?3 ORDER BY at, send"),
    },
    Section {
        name: "clicks",
        object: concat!("'link', link, 'at', ", time!("at"), ", 'after', printf('%020d.%s', at, link)"),
        from: "FROM clicks WHERE account = ?1 AND line_user = {user}",
        pages: Some("AND printf('%020d.%s', at, link) > ?3 ORDER BY at, link"),
    },
    Section {
        name: "sessions",
        object: concat!(
            "'sid', sid, 'auth_time', ",
            time!("auth_time"),
            ", 'amr', ",
            stored!("amr"),
            ", 'created_at', ",
            time!("created_at"),
            ", 'expires_at', ",
            time!("expires_at"),
            ", 'ended_at', ",
            time!("ended_at"),
            ", 'after', sid"
        ),
        from: "FROM sessions INDEXED BY sessions_by_line_user WHERE account = ?1 AND line_user = {user}",
        pages: Some("AND sid > ?3 ORDER BY sid"),
    },
    Section {
        name: "grants",
        object: concat!(
            "'client_id', client_id, 'sid', sid, 'scope', scope, 'auth_time', ",
            time!("auth_time"),
            ", 'created_at', ",
            time!("created_at"),
            ", 'expires_at', ",
            time!("expires_at"),
            ", 'ended_at', ",
            time!("ended_at"),
            ", 'after', id"
        ),
        from: "FROM grants INDEXED BY grants_by_line_user WHERE account = ?1 AND line_user = {user}",
        pages: Some("AND id > ?3 ORDER BY id"),
    },
];
