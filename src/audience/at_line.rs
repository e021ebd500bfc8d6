//! An audience as LINE has it: found, waited for, deleted.

use super::{
    SOON,
    upload::{Answered, Job, Row},
};
use crate::{
    line::audience as line,
    platform::{Platform, PlatformError},
    secret::SecretText,
    time::DAY,
};

/// LINE may work for hours; then it is given up, in milliseconds.
const WORKS_AT_MOST: i64 = 2 * DAY;

/// LINE keeps an audience for 180 days; ours go before, in milliseconds.
const KEPT: i64 = 170 * DAY;

/// What LINE has under an audience's description.
pub(super) enum Found {
    Group(i64),
    Nothing,
    NoAnswer,
}

impl<P: Platform> Job<'_, P> {
    /// Whether LINE made it.
    pub(super) async fn find(&self, row: &Row, token: &SecretText) -> Result<Found, PlatformError> {
        let description = self.description(row);
        let Answered::Taken(answer) =
            self.call(line::find(&self.cx.settings.line, token, self.id.as_str())).await
        else {
            return Ok(Found::NoAnswer);
        };
        let Some(groups) = answer.json::<line::Groups>() else { return Ok(Found::NoAnswer) };
        let group = groups.audience_groups.into_iter().find(|group| group.description == description);
        Ok(group.map_or(Found::Nothing, |group| Found::Group(group.audience_group_id)))
    }

    pub(super) async fn wait(&self, row: &Row, token: &SecretText) -> Result<(), PlatformError> {
        let Some(group) = row.group_id else {
            return self.fail("LINE has no such audience".to_owned()).await;
        };
        let shown = match self.call(line::get(&self.cx.settings.line, token, group)).await {
            Answered::Taken(answer) => answer.json::<line::Shown>(),
            Answered::Refused(words) => return self.fail(words).await,
            Answered::Later => None,
        };
        let Some(line::Shown { audience_group, jobs }) = shown else { return self.later(SOON).await };
        let is_worked_through =
            jobs.iter().all(|job| matches!(job.job_status.as_str(), "FINISHED" | "FAILED"));
        match audience_group.status.as_str() {
            "READY" if is_worked_through => {
                let values = vec![audience_group.audience_count.into(), (row.created_at + KEPT).into()];
                self.write("state = 'ready', line_count = ?4, due_at = ?5", values).await.map(|_| ())
            }
            "FAILED" | "EXPIRED" | "INACTIVE" => {
                let failed = audience_group.failed_type.unwrap_or(audience_group.status);
                self.fail(format!("LINE says: {failed}")).await
            }
            _ if self.now - row.created_at > WORKS_AT_MOST => {
                self.fail("LINE worked at it for two days".to_owned()).await
            }
            _ => self.later(super::patience(self.now - row.created_at)).await,
        }
    }

    pub(super) async fn delete(&self, row: &Row, token: &SecretText) -> Result<(), PlatformError> {
        let group = match row.group_id {
            None if row.asked == 1 => match self.find(row, token).await? {
                Found::Group(group) => Some(group),
                Found::Nothing => None,
                Found::NoAnswer => return self.later(SOON).await,
            },
            group => group,
        };
        if let Some(group) = group {
            let answer = self.cx.platform.fetch(line::delete(&self.cx.settings.line, token, group)).await;
            if !answer.is_ok_and(|answer| answer.status.is_success() || line::is_gone(&answer)) {
                return self.later(SOON).await;
            }
            // A call without an answer may have made another of this name.
            match self.find(row, token).await? {
                Found::Group(other) if other != group => {
                    return self
                        .write("group_id = ?4, due_at = ?5", vec![other.into(), (self.now + SOON).into()])
                        .await
                        .map(|_| ());
                }
                Found::NoAnswer => return self.later(SOON).await,
                _ => {}
            }
        }
        let state = if row.reason.is_some() { "failed" } else { "deleted" };
        self.write("state = ?4, due_at = NULL", vec![state.into()]).await.map(|_| ())
    }
}
