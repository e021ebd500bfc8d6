//! Logging out: the storefront's request, the customer's word, and the clients that are told behind the browser's back.

use enishi::{
    time::{DAY, HOUR, MINUTE, SECOND},
    web::cookie::SESSION,
};
use enishi_world::{ACCOUNT, ShopOutcome};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::{Browser, Consent, Shop, Stage, claims_of, header_of, json_body};

const TOLD_AT: &str = "http://127.0.0.1:8789/told";

/// A client that is told of ended sessions, and its server.
fn told(stage: &Stage) -> Shop {
    stage.world.shop_server(TOLD_AT);
    stage.client("told", &json!({ "backchannel_logout_uri": TOLD_AT, "refresh_tokens": "always" }))
}

/// The logout tokens that the shop's server was sent.
fn logout_tokens(stage: &Stage) -> Vec<String> {
    let calls = stage.world.shop_calls();
    let token = |body: &[u8]| {
        let (name, value) = form_urlencoded::parse(body).next().unwrap();
        assert_eq!(name, "logout_token");
        value.into_owned()
    };
    calls.iter().map(|call| token(&call.body)).collect()
}

fn hint(tokens: &Value) -> &str {
    tokens["id_token"].as_str().unwrap()
}

#[test]
fn a_shop_that_shows_its_id_token_logs_its_customer_out_and_gets_them_back() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    let url = shop.logout_url(&[
        ("id_token_hint", hint(&tokens)),
        ("post_logout_redirect_uri", &shop.home_uri),
        ("state", "商品 & more"),
    ]);
    let page = browser.go(&url);
    let expected = format!("{}?state=%E5%95%86%E5%93%81+%26+more", shop.home_uri);
    assert_eq!((page.status, page.location.as_deref()), (302, Some(&*expected)));
    assert!(!browser.cookies(ACCOUNT.host).contains(&SESSION));
    assert!(!browser.has_session(&shop));
}

#[test]
fn a_logout_by_post_from_the_shops_page_needs_no_cookie() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    let fields = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", shop.home_uri.as_str())];
    let mut elsewhere = Browser::of(&stage.world, "nobody");
    let page = elsewhere.post(&format!("{}/logout", ACCOUNT.issuer), &fields);
    assert_eq!(page.location.as_deref(), Some(&*shop.home_uri));
    assert!(!browser.has_session(&shop), "the hint names the session");
}

#[test]
fn an_id_token_of_months_ago_still_logs_out_as_long_as_its_key_is_published() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    stage.world.advance(11 * HOUR);
    let url = shop.logout_url(&[("id_token_hint", hint(&tokens))]);
    assert_eq!(browser.go(&url).status, 200);
    assert!(!browser.has_session(&shop));
}

#[test]
fn without_a_hint_the_customer_is_asked_and_may_stay() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, _) = stage.logged_in(&shop, "openid");
    let url = shop.logout_url(&[
        ("client_id", &shop.client_id),
        ("post_logout_redirect_uri", &shop.home_uri),
        ("state", "s1"),
    ]);
    let asked = browser.go(&url);
    assert_eq!((asked.status, asked.location.as_deref()), (200, None));
    assert!(asked.html.contains("ログアウトしますか"), "{}", asked.html);
    assert_eq!(asked.header(&header::CACHE_CONTROL), Some("no-store"));
    let stayed = browser.choose(&asked, &[("choice", "stay")]);
    assert_eq!((stayed.status, browser.has_session(&shop)), (200, true));
    assert_eq!(
        stayed.button().as_deref(),
        Some(&*shop.home_uri),
        "the shop is not told of a logout that was not"
    );
    let left = browser.choose(&asked, &[("choice", "leave")]);
    assert_eq!(left.button().as_deref(), Some(&*format!("{}?state=s1", shop.home_uri)));
    assert!(!browser.has_session(&shop));
}

#[test]
fn a_confirmation_that_comes_without_the_sessions_cookie_ends_nothing() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, _) = stage.logged_in(&shop, "openid");
    // A form of another site brings no `Lax` cookie.
    let mut forged = Browser::of(&stage.world, "nobody");
    let page = forged.post(&format!("{}/logout/confirm", ACCOUNT.issuer), &[("choice", "leave")]);
    assert_eq!(page.status, 200);
    assert!(browser.has_session(&shop));
}

