//! How an account sends: when not, how often at most, and what it may cost.

use serde::{Deserialize, Serialize};

use crate::time::{DAY, HOUR, MINUTE, UnixMillis};

/// The longest quiet hours, in minutes: an attempt of unknown outcome waits for their end, and must not wait until LINE has
/// forgotten its key.
const MAX_QUIET: i64 = 16 * 60;

/// How far back receipts are known, in days.
pub const RECEIPTS_KEPT: i64 = 90;

/// The highest price of a message, in yen.
const MAX_PRICE: f64 = 10_000.0;

/// What an account has set for its sends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sending {
    /// Hours in which nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// How many messages one recipient gets at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_cap: Option<FrequencyCap>,
    /// What a message costs, in yen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_message: Option<f64>,
    /// What all messages of a month (in Japan) may cost, in yen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_budget: Option<f64>,
}

impl Sending {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), &'static str> {
        self.quiet_hours.as_ref().map(QuietHours::check).transpose()?;
        self.frequency_cap.as_ref().map(FrequencyCap::check).transpose()?;
        if self.price_per_message.is_some_and(|price| !(0.0..=MAX_PRICE).contains(&price)) {
            return Err("price_per_message is a number of yen from 0 to 10,000");
        }
        match self.monthly_budget {
            Some(budget) if !(0.0..=1e12).contains(&budget) => {
                Err("monthly_budget is a number of yen from 0")
            }
            Some(_) if self.price_per_message.is_none_or(|price| price <= 0.0) => {
                Err("monthly_budget needs a price_per_message above 0")
            }
            _ => Ok(()),
        }
    }

    /// How many messages so many yen pay for; none where no message has a price.
    #[must_use]
    pub fn messages_for(&self, yen: f64) -> Option<i64> {
        let price = self.price_per_message.filter(|price| *price > 0.0)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast of a float saturates, and both are checked"
        )]
        let messages = (yen / price).floor() as i64;
        Some(messages)
    }
}

/// Hours of the day, by the clocks of a place, in which nothing is sent: from one minute until before another, over midnight
/// where the second is the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`.
    pub to: String,
    /// How far the place is ahead of UTC: `+HH:MM` or `-HH:MM`.
    #[serde(default = "japan")]
    pub utc_offset: String,
}

fn japan() -> String {
    "+09:00".to_owned()
}

/// Quiet hours as minutes of the day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// The first minute.
    pub from: i64,
    /// The minute after the last.
    pub to: i64,
}

const DAY_MINUTES: i64 = 24 * 60;

impl QuietHours {
    /// What is wrong with them, if anything.
    pub fn check(&self) -> Result<(), &'static str> {
        let quiet = self
            .in_utc()
            .ok_or("quiet_hours is {\"from\": \"21:00\", \"to\": \"09:00\", \"utc_offset\": \"+09:00\"}")?;
        match (quiet.to - quiet.from).rem_euclid(DAY_MINUTES) {
            1..=MAX_QUIET => Ok(()),
            _ => Err("quiet_hours last from a minute to 16 hours"),
        }
    }

    /// As minutes of the day in UTC; none if they have not their form.
    #[must_use]
    pub fn in_utc(&self) -> Option<Quiet> {
        let ahead = match self.utc_offset.split_at_checked(1)? {
            ("+", clock) => minutes(clock)?,
            ("-", clock) => -minutes(clock)?,
            _ => return None,
        };
        let utc = |clock: &str| Some((minutes(clock)? - ahead).rem_euclid(DAY_MINUTES));
        Some(Quiet { from: utc(&self.from)?, to: utc(&self.to)? })
    }
}

impl Quiet {
    /// The end of the quiet hours that this instant lies in, if it does.
    #[must_use]
    pub fn ends_after(self, at: UnixMillis) -> Option<UnixMillis> {
        let minute = minute_of_day(at);
        let quiet_so_far = (minute - self.from).rem_euclid(DAY_MINUTES);
        let left = (self.to - minute).rem_euclid(DAY_MINUTES);
        let length = (self.to - self.from).rem_euclid(DAY_MINUTES);
        (quiet_so_far < length).then(|| UnixMillis(at.0 - at.0.rem_euclid(MINUTE)) + left * MINUTE)
    }
}

/// The minute of the day in UTC.
#[must_use]
pub fn minute_of_day(at: UnixMillis) -> i64 {
    at.0.rem_euclid(DAY) / MINUTE
}

/// `HH:MM` as minutes.
fn minutes(clock: &str) -> Option<i64> {
    let two = |text: &str| -> Option<i64> {
        (text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// At most so many messages in so many days for each recipient, over all sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequencyCap {
    /// Messages.
    pub messages: i64,
    /// Days, as often 24 hours.
    pub days: i64,
}

impl FrequencyCap {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), &'static str> {
        if (1..=1_000).contains(&self.messages) && (1..=RECEIPTS_KEPT).contains(&self.days) {
            return Ok(());
        }
        Err("frequency_cap is {\"messages\": 1 to 1,000, \"days\": 1 to 90}")
    }

    /// The days in milliseconds.
    #[must_use]
    pub fn within(&self) -> i64 {
        self.days * 24 * HOUR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str, utc_offset: &str) -> QuietHours {
        QuietHours { from: from.into(), to: to.into(), utc_offset: utc_offset.into() }
    }

    #[test]
    fn quiet_hours_end_by_the_clocks_of_their_place() {
        let at = |text| UnixMillis::parse_rfc3339(text).unwrap();
        let night = hours("21:00", "09:00", "+09:00").in_utc().unwrap();
        assert_eq!(night.ends_after(at("2026-01-05T20:59:59.999+09:00")), None);
        let end = Some(at("2026-01-06T09:00:00+09:00"));
        for quiet in
            ["2026-01-05T21:00:00+09:00", "2026-01-06T00:00:30+09:00", "2026-01-06T08:59:59.999+09:00"]
        {
            assert_eq!(night.ends_after(at(quiet)), end, "{quiet}");
        }
        assert_eq!(night.ends_after(at("2026-01-06T09:00:00+09:00")), None);
        let noon = hours("12:00", "13:00", "-05:30").in_utc().unwrap();
        assert_eq!(noon.ends_after(at("2026-01-05T17:45:00Z")), Some(at("2026-01-05T18:30:00Z")));
        assert_eq!(noon.ends_after(at("2026-01-05T18:30:00Z")), None);
    }

    #[test]
    fn what_is_no_time_or_never_ends_is_refused() {
        assert!(hours("21:00", "09:00", "+09:00").check().is_ok());
        for (from, to, offset) in [
            ("21:00", "21:00", "+09:00"),
            ("09:00", "08:00", "+09:00"),
            ("24:00", "09:00", "+09:00"),
            ("9:00", "21:00", "+09:00"),
            ("21:00", "09:00", "09:00"),
            ("21:00", "09:00", ""),
            ("あ", "09:00", "+09:00"),
        ] {
            assert!(hours(from, to, offset).check().is_err(), "{from} {to} {offset}");
        }
    }

    #[test]
    fn a_budget_in_yen_is_so_many_whole_messages() {
        let sending = Sending { price_per_message: Some(3.0), ..Sending::default() };
        assert_eq!(sending.messages_for(100.0), Some(33));
        assert_eq!(Sending::default().messages_for(100.0), None);
        assert!(Sending { monthly_budget: Some(1.0), ..Sending::default() }.check().is_err());
    }
}
