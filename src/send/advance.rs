//! A send moves on: it begins, reserves what it costs, is expanded page by page, and its chunks go on the queue, two
//! seconds' worth of LINE's rate ahead.
//!
//! (1) The send is taken, until `due_at`: of jobs that come twice, one goes on. (2) In quiet hours, and as a month ends, it
//! waits. (3) What it costs is reserved for this month, or it pauses. (4) The next page, conditional on the place where the
//! one before ended: a repeated job continues from the stored row and can neither skip nor double. (5) As many chunks as fit
//! are released and put on the queue. (6) While something remains, the job comes again.

use serde::Deserialize;

use super::{
    Cut, MULTICAST, PERSONAL,
    audience::Audience,
    claim::month_to_begin_in,
    deliver::retry,
    page::{Place, complete},
};
use crate::{
    config::{self, Account, Quiet, QuietHours},
    id::{AccountId, SendId},
    platform::{Context, Outcome, Platform, PlatformError},
    quota::{self, Reserved},
    store::{Disposition, Job, Statement},
    time::{MINUTE, SECOND, UnixMillis, end_of_japanese_month},
};

/// How long one job has a send, in milliseconds: longer than asking LINE takes.
const LEASE: i64 = MINUTE;

/// How soon it comes again, in milliseconds, a little less than the second by which its job is delayed.
const NEXT: i64 = 900;

/// Chunks that a send may have on their way, however many sends there are: what one consumer takes.
const FEWEST: i64 = 6;

/// A send as it stands.
#[derive(Debug, Deserialize)]
struct Standing {
    state: String,
    audience: String,
    started_at: Option<UnixMillis>,
    quiet: Option<String>,
    expanded_to: i64,
    chunks: i64,
    released: i64,
    granted: i64,
    targeted: i64,
    month: Option<i64>,
    personal: Option<String>,
}

impl Standing {
    fn cut(&self) -> Cut {
        if self.personal.is_some() { PERSONAL } else { MULTICAST }
    }
}

/// One job's hold on a send.
struct Advance<'a, P> {
    cx: Context<'a, P>,
    account: &'a Account,
    send: &'a SendId,
    /// `due_at` while this job has it.
    lease: UnixMillis,
}

/// Moves a send on; what fails is found by cron when the hold is over.
pub async fn advance<P: Platform>(cx: Context<'_, P>, account: &AccountId, send: &SendId) -> Disposition {
    match go(cx, account, send).await {
        Ok(disposition) => disposition,
        Err(error) => {
            cx.log_failure("send_advance", &error);
            retry(LEASE + SECOND)
        }
    }
}

async fn go<P: Platform>(
    cx: Context<'_, P>,
    account: &AccountId,
    send: &SendId,
) -> Result<Disposition, PlatformError> {
    let Some(account) = config::account_by_id(cx, account).await? else { return Ok(Disposition::Done) };
    // (1)
    let now = cx.platform.now();
    let hold = Advance { cx, account: &account, send, lease: now + LEASE };
    let Some(mut standing) = hold.take(now).await? else { return Ok(Disposition::Done) };
    if standing.started_at.is_none() && !hold.begin(&mut standing, now).await? {
        return Ok(Disposition::Done);
    }
    // (2)
    let quiet = hold.quiet(standing.quiet.as_deref())?;
    if let Some(until) = rests_until(quiet, now) {
        hold.rest(quiet, until).await?;
        return Ok(Disposition::Done);
    }
    // (3)
    if !hold.reserve(&standing, now).await? {
        return Ok(Disposition::Done);
    }
    // (4)
    if standing.state == "expanding" && standing.chunks - standing.released < standing.cut().ahead {
        let Some(after) = hold.page(standing, now).await? else { return Ok(Disposition::Done) };
        standing = after;
        if standing.targeted > standing.granted && !hold.reserve(&standing, now).await? {
            return Ok(Disposition::Done);
        }
    }
    // (5) (6)
    hold.release(&standing, quiet).await
}

/// Until when nothing may begin: the end of quiet hours, or of a month.
fn rests_until(quiet: Option<Quiet>, now: UnixMillis) -> Option<UnixMillis> {
    let quiet = quiet.and_then(|quiet| quiet.ends_after(now).or_else(|| quiet.ends_after(now + 2 * SECOND)));
    let month = month_to_begin_in(now).is_none().then(|| end_of_japanese_month(now));
    quiet.or(month)
}

