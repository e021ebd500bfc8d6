//! Members and events as CSV: what the columns are, and what a line says by them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    Kind,
    column::{Column, needed, own},
    csv::{Content, records},
    line::{MAX_LINES, Reason, each, invalid},
};
use crate::{
    event::{BUILT_IN, Event},
    id::MemberId,
    platform::PlatformError,
    secret::Digest,
    store::tombstone::Tombs,
    time::UnixMillis,
    web::{ApiError, lines::Refused},
    word::{MAX_ATTRIBUTES, Word},
};

/// Cells of one part that say something: each becomes a row or more.
const MAX_CELLS: usize = 100_000;

/// The columns of a part.
#[derive(Debug)]
pub(super) struct Table {
    kind: Kind,
    columns: Vec<Column>,
}

impl Table {
    /// The columns of these names, or what is wrong with them.
    pub(super) fn of(kind: Kind, names: &[impl AsRef<str>]) -> Result<Self, String> {
        if names.len() > MAX_ATTRIBUTES {
            return Err(format!("at most {MAX_ATTRIBUTES}"));
        }
        let columns =
            names.iter().map(|name| Column::of(kind, name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(&column.name)) {
            return Err(format!("{} is there twice", twice.name));
        }
        if let Some(missing) = needed(kind).iter().find(|name| !columns.iter().any(|one| one.name == **name))
        {
            return Err(format!("{missing} is missing; name all of {}", needed(kind).join(", ")));
        }
        Ok(Self { kind, columns })
    }

    /// Those of an import that said them when it was begun.
    pub(super) fn stored(kind: Kind, json: &str) -> Result<Self, PlatformError> {
        let names: Vec<String> =
            serde_json::from_str(json).map_err(|e| PlatformError::Stored(format!("columns: {e}")))?;
        Self::of(kind, &names).map_err(|e| PlatformError::Stored(format!("columns: {e}")))
    }

    /// A line as the JSON that the API takes for it.
    fn json(&self, cells: &[impl AsRef<str>]) -> Result<Value, Refused> {
        let (mut line, mut named) = (Map::new(), Map::new());
        for (Column { name, cell }, text) in self.columns.iter().zip(cells.iter().map(AsRef::as_ref)) {
            if text.is_empty() {
                continue;
            }
            let is_own = own(self.kind).contains(&name.as_str());
            let value = cell.read(text).map_err(|says| {
                let field = if is_own { name.clone() } else { format!("{}.{name}", self.within()) };
                Refused::new(field, says)
            })?;
            match (name.as_str(), value) {
                ("properties", Value::Object(properties)) if self.kind == Kind::Events => {
                    named.extend(properties);
                }
                ("properties", _) if self.kind == Kind::Events => {
                    return Err(Refused::new("properties", "must be a JSON object"));
                }
                ("tags", tags) if self.kind == Kind::Members => {
                    line.insert("tags".to_owned(), Map::from_iter([("add".to_owned(), tags)]).into());
                }
                (_, value) if is_own => _ = line.insert(name.clone(), value),
                (_, value) => _ = named.insert(name.clone(), value),
            }
        }
        line.insert(self.within().to_owned(), named.into());
        Ok(line.into())
    }

    fn within(&self) -> &'static str {
        if self.kind == Kind::Events { "properties" } else { "attributes" }
    }

    /// Why a line is refused: a field, as far as it is a column's or a built-in property's. What a file holds beyond is nobody's
    /// business here.
    fn reason(&self, field: &str) -> Reason {
        if field.is_empty() {
            return Reason::Malformed;
        }
        if field == "member_id" {
            return Reason::MemberId;
        }
        let Some(rest) = field.strip_prefix("properties.").filter(|_| self.kind == Kind::Events) else {
            return Reason::Field(field.to_owned());
        };
        let name = rest.split(['.', '[']).next().unwrap_or_default();
        let built_in = BUILT_IN.iter().flat_map(|one| one.properties).any(|property| property.name == name);
        if built_in || self.columns.iter().any(|column| column.name == name) {
            Reason::Field(format!("properties.{name}"))
        } else {
            Reason::Field("properties".to_owned())
        }
    }
}

