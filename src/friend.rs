//! `/v1/friends`: what we know of the friendship between a LINE user and the Official Account.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::Account,
    id::{LineUserId, Subject},
    platform::{Context, Platform},
    store::Statement,
    time::UnixMillis,
    web::{ApiError, Reply},
};

#[derive(Deserialize)]
struct Row {
    sub: Subject,
    friend: Option<i64>,
    friend_since: Option<UnixMillis>,
}

/// `GET /v1/friends/{line_user_id}`: `friend` is null until LINE has told us.
pub async fn by_line_user_id<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    line_user_id: &str,
) -> Result<Reply, ApiError> {
    let line_user_id = LineUserId::parse(line_user_id)?;
    let statement = Statement::new(
        "SELECT subject AS sub, friend, friend_since FROM line_users WHERE account = ?1 AND line_user_id = ?2",
    )
    .bind(&account.id)
    .bind(&line_user_id);
    let row: Option<Row> = cx.platform.one(&account.database, statement).await?.first()?;
    let row = row.ok_or_else(|| ApiError::not_found("the LINE user"))?;
    Ok(Reply::json(
        StatusCode::OK,
        &json!({
            "line_user_id": line_user_id,
            "sub": row.sub,
            "friend": row.friend.map(|friend| friend == 1),
            "since": row.friend_since.map(UnixMillis::rfc3339),
        }),
    ))
}
