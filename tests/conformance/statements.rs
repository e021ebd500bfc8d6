//! Statements of `docs/CONFORMANCE.md` that no other journey proves: authorization requests and the way over LINE. Pages,
//! cookies and headers are in `statements_web.rs`, what clients are given in `statements_tokens.rs`.

use std::collections::HashSet;

use enishi_world::{ACCOUNT, LINE, request};
use http::{HeaderValue, Method, header};
use serde_json::json;

use super::{config::endpoints, discovery, refusal};
use crate::support::{Browser, Consent, Login, Stage, query};

const AT: &str = ACCOUNT.issuer;

#[test]
fn every_address_in_the_metadata_is_answered() {
    let stage = Stage::new(1);
    let document = discovery(&stage);
    let addresses = endpoints(&document);
    assert!(addresses.len() >= 7, "{addresses:?}");
    for (name, url) in addresses {
        let takes = |method: Method| stage.world.answer(request(method, url)).status;
        let statuses = [takes(Method::GET), takes(Method::POST)].map(|status| status.as_u16());
        assert!(statuses.iter().all(|status| ![404, 501].contains(status)), "{name}: {statuses:?}");
        assert!(statuses.iter().any(|status| *status != 405), "{name}: {statuses:?}");
    }
}

#[test]
fn a_redirect_uri_with_a_query_keeps_it_and_gains_the_answer() {
    let stage = Stage::new(1);
    let registered = "http://127.0.0.1:8789/wp-admin/admin-ajax.php?action=openid-connect-authorize&x=%2Fa+b";
    let mut shop = stage.client("wp", &json!({ "redirect_uris": [registered] }));
    registered.clone_into(&mut shop.redirect_uri);
    let login = shop.begin("1");
    let user = stage.person("花子");
    let location = Browser::of(&stage.world, &user).log_in(&shop, &login, Consent::Plain);
    assert!(location.starts_with(&format!("{registered}&code=")), "{location}");
    shop.claims(&stage.world, &login, &shop.code(&login, &location));
    let silent = shop.begin("2").with("prompt", "none");
    let location = Browser::of(&stage.world, "nobody").go(&silent.url).location.unwrap();
    assert!(location.starts_with(&format!("{registered}&error=login_required&")), "{location}");
}

#[test]
fn a_parameter_sent_twice_is_refused_wherever_it_is_sent() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let login = shop.begin("1");
    for name in ["client_id", "redirect_uri", "state", "scope", "nonce", "prompt", "code_challenge"] {
        let once =
            if query(&login.url)(name).is_some() { login.clone() } else { login.clone().with(name, "x") };
        let page = Browser::of(&stage.world, "nobody").go(&once.with(name, "x").url);
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{name}");
        assert!(page.html.contains("repeated_parameter"), "{name}: {}", page.html);
    }
    let invalid_request = (400, "invalid_request".to_owned());
    assert_eq!(refusal(&shop.push(&stage.world, &login, &[("state", "x")])), invalid_request);
    for path in ["/token", "/revoke", "/par"] {
        let twice = shop.call(&stage.world, path, &[("token", "x"), ("token", "x")]);
        assert_eq!(refusal(&twice), invalid_request, "{path}");
    }
}

#[test]
fn a_hint_of_one_customer_lets_no_other_in() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let (_, _, of_another) = stage.logged_in(shop, "openid");
    let (mut browser, _, own) = stage.logged_in(shop, "openid");
    let asks = |tokens: &serde_json::Value, more: &[(&str, &str)]| {
        let login = shop.begin("2").with("id_token_hint", tokens["id_token"].as_str().unwrap());
        more.iter().fold(login, |login, (name, value)| login.with(name, value))
    };
    let error = |login: &Login, location: &str| shop.answer(login, location)("error");
    let silent = asks(&of_another, &[("prompt", "none")]);
    let location = browser.go(&silent.url).location.unwrap();
    assert_eq!(error(&silent, &location).as_deref(), Some("login_required"));
    let silent = asks(&own, &[("prompt", "none")]);
    let location = browser.go(&silent.url).location.unwrap();
    assert_eq!(error(&silent, &location), None, "their own is no obstacle");
    // Where LINE may be asked it is, and whoever comes back is held against the hint.
    let interactive = asks(&of_another, &[]);
    assert!(browser.go(&interactive.url).location.unwrap().starts_with(LINE));
    let location = browser.arrive(&interactive.url, Consent::Plain).location.unwrap();
    assert_eq!(error(&interactive, &location).as_deref(), Some("login_required"));
}

#[test]
fn state_and_nonce_come_back_exactly_whatever_they_contain() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let printable: String = (' '..='~').collect();
    for text in [printable.clone(), printable.repeat(11), "商品 1&茶=%2B+#?\"'<b>".to_owned()] {
        let login = shop.begin("1").but("state", Some(&text)).but("nonce", Some(&text));
        let login = Login { state: text.clone(), nonce: text.clone(), ..login };
        let mut browser = Browser::of(&stage.world, &stage.person("花子"));
        // The first answer comes over LINE, the second by the session; `answer` and `claims` compare.
        for _ in 0..2 {
            let location = browser.log_in(shop, &login, Consent::Plain);
            shop.claims(&stage.world, &login, &shop.code(&login, &location));
        }
        let refused = login.clone().but("response_type", Some("token"));
        let location = browser.go(&refused.url).location.unwrap();
        assert!(shop.answer(&refused, &location)("error").is_some());
    }
}

