//! The OpenID Provider that storefronts see: `/authorize`, `/token`, `/userinfo`, discovery and the key set.
//!
//! Not here: the login itself (`login/`), to which the hall sends a browser that has no session.

mod authorize;
mod token;
mod userinfo;

pub use authorize::{Step, authorize};
use http::{StatusCode, header};
use serde_json::Value;
pub use token::token;
pub use userinfo::userinfo;

use crate::{config::Site, oauth::metadata, web::Reply};

/// `GET /.well-known/openid-configuration`.
#[must_use]
pub fn discovery(site: &Site) -> Reply {
    public(&metadata::discovery(site))
}

/// `GET /jwks.json`.
#[must_use]
pub fn jwks(site: &Site) -> Reply {
    public(&metadata::jwks(site))
}

/// JSON that anyone may keep for a while, and read from any origin: it holds no secret.
fn public(value: &Value) -> Reply {
    let mut reply = Reply::new(StatusCode::OK)
        .with(header::CONTENT_TYPE, "application/json")
        .with(header::CACHE_CONTROL, "public, max-age=300")
        .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    reply.body = serde_json::to_vec(value).unwrap_or_default();
    reply
}
