//! The same format, read one character after the other as RFC 4180 tells it, slowly: what the reader is held against.

use std::borrow::Cow;

use super::{Content, records};

/// A record: its first line, how many lines it takes up, and its columns unless it is malformed.
type Record = (u32, u32, Option<Vec<String>>);

/// Where in a record the next character stands.
#[derive(PartialEq)]
enum At {
    Start,
    Plain,
    Quoted,
    Closed,
    Stray,
}

/// All records; nothing where a quote stays open.
fn by_the_book(text: &str) -> Option<Vec<Record>> {
    let (mut records, mut columns, mut column) = (Vec::new(), Vec::new(), String::new());
    let (mut at, mut well, mut begun, mut quoted) = (At::Start, true, false, false);
    let (mut line, mut first) = (1, 1);
    let mut chars = text.chars().peekable();
    loop {
        let next = chars.next();
        let ends = next == Some('\n') || (next == Some('\r') && chars.peek() != Some(&'\n'));
        let is_half_an_end = next == Some('\r') && !ends;
        match (next, &at) {
            (None, At::Quoted) => return None,
            (Some('"'), At::Quoted) => at = At::Closed,
            (Some(c), At::Quoted) => {
                column.push(c);
                line += u32::from(ends);
            }
            (Some('"'), At::Start) => (at, quoted) = (At::Quoted, true),
            (Some('"'), At::Closed) => {
                column.push('"');
                at = At::Quoted;
            }
            (Some(','), _) => {
                columns.push(std::mem::take(&mut column));
                at = At::Start;
            }
            (None, _) if !begun => return Some(records),
            (None, _) => {}
            _ if ends || is_half_an_end => {}
            (Some(c), At::Start | At::Plain) => {
                well &= c != '"';
                column.push(c);
                at = At::Plain;
            }
            (Some(_), At::Closed | At::Stray) => {
                well = false;
                at = At::Stray;
            }
        }
        begun = true;
        if next.is_none() || (ends && at != At::Quoted) {
            columns.push(std::mem::take(&mut column));
            let columns = std::mem::take(&mut columns);
            // One column in quotes is no blank line.
            well &= !quoted || columns.len() > 1;
            records.push((first, line + 1 - first, well.then_some(columns)));
            (line, at, well, begun, quoted) = (line + 1, At::Start, true, false, false);
            first = line;
        }
        if next.is_none() {
            return Some(records);
        }
    }
}

#[test]
fn every_short_text_is_read_as_the_book_says() {
    let alphabet = [',', '"', '\r', '\n', 'あ'];
    for length in 0..=7 {
        for number in 0..5_usize.pow(length) {
            let digits = (0..length).map(|place| alphabet[number / 5_usize.pow(place) % 5]);
            let text: String = digits.collect();
            let read = records(text.as_bytes(), u32::MAX, 4).ok().map(|records| {
                let shown = records.into_iter().map(|record| {
                    let content = match record.content {
                        Content::Columns(columns) => Some(columns.into_iter().map(Cow::into_owned).collect()),
                        Content::Blank | Content::Malformed => None,
                    };
                    (record.line, record.lines, content)
                });
                shown.collect::<Vec<_>>()
            });
            let expected = by_the_book(&text).map(|records| {
                let is_blank = |record: &Record| {
                    record.2.as_ref().is_some_and(|columns| *columns == [""]) && record.1 == 1
                };
                let few =
                    |record: Record| (record.0, record.1, record.2.filter(|columns| columns.len() <= 4));
                records.into_iter().filter(|record| !is_blank(record)).map(few).collect::<Vec<_>>()
            });
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
