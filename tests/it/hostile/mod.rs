//! A hostile user of the provider: whatever is sent here is meant to be refused, and nothing it says may be believed,
//! gone to, or repeated unescaped.
//!
//! Here is what the rooms of hostility share: altered secrets, forged tokens (`jwt.rs`), pages read as a browser reads
//! them (`html.rs`), markup (`corpus.rs`), and addresses that look like a registered one (`payloads.rs`, `usual.rs`).
//! Every collection of attacks counts itself, so that none gets lost unnoticed.

mod accounts;
mod browsers;
mod callback;
mod clients;
mod codes;
mod consent;
mod corpus;
mod endings;
mod erased;
mod fuzz;
mod go;
mod hints;
mod html;
mod inputs;
mod jwt;
mod liff;
mod line_tokens;
mod linking;
mod mail;
mod messages;
mod methods;
mod origins;
mod pages;
mod payloads;
mod races;
mod redirects;
mod registration;
mod seals;
mod shapes;
mod shop_api;
mod storm;
mod tokens;
mod usual;
mod webhook_bodies;
mod webhooks;

use enishi::web::{CONNECTING_IP, Reply, Request};
use enishi_world::{ACCOUNT, World, request};
use http::{HeaderValue, Method, header};
use serde_json::Value;

use crate::support::{Browser, Login, Shop, Stage, form, json_body};

/// The address of a path at the first account.
fn at(path: &str) -> String {
    format!("{}{path}", ACCOUNT.issuer)
}

/// Where a reply leads, if anywhere.
fn location(reply: &Reply) -> Option<&str> {
    reply.headers.get(header::LOCATION).map(|value| value.to_str().unwrap())
}

/// Status and error of a JSON answer.
fn error_of(reply: &Reply) -> (u16, String) {
    let body = json_body(reply);
    (reply.status.as_u16(), body["error"].as_str().unwrap_or_default().to_owned())
}

/// A request with a bearer token of any bytes that a header can hold.
fn with_bearer(method: Method, url: &str, token: &str) -> Request {
    let mut request = request(method, url);
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
    if let Ok(value) = value {
        request.headers.insert(header::AUTHORIZATION, value);
    }
    request
}

/// The same request from another address, so that limits against guessing do not hide the refusal.
fn from_address(mut request: Request, number: usize) -> Request {
    let address = format!("2001:db8::{number:x}");
    request.headers.insert(CONNECTING_IP, HeaderValue::from_str(&address).unwrap());
    request
}

/// What a browser would send, with its `Cookie` header replaced.
fn with_cookies(mut request: Request, cookies: &str) -> Request {
    request.headers.remove(header::COOKIE);
    if !cookies.is_empty() {
        request.headers.insert(header::COOKIE, HeaderValue::from_bytes(cookies.as_bytes()).unwrap());
    }
    request
}

/// The cookies of a browser at the first account, by name.
fn cookies(browser: &Browser<'_>) -> Vec<(String, String)> {
    let request = browser.request(&at("/"));
    let text = request.headers.get(header::COOKIE).map_or("", |value| value.to_str().unwrap());
    let pairs = text.split("; ").filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The value of the session's cookie.
fn session_cookie(browser: &Browser<'_>) -> String {
    let found = cookies(browser).into_iter().find(|(name, _)| name == enishi::web::cookie::SESSION);
    found.expect("a session").1
}

/// A form that this browser posts to one of our pages.
fn posted(browser: &Browser<'_>, url: &str, fields: &[(&str, &str)]) -> Request {
    let mut posted = form(url, fields);
    if let Some(cookies) = browser.request(url).headers.get(header::COOKIE) {
        posted.headers.insert(header::COOKIE, cookies.clone());
    }
    posted
}

/// The customer's word on the page that confirms a logout, with what that page carries along.
fn leaving(world: &World, browser: &Browser<'_>, fields: &[(&str, &str)]) -> Request {
    let page = world.answer(browser.request(&at("/logout")));
    let shown = html::hidden(&html::html(&page), "confirmation").unwrap_or_default();
    let shown = [("confirmation", shown.as_str()), ("choice", "leave")];
    let fields: Vec<(&str, &str)> = fields.iter().copied().chain(shown).collect();
    posted(browser, &at("/logout/confirm"), &fields)
}

/// What the browser is shown, keeping what it is told to keep.
fn sent(world: &World, browser: &mut Browser<'_>, request: Request) -> Reply {
    let host = request.host();
    let reply = world.answer(request);
    browser.keep(&host, &reply);
    reply
}

/// The answer to a silent request with these cookies: whose session they are is told by it, and nothing is shown.
fn silent(world: &World, shop: &Shop, cookies: &str) -> (Login, Reply) {
    let login = shop.begin("silent").with("prompt", "none");
    let reply = world.answer(with_cookies(request(Method::GET, &login.url), cookies));
    (login, reply)
}

/// Whether these cookies are no session.
fn is_nobody(world: &World, shop: &Shop, cookies: &str) -> bool {
    let (login, reply) = silent(world, shop, cookies);
    let back = shop.answer(&login, location(&reply).expect("back to the shop"));
    assert_eq!(back("code").is_some(), back("error").is_none());
    back("error").as_deref() == Some("login_required")
}

/// A whole login with a code not yet redeemed.
fn logged_in(stage: &Stage, shop: &Shop, mark: &str) -> (Login, String) {
    let user = stage.person("花子");
    let login = shop.begin(mark);
    let back = Browser::of(&stage.world, &user).log_in(shop, &login, crate::support::Consent::Plain);
    let code = shop.code(&login, &back);
    (login, code)
}

/// A text of a JSON answer.
fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned()
}

/// Secrets that are nearly this one, each with how it was altered.
fn altered(secret: &str) -> Vec<(&'static str, String)> {
    let characters: Vec<char> = secret.chars().collect();
    let last = characters.len() - 1;
    let changed = |at: usize| -> String {
        let other = |c: char| if c == 'A' { 'B' } else { 'A' };
        characters.iter().enumerate().map(|(place, c)| if place == at { other(*c) } else { *c }).collect()
    };
    let swapped_case = |c: &char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    let mut all = vec![
        ("the first character changed", changed(0)),
        ("a middle character changed", changed(characters.len() / 2)),
        ("the last character changed", changed(last)),
        ("in upper case", secret.to_uppercase()),
        ("in lower case", secret.to_lowercase()),
        ("its case swapped", characters.iter().map(swapped_case).collect()),
        ("without its last character", characters[..last].iter().collect()),
        ("without its first character", characters[1..].iter().collect()),
        ("half of it", characters[..characters.len() / 2].iter().collect()),
        ("one character more", format!("{secret}A")),
        ("padded", format!("{secret}=")),
        ("twice", format!("{secret}{secret}")),
        ("backwards", characters.iter().rev().collect()),
        ("a zero byte after it", format!("{secret}\0")),
        ("a pattern", "%".to_owned()),
        ("another pattern", "_".repeat(characters.len())),
        ("a condition", "' OR '1'='1".to_owned()),
        ("its digest", enishi::secret::Digest::of(secret.as_bytes()).as_str().to_owned()),
        ("nothing to speak of", "null".to_owned()),
        ("with a parameter after it", format!("{secret}&x=y")),
    ];
    all.retain(|(_, one)| one != secret);
    all
}
