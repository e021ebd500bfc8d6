//! From a rule to SQL. Values are bound, never written into the text; every table access is led by the account.

use super::{Rule, Scalar};
use crate::{
    id::AccountId,
    store::{Statement, Value},
};

/// `FROM … WHERE …` over `line_users u` and `links l`, with the values of its placeholders in order. `?1` is the
/// account; further placeholders of the statement that uses it come after [`Audience::bound`].
#[derive(Debug, Clone, PartialEq)]
pub struct Audience {
    clause: String,
    values: Vec<Value>,
}

impl Audience {
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

/// Compiles a rule for one account. Reachable are friends that do not block, and are linked to a member.
#[must_use]
pub fn audience(account: &AccountId, rule: &Rule) -> Audience {
    let mut values = vec![Value::from(account)];
    let condition = condition(rule, &mut values);
    let clause = format!(
        "FROM line_users u JOIN links l ON l.account = u.account AND l.line_user = u.id \
         WHERE u.account = ?1 AND l.account = ?1 AND u.friend = 1 AND {condition}"
    );
    Audience { clause, values }
}

fn condition(rule: &Rule, values: &mut Vec<Value>) -> String {
    match rule {
        Rule::AttributeEquals { attribute, equals } => {
            let name = placeholder(values, attribute.as_str());
            let kind = placeholder(values, equals.kind());
            let value = placeholder(values, equals);
            format!(
                "l.member IN (SELECT a.member FROM attributes a \
                 WHERE a.account = ?1 AND a.name = {name} AND a.kind = {kind} AND a.value = {value})"
            )
        }
    }
}

fn placeholder(values: &mut Vec<Value>, value: impl Into<Value>) -> String {
    values.push(value.into());
    format!("?{}", values.len())
}

impl From<&Scalar> for Value {
    fn from(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Boolean(truth) => Self::from(*truth),
            Scalar::Number(number) => Self::Real(*number),
            Scalar::Text(text) => Self::from(text.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_marketer_wrote_is_bound_and_never_part_of_the_text() {
        let account = AccountId::parse("a").unwrap();
        let rule =
            Rule::parse(json!({"attribute": "x' OR 1=1 --", "equals": "'); DROP TABLE links"})).unwrap();
        let count = audience(&account, &rule).count();
        assert!(!count.sql.contains("DROP") && !count.sql.contains("1=1"));
        assert_eq!(count.values.len(), 4);
    }
}
