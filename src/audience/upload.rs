//! The job of an audience: uploaded page by page, waited for, deleted.
//!
//! (1) The row is taken. (2) While it is uploading: a page of ids, in the order of a key that never changes; LINE makes the audience
//! with the first and takes the others, and the place moves on when LINE has a page. A page that comes twice changes nothing, for an
//! audience is a set. Only making it is not repeatable: whether LINE did it although no answer came is asked by its description, which
//! has our id in it. (3) When all pages are in, LINE is asked until it has worked through them. (4) What is to go is deleted at LINE,
//! and then over; what failed likewise.

use http::StatusCode;
use serde::Deserialize;

use super::{SOON, at_line::Found, audience_job, enqueue, hold::Hold};
use crate::{
    config,
    id::{AccountId, AudienceId},
    line::{audience as line, messaging},
    platform::{Context, Platform, PlatformError},
    rule::{self, Rule},
    secret::SecretText,
    store::Disposition,
    time::{MINUTE, SECOND, UnixMillis},
    web::{Answer, Call},
};

/// Pages of one job: LINE takes ten at a time, and 60 calls a minute.
const PAGES: i64 = 8;

/// How long a job has a row, in milliseconds: longer than its pages take.
const HOLD: i64 = 6 * MINUTE;

#[derive(Debug, Deserialize)]
pub(super) struct Row {
    name: String,
    rule: String,
    state: String,
    pub(super) reason: Option<String>,
    pub(super) group_id: Option<i64>,
    pub(super) asked: i64,
    expanded_to: i64,
    uploaded: i64,
    pub(super) created_at: UnixMillis,
}

#[derive(Debug, Deserialize)]
struct Page {
    ids: String,
    last: Option<i64>,
    count: i64,
}

/// One job.
pub(super) type Job<'a, P> = Hold<'a, P, AudienceId>;

/// Moves an audience on. What fails is found by cron when the hold is over.
pub async fn upload<P: Platform>(cx: Context<'_, P>, account: &AccountId, id: &AudienceId) -> Disposition {
    if let Err(error) = go(cx, account, id).await {
        cx.log_failure("audience", &error);
    }
    Disposition::Done
}

async fn go<P: Platform>(
    cx: Context<'_, P>,
    account: &AccountId,
    id: &AudienceId,
) -> Result<(), PlatformError> {
    let Some(account) = config::account_by_id(cx, account).await? else { return Ok(()) };
    // (1)
    let job = Job::on("audiences", HOLD, cx, &account, id);
    // What is ready and due has been kept long enough.
    let set = ", state = CASE state WHEN 'ready' THEN 'deleting' ELSE state END";
    let row = "name, rule, state, reason, group_id, asked, expanded_to, uploaded, created_at";
    let Some(row): Option<Row> = job.take(set, row).await? else { return Ok(()) };
    let token = job.token().await?;
    match row.state.as_str() {
        // (2)
        "uploading" => job.upload(row, &token).await,
        // (3)
        "waiting" => job.wait(&row, &token).await,
        // (4)
        _ => job.delete(&row, &token).await,
    }
}

impl<P: Platform> Job<'_, P> {
    /// No more of it: what LINE has of it is deleted, and it has failed.
    pub(super) async fn fail(&self, reason: String) -> Result<(), PlatformError> {
        let values = vec![reason.into(), self.now.into()];
        if self.write("state = 'deleting', reason = ?4, due_at = ?5", values).await? {
            enqueue(self.cx, audience_job(self.account, self.id)).await;
        }
        Ok(())
    }

    async fn upload(&self, mut row: Row, token: &SecretText) -> Result<(), PlatformError> {
        if row.group_id.is_none() && row.asked == 1 {
            match self.find(&row, token).await? {
                Found::Group(group) => row.group_id = Some(group),
                Found::Nothing => {}
                Found::NoAnswer => return self.later(SOON).await,
            }
        }
        for _ in 0..PAGES {
            let page = self.page(&row).await?;
            let Some(last) = page.last else {
                return match row.uploaded {
                    0 => self.fail("nobody belongs to it".to_owned()).await,
                    _ => self.uploaded().await,
                };
            };
            if row.group_id.is_none() && !self.write("asked = 1", Vec::new()).await? {
                return Ok(());
            }
            let call =
                line::upload(&self.cx.settings.line, token, row.group_id, &self.description(&row), &page.ids);
            match self.call(call).await {
                Answered::Taken(answer) => {
                    let made = answer.json::<line::Group>().map(|group| group.audience_group_id);
                    row.group_id = row.group_id.or(made);
                }
                Answered::Later => return self.later(SOON).await,
                Answered::Refused(words) => return self.fail(words).await,
            }
            let Some(group) = row.group_id else { return self.later(SOON).await };
            (row.expanded_to, row.uploaded) = (last, row.uploaded + page.count);
            let values = vec![last.into(), row.uploaded.into(), group.into()];
            if !self.write("expanded_to = ?4, uploaded = ?5, group_id = ?6", values).await? {
                return Ok(());
            }
            if page.count < line::MAX_IDS {
                return self.uploaded().await;
            }
        }
        let now = self.cx.platform.now();
        if self.write("due_at = ?4", vec![now.into()]).await? {
            enqueue(self.cx, audience_job(self.account, self.id)).await;
        }
        Ok(())
    }

    async fn uploaded(&self) -> Result<(), PlatformError> {
        let at = self.cx.platform.now() + SOON;
        self.write("state = 'waiting', due_at = ?4", vec![at.into()]).await.map(|_| ())
    }

    /// The next ids, as LINE takes them: made inside SQL.
    async fn page(&self, row: &Row) -> Result<Page, PlatformError> {
        let stored = |e: &dyn std::fmt::Display| PlatformError::Stored(format!("rule: {e}"));
        let rule = serde_json::from_str(&row.rule).map_err(|e| stored(&e))?;
        let rule = Rule::stored(rule).map_err(|e| stored(&e))?;
        let now = self.cx.platform.now();
        let audience = rule::audience(&self.account.id, &rule, now).after(row.expanded_to);
        let subject = audience.subject();
        let page = audience.statement(format!(
            "SELECT json_group_array(json_object('id', id)) AS ids, max(line_user) AS last, count(*) AS count FROM ( \
               SELECT u.line_user_id AS id, {subject} AS line_user {} ORDER BY {subject} LIMIT {})",
            audience.clause(),
            line::MAX_IDS
        ));
        let page = self.cx.platform.one(&self.account.database, page).await?.first()?;
        page.ok_or_else(|| PlatformError::Stored("a page without a row".to_owned()))
    }

    /// What LINE calls the audience: with our id in it, so that it can be found.
    pub(super) fn description(&self, row: &Row) -> String {
        format!("{} {}", row.name, self.id)
    }

    pub(super) async fn call(&self, call: Call) -> Answered {
        let Ok(answer) = self.cx.platform.fetch(call).await else { return Answered::Later };
        match answer.status {
            status if status.is_success() => Answered::Taken(answer),
            StatusCode::UNAUTHORIZED => {
                self.cx.memory.forget_channel_token(&self.account.messaging.channel_id);
                Answered::Later
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Answered::Later,
            status if status.is_server_error() => Answered::Later,
            _ => Answered::Refused(format!("LINE says: {}", messaging::words(&answer))),
        }
    }
}

/// What LINE said to a call.
pub(super) enum Answered {
    Taken(Answer),
    /// Not now, or nobody knows.
    Later,
    Refused(String),
}

// A page is uploaded in far less, and a job's pages in the hold.
const _: () = assert!(HOLD > PAGES * 30 * SECOND);
