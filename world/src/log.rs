//! The log, and what must never stand in it: LINE user ids and the secrets of channels.

use serde_json::Value;

use crate::{World, line};

impl World {
    pub(crate) fn write_log(&self, line: &Value) {
        let text = line.to_string();
        if names_a_line_user(&text) {
            self.breach(format!("a log line names a LINE user: {text}"));
        }
        if line::SECRETS.iter().any(|secret| text.contains(secret)) {
            self.breach(format!("a log line tells a channel secret: {text}"));
        }
        self.log.borrow_mut().push(line.clone());
    }
}

/// Whether a `U` with 32 lower-case hexadecimal digits stands anywhere in it.
fn names_a_line_user(text: &str) -> bool {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.as_bytes()
        .windows(33)
        .any(|window| window.first() == Some(&b'U') && window.iter().skip(1).all(is_hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_user_id_is_found_wherever_it_stands() {
        assert!(names_a_line_user(r#"{"why":"to U0123456789abcdef0123456789abcdef"}"#));
        assert!(!names_a_line_user(r#"{"why":"U0123456789ABCDEF0123456789ABCDEF"}"#));
        assert!(!names_a_line_user("U"));
    }
}
