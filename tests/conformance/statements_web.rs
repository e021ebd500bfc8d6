//! Statements of `docs/CONFORMANCE.md` that no other journey proves: pages and forms, cookies and sessions, headers and
//! methods.

use enishi::{time::MINUTE, web::Reply};
use enishi_world::{ACCOUNT, Fault, Point, request};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;

use super::{ADDRESS, discovery};
use crate::support::{Browser, Consent, Shop, Stage, form, json_body, query};

const AT: &str = ACCOUNT.issuer;

/// A customer with a session, and the ways to our forms: to link a member, to prove an address (both in English), to log
/// out.
struct Forms<'a> {
    browser: Browser<'a>,
    shop: Shop,
    linking: String,
    proving: String,
    id_token: String,
}

fn forms(stage: &Stage) -> Forms<'_> {
    let shop = stage.proving("all");
    let mut browser = Browser::of(&stage.world, &stage.person_at("花子", ADDRESS));
    let login = shop.begin("1");
    let location = browser.log_in(&shop, &login, Consent::Plain);
    let tokens = json_body(&shop.redeem(&stage.world, &login, &shop.code(&login, &location)));
    let linking = shop.opening(&shop.push(
        &stage.world,
        &shop.begin("2").with("ui_locales", "en"),
        &[("member_id", "M1")],
    ));
    let proving = shop
        .begin("3")
        .but("scope", Some("openid email"))
        .with("prompt", "login")
        .with("ui_locales", "en")
        .url;
    let id_token = tokens["id_token"].as_str().unwrap().to_owned();
    Forms { browser, shop, linking, proving, id_token }
}

#[test]
fn an_answer_to_a_form_redirects_by_303_or_not_at_all() {
    let stage = Stage::new(1);
    let Forms { mut browser, shop, linking, proving, id_token } = forms(&stage);
    let consent = browser.arrive(&linking, Consent::Plain);
    let email = browser.arrive(&proving, Consent::Plain);
    let login = shop.begin("4");
    let (authorize, parameters) = login.url.split_once('?').unwrap();
    let parameters: Vec<(String, String)> =
        url::form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
    let back = [("client_id", shop.client_id.as_str()), ("post_logout_redirect_uri", shop.home_uri.as_str())];
    let leave = [back[0], back[1], ("choice", "leave")];
    let hinted = [("id_token_hint", id_token.as_str()), back[1]];
    let answers = [
        ("/authorize", browser.post(authorize, &parameters)),
        ("/line/consent", browser.choose(&consent, &[("choice", "allow")])),
        ("/line/email", browser.choose(&email, &[("choice", "skip")])),
        ("/logout", browser.post(&format!("{AT}/logout"), &back)),
        ("/logout with a hint", browser.post(&format!("{AT}/logout"), &hinted)),
        ("/logout/confirm", browser.post(&format!("{AT}/logout/confirm"), &leave)),
    ];
    for (form, answer) in answers {
        let expected = if answer.location.is_some() { 303 } else { 200 };
        assert_eq!(answer.status, expected, "{form} to {:?}", answer.location);
    }
}

/// That a page is what nobody can frame, keep, or make load anything.
fn is_locked_down(what: &str, headers: &HeaderMap, html: &str) {
    let said = |name: header::HeaderName| headers.get(&name).map_or("", |value| value.to_str().unwrap());
    assert!(said(header::CONTENT_TYPE).starts_with("text/html"), "{what}: {html}");
    let policy = said(header::CONTENT_SECURITY_POLICY);
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
    assert_eq!(said(header::X_FRAME_OPTIONS), "DENY", "{what}");
    assert_eq!(said(header::REFERRER_POLICY), "no-referrer", "{what}");
    assert_eq!(said(header::CACHE_CONTROL), "no-store", "{what}");
    assert!(!html.contains("src="), "{what}: {html}");
    for tag in html.split("<link ").skip(1) {
        assert!(tag.contains("href=\"/"), "{what}: {tag}");
    }
}

