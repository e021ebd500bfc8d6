//! Chunks are released and put on the queue, two seconds' worth of LINE's rate ahead.

use serde::Deserialize;

use super::{
    advance::{Advance, LEASE, Standing},
    deliver::retry,
};
use crate::{
    config::{FrequencyCap, Quiet},
    platform::{Outcome, Platform, PlatformError},
    store::{Disposition, Job, Statement},
    time::SECOND,
};

/// How soon a send comes again, in milliseconds, a little less than the second by which its job is delayed.
const NEXT: i64 = 900;

/// Chunks that a send may have on their way, however many sends there are: what one consumer takes.
const FEWEST: i64 = 6;

/// What is on its way.
pub(super) struct Ahead {
    /// Chunks of the send that were released and are open.
    open: i64,
    /// Sends of the account that share what may be on its way.
    sends: i64,
    /// Chunks that come next.
    next: Vec<i64>,
}

impl Ahead {
    pub(super) fn read(looked: &[Outcome]) -> Result<Self, PlatformError> {
        #[derive(Deserialize)]
        struct Open {
            open: i64,
            sends: i64,
        }
        #[derive(Deserialize)]
        struct Next {
            chunk: i64,
        }
        let open: Option<Open> = looked.first().map(Outcome::first).transpose()?.flatten();
        let next: Vec<Next> = looked.get(1).map(Outcome::rows).transpose()?.unwrap_or_default();
        let (open, sends) = open.map_or((0, 1), |open| (open.open, open.sends));
        Ok(Self { open, sends, next: next.into_iter().map(|next| next.chunk).collect() })
    }
}

impl<P: Platform> Advance<'_, P> {
    /// What is on its way of the send, and which chunks come next; read by [`Ahead::read`].
    pub(super) fn look(&self, standing: &Standing) -> Vec<Statement> {
        let about = |sql: String| {
            let about = Statement::compiled(sql).bind(&self.account.id).bind(self.send);
            about.bind(standing.released)
        };
        vec![
            about(
                "SELECT count(*) AS open, (SELECT count(*) FROM sends s INDEXED BY sends_active WHERE s.account = ?1 \
                   AND s.number > 0 AND s.state IN ('expanding', 'sending', 'cancelling') AND s.paused IS NULL \
                   AND coalesce(s.due_at, 0) <= ?4) AS sends \
                 FROM chunks INDEXED BY chunks_open WHERE account = ?1 AND send = ?2 AND state = 'open' AND chunk < ?3"
                    .to_owned(),
            )
            .bind(self.lease + LEASE),
            about(format!(
                "SELECT chunk FROM chunks WHERE account = ?1 AND send = ?2 AND chunk >= ?3 AND state = 'open' \
                 ORDER BY chunk LIMIT {}",
                standing.cut().ahead
            )),
        ]
    }

    /// Releases open chunks in their order, as many as may be on their way at once, and puts them on the queue; from then on the
    /// account's quiet hours and frequency cap of now count for them. Sends of one account that do not rest share what its channel may
    /// have ahead.
    pub(super) async fn release(
        &self,
        standing: &Standing,
        Ahead { open, sends, next }: Ahead,
        quiet: Option<Quiet>,
    ) -> Result<Disposition, PlatformError> {
        let ahead = standing.cut().ahead;
        let room = ((ahead / sends.max(1)).max(FEWEST) - open).max(0);
        let room = usize::try_from(room).unwrap_or_default();
        let all_known = i64::try_from(next.len()).is_ok_and(|length| length < ahead);
        let released = match next.get(room) {
            Some(first_left) => *first_left,
            None if all_known => standing.chunks,
            None => next.last().map_or(standing.chunks, |last| last + 1),
        };
        let is_over = standing.state == "sending" && released >= standing.chunks;
        let now = self.cx.platform.now();
        let cap = self.account.sending.frequency_cap.as_ref();
        let write = Statement::new(
            "UPDATE sends SET released = ?4, due_at = ?5, quiet_from = ?6, quiet_to = ?7, \
               cap = CASE WHEN capped IS NULL THEN ?8 ELSE cap END, \
               cap_within = CASE WHEN capped IS NULL THEN ?9 ELSE cap_within END \
             WHERE account = ?1 AND id = ?2 AND due_at = ?3 AND paused IS NULL AND state IN ('expanding', 'sending')",
        )
        .bind(&self.account.id)
        .bind(self.send)
        .bind(self.lease)
        .bind(released)
        .bind((!is_over).then_some(now + NEXT))
        .bind(quiet.map(|quiet| quiet.from))
        .bind(quiet.map(|quiet| quiet.to))
        .bind(cap.map(|cap| cap.messages))
        .bind(cap.map(FrequencyCap::within));
        if self.cx.platform.one(&self.account.database, write).await?.changes == 0 {
            return Ok(Disposition::Done);
        }
        let job = |chunk: &i64| {
            let (account, send, chunk) = (self.account.id.clone(), self.send.clone(), *chunk);
            match standing.personal {
                Some(_) => Job::Push { account, send, chunk },
                None => Job::Deliver { account, send, chunk },
            }
        };
        let jobs: Vec<Job> = next.iter().take(room).map(job).collect();
        if !jobs.is_empty() {
            self.cx.platform.enqueue(&jobs).await?;
        }
        Ok(if is_over { Disposition::Done } else { retry(SECOND) })
    }
}
