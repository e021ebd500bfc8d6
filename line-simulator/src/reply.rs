//! The shapes of what LINE answers.
//!
//! In: a status and a value. Out: an `http::Response` with the headers of that kind. Not here: `x-line-request-id`,
//! which the door adds to every answer.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// A whole answer.
pub(crate) type Reply = http::Response<Vec<u8>>;

pub(crate) fn with_body(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Reply::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

pub(crate) fn json(status: StatusCode, value: &Value) -> Reply {
    with_body(status, "application/json", value.to_string().into_bytes())
}

pub(crate) fn ok(value: &Value) -> Reply {
    json(StatusCode::OK, value)
}

pub(crate) fn html(status: StatusCode, page: String) -> Reply {
    with_body(status, "text/html; charset=utf-8", page.into_bytes())
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Reply::new(Vec::new());
    *reply.status_mut() = status;
    reply
}

/// The error body of the Messaging API and of `/v2/profile` and its kin.
pub(crate) fn message(status: StatusCode, message: &str) -> Reply {
    json(status, &json!({ "message": message }))
}

/// The error body of the OAuth endpoints; LINE answers them with 400.
pub(crate) fn oauth_error(error: &str, description: &str) -> Reply {
    json(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": description }))
}

pub(crate) fn redirect(status: StatusCode, location: &str) -> Reply {
    let mut reply = empty(status);
    set(&mut reply, LOCATION, location);
    set(&mut reply, CACHE_CONTROL, "no-store");
    reply
}

/// Adds a cookie of the stand-in's own, for the session of the browser.
pub(crate) fn set_cookie(reply: &mut Reply, name: &str, value: &str) {
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        reply.headers_mut().append(SET_COOKIE, value);
    }
}

/// Sets a header; a value that cannot stand in a header is left out.
pub(crate) fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}
