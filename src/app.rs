//! The hall: requests, jobs and ticks come in, a room is picked, the answer is shaped and logged once.
//!
//! Rooms never import each other; where two meet, they meet here: the provider answers "needs login", the hall sends
//! the browser to `login`. Not here: what a room decides, and how bytes come and go (`edge/`).

use std::sync::OnceLock;

use http::{Method, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::{
    account,
    config::{self, Site, is_local},
    friend, link, login, member,
    platform::{Context, Database, Platform, PlatformError},
    provider::{self, Step},
    segment, send,
    store::{Job, Statement, dead_letter, sweep},
    web::{
        ApiError, Reply, Request,
        form::Form,
        page::{Language, Page, Text},
    },
    webhook,
};

pub use crate::store::Disposition;

/// The endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Health,
    Discovery,
    Jwks,
    Authorize,
    Token,
    Userinfo,
    LineCallback,
    LineRetry,
    LineWebhook,
    Accounts,
    Account,
    Link,
    Links,
    Friend,
    Member,
    SegmentsCount,
    Sends,
    Send,
}

impl Endpoint {
    /// Whether it is answered from the configuration alone, at most with a queue.
    fn touches_no_store(self) -> bool {
        matches!(self, Self::Discovery | Self::Jwks | Self::LineWebhook)
    }
}

/// Which paths exist, and by which methods. HEAD is answered wherever GET is.
const ROUTES: &[(&str, Endpoint, &[Method])] = &[
    ("/healthz", Endpoint::Health, &[Method::GET]),
    ("/.well-known/openid-configuration", Endpoint::Discovery, &[Method::GET]),
    ("/jwks.json", Endpoint::Jwks, &[Method::GET]),
    ("/authorize", Endpoint::Authorize, &[Method::GET, Method::POST]),
    ("/token", Endpoint::Token, &[Method::POST]),
    ("/userinfo", Endpoint::Userinfo, &[Method::GET, Method::POST]),
    (login::CALLBACK_PATH, Endpoint::LineCallback, &[Method::GET]),
    ("/line/retry", Endpoint::LineRetry, &[Method::GET]),
    ("/line/webhook", Endpoint::LineWebhook, &[Method::POST]),
    ("/v1/accounts", Endpoint::Accounts, &[Method::GET]),
    ("/v1/accounts/{id}", Endpoint::Account, &[Method::PUT]),
    ("/v1/links", Endpoint::Links, &[Method::GET]),
    ("/v1/links/{id}", Endpoint::Link, &[Method::GET, Method::PUT, Method::DELETE]),
    ("/v1/friends/{id}", Endpoint::Friend, &[Method::GET]),
    ("/v1/members/{id}", Endpoint::Member, &[Method::PUT]),
    ("/v1/segments/count", Endpoint::SegmentsCount, &[Method::POST]),
    ("/v1/sends", Endpoint::Sends, &[Method::POST]),
    ("/v1/sends/{id}", Endpoint::Send, &[Method::GET]),
];

/// How long what cannot even be buried waits, in seconds: with 100 retries the dead letters' queue outlasts 4 days.
const DEAD_RETRY_AFTER: u32 = 3_600;

/// A path that exists, with the id in it, if it has one.
struct Route {
    pattern: &'static str,
    endpoint: Endpoint,
    methods: &'static [Method],
    id: String,
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        static ROUTER: OnceLock<matchit::Router<usize>> = OnceLock::new();
        let router = ROUTER.get_or_init(|| {
            let mut router = matchit::Router::new();
            for (index, (pattern, ..)) in ROUTES.iter().enumerate() {
                // The patterns are constants, and a test shows that each is found.
                let _ = router.insert(*pattern, index);
            }
            router
        });
        let found = router.at(path).ok()?;
        let (pattern, endpoint, methods) = ROUTES.get(*found.value)?;
        let id = percent_decoded(found.params.get("id").unwrap_or_default())?;
        Some(Self { pattern, endpoint: *endpoint, methods, id })
    }

    fn takes(&self, method: &Method) -> bool {
        self.methods.contains(method) || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }

    fn allowed(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if self.methods.contains(&Method::GET) {
            names.push("HEAD");
        }
        names.join(", ")
    }
}

