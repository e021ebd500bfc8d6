//! What the shop says of members, applied: each attribute and each tag is as the newest word on it says, whichever came first;
//! of two that are equally old the one that came later.
//!
//! Rows `e` are objects: `n` line, `m` member, `t` tombstones of the member, `u` LINE user, `v` tombstones of theirs, `s` the
//! subject that becomes theirs if they are seen for the first time; `w` as of when, `a` attributes `[name, kind, value]`, `x` whether
//! `p`, the tags that are there, are all; `r` the tags that are not, among them '' where `x`.

mod row;

use self::row::{Full, Slim};
use super::{
    Statement,
    applying::{Applying, as_json, is_welcome},
    brought,
};
use crate::{
    secret::{Digest, hmac_sha256},
    word::Word,
};

/// A word with its place among the lines.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its place.
    pub number: usize,
    /// The word.
    pub word: &'a Word,
    /// Tombstones of the member, where they count.
    pub tombs: &'a [Digest],
    /// Tombstones of the LINE user.
    pub user_tombs: &'a [Digest],
}

/// SQL, over `e`: that nothing is in the way of the line; the links are made before.
fn is_taken() -> String {
    format!(
        "{} AND (e.value ->> 'u' IS NULL OR EXISTS (SELECT 1 FROM line_users u CROSS JOIN links l \
           ON l.account = ?1 AND l.line_user = u.id \
           WHERE u.account = ?1 AND u.line_user_id = e.value ->> 'u' AND l.member_id = e.value ->> 'm'))",
        is_welcome("(e.value ->> 'm')", "e.value -> 't'")
    )
}

/// SQL, over `e`: that the LINE user is here, or was never erased.
const USER_IS_WELCOME: &str = "(EXISTS (SELECT 1 FROM line_users w WHERE w.account = ?1 AND w.line_user_id = e.value ->> 'u') \
    OR NOT EXISTS (SELECT 1 FROM tombstones d WHERE d.account = ?1 \
      AND d.digest IN (SELECT value FROM json_each(e.value -> 'v'))))";

/// Words that are applied together; each is of another member.
#[derive(Debug)]
pub struct Words<'a> {
    applying: Applying<'a>,
    lines: &'a [Line<'a>],
    slim: String,
    /// In front of the ids of links that are made.
    prefix: String,
    has_users: bool,
}

