//! `PUT /v1/imports/{id}/parts/{n}`: one part of the file, applied once and as a whole.

use http::{StatusCode, header};
use serde_json::Value;

use super::{
    MAX_BYTES, MAX_PARTS,
    erased::{Erased, erased},
    line::{self, Reason},
    show::{objects, shown_part},
    statements::Attempt,
};
use crate::{
    config::Account,
    id::ImportId,
    platform::{Context, Platform, PlatformError},
    secret::Digest,
    web::{ApiError, Reply, Request},
};

/// (1) The body is CSV and within its limits; (2) it is read, and lines of the erased are refused; (3) one batch claims the
/// number, makes the links and says what became of each line, or does nothing because the number is taken; (4) the
/// answer is what stands there now, the same for whoever sends the same again.
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
    let mut lines = line::read(request.bytes())?;
    let Erased { lines: gone, newest } = erased(cx, account, &lines.asked).await?;
    lines.asked.retain(|line| gone.binary_search(&line.number).is_err());
    lines.refused.extend(gone.into_iter().map(|number| (number, Reason::Erased)));
    // (3)
    let digest = Digest::of(request.bytes());
    let claim = crate::id::short(cx.platform.random());
    let attempt = Attempt { account, import: &import, part, claim, newest, now: cx.platform.now() };
    let statements = attempt.statements(&digest, &lines.asked, &lines.refused, cx.platform.random());
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    // (4)
    let [.., known, stored] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    let is_open = objects(known)?.into_iter().next().map(|row| row.get("is_open") == Some(&Value::from(1)));
    let stored = objects(stored)?.into_iter().next().map(|mut row| (row.remove("digest"), row));
    match stored {
        Some((Some(Value::String(of)), row)) if of == digest.as_str() => {
            Ok(Reply::json(StatusCode::OK, &shown_part(row)?))
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