/// `None` if the decoded bytes are no text.
fn percent_decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

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
        return refuse(
            request,
            ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"),
        );
    };
    if !route.takes(&request.method) {
        let description = "see Allow for the methods of this path";
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", description);
        return refuse(request, error.with(header::ALLOW, route.allowed()));
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
            return refuse(
                request,
                ApiError::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", description),
            );
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
    } else {
        let answered = browser_or_peer(cx, &site, request, route).await;
        answered.unwrap_or_else(|error| unavailable(cx, request, route, &error))
    }
}

/// The REST API: an API key of this very account, by the configuration in memory or else by the newest.
async fn api<P: Platform>(
    cx: Context<'_, P>,
    site: Site,
    request: &Request,
    route: &Route,
) -> Result<Reply, ApiError> {
    let key = request.bearer().ok_or_else(ApiError::invalid_key)?;
    let account = if site.account.has_api_key(key) {
        site.account
    } else {
        let fresh = config::reread(cx, &site.account).await?;
        fresh.filter(|fresh| fresh.has_api_key(key)).ok_or_else(ApiError::invalid_key)?
    };
    let account = &*account;
    match (route.endpoint, &request.method) {
        (Endpoint::Links, _) => link::by_member(cx, account, request).await,
        (Endpoint::Link, &Method::PUT) => link::put(cx, account, request, &route.id).await,
        (Endpoint::Link, &Method::DELETE) => link::delete(cx, account, &route.id).await,
        (Endpoint::Link, _) => link::by_subject(cx, account, request, &route.id).await,
        (Endpoint::Friend, _) => friend::by_line_user_id(cx, account, &route.id).await,
        (Endpoint::Member, _) => member::put(cx, account, request, &route.id).await,
        (Endpoint::SegmentsCount, _) => segment::count(cx, account, request).await,
        (Endpoint::Sends, _) => send::create(cx, account, request).await,
        (Endpoint::Send, _) => send::show(cx, account, &route.id).await,
        _ => Err(ApiError::not_found("the path")),
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
        Endpoint::Discovery => Ok(provider::discovery(site)),
        Endpoint::Jwks => Ok(provider::jwks(site)),
        Endpoint::Authorize => match provider::authorize(cx, site, request).await? {
            Step::Answered(reply) => Ok(reply),
            Step::Login(site, client, asked) => login::start(cx, &site, &client, request, &asked).await,
        },
        Endpoint::Token => Ok(provider::token(cx, site, request).await),
        Endpoint::Userinfo => provider::userinfo(cx, site, request).await,
        Endpoint::LineCallback => login::callback(cx, site, request, &leniently(&request.query)).await,
        Endpoint::LineRetry => Ok(login::retry(site, request, &leniently(&request.query))),
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
    Page {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: Text { ja: "ただいま混み合っています", en: "We are briefly unavailable" },
        paragraphs: vec![Text {
            ja: "しばらくしてから、もう一度お試しください。",
            en: "Please try again in a moment.",
        }],
        button: None,
        detail: None,
    }
    .into_reply(Language::of(request))
    .with(header::RETRY_AFTER, "1")
    .because(error.reason())
}

/// The exit of what exists for nobody: JSON, or a page where a browser asks for one outside the API.
fn refuse(request: &Request, error: ApiError) -> Reply {
    let asks_for_a_page =
        request.header(&header::ACCEPT).is_some_and(|accepted| accepted.contains("text/html"));
    let reply = error.into_reply();
    if !asks_for_a_page || request.path.starts_with("/v1/") {
        return reply;
    }
    let page = Page {
        status: reply.status,
        title: Text { ja: "ページが見つかりません", en: "There is no such page" },
        paragraphs: vec![Text {
            ja: "アドレスをご確認のうえ、ショップに戻ってもう一度お試しください。",
            en: "Please check the address, or go back to the shop and try again.",
        }],
        button: None,
        detail: reply.reason,
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

/// Works through a batch of queue bodies; answers for each, in order, what becomes of it.
pub async fn work<P: Platform>(cx: Context<'_, P>, bodies: &[&str]) -> Vec<Disposition> {
    let mut dispositions = vec![Disposition::Done; bodies.len()];
    let (mut received, mut due, mut expand) = (Vec::new(), Vec::new(), Vec::new());
    for (index, body) in bodies.iter().enumerate() {
        match Job::parse(body) {
            Ok(Job::Webhook { account, received_at, body }) => {
                received.push((
                    index,
                    webhook::Received { account, received_at, body: webhook::Body::Here(body) },
                ));
            }
            Ok(Job::WebhookInbox { account, inbox_id }) => {
                let received_at = cx.platform.now();
                let body = webhook::Body::Inbox(inbox_id);
                received.push((index, webhook::Received { account, received_at, body }));
            }
            Ok(Job::Expand { account, send }) => expand.push((index, account, send)),
            Ok(Job::Deliver { account, send, chunk }) => {
                due.push((index, send::Due { account, send, chunk }));
            }
            Err(error) => {
                let buried = bury(cx, "unreadable_job", &error.to_string(), body).await;
                set(&mut dispositions, index, buried);
            }
        }
    }
    let (places, received): (Vec<usize>, Vec<_>) = received.into_iter().unzip();
    for (index, disposition) in places.into_iter().zip(webhook::apply(cx, received).await) {
        set(&mut dispositions, index, disposition);
    }
    for (index, account, send) in expand {
        let disposition = send::expand(cx, &account, &send).await;
        set(&mut dispositions, index, disposition);
    }
    let (places, due): (Vec<usize>, Vec<_>) = due.into_iter().unzip();
    for (index, disposition) in places.into_iter().zip(send::deliver(cx, &due).await) {
        set(&mut dispositions, index, disposition);
    }
    dispositions
}

fn set(dispositions: &mut [Disposition], index: usize, disposition: Disposition) {
    if let Some(place) = dispositions.get_mut(index) {
        *place = disposition;
    }
}

/// What the queues gave up on. A webhook is tried again, for what failed it may have been an outage that is over; if it
/// fails still, it is kept where it can be seen; if even that fails, the outage lasts, and it comes again in an hour.
/// A send's open rows are found by cron, so nothing of theirs is lost; a delivery that waits in the inbox moves to the
/// dead letters with its body.
pub async fn dead<P: Platform>(cx: Context<'_, P>, bodies: &[&str]) -> Vec<Disposition> {
    let mut dispositions = Vec::with_capacity(bodies.len());
    for body in bodies {
        dispositions.push(match Job::parse(body) {
            Ok(Job::Expand { .. } | Job::Deliver { .. }) => Disposition::Done,
            Ok(Job::WebhookInbox { account, inbox_id }) => {
                let again = webhook::Body::Inbox(inbox_id.clone());
                if webhook::apply_at_last(cx, account.clone(), again).await {
                    Disposition::Done
                } else {
                    buried(cx, webhook::give_up(cx, &account, &inbox_id).await)
                }
            }
            Ok(Job::Webhook { account, body: raw, .. }) => {
                if webhook::apply_at_last(cx, account, webhook::Body::Here(raw)).await {
                    Disposition::Done
                } else {
                    bury(cx, "queue", "retries_exhausted", body).await
                }
            }
            Err(_) => bury(cx, "queue", "unreadable_job", body).await,
        });
    }
    dispositions
}

async fn bury<P: Platform>(cx: Context<'_, P>, source: &str, reason: &str, body: &str) -> Disposition {
    let account = Job::parse(body).ok().map(|job| job.account().clone());
    let letter = dead_letter::write(account.as_ref(), source, reason, body, cx.platform.now());
    buried(cx, cx.platform.one(&Database::default(), letter).await.map(|_| ()))
}

fn buried<P: Platform>(cx: Context<'_, P>, result: Result<(), PlatformError>) -> Disposition {
    match result {
        Ok(()) => Disposition::Done,
        Err(error) => {
            cx.log_failure("dead_letter", &error);
            Disposition::Retry { seconds: DEAD_RETRY_AFTER }
        }
    }
}

/// Cron, each minute: what was lost of the queues goes on them again, what is over is deleted. Each part on its own, so
/// that one that fails does not stop the others.
pub async fn tick<P: Platform>(cx: Context<'_, P>) {
    let drained = webhook::drain_inbox(cx).await;
    let swept = send::sweep(cx).await;
    let expired =
        cx.platform.batch(&Database::default(), sweep::expired(cx.platform.now())).await.map(|_| ());
    for (part, result) in [("drain_inbox", drained), ("sweep_sends", swept), ("sweep_expired", expired)] {
        if let Err(error) = result {
            cx.log_failure(part, &error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for (pattern, endpoint, _) in ROUTES {
            let route = Route::find(&pattern.replace("{id}", "a%20b")).unwrap();
            assert_eq!(route.endpoint, *endpoint);
            assert_eq!(route.id, if pattern.contains("{id}") { "a b" } else { "" });
        }
        for path in ["/", "/nothing", "/v1/links/a/b", "/v1/links/", "/healthz/"] {
            assert!(Route::find(path).is_none(), "{path}");
        }
    }
}
