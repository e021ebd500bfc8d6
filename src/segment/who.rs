//! `POST /v1/segments/members`: who is reached, page by page, in the order in which a send goes through them.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::Account,
    id::Subject,
    platform::{Context, Platform},
    rule, selection,
    store::Statement,
    web::{ApiError, Reply, Request, keyset::LIMIT, object},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    rule: Option<Value>,
    segment: Option<String>,
    after: Option<String>,
    limit: Option<i64>,
}

#[derive(serde::Serialize, Deserialize)]
struct Who {
    sub: Subject,
    member_id: Option<String>,
}

/// A page of `sub` and `member_id`, which is null of friends who are linked to nobody; `next` is the `after` of the
/// following page.
pub async fn members<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let Asked { rule, segment, after, limit } = request.json()?;
    let limit = limit.unwrap_or(LIMIT.0);
    if !(1..=LIMIT.1).contains(&limit) {
        return Err(ApiError::invalid_request(format!("limit is a number from 1 to {}", LIMIT.1)));
    }
    let rule = selection::meant(cx, account, rule, segment.as_deref()).await?;
    let after = match after {
        Some(after) => place(cx, account, &after).await?,
        None => 0,
    };
    let audience = rule::audience(&account.id, &rule, cx.platform.now()).after(after);
    let statement = audience.statement(format!(
        "SELECT u.subject AS sub, l.member_id {} ORDER BY {} LIMIT {}",
        audience.clause(),
        audience.subject(),
        limit + 1
    ));
    let mut members: Vec<Who> = cx.platform.rows(&account.database, statement).await?;
    let has_more = i64::try_from(members.len()).unwrap_or(i64::MAX) > limit;
    members.truncate(usize::try_from(limit).unwrap_or_default());
    let next = members.last().filter(|_| has_more).map(|who| who.sub.as_str().to_owned());
    let members = serde_json::to_value(members).unwrap_or_default();
    Ok(Reply::json(StatusCode::OK, &object([("members", members), ("next", next.into())])))
}

/// Where somebody stands in the order.
async fn place<P: Platform>(cx: Context<'_, P>, account: &Account, sub: &str) -> Result<i64, ApiError> {
    #[derive(Deserialize)]
    struct Place {
        id: i64,
    }
    let unknown = || ApiError::invalid_request("after is what next said on the page before");
    let sub = Subject::parse(sub).map_err(|_| unknown())?;
    let read = Statement::new("SELECT id FROM line_users WHERE account = ?1 AND subject = ?2")
        .bind(&account.id)
        .bind(&sub);
    let place: Option<Place> = cx.platform.one(&account.database, read).await?.first()?;
    Ok(place.ok_or_else(unknown)?.id)
}
