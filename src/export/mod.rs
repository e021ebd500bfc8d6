//! `/v1/exports`: everything that the shop's account holds, as NDJSON in pages.
//!
//! In: which kind of rows (`kind.rs`), after which row, how many. Out: one JSON object a line, in the order of a key that
//! never changes while the row is there, so that a row which stays is exported exactly once however much changes
//! meanwhile. Not here: secrets, tokens, sessions, claims, caches.

mod kind;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use self::kind::{KINDS, Key, Kind};
use crate::{
    config::Site,
    platform::{Context, Database, Platform},
    store::{self, Statement},
    web::{ApiError, Reply, Request, form::Form},
};

/// Rows of a page, unless the caller says otherwise, and at most.
const LIMIT: (i64, i64) = (1_000, 10_000);

/// From this size on a page takes no further row, in bytes.
const ENOUGH: usize = 4_000_000;

/// `GET /v1/exports`: what there is.
pub fn list(site: &Site) -> Reply {
    let exports: Vec<Value> = KINDS
        .iter()
        .map(|kind| {
            let url = site.url(&format!("/v1/exports/{}", kind.name));
            json!({ "what": kind.name, "description": kind.description, "url": url })
        })
        .collect();
    Reply::json(StatusCode::OK, &json!({ "exports": exports }))
}

/// A row as JSON text, and where it stands.
#[derive(Deserialize)]
struct Row {
    row: String,
    place: String,
}

/// `GET /v1/exports/{what}?after=&limit=`: a page, with the next one in `Link` (RFC 8288) unless it was the last.
pub async fn page<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    what: &str,
) -> Result<Reply, ApiError> {
    let account = &*site.account;
    let kind = KINDS.iter().find(|kind| kind.name == what).ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", "GET /v1/exports says what can be exported")
    })?;
    let form = Form::of_query(request)?;
    let limit = form.limit(LIMIT.0, LIMIT.1)?;
    let after = kind.place(form.value("after"))?;
    let statement = Statement::compiled(kind.sql()).bind(&account.id).bind(limit + 1);
    let statement = after.into_iter().fold(statement, Statement::bind);
    let database = if kind.is_in_default { &Database::default() } else { &account.database };
    let mut rows: Vec<Row> = cx.platform.rows(database, statement).await?;
    let is_beyond = i64::try_from(rows.len()).is_ok_and(|length| length > limit);
    if is_beyond {
        rows.pop();
    }
    let bytes: usize = rows.iter().map(|row| row.row.len()).sum();
    let more = is_beyond || bytes >= ENOUGH;
    let mut reply = Reply::new(StatusCode::OK)
        .with(header::CONTENT_TYPE, "application/x-ndjson")
        .with(header::CACHE_CONTROL, "no-store");
    reply.body.reserve(bytes + rows.len());
    for row in &rows {
        reply.body.extend_from_slice(row.row.as_bytes());
        reply.body.push(b'\n');
    }
    let Some(last) = rows.last().filter(|_| more) else { return Ok(reply) };
    let after = URL_SAFE_NO_PAD.encode(&last.place);
    let next = site.url(&format!("/v1/exports/{what}?after={after}&limit={limit}"));
    Ok(reply.with(header::LINK, format!("<{next}>; rel=\"next\"")))
}

impl Kind {
    /// The place after which a page begins: one value for each part of the key.
    fn place(&self, after: Option<&str>) -> Result<Vec<store::Value>, ApiError> {
        let Some(after) = after else { return Ok(self.key.iter().map(|key| key.least()).collect()) };
        let values: Option<Vec<Value>> =
            URL_SAFE_NO_PAD.decode(after).ok().and_then(|json| serde_json::from_slice(&json).ok());
        let values = values.filter(|values| values.len() == self.key.len());
        let bound = values
            .and_then(|values| self.key.iter().zip(&values).map(|(key, value)| key.read(value)).collect());
        bound.ok_or_else(|| {
            ApiError::invalid_request(
                "after is from the address that Link named on the page before, of this same export",
            )
        })
    }

    /// `?1` is the account, `?2` how many rows, and from `?3` on the place after which they begin. Who asks for many large rows
    /// gets fewer: those before which there is not yet [`ENOUGH`].
    fn sql(&self) -> String {
        let Self { row, from, account, key, .. } = self;
        let columns: Vec<&str> = key.iter().map(Key::column).collect();
        let columns = columns.join(", ");
        let placeholders: Vec<String> = (3..3 + key.len()).map(|number| format!("?{number}")).collect();
        let named: Vec<String> = (1..=key.len()).map(|number| format!("k{number}")).collect();
        let selected: Vec<String> =
            key.iter().zip(&named).map(|(key, name)| format!("{} AS {name}", key.column())).collect();
        let (placeholders, named, selected) =
            (placeholders.join(", "), named.join(", "), selected.join(", "));
        format!(
            "SELECT row, json_array({named}) AS place FROM ( \
               SELECT row, {named}, sum(size) OVER (ORDER BY {named} ROWS UNBOUNDED PRECEDING) - size AS before FROM ( \
                 SELECT row, {named}, length(CAST(row AS BLOB)) AS size FROM ( \
                   SELECT json_object({row}) AS row, {selected} {from} \
                   WHERE {account} = ?1 AND ({columns}) > ({placeholders}) ORDER BY {columns} LIMIT ?2))) \
             WHERE before < {ENOUGH} ORDER BY {named}"
        )
    }
}
