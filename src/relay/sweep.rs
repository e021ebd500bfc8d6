//! Cron's part: relays whose job was lost, and dead letters whose time is over.

use serde::Deserialize;

use crate::{
    id::{AccountId, RelayId},
    platform::{Context, Database, Platform, PlatformError},
    store::{Job, Statement, relay::ON_ITS_WAY},
    time::{DAY, SECOND, UnixMillis},
};

/// Rows that cron looks at in one tick.
const PIECE: i64 = 100;

/// How long a relay has been due before cron steps in, in milliseconds: its own job comes to the second.
const GRACE: i64 = 5 * SECOND;

/// How long dead letters are kept, in milliseconds.
const LETTERS_KEPT: i64 = 90 * DAY;

/// Calls the relays that have been due without anybody coming, those that wait longest first.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        account: AccountId,
        relay: RelayId,
    }
    let now = cx.platform.now();
    let outcomes = cx.platform.batch(&Database::default(), vec![overdue(now), expired(now)]).await?;
    let Some(overdue) = outcomes.first() else { return Ok(()) };
    let rows: Vec<Row> = overdue.rows()?;
    let jobs: Vec<Job> =
        rows.into_iter().map(|Row { account, relay }| Job::Relay { account, relay }).collect();
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}

fn overdue(now: UnixMillis) -> Statement {
    Statement::new(
        "UPDATE relays SET lease = 'woken', due_at = ?2 WHERE (account, id) IN \
           (SELECT account, id FROM relays INDEXED BY relays_due \
            WHERE due_at <= ?1 AND paused = 0 ORDER BY due_at LIMIT ?3) \
         RETURNING account, id AS relay",
    )
    .bind(now + -GRACE)
    .bind(now + ON_ITS_WAY)
    .bind(PIECE)
}

fn expired(now: UnixMillis) -> Statement {
    Statement::new(
        "DELETE FROM relay_dead_letters WHERE (account, relay, seq) IN \
         (SELECT account, relay, seq FROM relay_dead_letters INDEXED BY relay_dead_letters_by_age WHERE at < ?1 LIMIT ?2)",
    )
    .bind(now + -LETTERS_KEPT)
    .bind(PIECE)
}
