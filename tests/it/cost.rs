//! What a request costs in calls to stores, with the account's configuration warm.

use enishi::web::Request;
use enishi_world::{ACCOUNT, Calls, request};
use http::{HeaderValue, Method, header};
use serde_json::json;

use crate::import::{part, user};
use crate::support::{Consent, Stage};

/// The calls that one request makes; the answer has this status.
fn cost(stage: &Stage, request: Request, status: u16) -> Calls {
    stage.world.reset_calls();
    let reply = stage.world.answer(request);
    assert_eq!(reply.status.as_u16(), status);
    stage.world.calls()
}

/// Has the isolate read the account.
fn warm(stage: &Stage) {
    assert_eq!(stage.world.get(&format!("{}/jwks.json", ACCOUNT.issuer)).status, 200);
}

/// Batches of D1, and nothing of KV or queues.
fn batches(calls: Calls) -> u32 {
    assert_eq!((calls.cache_reads, calls.cache_writes, calls.enqueues, calls.fetches), (0, 0, 0, 0));
    calls.batches
}

#[test]
fn discovery_and_keys_touch_no_store() {
    let stage = Stage::new(1);
    warm(&stage);
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks.json"]
    {
        let asked = request(Method::GET, &format!("{}{path}", ACCOUNT.issuer));
        assert!(cost(&stage, asked, 200).touched_no_store(), "{path}");
    }
}

#[test]
fn authorize_touches_no_store_without_a_session_and_one_batch_with_one() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    warm(&stage);
    let asked = request(Method::GET, &shop.begin("1").url);
    assert!(cost(&stage, asked, 302).touched_no_store());
    let silent = request(Method::GET, &shop.begin("1").with("prompt", "none").url);
    assert!(cost(&stage, silent, 302).touched_no_store());
    let (browser, _, tokens) = stage.logged_in(shop, "openid");
    let hint = tokens["id_token"].as_str().unwrap();
    for login in [
        shop.begin("2"),
        shop.begin("3").with("prompt", "none"),
        shop.begin("4").with("id_token_hint", hint),
        shop.begin("5").with("max_age", "1000"),
    ] {
        assert_eq!(batches(cost(&stage, browser.request(&login.url), 302)), 1, "{}", login.url);
    }
}

#[test]
fn opening_a_pushed_request_is_one_batch_with_a_session_and_without() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let pushed = shop.push(world, &shop.begin("1"), &[]);
    let opening = request(Method::GET, &shop.opening(&pushed));
    assert_eq!(batches(cost(&stage, opening, 302)), 1);
    let (browser, _, _) = stage.logged_in(shop, "openid");
    let pushed = shop.push(world, &shop.begin("2"), &[]);
    assert_eq!(batches(cost(&stage, browser.request(&shop.opening(&pushed)), 302)), 1);
    let fields = [
        ("response_type", "code"),
        ("redirect_uri", &shop.redirect_uri),
        ("scope", "openid"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    assert_eq!(batches(cost(&stage, shop.request("/par", &fields), 201)), 1);
}

#[test]
fn every_grant_at_the_token_endpoint_is_one_batch_and_userinfo_one() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    let mut browser = crate::support::Browser::of(world, &user);
    let login = shop.begin("1").but("scope", Some("openid profile offline_access"));
    let location = browser.log_in(shop, &login, Consent::Plain);
    let code = shop.code(&login, &location);
    let redemption = cost(&stage, shop.token_request(&code, &login.verifier), 200);
    assert_eq!((batches(redemption), redemption.signatures), (1, 1));
    let (_, _, tokens) = stage.logged_in(shop, "openid offline_access");
    let token = tokens["refresh_token"].as_str().unwrap();
    let refresh = shop.request("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]);
    assert_eq!(batches(cost(&stage, refresh, 200)), 1);
    let mut userinfo = request(Method::GET, &format!("{}/userinfo", ACCOUNT.issuer));
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    userinfo.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
    assert_eq!(batches(cost(&stage, userinfo, 200)), 1);
    assert_eq!(batches(cost(&stage, shop.request("/revoke", &[("token", token)]), 200)), 1);
}

#[test]
fn a_grant_that_is_presented_in_vain_is_two_batches() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    let login = shop.begin("1").but("scope", Some("openid offline_access"));
    let location = crate::support::Browser::of(world, &user).log_in(shop, &login, Consent::Plain);
    let code = shop.code(&login, &location);
    let tokens = crate::support::json_body(&shop.redeem(world, &login, &code));
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(shop.refresh(world, token).status, 200);
    world.advance(31_000);
    let refresh = shop.request("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]);
    for again in [shop.token_request(&code, &login.verifier), refresh] {
        assert!(batches(cost(&stage, again, 400)) <= 2);
    }
}

#[test]
fn a_login_is_two_batches_and_logging_out_one() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    let mut browser = crate::support::Browser::of(world, &user);
    let started = browser.go(&shop.begin("1").url).location.unwrap();
    let callback = browser.at_line(&started, Consent::Plain);
    let calls = cost(&stage, browser.request(&callback), 302);
    assert_eq!((calls.batches, calls.fetches, calls.cache_reads + calls.cache_writes), (2, 2, 0));
    let client = stage.client("a", &json!({}));
    let (browser, _, tokens) = stage.logged_in(&client, "openid");
    let hint = tokens["id_token"].as_str().unwrap();
    let url = client.logout_url(&[("id_token_hint", hint), ("post_logout_redirect_uri", &client.home_uri)]);
    assert_eq!(batches(cost(&stage, browser.request(&url), 302)), 1);
}

