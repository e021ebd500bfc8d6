//! What the records of a part mean: the links that it asks for, and the lines that are refused before anything stored is
//! looked at.

use serde::Serialize;

use super::csv::{Content, CsvError, Record, records};
use crate::{
    id::{LineUserId, MemberId},
    web::ApiError,
};

/// Lines of one part, a header counted and blank ones not. More than 27,778 that are well formed do not fit into [`super::MAX_BYTES`].
pub(super) const MAX_LINES: u32 = 30_000;

/// The names of the columns, for a header.
const COLUMNS: [&str; 2] = ["member_id", "line_user_id"];

/// Why a line is refused before anything stored is looked at. `repeated`, `subject_is_linked` and `member_is_linked` are
/// said by the statement that looks (`statements::settle`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    /// Not two columns, or quotes where none may be.
    Malformed,
    /// The member id has not its form.
    MemberId,
    /// The LINE user id has not its form.
    LineUserId,
    /// The person was erased.
    Erased,
    /// A line before it in this part names the same.
    Repeated,
    /// A field of a member or an event.
    #[serde(untagged)]
    Field(String),
}

/// A line that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in the part, from 1, a header and blank lines counted.
    pub(super) number: u32,
    /// The member.
    pub(super) member: MemberId,
    /// The LINE user.
    pub(super) user: LineUserId,
}

/// A part that was read: each of its lines is in one of the two, but for a header and blank lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The well-formed ones, in their order.
    pub(super) asked: Vec<Line>,
    /// The others.
    pub(super) refused: Vec<(u32, Reason)>,
}

/// Reads a part.
pub(super) fn read(body: &[u8]) -> Result<Lines, ApiError> {
    let mut records = records(body, MAX_LINES, COLUMNS.len())?.into_iter().peekable();
    if let Some(Content::Columns(names)) = records.peek().map(|record| &record.content) {
        let named: Vec<String> = names.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        if named == COLUMNS {
            records.next();
        } else if named.iter().any(|name| name == COLUMNS[1]) {
            return Err(invalid("the header must be member_id,line_user_id, in this order; or leave it out"));
        }
    }
    let mut lines = Lines::default();
    for record in records {
        match judged(&record.content) {
            Ok((member, user)) => lines.asked.push(Line { number: record.line, member, user }),
            // Of a record of several lines each counts, so that every line of the file is accounted for.
            Err(reason) => lines.refused.extend(each(&record, &reason)),
        }
    }
    if lines.asked.is_empty() && lines.refused.is_empty() {
        return Err(invalid(
            "the part has no lines; send lines of member_id,line_user_id (curl: --data-binary)",
        ));
    }
    Ok(lines)
}

/// Every line of a record that is refused.
pub(super) fn each(record: &Record<'_>, reason: &Reason) -> impl Iterator<Item = (u32, Reason)> {
    let reason = reason.clone();
    (record.line..).take(record.lines as usize).map(move |number| (number, reason.clone()))
}

/// A line that is well formed, as the fuzzers read it: its number, member and LINE user.
type Plain = (u32, String, String);

/// A part for the fuzzers: the lines that are well formed, and the numbers of the others.
#[doc(hidden)]
pub fn import_lines(body: &[u8]) -> Result<(Vec<Plain>, Vec<u32>), ApiError> {
    let Lines { asked, refused } = read(body)?;
    let plain = |line: Line| (line.number, line.member.as_str().to_owned(), line.user.as_str().to_owned());
    let refused = refused.into_iter().map(|(number, _)| number).collect();
    Ok((asked.into_iter().map(plain).collect(), refused))
}

fn judged(content: &Content<'_>) -> Result<(MemberId, LineUserId), Reason> {
    let Content::Columns(columns) = content else { return Err(Reason::Malformed) };
    let [member, user] = columns.as_slice() else { return Err(Reason::Malformed) };
    let member = MemberId::parse(member).map_err(|_| Reason::MemberId)?;
    let user = LineUserId::parse(user).map_err(|_| Reason::LineUserId)?;
    Ok((member, user))
}

pub(super) fn invalid(description: impl Into<String>) -> ApiError {
    ApiError::new(http::StatusCode::BAD_REQUEST, "invalid_csv", description)
}

impl From<CsvError> for ApiError {
    fn from(error: CsvError) -> Self {
        invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "U0123456789abcdef0123456789abcdef";

    fn read_text(text: &str) -> Lines {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_header_is_passed_over_once_and_only_at_the_top() {
        let lines = read_text(&format!(
            "\u{FEFF}Member_ID, LINE_USER_ID\r\nm-1,{USER}\r\nmember_id,line_user_id\r\n"
        ));
        assert_eq!(lines.asked.iter().map(|line| line.number).collect::<Vec<_>>(), [2]);
        assert_eq!(lines.refused, [(3, Reason::LineUserId)]);
        assert!(read(format!("line_user_id,member_id\n{USER},m-1").as_bytes()).is_err());
        assert!(read(format!("customer,line_user_id\nm-1,{USER}").as_bytes()).is_err());
        let member = read_text(&format!("member_id,{USER}"));
        assert_eq!(member.asked[0].member.as_str(), "member_id");
    }

    #[test]
    fn every_line_is_asked_for_or_refused_with_its_number() {
        let lines = read_text(&format!(
            "m-1,{USER}\n\n,{USER}\nm\0,{USER}\nm-2,U1\nm-3\n\"a\nb\",{USER}\n=A1,{USER}"
        ));
        assert_eq!(lines.asked.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 9]);
        assert_eq!(
            lines.refused,
            [
                (3, Reason::MemberId),
                (4, Reason::MemberId),
                (5, Reason::LineUserId),
                (6, Reason::Malformed),
                (7, Reason::MemberId),
                (8, Reason::MemberId)
            ]
        );
    }

    #[test]
    fn a_part_without_lines_or_with_too_many_is_refused() {
        for text in ["", "\n\n", "member_id,line_user_id\n"] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(read("x\n".repeat(30_000).as_bytes()).is_ok());
        assert!(read("x\n".repeat(30_001).as_bytes()).is_err());
        assert!(read(format!("\"{}\"", "\n".repeat(30_001)).as_bytes()).is_err());
    }
}
