//! The ID link between a member of the shop and a LINE user.

use enishi::time::MINUTE;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Stage, json_body};

fn member(id: &str) -> Value {
    json!({ "member_id": id })
}

#[test]
fn a_link_is_made_looked_up_from_both_sides_and_ended() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let user = stage.friend("花子");
    let sub = stage.subject(&user);
    let consent =
        json!({ "member_id": "会員 7", "consent": { "text": "v3", "at": "2026-01-05T12:00:00+09:00" } });
    let (status, made) = stage.link(&sub, &consent);
    assert_eq!(status, 201, "{made}");
    assert_eq!(stage.link(&sub, &consent).0, 200, "the same link again is no conflict");
    for path in [format!("/v1/links/{sub}"), "/v1/links?member_id=%E4%BC%9A%E5%93%A1%207".to_owned()] {
        let (status, link) = stage.api(shop, Method::GET, &path, None);
        assert_eq!(status, 200, "{link}");
        assert_eq!((&link["sub"], &link["member_id"]), (&json!(sub), &json!("会員 7")));
        assert_eq!(link["consent"]["text"], "v3");
    }
    let path = format!("/v1/links/{sub}");
    assert_eq!(stage.api(shop, Method::DELETE, &path, None).0, 204);
    assert_eq!(stage.api(shop, Method::DELETE, &path, None).0, 404);
    let history = stage.world.query("SELECT member_id, ended_by FROM link_history");
    assert_eq!(history, [json!({ "member_id": "会員 7", "ended_by": "unlinked" })]);
}

#[test]
fn a_taken_member_or_subject_is_a_conflict_that_says_which() {
    let stage = Stage::new(1);
    let [one, two] = ["花子", "太郎"].map(|name| stage.subject(&stage.friend(name)));
    assert_eq!(stage.link(&one, &member("m-1")).0, 201);
    let (status, error) = stage.link(&one, &member("m-2"));
    assert_eq!((status, &error["error"]), (409, &json!("subject_is_linked")));
    let (status, error) = stage.link(&two, &member("m-1"));
    assert_eq!((status, &error["error"]), (409, &json!("member_is_linked")));
    assert_eq!(stage.count("links"), 1);
    assert_eq!(stage.count("link_history"), 0);
}

#[test]
fn a_link_that_replaces_others_leaves_them_in_the_history() {
    let stage = Stage::new(1);
    stage.world.set_cache_staleness(0);
    let [one, two] = ["花子", "太郎"].map(|name| stage.subject(&stage.friend(name)));
    assert_eq!(stage.link(&one, &member("m-1")).0, 201);
    assert_eq!(stage.link(&two, &member("m-2")).0, 201);
    for path in [format!("/v1/links/{two}"), "/v1/links?member_id=m-1".to_owned()] {
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 200);
    }
    let (status, made) = stage.link(&one, &json!({ "member_id": "m-2", "replace": true }));
    assert!(status == 200 || status == 201, "{made}");
    let links = stage.world.query("SELECT member_id FROM links");
    assert_eq!(links, [json!({ "member_id": "m-2" })]);
    let history = stage.world.query("SELECT member_id, ended_by FROM link_history ORDER BY member_id");
    let replaced = |id: &str| json!({ "member_id": id, "ended_by": "replaced" });
    assert_eq!(history, [replaced("m-1"), replaced("m-2")]);
    for path in [format!("/v1/links/{two}"), "/v1/links?member_id=m-1".to_owned()] {
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 404, "KV still knows {path}");
    }
    let audited = stage.world.query("SELECT actor, detail FROM audit_log WHERE action = 'link.replace'");
    assert_eq!(
        (audited.len(), &audited[0]["actor"]),
        (2, &json!("api_key")),
        "who decided against two links"
    );
    assert!(!json!(audited).to_string().contains("m-"), "and names no member");
    let again = stage.link(&one, &json!({ "member_id": "m-2", "replace": true }));
    assert_eq!(again.0, 200, "{}", again.1);
    assert_eq!(stage.count("audit_log WHERE action = 'link.replace'"), 2);
    assert_eq!(stage.count("link_history"), 2, "replacing a link by itself changes nothing");
}

