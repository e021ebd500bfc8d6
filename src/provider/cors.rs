//! Cross-origin reading (Fetch, "CORS protocol"): pages of a registered public client may call what a client in a browser
//! needs, without credentials. Nothing else may be read from another origin, `/authorize` least of all.

use http::{StatusCode, header};

use crate::{
    config::Account,
    web::{Reply, Request},
};

/// Lets the page that asked read the reply, if its origin is one of a registered public client.
#[must_use]
pub fn readable_by(account: &Account, request: &Request, reply: Reply) -> Reply {
    let reply = reply.with(header::VARY, "Origin");
    match allowed(account, request) {
        Some(origin) => reply
            .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
            .with(header::ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate, retry-after"),
        None => reply,
    }
}

/// `OPTIONS`: what may be sent, for a page that may send anything.
#[must_use]
pub fn preflight(account: &Account, request: &Request, methods: &str) -> Reply {
    let reply = Reply::new(StatusCode::NO_CONTENT).with(header::ALLOW, methods);
    if allowed(account, request).is_none() {
        return reply.with(header::VARY, "Origin");
    }
    readable_by(account, request, reply)
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, methods)
        .with(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type")
        .with(header::ACCESS_CONTROL_MAX_AGE, "600")
}

fn allowed<'a>(account: &Account, request: &'a Request) -> Option<&'a str> {
    request.header(&header::ORIGIN).filter(|origin| account.allows_origin(origin))
}
