//! `/v1/imports`: links, members and events brought over from another system, as CSV in parts.
//!
//! A part is one batch: it is applied as a whole, once, or not at all, whoever repeats it and whenever. A refused line
//! stops no other and is kept by its number and reason alone. An import displaces no link. It is `open` until whoever
//! sends it says of how many parts it is, so that nobody takes a half of it for the whole.

mod column;
mod csv;
mod erased;
mod line;
mod part;
mod rows;
mod show;
mod statements;
mod table;

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use self::{line::import_lines, part::put_part, show::show};
use self::{show::IMPORT, table::Table};
use crate::{
    config::Account,
    id::ImportId,
    platform::{Context, Platform, PlatformError},
    store::Statement,
    web::{ApiError, Reply, Request, form::Form},
};

/// The largest part, in bytes.
const MAX_BYTES: usize = 1_000_000;

/// Parts of one import.
const MAX_PARTS: i64 = 1_000;

/// The longest consent record of an import, in bytes of JSON: each of its links has one.
const MAX_CONSENT: usize = 500;

/// Imports of a page, unless the caller says otherwise, and at most.
const LIMIT: (i64, i64) = (100, 1_000);

/// What an import brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Lines of `member_id,line_user_id`.
    #[default]
    Links,
    /// Lines of a member and attributes.
    Members,
    /// Lines of an event each.
    Events,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Members => "members",
            Self::Events => "events",
        }
    }

    /// What may become of a line that is not refused.
    fn good(self) -> &'static [&'static str] {
        match self {
            Self::Links => &["linked", "already_linked"],
            Self::Members => &["accepted"],
            Self::Events => &["accepted", "repeated"],
        }
    }

    /// That of a stored import.
    fn of(import: &Map<String, Value>) -> Result<Self, PlatformError> {
        let word = import.get("kind").and_then(Value::as_str).unwrap_or_default();
        let all = [Self::Links, Self::Members, Self::Events].into_iter();
        let unknown = || PlatformError::Stored(format!("an import of the kind {word}"));
        all.clone().find(|kind| kind.word() == word).ok_or_else(unknown)
    }
}

/// The body of `POST /v1/imports`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Create {
    kind: Option<String>,
    columns: Option<Vec<String>>,
    consent: Option<Map<String, Value>>,
    replace: bool,
}

/// `POST /v1/imports`: an import that waits for its parts.
pub async fn create<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let Create { kind, columns, consent, replace } =
        if request.bytes().is_empty() { Create::default() } else { request.json()? };
    let kind = match kind.as_deref() {
        None | Some("links") => Kind::Links,
        Some("members") => Kind::Members,
        Some("events") => Kind::Events,
        Some(_) => {
            let says = "kind: is links (lines of member_id,line_user_id), members or events";
            return Err(ApiError::invalid_request(says));
        }
    };
    let columns = match columns {
        Some(_) if kind == Kind::Links => {
            return Err(ApiError::invalid_request("columns: those of links are member_id,line_user_id"));
        }
        Some(columns) => {
            Table::of(kind, &columns).map_err(|why| ApiError::invalid_request(format!("columns: {why}")))?;
            Some(Value::from(columns).to_string())
        }
        None => None,
    };
    if consent.is_some() && kind != Kind::Links {
        return Err(ApiError::invalid_request("consent: is of links only"));
    }
    if replace {
        return Err(ApiError::invalid_request(
            "an import replaces no link, because a customer's own and newer link says more than a file; the lines in whose \
             way one stands are reported, and PUT /v1/links/{sub} replaces it with replace: true",
        ));
    }
    let mut consent = consent.unwrap_or_default();
    consent.insert("way".to_owned(), "import".into());
    let consent = Value::from(consent).to_string();
    if consent.len() > MAX_CONSENT {
        let limit =
            format!("consent has at most {MAX_CONSENT} bytes, since each link of the import keeps it");
        return Err(ApiError::invalid_request(limit));
    }
    let id = ImportId::from_random(cx.platform.random());
    let now = cx.platform.now();
    let insert = Statement::new(
        "INSERT INTO imports (account, id, kind, state, consent, created_at, columns) \
         VALUES (?1, ?2, ?5, 'open', ?3, ?4, ?6)",
    )
    .bind(&account.id)
    .bind(&id)
    .bind(consent)
    .bind(now)
    .bind(kind.word())
    .bind(columns);
    let [import, parts] = show::select(&account.id, &id);
    let outcomes = cx.platform.batch(&account.database, vec![insert, import, parts]).await?;
    let (import, parts) = show::selected(outcomes.get(1..).unwrap_or_default())?;
    let reply = Reply::json(StatusCode::CREATED, &Value::from(show::shown(import, parts)?));
    Ok(reply.with(header::LOCATION, format!("/v1/imports/{id}")))
}

