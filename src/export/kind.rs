//! What can be exported: a line for each kind of row. Another table is another entry.
//!
//! The key is one that a row keeps as long as it is there, and an index leads by it. Row ids of ours are never shown: a LINE
//! user is `sub` and `line_user_id`.

use serde_json::Value;

use crate::store::{
    self,
    shown::{stored, time, truth},
};

/// A column of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    /// Text.
    Text(&'static str),
    /// A whole number.
    Number(&'static str),
}

impl Key {
    pub(super) fn column(&self) -> &'static str {
        match self {
            Self::Text(column) | Self::Number(column) => column,
        }
    }

    /// What comes before every value.
    pub(super) fn least(self) -> store::Value {
        match self {
            Self::Text(_) => "".into(),
            Self::Number(_) => (-1).into(),
        }
    }

    /// A value of a place, if it is of this kind.
    pub(super) fn read(self, value: &Value) -> Option<store::Value> {
        match self {
            Self::Text(_) => value.as_str().map(Into::into),
            Self::Number(_) => value
                .as_i64()
                .filter(|number| (-store::MAX_INTEGER..=store::MAX_INTEGER).contains(number))
                .map(Into::into),
        }
    }
}

/// One kind of rows.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name in the path.
    pub(super) name: &'static str,
    /// What it is, for whoever asks what there is.
    pub(super) description: &'static str,
    /// The arguments of `json_object`.
    pub(super) row: &'static str,
    /// The tables, as `FROM …`.
    pub(super) from: &'static str,
    /// The column that holds the account.
    pub(super) account: &'static str,
    /// The key.
    pub(super) key: &'static [Key],
    /// Whether it lies in the database that holds the accounts, whichever holds the account's other rows.
    pub(super) is_in_default: bool,
}

