//! `/v1/members`: the shop's customers and their attributes; what we know of one (`show.rs`), and the end of it (`erase.rs`).

mod erase;
mod show;

pub use erase::erase;
pub use show::{export, show};

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::Account,
    id::MemberId,
    platform::{Context, Platform},
    rule::{Scalar, check_attribute},
    store::Statement,
    web::{ApiError, Reply, Request},
};

/// Attributes that one call may name.
const MAX_ATTRIBUTES: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    #[serde(default)]
    attributes: BTreeMap<String, Option<Scalar>>,
}

/// `PUT /v1/members/{member_id}`: makes the member, unless it is known, and sets the attributes that are named. One
/// that is null is removed; one that is not named stays, so that two systems of a shop do not erase each other's.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    member_id: &str,
) -> Result<Reply, ApiError> {
    let member_id = MemberId::parse(member_id)?;
    let Put { attributes } = request.json()?;
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(ApiError::invalid_request("one call names at most 100 attributes"));
    }
    for (name, value) in &attributes {
        let value = value.as_ref().unwrap_or(&Scalar::Boolean(false));
        check_attribute(name, value).map_err(|e| ApiError::invalid_request(format!("{name}: {e}")))?;
    }
    cx.platform.batch(&account.database, statements(cx, account, &member_id, &attributes)).await?;
    Ok(Reply::json(StatusCode::OK, &json!({ "member_id": member_id })))
}

/// Three statements, however many attributes.
fn statements<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    member_id: &MemberId,
    attributes: &BTreeMap<String, Option<Scalar>>,
) -> Vec<Statement> {
    let now = cx.platform.now();
    let member = Statement::new(
        "INSERT INTO members (account, member_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?3) \
         ON CONFLICT (account, member_id) DO UPDATE SET updated_at = ?3",
    )
    .bind(&account.id)
    .bind(member_id)
    .bind(now);
    let set: Vec<Value> = attributes
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|v| json!({ "n": name, "k": v.kind(), "v": v })))
        .collect();
    let removed: Vec<&String> =
        attributes.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    let mut statements = vec![member];
    if !set.is_empty() {
        let upsert = Statement::new(
            "INSERT INTO attributes (account, member, name, kind, value, updated_at) \
             SELECT ?1, m.id, j.value ->> 'n', j.value ->> 'k', j.value ->> 'v', ?4 \
             FROM members m CROSS JOIN json_each(?3) j WHERE m.account = ?1 AND m.member_id = ?2 \
             ON CONFLICT (account, member, name) \
             DO UPDATE SET kind = excluded.kind, value = excluded.value, updated_at = ?4 \
             WHERE kind <> excluded.kind OR value <> excluded.value",
        )
        .bind(&account.id)
        .bind(member_id)
        .bind(Value::from(set).to_string())
        .bind(now);
        statements.push(upsert);
    }
    if !removed.is_empty() {
        let delete = Statement::new(
            "DELETE FROM attributes WHERE account = ?1 \
             AND member = (SELECT id FROM members WHERE account = ?1 AND member_id = ?2) \
             AND name IN (SELECT value FROM json_each(?3))",
        )
        .bind(&account.id)
        .bind(member_id)
        .bind(serde_json::to_string(&removed).unwrap_or_default());
        statements.push(delete);
    }
    statements
}
