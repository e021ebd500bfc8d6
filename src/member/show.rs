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
    time::UnixMillis,
    web::{
        ApiError, Reply, Request,
        form::Form,
        keyset::{LIMIT, at_place, place},
    },
};

/// Events that are shown with a member.
const NEWEST: i64 = 10;

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
        person::tags(&account.id, &member),
        person::link(&account.id, &member),
        person::events(&account.id, &member, None, NEWEST),
    ];
    let outcomes = cx.platform.batch(&account.database, read).await?;
    let mut parts = outcomes.iter().map(objects);
    let (member, attributes, tags) = (next(&mut parts)?, next(&mut parts)?, next(&mut parts)?);
    let (link, events) = (next(&mut parts)?, next(&mut parts)?);
    if member.is_empty() && attributes.is_empty() && link.is_empty() {
        return Err(ApiError::not_found("the member"));
    }
    let mut shown = Map::new();
    shown.insert("member_id".to_owned(), json!(member_id));
    shown.extend(member.into_iter().next().unwrap_or_default());
    shown.insert("attributes".to_owned(), by_name(attributes));
    let tags: Vec<Value> = tags.into_iter().filter_map(|mut row| row.remove("tag")).collect();
    shown.insert("tags".to_owned(), tags.into());
    shown.insert("link".to_owned(), link.into_iter().next().map_or(Value::Null, Value::Object));
    shown.insert("events".to_owned(), json!(events));
    Ok(Reply::json(StatusCode::OK, &shown))
}

/// `GET /v1/members/{member_id}/events?after=&limit=`: the newest first.
pub async fn events<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    member_id: &str,
) -> Result<Reply, ApiError> {
    #[derive(Deserialize)]
    struct Place {
        at: UnixMillis,
        number: i64,
    }
    let member = MemberId::parse(member_id)?;
    let form = Form::of_query(request)?;
    let limit = form.limit(LIMIT.0, LIMIT.1)?;
    let before = at_place(&form)?.map(|(at, number)| number.parse().map(|number: u32| (at, number.into())));
    let before = before
        .transpose()
        .map_err(|_| ApiError::invalid_request("after is what next said on the page before"))?;
    let read =
        vec![person::member(&account.id, &member), person::events(&account.id, &member, before, limit)];
    let outcomes = cx.platform.batch(&account.database, read).await?;
    let [known, page] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    if objects(known)?.is_empty() {
        return Err(ApiError::not_found("the member"));
    }
    let places: Vec<Place> = page.rows()?;
    let is_full = i64::try_from(places.len()).is_ok_and(|length| length == limit);
    let next = places.last().filter(|_| is_full).map(|last| place(last.at, &last.number.to_string()));
    Ok(Reply::json(StatusCode::OK, &json!({ "events": objects(page)?, "next": next })))
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
