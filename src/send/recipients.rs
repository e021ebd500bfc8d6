//! `GET /v1/sends/{id}/recipients` and `GET /v1/members/{id}/messages`: what became of each, by chunk and by member.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::outcome;
use crate::{
    config::Account,
    id::{MemberId, SendId},
    platform::{Context, Outcome, Platform},
    store::{MAX_INTEGER, Statement, shown::time},
    web::{ApiError, Reply, Request, form::Form, keyset},
};

#[derive(Deserialize)]
struct Row {
    row: String,
    #[serde(default)]
    chunk: i64,
    place: i64,
}

/// `GET /v1/sends/{id}/recipients`: in the order in which they were chosen, which is that of chunks and of the list in each; nothing is
/// sorted, so that a page reads no more than it shows. Whoever has no outcome yet is `waiting`, or
/// what their chunk is; whoever was erased has none. Outcomes are known for 90 days.
pub async fn of_send<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let id = SendId::parse(id)?;
    let form = Form::of_query(request)?;
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let (chunk, place) = place(form.value("after"), (0, -1))?;
    let known = Statement::new("SELECT 1 AS known FROM sends WHERE account = ?1 AND id = ?2")
        .bind(&account.id)
        .bind(&id);
    let page = Statement::compiled(format!(
        "SELECT json_object('sub', u.subject, 'member_id', l.member_id, 'outcome', {}, 'at', {}) AS row, \
           c.chunk AS chunk, j.key AS place \
         FROM sends s CROSS JOIN chunks c ON c.account = ?1 AND c.send = ?2 AND c.chunk >= ?3 \
         CROSS JOIN json_each(c.line_users) j \
         LEFT JOIN line_users u ON u.id = j.value AND u.account = ?1 \
         LEFT JOIN links l ON l.account = ?1 AND l.line_user = j.value \
         LEFT JOIN receipts r ON r.account = ?1 AND r.line_user = j.value AND r.at > 0 AND r.send = s.number \
         WHERE s.account = ?1 AND s.id = ?2 AND (c.chunk > ?3 OR j.key > ?4) ORDER BY c.chunk LIMIT ?5",
        outcome::named(
            "r.outcome",
            "CASE WHEN u.id IS NULL THEN 'erased' WHEN c.state = 'open' THEN 'waiting' WHEN c.state = 'failed' THEN 'refused' \
               ELSE c.state END"
        ),
        time!("r.at"),
    ))
    .bind(&account.id)
    .bind(&id)
    .bind(chunk)
    .bind(place)
    .bind(limit);
    let outcomes = cx.platform.batch(&account.database, vec![known, page]).await?;
    let [known, page] = outcomes.as_slice() else { return Err(ApiError::not_found("the send")) };
    if known.rows::<Value>()?.is_empty() {
        return Err(ApiError::not_found("the send"));
    }
    let (recipients, next) = shown(page, limit)?;
    Ok(Reply::json(StatusCode::OK, &json!({ "recipients": recipients, "next": next })))
}

/// `GET /v1/members/{id}/messages`: of whoever is linked to the member now, the newest first, for 90 days.
pub async fn of_member<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let id = MemberId::parse(id)?;
    let form = Form::of_query(request)?;
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let (at, number) = place(form.value("after"), (MAX_INTEGER, MAX_INTEGER))?;
    let page = Statement::compiled(format!(
        "SELECT json_object('send', s.id, 'name', s.name, 'outcome', {}, 'at', {}) AS row, \
           r.at AS chunk, r.send AS place \
         FROM links l CROSS JOIN receipts r ON r.account = ?1 AND r.line_user = l.line_user AND r.at <= ?3 \
         LEFT JOIN sends s ON s.number = r.send AND s.account = ?1 \
         WHERE l.account = ?1 AND l.member_id = ?2 AND (r.at < ?3 OR r.send < ?4) ORDER BY r.at DESC, r.send DESC LIMIT ?5",
        outcome::named("r.outcome", "NULL"),
        time!("r.at"),
    ))
    .bind(&account.id)
    .bind(&id)
    .bind(at)
    .bind(number)
    .bind(limit);
    let page = cx.platform.one(&account.database, page).await?;
    let (messages, next) = shown(&page, limit)?;
    Ok(Reply::json(StatusCode::OK, &json!({ "messages": messages, "next": next })))
}

/// The rows, and where the next page begins.
fn shown(page: &Outcome, limit: i64) -> Result<(Vec<Value>, Option<String>), ApiError> {
    let rows: Vec<Row> = page.rows()?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|length| length == limit);
    let next = rows.last().filter(|_| is_full).map(|row| format!("{}.{}", row.chunk, row.place));
    Ok((rows.iter().filter_map(|row| serde_json::from_str(&row.row).ok()).collect(), next))
}

fn place(after: Option<&str>, first: (i64, i64)) -> Result<(i64, i64), ApiError> {
    let Some(after) = after else { return Ok(first) };
    let number = |text: &str| text.parse().ok().filter(|number| (0..=MAX_INTEGER).contains(number));
    let place = after.split_once('.').and_then(|(one, other)| Some((number(one)?, number(other)?)));
    place.ok_or_else(|| ApiError::invalid_request("after is what next said on the page before"))
}
