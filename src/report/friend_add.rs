//! `GET /v1/reports/friend-add`: what the friend box came to, by storefront and by how it was offered. Five figures add up
//! to `logins`; `blocked` are those who were added in the period and are no friends now.

use http::StatusCode;
use serde_json::Value;

use super::Period;
use crate::{
    config::Account,
    platform::{Context, Platform},
    store::Statement,
    web::{ApiError, Reply, Request, form::Form, object},
};

/// Answers the report of a period, of one client where it is named.
pub async fn friend_add<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let period = Period::read(&form, cx.platform.now())?;
    let sums = Statement::new(
        "WITH counted AS (SELECT c.client_id, c.mode, sum(c.logins) AS logins, sum(c.friends_before) AS friends_before, \
             sum(c.friends_added) AS friends_added, sum(c.declined) AS declined, sum(c.not_shown) AS not_shown, \
             sum(c.unknown) AS unknown \
           FROM friend_add_counts c WHERE c.account = ?1 AND c.day >= ?2 AND c.day <= ?3 \
             AND c.client_id = coalesce(?4, c.client_id) GROUP BY c.client_id, c.mode), \
         gone AS (SELECT u.added_client, u.added_mode, count(*) AS n \
           FROM line_users u INDEXED BY line_users_added \
           WHERE u.account = ?1 AND u.added_at >= ?5 AND u.added_at < ?6 AND u.friend = 0 \
           GROUP BY u.added_client, u.added_mode) \
         SELECT counted.*, coalesce(gone.n, 0) AS blocked \
         FROM counted LEFT JOIN gone ON gone.added_client = counted.client_id AND gone.added_mode = counted.mode \
         ORDER BY counted.client_id, counted.mode",
    )
    .bind(&account.id)
    .bind(period.from.to_string())
    .bind(period.to.to_string())
    .bind(form.value("client_id").map(str::to_owned))
    .bind(period.from.begins())
    .bind(period.to.after().begins());
    let rows: Vec<Value> = cx.platform.rows(&account.database, sums).await?;
    let (from, to) = (period.from.to_string().into(), period.to.to_string().into());
    let report = object([("from", from), ("to", to), ("modes", Value::from(rows))]);
    Ok(Reply::json(StatusCode::OK, &report))
}
