//! CSV (RFC 4180), in time that grows with its length alone.
//!
//! In: bytes. Out: a record for each line, or why the whole cannot be read. A byte order mark is passed over; lines end
//! with LF, CRLF or CR; spaces and formulas are data. Not here: what the columns mean (`line.rs`).

use std::borrow::Cow;

/// What one record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Its columns.
    Columns(Vec<Cow<'a, str>>),
    /// A blank line, which is no record.
    Blank,
    /// Too many columns, a single one in quotes, or quotes where none may be.
    Malformed,
}

/// A record, and the lines of the text that it takes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Its first line, from 1.
    pub(super) line: u32,
    /// How many lines it takes up: more than one where a quoted column holds line ends.
    pub(super) lines: u32,
    /// What it holds.
    pub(super) content: Content<'a>,
}

/// Why nothing of a text can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CsvError {
    /// A UTF-16 byte order mark.
    #[error("this is UTF-16; save the file as CSV in UTF-8 (in Excel: \"CSV UTF-8\")")]
    Utf16,
    /// Bytes that are no UTF-8.
    #[error(
        "line {0} is not UTF-8, so this may be Shift_JIS, which Excel writes for \"CSV\"; save the file as \"CSV UTF-8\", or \
         convert it: iconv -f CP932 -t UTF-8"
    )]
    NotUtf8(u32),
    /// What a quote opens is everything up to the next one: where it is never closed, nobody can tell lines from text.
    #[error(
        "the quote that opens in line {0} is never closed, so no line after it can be told; close it, write a quote within \
         quotes twice, and cut files between lines"
    )]
    UnclosedQuote(u32),
    /// More lines than are read.
    #[error("a part has at most {0} lines; cut the file at line ends into more parts")]
    TooManyLines(u32),
}

/// Reads all records but blank lines, up to so many lines, each of so many columns: a record takes more room than the shortest line, and an isolate has
/// little. Where the whole is refused, nothing of it may be used: a line within an open quote is no line, and would let
/// whoever chooses a member id write lines of his own.
pub(super) fn records(bytes: &[u8], most: u32, most_columns: usize) -> Result<Vec<Record<'_>>, CsvError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(CsvError::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok());
        CsvError::NotUtf8(1 + line_ends(before.unwrap_or_default()))
    })?;
    let mut rest = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let (mut records, mut line, mut read) = (Vec::new(), 1, 0);
    while !rest.is_empty() {
        let (content, lines, after) = record(rest, most_columns).ok_or(CsvError::UnclosedQuote(line))?;
        if content != Content::Blank {
            read += lines;
            if read > most {
                return Err(CsvError::TooManyLines(most));
            }
            records.push(Record { line, lines, content });
        }
        (rest, line) = (after, line + lines);
    }
    Ok(records)
}

/// The first record of a text, the lines that it takes up, and what follows its line end; none where a quote stays open.
fn record(text: &str, most_columns: usize) -> Option<(Content<'_>, u32, &str)> {
    let (mut columns, mut lines) = (Vec::new(), 1);
    let (mut rest, mut malformed) = (text, false);
    loop {
        let column = match rest.strip_prefix('"') {
            Some(opened) => quoted(opened)?,
            None => unquoted(rest),
        };
        lines += column.line_ends;
        match column.value {
            Some(value) if columns.len() < most_columns => columns.push(value),
            _ => malformed = true,
        }
        let Some(next) = column.after.strip_prefix(',') else {
            rest = past_line_end(column.after);
            break;
        };
        rest = next;
    }
    let content = match columns.as_slice() {
        _ if malformed => Content::Malformed,
        [_] if text.starts_with('"') => Content::Malformed,
        [only] if only.is_empty() => Content::Blank,
        _ => Content::Columns(columns),
    };
    Some((content, lines, rest))
}

/// One column: its value unless it is malformed, the line ends in it, and what comes after.
struct Column<'a> {
    value: Option<Cow<'a, str>>,
    line_ends: u32,
    after: &'a str,
}

fn unquoted(text: &str) -> Column<'_> {
    let (value, after) = until_its_end(text);
    let value = (!value.contains('"')).then_some(Cow::Borrowed(value));
    Column { value, line_ends: 0, after }
}