/// Every page that there is, by what has happened.
fn pages(stage: &Stage) -> Vec<(&'static str, HeaderMap, String)> {
    let Forms { mut browser, shop, linking, proving, id_token } = forms(stage);
    let consent = browser.arrive(&linking, Consent::Plain);
    let email = browser.arrive(&proving, Consent::Plain);
    let (go, world) =
        (|browser: &mut Browser<'_>, path: &str| browser.go(&format!("{AT}{path}")), &stage.world);
    let mut pages = vec![
        ("the shop's mistake", go(&mut browser, "/authorize")),
        (
            "a request that is over",
            go(&mut browser, "/authorize?request_uri=urn:ietf:params:oauth:request_uri:x"),
        ),
        ("start again", go(&mut browser, "/line/callback?code=x&state=y")),
        ("no cookies", go(&mut browser, "/line/retry?checked=1")),
        ("form post", browser.go(&shop.begin("4").with("response_mode", "form_post").url)),
        ("linked", browser.choose(&consent, &[("choice", "allow")])),
        ("not proven", browser.choose(&email, &[("choice", "verify"), ("code", "x")])),
        ("gone on", browser.choose(&email, &[("choice", "skip")])),
        ("log out?", browser.go(&shop.logout_url(&[]))),
        ("a forged hint", browser.go(&shop.logout_url(&[("id_token_hint", "x")]))),
        (
            "an unknown address",
            browser.go(&shop.logout_url(&[("post_logout_redirect_uri", "https://x.example/")])),
        ),
        ("stayed", browser.post(&format!("{AT}/logout/confirm"), &[("choice", "stay")])),
        ("logged out", browser.go(&shop.logout_url(&[("id_token_hint", &id_token)]))),
    ];
    pages.extend([("consent", consent), ("prove an address", email)]);
    let browsing = |method: Method, path: &str| {
        let mut asked = request(method, &format!("{AT}{path}"));
        asked.headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        world.answer(asked)
    };
    let mut replies =
        vec![("nothing there", browsing(Method::GET, "/x")), ("not so", browsing(Method::GET, "/token"))];
    world.advance(MINUTE);
    world.fail_next(Point::Database, Fault::Refused, 1);
    let out_of_order = browsing(Method::GET, "/authorize");
    assert_eq!(out_of_order.status, 503);
    replies.push(("out of order", out_of_order));
    let replies = replies.into_iter().map(|(what, reply)| (what, reply.headers, reply.body));
    let pages = pages.into_iter().map(|(what, page)| (what, page.headers, page.html));
    pages
        .chain(replies.map(|(what, headers, body)| (what, headers, String::from_utf8(body).unwrap())))
        .collect()
}

#[test]
fn ui_locales_holds_on_our_pages_after_lines_as_well() {
    let stage = Stage::new(1);
    let Forms { mut browser, linking, proving, .. } = forms(&stage);
    let email = browser.arrive(&proving, Consent::Plain);
    let asked_again = browser.choose(&email, &[("choice", "verify"), ("code", "x")]);
    for page in [browser.arrive(&linking, Consent::Plain), email, asked_again] {
        assert!(page.html.contains("<html lang=\"en\">"), "{}", page.html);
    }
}

#[test]
fn every_page_is_locked_down() {
    for (what, headers, html) in pages(&Stage::new(1)) {
        is_locked_down(what, &headers, &html);
    }
}

#[test]
fn every_page_leads_on() {
    for (what, _, html) in pages(&Stage::new(1)) {
        let leads_on = ["data-testid=\"go-on\" href=\"http", "<form "].iter().any(|way| html.contains(way));
        assert!(leads_on, "{what}: {html}");
    }
}

#[test]
fn no_channel_secret_stands_in_any_answer() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut answers: Vec<String> = Vec::new();
    let mut hear = |reply: &Reply| {
        answers.push(format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body)));
    };
    hear(&stage.put_account(ACCOUNT.host, &shop.account_body()));
    let with_key = |method: Method, path: &str, key: &str| {
        let mut asked = request(method, &format!("{AT}{path}"));
        asked.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}")).unwrap());
        world.answer(asked)
    };
    hear(&with_key(Method::GET, "/v1/accounts", world.settings().keys.operator_key().expose()));
    for path in ["/v1/clients", "/v1/signing-keys", "/v1/webhook-endpoint"] {
        hear(&with_key(Method::GET, path, &shop.api_key));
    }
    for path in
        ["/.well-known/openid-configuration", "/jwks.json", "/authorize", "/line/callback?code=x", "/logout"]
    {
        hear(&world.get(&format!("{AT}{path}")));
    }
    // A login whose exchange LINE refuses, one that succeeds, and one while the database is out of order.
    for status in [http::StatusCode::BAD_REQUEST, http::StatusCode::OK] {
        let mut browser = Browser::of(world, &stage.person("花子"));
        let login = shop.begin("1");
        let started = browser.go(&login.url).location.unwrap();
        answers.push(started.clone());
        let callback = browser.at_line(&started, Consent::Plain);
        if status != http::StatusCode::OK {
            let words = json!({ "error": "invalid_client", "error_description": ACCOUNT.login_secret });
            world.answer_next_call("/oauth2/v2.1/token", status, &words.to_string());
        }
        let arrived = browser.go(&callback);
        answers.push(format!("{:?} {}", arrived.headers, arrived.html));
    }
    world.evict_isolate();
    world.fail_next(Point::Database, Fault::Refused, 1);
    answers.push(format!("{:?}", world.get(&shop.begin("2").url)));
    assert!(answers.len() > 12);
    for secret in [ACCOUNT.login_secret, ACCOUNT.messaging_secret, &shop.client_secret, &shop.api_key] {
        let telling = answers.iter().find(|answer| answer.contains(secret));
        assert_eq!(telling, None);
    }
}

