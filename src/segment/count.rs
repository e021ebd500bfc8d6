//! `POST /v1/segments/count`: whom a rule is true of, who of them is reached, and what a send to them would cost.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Meant, cost};
use crate::{
    config::Account,
    platform::{Context, Platform},
    rule, selection,
    web::{ApiError, Reply, Request},
};

/// Those of whom the rule is true.
#[derive(Deserialize, Default)]
struct Figures {
    reachable: i64,
    blocked: i64,
    not_friends: i64,
    not_linked: i64,
}

/// (1) The rule; (2) one batch counts, so that all figures are of one moment; (3) what it would cost.
pub async fn count<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let Meant { rule, segment } = request.json()?;
    let rule = selection::meant(cx, account, rule, segment.as_deref()).await?;
    // (2)
    let now = cx.platform.now();
    let outcomes = cx.platform.batch(&account.database, rule::figures(&account.id, &rule, now)).await?;
    let mut sum = Figures::default();
    for outcome in &outcomes {
        let more: Figures = outcome.first()?.unwrap_or_default();
        sum.reachable += more.reachable;
        sum.blocked += more.blocked;
        sum.not_friends += more.not_friends;
        sum.not_linked += more.not_linked;
    }
    let Figures { reachable, blocked, not_friends, not_linked } = sum;
    // (3)
    let quota = cost::month(cx, account).await;
    Ok(Reply::json(
        StatusCode::OK,
        &json!({
            "count": reachable + blocked + not_friends + not_linked,
            "reachable": reachable,
            "excluded": { "blocked": blocked, "not_friends": not_friends, "not_linked": not_linked },
            "messages": reachable,
            "yen": cost::yen(account, reachable),
            "quota": quota,
        }),
    ))
}
