//! What LINE delivered, by the hour: how much, how much of it again, and how late it was applied.

use super::Statement;
use crate::{
    id::AccountId,
    time::{HOUR, UnixMillis},
};

/// The columns of lag, each with the most milliseconds that count there.
pub const LAGS: [(&str, i64); 9] = [
    ("lag_100", 100),
    ("lag_250", 250),
    ("lag_500", 500),
    ("lag_1000", 1_000),
    ("lag_2500", 2_500),
    ("lag_5000", 5_000),
    ("lag_15000", 15_000),
    ("lag_60000", 60_000),
    ("lag_more", i64::MAX),
];

/// Counts deliveries, by how late each is applied, and their events; those that the statement before, the claims, did not
/// change are duplicates.
#[must_use]
pub fn applied(account: &AccountId, lags: &[i64], events: usize, now: UnixMillis) -> Statement {
    let names = LAGS.map(|(name, _)| name).join(", ");
    let values = (5..5 + LAGS.len()).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ");
    let sums = LAGS.map(|(name, _)| format!("{name} = {name} + excluded.{name}")).join(", ");
    let mut counts = [0_i64; LAGS.len()];
    for lag in lags {
        let bucket = LAGS.iter().zip(&mut counts).find(|((_, most), _)| lag <= most);
        if let Some((_, count)) = bucket {
            *count += 1;
        }
    }
    let statement = Statement::compiled(format!(
        "INSERT INTO webhook_counts (account, hour, deliveries, events, duplicates, {names}) \
         SELECT ?1, ?2, ?3, ?4, ?4 - changes(), {values} WHERE 1 \
         ON CONFLICT (account, hour) DO UPDATE SET deliveries = deliveries + excluded.deliveries, \
           events = events + excluded.events, duplicates = duplicates + excluded.duplicates, {sums}"
    ))
    .bind(account)
    .bind(now.0 - now.0.rem_euclid(HOUR))
    .bind(as_integer(lags.len()))
    .bind(as_integer(events));
    counts.into_iter().fold(statement, Statement::bind)
}

/// Counts what the door refused, by reason.
#[must_use]
pub fn refused(account: &AccountId, counts: &[(&'static str, i64)], now: UnixMillis) -> Statement {
    Statement::new(
        "INSERT INTO webhook_refusals (account, hour, reason, count) \
         SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3) WHERE 1 \
         ON CONFLICT (account, hour, reason) DO UPDATE SET count = count + excluded.count",
    )
    .bind(account)
    .bind(now.0 - now.0.rem_euclid(HOUR))
    .bind_json(counts)
}

/// What was counted from an hour on: the rows of `webhook_counts`, and `hour`, `reason` and `count` of what was refused.
#[must_use]
pub fn since(account: &AccountId, from: UnixMillis) -> [Statement; 2] {
    [
        "SELECT * FROM webhook_counts WHERE account = ?1 AND hour >= ?2 ORDER BY hour",
        "SELECT hour, reason, count FROM webhook_refusals WHERE account = ?1 AND hour >= ?2 ORDER BY hour, reason",
    ]
    .map(|sql| Statement::new(sql).bind(account).bind(from))
}

fn as_integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
