//! Expansion: the recipients of a send are frozen into chunks, a page at a time, inside SQL.

use serde::Deserialize;

use super::deliver::complete;
use crate::{
    config,
    id::{AccountId, SendId},
    line::messaging::{MAX_RECIPIENTS, MULTICASTS_PER_SECOND},
    platform::{Context, Outcome, Platform, PlatformError},
    rule::{self, Rule},
    store::{Disposition, Job, Statement},
};

/// Recipients of one page: selecting a segment again for every chunk would cost more than packing 200 of them.
const PAGE: i64 = 100_000;

/// Open chunks from which on the next page waits: two seconds' worth of LINE's rate, so that a small account never waits
/// behind a large one.
const AHEAD: i64 = 2 * MULTICASTS_PER_SECOND;

/// How long a page waits before it is tried again, in seconds.
const RETRY_AFTER: u32 = 5;

#[derive(Deserialize)]
struct Send {
    rule: String,
    expanded_to: i64,
    chunks: i64,
    open: i64,
}

/// Freezes the next page: (1) where the send stands is read; (2) chunks, the next place and the state are one batch,
/// conditional on that place, so that a repeated job continues from the stored row and can neither skip nor double;
/// a send whose last page left nothing to do is complete in the same batch; (3) the chunks, and the next page if there
/// is one, are put on the queue.
pub async fn expand<P: Platform>(cx: Context<'_, P>, account: &AccountId, send: &SendId) -> Disposition {
    match page(cx, account, send).await {
        Ok(disposition) => disposition,
        Err(error) => {
            cx.log_failure("send_expand", &error);
            Disposition::Retry { seconds: RETRY_AFTER }
        }
    }
}

async fn page<P: Platform>(
    cx: Context<'_, P>,
    account: &AccountId,
    send: &SendId,
) -> Result<Disposition, PlatformError> {
    #[derive(Deserialize)]
    struct Chunk {
        chunk: i64,
    }
    #[derive(Deserialize)]
    struct State {
        state: String,
    }
    let Some(owner) = config::account_by_id(cx, account).await? else { return Ok(Disposition::Done) };
    // (1)
    let read = Statement::new(
        "SELECT rule, expanded_to, chunks, \
           (SELECT count(*) FROM chunks WHERE account = ?1 AND send = ?2 AND state = 'open') AS open \
         FROM sends WHERE account = ?1 AND id = ?2 AND state = 'expanding' AND paused IS NULL",
    )
    .bind(account)
    .bind(send);
    let Some(place) = cx.platform.one(&owner.database, read).await?.first::<Send>()? else {
        return Ok(Disposition::Done);
    };
    if place.open > AHEAD {
        return Ok(Disposition::Retry { seconds: 1 });
    }
    let rule: Rule = serde_json::from_str(&place.rule).map_err(|e| PlatformError::Stored(e.to_string()))?;
    // (2)
    let statements = vec![
        freeze(cx, account, send, &place, &rule),
        move_on(account, send, &place),
        Statement::new(
            "SELECT chunk FROM chunks WHERE account = ?1 AND send = ?2 AND chunk >= ?3 AND state = 'open'",
        )
        .bind(account)
        .bind(send)
        .bind(place.chunks),
        complete(account, send),
    ];
    let outcomes = cx.platform.batch(&owner.database, statements).await?;
    let moved: Option<State> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
    let chunks: Vec<Chunk> = outcomes.get(2).map(Outcome::rows).transpose()?.unwrap_or_default();
    // (3)
    let mut jobs: Vec<Job> = chunks
        .iter()
        .map(|row| Job::Deliver { account: account.clone(), send: send.clone(), chunk: row.chunk })
        .collect();
    if moved.is_some_and(|moved| moved.state == "expanding") {
        jobs.push(Job::Expand { account: account.clone(), send: send.clone() });
    }
    if !jobs.is_empty() {
        cx.platform.enqueue(&jobs).await?;
    }
    Ok(Disposition::Done)
}

/// Selects, numbers and packs a page; recipients do not leave the database. The page's measures stand in the text,
/// because D1 binds every number as a REAL and the division must be whole.
fn freeze<P: Platform>(
    cx: Context<'_, P>,
    account: &AccountId,
    send: &SendId,
    place: &Send,
    rule: &Rule,
) -> Statement {
    let audience = rule::audience(account, rule);
    let n = audience.bound();
    let (id, after, now) = (n + 1, n + 2, n + 3);
    let sql = format!(
        "INSERT INTO chunks (account, send, chunk, state, line_users, last_line_user, targeted, due_at) \
         SELECT ?1, ?{id}, s.chunks + g.number, 'open', g.line_users, g.last, g.targeted, ?{now} FROM ( \
           SELECT (place - 1) / {MAX_RECIPIENTS} AS number, json_group_array(line_user) AS line_users, \
             max(line_user) AS last, count(*) AS targeted \
           FROM (SELECT u.id AS line_user, row_number() OVER (ORDER BY u.id) AS place {} AND u.id > ?{after} \
                 ORDER BY u.id LIMIT {PAGE}) \
           GROUP BY number) g \
         JOIN sends s ON s.account = ?1 AND s.id = ?{id} \
         WHERE s.state = 'expanding' AND s.paused IS NULL AND s.expanded_to = ?{after}",
        audience.clause()
    );
    audience.statement(sql).bind(send).bind(place.expanded_to).bind(cx.platform.now())
}

/// The send continues after the page's last recipient; a page that is not full was the last.
fn move_on(account: &AccountId, send: &SendId, place: &Send) -> Statement {
    Statement::new(
        "UPDATE sends SET \
           state = CASE WHEN (SELECT coalesce(sum(targeted), 0) FROM chunks \
             WHERE account = ?1 AND send = ?2 AND chunk >= ?4) < ?5 THEN 'sending' ELSE 'expanding' END, \
           expanded_to = coalesce((SELECT last_line_user FROM chunks \
             WHERE account = ?1 AND send = ?2 ORDER BY chunk DESC LIMIT 1), expanded_to), \
           chunks = coalesce((SELECT chunk + 1 FROM chunks \
             WHERE account = ?1 AND send = ?2 ORDER BY chunk DESC LIMIT 1), 0) \
         WHERE account = ?1 AND id = ?2 AND state = 'expanding' AND expanded_to = ?3 AND chunks = ?4 \
         RETURNING state",
    )
    .bind(account)
    .bind(send)
    .bind(place.expanded_to)
    .bind(place.chunks)
    .bind(PAGE)
}
