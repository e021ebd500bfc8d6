//! Cross-origin reading (Fetch, "CORS protocol"): pages of a registered public client may call what a client in a browser
//! needs, without credentials. Nothing else may be read from another origin, `/authorize` least of all.

use http::{StatusCode, header};

use crate::{
    config::{self, Account, Site},
    platform::{Context, Platform, PlatformError},
    web::{Reply, Request},
};

/// Lets the page that asked read the reply, if its origin is one of a registered public client. Where that cannot be
/// known, the page cannot read it, and nothing else fails.
pub async fn readable<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    reply: Reply,
) -> Reply {
    let origin = allowed(cx, site, request).await.ok().flatten();
    shared(origin, reply)
}

/// `OPTIONS`: what may be sent, for a page that may send anything.
pub async fn preflight<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    methods: &str,
) -> Result<Reply, PlatformError> {
    let reply = Reply::new(StatusCode::NO_CONTENT).with(header::ALLOW, methods);
    Ok(match allowed(cx, site, request).await? {
        None => shared(None, reply),
        origin => shared(origin, reply)
            .with(header::ACCESS_CONTROL_ALLOW_METHODS, methods)
            .with(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type")
            .with(header::ACCESS_CONTROL_MAX_AGE, "600"),
    })
}

fn shared(origin: Option<&str>, reply: Reply) -> Reply {
    let reply = reply.with(header::VARY, "Origin");
    match origin {
        Some(origin) => reply
            .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
            .with(header::ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate, retry-after"),
        None => reply,
    }
}

/// The origin that asks, if it is allowed by the configuration in memory or else by the newest.
async fn allowed<'a, P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &'a Request,
) -> Result<Option<&'a str>, PlatformError> {
    let Some(origin) = request.header(&header::ORIGIN) else { return Ok(None) };
    let is_allowed = |account: &Account| account.allows_origin(origin).then_some(());
    Ok(config::find(cx, &site.account, is_allowed).await?.map(|()| origin))
}
