//! Cron's part: sends that are due, and chunks that are open and due without anyone at work on them, go on the queue.

use serde::Deserialize;

use super::{rate::MAX_WAIT, rest::quiet};
use crate::{
    config::{RECEIPTS_KEPT, minute_of_day},
    id::{AccountId, SendId},
    platform::{Context, Database, Platform, PlatformError},
    store::{Job, Statement},
    time::{DAY, MINUTE, UnixMillis, japanese_month},
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

/// Chunks whose receipts one tick forgets.
const FORGOTTEN: i64 = 20;

/// Of the send that ended first before this, the receipts of a few chunks, and whom those were for. Their counts stay.
fn forget(before: UnixMillis) -> Vec<Statement> {
    let first = "SELECT k.number FROM sends k INDEXED BY sends_kept WHERE k.ended_at < ?1 AND k.ended_at IS NOT NULL \
        AND k.swept < k.chunks ORDER BY k.ended_at LIMIT 1";
    let chunks = format!(
        "FROM sends s CROSS JOIN chunks c ON c.account = s.account AND c.send = s.id AND c.chunk >= s.swept \
           AND c.chunk < s.swept + {FORGOTTEN}"
    );
    let with = |sql: String| Statement::compiled(sql).bind(before);
    vec![
        with(format!(
            "DELETE FROM receipts WHERE (account, line_user, at, send) IN (SELECT r.account, r.line_user, r.at, r.send {chunks} \
               CROSS JOIN json_each(c.line_users) j CROSS JOIN receipts r ON r.account = c.account AND r.line_user = j.value \
                 AND r.at < ?1 AND r.send = s.number WHERE s.number = ({first}))"
        )),
        with(format!(
            "UPDATE chunks SET line_users = '[]' WHERE (account, send, chunk) IN \
               (SELECT c.account, c.send, c.chunk {chunks} WHERE s.number = ({first}))"
        )),
        with(format!("UPDATE sends SET swept = swept + {FORGOTTEN} WHERE number = ({first})")),
    ]
}

/// Finds what is scheduled, what rested, and what its job was lost of: a repeat of a job that was not lost changes nothing. What
/// waits for the end of quiet hours is in nobody's way.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    let now = cx.platform.now();
    let due = Statement::new(
        "SELECT account, id AS send, NULL AS chunk, 0 AS personal FROM sends INDEXED BY sends_due \
         WHERE due_at <= ?1 AND paused IS NULL ORDER BY due_at LIMIT ?2",
    )
    .bind(now)
    .bind(PER_TICK);
    let open = Statement::compiled(format!(
        "SELECT c.account, c.send, c.chunk, s.personal IS NOT NULL AS personal FROM accounts a CROSS JOIN sends s INDEXED BY sends_active \
           ON s.account = a.id AND s.number > 0 AND s.state IN ('expanding', 'sending', 'cancelling') \
         CROSS JOIN chunks c INDEXED BY chunks_open ON c.account = s.account AND c.send = s.id AND c.state = 'open' \
           AND c.due_at < ?1 \
         WHERE a.id > '' AND NOT {} \
           AND (c.first_attempt_at IS NOT NULL OR (s.paused IS NULL AND s.month = ?3 AND c.chunk < s.released)) LIMIT ?2",
        quiet(4, 5)
    ))
    .bind(now + -MINUTE)
    .bind(PER_TICK)
    .bind(japanese_month(now))
    .bind(minute_of_day(now))
    .bind(minute_of_day(now + 2 * MAX_WAIT));
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
    cx.platform.batch(&Database::default(), forget(now + -DAY * RECEIPTS_KEPT)).await?;
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}
