//! `/v1/reports`: what the counters say of a period, in days of Japan. Not here: counting (`store/tally.rs`).

mod auto_login;
mod friend_add;

pub use auto_login::auto_login;
pub use friend_add::friend_add;

use crate::{
    time::{Day, UnixMillis},
    web::{ApiError, form::Form},
};

/// The longest period, in days.
const MAX_DAYS: i64 = 366;

/// How far a period goes back where nothing is said, in days.
const USUAL: u64 = 30;

/// A period, both days included.
#[derive(Debug, Clone, Copy)]
struct Period {
    from: Day,
    to: Day,
}

impl Period {
    /// Reads `from` and `to`; to today, and from 30 days before, where nothing is said.
    fn read(form: &Form, now: UnixMillis) -> Result<Self, ApiError> {
        let day = |name: &str| {
            let wrong =
                || ApiError::invalid_request(format!("{name} must be a date in Japan such as 2026-01-05"));
            form.value(name).map(|text| Day::parse(text).ok_or_else(wrong)).transpose()
        };
        let to = day("to")?.unwrap_or_else(|| Day::of(now));
        let from = day("from")?.unwrap_or_else(|| to.before(USUAL));
        if to.since(from) < 0 || to.since(from) > MAX_DAYS {
            return Err(ApiError::invalid_request(
                "from must not be after to, and not more than 366 days before",
            ));
        }
        Ok(Self { from, to })
    }
}
