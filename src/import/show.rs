//! `GET /v1/imports/{id}`: what has arrived, what came of it, and which lines were refused.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::Account,
    id::{AccountId, ImportId},
    platform::{Context, Outcome, Platform, PlatformError},
    store::Statement,
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form},
};

/// Refused lines of a page, unless the caller says otherwise, and at most.
const LIMIT: (i64, i64) = (100, 1_000);

/// An import as it is stored.
#[derive(Deserialize)]
pub(super) struct Import {
    pub(super) id: ImportId,
    pub(super) kind: String,
    pub(super) state: String,
    consent: String,
    pub(super) created_at: UnixMillis,
    pub(super) finished_at: Option<UnixMillis>,
}

/// A part as it is stored, without the lines that it refused.
#[derive(Deserialize)]
pub(super) struct Part {
    pub(super) part: i64,
    place: i64,
    received_at: UnixMillis,
    counts: String,
}

/// A line that was refused.
#[derive(Deserialize, Serialize)]
struct Refused {
    part: i64,
    line: i64,
    reason: String,
}

/// Lines by what became of them.
#[derive(Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn of(part: &Part) -> Result<Self, PlatformError> {
        let counts = serde_json::from_str(&part.counts);
        counts.map(Self).map_err(|error| PlatformError::Stored(format!("a part's counts: {error}")))
    }

    fn add(&mut self, other: Self) {
        for (verdict, number) in other.0 {
            *self.0.entry(verdict).or_default() += number;
        }
    }

    fn shown(mut self) -> ShownCounts {
        let linked = self.0.remove("linked").unwrap_or_default();
        let already_linked = self.0.remove("already_linked").unwrap_or_default();
        let refused = self.0.values().sum();
        ShownCounts {
            lines: linked + already_linked + refused,
            linked,
            already_linked,
            refused,
            reasons: self.0,
        }
    }
}

/// Counts as the API shows them.
#[derive(Serialize)]
struct ShownCounts {
    lines: u64,
    linked: u64,
    already_linked: u64,
    refused: u64,
    reasons: BTreeMap<String, u64>,
}

/// A part as the API shows it.
#[derive(Serialize)]
pub(super) struct ShownPart {
    part: i64,
    place: i64,
    received_at: String,
    #[serde(flatten)]
    counts: ShownCounts,
}

impl Part {
    pub(super) fn shown(&self) -> Result<ShownPart, PlatformError> {
        let counts = Counts::of(self)?.shown();
        Ok(ShownPart { part: self.part, place: self.place, received_at: self.received_at.rfc3339(), counts })
    }
}

/// An import as the API shows it, without the lines that it refused.
#[derive(Serialize)]
pub(super) struct Shown {
    id: ImportId,
    kind: String,
    state: String,
    consent: Value,
    created_at: String,
    finished_at: Option<String>,
    totals: ShownCounts,
    parts: Vec<ShownPart>,
}

impl Import {
    pub(super) fn shown(self, parts: &[Part]) -> Result<Shown, PlatformError> {
        let mut totals = Counts::default();
        for part in parts {
            totals.add(Counts::of(part)?);
        }
        Ok(Shown {
            id: self.id,
            kind: self.kind,
            state: self.state,
            consent: serde_json::from_str(&self.consent).unwrap_or_default(),
            created_at: self.created_at.rfc3339(),
            finished_at: self.finished_at.map(UnixMillis::rfc3339),
            totals: totals.shown(),
            parts: parts.iter().map(Part::shown).collect::<Result<_, _>>()?,
        })
    }
}

/// The same with a page of those lines, and the place at which the next one begins.
#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    import: Shown,
    refused_lines: Vec<Refused>,
    next: Option<String>,
}

/// Reads an import.
pub(super) fn select(account: &AccountId, id: &ImportId) -> Statement {
    Statement::new(
        "SELECT id, kind, state, consent, created_at, finished_at FROM imports WHERE account = ?1 AND id = ?2",
    )
    .bind(account)
    .bind(id)
}

/// Reads its parts.
pub(super) fn select_parts(account: &AccountId, id: &ImportId) -> Statement {
    Statement::new(
        "SELECT part, place, received_at, counts FROM import_parts WHERE account = ?1 AND import = ?2 ORDER BY part",
    )
    .bind(account)
    .bind(id)
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
    let form = Form::parse(request.query.as_bytes())?;
    let limit = form.limit(LIMIT.0, LIMIT.1)?;
    let after = after(&form)?;
    let statements = vec![
        select(&account.id, &id),
        select_parts(&account.id, &id),
        select_refused(&account.id, &id, after, limit),
    ];
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let import: Option<Import> = outcomes.first().map(Outcome::first).transpose()?.flatten();
    let import = import.ok_or_else(|| ApiError::not_found("the import"))?;
    let parts: Vec<Part> = outcomes.get(1).map(Outcome::rows).transpose()?.unwrap_or_default();
    let refused: Vec<Refused> = outcomes.get(2).map(Outcome::rows).transpose()?.unwrap_or_default();
    let is_full = i64::try_from(refused.len()).is_ok_and(|length| length == limit);
    let next = refused.last().filter(|_| is_full).map(|last| format!("{}.{}", last.part, last.line));
    let page = Page { import: import.shown(&parts)?, refused_lines: refused, next };
    Ok(Reply::json(StatusCode::OK, &page))
}

/// `after`: the part and the line that the page before ended with.
fn after(form: &Form) -> Result<(i64, i64), ApiError> {
    let Some(text) = form.value("after") else { return Ok((0, 0)) };
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let place = text.split_once('.').and_then(|(part, line)| Some((number(part)?, number(line)?)));
    place.ok_or_else(|| ApiError::invalid_request("after is what next said on the page before"))
}
