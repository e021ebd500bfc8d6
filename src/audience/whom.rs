//! Whom an audience is for: a rule, or a stored segment's rule as it is now.

use serde_json::Value;

use crate::{
    config::Account,
    platform::{Context, Platform},
    selection,
    web::ApiError,
};

/// The rule that a request says, itself or by a segment's id; none if it says neither.
pub(super) async fn rule<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    rule: Option<Value>,
    segment: Option<String>,
) -> Result<Option<Value>, ApiError> {
    if rule.is_none() && segment.is_none() {
        return Ok(None);
    }
    let rule = selection::meant(cx, account, rule, segment.as_deref()).await?;
    Ok(Some(Value::from(rule)))
}

/// A name of 1 to 80 characters.
pub(super) fn checked_name(name: String) -> Result<String, ApiError> {
    if (1..=super::MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(ApiError::invalid_request("name has 1 to 80 characters, none of them controls"))
}
