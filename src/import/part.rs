//! `PUT /v1/imports/{id}/parts/{n}`: one part of the file, applied once and as a whole.

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Kind, MAX_BYTES, MAX_PARTS,
    erased::erased,
    line::{self, Line, Reason},
    rows,
    show::{objects, shown_part},
    statements::Attempt,
    table::{self, Table},
};
use crate::{
    config::Account,
    id::ImportId,
    platform::{Context, Platform, PlatformError},
    secret::Digest,
    store::{
        Statement,
        tombstone::{NEWEST, Tombs},
    },
    time::UnixMillis,
    web::{ApiError, Reply, Request},
};

/// What is known of the import before its part is read.
#[derive(Deserialize)]
struct Look {
    kind: Kind,
    columns: Option<String>,
    newest: Option<UnixMillis>,
}

/// (1) The body is CSV and within its limits; (2) it is read as the import's kind wants it, and looked through for the erased;
/// (3) one batch claims the number, applies the lines and says what became of each, or does nothing because the number is taken;
/// (4) the answer is what stands there now, the same for whoever sends the same again.
pub async fn put_part<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
    number: &str,
) -> Result<Reply, ApiError> {
    // (1)
    let import = ImportId::parse(id)?;
    let part = part_number(number)?;
    check_body(request)?;
    // (2)
    let look = cx.platform.one(&account.database, look(account, &import)).await?;
    let look: Look = look.first()?.ok_or_else(|| ApiError::not_found("the import"))?;
    let digest = Digest::of(request.bytes());
    let claim = crate::id::short(cx.platform.random());
    let (now, newest) = (cx.platform.now(), look.newest);
    let attempt = Attempt { account, import: &import, part, claim, newest: newest.unwrap_or_default(), now };
    let statements = match look.kind {
        Kind::Links => {
            let mut lines = line::read(request.bytes())?;
            let named = |tombs: &Tombs<'_>| digests(tombs, &lines.asked);
            let gone = erased(cx, account, newest, named).await?;
            lines.asked.retain(|line| gone.binary_search(&line.number).is_err());
            lines.refused.extend(gone.into_iter().map(|number| (number, Reason::Erased)));
            attempt.statements(&digest, &lines.asked, &lines.refused, cx.platform.random())
        }
        kind => {
            let table = look.columns.map(|columns| Table::stored(kind, &columns)).transpose()?;
            let rows = table::read(kind, table, request.bytes(), now)?;
            let gone = erased(cx, account, newest, |tombs| rows.digests(tombs)).await?;
            let tombs = Tombs::new(&cx.settings.keys, &account.id);
            rows::statements(&attempt, &digest, &rows, &gone, &tombs, cx.platform.random())?
        }
    };
    // (3)
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    // (4)
    let [.., known, stored] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    let is_open = objects(known)?.into_iter().next().map(|row| row.get("is_open") == Some(&Value::from(1)));
    let stored = objects(stored)?.into_iter().next().map(|mut row| (row.remove("digest"), row));
    match stored {
        Some((Some(Value::String(of)), row)) if of == digest.as_str() => {
            Ok(Reply::json(StatusCode::OK, &shown_part(row, look.kind)?))
        }
        Some(_) => Err(ApiError::conflict(
            "part_differs",
            "a part with this number and other content was received; send this one under a number of its own",
        )),
        None => Err(match is_open {
            None => ApiError::not_found("the import"),
            Some(true) => ApiError::conflict(
                "erased_meanwhile",
                "somebody was erased while this part was read; send it again",
            ),
            Some(false) => ApiError::conflict(
                "import_finished",
                "this import is finished and takes no parts; begin another with POST /v1/imports",
            ),
        }),
    }
}

/// Reads what an import is, and the time of the account's newest tombstone.
fn look(account: &Account, import: &ImportId) -> Statement {
    Statement::compiled(format!(
        "SELECT kind, columns, ({NEWEST}) AS newest FROM imports WHERE account = ?1 AND id = ?2"
    ))
    .bind(&account.id)
    .bind(import)
}

fn digests(tombs: &Tombs<'_>, lines: &[Line]) -> Vec<(u32, Digest)> {
    let of = |line: &Line| {
        let digests = tombs.of_member(&line.member).into_iter().chain(tombs.of_line_user(&line.user));
        let number = line.number;
        digests.map(move |digest| (number, digest)).collect::<Vec<_>>()
    };
    lines.iter().flat_map(of).collect()
}

fn part_number(text: &str) -> Result<i64, ApiError> {
    let number = text.parse().ok().filter(|number: &i64| number.to_string() == text);
    number
        .filter(|number| (1..=MAX_PARTS).contains(number))
        .ok_or_else(|| ApiError::invalid_request(format!("a part has a number from 1 to {MAX_PARTS}")))
}

/// What curl sends by default is a form, and has lost its line ends.
fn check_body(request: &Request) -> Result<(), ApiError> {
    let content_type = request.header(&header::CONTENT_TYPE).unwrap_or("text/csv");
    let mut parts = content_type.split(';').map(str::trim);
    let is_csv = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/csv"));
    let charset = parts.find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"'))
    });
    if !is_csv || !charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8")) {
        let description =
            "send text/csv in UTF-8, for example: curl -T part-1.csv -H 'content-type: text/csv'";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", description));
    }
    if request.bytes().len() > MAX_BYTES {
        let description =
            format!("a part has at most {MAX_BYTES} bytes; cut the file at line ends into more parts");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", description));
    }
    Ok(())
}
