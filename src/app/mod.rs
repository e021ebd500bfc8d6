//! The hall: requests, jobs and ticks come in, a room is picked, the answer is shaped and logged once.
//!
//! Rooms never import each other; where two meet, they meet here: the provider answers "needs login", the hall sends
//! the browser to `login`. Which paths exist says `route.rs`, jobs and ticks are in `job.rs`. Not here: what a room
//! decides, and how bytes come and go (`edge/`).

mod api;
mod job;
mod route;

use http::{Method, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::{
    account,
    config::{self, Site, is_local},
    go, link, login,
    platform::{Context, Database, Platform, PlatformError},
    provider::{self, Step},
    store::Statement,
    web::{
        ApiError, Reply, Request,
        form::Form,
        page::{Language, Page, Text},
    },
    webhook,
};

use self::api::api;
pub use self::job::{dead, tick, work};
use self::route::{Endpoint, Route};
pub use crate::store::Disposition;

/// The log line of a request: the route's pattern, never the path, which names members.
#[derive(Serialize)]
struct RequestLine<'a> {
    event: &'static str,
    host: &'a str,
    method: &'a str,
    route: &'static str,
    status: u16,
    reason: Option<&'static str>,
    ms: i64,
}

/// Answers a request and logs it once.
pub async fn serve<P: Platform>(cx: Context<'_, P>, request: Request) -> Reply {
    let began = cx.platform.now();
    let route = Route::find(&request.path);
    let pattern = route.as_ref().map_or("-", |route| route.pattern);
    let mut reply = answer(cx, &request, route).await;
    if request.method == Method::HEAD {
        reply.body = Vec::new();
    }
    let line = RequestLine {
        event: "request",
        host: &request.host(),
        method: request.method.as_str(),
        route: pattern,
        status: reply.status.as_u16(),
        reason: reply.reason,
        ms: cx.platform.now() - began,
    };
    cx.platform.log(&serde_json::to_string(&line).unwrap_or_default());
    reply
        .with(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

async fn answer<P: Platform>(cx: Context<'_, P>, request: &Request, route: Option<Route>) -> Reply {
    let Some(route) = route else {
        let error = ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path");
        return refuse(cx, request, error).await;
    };
    if !route.takes(&request.method) {
        let description = "see Allow for the methods of this path";
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", description);
        return refuse(cx, request, error.with(header::ALLOW, route.allowed())).await;
    }
    if request.body.is_none() {
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "a request body has at most 2 MB")
            .into_reply();
    }
    match route.endpoint {
        Endpoint::Health => health(cx).await,
        Endpoint::Accounts => account::list(cx, request).await.unwrap_or_else(|error| refusal(cx, error)),
        Endpoint::Account => {
            account::put(cx, request, &route.id).await.unwrap_or_else(|error| refusal(cx, error))
        }
        _ => at_site(cx, request, &route).await,
    }
}

/// Everything that belongs to an account: the host name says which.
async fn at_site<P: Platform>(cx: Context<'_, P>, request: &Request, route: &Route) -> Reply {
    let host = request.host();
    if !is_local(&host) && !cx.settings.line.are_lines_own() {
        let description = "LINE base URLs other than LINE's own are accepted on localhost only";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "line_base_not_lines", description)
            .into_reply();
    }
    let account = match config::account_by_host(cx, &host).await {
        Ok(Some(account)) => account,
        Ok(None) => {
            let description =
                "no account has this host name; the operator adds one with PUT /v1/accounts/{host}";
            let error = ApiError::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", description);
            return refuse(cx, request, error).await;
        }
        // What touches no store itself is answered with what was last known, rather than lost with D1.
        Err(error) => match cx.memory.last_known(&host).filter(|_| route.endpoint.touches_no_store()) {
            Some(account) => {
                cx.log_failure("account", &error);
                account
            }
            None => return unavailable(cx, request, route, &error),
        },
    };
    let site = Site::new(account, &request.authority);
    if route.pattern.starts_with("/v1/") {
        api(cx, site, request, route).await.unwrap_or_else(|error| refusal(cx, error))
    } else if request.method == Method::OPTIONS {
        let reply = provider::preflight(cx, &site, request, &route.allowed()).await;
        reply.unwrap_or_else(|error| unavailable(cx, request, route, &error))
    } else {
        let answered = browser_or_peer(cx, &site, request, route).await;
        let reply = answered.unwrap_or_else(|error| unavailable(cx, request, route, &error));
        if route.endpoint.is_cross_origin() {
            provider::readable(cx, &site, request, reply).await
        } else {
            reply
        }
    }
}

