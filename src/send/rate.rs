//! Start times of calls to LINE, over all consumers: a run of them is taken by one conditional update of the row of
//! channel and endpoint. They are spaced, because counting by fixed seconds would overshoot a sliding one.

use serde::Deserialize;

use crate::{
    config::Account,
    line::messaging::{MULTICASTS_PER_SECOND, PUSHES_PER_SECOND},
    platform::{Context, Platform, PlatformError},
    store::Statement,
    time::{SECOND, UnixMillis},
};

/// How far ahead a call may start before the work goes back to the queue, in milliseconds.
pub(super) const MAX_WAIT: i64 = SECOND;

/// How late a call may start, in milliseconds: at 97 % of LINE's limit, no sliding second has more than LINE takes.
pub(super) const LATE: i64 = 30;

/// How far ahead the first start time of a run lies at least, in microseconds: until the database has answered.
const LEAD: i64 = 20_000;

/// An endpoint with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Multicast,
    Push,
}

impl Endpoint {
    /// Its name in `rates`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Multicast => "multicast",
            Self::Push => "push",
        }
    }

    /// Microseconds between two calls: 97 % of LINE's limit.
    pub(super) fn spacing(self) -> i64 {
        let per_second = match self {
            Self::Multicast => MULTICASTS_PER_SECOND,
            Self::Push => PUSHES_PER_SECOND,
        };
        1_000_000 * 100 / (97 * per_second)
    }
}

/// Takes start times for accounts, as many as `wanted` says: SQL that selects `account` and `calls`, under placeholders from
/// `?2` on. Answers `account` and `next_at`, the microsecond after the run's last.
pub(super) fn take(endpoint: Endpoint, wanted: &str, now: UnixMillis) -> Statement {
    let (name, spacing) = (endpoint.name(), endpoint.spacing());
    Statement::compiled(format!(
        "INSERT INTO rates (account, endpoint, next_at) \
         SELECT account, '{name}', ?1 + {LEAD} + {spacing} * calls FROM ({wanted}) WHERE calls > 0 \
         ON CONFLICT (account, endpoint) DO UPDATE SET \
           next_at = max(next_at, ?1 + {LEAD}) + (excluded.next_at - ?1 - {LEAD}) \
         RETURNING account, next_at"
    ))
    .bind(now.0 * 1_000)
}

/// When the call at this place of a run starts. Rounded up: what begins within this millisecond has not begun yet.
pub(super) fn start(endpoint: Endpoint, next_at: i64, calls: i64, place: i64) -> UnixMillis {
    UnixMillis((next_at - endpoint.spacing() * (calls - place) + 999).div_euclid(1_000))
}

/// Start times for so many calls of one account; answers that of the first.
pub(super) async fn take_now<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    endpoint: Endpoint,
    calls: i64,
) -> Result<i64, PlatformError> {
    #[derive(Deserialize)]
    struct Slot {
        next_at: i64,
    }
    let now = cx.platform.now();
    let taken = take(endpoint, "SELECT ?2 AS account, ?3 AS calls", now).bind(&account.id).bind(calls);
    let slot: Option<Slot> = cx.platform.one(&account.database, taken).await?.first()?;
    slot.map(|slot| slot.next_at).ok_or_else(|| PlatformError::Database("no start time".to_owned()))
}