#[test]
fn an_answer_by_form_post_says_what_a_redirect_says() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let login = shop.begin("1").with("response_mode", "form_post");
    let answer = |(action, fields): (String, Vec<(String, String)>), name: &str| {
        assert_eq!(action, shop.redirect_uri);
        let mut url = url::Url::parse(&action).unwrap();
        url.query_pairs_mut().extend_pairs(fields);
        shop.answer(&login, url.as_str())(name)
    };
    let silent = login.clone().with("prompt", "none");
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let error = answer(browser.go(&silent.url).form(), "error");
    assert_eq!(error.as_deref(), Some("login_required"));
    let code = answer(browser.arrive(&login.url, Consent::Plain).form(), "code").expect("a code");
    shop.claims(&stage.world, &login, &code);
}

#[test]
fn nobody_becomes_a_client_without_the_shops_key() {
    let stage = Stage::new(1);
    let body = json!({ "name": "x", "redirect_uris": ["http://127.0.0.1:8789/x"] });
    let mut asked = request(Method::POST, &format!("{AT}/v1/clients"));
    asked.body = Some(body.to_string().into_bytes());
    assert_eq!(stage.world.answer(asked.clone()).status, 401);
    asked.headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer guessed"));
    assert_eq!(stage.world.answer(asked).status, 401);
    for path in ["/register", "/connect/register", "/clients"] {
        assert_eq!(stage.world.answer(request(Method::POST, &format!("{AT}{path}"))).status, 404, "{path}");
    }
    assert!(discovery(&stage).get("registration_endpoint").is_none());
    let (_, clients) = stage.api(&stage.shop, Method::GET, "/v1/clients", None);
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1);
}

#[test]
fn every_attempt_at_line_has_secrets_of_its_own() {
    let stage = Stage::new(1);
    let login = stage.shop.begin("1");
    let mut seen = HashSet::from([login.state.clone(), login.nonce.clone()]);
    for _ in 0..10 {
        let at_line = Browser::of(&stage.world, "nobody").go(&login.url).location.unwrap();
        let said = query(&at_line);
        assert_eq!(said("code_challenge_method").as_deref(), Some("S256"));
        for name in ["state", "nonce", "code_challenge"] {
            let secret = said(name).unwrap_or_else(|| panic!("no {name}: {at_line}"));
            assert!(secret.len() >= 22, "128 bits at 6 a character: {name} {secret}");
            assert!(seen.insert(secret), "{name} came before: {at_line}");
        }
    }
}

#[test]
fn tabs_side_by_side_each_end_where_they_began() {
    let stage = Stage::new(1);
    let (world, one, other) = (&stage.world, &stage.shop, stage.client("other", &json!({})));
    let mut browser = Browser::of(world, &stage.person("花子"));
    let logins = [one.begin("1"), other.begin("2")];
    let started = logins.each_ref().map(|login| browser.go(&login.url).location.unwrap());
    let callbacks = started.each_ref().map(|at_line| browser.at_line(at_line, Consent::Plain));
    // The later tab comes back first.
    let [second, first] = [1, 0].map(|tab: usize| browser.go(&callbacks[tab]).location.unwrap());
    one.claims(world, &logins[0], &one.code(&logins[0], &first));
    other.claims(world, &logins[1], &other.code(&logins[1], &second));
    // A code of LINE's that one tab brings finishes no other tab's login.
    let [late, early] = ["3", "4"].map(|mark| {
        let login = one.begin(mark).with("prompt", "login");
        let at_line = browser.go(&login.url).location.unwrap();
        browser.at_line(&at_line, Consent::Plain)
    });
    let of = |callback: &str, name: &str| query(callback)(name).unwrap();
    let mixed = format!("{AT}/line/callback?code={}&state={}", of(&late, "code"), of(&early, "state"));
    let page = browser.go(&mixed);
    assert_eq!((page.status, page.location), (400, None));
}

#[test]
fn what_line_refuses_is_said_to_the_client_in_words_of_the_specification() {
    for (lines, ours) in [
        ("access_denied", "access_denied"),
        ("ACCESS_DENIED", "access_denied"),
        ("SERVER_ERROR", "server_error"),
        ("INVALID_SCOPE", "server_error"),
        ("unheard_of", "server_error"),
    ] {
        let stage = Stage::new(1);
        let login = stage.shop.begin("1");
        let mut browser = Browser::of(&stage.world, "nobody");
        let at_line = browser.go(&login.url).location.unwrap();
        let attempt = query(&at_line)("state").unwrap();
        let callback = format!("{AT}/line/callback?error={lines}&error_description=of+line&state={attempt}");
        let location = browser.go(&callback).location.unwrap();
        assert_eq!(stage.shop.answer(&login, &location)("error").as_deref(), Some(ours), "{lines}");
        assert!(!location.contains("of+line"), "what LINE says is not for others: {location}");
    }
}
