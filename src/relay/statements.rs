//! What a run reads and writes. All but the first statement ask for the lease, so that a run that lost it changes nothing.

use serde::Deserialize;

use crate::{
    id::{AccountId, RelayId},
    store::Statement,
    time::UnixMillis,
};

/// A run that has, or asks for, a relay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) account: &'a AccountId,
    pub(super) relay: &'a RelayId,
    /// Random.
    pub(super) lease: &'a str,
}

/// A delivery as the ledger has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery<'a> {
    pub(super) signature: &'a str,
    pub(super) altered: u8,
    pub(super) body: &'a str,
}

/// The delivery after the cursor.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) url: String,
    pub(super) cursor: i64,
    pub(super) cursor_at: UnixMillis,
    pub(super) attempts: u32,
    pub(super) failing_since: Option<UnixMillis>,
    pub(super) seq: i64,
    pub(super) received_at: UnixMillis,
    /// Whether it is not applied yet.
    pub(super) waits: u8,
    signature: String,
    altered: u8,
    body: String,
}

impl Head {
    pub(super) fn delivery(&self) -> Delivery<'_> {
        Delivery { signature: &self.signature, altered: self.altered, body: &self.body }
    }
}

/// A dead letter that is to be tried once more.
#[derive(Debug, Deserialize)]
pub(super) struct Letter {
    pub(super) url: String,
    pub(super) seq: i64,
    // These three are null where the ledger has it no more.
    signature: Option<String>,
    altered: Option<u8>,
    body: Option<String>,
}

impl Letter {
    /// What the ledger has, if it has it still.
    pub(super) fn delivery(&self) -> Option<Delivery<'_>> {
        let (signature, body) = (self.signature.as_deref()?, self.body.as_deref()?);
        Some(Delivery { signature, altered: self.altered?, body })
    }
}

/// What became of the delivery after the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The tool has it.
    Taken,
    /// There is nothing in it any more.
    Empty,
    /// It lies among the dead letters.
    Dead,
}

