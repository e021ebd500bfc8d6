//! `POST /v1/sends/{id}/start`, `pause`, `resume`, `cancel` and `retry`: each one batch, conditional on the state, so that
//! it is safe at any moment and twice.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    SHOWN_STATE,
    create::enqueue,
    outcome::{REFUSED, UNFIT, UNRESOLVED},
    page::complete,
    settle::AFRESH,
};
use crate::{
    config::Account,
    id::SendId,
    platform::{Context, Outcome, Platform},
    store::Statement,
    time::UnixMillis,
    web::{ApiError, Fields, Reply, Request},
};

/// Does it, and answers the state as it is then.
pub async fn act<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
    action: &str,
) -> Result<Reply, ApiError> {
    let id = SendId::parse(id)?;
    let act = Act { account, id: &id, now: cx.platform.now() };
    let (from, statements) = match action {
        "start" => ("draft or scheduled", act.start()),
        "pause" => ("scheduled, expanding or sending", act.pause()),
        "resume" => ("paused", act.resume()),
        "cancel" => ("draft, scheduled, expanding, sending or paused", act.cancel()),
        "retry" => (
            "partly_failed or on its way, with recipients of the last 90 days to try again,",
            act.retry(unresolved(request)?),
        ),
        _ => return Err(ApiError::not_found("the action")),
    };
    let places = statements.len();
    let statements = statements.into_iter().chain([act.state()]).collect();
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let done = outcomes.first().is_some_and(|outcome| outcome.changes > 0);
    let state: Option<State> = outcomes.get(places).map(Outcome::first).transpose()?.flatten();
    let State { state, due_at } = state.ok_or_else(|| ApiError::not_found("the send"))?;
    if !done && !is_so_already(action, &state) {
        let description = format!("a send that is {state} cannot {action}; one that is {from} can");
        return Err(ApiError::conflict("wrong_state", description));
    }
    if due_at.is_some_and(|due_at| due_at <= act.now) {
        enqueue(cx, account, &id).await;
    }
    Ok(Reply::json(StatusCode::ACCEPTED, &json!({ "id": id, "state": state })))
}

#[derive(Deserialize)]
struct State {
    state: String,
    due_at: Option<UnixMillis>,
}

/// Whoever asks twice has what they asked for.
fn is_so_already(action: &str, state: &str) -> bool {
    match action {
        "pause" => matches!(state, "pausing" | "paused"),
        "cancel" => matches!(state, "cancelling" | "cancelled"),
        _ => false,
    }
}

/// Whether those are sent again of whom nobody knows whether they have it: `{"unresolved": true}`.
fn unresolved(request: &Request) -> Result<bool, ApiError> {
    if request.bytes().is_empty() {
        return Ok(false);
    }
    let mut fields = Fields::of(request)?;
    let unresolved = fields.said("unresolved")?.unwrap_or(false);
    fields.end()?;
    Ok(unresolved)
}

struct Act<'a> {
    account: &'a Account,
    id: &'a SendId,
    now: UnixMillis,
}

