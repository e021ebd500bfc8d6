//! Claiming chunks: one batch for all those of a queue batch.
//!
//! (1) What is open, free and may begin is claimed under one random token, for longer than a call may take; if the channel's
//! next start time is far off, nothing is: who waits must not push the others back. (2) At the first claim of a generation
//! the recipients are filtered, and who gets it is frozen (`filter.rs`). (3) As many start times are taken as chunks were claimed.
//! (4) What was claimed is read, with what its calls need. (5) A send that may not begin now (quiet hours, another month) is
//! looked at again.

use serde::Deserialize;

use super::{
    deliver::{Batch, Due},
    rate::{self, Endpoint, MAX_WAIT},
    rest::{month_to_begin_in, quiet},
};
use crate::{
    config::{Quiet, minute_of_day},
    id::{AccountId, SendId},
    platform::{Context, Database, Platform, PlatformError},
    store::Statement,
    time::{MINUTE, SECOND, UnixMillis},
};

/// How long a claim holds, in milliseconds: longer than any call that begins within [`BEGIN_WITHIN`] takes.
pub(super) const LEASE: i64 = MINUTE;

/// How long after its claim a call may begin, in milliseconds.
pub(super) const BEGIN_WITHIN: i64 = 30 * SECOND;

/// How the calls are built: who changes what `deliver.rs` and `line::messaging` make of the same row counts on, and keeps
/// what was begun as it was. A chunk of another form is not called for again, for its body would be another.
pub(super) const FORM: i64 = 1;

/// A claimed chunk.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Chunk {
    pub(super) account: AccountId,
    pub(super) send: SendId,
    pub(super) chunk: i64,
    /// Whether this claim has it; else whether it waits for a start time.
    claimed: u8,
    waits: u8,
    /// Who gets it, as LINE knows them: JSON.
    pub(super) recipients: Option<String>,
    pub(super) people: Option<i64>,
    pub(super) generation: i64,
    pub(super) form: Option<i64>,
    /// What became of each so far, of personal messages: JSON.
    pub(super) outcomes: Option<String>,
    /// The oldest attempt under this key whose outcome is unknown: this one, unless an earlier one was.
    pub(super) first_attempt_at: Option<UnixMillis>,
}

/// What the calls of a send have in common.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Common {
    pub(super) account: AccountId,
    pub(super) id: SendId,
    pub(super) messages: String,
    pub(super) with_each: String,
    quiet_from: Option<i64>,
    quiet_to: Option<i64>,
}

impl Common {
    /// Whether what was claimed at one time may not begin now any more: quiet hours have come, or the month is another or ends.
    pub(super) fn rests(&self, claimed_at: UnixMillis, now: UnixMillis) -> bool {
        let quiet = self.quiet_from.zip(self.quiet_to).map(|(from, to)| Quiet { from, to });
        quiet.is_some_and(|quiet| quiet.ends_after(now).is_some())
            || month_to_begin_in(now) != month_to_begin_in(claimed_at)
    }
}

/// The start times of an account's channel.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Slots {
    pub(super) account: AccountId,
    pub(super) next_at: i64,
}

/// What came of a claim.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) chunks: Vec<Chunk>,
    pub(super) waiting: Vec<Chunk>,
    pub(super) sends: Vec<Common>,
    /// After the runs that were taken.
    pub(super) taken: Vec<Slots>,
    /// Where the channels stand.
    pub(super) standing: Vec<Slots>,
}

/// The chunks that are asked for, `?1` as JSON: account, send, number.
pub(super) const ASKED: &str = "SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)";

/// Those of them that the claim `?2` has.
pub(super) const MINE: &str = "FROM json_each(?1) k CROSS JOIN chunks c ON c.account = k.value ->> 0 \
    AND c.send = k.value ->> 1 AND c.chunk = k.value ->> 2 AND c.claimed_by = ?2 AND c.state = 'open'";