#[test]
fn a_login_gives_the_browser_another_session_and_a_logout_ends_it_for_whoever_kept_the_cookie() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, _) = stage.logged_in(&shop, "openid");
    let cookie = |browser: &Browser<'_>| {
        let asked = browser.request(&shop.begin("2").with("prompt", "none").url);
        let all = asked.headers[header::COOKIE].to_str().unwrap().to_owned();
        all.split("; ").find(|pair| pair.starts_with("__Host-enishi-session=")).expect("a session").to_owned()
    };
    let before = cookie(&browser);
    let login = shop.begin("3").with("prompt", "login");
    let location = browser.log_in(&shop, &login, Consent::Plain);
    let tokens = json_body(&shop.redeem(&stage.world, &login, &shop.code(&login, &location)));
    let kept = cookie(&browser);
    assert_ne!(kept, before);
    browser.go(&shop.logout_url(&[("id_token_hint", tokens["id_token"].as_str().unwrap())]));
    let silent = shop.begin("4").with("prompt", "none");
    let mut replayed = request(Method::GET, &silent.url);
    replayed.headers.insert(header::COOKIE, HeaderValue::from_str(&kept).unwrap());
    let reply = stage.world.answer(replayed);
    let location = reply.headers[header::LOCATION].to_str().unwrap();
    assert_eq!(shop.answer(&silent, location)("error").as_deref(), Some("login_required"));
}

#[test]
fn a_form_of_another_site_takes_nobodys_session_away() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (_, _, attackers) = stage.logged_in(&shop, "openid");
    let (mut victim, _, _) = stage.logged_in(&shop, "openid");
    let hint = attackers["id_token"].as_str().unwrap();
    for (path, fields) in [
        ("/logout", vec![]),
        ("/logout", vec![("id_token_hint", hint)]),
        ("/logout/confirm", vec![("choice", "leave")]),
        ("/logout/confirm", vec![("choice", "leave"), ("client_id", shop.client_id.as_str())]),
    ] {
        // The browser sends no `Lax` cookie with such a form, but takes the cookies of the answer.
        let reply = stage.world.answer(form(&format!("{AT}{path}"), &fields));
        victim.keep(ACCOUNT.host, &reply);
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        assert!(victim.has_session(&shop), "{path} with {names:?}");
    }
}

#[test]
fn forwarded_headers_name_no_host() {
    let stage = Stage::new(1);
    let mut asked = request(Method::GET, &format!("{AT}/.well-known/openid-configuration"));
    for name in
        ["x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-original-host", "forwarded", "host"]
    {
        asked.headers.insert(name, HeaderValue::from_static("host=evil.example;proto=https"));
    }
    assert_eq!(json_body(&stage.world.answer(asked.clone())), discovery(&stage));
    let mut started = request(Method::GET, &stage.shop.begin("1").url);
    started.headers = asked.headers;
    let location = stage.world.answer(started).headers[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(query(&location)("redirect_uri"), Some(format!("{AT}/line/callback")));
}

#[test]
fn every_answer_asks_for_https_and_every_page_keeps_other_windows_out() {
    let stage = Stage::new(1);
    let paths =
        ["/authorize", "/jwks.json", "/token", "/userinfo", "/logout", "/v1/clients", "/healthz", "/x"];
    let started = request(Method::GET, &stage.shop.begin("1").url);
    let asked = paths.iter().map(|path| request(Method::GET, &format!("{AT}{path}"))).chain([started]);
    for asked in asked {
        let path = asked.path.clone();
        let headers = stage.world.answer(asked).headers;
        let https = headers[header::STRICT_TRANSPORT_SECURITY].to_str().unwrap();
        let seconds: u64 = https.split(['=', ';']).nth(1).unwrap().parse().unwrap();
        assert!(seconds >= 31_536_000, "{path}: {https}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        // Only pages have windows; a redirect with the policy would part a shop from the popup that it logs in by.
        let is_page =
            headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/html; charset=utf-8");
        let policy = headers.get("cross-origin-opener-policy").map(|value| value.to_str().unwrap());
        assert_eq!(policy, is_page.then_some("same-origin"), "{path}");
    }
}
