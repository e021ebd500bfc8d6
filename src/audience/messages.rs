//! What a narrowcast takes of the month's messages: counted before it is sent, given back as far as it was not used.

use super::{
    SOON, audience_job, enqueue,
    follow::{Job, Row},
};
use crate::{
    line::audience::{LEAST_RECIPIENTS, Progress},
    platform::{Platform, PlatformError},
    quota,
    store::{
        Statement, Value,
        audience::{ENDS, STANDS},
    },
};

impl<P: Platform> Job<'_, P> {
    /// Whether the messages are counted, and LINE may be asked now.
    pub(super) async fn is_charged(&self, row: &mut Row) -> Result<bool, PlatformError> {
        let people = match row.audience_state.as_deref() {
            Some("ready") if row.filter.is_some() && row.people < LEAST_RECIPIENTS => {
                let words = format!("with a filter LINE sends to {LEAST_RECIPIENTS} people or more");
                return self.end(row, "failed", Some(words), &Progress::none()).await.map(|()| false);
            }
            Some("ready") => row.people,
            Some("uploading" | "waiting") => return self.later(SOON).await.map(|()| false),
            // For everyone the most is said.
            None if row.audience.is_none() => row.wanted_max.unwrap_or(1),
            state => {
                let words = format!("its audience is {}", state.unwrap_or("no more"));
                return self.end(row, "failed", Some(words), &Progress::none()).await.map(|()| false);
            }
        };
        let max = row.wanted_max.map_or(people, |wanted| wanted.min(people)).max(1);
        let set = "state = 'sending', max = ?4, charged = ?4, charged_at = ?5";
        let mark = self.writing(set, vec![max.into(), self.now.into()]);
        if !quota::charge(self.cx, self.account, max, Some(mark)).await? {
            let words = Some("the month's messages, or its budget, are used up or reserved".to_owned());
            return self.end(row, "failed", words, &Progress::none()).await.map(|()| false);
        }
        "sending".clone_into(&mut row.state);
        (row.max, row.charged, row.charged_at) = (Some(max), max, Some(self.now));
        Ok(true)
    }

    /// The end: messages that were counted and not used are given back; nobody knows them used where nobody knows.
    pub(super) async fn end(
        &self,
        row: &Row,
        state: &str,
        reason: Option<String>,
        progress: &Progress,
    ) -> Result<(), PlatformError> {
        let now = self.cx.platform.now();
        let values: Vec<Value> = vec![
            state.into(),
            reason.into(),
            now.into(),
            progress.target_count.into(),
            progress.success_count.into(),
            progress.failure_count.into(),
        ];
        let set =
            "state = ?4, reason = ?5, ended_at = ?6, due_at = NULL, target = ?7, success = ?8, failure = ?9";
        let mut statements = vec![self.writing(set, values)];
        let used = if state == "unresolved" { row.charged } else { progress.success_count.unwrap_or(0) };
        if let Some(charged_at) = row.charged_at.filter(|_| used < row.charged) {
            statements.push(quota::give_back(self.account, row.charged - used, charged_at).if_changed());
        }
        if let Some(audience) = &row.audience {
            let delete = Statement::compiled(format!(
                "UPDATE audiences SET {ENDS} WHERE account = ?1 AND id = ?3 AND keep = 0 AND {STANDS} \
                   AND EXISTS (SELECT 1 FROM narrowcasts WHERE account = ?1 AND id = ?4 AND ended_at IS NOT NULL)"
            ));
            statements.push(delete.bind(&self.account.id).bind(now).bind(audience).bind(self.id));
        }
        let outcomes = self.cx.platform.batch(&self.account.database, statements).await?;
        if let (Some(audience), true) = (&row.audience, outcomes.last().is_some_and(|last| last.changes > 0))
        {
            enqueue(self.cx, audience_job(self.account, audience)).await;
        }
        Ok(())
    }
}
