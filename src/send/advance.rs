//! A send moves on: it begins, reserves what it costs, is expanded page by page, and its chunks are released.
//!
//! (1) The send is taken, until `due_at`: of jobs that come twice, one goes on. One whose rule is not taken any more pauses. (2) In quiet hours, and as a month ends, it
//! waits. (3) What it costs is reserved for this month, or it pauses. (4) The next page, conditional on the place where the
//! one before ended: a repeated job continues from the stored row and can neither skip nor double. (5) As many chunks as fit
//! are released (`release.rs`), and while something remains, the job comes again.

use serde::Deserialize;

use super::{
    Cut, MULTICAST, PERSONAL,
    audience::Audience,
    deliver::retry,
    page::{Place, complete},
    release::Ahead,
    rest::{month_to_begin_in, rests_until},
};
use crate::{
    config::{self, Account, Quiet, QuietHours},
    id::{AccountId, SendId},
    platform::{Context, Outcome, Platform, PlatformError},
    quota::{self, Reserved},
    rule,
    store::{Disposition, Statement},
    time::{MINUTE, SECOND, UnixMillis},
};

/// How long one job has a send, in milliseconds: longer than asking LINE takes.
pub(super) const LEASE: i64 = MINUTE;

/// A send as it stands.
#[derive(Debug, Deserialize)]
pub(super) struct Standing {
    pub(super) state: String,
    audience: String,
    started_at: Option<UnixMillis>,
    quiet: Option<String>,
    expanded_to: i64,
    pub(super) chunks: i64,
    pub(super) released: i64,
    granted: i64,
    targeted: i64,
    month: Option<i64>,
    pub(super) personal: Option<String>,
}

impl Standing {
    pub(super) fn cut(&self) -> Cut {
        if self.personal.is_some() { PERSONAL } else { MULTICAST }
    }
}

/// One job's hold on a send.
pub(super) struct Advance<'a, P> {
    pub(super) cx: Context<'a, P>,
    pub(super) account: &'a Account,
    pub(super) send: &'a SendId,
    /// `due_at` while this job has it.
    pub(super) lease: UnixMillis,
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
    let mut audience = None;
    if standing.state == "expanding" {
        let Ok(selected) = Audience::read(&standing.audience)?.select(&account.id, now) else {
            hold.pause("rule_refused").await?;
            return Ok(Disposition::Done);
        };
        audience = Some(selected);
    }
    // (2)
    let quiet = hold.quiet(standing.quiet.as_deref())?;
    if let Some(until) = rests_until(quiet, now) {
        hold.rest(quiet, until).await?;
        return Ok(Disposition::Done);
    }
    // (3)
    if !hold.reserve(&standing, audience.as_ref(), now).await? {
        return Ok(Disposition::Done);
    }
    // (4)
    let has_room = standing.chunks - standing.released < standing.cut().ahead;
    let ahead = if let Some(audience) = audience.filter(|_| has_room) {
        let page = hold.page(&standing, audience.clone(), now).await?;
        let Some((after, ahead)) = page else { return Ok(Disposition::Done) };
        standing = after;
        if standing.targeted > standing.granted && !hold.reserve(&standing, Some(&audience), now).await? {
            return Ok(Disposition::Done);
        }
        ahead
    } else {
        Ahead::read(&cx.platform.batch(&account.database, hold.look(&standing)).await?)?
    };
    // (5)
    hold.release(&standing, ahead, quiet).await
}

/// What a job needs to know of a send.
const STANDING: &str =
    "state, audience, started_at, quiet, expanded_to, chunks, released, granted, targeted, month, personal";

impl<P: Platform> Advance<'_, P> {
    /// Takes the send. One that has not begun begins, with its segment's rule as it is now; a segment that is gone pauses it.
    async fn take(&self, now: UnixMillis) -> Result<Option<Standing>, PlatformError> {
        #[derive(Deserialize)]
        struct Begun {
            audience: String,
            paused: Option<String>,
        }
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
        let begin = Statement::new(
            "UPDATE sends SET started_at = CASE WHEN segment IS NULL OR EXISTS (SELECT 1 FROM segments g \
                 WHERE g.account = ?1 AND g.id = sends.segment) THEN ?4 END, \
               audience = CASE WHEN segment IS NULL THEN audience ELSE coalesce((SELECT json_object('rule', json(g.rule)) \
                 FROM segments g WHERE g.account = ?1 AND g.id = sends.segment), audience) END, \
               paused = CASE WHEN segment IS NOT NULL AND NOT EXISTS (SELECT 1 FROM segments g \
                 WHERE g.account = ?1 AND g.id = sends.segment) THEN 'segment_gone' END \
             WHERE account = ?1 AND id = ?2 AND due_at = ?3 AND started_at IS NULL AND paused IS NULL \
             RETURNING audience, paused",
        )
        .bind(&self.account.id)
        .bind(self.send)
        .bind(self.lease)
        .bind(now);
        let outcomes = self.cx.platform.batch(&self.account.database, vec![take, begin]).await?;
        let standing: Option<Standing> = outcomes.first().map(Outcome::first).transpose()?.flatten();
        let started: Option<Begun> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
        Ok(match (standing, started) {
            (Some(standing), Some(Begun { audience, paused: None })) => {
                Some(Standing { audience, ..standing })
            }
            (Some(standing), None) if standing.started_at.is_some() => Some(standing),
            _ => None,
        })
    }

    async fn pause(&self, why: &'static str) -> Result<(), PlatformError> {
        let pause = Statement::new(
            "UPDATE sends SET paused = ?4, due_at = NULL WHERE account = ?1 AND id = ?2 AND due_at = ?3 AND paused IS NULL",
        );
        let pause = pause.bind(&self.account.id).bind(self.send).bind(self.lease).bind(why);
        self.cx.platform.one(&self.account.database, pause).await?;
        Ok(())
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
    async fn reserve(
        &self,
        standing: &Standing,
        audience: Option<&rule::Audience>,
        now: UnixMillis,
    ) -> Result<bool, PlatformError> {
        if standing.month == month_to_begin_in(now) && standing.targeted <= standing.granted {
            return Ok(true);
        }
        let count = audience.filter(|_| standing.state == "expanding").map(rule::Audience::count);
        let reserved = quota::reserve(self.cx, self.account, self.send, standing.targeted, count).await?;
        Ok(reserved == Reserved::Yes)
    }

    /// Freezes the next page, and looks at what may be released. A send whose last page left nothing to do is complete in the
    /// same batch. None if somebody else moved it on, or ended or paused it.
    async fn page(
        &self,
        standing: &Standing,
        audience: rule::Audience,
        now: UnixMillis,
    ) -> Result<Option<(Standing, Ahead)>, PlatformError> {
        let audience = audience.after(standing.expanded_to);
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
        let mut statements = self.look(standing);
        let looks = statements.len();
        statements.splice(0..0, [place.freeze(&audience, now), place.move_on(), complete(&sends, now), read]);
        let outcomes = self.cx.platform.batch(&self.account.database, statements).await?;
        let (paged, looked) = outcomes.split_at(outcomes.len().saturating_sub(looks));
        let after: Option<Standing> = paged.last().map(Outcome::first).transpose()?.flatten();
        after.map(|after| Ok((after, Ahead::read(looked)?))).transpose()
    }
}
