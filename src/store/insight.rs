//! Figures of units, as they are shown beside what was sent under them.

use super::shown::time;

/// The figures of the unit of the send `s` as JSON: from, to, when they were fetched, whether they move no more, and LINE's
/// overview, messages and clicks; null while LINE was not asked, or where there is no unit.
pub const OF_SEND: &str = concat!(
    "(SELECT json_set(i.figures, '$.fetched_at', ",
    time!("i.fetched_at"),
    ", '$.final', json(iif(i.due_at IS NULL, 'true', 'false'))) FROM unit_insight i \
      WHERE i.account = s.account AND i.unit = s.unit)"
);