/// What browsers, storefronts and LINE call.
async fn browser_or_peer<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    route: &Route,
) -> Result<Reply, PlatformError> {
    match route.endpoint {
        Endpoint::Discovery => Ok(provider::discovery(site, request, cx.platform.now())),
        Endpoint::Jwks => Ok(provider::jwks(site, request, cx.platform.now())),
        Endpoint::Authorize => {
            match provider::authorize(cx, site, request, login::openers(cx, request)).await? {
                Step::Answered(reply) => Ok(reply),
                Step::Login(site, asked) => login::start(cx, &site, request, *asked).await,
            }
        }
        Endpoint::Par => Ok(provider::par(cx, site, request).await),
        Endpoint::Revoke => Ok(provider::revoke(cx, site, request).await),
        Endpoint::Logout => provider::logout(cx, site, request).await,
        Endpoint::LogoutConfirm => provider::confirm(cx, site, request).await,
        Endpoint::LineConsent => login::consent(cx, site, request).await,
        Endpoint::LineEmail => login::email(cx, site, request).await,
        Endpoint::LineUnlink if request.method == Method::POST => link::confirm(cx, site, request).await,
        Endpoint::LineUnlink => link::ask(cx, site, request).await,
        Endpoint::Token => Ok(provider::token(cx, site, request).await),
        Endpoint::Userinfo => provider::userinfo(cx, site, request).await,
        Endpoint::LineCallback => login::callback(cx, site, request, &leniently(&request.query)).await,
        Endpoint::LineRetry => login::retry(cx, site, request, &leniently(&request.query)).await,
        Endpoint::Go => go::go(cx, site, request, &route.id).await,
        _ => webhook::receive(cx, site, request).await,
    }
}

/// LINE's callback may carry parameters twice that a link added: then nothing is believed, and the retry page follows.
fn leniently(query: &str) -> Form {
    Form::parse(query.as_bytes()).unwrap_or_default()
}

/// The exit of the API; what failed of ours is logged here, since the answer does not say it.
fn refusal<P: Platform>(cx: Context<'_, P>, error: ApiError) -> Reply {
    if let Some(cause) = error.cause() {
        cx.log_failure("unavailable", cause);
    }
    error.into_reply()
}

/// A store of ours failed: nothing is lost, the same request may be made again.
fn unavailable<P: Platform>(
    cx: Context<'_, P>,
    request: &Request,
    route: &Route,
    error: &PlatformError,
) -> Reply {
    if route.pattern.starts_with("/v1/") {
        return refusal(cx, ApiError::from(error.clone()));
    }
    cx.log_failure("unavailable", error);
    let title = Text { ja: "ただいま混み合っています", en: "We are briefly unavailable" };
    let text = Text {
        ja: "しばらくしてから、もう一度お試しください。", en: "Please try again in a moment."
    };
    let account = cx.memory.last_known(&request.host());
    let home = account.as_ref().and_then(|account| account.home_of(None));
    let page = Page::new(StatusCode::SERVICE_UNAVAILABLE, title, vec![text]).way_back(home);
    page.into_reply(Language::of(request)).with(header::RETRY_AFTER, "1").because(error.reason())
}

/// The exit of what exists for nobody: JSON, or a page where a browser asks for one outside the API.
async fn refuse<P: Platform>(cx: Context<'_, P>, request: &Request, error: ApiError) -> Reply {
    let asks_for_a_page =
        request.header(&header::ACCEPT).is_some_and(|accepted| accepted.contains("text/html"));
    let reply = error.into_reply();
    if !asks_for_a_page || request.path.starts_with("/v1/") {
        return reply;
    }
    let title = Text { ja: "ページが見つかりません", en: "There is no such page" };
    let text = Text {
        ja: "アドレスをご確認のうえ、ショップに戻ってもう一度お試しください。",
        en: "Please check the address, or go back to the shop and try again.",
    };
    let host = request.host();
    let account = config::account_by_host(cx, &host).await.unwrap_or_else(|_| cx.memory.last_known(&host));
    let home = account.as_ref().and_then(|account| account.home_of(None));
    let page = Page::new(reply.status, title, vec![text]).way_back(home);
    let page = match reply.reason {
        Some(reason) => page.detail(reason),
        None => page,
    };
    let mut page = page.into_reply(Language::of(request));
    page.reason = reply.reason;
    match reply.headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()) {
        Some(allow) => page.with(header::ALLOW, allow),
        None => page,
    }
}

async fn health<P: Platform>(cx: Context<'_, P>) -> Reply {
    let statement = Statement::new("SELECT 1 AS ok");
    match cx.platform.one(&Database::default(), statement).await {
        Ok(_) => {
            Reply::json(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
        }
        Err(error) => refusal(cx, ApiError::from(error)),
    }
}
