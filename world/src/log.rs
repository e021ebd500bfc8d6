//! The log, and what must never stand in it: LINE user ids, the secrets of channels, and every token, code and key that
//! was given out or presented.

use enishi::web::{Call, Reply, Request};
use http::{HeaderMap, header};
use serde_json::Value;
use url::form_urlencoded;

use crate::{World, line};

/// Fields of JSON, forms and queries that hold what is nobody else's business.
const SECRET_FIELDS: [&str; 14] = [
    "access_token",
    "id_token",
    "refresh_token",
    "code",
    "code_verifier",
    "client_secret",
    "api_key",
    "state",
    "nonce",
    "logout_token",
    "id_token_hint",
    "subject_token",
    "client_assertion",
    "secret",
];

/// The shortest text that counts as a secret: shorter ones stand in any line by chance.
const MIN_SECRET: usize = 8;

impl World {
    /// The log lines in which one of these texts stands as a word of its own, or a secret that was given out or
    /// presented.
    #[must_use]
    pub fn indiscreet_lines(&self, words: &[String]) -> Vec<String> {
        let secrets = self.secrets.borrow();
        let texts: Vec<String> = self.log.borrow().iter().map(Value::to_string).collect();
        let log = texts.join("\n");
        let told: Vec<&String> = words.iter().chain(&*secrets).filter(|word| stands_in(&log, word)).collect();
        let tells = |text: &String| told.iter().any(|word| stands_in(text, word));
        texts.into_iter().filter(tells).collect()
    }

    /// Keeps in mind what a request presents.
    pub(crate) fn overhear_request(&self, request: &Request) {
        self.overhear_headers(&request.headers);
        self.overhear_fields(request.query.as_bytes());
        self.overhear_fields(request.bytes());
    }

    /// Keeps in mind what the product presents to another server.
    pub(crate) fn overhear_call(&self, call: &Call) {
        self.overhear_headers(&call.headers);
        let query = call.url.split_once('?').map_or("", |(_, query)| query);
        self.overhear_fields(query.as_bytes());
        self.overhear_fields(&call.body);
        self.overhear_json(&call.body);
    }

    fn overhear_headers(&self, headers: &HeaderMap) {
        for name in [header::AUTHORIZATION, header::COOKIE] {
            let value = headers.get(&name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let credentials = value.split([' ', ';']);
            credentials.for_each(|one| self.overhear(one.split_once('=').map_or(one, |(_, value)| value)));
        }
    }

    /// Keeps in mind what a reply gives out.
    pub(crate) fn overhear_reply(&self, reply: &Reply) {
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            self.overhear(pair.split_once('=').map_or("", |(_, value)| value));
        }
        let location = reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        if let Some((_, query)) = location.and_then(|location| location.split_once('?')) {
            self.overhear_fields(query.as_bytes());
        }
        self.overhear_json(&reply.body);
    }

    /// Keeps in mind the secrets in an answer's JSON.
    pub(crate) fn overhear_json(&self, body: &[u8]) {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return };
        for name in SECRET_FIELDS {
            if let Some(Value::String(secret)) = fields.get(name) {
                self.overhear(secret);
            }
        }
    }

    fn overhear_fields(&self, form: &[u8]) {
        for (name, value) in form_urlencoded::parse(form) {
            if SECRET_FIELDS.contains(&&*name) {
                self.overhear(&value);
            }
        }
    }

    pub(crate) fn overhear(&self, secret: &str) {
        if secret.len() >= MIN_SECRET {
            self.secrets.borrow_mut().insert(secret.to_owned());
        }
    }

    pub(crate) fn write_log(&self, text: &str) {
        let Ok(line) = serde_json::from_str::<Value>(text) else {
            return self.breach(format!("a log line is no JSON: {text}"));
        };
        if names_a_line_user(text) {
            self.breach(format!("a log line names a LINE user: {text}"));
        }
        if line::SECRETS.iter().any(|secret| text.contains(secret)) {
            self.breach(format!("a log line tells a channel secret: {text}"));
        }
        self.log.borrow_mut().push(line);
    }
}

/// Whether a text stands in another without being the middle of a longer word.
fn stands_in(text: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let (before, after) = (text.get(..at), text.get(at + word.len()..));
            let before = before.and_then(|text| text.chars().next_back());
            let after = after.and_then(|text| text.chars().next());
            !before.is_some_and(goes_on) && !after.is_some_and(goes_on)
        })
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
    fn a_word_is_found_where_it_stands_alone_and_not_within_another() {
        assert!(stands_in(r#"{"why":"of m-1"}"#, "m-1") && stands_in("客:花子", "花子"));
        assert!(!stands_in("m-11", "m-1") && !stands_in("item-1", "m-1") && !stands_in("x", ""));
    }

    #[test]
    fn a_log_line_that_tells_a_token_or_a_given_word_is_indiscreet() {
        let world = World::new(1);
        world.overhear_json(br#"{"access_token":"secret-of-somebody"}"#);
        for why in ["nothing", "refused secret-of-somebody", "member m-1"] {
            world.write_log(&serde_json::json!({ "why": why }).to_string());
        }
        let told = world.indiscreet_lines(&["m-1".to_owned()]);
        assert_eq!(told, [r#"{"why":"refused secret-of-somebody"}"#, r#"{"why":"member m-1"}"#]);
    }

    #[test]
    fn a_line_user_id_is_found_wherever_it_stands() {
        assert!(names_a_line_user(r#"{"why":"to U0123456789abcdef0123456789abcdef"}"#));
        assert!(!names_a_line_user(r#"{"why":"U0123456789ABCDEF0123456789ABCDEF"}"#));
        assert!(!names_a_line_user("U"));
    }
}
