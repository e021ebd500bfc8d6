//! Whether a statement reads a whole table: such a statement passes every test on ten rows and fails in production.
//!
//! In: the details of `EXPLAIN QUERY PLAN`, and the schema. Out: the scans of real tables. Scans of what the statement
//! itself made (`json_each`, subqueries, common table expressions, constant rows) and of partial indexes, which hold
//! only the open rows, are no fault.

use std::collections::HashSet;

/// Tables that may be read as a whole, because they stay small: one row per Official Account.
const SMALL: [&str; 1] = ["accounts"];

/// The names of tables and partial indexes.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) tables: HashSet<String>,
    pub(crate) partial_indexes: HashSet<String>,
}

impl Schema {
    /// The line of a plan that reads a whole table, or all of an account's rows, if one does.
    pub(crate) fn scan<'a>(&self, sql: &str, plan: &'a [String]) -> Option<&'a str> {
        let aliases = self.aliases(sql);
        plan.iter().map(String::as_str).find(|line| self.is_scan(line, &aliases))
    }

    fn is_scan(&self, line: &str, aliases: &HashSet<String>) -> bool {
        // Led by the account and by nothing else: all rows of an account, which has up to millions.
        if line.starts_with("SEARCH") && line.trim_end().ends_with("(account=?)") {
            return true;
        }
        let mut words = line.split_whitespace();
        if words.next() != Some("SCAN") {
            return false;
        }
        let name = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let partial = rest.last().is_some_and(|index| self.partial_indexes.contains(*index));
        let real = self.tables.contains(name) || aliases.contains(name);
        real && !SMALL.contains(&name) && !partial && !rest.contains(&"VIRTUAL")
    }

    /// The names that the statement gives to real tables: `FROM line_users u`, `JOIN links AS l`.
    fn aliases(&self, sql: &str) -> HashSet<String> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let spaced = sql.replace(',', " FROM ");
        let mut words =
            spaced.split(|c| !is_word(c)).filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("as"));
        let mut aliases = HashSet::new();
        let mut before = "";
        while let Some(word) = words.next() {
            let named = before.eq_ignore_ascii_case("from") || before.eq_ignore_ascii_case("join");
            if named && self.tables.contains(word) {
                before = words.next().unwrap_or_default();
                aliases.insert(before.to_owned());
            } else {
                before = word;
            }
        }
        aliases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(sql: &str, line: &str) -> bool {
        let schema = Schema {
            tables: ["links".to_owned(), "sends".to_owned()].into(),
            partial_indexes: ["sends_open".to_owned()].into(),
        };
        schema.scan(sql, &[line.to_owned()]).is_some()
    }

    #[test]
    fn only_a_scan_of_a_real_table_or_of_an_account_counts() {
        assert!(scan("SELECT * FROM links", "SCAN links"));
        assert!(scan("SELECT * FROM links AS l", "SCAN l USING COVERING INDEX links_by_member"));
        assert!(scan("SELECT * FROM links l", "SEARCH l USING PRIMARY KEY (account=?)"));
        assert!(!scan("SELECT * FROM links l", "SEARCH l USING PRIMARY KEY (account=? AND line_user=?)"));
        assert!(!scan("SELECT value FROM json_each(?1) j", "SCAN j VIRTUAL TABLE INDEX 1:"));
        assert!(!scan("WITH page AS (SELECT 1) SELECT * FROM page", "SCAN page"));
        assert!(!scan("SELECT 1", "SCAN CONSTANT ROW"));
        assert!(scan("SELECT * FROM json_each(?1) j, links l", "SCAN l"));
        assert!(!scan("SELECT s.links + g.n FROM (SELECT 1 AS n) g JOIN sends s", "SCAN g"));
        assert!(!scan("SELECT * FROM sends", "SCAN sends USING INDEX sends_open"));
    }
}