#[test]
fn a_subject_that_does_not_exist_cannot_be_linked() {
    let stage = Stage::new(1);
    assert_eq!(stage.link("nobody", &member("m")).0, 404);
    assert_eq!(stage.link("nobody", &json!({ "member_id": "m", "replace": true })).0, 404);
    let sub = stage.subject(&stage.friend("花子"));
    for wrong in [json!({}), member(""), member(&"x".repeat(256)), json!({ "member_id": 7 })] {
        assert_eq!(stage.link(&sub, &wrong).0, 400, "{wrong}");
    }
}

#[test]
fn unlinking_ends_the_customers_sessions_and_tokens() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let location = browser.log_in(shop, &login, Consent::Plain);
    let tokens = json_body(&shop.redeem(world, &login, &shop.code(&login, &location)));
    let sub = shop.verified(world, &login, &tokens)["sub"].as_str().unwrap().to_owned();
    stage.link(&sub, &member("m-1"));
    let unspent = shop.begin("2");
    let unspent_code = shop.code(&unspent, &browser.go(&unspent.url).location.unwrap());
    assert_eq!(stage.api(shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
    assert_eq!(shop.userinfo(world, tokens["access_token"].as_str().unwrap()).status, 401);
    assert_eq!(json_body(&shop.redeem(world, &unspent, &unspent_code))["error"], "invalid_grant");
    let silent = shop.begin("3").with("prompt", "none");
    let refused = browser.go(&silent.url).location.unwrap();
    assert_eq!(shop.answer(&silent, &refused)("error").as_deref(), Some("login_required"));
}

#[test]
fn where_the_customers_row_is_gone_no_session_code_or_token_is_left_that_counts() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (mut browser, _, tokens) = stage.logged_in(shop, "openid profile offline_access");
    let unspent = shop.begin("2");
    let unspent_code = shop.code(&unspent, &browser.go(&unspent.url).location.unwrap());
    world.execute("DELETE FROM line_users");
    assert_eq!(shop.userinfo(world, tokens["access_token"].as_str().unwrap()).status, 401);
    let refreshed = shop.refresh(world, tokens["refresh_token"].as_str().unwrap());
    assert_eq!(json_body(&refreshed)["error"], "invalid_grant");
    assert_eq!(json_body(&shop.redeem(world, &unspent, &unspent_code))["error"], "invalid_grant");
    let silent = shop.begin("3").with("prompt", "none");
    let refused = browser.go(&silent.url).location.unwrap();
    assert_eq!(shop.answer(&silent, &refused)("error").as_deref(), Some("login_required"));
}

#[test]
fn a_look_up_is_answered_by_kv_the_second_time_and_by_d1_for_who_insists() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    world.set_cache_staleness(0);
    let sub = stage.subject(&stage.friend("花子"));
    stage.link(&sub, &member("m-1"));
    let path = format!("/v1/links/{sub}");
    let first = stage.api(shop, Method::GET, &path, None);
    world.reset_calls();
    assert_eq!(stage.api(shop, Method::GET, &path, None), first);
    assert_eq!((world.calls().batches, world.calls().cache_reads), (0, 1));
    world.reset_calls();
    let fresh = stage.api_with(shop, Method::GET, &path, None, &[("cache-control", "no-cache")]);
    assert_eq!(fresh, first);
    assert_eq!((world.calls().batches, world.calls().cache_reads), (1, 0));
}