/// A column after its opening quote; none where it is never closed.
fn quoted(opened: &str) -> Option<Column<'_>> {
    let (piece, mut after) = opened.split_once('"')?;
    let mut value = Cow::Borrowed(piece);
    while let Some(escaped) = after.strip_prefix('"') {
        let (piece, next) = escaped.split_once('"')?;
        let owned = value.to_mut();
        owned.push('"');
        owned.push_str(piece);
        after = next;
    }
    let line_ends = line_ends(&value);
    let (stray, after) = until_its_end(after);
    Some(Column { value: stray.is_empty().then_some(value), line_ends, after })
}

fn until_its_end(text: &str) -> (&str, &str) {
    text.split_at(text.find([',', '\n', '\r']).unwrap_or(text.len()))
}

fn past_line_end(text: &str) -> &str {
    let one = text.strip_prefix("\r\n").or_else(|| text.strip_prefix(['\n', '\r']));
    one.unwrap_or(text)
}

/// How many lines end in a text: by LF, CRLF or CR.
fn line_ends(text: &str) -> u32 {
    let (mut ends, mut before) = (0, b' ');
    for byte in text.bytes() {
        ends += u32::from(byte == b'\r' || (byte == b'\n' && before != b'\r'));
        before = byte;
    }
    ends
}

#[cfg(test)]
mod by_the_book;

#[cfg(test)]
mod tests {
    use super::*;

    fn records(bytes: &[u8]) -> Result<Vec<Record<'_>>, CsvError> {
        super::records(bytes, 1_000_000, 2)
    }

    fn two(line: u32, first: &'static str, second: &'static str) -> Record<'static> {
        Record { line, lines: 1, content: Content::Columns(vec![first.into(), second.into()]) }
    }

    #[test]
    fn lines_end_with_lf_crlf_or_cr_and_the_last_with_nothing() {
        let read = records("\u{FEFF}a,b\r\nc,d\n\ne,f\rg,\"h\"".as_bytes()).unwrap();
        assert_eq!(read, [two(1, "a", "b"), two(2, "c", "d"), two(4, "e", "f"), two(5, "g", "h")]);
        assert_eq!(records(b""), Ok(vec![]));
    }

    #[test]
    fn quotes_hold_commas_line_ends_and_quotes() {
        let read = records("\"a,\"\"1\"\"\",\"あ\"\n\"a\r\n\nb\",c\nd,e\n".as_bytes()).unwrap();
        let long =
            Record { line: 2, lines: 3, content: Content::Columns(vec!["a\r\n\nb".into(), "c".into()]) };
        assert_eq!(read, [two(1, "a,\"1\"", "あ"), long, two(5, "d", "e")]);
    }

    #[test]
    fn spaces_and_formulas_are_data() {
        let read = records(b" =1+1 ,@x").unwrap();
        assert_eq!(read, [two(1, " =1+1 ", "@x")]);
    }

    #[test]
    fn too_many_columns_and_stray_quotes_are_malformed_and_the_next_line_is_read() {
        for wrong in
            ["a,b,c", "a,b,", ",,", "a\"b,c", "\"a\"b,c", "\"a\" ,c", "a,\"b\"c", "\"\"", "\"a\"\"\"b,c"]
        {
            let text = format!("{wrong}\nx,y");
            let read = records(text.as_bytes()).unwrap();
            assert_eq!(read[0].content, Content::Malformed, "{wrong}");
            assert_eq!(read[1..], [two(2, "x", "y")], "{wrong}");
        }
        let columns = ",".repeat(100_000);
        assert_eq!(records(columns.as_bytes()).unwrap()[0].content, Content::Malformed);
    }

    #[test]
    fn what_cannot_be_read_says_where_and_why() {
        assert_eq!(records(b"a,b\nc,\"d\ne,f\n"), Err(CsvError::UnclosedQuote(2)));
        assert_eq!(records(b"a,b\r\n\x89\xef\x88\xf5,c"), Err(CsvError::NotUtf8(2)));
        assert_eq!(records(b"\xff\xfea\0"), Err(CsvError::Utf16));
    }

    #[test]
    fn blank_lines_take_no_room_and_of_too_many_others_no_more_is_read() {
        let blank = "\n".repeat(1_000_000);
        assert_eq!(super::records(blank.as_bytes(), 2, 2).unwrap().capacity(), 0);
        assert_eq!(super::records(b"a\n\nb\n\n", 2, 2).unwrap().len(), 2);
        for many in ["a\nb\nc\n", "a\n\"\n\n\"", "a\nb\nc\n\"unclosed"] {
            assert_eq!(super::records(many.as_bytes(), 2, 2), Err(CsvError::TooManyLines(2)));
        }
    }
}