/// What well-formed lines say, each with its number.
#[derive(Debug)]
pub(super) enum Said {
    Words(Vec<(u32, Word)>),
    Events(Vec<(u32, Event)>),
}

/// A part that was read: each of its lines is in one of the two, but for a header and blank lines.
#[derive(Debug)]
pub(super) struct Rows {
    /// The well-formed ones, in their order.
    pub(super) said: Said,
    /// The others.
    pub(super) refused: Vec<(u32, Reason)>,
}

impl Rows {
    /// The member of each line.
    pub(super) fn members(&self) -> Vec<(u32, &MemberId)> {
        match &self.said {
            Said::Words(words) => words.iter().map(|(number, word)| (*number, &word.member)).collect(),
            Said::Events(events) => events.iter().map(|(number, event)| (*number, &event.member)).collect(),
        }
    }

    /// The tombstones that the members would have.
    pub(super) fn digests(&self, tombs: &Tombs<'_>) -> Vec<(u32, Digest)> {
        let members = self.members().into_iter();
        members
            .flat_map(|(number, member)| tombs.of_member(member).into_iter().map(move |one| (number, one)))
            .collect()
    }
}

/// Reads a part, whose columns were said when the import was begun, or else are said by its first line.
pub(super) fn read(kind: Kind, table: Option<Table>, body: &[u8], now: UnixMillis) -> Result<Rows, ApiError> {
    let mut records = records(body, MAX_LINES, MAX_ATTRIBUTES)?.into_iter().peekable();
    let header = match records.peek().map(|record| &record.content) {
        Some(Content::Columns(names)) if names.iter().any(|name| name.trim() == "member_id") => {
            Some(Table::of(kind, names).map_err(|why| invalid(format!("the header: {why}")))?)
        }
        _ => None,
    };
    if header.is_some() {
        records.next();
    }
    let table = match (table, header) {
        (Some(said), Some(header)) if said.columns != header.columns => {
            return Err(invalid("the header differs from the columns that the import was begun with"));
        }
        (Some(table), _) | (None, Some(table)) => table,
        (None, None) => {
            return Err(invalid(
                "the first line of a part names its columns, member_id among them; or name them as columns in POST /v1/imports",
            ));
        }
    };
    let (mut words, mut events, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let (mut seen, mut cells) = (HashSet::new(), 0);
    for record in records {
        let line = match &record.content {
            Content::Columns(columns) if columns.len() == table.columns.len() => {
                cells += columns.iter().filter(|cell| !cell.is_empty()).count();
                table.json(columns)
            }
            _ => Err(Refused::new("", "")),
        };
        if cells > MAX_CELLS {
            return Err(invalid(format!(
                "a part has at most {MAX_CELLS} cells that are not empty; cut it into more"
            )));
        }
        let number = record.line;
        let reason = match kind {
            Kind::Events => match line.and_then(|json| Event::parse(json, now)) {
                Ok(event) => {
                    events.push((number, event));
                    continue;
                }
                Err(why) => table.reason(&why.field),
            },
            _ => match line.and_then(|json| Word::parse(json, None, now)) {
                Ok(word) if seen.insert(word.member.clone()) => {
                    words.push((number, word));
                    continue;
                }
                Ok(_) => Reason::Repeated,
                Err(why) => table.reason(&why.field),
            },
        };
        refused.extend(each(&record, &reason));
    }
    if words.is_empty() && events.is_empty() && refused.is_empty() {
        return Err(invalid("the part has no lines behind its header (curl: --data-binary)"));
    }
    let said = if kind == Kind::Events { Said::Events(events) } else { Said::Words(words) };
    Ok(Rows { said, refused })
}