/// Everything that can be exported.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "links",
        description: "ID links: which member is which LINE user, since when, and the consent; by member_id",
        row: concat!(
            "'member_id', l.member_id, 'sub', u.subject, 'line_user_id', u.line_user_id, 'link_id', l.link_id, ",
            "'linked_at', ",
            time!("l.linked_at"),
            ", 'consent', ",
            stored!("l.consent")
        ),
        from: "FROM links l INDEXED BY links_by_member JOIN line_users u ON u.id = l.line_user",
        account: "l.account",
        key: &[Key::Text("l.member_id")],
        is_in_default: false,
    },
    Kind {
        name: "link-history",
        description: "ID links that ended: when, and by what; by link_id",
        row: concat!(
            "'link_id', h.link_id, 'member_id', h.member_id, 'sub', u.subject, 'line_user_id', u.line_user_id, ",
            "'linked_at', ",
            time!("h.linked_at"),
            ", 'ended_at', ",
            time!("h.ended_at"),
            ", 'ended_by', h.ended_by, 'line_told', h.line_told, 'consent', ",
            stored!("h.consent")
        ),
        from: "FROM link_history h LEFT JOIN line_users u ON u.id = h.line_user",
        account: "h.account",
        key: &[Key::Text("h.link_id")],
        is_in_default: false,
    },
    Kind {
        name: "line-users",
        description: "LINE users: what LINE showed of them, and whether they are friends; by sub",
        row: concat!(
            "'sub', u.subject, 'line_user_id', u.line_user_id, 'name', u.name, 'picture', u.picture, ",
            "'email', u.email, 'email_verified_at', ",
            time!("u.email_verified_at"),
            ", 'friend', ",
            truth!("u.friend"),
            ", 'friend_since', ",
            time!("u.friend_since"),
            ", 'added_mode', u.added_mode, 'added_client_id', u.added_client, 'added_at', ",
            time!("u.added_at"),
            ", 'created_at', ",
            time!("u.created_at")
        ),
        from: "FROM line_users u INDEXED BY line_users_by_subject",
        account: "u.account",
        key: &[Key::Text("u.subject")],
        is_in_default: false,
    },
    Kind {
        name: "members",
        description: "the shop's members; by member_id",
        row: concat!(
            "'member_id', m.member_id, 'created_at', ",
            time!("m.created_at"),
            ", 'updated_at', ",
            time!("m.updated_at")
        ),
        from: "FROM members m INDEXED BY members_by_member_id",
        account: "m.account",
        key: &[Key::Text("m.member_id")],
        is_in_default: false,
    },
    Kind {
        name: "attributes",
        description: "attributes of members, one a line; by member and name",
        row: concat!(
            "'member_id', m.member_id, 'name', a.name, 'value', ",
            // A number that is whole is written as one, though it may be stored as a REAL.
            "json(CASE WHEN a.kind = 'boolean' THEN CASE a.value WHEN 1 THEN 'true' ELSE 'false' END ",
            "WHEN a.kind = 'number' AND a.value = CAST(a.value AS INTEGER) THEN CAST(a.value AS INTEGER) ",
            "WHEN a.kind = 'list' THEN a.value ELSE json_quote(a.value) END), ",
            "'updated_at', ",
            time!("a.updated_at")
        ),
        from: "FROM attributes a JOIN members m ON m.id = a.member",
        account: "a.kind <> 'removed' AND a.account",
        key: &[Key::Number("a.member"), Key::Text("a.name")],
        is_in_default: false,
    },
    Kind {
        name: "tags",
        description: "tags of members, one a line; by tag and member",
        row: concat!("'member_id', m.member_id, 'tag', t.tag, 'tagged_at', ", time!("t.tagged_at")),
        from: "FROM tags t CROSS JOIN members m ON m.id = t.member",
        account: "t.account",
        key: &[Key::Text("t.tag"), Key::Number("t.member")],
        is_in_default: false,
    },
    Kind {
        name: "events",
        description: "what members did in the shop; by id",
        row: concat!(
            "'id', e.id, 'member_id', m.member_id, 'type', e.type, 'occurred_at', ",
            time!("e.occurred_at"),
            ", 'received_at', ",
            time!("e.received_at"),
            ", 'properties', ",
            stored!("e.properties")
        ),
        from: "FROM events e INDEXED BY events_by_id CROSS JOIN members m ON m.id = e.member",
        account: "e.account",
        key: &[Key::Text("e.id")],
        is_in_default: false,
    },
    Kind {
        name: "event-types",
        description: "how long events of a type are kept, where the shop has said it; by type",
        row: concat!(
            "'type', t.type, 'retention_days', t.retention_days, 'updated_at', ",
            time!("t.updated_at")
        ),
        from: "FROM event_types t",
        account: "t.account",
        key: &[Key::Text("t.type")],
        is_in_default: false,
    },
    Kind {
        name: "segments",
        description: "rules that are kept; by id",
        row: concat!(
            "'id', s.id, 'name', s.name, 'rule', ",
            stored!("s.rule"),
            ", 'created_at', ",
            time!("s.created_at"),
            ", 'updated_at', ",
            time!("s.updated_at")
        ),
        from: "FROM segments s",
        account: "s.account",
        key: &[Key::Text("s.id")],
        is_in_default: false,
    },
    Kind {
        name: "chat-messages",
        description: "what customers wrote to the Official Account; the text of an unsent message is gone; by message_id",
        row: concat!(
            "'message_id', m.message_id, 'sub', u.subject, 'line_user_id', u.line_user_id, 'kind', m.kind, ",
            "'text', m.text, 'sent_at', ",
            time!("m.sent_at"),
            ", 'unsent', ",
            truth!("m.unsent")
        ),
        from: "FROM chat_messages m LEFT JOIN line_users u ON u.id = m.line_user",
        account: "m.line_user > 0 AND m.account",
        key: &[Key::Number("m.line_user"), Key::Text("m.message_id")],
        is_in_default: false,
    },
    Kind {
        name: "sends",
        description: "messages to segments: rule, messages, state; by id",
        row: concat!(
            "'id', s.id, 'name', s.name, 'idempotency_key', s.idempotency_key, 'audience', ",
            stored!("s.audience"),
            ", 'messages', ",
            stored!("s.messages"),
            ", 'state', s.state, 'paused', s.paused, 'created_at', ",
            time!("s.created_at")
        ),
        from: "FROM sends s",
        account: "s.account",
        key: &[Key::Text("s.id")],
        is_in_default: false,
    },
    Kind {
        name: "send-chunks",
        description: "sends in pieces of at most 500: what became of each, and at whom it was aimed; by send and chunk",
        row: concat!(
            "'send', c.send, 'chunk', c.chunk, 'state', c.state, 'targeted', c.targeted, 'accepted', c.accepted, ",
            "'excluded', c.blocked + c.unlinked + c.capped + c.recent + c.erased, ",
            "'failed', c.unknown + c.refused + c.unfit, 'unresolved', c.unresolved, ",
            "'request_id', c.request_id, 'reason', c.reason, ",
            "'subs', json((SELECT json_group_array(u.subject) FROM json_each(c.line_users) e ",
            "CROSS JOIN line_users u ON u.id = e.value))"
        ),
        from: "FROM chunks c",
        account: "c.account",
        key: &[Key::Text("c.send"), Key::Number("c.chunk")],
        is_in_default: false,
    },
    Kind {
        name: "receipts",
        description: "what became of each recipient of each send, for 90 days; by sub, time and send",
        row: concat!(
            "'sub', u.subject, 'line_user_id', u.line_user_id, 'at', ",
            time!("r.at"),
            ", 'send', s.id, 'outcome', r.outcome"
        ),
        from: "FROM line_users u INDEXED BY line_users_by_subject \
            CROSS JOIN receipts r ON r.account = u.account AND r.line_user = u.id \
            LEFT JOIN sends s ON s.number = r.send AND s.account = u.account",
        account: "u.account",
        key: &[Key::Text("u.subject"), Key::Number("r.at"), Key::Number("r.send")],
        is_in_default: false,
    },
    Kind {
        name: "auto-login-links",
        description: "auto-login links, those that are over or revoked too; by id",
        row: concat!(
            "'id', l.id, 'client_id', l.client_id, 'target', l.target, 'context', ",
            stored!("l.context"),
            ", 'label', l.label, 'campaign', l.campaign, 'sealed', l.sealed, 'created_at', ",
            time!("l.created_at"),
            ", 'expires_at', ",
            time!("l.expires_at"),
            ", 'revoked_at', ",
            time!("l.revoked_at")
        ),
        from: "FROM auto_login_links l",
        account: "l.account",
        key: &[Key::Text("l.id")],
        is_in_default: false,
    },
    Kind {
        name: "clicks",
        description: "who logged in by which auto-login link; by sub, time and link",
        row: concat!(
            "'sub', u.subject, 'line_user_id', u.line_user_id, 'link', c.link, 'at', ",
            time!("c.at")
        ),
        from: "FROM line_users u INDEXED BY line_users_by_subject \
            CROSS JOIN clicks c ON c.account = u.account AND c.line_user = u.id",
        account: "u.account",
        key: &[Key::Text("u.subject"), Key::Number("c.at"), Key::Text("c.link")],
        is_in_default: false,
    },
    Kind {
        name: "login-counts",
        description: "what became of logins, counted by day, client, link and kind of browser; by these",
        row: "'day', c.day, 'client_id', c.client_id, 'link', c.link, 'browser', c.browser, 'outcome', c.outcome, \
              'reason', c.reason, 'count', c.count",
        from: "FROM login_counts c",
        account: "c.account",
        key: &[
            Key::Text("c.day"),
            Key::Text("c.client_id"),
            Key::Text("c.link"),
            Key::Text("c.browser"),
            Key::Text("c.outcome"),
            Key::Text("c.reason"),
        ],
        is_in_default: false,
    },
    Kind {
        name: "friend-add-counts",
        description: "what became of the friend box, counted by day, client and mode; by these",
        row: "'day', c.day, 'client_id', c.client_id, 'mode', c.mode, 'logins', c.logins, \
              'friends_before', c.friends_before, 'friends_added', c.friends_added, 'declined', c.declined, \
              'not_shown', c.not_shown, 'unknown', c.unknown",
        from: "FROM friend_add_counts c",
        account: "c.account",
        key: &[Key::Text("c.day"), Key::Text("c.client_id"), Key::Text("c.mode")],
        is_in_default: false,
    },
    Kind {
        name: "webhook-deliveries",
        description: "what LINE delivered in the last 14 days, as it was signed, and what became of it; by id",
        row: concat!(
            "'id', d.seq, 'received_at', ",
            time!("d.received_at"),
            ", 'applied_at', ",
            time!("d.applied_at"),
            ", 'verdict', d.verdict, 'events', d.events, 'duplicates', d.duplicates, 'altered', ",
            truth!("d.altered"),
            ", 'signature', d.signature, 'body', d.body"
        ),
        from: "FROM webhook_deliveries d",
        account: "d.account",
        key: &[Key::Number("d.seq")],
        is_in_default: false,
    },
    Kind {
        name: "webhook-counts",
        description: "how much LINE delivered, and how late it was applied (lag_…: within so many milliseconds); by hour",
        row: concat!(
            "'hour', ",
            time!("c.hour"),
            ", 'deliveries', c.deliveries, 'events', c.events, 'duplicates', c.duplicates, 'lag_100', c.lag_100, \
             'lag_250', c.lag_250, 'lag_500', c.lag_500, 'lag_1000', c.lag_1000, 'lag_2500', c.lag_2500, \
             'lag_5000', c.lag_5000, 'lag_15000', c.lag_15000, 'lag_60000', c.lag_60000, 'lag_more', c.lag_more"
        ),
        from: "FROM webhook_counts c",
        account: "c.account",
        key: &[Key::Number("c.hour")],
        is_in_default: false,
    },
    Kind {
        name: "webhook-refusals",
        description: "deliveries that were refused; by hour and reason",
        row: concat!("'hour', ", time!("c.hour"), ", 'reason', c.reason, 'count', c.count"),
        from: "FROM webhook_refusals c",
        account: "c.account",
        key: &[Key::Number("c.hour"), Key::Text("c.reason")],
        is_in_default: false,
    },
    Kind {
        name: "audiences",
        description: "segments that were uploaded to LINE as audiences, and what became of them; by id",
        row: concat!(
            "'id', a.id, 'name', a.name, 'rule', ",
            stored!("a.rule"),
            ", 'state', a.state, 'reason', a.reason, 'keep', ",
            truth!("a.keep"),
            ", 'line_audience_group_id', a.group_id, 'uploaded', a.uploaded, 'line_count', a.line_count, 'created_at', ",
            time!("a.created_at")
        ),
        from: "FROM audiences a",
        account: "a.account",
        key: &[Key::Text("a.id")],
        is_in_default: false,
    },
    Kind {
        name: "narrowcasts",
        description: "narrowcasts, and what LINE said of each; by id",
        row: concat!(
            "'id', n.id, 'name', n.name, 'state', n.state, 'reason', n.reason, 'audience', n.audience, 'filter', ",
            stored!("n.filter"),
            ", 'messages', ",
            stored!("n.messages"),
            ", 'max', coalesce(n.max, n.wanted_max), 'targeted', n.target, 'succeeded', n.success, 'failed', n.failure, \
             'created_at', ",
            time!("n.created_at"),
            ", 'ended_at', ",
            time!("n.ended_at"),
            ", 'line_request_id', n.request_id"
        ),
        from: "FROM narrowcasts n",
        account: "n.account",
        key: &[Key::Text("n.id")],
        is_in_default: false,
    },
    Kind {
        name: "unit-insight",
        description: "LINE's figures of what was sent under a unit's name; by unit",
        row: concat!(
            "'unit', i.unit, 'fetched_at', ",
            time!("i.fetched_at"),
            ", 'figures', ",
            stored!("i.figures"),
            ", 'refusal', i.refusal"
        ),
        from: "FROM unit_insight i",
        account: "i.account",
        key: &[Key::Text("i.unit")],
        is_in_default: false,
    },
    Kind {
        name: "audit-log",
        description: "who changed what in the account's configuration; by time and id",
        row: concat!(
            "'at', ",
            time!("a.at"),
            ", 'id', a.id, 'actor', a.actor, 'action', a.action, 'detail', ",
            stored!("a.detail")
        ),
        from: "FROM audit_log a",
        account: "a.account",
        key: &[Key::Number("a.at"), Key::Text("a.id")],
        is_in_default: true,
    },
];
