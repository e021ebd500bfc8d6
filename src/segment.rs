//! `/v1/segments`: how many a rule reaches now. The same compiler serves sends.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::Account,
    platform::{Context, Platform},
    rule::{self, Rule, RuleError},
    web::{ApiError, Reply, Request},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    rule: Value,
}

/// `POST /v1/segments/count`: friends that do not block, are linked, and belong to the rule.
pub async fn count<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    #[derive(Deserialize)]
    struct Row {
        count: i64,
    }
    let Count { rule } = request.json()?;
    let rule = Rule::parse(rule)?;
    let statement = rule::audience(&account.id, &rule).count();
    let row: Option<Row> = cx.platform.one(&account.database, statement).await?.first()?;
    Ok(Reply::json(StatusCode::OK, &json!({ "count": row.map_or(0, |row| row.count) })))
}

impl From<RuleError> for ApiError {
    fn from(error: RuleError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_rule", error.to_string())
    }
}
