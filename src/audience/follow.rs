//! The job of a narrowcast: its audience is waited for, LINE is asked to send it, its progress is followed.
//!
//! (1) The row is taken. (2) Once the audience is ready, the most recipients are known: so many messages are counted as used, if so
//! many are left. (3) LINE is asked, under one retry key, the same words each time. A refusal counts only while no earlier attempt is of
//! unknown outcome; from 23 hours on nobody knows, for LINE forgets a key after 24. (4) The progress is asked for until it ends; what
//! was counted and not used is given back, and an audience that was made for this is deleted.

use http::StatusCode;
use serde::Deserialize;

use super::{SOON, hold::Hold, patience};
use crate::{
    config,
    id::{AccountId, AudienceId, NarrowcastId, retry_key},
    line::{
        audience::{self as line, Narrowcast, Progress},
        messaging::{self, Verdict},
    },
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    store::Disposition,
    time::{DAY, HOUR, MINUTE, UnixMillis},
};

/// How long a job has a row, in milliseconds.
const HOLD: i64 = 2 * MINUTE;

/// From so long after the first attempt on, LINE may have forgotten the key.
const UNRESOLVED_AFTER: i64 = 23 * HOUR;

/// LINE tells of a narrowcast for 14 days.
const TOLD_FOR: i64 = 14 * DAY;

#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) state: String,
    pub(super) audience: Option<AudienceId>,
    pub(super) filter: Option<String>,
    pub(super) wanted_max: Option<i64>,
    pub(super) max: Option<i64>,
    silent: i64,
    messages: String,
    pub(super) charged: i64,
    pub(super) charged_at: Option<UnixMillis>,
    attempts: i64,
    first_attempt_at: Option<UnixMillis>,
    request_id: Option<String>,
    accepted_at: Option<UnixMillis>,
    /// Of the audience, if there is one.
    pub(super) audience_state: Option<String>,
    group_id: Option<i64>,
    pub(super) people: i64,
}

/// A [`Row`].
const ROW: &str = "state, audience, filter, wanted_max, max, silent, messages, charged, charged_at, attempts, \
    first_attempt_at, request_id, accepted_at, \
    (SELECT a.state FROM audiences a WHERE a.account = narrowcasts.account AND a.id = narrowcasts.audience) AS audience_state, \
    (SELECT a.group_id FROM audiences a WHERE a.account = narrowcasts.account AND a.id = narrowcasts.audience) AS group_id, \
    coalesce((SELECT a.uploaded FROM audiences a WHERE a.account = narrowcasts.account \
      AND a.id = narrowcasts.audience), 0) AS people";

/// One job.
pub(super) type Job<'a, P> = Hold<'a, P, NarrowcastId>;

/// Moves a narrowcast on. What fails is found by cron when the hold is over.
pub async fn follow<P: Platform>(cx: Context<'_, P>, account: &AccountId, id: &NarrowcastId) -> Disposition {
    if let Err(error) = go(cx, account, id).await {
        cx.log_failure("narrowcast", &error);
    }
    Disposition::Done
}

async fn go<P: Platform>(
    cx: Context<'_, P>,
    account: &AccountId,
    id: &NarrowcastId,
) -> Result<(), PlatformError> {
    let Some(account) = config::account_by_id(cx, account).await? else { return Ok(()) };
    // (1)
    let job = Job::on("narrowcasts", HOLD, cx, &account, id);
    let Some(mut row): Option<Row> = job.take("", ROW).await? else { return Ok(()) };
    // (2)
    if row.state == "waiting" && !job.is_charged(&mut row).await? {
        return Ok(());
    }
    let token = job.token().await?;
    match row.state.as_str() {
        // (3)
        "sending" => job.send(row, &token).await,
        // (4)
        _ => job.progress(row, &token).await,
    }
}