/// `GET /v1/imports?after=&limit=`: the newest first.
pub async fn list<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::of_query(request)?;
    let limit = form.limit(LIMIT.0, LIMIT.1)?;
    let after = form.value("after").map(ImportId::parse).transpose()?;
    let before = match after {
        Some(_) => "(SELECT created_at, id FROM imports WHERE account = ?1 AND id = ?3)",
        None => "(9007199254740991, ?3)",
    };
    let read = Statement::compiled(format!(
        "SELECT {IMPORT}, \
           (SELECT count(*) FROM import_parts p WHERE p.account = ?1 AND p.import = imports.id) AS parts \
         FROM imports INDEXED BY imports_by_age WHERE account = ?1 AND (imports.created_at, id) < {before} \
         ORDER BY imports.created_at DESC, id DESC LIMIT ?2"
    ))
    .bind(&account.id)
    .bind(limit)
    .bind(after.as_ref().map_or("", ImportId::as_str));
    let mut imports: Vec<Value> = cx.platform.rows(&account.database, read).await?;
    let is_full = i64::try_from(imports.len()).is_ok_and(|length| length == limit);
    let next = imports.last().filter(|_| is_full).and_then(|import| import.get("id").cloned());
    for import in imports.iter_mut().filter_map(Value::as_object_mut) {
        import.remove("consent");
        import.remove("columns");
    }
    Ok(Reply::json(StatusCode::OK, &json!({ "imports": imports, "next": next })))
}

/// The body of `POST /v1/imports/{id}/finish`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    parts: i64,
}

/// `POST /v1/imports/{id}/finish`: (1) the import is finished if exactly the parts 1 to `parts` are there; (2) otherwise the
/// answer says which are missing. Again is no error.
pub async fn finish<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let id = ImportId::parse(id)?;
    let Finish { parts: wanted } = request.json()?;
    if !(1..=MAX_PARTS).contains(&wanted) {
        let description = format!("parts is how many parts the file was cut into, from 1 to {MAX_PARTS}");
        return Err(ApiError::invalid_request(description));
    }
    // (1)
    let close = Statement::new(
        "UPDATE imports SET state = 'finished', finished_at = ?4 \
         WHERE account = ?1 AND id = ?2 AND state = 'open' \
           AND (SELECT count(*) FROM import_parts p WHERE p.account = ?1 AND p.import = ?2) = ?3 \
           AND (SELECT max(p.part) FROM import_parts p WHERE p.account = ?1 AND p.import = ?2) = ?3",
    )
    .bind(&account.id)
    .bind(&id)
    .bind(wanted)
    .bind(cx.platform.now());
    let [import, parts] = show::select(&account.id, &id);
    let outcomes = cx.platform.batch(&account.database, vec![close, import, parts]).await?;
    let (import, parts) = show::selected(outcomes.get(1..).unwrap_or_default())?;
    let is_finished = import.get("state").is_some_and(|state| state == "finished");
    let numbers: Vec<i64> = parts.iter().filter_map(|part| part.get("part")?.as_i64()).collect();
    if is_finished && i64::try_from(numbers.len()).is_ok_and(|length| length == wanted) {
        return Ok(Reply::json(StatusCode::OK, &Value::from(show::shown(import, parts)?)));
    }
    // (2)
    if is_finished {
        let description = format!("this import was finished with {} parts", numbers.len());
        return Err(ApiError::conflict("import_finished", description));
    }
    Err(ApiError::conflict("parts_missing", difference(&numbers, wanted)))
}

/// Which of the parts 1 to `wanted` are not there, and which are beyond; the parts are in their order.
fn difference(parts: &[i64], wanted: i64) -> String {
    let listed = |numbers: Vec<i64>| {
        let some: Vec<String> = numbers.iter().take(20).map(i64::to_string).collect();
        let more = if numbers.len() > some.len() { ", …" } else { "" };
        format!("{}{more}", some.join(", "))
    };
    let there = |number: &i64| parts.binary_search(number).is_ok();
    let missing: Vec<i64> = (1..=wanted).filter(|number| !there(number)).collect();
    let beyond: Vec<i64> = parts.iter().copied().filter(|number| *number > wanted).collect();
    if missing.is_empty() {
        format!("{wanted} parts are announced, but there are also: {}", listed(beyond))
    } else {
        format!("send these parts first: {}", listed(missing))
    }
}
