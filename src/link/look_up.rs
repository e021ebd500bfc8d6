//! Looking links up. One link is read from KV first, where only found links are kept; `Cache-Control: no-cache` reads D1, and
//! so does everything that decides (`/token`, sends).

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{Link, Row, parsed};
use crate::{
    config::Account,
    id::{LineUserId, MemberId, Subject},
    platform::{Context, Platform},
    store::{
        CacheKey, Statement,
        link::{self, Side},
    },
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form, keyset},
};

/// How long KV keeps a link, in seconds; the least that KV takes.
const CACHE_SECONDS: u32 = 60;

/// `GET /v1/links/{sub}`.
pub async fn by_subject<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    sub: &str,
) -> Result<Reply, ApiError> {
    let subject = Subject::parse(sub)?;
    let key = CacheKey::LinkBySubject(account.id.clone(), subject.clone());
    look_up(cx, account, request, Some(&key), link::select(&account.id, Side::Subject(&subject))).await
}

/// `GET /v1/links?member_id=` or `?line_user_id=` finds one; without either, a page of all.
pub async fn find<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    if let Some(member) = form.value("member_id") {
        let member = MemberId::parse(member)?;
        let key = CacheKey::LinkByMember(account.id.clone(), member.clone());
        return look_up(cx, account, request, Some(&key), link::select(&account.id, Side::Member(&member)))
            .await;
    }
    if let Some(line_user_id) = form.value("line_user_id") {
        let line_user_id = LineUserId::parse(line_user_id)?;
        return look_up(cx, account, request, None, link::select(&account.id, Side::LineUser(&line_user_id)))
            .await;
    }
    list(cx, account, &form).await
}

async fn look_up<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    key: Option<&CacheKey>,
    statement: Statement,
) -> Result<Reply, ApiError> {
    let fresh = request.header(&header::CACHE_CONTROL).is_some_and(|value| value.contains("no-cache"));
    if let Some(key) = key.filter(|_| !fresh) {
        // A cache that fails is a cache that has nothing.
        let cached = cx.platform.cached(key).await.ok().flatten();
        if let Some(link) = cached.and_then(|text| serde_json::from_str::<Link>(&text).ok()) {
            return Ok(Reply::json(StatusCode::OK, &link));
        }
    }
    let row: Option<Row> = cx.platform.one(&account.database, statement).await?.first()?;
    let link = row.ok_or_else(|| ApiError::not_found("the link"))?.shown();
    let text = serde_json::to_string(&link).unwrap_or_default();
    if let Some(key) = key
        && let Err(error) = cx.platform.cache(key, &text, CACHE_SECONDS).await
    {
        cx.log_failure("link_cache", &error);
    }
    Ok(Reply::json(StatusCode::OK, &link))
}

/// A page of all links, in the order of their members.
async fn list<P: Platform>(cx: Context<'_, P>, account: &Account, form: &Form) -> Result<Reply, ApiError> {
    let limit = form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?;
    let read = link::list(&account.id, form.value("after").unwrap_or_default(), limit);
    let rows: Vec<Row> = cx.platform.rows(&account.database, read).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|length| length == limit);
    let next = rows.last().filter(|_| is_full).map(|row| row.member_id.clone());
    let links: Vec<Link> = rows.into_iter().map(Row::shown).collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "links": links, "next": next })))
}

#[derive(Deserialize)]
struct Ended {
    sub: Option<Subject>,
    member_id: MemberId,
    linked_at: UnixMillis,
    ended_at: UnixMillis,
    ended_by: String,
    line_told: Option<String>,
    consent: Option<String>,
    link_id: String,
}

/// `GET /v1/link-history?sub=`, `?member_id=` or `?line_user_id=`: the links that ended, the newest first.
pub async fn history<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let (limit, before) = (form.limit(keyset::LIMIT.0, keyset::LIMIT.1)?, keyset::at_place(&form)?);
    let read = |side: Side<'_>| link::history(&account.id, side, before, limit);
    let statement = match (form.value("sub"), form.value("member_id"), form.value("line_user_id")) {
        (Some(sub), None, None) => read(Side::Subject(&Subject::parse(sub)?)),
        (None, Some(member), None) => read(Side::Member(&MemberId::parse(member)?)),
        (None, None, Some(id)) => read(Side::LineUser(&LineUserId::parse(id)?)),
        _ => return Err(ApiError::invalid_request("say one of sub, member_id and line_user_id")),
    };
    let rows: Vec<Ended> = cx.platform.rows(&account.database, statement).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|length| length == limit);
    let next = rows.last().filter(|_| is_full).map(|row| keyset::place(row.ended_at, &row.link_id));
    let history: Vec<_> = rows
        .into_iter()
        .map(|row| {
            json!({
                "sub": row.sub, "member_id": row.member_id, "linked_at": row.linked_at.rfc3339(),
                "ended_at": row.ended_at.rfc3339(), "ended_by": row.ended_by, "line_told": row.line_told,
                "consent": parsed(row.consent),
            })
        })
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "history": history, "next": next })))
}