impl Holder<'_> {
    fn with(self, sql: &'static str) -> Statement {
        Statement::new(sql).bind(self.account).bind(self.relay).bind(self.lease)
    }

    /// Takes up a relay that is due, or that a job was sent for.
    pub(super) fn claim(self, now: UnixMillis, until: UnixMillis) -> Statement {
        self.with(
            "UPDATE relays SET lease = ?3, due_at = ?5 WHERE account = ?1 AND id = ?2 AND paused = 0 \
               AND (due_at <= ?4 OR lease = 'woken')",
        )
        .bind(now)
        .bind(until)
    }

    /// Reads until when another run has it, as `due_at`.
    pub(super) fn held(self) -> Statement {
        self.with(
            "SELECT due_at FROM relays WHERE account = ?1 AND id = ?2 AND paused = 0 AND lease NOT IN (?3, 'woken')",
        )
    }

    /// Lets it go where there is nothing to do any more. What comes afterwards finds it so, and wakes it.
    pub(super) fn release(self, now: UnixMillis) -> Statement {
        self.with(
            "UPDATE relays SET lease = NULL, due_at = NULL, cursor_at = ?4 \
             WHERE account = ?1 AND id = ?2 AND lease = ?3 \
               AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.account = ?1 AND d.seq > relays.cursor \
                 AND d.verdict <> 'duplicate') \
               AND NOT EXISTS (SELECT 1 FROM relay_dead_letters l INDEXED BY relay_dead_letters_again \
                 WHERE l.account = ?1 AND l.relay = ?2 AND l.again = 1)",
        )
        .bind(now)
    }

    /// Lets it go for the next job, whose row this is.
    pub(super) fn hand_on(self, until: UnixMillis) -> Statement {
        self.with(
            "UPDATE relays SET lease = 'woken', due_at = ?4 WHERE account = ?1 AND id = ?2 AND lease = ?3 \
             RETURNING id AS relay_id, paused",
        )
        .bind(until)
    }

    /// Reads the [`Head`]; none if the relay is paused.
    pub(super) fn head(self) -> Statement {
        self.with(
            "SELECT r.url, r.cursor, r.cursor_at, r.attempts, r.failing_since, d.seq, d.received_at, \
               d.verdict = 'waiting' AS waits, d.signature, d.altered, d.body \
             FROM relays r CROSS JOIN webhook_deliveries d ON d.account = ?1 AND d.seq = \
               (SELECT n.seq FROM webhook_deliveries n WHERE n.account = ?1 AND n.seq > r.cursor \
                 AND n.verdict <> 'duplicate' ORDER BY n.seq LIMIT 1) \
             WHERE r.account = ?1 AND r.id = ?2 AND r.lease = ?3 AND r.paused = 0",
        )
    }

    /// Moves the cursor to a delivery that is done with. Of `gap` places before it, those that are empty count as lost. The second
    /// does it where there is nothing to do any more, and lets the relay go, as [`Holder::release`]; the first where there is,
    /// and touches no index.
    pub(super) fn moved(self, head: &Head, verdict: Verdict, gap: i64, now: UnixMillis) -> [Statement; 2] {
        [("", "cursor_at = ?5"), ("NOT", "cursor_at = ?8, lease = NULL, due_at = NULL")].map(|(more, with)| {
            Statement::compiled(format!(
                "UPDATE relays SET cursor = ?4, {with}, \
                   lost = lost + iif(?6 > 0, ?6 - (SELECT count(*) FROM webhook_deliveries \
                     WHERE account = ?1 AND seq > relays.cursor AND seq < ?4), 0), \
                   delivered = delivered + ?7, delivered_at = iif(?7, ?8, delivered_at), \
                   attempts = 0, failing_since = NULL, reason = iif(?7, NULL, reason) \
                 WHERE account = ?1 AND id = ?2 AND lease = ?3 AND {more} ( \
                   EXISTS (SELECT 1 FROM webhook_deliveries WHERE account = ?1 AND seq > ?4 AND verdict <> 'duplicate') \
                   OR EXISTS (SELECT 1 FROM relay_dead_letters INDEXED BY relay_dead_letters_again \
                     WHERE account = ?1 AND relay = ?2 AND again = 1))"
            ))
            .bind(self.account)
            .bind(self.relay)
            .bind(self.lease)
            .bind(head.seq)
            .bind(head.received_at)
            .bind(gap)
            .bind(verdict == Verdict::Taken)
            .bind(now)
        })
    }

    /// Puts off a delivery that was not taken, for 5 s, 10 s, 20 s, … up to 10 minutes; answers until when, as `due_at`.
    pub(super) fn put_off(self, reason: &str, now: UnixMillis) -> Statement {
        self.with(
            "UPDATE relays SET attempts = attempts + 1, failing_since = coalesce(failing_since, ?4), reason = ?5, \
               lease = NULL, due_at = ?4 + min(600000, 5000 << min(attempts, 7)) \
             WHERE account = ?1 AND id = ?2 AND lease = ?3 RETURNING due_at",
        )
        .bind(now)
        .bind(reason)
    }

    /// Waits, through nobody's fault.
    pub(super) fn wait(self, until: UnixMillis) -> Statement {
        self.with(
            "UPDATE relays SET lease = NULL, due_at = ?4 WHERE account = ?1 AND id = ?2 AND lease = ?3 RETURNING due_at",
        )
        .bind(until)
    }

    /// Keeps a delivery that nobody took in its time.
    pub(super) fn bury(self, head: &Head, reason: &str, now: UnixMillis) -> Statement {
        self.with(
            "INSERT INTO relay_dead_letters (account, relay, seq, reason, at) \
             SELECT account, id, ?4, ?5, ?6 FROM relays WHERE account = ?1 AND id = ?2 AND lease = ?3 \
             ON CONFLICT (account, relay, seq) DO UPDATE SET reason = excluded.reason, at = excluded.at",
        )
        .bind(head.seq)
        .bind(reason)
        .bind(now)
    }

    /// Reads the [`Letter`] that is to be tried next; none if the relay is paused.
    pub(super) fn letter(self) -> Statement {
        self.with(
            "SELECT r.url, l.seq, d.signature, d.altered, d.body FROM relays r \
             CROSS JOIN relay_dead_letters l INDEXED BY relay_dead_letters_again \
               ON l.account = ?1 AND l.relay = ?2 AND l.again = 1 \
             LEFT JOIN webhook_deliveries d ON d.account = ?1 AND d.seq = l.seq \
             WHERE r.account = ?1 AND r.id = ?2 AND r.lease = ?3 AND r.paused = 0 ORDER BY l.seq LIMIT 1",
        )
    }

    /// A letter is no more: the tool took it, or there is nothing in it.
    pub(super) fn settled(self, seq: i64, taken: bool, now: UnixMillis) -> [Statement; 2] {
        let gone = self.with(
            "DELETE FROM relay_dead_letters WHERE account = ?1 AND relay = ?2 AND seq = ?4 \
               AND EXISTS (SELECT 1 FROM relays r WHERE r.account = ?1 AND r.id = ?2 AND r.lease = ?3)",
        );
        let counted = self.with(
            "UPDATE relays SET delivered = delivered + ?4, delivered_at = iif(?4, ?5, delivered_at) \
             WHERE account = ?1 AND id = ?2 AND lease = ?3",
        );
        [gone.bind(seq), counted.bind(taken).bind(now)]
    }

    /// A letter was tried in vain.
    pub(super) fn remains(self, seq: i64, reason: &str) -> Statement {
        self.with(
            "UPDATE relay_dead_letters SET again = 0, reason = ?5 WHERE account = ?1 AND relay = ?2 AND seq = ?4 \
               AND EXISTS (SELECT 1 FROM relays r WHERE r.account = ?1 AND r.id = ?2 AND r.lease = ?3)",
        )
        .bind(seq)
        .bind(reason)
    }
}

/// Puts off a relay whose account does not open, unless somebody is at work on it.
pub(super) fn closed(
    account: &AccountId,
    relay: &RelayId,
    reason: &str,
    [now, until]: [UnixMillis; 2],
) -> Statement {
    Statement::new(
        "UPDATE relays SET lease = NULL, due_at = ?4, reason = ?5 \
         WHERE account = ?1 AND id = ?2 AND (due_at <= ?3 OR lease = 'woken')",
    )
    .bind(account)
    .bind(relay)
    .bind(now)
    .bind(until)
    .bind(reason)
}

/// A relay is gone, with what it gave up on.
pub(super) fn remove(account: &AccountId, relay: &RelayId) -> [Statement; 2] {
    [
        "DELETE FROM relay_dead_letters WHERE account = ?1 AND relay = ?2",
        "DELETE FROM relays WHERE account = ?1 AND id = ?2",
    ]
    .map(|sql| Statement::new(sql).bind(account).bind(relay))
}
