//! Customer events: put in, each once; counted by day; over when their type's time is.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Statement,
    applying::{Applying, as_json, is_welcome},
};
use crate::{
    event::Event,
    id::{AccountId, MemberId},
    secret::Digest,
    time::UnixMillis,
};

/// How long an event is kept whose type says nothing else, in days.
pub const RETENTION_DAYS: i64 = 400;

/// An event with its place among the lines, and the tombstones that its member would have.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its place.
    pub number: usize,
    /// The event.
    pub event: &'a Event,
    /// Digests of the member, where it is not known to be nobody's who was erased.
    pub tombs: &'a [Digest],
}

/// `[line, id, member, type, time, tombstones]`, and in one statement the properties.
#[derive(Serialize)]
struct Row<'a>(usize, &'a str, &'a str, &'a str, i64, &'a [Digest]);

#[derive(Serialize)]
struct Full<'a>(usize, &'a str, &'a str, &'a str, i64, &'a [Digest], &'a Map<String, Value>);

/// SQL, over rows `e`: that the event is not older than its type is kept.
const IS_FRESH: &str = "e.value ->> 4 >= ?2 - 86400000 * coalesce((SELECT t.retention_days FROM event_types t \
    WHERE t.account = ?1 AND t.type = e.value ->> 3), 400)";

/// SQL, over rows `e`: that the account has an event of this id.
const IS_THERE: &str = "EXISTS (SELECT 1 FROM events x WHERE x.account = ?1 AND x.id = e.value ->> 1)";

/// SQL, over rows `e`: that the event is put in now.
fn is_accepted() -> String {
    format!("NOT {IS_THERE} AND {IS_FRESH} AND {}", is_welcome("(e.value ->> 2)", "e.value -> 5"))
}

/// SQL: the lines with what becomes of each, `accepted`, `repeated`, `occurred_at` (too old) or `erased`, before any is put in. Of
/// those of one id the first that can be is accepted; those after it repeat it.
fn judged() -> String {
    let is_welcome = is_welcome("(e.value ->> 2)", "e.value -> 5");
    format!(
        "SELECT line, id, CASE WHEN min(CASE verdict WHEN 'accepted' THEN line END) OVER (PARTITION BY id) < line \
             THEN 'repeated' ELSE verdict END AS verdict \
         FROM (SELECT e.value ->> 0 AS line, e.value ->> 1 AS id, CASE WHEN {IS_THERE} THEN 'repeated' \
             WHEN NOT {IS_FRESH} THEN 'occurred_at' WHEN NOT {is_welcome} THEN 'erased' ELSE 'accepted' END AS verdict \
           FROM json_each(?3) e)"
    )
}

/// Lines that are put in together.
#[derive(Debug)]
pub struct Events<'a> {
    applying: Applying<'a>,
    lines: &'a [Line<'a>],
    /// All lines without their properties: 1,000 have at most some 700 kB, as many as a part has 1.5 MB.
    rows: String,
}

impl<'a> Events<'a> {
    /// These lines, in their order.
    #[must_use]
    pub fn new(applying: Applying<'a>, lines: &'a [Line<'a>]) -> Self {
        let row = |line: &Line<'a>| {
            let Event { id, member, kind, at, .. } = line.event;
            let row = Row(line.number, id, member.as_str(), kind, at.0, line.tombs);
            serde_json::to_string(&row).unwrap_or_default()
        };
        let rows: Vec<String> = lines.iter().map(row).collect();
        Self { applying, lines, rows: format!("[{}]", rows.join(",")) }
    }

    /// Reads what becomes of each line: `line`, `verdict`, and of one that was there before what is `stored`, as
    /// `[member, type, time, properties]`.
    #[must_use]
    pub fn judge(&self) -> Statement {
        let sql = format!(
            "SELECT j.line, j.verdict, CASE WHEN x.id IS NOT NULL \
               THEN json_array(m.member_id, x.type, x.occurred_at, json(x.properties)) END AS stored \
             FROM ({}) j LEFT JOIN events x ON x.account = ?1 AND x.id = j.id LEFT JOIN members m ON m.id = x.member ORDER BY j.line",
            judged()
        );
        self.applying.statement(sql, &self.rows)
    }

    /// SQL over `?1` to `?6` that reads `line` and `verdict`, for the record of an import's part; and the lines of it.
    #[must_use]
    pub fn judged(&self) -> (String, &str) {
        (format!("SELECT line, verdict FROM ({})", judged()), &self.rows)
    }

