//! Cookies with the `__Host-` prefix: this host only, `Secure`, `Path=/` (RFC 6265bis section 4.1.3.2).
//!
//! `Lax`, because LINE's answer is a top-level navigation from another site; `None` is lost in some in-app browsers.

use http::header;

use super::Request;

/// A session of a customer in this browser.
pub const SESSION: &str = "__Host-enishi-session";

/// In front of the id of a login attempt.
pub const ATTEMPT_PREFIX: &str = "__Host-enishi-login-";

/// Set by the retry page's button: the next login in this browser asks LINE not to try auto-login.
pub const NO_AUTO_LOGIN: &str = "__Host-enishi-no-auto-login";

/// The ticket of an auto-login link: where the next login in this browser is to arrive.
pub const TICKET: &str = "__Host-enishi-ticket";

/// `Set-Cookie` for a value of base64url characters and dots.
#[must_use]
pub fn set(name: &str, value: &str, max_age_seconds: i64) -> String {
    format!("{name}={value}; Path=/; Max-Age={max_age_seconds}; Secure; HttpOnly; SameSite=Lax")
}

/// `Set-Cookie` that removes a cookie.
#[must_use]
pub fn clear(name: &str) -> String {
    set(name, "", 0)
}

/// All cookies of a request, in the browser's order. What another part of the shop's domain set may hold any bytes: a
/// pair that is no text is passed over, and does not hide its neighbours.
pub fn all(request: &Request) -> impl Iterator<Item = (&str, &str)> {
    let header = request.headers.get(header::COOKIE).map_or(&[][..], |value| value.as_bytes());
    header
        .split(|byte| *byte == b';')
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim().split_once('='))
}

/// One cookie of a request.
#[must_use]
pub fn value<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    all(request).find(|(found, _)| *found == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    #[test]
    fn a_cookie_of_raw_bytes_does_not_hide_its_neighbours() {
        let raw = b"seen=\xe5\x95\x86\xe5\x93\x81; bad=\xff\xfe; __Host-enishi-session=abc";
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(raw).unwrap())]);
        let request = Request {
            method: Method::GET,
            authority: "localhost".into(),
            path: "/".into(),
            query: String::new(),
            headers,
            body: None,
        };
        assert_eq!(value(&request, SESSION), Some("abc"));
    }
}
