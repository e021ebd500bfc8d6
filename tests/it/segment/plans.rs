//! How `SQLite` goes about rules: no table is scanned, each access is led by the account, and nothing is sorted to be paged.

use enishi::{
    id::AccountId,
    rule::{self, Rule},
    store::Statement,
};
use enishi_world::World;

use super::{people::People, random};
use crate::support::{Stage, for_each_seed_of};

/// Rules of a seed.
const RULES: usize = 120;

/// Every table that holds more than a rule's own values.
const TABLES: [&str; 13] = [
    "line_users",
    "links",
    "members",
    "attributes",
    "attribute_items",
    "tags",
    "events",
    "event_days",
    "receipts",
    "sends",
    "clicks",
    "segments",
    "accounts",
];

/// The lines of a statement's plan.
fn plan(world: &World, statement: &Statement) -> Vec<String> {
    let rows = world.query(&format!("EXPLAIN QUERY PLAN {}", statement.sql));
    rows.iter().map(|row| row["detail"].as_str().unwrap().to_owned()).collect()
}

/// What is wrong with a line: a table that is scanned, or gone through by another column than the account.
fn wrong(line: &str, sql: &str) -> bool {
    let mut words = line.split_whitespace();
    let (verb, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_table = TABLES.iter().any(|table| {
        name == *table
            || sql.contains(&format!("{table} {name} "))
            || sql.contains(&format!("{table} {name})"))
    });
    match verb {
        "SCAN" => is_table && !line.contains("VIRTUAL"),
        // By the row's number, that a row of the account named.
        "SEARCH" if is_table => !(line.contains("(account=? AND ") || line.contains("(rowid=?)")),
        _ => false,
    }
}

#[test]
fn prove_segments_scan_no_table_and_are_led_by_the_account() {
    for_each_seed_of("segment plans", 10, |seed| {
        let stage = Stage::new(seed);
        let account = AccountId::parse(&stage.account_id()).unwrap();
        let people = People::draw(&stage.world, account.as_str(), 0, 4);
        let (mut rules, mut lines) = (0, 0);
        while rules < RULES as u64 {
            let Ok(rule) = Rule::parse(random::rule(&stage.world, &people, 4)) else { continue };
            let audience = rule::audience(&account, &rule, stage.world.now());
            let page = format!(
                "SELECT u.subject, l.member_id {} ORDER BY {} LIMIT 500",
                audience.clause(),
                audience.subject()
            );
            let mut statements = vec![audience.count(), audience.statement(page)];
            statements.extend(rule::figures(&account, &rule, stage.world.now()));
            for (place, statement) in statements.iter().enumerate() {
                for line in plan(&stage.world, statement) {
                    assert!(!wrong(&line, &statement.sql), "seed {seed}: {line}: {}", statement.sql);
                    let sorted = place == 1 && line.contains("TEMP B-TREE FOR ORDER BY");
                    assert!(!sorted, "seed {seed}: a page is sorted: {}", statement.sql);
                    lines += 1;
                }
            }
            rules += 1;
        }
        vec![("rules", rules), ("lines of plans", lines), ("scans", 0)]
    });
}

#[test]
fn a_plan_that_scans_or_is_led_by_something_else_is_seen() {
    let sql = "SELECT 1 FROM links l CROSS JOIN line_users u ";
    assert!(wrong("SCAN l", sql) && wrong("SCAN u USING COVERING INDEX x", sql));
    assert!(
        wrong("SEARCH l USING INDEX x (account=?)", sql) && wrong("SEARCH l USING INDEX x (member=?)", sql)
    );
    assert!(!wrong("SEARCH l USING PRIMARY KEY (account=? AND line_user>?)", sql));
    assert!(!wrong("SEARCH u USING INTEGER PRIMARY KEY (rowid=?)", sql));
    assert!(!wrong("SCAN j VIRTUAL TABLE INDEX 1:", sql) && !wrong("SCAN CONSTANT ROW", sql));
}
