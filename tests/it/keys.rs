//! Signing keys: published before they sign and after, replaced at the shop's word, by age, and in an emergency.

use enishi::time::{DAY, HOUR, MINUTE, SECOND};
use enishi_world::ACCOUNT;
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Shop, Stage, header_of, json_body};

fn published(stage: &Stage) -> Vec<String> {
    let keys = json_body(&stage.world.get(&format!("{}/jwks.json", ACCOUNT.issuer)));
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Logs somebody in and says which key signed; the token verifies under what is published.
fn signing(stage: &Stage, shop: &Shop) -> String {
    let (_, login, tokens) = stage.logged_in(shop, "openid");
    shop.verified(&stage.world, &login, &tokens);
    header_of(tokens["id_token"].as_str().unwrap())["kid"].as_str().unwrap().to_owned()
}

fn rotate(stage: &Stage, body: &Value) -> (u16, Value) {
    stage.api(&stage.shop, Method::POST, "/v1/signing-keys/rotate", Some(body))
}

#[test]
fn a_new_key_is_published_a_day_before_it_signs_and_the_old_one_two_days_after() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let old = signing(&stage, shop);
    assert_eq!(published(&stage), [old.as_str()]);
    let (status, body) = rotate(&stage, &json!({}));
    assert_eq!(status, 201, "{body}");
    let new = body["kids"][0].as_str().unwrap().to_owned();
    assert_eq!(published(&stage), [new.as_str(), old.as_str()]);
    world.advance(DAY - SECOND);
    assert_eq!(signing(&stage, shop), old);
    world.advance(SECOND);
    assert_eq!(signing(&stage, shop), new);
    world.advance(2 * DAY - SECOND);
    assert_eq!(published(&stage), [new.as_str(), old.as_str()]);
    world.advance(SECOND);
    assert_eq!(published(&stage), [new.as_str()]);
    assert_eq!(signing(&stage, shop), new);
}

#[test]
fn whoever_keeps_the_key_set_for_an_hour_can_verify_every_token_through_a_rotation() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (mut known, mut read_at) = (published(&stage), world.now());
    rotate(&stage, &json!({}));
    for _ in 0..80 {
        world.advance(55 * MINUTE);
        let kid = signing(&stage, shop);
        assert!(known.contains(&kid), "{kid} is not in {known:?}");
        if world.now() - read_at >= HOUR {
            (known, read_at) = (published(&stage), world.now());
        }
    }
}

#[test]
fn a_rotation_that_is_under_way_is_not_overtaken_by_another() {
    let stage = Stage::new(1);
    assert_eq!(rotate(&stage, &json!({})).0, 201);
    let (status, body) = rotate(&stage, &json!({}));
    assert_eq!((status, &body["error"]), (409, &"rotation_under_way".into()));
    assert_eq!(rotate(&stage, &json!({ "emergency": true })).0, 201);
    assert_eq!(rotate(&stage, &json!({ "urgent": true })).0, 400);
}

#[test]
fn in_an_emergency_the_old_key_is_gone_at_once_and_nothing_is_spent_until_the_new_one_signs() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let old = signing(&stage, shop);
    let (_, _, tokens) = stage.logged_in(shop, "openid offline_access");
    let new = rotate(&stage, &json!({ "emergency": true })).1["kids"][0].as_str().unwrap().to_owned();
    assert_eq!(published(&stage), [new.as_str()]);
    assert_ne!(new, old);
    world.advance(100 * SECOND);
    let login = shop.begin("2");
    let location = Browser::of(world, &stage.person("次郎")).log_in(shop, &login, Consent::Plain);
    let code = shop.code(&login, &location);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    for reply in [shop.redeem(world, &login, &code), shop.refresh(world, refresh_token)] {
        assert_eq!(
            (reply.status.as_u16(), &json_body(&reply)["error"]),
            (503, &"temporarily_unavailable".into())
        );
        assert_eq!(reply.headers[header::RETRY_AFTER], "21");
    }
    world.advance(20 * SECOND);
    shop.claims(world, &login, &code);
    assert_eq!(shop.refresh(world, refresh_token).status, 200);
    assert_eq!(signing(&stage, shop), new);
}

#[test]
fn after_an_emergency_a_hint_of_the_old_key_is_none() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid");
    rotate(&stage, &json!({ "emergency": true }));
    let url = shop.logout_url(&[
        ("id_token_hint", tokens["id_token"].as_str().unwrap()),
        ("post_logout_redirect_uri", &shop.home_uri),
    ]);
    let page = browser.go(&url);
    assert_eq!((page.status, page.location.as_deref()), (200, None), "the customer is asked instead");
}