impl<P: Platform> Job<'_, P> {
    async fn send(&self, row: Row, token: &SecretText) -> Result<(), PlatformError> {
        let first = row.first_attempt_at.unwrap_or(self.now);
        if self.now - first >= UNRESOLVED_AFTER {
            let words = Some("LINE did not answer for 23 hours; it may have sent it".to_owned());
            return self.end(&row, "unresolved", words, &Progress::none()).await;
        }
        // From here on LINE may have it, whatever becomes of this job.
        let set = "attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, ?4)";
        if !self.write(set, vec![self.now.into()]).await? {
            return Ok(());
        }
        let narrowcast = Narrowcast {
            group: row.group_id,
            filter: row.filter.as_deref(),
            max: row.max.unwrap_or(1),
            silent: row.silent != 0,
            messages: &row.messages,
        };
        let key = retry_key(&self.account.id, &format!("narrowcast {}", self.id));
        let answer = self.cx.platform.fetch(narrowcast.call(&self.cx.settings.line, token, &key)).await;
        let verdict = answer.map_or(Verdict::Unknown, |answer| messaging::verdict(&answer));
        let now = self.cx.platform.now();
        match verdict {
            Verdict::Accepted { request_id } => {
                let values = vec![request_id.into(), now.into(), (now + SOON).into()];
                self.write("state = 'accepted', request_id = ?4, accepted_at = ?5, due_at = ?6", values)
                    .await?;
                Ok(())
            }
            Verdict::Unknown => self.later(patience(now - first)).await,
            _ if row.attempts > 0 => self.later(patience(now - first)).await,
            Verdict::TooFast | Verdict::TokenRefused => {
                if verdict == Verdict::TokenRefused {
                    self.cx.memory.forget_channel_token(&self.account.messaging.channel_id);
                }
                let values = vec![(now + SOON).into()];
                self.write("attempts = 0, first_attempt_at = NULL, due_at = ?4", values).await.map(|_| ())
            }
            Verdict::MonthlyLimit => {
                let words = Some("LINE says: You have reached your monthly limit.".to_owned());
                self.end(&row, "failed", words, &Progress::none()).await
            }
            Verdict::Refused(words) => {
                self.end(&row, "failed", Some(format!("LINE says: {words}")), &Progress::none()).await
            }
            Verdict::UnknownRecipient(_) => {
                let words = Some("LINE named a recipient that was not sent".to_owned());
                self.end(&row, "failed", words, &Progress::none()).await
            }
        }
    }

    async fn progress(&self, row: Row, token: &SecretText) -> Result<(), PlatformError> {
        let since = self.now - row.accepted_at.unwrap_or(self.now);
        let call =
            line::progress(&self.cx.settings.line, token, row.request_id.as_deref().unwrap_or_default());
        let answer = self.cx.platform.fetch(call).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.cx.memory.forget_channel_token(&self.account.messaging.channel_id);
        }
        let progress: Option<Progress> = if answer.status.is_success() { answer.json() } else { None };
        match progress {
            Some(progress) if progress.phase == "succeeded" => self.end(&row, "done", None, &progress).await,
            Some(progress) if progress.phase == "failed" => {
                let words = progress.failed_description.clone().unwrap_or_default();
                let code = progress.error_code.unwrap_or_default();
                self.end(&row, "failed", Some(format!("LINE's error {code}: {words}")), &progress).await
            }
            _ if since >= TOLD_FOR => {
                let words = Some("LINE no longer tells how it ended".to_owned());
                self.end(&row, "unresolved", words, &Progress::none()).await
            }
            Some(progress) => {
                let at = self.cx.platform.now() + patience(since);
                let values = vec![
                    progress.target_count.into(),
                    progress.success_count.into(),
                    progress.failure_count.into(),
                    at.into(),
                ];
                self.write("target = ?4, success = ?5, failure = ?6, due_at = ?7", values).await.map(|_| ())
            }
            None => self.later(patience(since)).await,
        }
    }
}
