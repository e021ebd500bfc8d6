//! Cron's part: sends that are due, and chunks that are open and due without anyone at work on them, go on the queue.

use serde::Deserialize;

use crate::{
    id::{AccountId, SendId},
    platform::{Context, Database, Platform, PlatformError},
    store::{Job, Statement},
    time::{MINUTE, japanese_month},
};

/// Jobs that one tick puts on the queue.
const PER_TICK: i64 = 400;

#[derive(Deserialize)]
struct Row {
    account: AccountId,
    send: SendId,
    chunk: Option<i64>,
    personal: u8,
}

/// Finds what is scheduled, what rested, and what its job was lost of: a repeat of a job that was not lost changes nothing.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    let now = cx.platform.now();
    let due = Statement::new(
        "SELECT account, id AS send, NULL AS chunk, 0 AS personal FROM sends INDEXED BY sends_due \
         WHERE due_at <= ?1 AND paused IS NULL ORDER BY due_at LIMIT ?2",
    )
    .bind(now)
    .bind(PER_TICK);
    let open = Statement::new(
        "SELECT c.account, c.send, c.chunk, s.personal IS NOT NULL AS personal FROM accounts a CROSS JOIN sends s INDEXED BY sends_active \
           ON s.account = a.id AND s.number > 0 AND s.state IN ('expanding', 'sending', 'cancelling') \
         CROSS JOIN chunks c INDEXED BY chunks_open ON c.account = s.account AND c.send = s.id AND c.state = 'open' \
           AND c.due_at < ?1 \
         WHERE a.id > '' AND (c.first_attempt_at IS NOT NULL OR (s.paused IS NULL AND s.month = ?3 AND c.chunk < s.released)) \
         LIMIT ?2",
    )
    .bind(now + -MINUTE)
    .bind(PER_TICK)
    .bind(japanese_month(now));
    let mut jobs = Vec::new();
    for outcome in cx.platform.batch(&Database::default(), vec![due, open]).await? {
        jobs.extend(outcome.rows::<Row>()?.into_iter().map(|Row { account, send, chunk, personal }| {
            match chunk {
                Some(chunk) if personal == 1 => Job::Push { account, send, chunk },
                Some(chunk) => Job::Deliver { account, send, chunk },
                None => Job::Expand { account, send },
            }
        }));
    }
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}