#[test]
fn absence_is_never_cached_and_a_stale_view_ends_within_a_minute() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let sub = stage.subject(&stage.friend("花子"));
    let path = format!("/v1/links/{sub}");
    assert_eq!(stage.api(shop, Method::GET, &path, None).0, 404);
    assert_eq!(world.cached_values(), []);
    stage.link(&sub, &member("m-1"));
    assert_eq!(stage.api(shop, Method::GET, &path, None).0, 200, "what KV says is absent is asked of D1");
    world.advance(MINUTE);
    assert_eq!(stage.api(shop, Method::GET, &path, None).0, 200);
    assert_eq!(stage.api(shop, Method::DELETE, &path, None).0, 204);
    let insisting = stage.api_with(shop, Method::GET, &path, None, &[("cache-control", "no-cache")]);
    assert_eq!(insisting.0, 404);
    world.advance(MINUTE);
    assert_eq!(stage.api(shop, Method::GET, &path, None).0, 404);
}

#[test]
fn of_two_shops_systems_that_link_at_once_one_wins_and_nothing_is_doubled() {
    for seed in 1..6 {
        let stage = Stage::new(seed);
        let subs = ["花子", "太郎", "次郎"].map(|name| stage.subject(&stage.friend(name)));
        let request = |sub: &String| {
            let url = format!("{}/v1/links/{sub}", stage.shop.line.issuer);
            let mut request = enishi_world::request(Method::PUT, &url);
            request
                .headers
                .insert("authorization", format!("Bearer {}", stage.shop.api_key).parse().unwrap());
            request.body = Some(member("m-1").to_string().into_bytes());
            request
        };
        let replies = stage.world.together(subs.iter().map(|sub| stage.world.serve(request(sub))));
        let mut statuses: Vec<u16> =
            replies.into_iter().map(|reply| reply.unwrap().status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409], "seed {seed}");
    }
}

#[test]
fn attributes_are_set_one_by_one_and_removed_by_null() {
    let stage = Stage::new(1);
    let put = |attributes: Value| {
        let body = json!({ "attributes": attributes });
        stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&body))
    };
    assert_eq!(put(json!({ "rank": "gold", "points": 12.5, "vip": true, "age": 30 })).0, 200);
    assert_eq!(put(json!({ "rank": "silver", "vip": null })).0, 200);
    let rows =
        stage.world.query("SELECT name, kind, value FROM attributes WHERE kind <> 'removed' ORDER BY name");
    let row = |name: &str, kind: &str, value: Value| json!({ "name": name, "kind": kind, "value": value });
    let expected = [
        row("age", "number", json!(30)),
        row("points", "number", json!(12.5)),
        row("rank", "text", json!("silver")),
    ];
    assert_eq!(rows, expected);
    for wrong in [
        json!({ "": 1 }),
        json!({ "a": [[]] }),
        json!({ "a": "x".repeat(1_001) }),
        json!({ "a".repeat(65): 1 }),
    ] {
        assert_eq!(put(wrong.clone()).0, 400, "{wrong}");
    }
}

#[test]
fn a_segment_counts_linked_friends_whose_attribute_has_that_very_value_and_kind() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    stage.member("m-2", "silver");
    let values = json!({ "attributes": { "one": 1, "text": "1", "yes": true } });
    assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&values)).0, 200);
    let count = |attribute: &str, equals: Value| {
        let body = json!({ "rule": { "attribute": attribute, "equals": equals } });
        let (status, answer) = stage.api(&stage.shop, Method::POST, "/v1/segments/count", Some(&body));
        assert_eq!(status, 200, "{answer}");
        answer["reachable"].as_i64().unwrap()
    };
    assert_eq!(count("rank", json!("gold")), 1);
    assert_eq!(count("one", json!(1)), 1);
    assert_eq!(count("one", json!("1")), 0);
    assert_eq!(count("text", json!(1)), 0);
    assert_eq!(count("yes", json!(true)), 1);
    assert_eq!(count("one", json!(true)), 0);
    let now = stage.world.now().0;
    stage.world.advance(1);
    stage.world.line().unfollow(now + 1, &user).unwrap();
    stage.deliver();
    assert_eq!(count("rank", json!("gold")), 0, "who blocks is not reached");
    let (status, error) =
        stage.api(&stage.shop, Method::POST, "/v1/segments/count", Some(&json!({ "rule": {} })));
    assert_eq!((status, &error["error"]), (400, &json!("invalid_rule")));
}

