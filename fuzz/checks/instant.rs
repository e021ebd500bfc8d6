//! Times as the API takes them (`time::UnixMillis`): what is read is written in UTC so that it is read as the same.
//!
//! Input: the time.

use enishi::time::{Day, UnixMillis};

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(at) = UnixMillis::parse_rfc3339(text) {
        let written = at.rfc3339();
        // Years of more than four digits are written otherwise.
        if (0..=253_402_300_799_999).contains(&at.0) {
            assert_eq!(UnixMillis::parse_rfc3339(&written), Some(at), "{written}");
        }
    }
    if let Some(day) = Day::parse(text) {
        assert_eq!(day.to_string(), text);
        assert_eq!(Day::of(day.begins()), day);
    }
}