/// What a job needs to know of a send.
const STANDING: &str =
    "state, audience, started_at, quiet, expanded_to, chunks, released, granted, targeted, month, personal";

impl<P: Platform> Advance<'_, P> {
    async fn take(&self, now: UnixMillis) -> Result<Option<Standing>, PlatformError> {
        let take = Statement::compiled(format!(
            "UPDATE sends INDEXED BY sends_by_id SET due_at = ?4, \
               state = CASE state WHEN 'scheduled' THEN 'expanding' ELSE state END \
             WHERE account = ?1 AND id = ?2 AND due_at <= ?3 AND paused IS NULL \
               AND state IN ('scheduled', 'expanding', 'sending') RETURNING {STANDING}"
        ))
        .bind(&self.account.id)
        .bind(self.send)
        .bind(now)
        .bind(self.lease);
        self.cx.platform.one(&self.account.database, take).await?.first()
    }

    /// The send begins, with its segment's rule as it is now. A segment that is gone pauses it.
    async fn begin(&self, standing: &mut Standing, now: UnixMillis) -> Result<bool, PlatformError> {
        #[derive(Deserialize)]
        struct Begun {
            audience: String,
            paused: Option<String>,
        }
        let begin = Statement::new(
            "UPDATE sends SET started_at = CASE WHEN segment IS NULL OR EXISTS (SELECT 1 FROM segments g \
                 WHERE g.account = ?1 AND g.id = sends.segment) THEN ?4 END, \
               audience = CASE WHEN segment IS NULL THEN audience ELSE coalesce((SELECT json_object('rule', json(g.rule)) \
                 FROM segments g WHERE g.account = ?1 AND g.id = sends.segment), audience) END, \
               paused = CASE WHEN segment IS NOT NULL AND NOT EXISTS (SELECT 1 FROM segments g \
                 WHERE g.account = ?1 AND g.id = sends.segment) THEN 'segment_gone' END \
             WHERE account = ?1 AND id = ?2 AND due_at = ?3 AND paused IS NULL RETURNING audience, paused",
        )
        .bind(&self.account.id)
        .bind(self.send)
        .bind(self.lease)
        .bind(now);
        let frozen: Option<Begun> = self.cx.platform.one(&self.account.database, begin).await?.first()?;
        let Some(Begun { audience, paused: None }) = frozen else { return Ok(false) };
        standing.audience = audience;
        Ok(true)
    }

    /// The quiet hours that count for the send: its own, or the account's.
    fn quiet(&self, own: Option<&str>) -> Result<Option<Quiet>, PlatformError> {
        let Some(own) = own else {
            return Ok(self.account.sending.quiet_hours.as_ref().and_then(QuietHours::in_utc));
        };
        let own: Option<QuietHours> =
            serde_json::from_str(own).map_err(|e| PlatformError::Stored(format!("quiet hours: {e}")))?;
        Ok(own.as_ref().and_then(QuietHours::in_utc))
    }

    /// Nothing begins until then; what is open is put on the queue afresh afterwards.
    async fn rest(&self, quiet: Option<Quiet>, until: UnixMillis) -> Result<(), PlatformError> {
        let rest = Statement::new(
            "UPDATE sends SET due_at = ?4, quiet_from = ?5, quiet_to = ?6, released = coalesce((SELECT min(c.chunk) \
               FROM chunks c INDEXED BY chunks_open WHERE c.account = ?1 AND c.send = ?2 AND c.state = 'open'), released) \
             WHERE account = ?1 AND id = ?2 AND due_at = ?3",
        )
        .bind(&self.account.id)
        .bind(self.send)
        .bind(self.lease)
        .bind(until)
        .bind(quiet.map(|quiet| quiet.from))
        .bind(quiet.map(|quiet| quiet.to));
        self.cx.platform.one(&self.account.database, rest).await?;
        Ok(())
    }

    /// Whether the send has reserved what it costs, as far as that is known; else it is paused now.
    async fn reserve(&self, standing: &Standing, now: UnixMillis) -> Result<bool, PlatformError> {
        #[derive(Deserialize)]
        struct Row {
            count: i64,
        }
        if standing.month == month_to_begin_in(now) && standing.targeted <= standing.granted {
            return Ok(true);
        }
        let count = if standing.state == "expanding" {
            let audience = Audience::read(&standing.audience)?.select(&self.account.id, now, 0)?;
            let row: Option<Row> =
                self.cx.platform.one(&self.account.database, audience.count()).await?.first()?;
            row.map_or(0, |row| row.count)
        } else {
            0
        };
        let messages = count.max(standing.targeted);
        Ok(quota::reserve(self.cx, self.account, self.send, messages).await? == Reserved::Yes)
    }

    /// Freezes the next page. A send whose last page left nothing to do is complete in the same batch. None if somebody
    /// else moved it on, or ended or paused it.
    async fn page(&self, standing: Standing, now: UnixMillis) -> Result<Option<Standing>, PlatformError> {
        let audience =
            Audience::read(&standing.audience)?.select(&self.account.id, now, standing.expanded_to)?;
        let (after, chunks) = (standing.expanded_to, standing.chunks);
        let size = standing.cut().chunk;
        let place = Place { account: &self.account.id, send: self.send, after, chunks, size };
        let read = Statement::compiled(format!(
            "SELECT {STANDING} FROM sends WHERE account = ?1 AND id = ?2 AND due_at = ?3 AND paused IS NULL \
               AND state IN ('expanding', 'sending')"
        ))
        .bind(&self.account.id)
        .bind(self.send)
        .bind(self.lease);
        let sends = [(&self.account.id, self.send)];
        let statements = vec![place.freeze(&audience, now), place.move_on(), complete(&sends, now), read];
        let outcomes = self.cx.platform.batch(&self.account.database, statements).await?;
        Ok(outcomes.get(3).map(Outcome::first).transpose()?.flatten())
    }

    /// Releases open chunks in their order, as many as may be on their way at once, and puts them on the queue. Sends of one
    /// account share what its channel may have ahead.
    async fn release(&self, standing: &Standing, quiet: Option<Quiet>) -> Result<Disposition, PlatformError> {
        #[derive(Deserialize)]
        struct Open {
            open: i64,
            sends: i64,
        }
        #[derive(Deserialize)]
        struct Next {
            chunk: i64,
        }
        let ahead = standing.cut().ahead;
        let about = |sql: String| {
            let about = Statement::compiled(sql).bind(&self.account.id).bind(self.send);
            about.bind(standing.released)
        };
        let look = vec![
            about(
                "SELECT count(*) AS open, (SELECT count(*) FROM sends s INDEXED BY sends_active WHERE s.account = ?1 \
                   AND s.number > 0 AND s.state IN ('expanding', 'sending', 'cancelling') AND s.paused IS NULL) AS sends \
                 FROM chunks INDEXED BY chunks_open WHERE account = ?1 AND send = ?2 AND state = 'open' AND chunk < ?3"
                    .to_owned(),
            ),
            about(format!(
                "SELECT chunk FROM chunks WHERE account = ?1 AND send = ?2 AND chunk >= ?3 AND state = 'open' \
                 ORDER BY chunk LIMIT {ahead}"
            )),
        ];
        let outcomes = self.cx.platform.batch(&self.account.database, look).await?;
        let open: Option<Open> = outcomes.first().map(Outcome::first).transpose()?.flatten();
        let next: Vec<Next> = outcomes.get(1).map(Outcome::rows).transpose()?.unwrap_or_default();
        let room = open.map_or(0, |open| (ahead / open.sends.max(1)).max(FEWEST) - open.open).max(0);
        let room = usize::try_from(room).unwrap_or_default();
        let all_known = i64::try_from(next.len()).is_ok_and(|length| length < ahead);
        let released = match next.get(room) {
            Some(first_left) => first_left.chunk,
            None if all_known => standing.chunks,
            None => next.last().map_or(standing.chunks, |last| last.chunk + 1),
        };
        let is_over = standing.state == "sending" && released >= standing.chunks;
        let now = self.cx.platform.now();
        let write = Statement::new(
            "UPDATE sends SET released = ?4, due_at = ?5, quiet_from = ?6, quiet_to = ?7 \
             WHERE account = ?1 AND id = ?2 AND due_at = ?3 AND paused IS NULL AND state IN ('expanding', 'sending')",
        )
        .bind(&self.account.id)
        .bind(self.send)
        .bind(self.lease)
        .bind(released)
        .bind((!is_over).then_some(now + NEXT))
        .bind(quiet.map(|quiet| quiet.from))
        .bind(quiet.map(|quiet| quiet.to));
        if self.cx.platform.one(&self.account.database, write).await?.changes == 0 {
            return Ok(Disposition::Done);
        }
        let job = |next: &Next| {
            let (account, send, chunk) = (self.account.id.clone(), self.send.clone(), next.chunk);
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
