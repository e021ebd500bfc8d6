//! Time as a value: milliseconds since the Unix epoch, handed in by the platform and never read from a clock here.

use std::ops::{Add, Sub};

use chrono::{DateTime, Days, NaiveDate, SecondsFormat};
use serde::{Deserialize, Serialize};

/// One second, in milliseconds.
pub const SECOND: i64 = 1_000;
/// One minute, in milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour, in milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// One day, in milliseconds.
pub const DAY: i64 = 24 * HOUR;

/// Milliseconds since 1970-01-01T00:00:00Z, as LINE's webhooks count them; well inside the 2^53 that D1 keeps exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole seconds since the epoch, as JWT's `NumericDate` wants them (RFC 7519 section 2).
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// The instant of a `NumericDate`.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }
}

impl UnixMillis {
    /// The instant as the API writes it: RFC 3339 in UTC with milliseconds.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let instant = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        instant.to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

impl UnixMillis {
    /// An instant as the API takes it: RFC 3339 with any offset.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|instant| Self(instant.timestamp_millis()))
    }
}

/// A date in Japan, whose clocks are nine hours ahead all the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

/// How far Japan is ahead, in milliseconds.
const JAPAN: i64 = 9 * HOUR;

impl Day {
    /// The date in Japan at this instant.
    #[must_use]
    pub fn of(at: UnixMillis) -> Self {
        Self(DateTime::from_timestamp_millis((at + JAPAN).0).unwrap_or_default().date_naive())
    }

    /// A date as the API takes it: `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date = Self(text.parse().ok()?);
        (date.to_string() == text).then_some(date)
    }

    /// The date so many days before.
    #[must_use]
    pub fn before(self, days: u64) -> Self {
        self.0.checked_sub_days(Days::new(days)).map_or(self, Self)
    }

    /// The next date.
    #[must_use]
    pub fn after(self) -> Self {
        self.0.succ_opt().map_or(self, Self)
    }

    /// When it begins.
    #[must_use]
    pub fn begins(self) -> UnixMillis {
        UnixMillis(self.0.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()) + -JAPAN
    }

    /// How many days from `earlier` to this date.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0).num_days()
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Add<i64> for UnixMillis {
    type Output = Self;

    /// Later by this many milliseconds.
    fn add(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Sub for UnixMillis {
    type Output = i64;

    /// Milliseconds from `earlier` to this instant.
    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_japan() {
        let day = Day::parse("2026-01-05").unwrap();
        assert_eq!(day.begins().rfc3339(), "2026-01-04T15:00:00.000Z");
        assert_eq!(Day::of(day.begins()), day);
        assert_eq!(Day::of(day.begins() + -1).to_string(), "2026-01-04");
        assert_eq!((day.before(5).to_string().as_str(), day.since(day.before(5))), ("2025-12-31", 5));
        for wrong in ["2026-1-5", "2026-02-30", "20260105", "", "2026-01-05T00:00:00Z", "+2026-01-05"] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_instant_may_be_written_with_any_offset() {
        let instants = ["2026-01-05T12:00:00+09:00", "2026-01-05T03:00:00Z"].map(UnixMillis::parse_rfc3339);
        assert_eq!(instants, [Some(UnixMillis(1_767_582_000_000)); 2]);
        assert_eq!(UnixMillis::parse_rfc3339("2026-01-05"), None);
    }
}
