//! Lines of the shop's that are applied by a few statements, however many they are: those of one call, or of one part of an
//! import, which holds its claim.
//!
//! `?1` is the account, `?2` the time, `?3` lines as JSON; in an import `?4` is the import, `?5` the part, `?6` the claim's random
//! name.

use serde::Serialize;

use super::Statement;
use crate::{
    id::{AccountId, ImportId},
    time::UnixMillis,
};

/// The JSON of one parameter, in bytes: D1 takes 2,000,000 in a value.
const MAX_JSON: usize = 1_900_000;

/// Where lines are applied, and when.
#[derive(Debug, Clone, Copy)]
pub struct Applying<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// When.
    pub now: UnixMillis,
    /// The part of an import that they are, if they are.
    pub part: Option<Part<'a>>,
}

/// A part of an import that is claimed in the same batch.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The import.
    pub import: &'a ImportId,
    /// Its number.
    pub number: i64,
    /// The claim's random name.
    pub claim: &'a str,
}

impl Applying<'_> {
    /// SQL: that this very attempt holds the part, if it is one.
    #[must_use]
    pub fn guard(&self) -> &'static str {
        match self.part {
            None => "1",
            Some(_) => {
                "EXISTS (SELECT 1 FROM import_parts p \
                   WHERE p.account = ?1 AND p.import = ?4 AND p.part = ?5 AND p.claimed_by = ?6)"
            }
        }
    }

    /// A statement over lines.
    #[must_use]
    pub fn statement(&self, sql: String, lines: &str) -> Statement {
        let statement = Statement::compiled(sql).bind(self.account).bind(self.now).bind(lines);
        match self.part {
            None => statement,
            Some(Part { import, number, claim }) => statement.bind(import).bind(number).bind(claim),
        }
    }
}

/// Lines as JSON lists, each small enough for one parameter, in their order. A line is smaller by far.
pub fn as_json<T: Serialize>(lines: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut lists = Vec::new();
    let mut list = String::new();
    for line in lines {
        let line = serde_json::to_string(&line).unwrap_or_default();
        if !list.is_empty() && list.len() + line.len() > MAX_JSON {
            list.push(']');
            lists.push(std::mem::take(&mut list));
        }
        list.push(if list.is_empty() { '[' } else { ',' });
        list.push_str(&line);
    }
    if !list.is_empty() {
        list.push(']');
        lists.push(list);
    }
    lists
}

/// SQL: that the member whose id is `member` is here, or was never erased; `tombs` are the digests of their tombstones.
#[must_use]
pub fn is_welcome(member: &str, tombs: &str) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM members w WHERE w.account = ?1 AND w.member_id = {member}) \
           OR NOT EXISTS (SELECT 1 FROM tombstones d WHERE d.account = ?1 \
             AND d.digest IN (SELECT value FROM json_each({tombs}))))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_before_they_are_too_long_and_nothing_is_lost() {
        assert!(as_json(Vec::<String>::new()).is_empty());
        let lines = vec!["x".repeat(600_000); 7];
        let lists = as_json(&lines);
        assert!(lists.iter().all(|list| list.len() <= MAX_JSON + 2));
        let read = |list: &String| serde_json::from_str::<Vec<String>>(list).unwrap();
        assert_eq!(lists.iter().flat_map(read).collect::<Vec<_>>(), lines);
        assert_eq!(lists.len(), 3);
    }
}
