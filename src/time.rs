//! Time as a value: milliseconds since the Unix epoch, handed in by the platform and never read from a clock here.

use std::ops::{Add, Sub};

use chrono::{DateTime, Datelike, Days, NaiveDate, SecondsFormat};
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

    /// The first ULID of this millisecond, without its random part: all of before are smaller (the ULID specification).
    #[must_use]
    pub fn ulid(self) -> String {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let digit = |place: u32| DIGITS.get(usize::try_from(self.0 >> (5 * place) & 31).unwrap_or_default());
        (0..10).rev().filter_map(digit).map(|digit| char::from(*digit)).collect()
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
        let day = Day::parse(text.get(..10)?)?;
        let time = text.get(10..)?.strip_prefix(['T', 't'])?;
        let (clock, offset) = time.split_at_checked(time.find(['Z', 'z', '+', '-'])?)?;
        let (clock, fraction) =
            clock.split_once('.').map_or((clock, "0"), |(clock, fraction)| (clock, fraction));
        let [hour, minute, second] = numbers(clock)?;
        let [offset_hour, offset_minute] =
            if offset.eq_ignore_ascii_case("z") { [0, 0] } else { numbers(offset.get(1..)?)? };
        let is_clock = hour < 24 && minute < 60 && second < 60 && offset_hour < 24 && offset_minute < 60;
        let is_fraction = !fraction.is_empty() && fraction.bytes().all(|digit| digit.is_ascii_digit());
        let millis: i64 =
            format!("{fraction:0<3}").get(..3)?.parse().ok().filter(|_| is_clock && is_fraction)?;
        let ahead =
            (offset_hour * HOUR + offset_minute * MINUTE) * if offset.starts_with('-') { -1 } else { 1 };
        let since_midnight = hour * HOUR + minute * MINUTE + second * SECOND + millis;
        Some(day.begins() + (JAPAN + since_midnight - ahead))
    }
}

/// Numbers of two digits each, with colons between them.
fn numbers<const N: usize>(text: &str) -> Option<[i64; N]> {
    let mut parts = text.split(':');
    let mut all = [0; N];
    for place in &mut all {
        let digits =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))?;
        *place = digits.parse().ok()?;
    }
    parts.next().is_none().then_some(all)
}

/// Months since year 0 in Japan, where LINE's months begin.
#[must_use]
pub fn japanese_month(at: UnixMillis) -> i64 {
    let date = Day::of(at).0;
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

/// When the month in Japan that this instant lies in is over.
#[must_use]
pub fn end_of_japanese_month(at: UnixMillis) -> UnixMillis {
    let date = Day::of(at).0;
    let next = date.with_day(1).and_then(|first| first.checked_add_months(chrono::Months::new(1)));
    next.map_or(at, |next| Day(next).begins())
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
        let mut parts = text.split('-').map(|part| part.parse().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let date = Self(NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?);
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
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
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
    fn a_ulid_begins_with_its_time() {
        assert_eq!(UnixMillis(1_469_918_176_385).ulid(), "01ARYZ6S41");
        assert!(UnixMillis(1).ulid() < UnixMillis(2).ulid() && UnixMillis(31).ulid() < UnixMillis(32).ulid());
    }

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
        for text in [
            "2026-01-05T12:00:00+09:00",
            "2026-01-05T03:00:00Z",
            "2026-01-05t03:00:00.0000001z",
            "2026-01-04T21:30:00-05:30",
        ] {
            assert_eq!(UnixMillis::parse_rfc3339(text), Some(UnixMillis(1_767_582_000_000)), "{text}");
        }
        let millis = UnixMillis::parse_rfc3339("2026-01-05T03:00:01.25Z");
        assert_eq!(millis, Some(UnixMillis(1_767_582_001_250)));
        for wrong in [
            "2026-01-05",
            "2026-01-05T03:00:00",
            "2026-01-05T03:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T03:00:00.Z",
            "2026-01-05T03:00:00.1x2Z",
            "2026-01-05T03:00:00+9:00",
            "2026-01-05T03:00:00+09:00:00",
            "2026-01-05T+3:00:00Z",
            "2026-01-05T03:00:00ZZ",
            "２026-01-05T03:00:00Z",
            "",
        ] {
            assert_eq!(UnixMillis::parse_rfc3339(wrong), None, "{wrong}");
        }
    }
}