impl Batch {
    /// The batch.
    pub(super) async fn claim<P: Platform>(
        &self,
        cx: Context<'_, P>,
        on: &Database,
        due: &[&Due],
    ) -> Result<Claimed, PlatformError> {
        let mut keys: Vec<(&AccountId, &SendId, i64)> =
            due.iter().map(|due| (&due.account, &due.send, due.chunk)).collect();
        keys.sort_unstable();
        keys.dedup();
        let filters: Vec<Statement> = keys
            .chunk_by(|one, other| one.0 == other.0 && one.1 == other.1)
            .map(|of_a_send| self.filter(&serde_json::to_string(of_a_send).unwrap_or_default()))
            .collect();
        let keys = serde_json::to_string(&keys).unwrap_or_default();
        let taken = rate::take(
            self.endpoint,
            "SELECT c.account AS account, count(*) AS calls FROM json_each(?2) k CROSS JOIN chunks c \
               ON c.account = k.value ->> 0 AND c.send = k.value ->> 1 AND c.chunk = k.value ->> 2 \
               AND c.claimed_by = ?3 AND c.state = 'open' AND c.ids <> '[]' GROUP BY c.account",
            self.claimed_at,
        );
        let mut statements = vec![self.begin(&keys)];
        statements.extend(filters);
        let before = statements.len();
        if self.endpoint == Endpoint::Multicast {
            statements.push(taken.bind(keys.as_str()).bind(self.token.as_str()));
        }
        statements.extend([self.found(&keys), self.sends(&keys), self.rates(&keys), self.look_again(&keys)]);
        let outcomes = cx.platform.batch(on, statements).await?;
        let mut outcomes = outcomes.iter().skip(before);
        let mut next = || outcomes.next().ok_or_else(missing);
        let taken = if self.endpoint == Endpoint::Multicast { next()?.rows()? } else { Vec::new() };
        let found: Vec<Chunk> = next()?.rows()?;
        let (sends, standing) = (next()?.rows()?, next()?.rows()?);
        let (chunks, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(|chunk| chunk.claimed == 1);
        let waiting = rest.into_iter().filter(|chunk| chunk.waits == 1).collect();
        Ok(Claimed { chunks, waiting, sends, taken, standing })
    }

    /// (1)
    fn begin(&self, keys: &str) -> Statement {
        let now = self.claimed_at;
        Statement::compiled(format!(
            "UPDATE chunks SET claimed_by = ?2, lease_until = ?3, due_at = ?3, \
               first_attempt_at = coalesce(first_attempt_at, ?4), form = coalesce(form, {FORM}) \
             WHERE (account, send, chunk) IN ({ASKED}) AND state = 'open' AND lease_until <= ?4 \
               AND EXISTS (SELECT 1 FROM sends s WHERE s.account = chunks.account AND s.id = chunks.send \
                 AND s.personal IS {} NULL AND NOT {} \
                 AND (chunks.first_attempt_at IS NOT NULL OR (s.paused IS NULL AND s.state IN ('expanding', 'sending') \
                   AND s.month = ?5 AND chunks.chunk < s.released))) \
               AND NOT EXISTS (SELECT 1 FROM rates r WHERE r.account = chunks.account AND r.endpoint = '{}' \
                 AND r.next_at > ?6)",
            if self.endpoint == Endpoint::Push { "NOT" } else { "" },
            quiet(7, 8),
            self.endpoint.name(),
        ))
        .bind(keys)
        .bind(self.token.as_str())
        .bind(now + LEASE)
        .bind(now)
        .bind(month_to_begin_in(now))
        .bind((now + MAX_WAIT).0 * 1_000)
        .bind(minute_of_day(now))
        .bind(minute_of_day(now + 2 * MAX_WAIT))
    }

    /// (4)
    fn found(&self, keys: &str) -> Statement {
        Statement::new(
            "SELECT c.account, c.send, c.chunk, c.claimed_by IS ?2 AS claimed, c.lease_until <= ?3 AS waits, \
               CASE WHEN c.claimed_by IS ?2 THEN c.recipients END AS recipients, \
               CASE WHEN c.claimed_by IS ?2 THEN json_array_length(c.ids) END AS people, \
               CASE WHEN c.claimed_by IS ?2 THEN c.outcomes END AS outcomes, c.generation, c.form, c.first_attempt_at \
             FROM json_each(?1) k CROSS JOIN chunks c ON c.account = k.value ->> 0 AND c.send = k.value ->> 1 \
               AND c.chunk = k.value ->> 2 AND c.state = 'open'",
        )
        .bind(keys)
        .bind(self.token.as_str())
        .bind(self.claimed_at)
    }

    fn sends(&self, keys: &str) -> Statement {
        Statement::new(
            "SELECT s.account, s.id, s.messages, s.with_each, s.quiet_from, s.quiet_to FROM sends s WHERE (s.account, s.id) IN \
               (SELECT c.account, c.send FROM json_each(?1) k CROSS JOIN chunks c ON c.account = k.value ->> 0 \
                 AND c.send = k.value ->> 1 AND c.chunk = k.value ->> 2 AND c.claimed_by = ?2 AND c.state = 'open')",
        )
        .bind(keys)
        .bind(self.token.as_str())
    }

    fn rates(&self, keys: &str) -> Statement {
        Statement::compiled(format!(
            "SELECT account, next_at FROM rates WHERE endpoint = '{}' \
               AND account IN (SELECT value ->> 0 FROM json_each(?1))",
            self.endpoint.name()
        ))
        .bind(keys)
    }

    /// (5)
    fn look_again(&self, keys: &str) -> Statement {
        Statement::compiled(format!(
            "UPDATE sends AS s SET due_at = ?2 WHERE (s.account, s.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) \
               AND s.due_at IS NULL AND s.paused IS NULL AND s.state IN ('expanding', 'sending') \
               AND (s.month IS NOT ?3 OR {})",
            quiet(4, 5)
        ))
        .bind(keys)
        .bind(self.claimed_at)
        .bind(month_to_begin_in(self.claimed_at))
        .bind(minute_of_day(self.claimed_at))
        .bind(minute_of_day(self.claimed_at + 2 * MAX_WAIT))
    }
}

fn missing() -> PlatformError {
    PlatformError::Database("a statement has no outcome".to_owned())
}
