//! From a rule to SQL. Values are bound, never written into the text; every table access is led by the account.
//!
//! A condition is an expression that is never NULL, so that `not` means what it says. Most are sets of members' numbers
//! (`IN (SELECT …)`), which `SQLite` makes once; `event.rs` says when it goes from member to member instead. What a LINE
//! user's own row says, or the link's, is compared there. Not here: who is asked about (`frame.rs`).

mod attribute;
mod event;
mod frame;
mod people;

use self::frame::Frame;
pub use self::frame::{Audience, audience, figures, named};
use super::condition::Condition;
use crate::{store::Value, time::UnixMillis};

/// How many values a condition binds.
pub(super) fn bound(condition: &Condition) -> usize {
    let frame = Frame::of(condition);
    let mut compiler = Compiler::new(Value::Null, frame, UnixMillis(0));
    compiler.sends_are_known(condition);
    compiler.condition(condition);
    compiler.values.len()
}

/// What is compiled so far.
struct Compiler {
    values: Vec<Value>,
    now: UnixMillis,
    frame: Frame,
}

impl Compiler {
    fn new(account: Value, frame: Frame, now: UnixMillis) -> Self {
        Self { values: vec![account, Value::Integer(0)], now, frame }
    }

    /// The placeholder of a value; equal values share one.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        let value = value.into();
        // The first two are the account and where a page begins.
        let known = self.values.iter().skip(2).position(|known| *known == value).map(|place| place + 2);
        let place = known.unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - 1
        });
        format!("?{}", place + 1)
    }

    /// The placeholder of a list, for `json_each`.
    fn bind_list(&mut self, list: &(impl serde::Serialize + ?Sized)) -> String {
        self.bind(serde_json::to_string(list).unwrap_or_default())
    }

    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::All(inner) => self.joined(inner, " AND "),
            Condition::Any(inner) => self.joined(inner, " OR "),
            Condition::Not(inner) => format!("NOT {}", self.condition(inner)),
            Condition::Everyone { .. } => "1".to_owned(),
            Condition::Attribute { name, test } => self.attribute(name, test),
            Condition::Tag(tag) => {
                let tag = self.bind(tag.as_str());
                self.is_member_of(&format!(
                    "SELECT t.member FROM tags t WHERE t.account = ?1 AND t.tag = {tag}"
                ))
            }
            Condition::Event(event) => self.event(event),
            Condition::Link { since, route } => self.link(since, *route),
            Condition::Friendship { since, mode, client } => self.friendship(since, *mode, client.as_deref()),
            Condition::Received { within_days, send } => self.received(*within_days, send.as_deref()),
            Condition::Clicked { within_days, link } => self.clicked(*within_days, link.as_deref()),
            Condition::Members(ids) => {
                let ids = self.bind_list(ids);
                self.is_member_of(&format!(
                    "SELECT k.id FROM json_each({ids}) j CROSS JOIN members k ON k.account = ?1 AND k.member_id = j.value"
                ))
            }
        }
    }

    fn joined(&mut self, inner: &[Condition], word: &str) -> String {
        let inner: Vec<String> = inner.iter().map(|inner| self.condition(inner)).collect();
        joined(&inner, word)
    }

    /// The member's number is one of those that are selected. The sign keeps `SQLite` from going through members by it.
    fn is_member_of(&self, select: &str) -> String {
        format!("(+{} IN ({select}))", self.frame.member())
    }
}

/// Conditions with a word between them, as a tree of even depth: D1 allows a depth of 100.
fn joined(inner: &[String], word: &str) -> String {
    match inner {
        [] => "1".to_owned(),
        [one] => one.clone(),
        _ => {
            let (left, right) = inner.split_at(inner.len() / 2);
            format!("({}{word}{})", joined(left, word), joined(right, word))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{id::AccountId, rule::Rule, store::Statement};

    fn count(rule: serde_json::Value) -> Statement {
        let account = AccountId::parse("a").unwrap();
        audience(&account, &Rule::parse(rule).unwrap(), UnixMillis(1_800_000_000_000)).count()
    }

    #[test]
    fn what_the_marketer_wrote_is_bound_and_never_part_of_the_text() {
        let words = json!({"any": [
            {"attribute": "x' OR 1=1 --", "equals": "'); DROP TABLE links"},
            {"attribute": "'q", "in": ["'q"]}, {"attribute": "'q", "contains": "'q"},
            {"attribute": "'q", "gte": "2026-01-01"}, {"tag": "'q"}, {"members": ["'q"]},
        ]});
        let events = json!({"any": [
            {"event": {"type": "q", "properties": {"'q": {"equals": "'q"}, "q'": {"contains": "'q"}}}},
            {"event": {"type": "q", "properties": {"'q": {"any": {"q'": {"equals": "'q"}}}}}},
            {"event": {"type": "q", "sum": {"property": "'q", "gte": 1}}},
            {"event": {"type": "q", "distinct": {"property": "'q", "gte": 2}}},
        ]});
        for sql in [words, events].map(|rule| count(rule).sql) {
            for trace in ["DROP", "1=1", "'q", "q'", "2026"] {
                assert!(!sql.contains(trace), "{trace}: {sql}");
            }
        }
    }

    #[test]
    fn equal_values_are_bound_once() {
        let purchase = |days: i64| json!({"event": {"type": "purchase", "within_days": days}});
        assert_eq!(count(json!({"all": [purchase(30), {"not": purchase(7)}]})).values.len(), 7);
        let many: Vec<_> =
            (0..50).map(|at| json!({"attribute": "rank", "equals": format!("{at}")})).collect();
        assert_eq!(count(json!({"any": many})).values.len(), 53);
    }
}
