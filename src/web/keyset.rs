//! Keyset pages of lists: `?after=` names the last row that the caller has, `limit` how many come next.

use super::{ApiError, Request, form::Form};

/// Rows of a page, unless the caller says otherwise.
const DEFAULT: i64 = 100;

/// Rows of a page at most.
pub const MAX: i64 = 1_000;

/// The parameters of a list.
pub fn parameters(request: &Request) -> Result<Form, ApiError> {
    Form::parse(request.query.as_bytes()).map_err(|e| ApiError::invalid_request(e.to_string()))
}

/// `limit`.
pub fn limit(form: &Form) -> Result<i64, ApiError> {
    let wrong = || ApiError::invalid_request(format!("limit is a number from 1 to {MAX}"));
    match form.value("limit").map(str::parse::<i64>) {
        None => Ok(DEFAULT),
        Some(Ok(limit)) if (1..=MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(wrong()),
    }
}

/// The place of a row among those that are ordered by time and name, as one text for `after`.
#[must_use]
pub fn place(at: crate::time::UnixMillis, name: &str) -> String {
    format!("{}.{name}", at.0)
}

/// Reads such a place.
pub fn at_place(form: &Form) -> Result<Option<(crate::time::UnixMillis, &str)>, ApiError> {
    let Some(text) = form.value("after") else { return Ok(None) };
    let place =
        text.split_once('.').and_then(|(at, name)| Some((crate::time::UnixMillis(at.parse().ok()?), name)));
    place.map(Some).ok_or_else(|| ApiError::invalid_request("after is what next said on the page before"))
}
