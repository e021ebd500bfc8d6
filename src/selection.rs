//! Whom a request means: a rule, or a segment that is kept; and whether what the rule names is there.
//!
//! Not here: what a rule says (`rule/`), and whom else a send can be for.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::Account,
    id::SegmentId,
    platform::{Context, Platform, PlatformError},
    rule::{RECEIPTS_KEPT, Rule, RuleError},
    store::{Statement, segment},
    time::{DAY, UnixMillis},
    web::ApiError,
};

/// The rule that a request gives, or that of the segment that it names.
pub async fn meant<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    rule: Option<Value>,
    segment: Option<&str>,
) -> Result<Rule, ApiError> {
    match (rule, segment) {
        (Some(rule), None) => checked(cx, account, rule).await,
        (None, Some(id)) => {
            let row = find(cx, account, id).await?;
            let stored =
                |error: serde_json::Error| PlatformError::Stored(format!("the rule of {}: {error}", row.id));
            // What a rule may be was another when it was kept.
            let rule = Rule::stored(serde_json::from_str(&row.rule).map_err(stored)?)
                .map_err(|error| refused(format!("the segment's {error}; give it another rule by PATCH")))?;
            check_sends(cx, account, &rule).await?;
            Ok(rule)
        }
        _ => Err(ApiError::invalid_request("say either rule, or segment: the id of one that is kept")),
    }
}

/// Reads a rule, and looks for what it names.
pub async fn checked<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    rule: Value,
) -> Result<Rule, ApiError> {
    let rule = Rule::parse(rule)?;
    check_sends(cx, account, &rule).await?;
    Ok(rule)
}

/// The segment of this id.
pub async fn find<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    id: &str,
) -> Result<segment::Row, ApiError> {
    let unknown = || ApiError::not_found("the segment");
    let id = SegmentId::parse(id).map_err(|_| unknown())?;
    let row: Option<segment::Row> =
        cx.platform.one(&account.database, segment::select(&account.id, &id)).await?.first()?;
    row.ok_or_else(unknown)
}

/// Sends that the rule names are the account's, and so young that it is known who received them: else `not received` would
/// be true of those who did. No store call where none is named.
async fn check_sends<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    rule: &Rule,
) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Sent {
        id: String,
        began_at: UnixMillis,
    }
    let named = rule.sends();
    if named.is_empty() {
        return Ok(());
    }
    let read = Statement::new(
        "SELECT id, coalesce(started_at, created_at) AS began_at FROM sends WHERE account = ?1 AND id IN (SELECT value FROM json_each(?2))",
    )
    .bind(&account.id)
    .bind_json(&named);
    let sent: Vec<Sent> = cx.platform.rows(&account.database, read).await?;
    let oldest = cx.platform.now() + -RECEIPTS_KEPT * DAY;
    for id in named {
        match sent.iter().find(|sent| sent.id == id) {
            None => return Err(refused(format!("received.send: {id} is no send of this account"))),
            Some(sent) if sent.began_at < oldest => {
                return Err(refused(format!(
                    "received.send: {id} began more than {RECEIPTS_KEPT} days ago, and who received it is not known any more"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn refused(description: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_rule", description)
}

impl From<RuleError> for ApiError {
    fn from(error: RuleError) -> Self {
        refused(error.to_string())
    }
}
