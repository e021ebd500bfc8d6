//! `POST /v1/segments/count`: whom a rule is true of, who of them is reached, and what a send to them would cost.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Meant, cost};
use crate::{
    config::Account,
    platform::{Context, Outcome, Platform},
    rule, selection,
    web::{ApiError, Reply, Request},
};

#[derive(Deserialize)]
struct Reachable {
    count: i64,
}

/// Those of whom the rule is true and who are not reached.
#[derive(Deserialize, Default)]
struct LeftOut {
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
    let mut statements = vec![rule::audience(&account.id, &rule, now).count()];
    statements.extend(rule::left_out(&account.id, &rule, now));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let reachable: Option<Reachable> = outcomes.first().map(Outcome::first).transpose()?.flatten();
    let reachable = reachable.map_or(0, |reachable| reachable.count);
    let mut out = LeftOut::default();
    for outcome in outcomes.iter().skip(1) {
        let more: LeftOut = outcome.first()?.unwrap_or_default();
        out.blocked += more.blocked;
        out.not_friends += more.not_friends;
        out.not_linked += more.not_linked;
    }
    // (3)
    let quota = cost::month(cx, account).await;
    Ok(Reply::json(
        StatusCode::OK,
        &json!({
            "count": reachable + out.blocked + out.not_friends + out.not_linked,
            "reachable": reachable,
            "excluded": { "blocked": out.blocked, "not_friends": out.not_friends, "not_linked": out.not_linked },
            "messages": reachable,
            "yen": cost::yen(account, reachable),
            "quota": quota,
        }),
    ))
}