#[test]
fn an_isolate_that_missed_an_emergency_forgets_the_old_keys_within_a_minute_and_signs_with_the_new_ones() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shops = ["RS256", "ES256"]
        .map(|algorithm| stage.client(algorithm, &json!({ "id_token_signed_response_alg": algorithm })));
    let tokens = shops.each_ref().map(|shop| stage.logged_in(shop, "openid offline_access").2);
    let hints = shops.each_ref().map(|shop| stage.logged_in(shop, "openid").2);
    world.evict_isolate();
    let elsewhere = world.isolate();
    let ask = |request| world.run(enishi::app::serve(world.context(&elsewhere), request)).unwrap();
    let refreshed = |at: usize| {
        let token = tokens[at]["refresh_token"].as_str().unwrap();
        ask(shops[at].request("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]))
    };
    let is_believed = |at: usize| {
        let url = shops[at].logout_url(&[
            ("id_token_hint", hints[at]["id_token"].as_str().unwrap()),
            ("post_logout_redirect_uri", &shops[at].home_uri),
        ]);
        ask(enishi_world::request(Method::GET, &url)).status == 302
    };
    assert!(is_believed(0), "the configuration is read at this moment");
    world.evict_isolate();
    let new = rotate(&stage, &json!({ "emergency": true })).1["kids"].clone();
    assert_eq!(json!(published(&stage)), new);
    world.advance(MINUTE - SECOND);
    assert_eq!([is_believed(0), is_believed(1)], [true; 2]);
    for _ in 60..120 {
        world.advance(SECOND);
        for at in 0..2 {
            assert_eq!((refreshed(at).status.as_u16(), is_believed(at)), (503, false));
        }
    }
    world.advance(SECOND);
    for at in 0..2 {
        let tokens = json_body(&refreshed(at));
        let token = tokens["id_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));
        shops[at].signed(world, token);
        assert_eq!((&header_of(token)["kid"], is_believed(at)), (&new[at], false));
    }
}

#[test]
fn age_replaces_a_key_after_90_days_without_anybodys_word() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let old = signing(&stage, shop);
    world.advance(89 * DAY - MINUTE);
    world.tick();
    world.evict_isolate();
    assert_eq!(published(&stage), [old.as_str()]);
    world.advance(MINUTE);
    world.tick();
    world.tick();
    world.evict_isolate();
    let both = published(&stage);
    assert_eq!((both.len(), &both[1]), (2, &old));
    world.advance(DAY);
    assert_eq!(signing(&stage, shop), both[0]);
    let log = world.query("SELECT actor FROM audit_log WHERE action = 'signing_keys.rotate'");
    assert_eq!(log, [json!({ "actor": "age" })]);
}

#[test]
fn an_account_whose_keys_cannot_be_replaced_stops_no_other() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let world = &stage.world;
    world.execute(&format!(
        "UPDATE accounts SET config = '{{}}', keys_due_at = 1 WHERE host = '{}'",
        other.line.host
    ));
    world.advance(89 * DAY);
    world.tick();
    world.evict_isolate();
    assert_eq!(published(&stage).len(), 2);
    assert!(world.log_lines().iter().any(|line| line["event"] == "rotate_keys"));
}

#[test]
fn keys_that_are_over_need_no_master_key_of_before_and_go_with_the_next_write() {
    let stage = Stage::new(1);
    let world = &stage.world;
    rotate(&stage, &json!({}));
    let stored = |stage: &Stage| stage.count("accounts a, json_each(a.config, '$.signing_keys')");
    world.advance(4 * DAY);
    assert_eq!(stored(&stage), 2);
    world.execute(
        "UPDATE accounts SET config = json_set(config, '$.signing_keys[1].sealed_private', 'v1.lost')",
    );
    world.evict_isolate();
    signing(&stage, &stage.shop);
    stage.client("a", &json!({}));
    assert_eq!(stored(&stage), 1);
}

#[test]
fn a_client_may_choose_es256_and_discovery_then_lists_it_after_rs256() {
    let stage = Stage::new(1);
    let algorithms = || {
        let url = format!("{}/.well-known/openid-configuration", ACCOUNT.issuer);
        json_body(&stage.world.get(&url))["id_token_signing_alg_values_supported"].clone()
    };
    assert_eq!(algorithms(), json!(["RS256"]));
    let modern = stage.client("modern", &json!({ "id_token_signed_response_alg": "ES256" }));
    assert_eq!(algorithms(), json!(["RS256", "ES256"]));
    for (shop, algorithm) in [(&modern, "ES256"), (&stage.shop, "RS256")] {
        let (_, login, tokens) = stage.logged_in(shop, "openid");
        shop.verified(&stage.world, &login, &tokens);
        assert_eq!(header_of(tokens["id_token"].as_str().unwrap())["alg"], algorithm);
    }
    assert_eq!(rotate(&stage, &json!({})).1["kids"].as_array().unwrap().len(), 2);
    stage.world.advance(DAY);
    signing(&stage, &modern);
}

#[test]
fn what_is_published_of_keys_is_public() {
    let stage = Stage::new(1);
    stage.client("modern", &json!({ "id_token_signed_response_alg": "ES256" }));
    let keys = json_body(&stage.world.get(&format!("{}/jwks.json", ACCOUNT.issuer)));
    for key in keys["keys"].as_array().unwrap() {
        for member in ["kid", "use", "alg", "kty"] {
            assert!(key[member].is_string(), "{member}");
        }
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
    let (status, list) = stage.api(&stage.shop, Method::GET, "/v1/signing-keys", None);
    assert_eq!(status, 200);
    let signs: Vec<bool> =
        list["keys"].as_array().unwrap().iter().map(|key| key["signs"].as_bool().unwrap()).collect();
    assert_eq!(signs, [true, true]);
    assert!(!list.to_string().contains("private"));
}

#[test]
fn metadata_and_keys_may_be_kept_and_are_asked_for_again_by_their_tag() {
    let stage = Stage::new(1);
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks.json"]
    {
        let url = format!("{}{path}", ACCOUNT.issuer);
        let first = stage.world.get(&url);
        assert_eq!(first.headers[header::CACHE_CONTROL], "public, max-age=300");
        let tag = first.headers[header::ETAG].clone();
        let mut again = enishi_world::request(Method::GET, &url);
        again.headers.insert(header::IF_NONE_MATCH, tag.clone());
        let reply = stage.world.answer(again.clone());
        assert_eq!((reply.status.as_u16(), reply.body.len(), &reply.headers[header::ETAG]), (304, 0, &tag));
        again.headers.insert(header::IF_NONE_MATCH, "\"another\"".parse().unwrap());
        assert_eq!(stage.world.answer(again).body, first.body);
    }
}
