//! Cron's part: sends and chunks that are open and due without anyone at work on them go on the queue again.

use serde::Deserialize;

use crate::{
    id::{AccountId, SendId},
    platform::{Context, Database, Platform, PlatformError},
    store::{Job, Statement},
    time::MINUTE,
};

/// Jobs that one tick puts on the queue.
const PER_TICK: i64 = 400;

#[derive(Deserialize)]
struct Row {
    account: AccountId,
    send: SendId,
    chunk: Option<i64>,
}

/// Finds what its job was lost of: a repeat of a job that was not lost changes nothing.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    let before = cx.platform.now() + -MINUTE;
    let expanding = Statement::new(
        "SELECT account, id AS send, NULL AS chunk FROM sends WHERE state = 'expanding' AND created_at < ?1 AND paused IS NULL LIMIT ?2",
    )
    .bind(before)
    .bind(PER_TICK);
    let open = Statement::new(
        "SELECT c.account, c.send, c.chunk FROM sends s \
         JOIN chunks c ON c.account = s.account AND c.send = s.id AND c.state = 'open' AND c.due_at < ?1 \
         WHERE s.state IN ('expanding', 'sending') AND (s.paused IS NULL OR c.first_attempt_at IS NOT NULL) LIMIT ?2",
    )
    .bind(before)
    .bind(PER_TICK);
    let mut jobs = Vec::new();
    for outcome in cx.platform.batch(&Database::default(), vec![expanding, open]).await? {
        jobs.extend(outcome.rows::<Row>()?.into_iter().map(|Row { account, send, chunk }| match chunk {
            Some(chunk) => Job::Deliver { account, send, chunk },
            None => Job::Expand { account, send },
        }));
    }
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}
