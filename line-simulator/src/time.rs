//! Unix time as dates: what LINE writes in ISO 8601, and the months of Japan in which it counts.
//!
//! In: Unix milliseconds. Out: text or month numbers. Not here: a clock.

const DAY_MS: i64 = 86_400_000;
const JAPAN_MS: i64 = 9 * 3_600_000;

/// Year, month and day of a day since 1970-01-01, by the usual arithmetic of 400-year eras from March.
fn civil(day: i64) -> (i64, i64, i64) {
    let days = day + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// ISO 8601 in UTC, with milliseconds.
pub(crate) fn iso(now: i64) -> String {
    let (year, month, day) = civil(now.div_euclid(DAY_MS));
    let ms = now.rem_euclid(DAY_MS);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// The time of day in Japan, as a chat shows it.
pub(crate) fn japanese_clock(now: i64) -> String {
    let ms = (now + JAPAN_MS).rem_euclid(DAY_MS);
    format!("{}:{:02}", ms / 3_600_000, ms / 60_000 % 60)
}

/// The month in Japan, as months since year 0.
pub(crate) fn japanese_month(now: i64) -> i64 {
    let (year, month, _) = civil((now + JAPAN_MS).div_euclid(DAY_MS));
    year * 12 + month - 1
}

/// The day in Japan, as days since 1970-01-01.
pub(crate) fn japanese_day(now: i64) -> i64 {
    (now + JAPAN_MS).div_euclid(DAY_MS)
}

/// The day of `yyyyMMdd`; none if the calendar has no such day.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day): (i64, i64, i64) =
        (text.get(..4)?.parse().ok()?, text.get(4..6)?.parse().ok()?, text.get(6..)?.parse().ok()?);
    // The first of January, give or take a few days, and then the day itself.
    let near = (year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100 + (year - 1601) / 400;
    (near - 3..near + 370).find(|one| civil(*one) == (year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_iso_in_utc() {
        assert_eq!(iso(1_767_225_600_000), "2026-01-01T00:00:00.000Z");
        assert_eq!(iso(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
    }

    #[test]
    fn a_date_is_a_day_of_the_calendar() {
        assert_eq!(parse_date("19700101"), Some(0));
        assert_eq!(parse_date("20260101"), Some(1_767_225_600_000 / DAY_MS));
        assert_eq!(parse_date("20240229"), Some(1_709_164_800_000 / DAY_MS));
        for none in ["20230229", "20261301", "20260100", "2026-1-1", "2026010", "2026０１01", ""] {
            assert_eq!(parse_date(none), None, "{none}");
        }
        let midnight_in_japan = 1_767_225_600_000 - JAPAN_MS;
        assert_eq!(Some(japanese_day(midnight_in_japan)), parse_date("20260101"));
        assert_eq!(Some(japanese_day(midnight_in_japan - 1)), parse_date("20251231"));
    }

    #[test]
    fn a_month_begins_at_midnight_in_japan() {
        let new_year_in_japan = 1_767_225_600_000 - JAPAN_MS;
        assert_eq!(japanese_month(new_year_in_japan), 2026 * 12);
        assert_eq!(japanese_month(new_year_in_japan - 1), 2026 * 12 - 1);
        let march = 1_772_323_200_000 - JAPAN_MS;
        assert_eq!(japanese_month(march), 2026 * 12 + 2);
        assert_eq!(japanese_month(march - 1), 2026 * 12 + 1);
    }
}