#[test]
fn the_statements_of_a_request_stay_within_the_free_plan() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({ "backchannel_logout_uri": "http://127.0.0.1:8789/told" }));
    let (_, _, tokens) = stage.logged_in(&shop, "openid offline_access");
    let token = tokens["refresh_token"].as_str().unwrap();
    let refresh = shop.request("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]);
    assert!(cost(&stage, refresh, 200).statements <= 10);
}

#[test]
fn a_sealed_link_touches_no_store_and_a_stored_one_reads_the_cache_once() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let page = format!("{}tea", shop.home_uri);
    let sealed = stage.auto_login_link(shop, &page, &json!({ "type": "sealed" }));
    let stored = stage.auto_login_link(shop, &page, &json!({}));
    let opened = |link: &serde_json::Value| request(Method::GET, link["url"].as_str().unwrap());
    warm(&stage);
    let calls = cost(&stage, opened(&sealed), 302);
    assert!(calls.touched_no_store() && calls.enqueues + calls.fetches == 0, "{calls:?}");
    let cold = cost(&stage, opened(&stored), 302);
    assert_eq!((cold.batches, cold.cache_reads, cold.cache_writes), (1, 1, 1));
    stage.world.advance(enishi_world::STALENESS);
    warm(&stage);
    let calls = cost(&stage, opened(&stored), 302);
    assert_eq!((calls.batches, calls.cache_reads, calls.cache_writes, calls.enqueues), (0, 1, 0, 0));
    let mut browser = crate::support::Browser::of(&stage.world, &stage.person("花子"));
    let start = browser.go(sealed["url"].as_str().unwrap()).location.unwrap();
    let (login, _) = shop.started(&start, "1");
    assert!(
        cost(&stage, browser.request(&login.url), 302).touched_no_store(),
        "the ticket is folded in for nothing"
    );
    let started = browser.go(&login.url).location.unwrap();
    let callback = browser.at_line(&started, Consent::WithFriend);
    let calls = cost(&stage, browser.request(&callback), 302);
    assert_eq!((calls.batches, calls.fetches, calls.cache_reads + calls.cache_writes), (2, 2, 0));
    assert!(calls.statements <= 20, "{calls:?}");
}

#[test]
fn a_login_that_fails_costs_one_batch_more_than_it_says() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let user = stage.person_with("花子", enishi_world::line_simulator::AutoLogin::Fails);
    let mut browser = crate::support::Browser::of(&stage.world, &user);
    let started = browser.go(&shop.begin("1").url).location.unwrap();
    let dead = browser.at_line(&started, Consent::Plain);
    assert_eq!(batches(cost(&stage, browser.request(&dead), 400)), 1);
    let failed = browser.go(&dead);
    let press = browser.request(&failed.button().unwrap());
    assert_eq!(batches(cost(&stage, press, 302)), 0);
    let checked = browser.go(&failed.button().unwrap()).location.unwrap();
    assert_eq!(batches(cost(&stage, browser.request(&checked), 302)), 1);
}

/// A part of 1 MB: 20,000 lines of 50 bytes, a hundred of which contradict others.
fn part_of_an_import(stage: &Stage) -> Request {
    let (_, import) = stage.api(&stage.shop, Method::POST, "/v1/imports", Some(&json!({})));
    let csv: String = (0..20_000)
        .map(|at| format!("member-{:07},{}\r\n", if at < 100 { 0 } else { at }, user(at)))
        .collect();
    assert_eq!(csv.len(), 1_000_000);
    part(stage, import["id"].as_str().unwrap(), 1, csv)
}

#[test]
fn a_part_of_an_import_is_a_look_and_one_batch_of_few_statements_however_many_lines() {
    let stage = Stage::new(1);
    let part = part_of_an_import(&stage);
    for _ in 0..2 {
        let calls = cost(&stage, part.clone(), 200);
        assert_eq!(batches(calls), 2);
        assert!(calls.statements <= 10, "{}", calls.statements);
    }
    assert_eq!(stage.count("links"), 19_901);
    assert_eq!(stage.count("line_users"), 19_901);
}

#[test]
fn showing_and_finishing_an_import_and_a_page_of_an_export_are_one_batch() {
    let stage = Stage::new(1);
    let part = part_of_an_import(&stage);
    let import = part.path.strip_suffix("/parts/1").unwrap().to_owned();
    assert_eq!(stage.world.answer(part.clone()).status, 200);
    for (method, path, body, status) in [
        (Method::GET, import.clone(), "", 200),
        (Method::POST, format!("{import}/finish"), "{\"parts\":1}", 200),
        (Method::GET, "/v1/imports".to_owned(), "", 200),
        (Method::POST, "/v1/imports".to_owned(), "", 201),
        (Method::GET, "/v1/exports/links".to_owned(), "", 200),
        (Method::GET, "/v1/exports/receipts".to_owned(), "", 200),
    ] {
        let asked = Request { method, path, body: Some(body.as_bytes().to_vec()), ..part.clone() };
        let calls = cost(&stage, asked, status);
        assert_eq!(batches(calls), 1);
        assert!(calls.statements <= 3);
    }
    let listed = Request { method: Method::GET, path: "/v1/exports".to_owned(), ..part };
    assert!(cost(&stage, listed, 200).touched_no_store());
}