#[test]
fn replacing_a_link_ends_the_sessions_and_tokens_of_who_was_displaced() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let customers = ["花子", "太郎", "次郎"].map(|name| {
        let mut browser = Browser::of(world, &stage.person(name));
        let login = shop.begin(name);
        let location = browser.log_in(shop, &login, Consent::Plain);
        let tokens = json_body(&shop.redeem(world, &login, &shop.code(&login, &location)));
        let sub = shop.verified(world, &login, &tokens)["sub"].as_str().unwrap().to_owned();
        let access_token = tokens["access_token"].as_str().unwrap().to_owned();
        assert_eq!(stage.link(&sub, &member(&format!("member-of-{name}"))).0, 201);
        (browser, sub, access_token)
    });
    let silent = shop.begin("silent").with("prompt", "none");
    let is_in = |(browser, _, access_token): &mut (Browser<'_>, String, String)| {
        let back = browser.go(&silent.url).location.unwrap();
        let answer = shop.answer(&silent, &back);
        let told = shop.userinfo(world, access_token).status.as_u16();
        match answer("error") {
            Some(error) => assert_eq!((error.as_str(), told), ("login_required", 401)),
            None => assert_eq!((answer("code").is_some(), told), (true, 200)),
        }
        answer("code").is_some()
    };
    let [mut hanako, mut taro, mut jiro] = customers;
    let same = json!({ "member_id": "member-of-花子", "replace": true });
    assert_eq!(stage.link(&hanako.1, &same).0, 200);
    assert!(is_in(&mut hanako), "her link is what it was");
    let (status, link) = stage.link(&hanako.1, &json!({ "member_id": "member-of-太郎", "replace": true }));
    assert_eq!(status, 201, "{link}");
    assert!(!is_in(&mut taro), "another has his membership now");
    assert!(!is_in(&mut hanako), "her tokens speak of a membership that is not hers any more");
    assert!(is_in(&mut jiro), "it is none of his business");
}

#[test]
fn the_same_link_again_keeps_the_newer_consent() {
    let stage = Stage::new(1);
    stage.world.set_cache_staleness(0);
    let sub = stage.subject(&stage.friend("花子"));
    let with = |text: &str| json!({ "member_id": "m-1", "consent": { "text": text } });
    let kept = || {
        let path = format!("/v1/links/{sub}");
        stage.api(&stage.shop, Method::GET, &path, None).1["consent"]["text"].clone()
    };
    let (status, first) = stage.link(&sub, &with("terms of 2025"));
    assert_eq!(status, 201, "{first}");
    assert_eq!(kept(), "terms of 2025");
    let (status, second) = stage.link(&sub, &with("terms of 2026"));
    assert_eq!((status, &second["consent"]["text"]), (200, &json!("terms of 2026")));
    assert_eq!((&second["linked_at"], kept()), (&first["linked_at"], json!("terms of 2026")));
    assert_eq!(stage.link(&sub, &member("m-1")).0, 200);
    assert_eq!(kept(), "terms of 2026", "who says nothing of consent takes none back");
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-2", "consent": { "text": "other" } })).0, 409);
    assert_eq!(kept(), "terms of 2026");
    assert_eq!(stage.count("links") + stage.count("link_history"), 1);
}

#[test]
fn a_call_that_is_refused_leaves_the_consent_of_the_link_that_is_there() {
    let stage = Stage::new(1);
    let sub = stage.subject(&stage.friend("花子"));
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1", "consent": { "text": "v1" } })).0, 201);
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-2", "consent": { "text": "v2" } })).0, 409);
    let (_, link) = stage.api(&stage.shop, Method::GET, &format!("/v1/links/{sub}"), None);
    assert_eq!((&link["member_id"], &link["consent"]["text"]), (&json!("m-1"), &json!("v1")));
}
