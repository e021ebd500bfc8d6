//! Keyset pages of lists that are ordered by time: `?after=` names the last row that the caller has.

use super::{ApiError, form::Form};
use crate::time::UnixMillis;

/// Rows of a page, unless the caller says otherwise, and at most.
pub const LIMIT: (i64, i64) = (100, 1_000);

/// The place of a row among those that are ordered by time and name, as one text for `after`.
#[must_use]
pub fn place(at: UnixMillis, name: &str) -> String {
    format!("{}.{name}", at.0)
}

/// Reads such a place.
pub fn at_place(form: &Form) -> Result<Option<(UnixMillis, &str)>, ApiError> {
    form.value("after").map(read_place).transpose()
}

/// Reads a place that stands alone.
pub fn read_place(text: &str) -> Result<(UnixMillis, &str), ApiError> {
    let place = text.split_once('.').and_then(|(at, name)| Some((at.parse().ok()?, name)));
    // D1 takes no number beyond.
    let place = place.filter(|(at, _)| (0..=crate::store::MAX_INTEGER).contains(at));
    let place = place.map(|(at, name)| (UnixMillis(at), name));
    place.ok_or_else(|| ApiError::invalid_request("after is what next said on the page before"))
}
