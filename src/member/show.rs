//! What we know of a member: `GET /v1/members/{member_id}` what the shop said and the link, `…/export` everything that is kept
//! about the person (Act on the Protection of Personal Information, article 33; GDPR articles 15 and 20).

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    config::Account,
    id::MemberId,
    platform::{Context, Outcome, Platform, PlatformError},
    store::person,
    web::{ApiError, Reply},
};

/// `GET /v1/members/{member_id}`.
pub async fn show<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    member_id: &str,
) -> Result<Reply, ApiError> {
    let member = MemberId::parse(member_id)?;
    let read = vec![
        person::member(&account.id, &member),
        person::attributes(&account.id, &member),
        person::link(&account.id, &member),
    ];
    let outcomes = cx.platform.batch(&account.database, read).await?;
    let mut parts = outcomes.iter().map(objects);
    let (member, attributes, link) = (next(&mut parts)?, next(&mut parts)?, next(&mut parts)?);
    if member.is_empty() && attributes.is_empty() && link.is_empty() {
        return Err(ApiError::not_found("the member"));
    }
    let mut shown = Map::new();
    shown.insert("member_id".to_owned(), json!(member_id));
    shown.extend(member.into_iter().next().unwrap_or_default());
    shown.insert("attributes".to_owned(), by_name(attributes));
    shown.insert("link".to_owned(), link.into_iter().next().map_or(Value::Null, Value::Object));
    Ok(Reply::json(StatusCode::OK, &shown))
}

/// `GET /v1/members/{member_id}/export`: the sections of [`person::SECTIONS`], whole. Long ones are read in pages, each with the
/// next of the others.
pub async fn export<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    member_id: &str,
) -> Result<Reply, ApiError> {
    let member = MemberId::parse(member_id)?;
    let mut sections: Vec<(&str, Vec<Map<String, Value>>)> =
        person::SECTIONS.iter().map(|section| (section.name, Vec::new())).collect();
    let mut left: Vec<usize> = (0..sections.len()).collect();
    while !left.is_empty() {
        let read = |at: &usize| {
            let section = person::SECTIONS.get(*at)?;
            let after = sections.get(*at).and_then(|(_, rows)| rows.last()).and_then(|row| row.get("after"));
            Some(section.page(&account.id, &member, after))
        };
        let statements = left.iter().filter_map(read).collect();
        let outcomes = cx.platform.batch(&account.database, statements).await?;
        let mut more = Vec::new();
        for (at, outcome) in left.into_iter().zip(&outcomes) {
            let rows = objects(outcome)?;
            if rows.len() >= person::PAGE {
                more.push(at);
            }
            if let Some((_, section)) = sections.get_mut(at) {
                section.extend(rows);
            }
        }
        left = more;
    }
    if sections.iter().all(|(_, rows)| rows.is_empty()) {
        return Err(ApiError::not_found("the member"));
    }
    let mut shown = Map::new();
    shown.insert("member_id".to_owned(), json!(member_id));
    shown.insert("exported_at".to_owned(), json!(cx.platform.now().rfc3339()));
    for (name, mut rows) in sections {
        for row in &mut rows {
            row.remove("after");
        }
        shown.insert(name.to_owned(), json!(rows));
    }
    Ok(Reply::json(StatusCode::OK, &shown))
}

/// Rows whose one column `row` is a JSON object.
fn objects(outcome: &Outcome) -> Result<Vec<Map<String, Value>>, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        row: String,
    }
    let rows: Vec<Row> = outcome.rows()?;
    rows.iter()
        .map(|row| serde_json::from_str(&row.row).map_err(|e| PlatformError::Stored(e.to_string())))
        .collect()
}

fn next(
    parts: &mut impl Iterator<Item = Result<Vec<Map<String, Value>>, PlatformError>>,
) -> Result<Vec<Map<String, Value>>, PlatformError> {
    parts.next().unwrap_or_else(|| Err(PlatformError::Database("a statement has no outcome".to_owned())))
}

/// Attributes as one object.
fn by_name(attributes: Vec<Map<String, Value>>) -> Value {
    let pairs = attributes
        .into_iter()
        .filter_map(|mut row| Some((row.remove("name")?.as_str()?.to_owned(), row.remove("value")?)));
    Value::Object(pairs.collect())
}
