//! Rules of segments (`rule`): what is taken is stored and read as the same, and becomes SQL within D1's limits that has nothing
//! of the rule in its text; what is refused names a place.
//!
//! Input: the rule's JSON.

use enishi::{
    id::AccountId,
    rule::{self, MAX_VALUES, Rule},
    time::UnixMillis,
};
use serde_json::Value;

/// D1's limit on the text of a statement, in bytes.
const MAX_SQL: usize = 100_000;

/// A day in a leap year.
const NOW: UnixMillis = UnixMillis(1_835_000_000_000);

/// What SQL must not have in it unless a rule brought it there: names, texts and dates of rules hold it here.
const MARK: &str = "Ωm'";

pub(crate) fn check(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(data) else { return };
    let rule = match Rule::parse(marked(json)) {
        Ok(rule) => rule,
        Err(error) => {
            assert!(!error.path.is_empty() && error.problem.len() > 5, "{error}");
            assert!(error.to_string().len() < 2_000 + 4 * error.path.len(), "{error}");
            return;
        }
    };
    let stored = Value::from(rule.clone());
    assert_eq!(Rule::parse(stored).as_ref(), Ok(&rule), "what is stored");
    let Ok(account) = AccountId::parse("a") else { return };
    let audience = rule::audience(&account, &rule, NOW);
    assert!(audience.bound() <= MAX_VALUES, "{}", audience.bound());
    for statement in rule::figures(&account, &rule, NOW).into_iter().chain([audience.count()]) {
        assert!(statement.sql.len() <= MAX_SQL, "{}", statement.sql.len());
        assert!(!statement.sql.contains(MARK), "{}", statement.sql);
        assert!(statement.values.len() <= MAX_VALUES);
    }
}

/// The same with the mark in every text that has room for it and is none of the language's words.
fn marked(json: Value) -> Value {
    match json {
        Value::String(text) if text.starts_with('~') => Value::String(format!("{text}{MARK}")),
        Value::Array(items) => items.into_iter().map(marked).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                (if name.starts_with('~') { format!("{name}{MARK}") } else { name }, marked(value))
            })
            .collect(),
        other => other,
    }
}
