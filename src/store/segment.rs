//! Segments: rules under a name.

use serde::Deserialize;

use super::Statement;
use crate::{
    id::{AccountId, MemberId, SegmentId},
    rule::{ERASED, MAX_LISTS},
    time::UnixMillis,
};

/// A row.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// Its id.
    pub id: SegmentId,
    /// How people call it; no two of an account have the same.
    pub name: String,
    /// JSON.
    pub rule: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was changed last.
    pub updated_at: UnixMillis,
}

/// Makes a row, unless the name is taken.
#[must_use]
pub fn insert(account: &AccountId, row: &Row) -> Statement {
    Statement::new(
        "INSERT INTO segments (account, id, name, rule, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (account, name) DO NOTHING",
    )
    .bind(account)
    .bind(&row.id)
    .bind(row.name.as_str())
    .bind(row.rule.as_str())
    .bind(row.created_at)
    .bind(row.updated_at)
}

/// Reads one row.
#[must_use]
pub fn select(account: &AccountId, id: &SegmentId) -> Statement {
    Statement::new(
        "SELECT id, name, rule, created_at, updated_at FROM segments WHERE account = ?1 AND id = ?2",
    )
    .bind(account)
    .bind(id)
}

/// Reads rows by their names, from behind this one on.
#[must_use]
pub fn page(account: &AccountId, after: &str, limit: i64) -> Statement {
    Statement::new(
        "SELECT id, name, rule, created_at, updated_at FROM segments INDEXED BY segments_by_name \
         WHERE account = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
    )
    .bind(account)
    .bind(after)
    .bind(limit)
}

/// Changes what is given, unless another segment has the name; answers the row as it is then.
#[must_use]
pub fn update(
    account: &AccountId,
    id: &SegmentId,
    name: Option<&str>,
    rule: Option<&str>,
    now: UnixMillis,
) -> Statement {
    Statement::new(
        "UPDATE segments SET name = coalesce(?3, name), rule = coalesce(?4, rule), updated_at = ?5 \
         WHERE account = ?1 AND id = ?2 \
           AND NOT EXISTS (SELECT 1 FROM segments o WHERE o.account = ?1 AND o.name = ?3 AND o.id <> ?2) \
         RETURNING id, name, rule, created_at, updated_at",
    )
    .bind(account)
    .bind(id)
    .bind(name.map(str::to_owned))
    .bind(rule.map(str::to_owned))
    .bind(now)
}

/// Ends a segment.
#[must_use]
pub fn delete(account: &AccountId, id: &SegmentId) -> Statement {
    Statement::new("DELETE FROM segments WHERE account = ?1 AND id = ?2").bind(account).bind(id)
}

/// Takes an erased member out of the lists of all rules, of segments, sends and audiences, and of sends to members by name: each has
/// them once in each of its lists. Where one stood stands a word for it, so that no list becomes empty.
#[must_use]
pub fn erase(account: &AccountId, member: &MemberId) -> [Statement; 3] {
    let named = |column: &str| format!("instr({column}, '\"members\"') AND instr({column}, ?3)");
    let erase = |sql: String| {
        let erase = Statement::compiled(sql).bind(account).bind(member);
        erase.bind(serde_json::to_string(member).unwrap_or_default())
    };
    [
        erase(format!(
            "UPDATE segments SET rule = {} WHERE account = ?1 AND id IN \
               (SELECT s.id FROM segments s INDEXED BY segments_by_name WHERE s.account = ?1 AND s.name > '' AND {})",
            without("segments.rule"),
            named("s.rule")
        )),
        erase(format!(
            "UPDATE sends SET audience = {} WHERE account = ?1 AND number IN \
               (SELECT s.number FROM sends s INDEXED BY sends_by_account WHERE s.account = ?1 AND s.number > 0 AND {})",
            without("sends.audience"),
            named("s.audience")
        )),
        erase(format!(
            "UPDATE audiences SET rule = {} WHERE account = ?1 AND id IN \
               (SELECT s.id FROM audiences s INDEXED BY audiences_by_time WHERE s.account = ?1 AND s.created_at > 0 AND {})",
            without("audiences.rule"),
            named("s.rule")
        )),
    ]
}

/// SQL of the JSON in a column with the word where `?2` stood in lists of members.
fn without(column: &str) -> String {
    let place = |number: usize| {
        format!(
            "coalesce((SELECT e.fullkey FROM json_tree({column}) l CROSS JOIN json_tree({column}) e \
               ON e.parent = l.id WHERE l.key = 'members' AND l.type = 'array' AND e.atom = ?2 \
               ORDER BY e.id LIMIT 1 OFFSET {number}), '$.none'), '{ERASED}'"
        )
    };
    let places: Vec<String> = (0..MAX_LISTS).map(place).collect();
    format!("json_replace({column}, {})", places.join(", "))
}
