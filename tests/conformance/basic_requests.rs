//! Basic OP: the parameters of authorization requests.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use enishi::time::{HOUR, SECOND};
use enishi_world::{ACCOUNT, LINE};
use serde_json::json;

use super::{Run, discovery};
use crate::support::{Login, Stage, query};

#[test]
fn oidcc_response_type_missing() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]).but("response_type", None);
    assert_eq!(run.refused(&login), "invalid_request");
}

/// A login with one parameter more succeeds as if it were not there.
fn succeeds_with(name: &str, value: &str) {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[(name, value)]);
    run.succeeds_over_line(&login);
    let again = run.asks("2", &[(name, value)]);
    run.succeeds_silently(&again);
}

#[test]
fn oidcc_display_page() {
    succeeds_with("display", "page");
}

#[test]
fn oidcc_display_popup() {
    succeeds_with("display", "popup");
}

#[test]
fn oidcc_ui_locales() {
    for locales in ["se", "en ja", "ja-JP", "x-klingon"] {
        succeeds_with("ui_locales", locales);
    }
}

#[test]
fn oidcc_claims_locales() {
    succeeds_with("claims_locales", "se");
}

#[test]
fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    succeeds_with("extra", "foobar");
}

#[test]
fn oidcc_ensure_request_with_acr_values_succeeds() {
    assert!(discovery(&Stage::new(1)).get("acr_values_supported").is_none());
    // That no `acr` is claimed, each login checks.
    succeeds_with("acr_values", "1 2");
}

#[test]
fn oidcc_login_hint() {
    for hint in ["buffy@localhost", "buffy", "+81 90 0000 0000"] {
        let stage = Stage::new(1);
        let mut run = Run::new(&stage);
        let login = run.asks("1", &[("login_hint", hint)]);
        run.succeeds_over_line(&login);
    }
}

#[test]
fn oidcc_claims_essential() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let claims = json!({ "userinfo": { "name": { "essential": true } } }).to_string();
    let login = run.asks("1", &[("claims", &claims)]);
    let brought = run.succeeds(&login);
    // The parameter is not supported, so it is ignored: a claim that no scope covers stays untold.
    assert_eq!(discovery(&stage)["claims_parameter_supported"], false);
    assert!(brought.user.get("name").is_none() && brought.claims.get("name").is_none());
}

#[test]
fn oidcc_prompt_login() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let first = run.succeeds(&login);
    stage.world.advance(2 * SECOND);
    let again = run.asks("2", &[("prompt", "login")]);
    let (asked, second) = run.succeeds_over_line(&again);
    assert_eq!(query(&asked)("prompt").as_deref(), Some("login"), "LINE is to authenticate anew");
    assert!(second.auth_time() > first.auth_time());
    assert_eq!(second.auth_time(), stage.world.now().seconds());
    assert_eq!(second.claims["sub"], first.claims["sub"]);
}

/// A state of 128 characters.
fn long_state(login: Login) -> Login {
    let state = "0123456789abcdefghijklmnopqrstuv".repeat(4);
    Login { state: state.clone(), ..login.but("state", Some(&state)) }
}

#[test]
fn oidcc_prompt_none_not_logged_in() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = long_state(run.asks("1", &[("prompt", "none")]));
    assert_eq!(run.refused(&login), "login_required");
}

#[test]
fn oidcc_prompt_none_logged_in() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let first = run.succeeds(&login);
    stage.world.advance(HOUR);
    let silent = run.asks("2", &[("prompt", "none")]);
    let second = run.succeeds_silently(&silent);
    assert_eq!(
        (&second.claims["sub"], second.auth_time()),
        (&first.claims["sub"], first.auth_time()),
        "one authentication"
    );
}

#[test]
fn oidcc_max_age_1() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let first = run.succeeds(&login);
    stage.world.advance(2 * SECOND);
    let again = run.asks("2", &[("max_age", "1")]);
    let (asked, second) = run.succeeds_over_line(&again);
    assert_eq!(query(&asked)("max_age").as_deref(), Some("1"));
    assert!(second.auth_time() > first.auth_time());
    assert!(stage.world.now().seconds() - second.auth_time() <= 1, "recent");
}

