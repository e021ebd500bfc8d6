//! `GET /v1/webhooks/counters`: what came in the last hours, what of it again, what the door refused, and how late deliveries
//! were applied.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::setup::REDELIVERY;
use crate::{
    config::Account,
    platform::{Context, Platform, PlatformError},
    store::webhook_count::{self, LAGS},
    time::{HOUR, UnixMillis},
    web::{ApiError, Reply, Request, form::Form, page::Text},
};

/// Hours that are shown unless the caller says otherwise, and at most.
const HOURS: (i64, i64) = (24, 24 * 14);

/// Parts of a hundred deliveries that were applied within a lag.
const PERCENTILES: [(&str, i64); 2] = [("lag_p50_ms", 50), ("lag_p99_ms", 99)];

/// What came in an hour, or in all of them.
#[derive(Debug, Default, PartialEq)]
struct Came {
    deliveries: i64,
    events: i64,
    duplicates: i64,
    refused: BTreeMap<String, i64>,
    /// By the columns of [`LAGS`].
    lags: [i64; LAGS.len()],
}

/// `GET /v1/webhooks/counters`: `hours` counts the one that has begun. Hours in which nothing came are left out.
pub async fn counters<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    #[derive(Deserialize)]
    struct Refused {
        hour: UnixMillis,
        reason: String,
        count: i64,
    }
    let form = Form::of_query(request)?;
    let hours = form.value("hours").map_or(Some(HOURS.0), |text| text.parse().ok());
    let hours = hours
        .filter(|hours| (1..=HOURS.1).contains(hours))
        .ok_or_else(|| ApiError::invalid_request(format!("hours is a number from 1 to {}", HOURS.1)))?;
    let now = cx.platform.now();
    let from = UnixMillis(now.0 - now.0.rem_euclid(HOUR)) + (1 - hours) * HOUR;
    let read = webhook_count::since(&account.id, from);
    let outcomes = cx.platform.batch(&account.database, read.into()).await?;
    let [counts, refusals] = outcomes.as_slice() else {
        return Err(PlatformError::Database("an outcome is missing".to_owned()).into());
    };
    let mut by_hour: BTreeMap<UnixMillis, Came> = BTreeMap::new();
    for row in counts.rows::<Map<String, Value>>()? {
        let (hour, came) = Came::of(&row);
        by_hour.insert(hour, came);
    }
    for Refused { hour, reason, count } in refusals.rows()? {
        by_hour.entry(hour).or_default().refused.insert(reason, count);
    }
    let mut total = Came::default();
    let hours: Vec<Value> = by_hour
        .iter()
        .map(|(hour, came)| {
            total.add(came);
            let mut shown = Map::from_iter([("hour".to_owned(), json!(hour.rfc3339()))]);
            shown.extend(came.shown());
            Value::Object(shown)
        })
        .collect();
    let Text { ja, en } = REDELIVERY;
    let note = json!({ "what": "webhook_redelivery", "ja": ja, "en": en });
    let answer = json!({
        "from": from.rfc3339(), "to": now.rfc3339(), "total": total.shown(), "hours": hours, "to_do": [note],
    });
    Ok(Reply::json(StatusCode::OK, &answer))
}

impl Came {
    /// A row of `webhook_counts`, with its hour.
    fn of(row: &Map<String, Value>) -> (UnixMillis, Self) {
        let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or_default();
        let came = Self {
            deliveries: number("deliveries"),
            events: number("events"),
            duplicates: number("duplicates"),
            refused: BTreeMap::new(),
            lags: LAGS.map(|(column, _)| number(column)),
        };
        (UnixMillis(number("hour")), came)
    }

    fn add(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.duplicates += other.duplicates;
        for (reason, count) in &other.refused {
            *self.refused.entry(reason.clone()).or_default() += count;
        }
        for (lag, more) in self.lags.iter_mut().zip(other.lags) {
            *lag += more;
        }
    }

    fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        let mut show = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        show("deliveries", self.deliveries.into());
        show("events", self.events.into());
        show("duplicates", self.duplicates.into());
        show("refused", json!(self.refused));
        for (name, percent) in PERCENTILES {
            show(name, self.lag(percent).into());
        }
        show("lag_over_60s", self.lags.last().copied().unwrap_or_default().into());
        shown
    }

    /// Within how many milliseconds this part of the deliveries was applied: the bound of the column in which the last of
    /// them counts. None where there was none, or where it was longer than any bound.
    fn lag(&self, percent: i64) -> Option<i64> {
        let all: i64 = self.lags.iter().sum();
        let wanted = (all * percent + 99) / 100;
        let mut within = 0;
        let (_, bound) = LAGS.iter().zip(self.lags).find_map(|(column, count)| {
            within += count;
            (wanted > 0 && within >= wanted).then_some(*column)
        })?;
        (bound < i64::MAX).then_some(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(lags: [i64; LAGS.len()]) -> Came {
        Came { lags, ..Came::default() }
    }

    #[test]
    fn a_percentile_is_the_bound_of_the_column_in_which_it_lies() {
        let none = came([0; LAGS.len()]);
        assert_eq!((none.lag(50), none.lag(99)), (None, None));
        let one = came([0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!((one.lag(50), one.lag(99)), (Some(500), Some(500)));
        let hundred = came([50, 49, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!((hundred.lag(50), hundred.lag(99)), (Some(100), Some(250)));
        let more = came([50, 48, 0, 0, 0, 0, 0, 2, 0]);
        assert_eq!((more.lag(50), more.lag(99)), (Some(100), Some(60_000)));
        let late = came([1, 0, 0, 0, 0, 0, 0, 0, 99]);
        assert_eq!((late.lag(50), late.lag(99)), (None, None));
    }
}