#[test]
fn an_address_that_is_not_registered_is_never_gone_to_yet_the_customer_is_out() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    for wrong in ["https://evil.example/", "http://127.0.0.1:8789/a/?next=1", "http://127.0.0.1:8789/a"] {
        let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
        let url = shop.logout_url(&[("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", wrong)]);
        let page = browser.go(&url);
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{wrong}");
        assert!(!page.html.contains("evil.example"));
        assert_eq!(page.button().as_deref(), Some(&*shop.home_uri), "a way back");
        assert!(!browser.has_session(&shop));
    }
}

#[test]
fn a_hint_that_was_altered_or_is_another_clients_ends_nothing() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    let altered = hint(&tokens).replace('.', ".A");
    for parameters in [
        [("id_token_hint", altered.as_str()), ("post_logout_redirect_uri", &shop.home_uri)],
        [("id_token_hint", hint(&tokens)), ("client_id", &stage.shop.client_id)],
    ] {
        let page = browser.go(&shop.logout_url(&parameters));
        assert_eq!((page.status, page.location.as_deref()), (400, None));
        assert!(browser.has_session(&shop));
    }
}

#[test]
fn a_hint_of_one_customer_leaves_another_in_the_same_browser_alone() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (_, _, tokens_of_another) = stage.logged_in(&shop, "openid");
    let (mut browser, _, _) = stage.logged_in(&shop, "openid");
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens_of_another))]));
    assert!(browser.has_session(&shop));
}

#[test]
fn a_client_that_registered_is_told_by_a_logout_token_that_the_session_has_ended() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, told(&stage));
    let (mut browser, login, tokens) = stage.logged_in(&shop, "openid");
    let claims = shop.verified(world, &login, &tokens);
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
    world.run_queues();
    let [token] = logout_tokens(&stage).try_into().unwrap();
    assert!(world.shop_calls()[0].headers[header::USER_AGENT].to_str().unwrap().starts_with("Enishi/"));
    assert_eq!(header_of(&token)["typ"], "logout+jwt");
    let told = shop.signed(world, &token);
    assert_eq!((&told["sid"], &told["sub"]), (&claims["sid"], &claims["sub"]));
    assert_eq!(told["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert!(told.get("nonce").is_none() && !told["jti"].as_str().unwrap().is_empty());
    assert!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap() <= 120);
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn a_logout_at_one_shop_ends_the_session_at_every_shop_that_shares_it() {
    let stage = Stage::new(1);
    let (world, told) = (&stage.world, told(&stage));
    for leaving in ["a", "z"] {
        let shop = stage.client(leaving, &json!({ "refresh_tokens": "always" }));
        let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
        let login = told.begin(leaving);
        let location = browser.go(&login.url).location.unwrap();
        let shared = json_body(&told.redeem(world, &login, &told.code(&login, &location)));
        let sid = &told.verified(world, &login, &shared)["sid"];
        assert_eq!(*sid, claims_of(hint(&tokens))["sid"], "one session");

        browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
        world.run_queues();
        for (of, tokens) in [(&shop, &tokens), (&told, &shared)] {
            let text = |name: &str| tokens[name].as_str().unwrap();
            assert_eq!(of.userinfo(world, text("access_token")).status, 401);
            let refused = of.refresh(world, text("refresh_token"));
            assert_eq!(json_body(&refused)["error"], "invalid_grant");
        }
        let notice = claims_of(logout_tokens(&stage).last().unwrap());
        assert_eq!((&notice["aud"], &notice["sid"]), (&json!(told.client_id), sid));
    }
    assert_eq!(logout_tokens(&stage).len(), 2);
}

#[test]
fn unlinking_tells_every_session_of_the_customer_and_no_client_that_had_none() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, told(&stage));
    let user = stage.person("花子");
    let mut sids = Vec::new();
    for _ in 0..2 {
        let mut browser = Browser::of(world, &user);
        let login = shop.begin("1");
        let location = browser.log_in(&shop, &login, Consent::Plain);
        sids.push(shop.claims(world, &login, &shop.code(&login, &location))["sid"].clone());
    }
    let (_, _, of_another) = stage.logged_in(&stage.shop, "openid");
    let sub = stage.subject(&user);
    assert_eq!(stage.link(&sub, &json!({ "member_id": "M1" })).0, 201);
    let gone = stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None);
    assert_eq!(gone.0, 204);
    world.run_queues();
    let mut told: Vec<Value> =
        logout_tokens(&stage).iter().map(|token| claims_of(token)["sid"].clone()).collect();
    told.sort_by_key(Value::to_string);
    sids.sort_by_key(Value::to_string);
    assert_eq!(told, sids);
    assert!(!sids.contains(&claims_of(hint(&of_another))["sid"]));
}