    /// (1) Members that are not known are made; (2) the days are counted, (3) the events put in: those that are accepted, and of
    /// one id the first.
    #[must_use]
    pub fn put(&self) -> Vec<Statement> {
        let (accepted, guard) = (is_accepted(), self.applying.guard());
        // Beside min(), the other columns are those of its row (SQLite, "Bare columns in an aggregate query").
        let members = format!(
            "INSERT INTO members (account, member_id, created_at, updated_at) \
             SELECT DISTINCT ?1, member, ?2, ?2 FROM ( \
               SELECT min(e.value ->> 0), e.value ->> 2 AS member FROM json_each(?3) e \
               WHERE {guard} AND {accepted} GROUP BY e.value ->> 1) WHERE 1 ON CONFLICT DO NOTHING"
        );
        let days = format!(
            "INSERT INTO event_days (account, type, day, events) \
             SELECT ?1, kind, day, count(*) FROM ( \
               SELECT min(e.value ->> 0), e.value ->> 3 AS kind, (e.value ->> 4) / 86400000 AS day \
               FROM json_each(?3) e WHERE {guard} AND {accepted} GROUP BY e.value ->> 1) WHERE 1 GROUP BY kind, day \
             ON CONFLICT (account, type, day) DO UPDATE SET events = events + excluded.events"
        );
        let events = format!(
            "INSERT INTO events (account, id, member, type, occurred_at, received_at, properties) \
             SELECT ?1, e.value ->> 1, m.id, e.value ->> 3, e.value ->> 4, ?2, e.value -> 6 \
             FROM json_each(?3) e CROSS JOIN members m ON m.account = ?1 AND m.member_id = e.value ->> 2 \
             WHERE {guard} AND {accepted} ORDER BY e.value ->> 0 ON CONFLICT DO NOTHING"
        );
        let full = self.lines.iter().map(|line| {
            let Event { id, member, kind, at, properties } = line.event;
            Full(line.number, id, member.as_str(), kind, at.0, line.tombs, properties)
        });
        let mut statements =
            vec![self.applying.statement(members, &self.rows), self.applying.statement(days, &self.rows)];
        statements.extend(as_json(full).iter().map(|lines| self.applying.statement(events.clone(), lines)));
        statements
    }
}

/// SQL over `?1` now and `?2` how many: events whose type's time is over, of every account. Types are leapt over by the index, one
/// seek each.
const OVER: &str = "WITH RECURSIVE types (account, type) AS ( \
      SELECT a.id, (SELECT e.type FROM events e INDEXED BY events_by_type \
        WHERE e.account = a.id AND e.type > '' ORDER BY e.type LIMIT 1) FROM accounts a WHERE a.id > '' \
      UNION ALL SELECT t.account, (SELECT e.type FROM events e INDEXED BY events_by_type \
        WHERE e.account = t.account AND e.type > t.type ORDER BY e.type LIMIT 1) FROM types t WHERE t.type IS NOT NULL) \
    SELECT e.number, e.account, e.type, e.occurred_at FROM types t \
      CROSS JOIN events e INDEXED BY events_by_type ON e.account = t.account AND e.type = t.type \
        AND e.occurred_at < ?1 - 86400000 * coalesce((SELECT k.retention_days FROM event_types k \
          WHERE k.account = t.account AND k.type = t.type), 400) \
    WHERE t.type IS NOT NULL LIMIT ?2";

/// Deletes a piece of the events whose time is over; the days follow.
#[must_use]
pub fn sweep(now: UnixMillis, piece: i64) -> Vec<Statement> {
    let gone = format!("DELETE FROM events WHERE number IN (SELECT number FROM ({OVER}))");
    uncounted(OVER)
        .into_iter()
        .chain([gone])
        .map(|sql| Statement::compiled(sql).bind(now).bind(piece))
        .collect()
}

/// Deletes a member's events; the days follow.
#[must_use]
pub fn erase(account: &AccountId, member: &MemberId) -> Vec<Statement> {
    let number = "(SELECT id FROM members WHERE account = ?1 AND member_id = ?2)";
    let which = format!("FROM events INDEXED BY events_by_member WHERE account = ?1 AND member = {number}");
    uncounted(&format!("SELECT account, type, occurred_at {which}"))
        .into_iter()
        .chain([format!("DELETE {which}")])
        .map(|sql| Statement::compiled(sql).bind(account).bind(member))
        .collect()
}

/// SQL: (1) events that are about to go are counted no more; (2) days of which nothing is left are gone.
fn uncounted(gone: &str) -> [String; 2] {
    [
        format!(
            "INSERT INTO event_days (account, type, day, events) \
             SELECT account, type, occurred_at / 86400000, -count(*) FROM ({gone}) WHERE 1 GROUP BY 1, 2, 3 \
             ON CONFLICT (account, type, day) DO UPDATE SET events = events + excluded.events"
        ),
        format!(
            "DELETE FROM event_days WHERE events <= 0 AND (account, type, day) IN \
             (SELECT account, type, occurred_at / 86400000 FROM ({gone}))"
        ),
    ]
}