impl Act<'_> {
    /// `?1` the account, `?2` the send, `?3` now.
    fn with(&self, sql: impl Into<String>) -> Statement {
        Statement::compiled(sql.into()).bind(&self.account.id).bind(self.id).bind(self.now)
    }

    fn state(&self) -> Statement {
        Statement::compiled(format!(
            "SELECT {SHOWN_STATE}, CASE WHEN s.paused IS NULL THEN s.due_at END AS due_at FROM sends s \
             WHERE s.account = ?1 AND s.id = ?2"
        ))
        .bind(&self.account.id)
        .bind(self.id)
    }

    /// A draft begins, at its time if that is still to come; a scheduled one begins now.
    fn start(&self) -> Vec<Statement> {
        vec![self.with(
            "UPDATE sends SET due_at = CASE WHEN state = 'draft' AND scheduled_at > ?3 THEN scheduled_at ELSE ?3 END, \
               state = CASE WHEN state = 'draft' AND scheduled_at > ?3 THEN 'scheduled' ELSE 'expanding' END, paused = NULL \
             WHERE account = ?1 AND id = ?2 AND state IN ('draft', 'scheduled')",
        )]
    }

    /// Nothing new begins. What LINE may have is repeated until its outcome is known: until then it is `pausing`.
    fn pause(&self) -> Vec<Statement> {
        vec![self.with(
            "UPDATE sends SET paused = 'api', due_at = CASE state WHEN 'scheduled' THEN due_at ELSE ?3 END \
             WHERE account = ?1 AND id = ?2 AND paused IS NULL AND state IN ('scheduled', 'expanding', 'sending')",
        )]
    }

    /// What is open goes on the queue afresh, once it is reserved for this month.
    fn resume(&self) -> Vec<Statement> {
        vec![self.with(
            "UPDATE sends SET paused = NULL, month = CASE state WHEN 'scheduled' THEN month END, \
               due_at = CASE state WHEN 'scheduled' THEN coalesce(due_at, scheduled_at, ?3) ELSE ?3 END, \
               released = coalesce((SELECT min(c.chunk) FROM chunks c INDEXED BY chunks_open \
                 WHERE c.account = ?1 AND c.send = ?2 AND c.state = 'open'), released) \
             WHERE account = ?1 AND id = ?2 AND paused IS NOT NULL AND state IN ('scheduled', 'expanding', 'sending')",
        )]
    }

    /// What LINE does not have is not sent. What it may have is repeated until its outcome is known: until then it is
    /// `cancelling`.
    fn cancel(&self) -> Vec<Statement> {
        vec![
            self.with(
                "UPDATE sends SET paused = NULL, due_at = NULL, \
                   ended_at = CASE WHEN state IN ('draft', 'scheduled') THEN ?3 END, \
                   state = CASE WHEN state IN ('draft', 'scheduled') THEN 'cancelled' ELSE 'cancelling' END \
                 WHERE account = ?1 AND id = ?2 AND state IN ('draft', 'scheduled', 'expanding', 'sending')",
            ),
            Statement::new(
                "UPDATE chunks SET state = 'cancelled' WHERE account = ?1 AND send = ?2 AND chunk >= 0 AND state = 'open' \
                   AND first_attempt_at IS NULL AND EXISTS (SELECT 1 FROM sends s WHERE s.account = ?1 AND s.id = ?2 \
                     AND s.state = 'cancelling')",
            )
            .bind(&self.account.id)
            .bind(self.id),
            complete(&[(&self.account.id, self.id)], self.now),
        ]
    }

    /// Whoever failed is tried again, filtered anew, under the keys of the next generation; whoever is unresolved only if
    /// that is asked for, for they may have it already. What is tried again is reserved again, and its receipts are gone. Who has
    /// none was erased since; of chunks whose recipients are forgotten nothing is tried again.
    fn retry(&self, unresolved: bool) -> Vec<Statement> {
        let (failures, codes) = if unresolved {
            ("c.refused + c.unfit + c.unresolved", format!("{REFUSED}, {UNFIT}, {UNRESOLVED}"))
        } else {
            ("c.refused + c.unfit", format!("{REFUSED}, {UNFIT}"))
        };
        let chunks = format!(
            "c.account = ?1 AND c.send = ?2 AND c.chunk >= 0 AND c.state IN ('accepted', 'failed', 'unresolved') \
               AND {failures} > 0 AND c.line_users <> '[]'"
        );
        let failed = format!(
            "SELECT j.value FROM json_each(c.line_users) j WHERE EXISTS (SELECT 1 FROM receipts r, sends s \
               WHERE s.account = ?1 AND s.id = ?2 AND r.account = ?1 AND r.line_user = j.value AND r.at > 0 \
                 AND r.send = s.number AND r.outcome IN ({codes}))"
        );
        let forgiven = if unresolved { ", unresolved = 0" } else { "" };
        vec![
            self.with(format!(
                "UPDATE sends SET state = CASE state WHEN 'partly_failed' THEN 'sending' ELSE state END, ended_at = NULL, \
                   month = NULL, due_at = ?3, granted = CASE state WHEN 'partly_failed' THEN settled ELSE granted END, \
                   settled = settled - (SELECT coalesce(sum({failures}), 0) FROM chunks c WHERE {chunks}), \
                   released = min(released, (SELECT min(c.chunk) FROM chunks c WHERE {chunks})) \
                 WHERE account = ?1 AND id = ?2 AND state IN ('partly_failed', 'sending', 'expanding') \
                   AND EXISTS (SELECT 1 FROM chunks c WHERE {chunks})"
            )),
            self.with(format!(
                "UPDATE chunks AS c SET state = 'open', rest = (SELECT json_group_array(value) FROM ({failed})), {AFRESH}, \
                   refused = 0, unfit = 0{forgiven}, lease_until = 0, due_at = ?3, reason = NULL, claimed_by = 'retry' \
                 WHERE {chunks} AND EXISTS (SELECT 1 FROM sends s WHERE s.account = ?1 AND s.id = ?2 AND s.due_at = ?3 \
                     AND s.state IN ('sending', 'expanding'))"
            )),
            Statement::compiled(format!(
                "DELETE FROM receipts WHERE (account, line_user, at, send) IN (SELECT r.account, r.line_user, r.at, r.send \
                   FROM sends s CROSS JOIN chunks c ON c.account = ?1 AND c.send = ?2 AND c.state = 'open' \
                     AND c.claimed_by = 'retry' CROSS JOIN json_each(c.rest) j \
                   CROSS JOIN receipts r ON r.account = ?1 AND r.line_user = j.value AND r.at > 0 AND r.send = s.number \
                     AND r.outcome IN ({codes}) \
                   WHERE s.account = ?1 AND s.id = ?2)"
            ))
            .bind(&self.account.id)
            .bind(self.id),
            Statement::new(
                "UPDATE chunks SET claimed_by = NULL, erased = targeted - json_array_length(rest) - (accepted + blocked + unlinked \
                   + capped + recent + unknown + refused + unfit + unresolved) \
                 WHERE account = ?1 AND send = ?2 AND chunk >= 0 AND state = 'open' AND claimed_by = 'retry'",
            )
            .bind(&self.account.id)
            .bind(self.id),
        ]
    }
}
