//! The OpenID Provider that storefronts see: `/authorize`, `/par`, `/token`, `/userinfo`, `/revoke`, `/logout`, discovery
//! and the key set.
//!
//! Not here: the login itself (`login/`), to which the hall sends a browser that has no session; registering clients
//! (`client.rs`) and keys (`signing_keys.rs`).

mod authorize;
mod cors;
mod error;
mod hint;
mod liff;
mod logout;
mod par;
mod prove;
mod revoke;
mod token;
mod userinfo;

pub use authorize::{Step, authorize};
pub use cors::{preflight, readable};
use http::{StatusCode, header};
pub use logout::{CONFIRM_PATH, PATH as LOGOUT_PATH, confirm, logout};
pub use par::par;
pub use revoke::revoke;
use serde_json::Value;
pub use token::token;
pub use userinfo::userinfo;

use crate::{
    config::Site,
    oauth::metadata,
    secret::Digest,
    time::UnixMillis,
    web::{Reply, Request},
};

/// How long metadata and keys may be kept, in seconds; the keys' lead and tail are far longer.
const MAX_AGE: &str = "public, max-age=300";

/// `GET /.well-known/openid-configuration`, and the same at the path of RFC 8414.
#[must_use]
pub fn discovery(site: &Site, request: &Request, now: UnixMillis) -> Reply {
    public(request, &metadata::discovery(site, now))
}

/// `GET /jwks.json`.
#[must_use]
pub fn jwks(site: &Site, request: &Request, now: UnixMillis) -> Reply {
    public(request, &metadata::jwks(site, now))
}

/// JSON that anyone may keep for a while: it holds no secret. Who has it already is told that it is still so (RFC 9110
/// section 13.1.2).
fn public(request: &Request, value: &Value) -> Reply {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let tag = format!("\"{}\"", Digest::of(&body).as_str());
    let known = request.header(&header::IF_NONE_MATCH).unwrap_or_default();
    let is_known = known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut reply = Reply::new(status).with(header::CACHE_CONTROL, MAX_AGE).with(header::ETAG, tag);
    if !is_known {
        reply = reply.with(header::CONTENT_TYPE, "application/json");
        reply.body = body;
    }
    reply
}