impl<'a> Words<'a> {
    /// These words. `seed` is random: subjects and the ids of links are drawn from it.
    #[must_use]
    pub fn new(applying: Applying<'a>, lines: &'a [Line<'a>], seed: [u8; 32]) -> Self {
        let slim = |line: &Line<'a>| serde_json::to_string(&Slim::of(line, &seed)).unwrap_or_default();
        let slim: Vec<String> = lines.iter().map(slim).collect();
        Self {
            applying,
            lines,
            slim: format!("[{}]", slim.join(",")),
            prefix: format!("{}_", crate::id::short(hmac_sha256(&seed, b"links"))),
            has_users: lines.iter().any(|line| line.word.line_user.is_some()),
        }
    }

    /// (1) Links are brought over; (2) members are made, (3) attributes and (4) tags set, as far as they are newer.
    #[must_use]
    pub fn apply(&self) -> Vec<Statement> {
        let mut statements = if self.has_users { self.bring() } else { Vec::new() };
        let (mut has_attributes, mut has_lists, mut has_tags) = (false, false, false);
        let full: Vec<Full<'_>> = self.lines.iter().map(Full::of).collect();
        for line in &full {
            has_attributes |= !line.a.is_empty();
            has_lists |= line.a.iter().any(|(_, kind, _)| *kind == "list");
            has_tags |= !line.p.is_empty() || !line.r.is_empty();
        }
        for lines in as_json(full) {
            let mut with = |sql: String| statements.push(self.applying.statement(sql, &lines));
            with(self.members());
            if has_attributes {
                with(self.attributes());
                with(self.items_gone());
            }
            if has_lists {
                with(self.items());
            }
            if has_tags {
                self.tags().into_iter().for_each(&mut with);
            }
        }
        statements
    }

    /// (1) A LINE user whom we do not know is made known if the member is free; what is taken stays as it is.
    fn bring(&self) -> Vec<Statement> {
        let is_welcome = is_welcome("(e.value ->> 'm')", "e.value -> 't'");
        let from = format!(
            "FROM json_each(?3) e WHERE e.value ->> 'u' IS NOT NULL AND {is_welcome} AND {USER_IS_WELCOME}"
        );
        let see = brought::see("e.value ->> 'm'", "e.value ->> 'u'", "e.value ->> 's'", "?2", &from);
        let link = brought::Link {
            number: "e.value ->> 'n'",
            member: "e.value ->> 'm'",
            user: "e.value ->> 'u'",
            link_id: "?4 || (e.value ->> 'n')",
            consent: "'{\"way\":\"import\"}'",
            now: "?2",
        };
        let make = link.make("json_each(?3) e", &is_welcome);
        vec![
            self.applying.statement(see, &self.slim),
            self.applying.statement(make, &self.slim).bind(self.prefix.as_str()),
        ]
    }

    /// (2)
    fn members(&self) -> String {
        format!(
            "INSERT INTO members (account, member_id, created_at, updated_at) \
             SELECT ?1, e.value ->> 'm', ?2, ?2 FROM json_each(?3) e WHERE {} AND {} \
             ON CONFLICT (account, member_id) DO UPDATE SET updated_at = excluded.updated_at",
            self.applying.guard(),
            is_taken()
        )
    }

    /// SQL: the lines, with the numbers of their members `m`, and `more` tables.
    fn from(&self, more: &str) -> String {
        format!(
            "FROM json_each(?3) e CROSS JOIN members m ON m.account = ?1 AND m.member_id = e.value ->> 'm' {more} \
             WHERE ?2 AND {} AND {}",
            self.applying.guard(),
            is_taken()
        )
    }

    /// (3)
    fn attributes(&self) -> String {
        format!(
            "INSERT INTO attributes (account, member, name, kind, value, updated_at) \
             SELECT ?1, m.id, a.value ->> 0, a.value ->> 1, a.value ->> 2, e.value ->> 'w' {} \
             ON CONFLICT (account, member, name) \
             DO UPDATE SET kind = excluded.kind, value = excluded.value, updated_at = excluded.updated_at \
             WHERE excluded.updated_at >= attributes.updated_at",
            self.from("CROSS JOIN json_each(e.value -> 'a') a")
        )
    }

    /// (3) Elements that are in no list any more.
    fn items_gone(&self) -> String {
        let from = self.from(
            "CROSS JOIN json_each(e.value -> 'a') a CROSS JOIN attribute_items i INDEXED BY attribute_items_by_member \
               ON i.account = ?1 AND i.member = m.id AND i.name = a.value ->> 0",
        );
        format!(
            "DELETE FROM attribute_items WHERE (account, name, value, member) IN ( \
               SELECT i.account, i.name, i.value, i.member {from} AND NOT EXISTS (SELECT 1 FROM attributes x \
                 CROSS JOIN json_each(CASE x.kind WHEN 'list' THEN x.value ELSE '[]' END) v \
                 WHERE x.account = ?1 AND x.member = m.id AND x.name = i.name AND v.value = i.value))"
        )
    }

    /// (3) Elements of the lists that stand now.
    fn items(&self) -> String {
        let from = self.from(
            "CROSS JOIN json_each(e.value -> 'a') a CROSS JOIN attributes x \
               ON x.account = ?1 AND x.member = m.id AND x.name = a.value ->> 0 \
             CROSS JOIN json_each(CASE x.kind WHEN 'list' THEN x.value ELSE '[]' END) v",
        );
        format!(
            "INSERT INTO attribute_items (account, name, value, member) SELECT ?1, x.name, v.value, m.id {from} \
             ON CONFLICT DO NOTHING"
        )
    }

    /// (4) A tag goes if the word is not older than it, and stays away for older words; one comes unless it went since.
    fn tags(&self) -> [String; 3] {
        [
            format!(
                "DELETE FROM tags WHERE (account, tag, member) IN (SELECT g.account, g.tag, g.member {} \
                   AND g.tagged_at <= e.value ->> 'w' AND (g.tag IN (SELECT value FROM json_each(e.value -> 'r')) \
                     OR e.value ->> 'x' AND g.tag NOT IN (SELECT value FROM json_each(e.value -> 'p'))))",
                self.from(
                    "CROSS JOIN tags g INDEXED BY tags_by_member ON g.account = ?1 AND g.member = m.id"
                )
            ),
            format!(
                "INSERT INTO tag_removals (account, member, tag, removed_at) \
                 SELECT ?1, m.id, r.value, e.value ->> 'w' {} ON CONFLICT (account, member, tag) \
                 DO UPDATE SET removed_at = excluded.removed_at WHERE excluded.removed_at > tag_removals.removed_at",
                self.from("CROSS JOIN json_each(e.value -> 'r') r")
            ),
            format!(
                "INSERT INTO tags (account, tag, member, tagged_at) SELECT ?1, p.value, m.id, e.value ->> 'w' {} \
                   AND NOT EXISTS (SELECT 1 FROM tag_removals d WHERE d.account = ?1 AND d.member = m.id \
                     AND d.tag IN (p.value, '') AND d.removed_at > e.value ->> 'w') \
                 ON CONFLICT (account, tag, member) \
                 DO UPDATE SET tagged_at = excluded.tagged_at WHERE excluded.tagged_at > tags.tagged_at",
                self.from("CROSS JOIN json_each(e.value -> 'p') p")
            ),
        ]
    }

    /// Reads what became of each line, after them, as `line` and `verdict`: `accepted`, `linked` or `already_linked`; or
    /// `erased`, `line_user_erased`, `member_is_linked`, `subject_is_linked`, whose line changed nothing.
    #[must_use]
    pub fn judge(&self) -> Statement {
        let sql = format!(
            "SELECT e.value ->> 'n' AS line, CASE WHEN NOT {} THEN 'erased' WHEN e.value ->> 'u' IS NULL THEN 'accepted' \
               WHEN NOT {USER_IS_WELCOME} THEN 'line_user_erased' WHEN l.member_id IS NULL THEN 'member_is_linked' \
               WHEN l.member_id <> e.value ->> 'm' THEN 'subject_is_linked' \
               WHEN l.link_id = ?4 || (e.value ->> 'n') THEN 'linked' ELSE 'already_linked' END AS verdict \
             FROM json_each(?3) e LEFT JOIN line_users u ON u.account = ?1 AND u.line_user_id = e.value ->> 'u' \
             LEFT JOIN links l ON l.account = ?1 AND l.line_user = u.id WHERE ?2 ORDER BY line",
            is_welcome("(e.value ->> 'm')", "e.value -> 't'")
        );
        self.applying.statement(sql, &self.slim).bind(self.prefix.as_str())
    }

    /// SQL over `?1` to `?6` that reads `line` and `verdict` of words without LINE users, for the record of an import's part; and
    /// the lines of it.
    #[must_use]
    pub fn judged(&self) -> (String, &str) {
        let is_welcome = is_welcome("(e.value ->> 'm')", "e.value -> 't'");
        let sql = format!(
            "SELECT e.value ->> 'n' AS line, CASE WHEN {is_welcome} THEN 'accepted' ELSE 'erased' END AS verdict \
             FROM json_each(?3) e"
        );
        (sql, &self.slim)
    }
}
