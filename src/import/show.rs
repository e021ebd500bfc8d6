//! `GET /v1/imports/{id}`: what has arrived, what came of it, and which lines were refused.

//!
//! Rows are read as the JSON that they become: SQL names and writes the columns as the API does, which spares the worker a
//! type for each.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Kind;
use crate::{
    config::Account,
    id::{AccountId, ImportId},
    platform::{Context, Outcome, Platform, PlatformError},
    store::Statement,
    web::{ApiError, Reply, Request, form::Form},
};

/// A row, or what becomes of it.
pub(super) type Row = Map<String, Value>;

/// Refused lines of a page, unless the caller says otherwise, and at most.
const LIMIT: (i64, i64) = (100, 1_000);

/// The columns of an import; `consent` is JSON as text.
pub(super) const IMPORT: &str = "id, kind, state, consent, columns, \
    strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created_at, \
    strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1000.0, 'unixepoch') AS finished_at";

/// The columns of a part; `counts` is JSON as text.
pub(super) const PART: &str = "part, place, \
    strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch') AS received_at, counts";

/// Lines by what became of them.
#[derive(Default)]
struct Counts(Row);

impl Counts {
    fn add(&mut self, verdict: &str, number: u64) {
        let before = self.0.get(verdict).and_then(Value::as_u64).unwrap_or_default();
        self.0.insert(verdict.to_owned(), (before + number).into());
    }

    /// Those that are no reason for a refusal stand beside the others.
    fn shown_in(mut self, kind: Kind, shown: &mut Row) {
        let mut taken =
            |verdict: &str| self.0.remove(verdict).and_then(|number| number.as_u64()).unwrap_or_default();
        let good: Vec<(&str, u64)> = kind.good().iter().map(|verdict| (*verdict, taken(verdict))).collect();
        let refused: u64 = self.0.values().filter_map(Value::as_u64).sum();
        let lines = good.iter().map(|(_, number)| number).sum::<u64>() + refused;
        let numbers = std::iter::once(("lines", lines)).chain(good).chain([("refused", refused)]);
        shown.extend(numbers.map(|(name, number)| (name.to_owned(), number.into())));
        shown.insert("reasons".to_owned(), self.0.into());
    }
}

/// A row's column that holds JSON as text, taken out of it.
fn taken(row: &mut Row, column: &str) -> Result<Value, PlatformError> {
    let text = row.remove(column).unwrap_or_default();
    let json = serde_json::from_str(text.as_str().unwrap_or_default());
    json.map_err(|error| PlatformError::Stored(format!("{column} of an import: {error}")))
}

/// A part as the API shows it; its lines are added to the totals.
fn counted(mut row: Row, kind: Kind, totals: &mut Counts) -> Result<Value, PlatformError> {
    let mut counts = Counts::default();
    for (verdict, number) in taken(&mut row, "counts")?.as_object().into_iter().flatten() {
        let number = number.as_u64().unwrap_or_default();
        counts.add(verdict, number);
        totals.add(verdict, number);
    }
    counts.shown_in(kind, &mut row);
    Ok(row.into())
}

/// A part as the API shows it.
pub(super) fn shown_part(row: Row, kind: Kind) -> Result<Value, PlatformError> {
    counted(row, kind, &mut Counts::default())
}

/// An import with its parts as the API shows it, without the lines that it refused.
pub(super) fn shown(mut import: Row, parts: Vec<Row>) -> Result<Row, PlatformError> {
    let kind = Kind::of(&import)?;
    let consent = taken(&mut import, "consent")?;
    let (mut totals, mut shown_totals) = (Counts::default(), Map::new());
    let parts =
        parts.into_iter().map(|row| counted(row, kind, &mut totals)).collect::<Result<Vec<_>, _>>()?;
    totals.shown_in(kind, &mut shown_totals);
    let columns = import.remove("columns").filter(|columns| !columns.is_null());
    let columns =
        columns.and_then(|text| serde_json::from_str(text.as_str()?).ok()).map(|json| ("columns", json));
    let consent = (kind == Kind::Links).then_some(("consent", consent));
    let more = [("totals", shown_totals.into()), ("parts", parts.into())];
    let more = consent.into_iter().chain(columns).chain(more);
    import.extend(more.map(|(name, value): (&str, Value)| (name.to_owned(), value)));
    Ok(import)
}

/// Reads an import, and its parts.
pub(super) fn select(account: &AccountId, id: &ImportId) -> [Statement; 2] {
    [
        format!("SELECT {IMPORT} FROM imports WHERE account = ?1 AND id = ?2"),
        format!("SELECT {PART} FROM import_parts WHERE account = ?1 AND import = ?2 ORDER BY part"),
    ]
    .map(|sql| Statement::compiled(sql).bind(account).bind(id))
}

/// What those two statements read.
pub(super) fn selected(outcomes: &[Outcome]) -> Result<(Row, Vec<Row>), ApiError> {
    let [import, parts] = outcomes else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    let import = objects(import)?.into_iter().next().ok_or_else(|| ApiError::not_found("the import"))?;
    Ok((import, objects(parts)?))
}

/// The rows of a statement.
pub(super) fn objects(outcome: &Outcome) -> Result<Vec<Row>, PlatformError> {
    let rows: Vec<Value> = outcome.rows()?;
    Ok(rows.into_iter().map(|row| if let Value::Object(row) = row { row } else { Map::new() }).collect())
}

/// Reads the lines that it refused, after this one.
fn select_refused(account: &AccountId, id: &ImportId, after: (i64, i64), limit: i64) -> Statement {
    Statement::new(
        "SELECT p.part, e.value ->> 0 AS line, e.value ->> 1 AS reason \
         FROM import_parts p CROSS JOIN json_each(p.refused) e \
         WHERE p.account = ?1 AND p.import = ?2 AND p.part >= ?3 AND (p.part > ?3 OR e.value ->> 0 > ?4) \
         ORDER BY p.part, line LIMIT ?5",
    )
    .bind(account)
    .bind(id)
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
}

/// `GET /v1/imports/{id}?after=&limit=`: the import with its parts, and a page of refused lines.
pub async fn show<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let id = ImportId::parse(id)?;
    let form = Form::of_query(request)?;
    let limit = form.limit(LIMIT.0, LIMIT.1)?;
    let refused = select_refused(&account.id, &id, after(&form)?, limit);
    let [import, parts] = select(&account.id, &id);
    let outcomes = cx.platform.batch(&account.database, vec![refused, import, parts]).await?;
    let [refused, read @ ..] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    let (import, parts) = selected(read)?;
    let mut body = shown(import, parts)?;
    let refused: Vec<Value> = refused.rows()?;
    let is_full = i64::try_from(refused.len()).is_ok_and(|length| length == limit);
    let last =
        refused.last().filter(|_| is_full).and_then(|last| Some((last.get("part")?, last.get("line")?)));
    let next = last.map(|(part, line)| format!("{part}.{line}"));
    body.insert("refused_lines".to_owned(), refused.into());
    body.insert("next".to_owned(), json!(next));
    Ok(Reply::json(StatusCode::OK, &Value::from(body)))
}

/// `after`: the part and the line that the page before ended with.
fn after(form: &Form) -> Result<(i64, i64), ApiError> {
    let Some(text) = form.value("after") else { return Ok((0, 0)) };
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let place = text.split_once('.').and_then(|(part, line)| Some((number(part)?, number(line)?)));
    place.ok_or_else(|| ApiError::invalid_request("after is what next said on the page before"))
}