#[test]
fn a_server_that_fails_is_told_again_with_growing_delays_under_the_same_jti() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, told(&stage));
    world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::BAD_GATEWAY));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
    world.settle(10 * MINUTE);
    let calls = world.shop_calls();
    let gaps: Vec<i64> = calls.windows(2).map(|two| (two[1].at - two[0].at) / SECOND).collect();
    assert!(gaps.len() >= 5 && gaps.windows(2).all(|two| two[1] >= two[0]), "{gaps:?}");
    let jtis: Vec<Value> =
        logout_tokens(&stage).iter().map(|token| claims_of(token)["jti"].clone()).collect();
    assert!(jtis.windows(2).all(|two| two[0] == two[1]));
    world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::OK));
    world.settle(HOUR);
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn a_notice_that_nobody_takes_is_given_up_after_a_day() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, told(&stage));
    world.answer_shop_calls_with(ShopOutcome::Silence);
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
    world.settle(DAY + 2 * HOUR);
    assert_eq!(stage.count("outbox"), 0);
    let calls = world.shop_calls().len();
    assert!((20..60).contains(&calls), "{calls}");
    assert!(world.log_lines().iter().any(|line| line["event"] == "outbox" && line["reason"] == "expired"));
}

#[test]
fn a_job_that_was_lost_is_found_by_cron() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, told(&stage));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    world.fail_next(enishi_world::Point::Queue, enishi_world::Fault::Refused, 1);
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
    world.run_queues();
    assert_eq!(logout_tokens(&stage).len(), 0);
    world.settle(3 * MINUTE);
    assert_eq!(logout_tokens(&stage).len(), 1);
}

#[test]
fn what_is_owed_by_an_account_that_is_gone_is_dropped() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, told(&stage));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
    world.execute("DELETE FROM accounts");
    world.evict_isolate();
    world.settle(3 * MINUTE);
    assert_eq!((world.shop_calls().len(), stage.count("outbox")), (0, 0));
}

#[test]
fn a_client_that_is_gone_is_told_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, told(&stage));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
    let gone = stage.api(&stage.shop, Method::DELETE, &format!("/v1/clients/{}", shop.client_id), None);
    assert_eq!(gone.0, 204);
    world.run_queues();
    assert_eq!((world.shop_calls().len(), stage.count("outbox")), (0, 0));
}

#[test]
fn the_confirmation_is_japanese_unless_english_is_asked_for() {
    let stage = Stage::new(1);
    let (browser, _, _) = stage.logged_in(&stage.shop, "openid");
    let mut asking = browser.request(&stage.shop.logout_url(&[("ui_locales", "en")]));
    let page = String::from_utf8(stage.world.answer(asking.clone()).body).unwrap();
    assert!(page.contains("<html lang=\"en\">") && page.is_ascii(), "{page}");
    asking.query = String::new();
    asking.headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de"));
    let page = String::from_utf8(stage.world.answer(asking).body).unwrap();
    assert!(page.contains("<html lang=\"ja\">") && page.contains("ログアウトする"), "{page}");
}

#[test]
fn a_client_that_the_consumers_isolate_does_not_know_yet_is_told_all_the_same() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let of_before = world.isolate();
    world.evict_isolate();
    let shop = told(&stage);
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    browser.go(&shop.logout_url(&[("id_token_hint", hint(&tokens))]));
    let bodies = world.queued();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    world.run(enishi::app::work(world.context(&of_before), &bodies)).unwrap();
    assert_eq!((logout_tokens(&stage).len(), stage.count("outbox")), (1, 0));
}
