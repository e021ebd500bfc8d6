//! Relays that have something to do: found in the batch of its reason, called by a job after it, and by cron where the job was
//! lost.
//!
//! `due_at` is null while a relay has everything. Otherwise somebody has it until then: the run whose token stands in `lease`, a
//! job on its way (`woken`), or time itself, after an attempt that failed.

use serde::Deserialize;

use super::{Job, Statement};
use crate::{
    id::{AccountId, RelayId},
    platform::Outcome,
    time::{MINUTE, UnixMillis},
};

/// How long a job may be on its way before cron calls another, in milliseconds.
pub(crate) const ON_ITS_WAY: i64 = MINUTE;

/// Wakes those of an account's relays that had everything until now and have not any more. It belongs behind the statements that
/// write deliveries, or say that one waits no more, in their batch; its jobs are [`woken`]. A relay that is at work, waits or is
/// paused costs no job, nor does what only repeats; an account without relays costs one look into an index.
#[must_use]
pub fn wake(account: &AccountId, now: UnixMillis) -> Statement {
    Statement::new(
        "UPDATE relays SET lease = 'woken', due_at = ?3, cursor_at = ?2 \
         WHERE account = ?1 AND id > '' AND due_at IS NULL \
           AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.account = ?1 AND d.seq > relays.cursor \
             AND d.verdict <> 'duplicate') \
         RETURNING id AS relay_id, paused",
    )
    .bind(account)
    .bind(now)
    .bind(now + ON_ITS_WAY)
}

/// Calls one relay that nobody is at work on, whatever it waits for.
#[must_use]
pub fn call(account: &AccountId, relay: &RelayId, now: UnixMillis) -> Statement {
    Statement::new(
        "UPDATE relays SET lease = 'woken', due_at = ?4 \
         WHERE account = ?1 AND id = ?2 AND (lease IS NULL OR lease = 'woken' OR due_at <= ?3) \
         RETURNING id AS relay_id, paused",
    )
    .bind(account)
    .bind(relay)
    .bind(now)
    .bind(now + ON_ITS_WAY)
}

/// Asks for a relay, as `id`.
#[must_use]
pub fn known(account: &AccountId, relay: &RelayId) -> Statement {
    Statement::new("SELECT id FROM relays WHERE account = ?1 AND id = ?2").bind(account).bind(relay)
}

/// The jobs of the relays that a batch woke.
#[must_use]
pub fn woken(account: &AccountId, outcomes: &[Outcome]) -> Vec<Job> {
    #[derive(Deserialize)]
    struct Row {
        relay_id: RelayId,
        paused: u8,
    }
    let rows = outcomes.iter().filter(|outcome| outcome.rows.contains("\"relay_id\""));
    let rows = rows.flat_map(|outcome| outcome.rows::<Row>().unwrap_or_default());
    rows.filter(|row| row.paused == 0)
        .map(|row| Job::Relay { account: account.clone(), relay: row.relay_id })
        .collect()
}
