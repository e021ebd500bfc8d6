//! What LINE counts of messages by unit, asked for by cron and stored: shown beside sends (`store/insight.rs`).
//!
//! LINE's figures move for 14 days after a send. They are asked for six hours after one begins or ends, every six hours for two
//! days, then daily, and a last time when they have come to rest. Each minute one unit of each account is asked for, so that LINE's
//! 60 calls an hour are never exceeded.

use futures_util::future::join_all;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    channel,
    config::{self, Account},
    id::AccountId,
    line::{insight, messaging},
    platform::{Context, Database, Platform, PlatformError},
    store::Statement,
    time::{DAY, Day, HOUR, UnixMillis},
};

/// Accounts that are served in one tick.
const PER_TICK: i64 = 10;

/// How soon a unit is asked for again where LINE did not answer, in milliseconds.
const AGAIN: i64 = HOUR;

/// A unit whose figures are due.
#[derive(Debug, Deserialize)]
struct Due {
    account: AccountId,
    unit: String,
    first_at: UnixMillis,
    last_at: UnixMillis,
}

/// Cron's part: (1) of each account the unit that waits longest is taken, for an hour; (2) LINE is asked; (3) its answer is
/// stored. What fails comes again in an hour.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    let now = cx.platform.now();
    // (1)
    let take = Statement::new(
        "UPDATE unit_insight SET due_at = ?3 WHERE (account, unit) IN (SELECT account, unit FROM ( \
           SELECT account, unit, min(due_at) AS due_at FROM unit_insight INDEXED BY unit_insight_due \
           WHERE due_at <= ?1 GROUP BY account ORDER BY 3 LIMIT ?2)) \
         RETURNING account, unit, first_at, last_at",
    )
    .bind(now)
    .bind(PER_TICK)
    .bind(now + AGAIN);
    let due: Vec<Due> = cx.platform.one(&Database::default(), take).await?.rows()?;
    let asked = join_all(due.iter().map(|due| fetch(cx, due, now))).await;
    for error in asked.into_iter().filter_map(Result::err) {
        cx.log_failure("unit_insight", &error);
    }
    Ok(())
}

/// (2) and (3) of one unit.
async fn fetch<P: Platform>(cx: Context<'_, P>, due: &Due, now: UnixMillis) -> Result<(), PlatformError> {
    let Some(account) = config::account_by_id(cx, &due.account).await? else { return Ok(()) };
    let (from, to) = due.span(now);
    let token = channel::token(cx, &account).await?;
    let call = insight::of_unit(&cx.settings.line, &token, &due.unit, from, to);
    let answer = cx.platform.fetch(call).await?;
    let (figures, refusal, next) = match (answer.status, answer.json::<Value>()) {
        (status, Some(body)) if status.is_success() => {
            (Some(insight::kept(&body, from, to).to_string()), None, due.next(now))
        }
        (StatusCode::BAD_REQUEST, _) => (None, Some(messaging::words(&answer)), None),
        (status, _) => {
            if status == StatusCode::UNAUTHORIZED {
                cx.memory.forget_channel_token(&account.messaging.channel_id);
            }
            return Err(PlatformError::NoAnswer(format!("LINE's insight answered {}", status.as_u16())));
        }
    };
    cx.platform.one(&account.database, due.store(&account, figures, refusal, now, next)).await?;
    Ok(())
}

impl Due {
    /// The days that are asked for: from the first send on, but no more than LINE takes.
    fn span(&self, now: UnixMillis) -> (Day, Day) {
        let today = Day::of(now);
        (Day::of(self.first_at).max(today.before(insight::MOST_DAYS)), today)
    }

    /// When LINE is asked again; never, once the figures have come to rest.
    fn next(&self, now: UnixMillis) -> Option<UnixMillis> {
        let rest = self.last_at + (insight::MOVING_DAYS + 1) * DAY;
        let wait = if now - self.last_at < 2 * DAY { 6 * HOUR } else { DAY };
        (now < rest).then(|| (now + wait).min(rest))
    }

    /// Stores what LINE answered. Where something was sent meanwhile, what that send wants counts.
    fn store(
        &self,
        account: &Account,
        figures: Option<String>,
        refusal: Option<String>,
        now: UnixMillis,
        next: Option<UnixMillis>,
    ) -> Statement {
        Statement::new(
            "UPDATE unit_insight SET figures = coalesce(?3, figures), refusal = ?4, \
               fetched_at = CASE WHEN ?3 IS NULL THEN fetched_at ELSE ?5 END, \
               due_at = CASE WHEN last_at = ?6 THEN ?7 ELSE due_at END \
             WHERE account = ?1 AND unit = ?2",
        )
        .bind(&account.id)
        .bind(self.unit.as_str())
        .bind(figures)
        .bind(refusal)
        .bind(now)
        .bind(self.last_at)
        .bind(next)
    }
}
