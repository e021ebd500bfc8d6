//! `/v1/friends`: what we know of a LINE user, and of the friendship with the Official Account.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::Account,
    id::{LineUserId, MemberId, Subject},
    platform::{Context, Platform},
    store::{Value, line_user},
    time::UnixMillis,
    web::{ApiError, Reply},
};

#[derive(Deserialize)]
struct Row {
    sub: Subject,
    line_user_id: LineUserId,
    name: Option<String>,
    picture: Option<String>,
    friend: Option<i64>,
    friend_since: Option<UnixMillis>,
    member_id: Option<MemberId>,
}

/// `GET /v1/friends/{line_user_id or sub}`: `friend` is null until LINE has told us, `name` and `picture` until the first login.
pub async fn show<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let (column, value): (_, Value) = match LineUserId::parse(id) {
        Ok(line_user_id) => ("line_user_id", (&line_user_id).into()),
        Err(malformed) => ("subject", (&Subject::parse(id).map_err(|_| malformed)?).into()),
    };
    let read = line_user::show(&account.id, column, value);
    let row: Option<Row> = cx.platform.one(&account.database, read).await?.first()?;
    let row = row.ok_or_else(|| ApiError::not_found("the LINE user"))?;
    Ok(Reply::json(
        StatusCode::OK,
        &json!({
            "line_user_id": row.line_user_id,
            "sub": row.sub,
            "name": row.name,
            "picture": row.picture,
            "friend": row.friend.map(|friend| friend == 1),
            "since": row.friend_since.map(UnixMillis::rfc3339),
            "member_id": row.member_id,
        }),
    ))
}