#[test]
fn oidcc_max_age_10000() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[("max_age", "15000")]);
    let (_, first) = run.succeeds_over_line(&login);
    stage.world.advance(9_999 * SECOND);
    let again = run.asks("2", &[("max_age", "10000")]);
    let second = run.succeeds_silently(&again);
    assert_eq!((&second.claims["sub"], second.auth_time()), (&first.claims["sub"], first.auth_time()));
    stage.world.advance(2 * SECOND);
    let late = run.asks("3", &[("max_age", "10000")]);
    let (_, third) = run.succeeds_over_line(&late);
    assert!(third.auth_time() > first.auth_time());
}

#[test]
fn oidcc_id_token_hint() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let first = run.succeeds(&login);
    stage.world.advance(HOUR);
    let hinted = run.asks("2", &[("prompt", "none"), ("id_token_hint", first.id_token())]);
    let second = run.succeeds_silently(&hinted);
    assert_eq!((&second.claims["sub"], second.auth_time()), (&first.claims["sub"], first.auth_time()));
}

#[test]
fn oidcc_ensure_registered_redirect_uri() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let registered = run.rp.redirect_uri.clone();
    let (origin, path) = ("http://127.0.0.1:8789", "/suite/callback");
    assert_eq!(registered, format!("{origin}{path}"));
    for unregistered in [
        format!("{registered}/unregistered"),
        format!("{registered}/"),
        format!("{registered}?unregistered=1"),
        format!("{registered}?"),
        format!("{registered}#fragment"),
        format!("{origin}/suite/x/../callback"),
        format!("{origin}/suite/%63allback"),
        format!("{origin}\\{path}"),
        format!("http://127.0.0.1:8789@suite.example{path}"),
        format!("http://user@127.0.0.1:8789{path}"),
        format!("http://127.0.0.1:8790{path}"),
        format!("https://127.0.0.1:8789{path}"),
        format!("http://localhost:8789{path}"),
        format!("HTTP://127.0.0.1:8789{path}"),
        format!("{origin}/Suite/callback"),
        format!(" {registered}"),
        stage.shop.redirect_uri.clone(),
    ] {
        let page = run.browser.go(&run.asks("1", &[("redirect_uri", &unregistered)]).url);
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{unregistered}");
        assert!(page.html.contains("リダイレクトURI"), "{}", page.html);
        assert!(!page.html.contains(&unregistered), "and the page is no way there");
    }
}

#[test]
fn oidcc_ensure_post_request_succeeds() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let (endpoint, parameters) = login.url.split_once('?').unwrap();
    let fields: Vec<(String, String)> =
        url::form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let posted = run.browser.post(endpoint, &fields);
    assert_eq!(posted.status, 303);
    let continued = Login { url: posted.location.expect("an address"), ..login };
    run.succeeds(&continued);
}

/// A request object without a signature, with this redirect URI in it.
fn unsigned_object(run: &Run<'_>, redirect_uri: &str) -> String {
    let header = json!({ "alg": "none" }).to_string();
    let claims = json!({
        "iss": run.rp.client_id, "aud": ACCOUNT.issuer, "client_id": run.rp.client_id,
        "response_type": "code", "scope": "openid", "redirect_uri": redirect_uri, "state": "of the object",
    });
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[test]
fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    assert_eq!(discovery(&stage)["request_uri_parameter_supported"], false);
    let login = run.asks("1", &[("request_uri", "https://suite.example/requests/1.jwt")]);
    // That nobody fetches the address, `World` checks: such a call would be a breach.
    assert_eq!(run.refused(&login), "request_uri_not_supported");
}

#[test]
fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    assert_eq!(discovery(&stage)["request_parameter_supported"], false);
    let object = unsigned_object(&run, &run.rp.redirect_uri);
    let login = run.asks("1", &[("request", &object)]);
    assert_eq!(run.refused(&login), "request_not_supported");
}

#[test]
fn oidcc_ensure_request_object_with_redirect_uri() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let object = unsigned_object(&run, &run.rp.redirect_uri);
    let outside = "https://suite.example/unregistered";
    let login = run.asks("1", &[("request", &object), ("redirect_uri", outside)]);
    let page = run.browser.go(&login.url);
    assert_eq!(
        (page.status, page.location.as_deref()),
        (400, None),
        "an object that is not read proves nothing"
    );
    // The other way round: what the object says cannot lead away from a registered address.
    let object = unsigned_object(&run, outside);
    let login = run.asks("1", &[("request", &object)]);
    assert_eq!(run.refused(&login), "request_not_supported");
    assert!(run.browser.go(&run.asks("2", &[]).url).location.unwrap().starts_with(LINE));
}
