//! `/v1/segments` as shops use it.

use enishi::time::{DAY, MINUTE};
use enishi_world::line_simulator::{self, FaultKind};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Stage};

const GOLD: &str = r#"{"attribute": "rank", "equals": "gold"}"#;

fn gold() -> Value {
    serde_json::from_str(GOLD).unwrap()
}

fn call(stage: &Stage, method: Method, path: &str, body: &Value) -> (u16, Value) {
    stage.api(&stage.shop, method, path, Some(body))
}

fn get(stage: &Stage, path: &str) -> (u16, Value) {
    stage.api(&stage.shop, Method::GET, path, None)
}

fn made(stage: &Stage, name: &str, rule: &Value) -> String {
    let (status, made) = call(stage, Method::POST, "/v1/segments", &json!({ "name": name, "rule": rule }));
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

fn count(stage: &Stage, body: &Value) -> Value {
    let (status, answer) = call(stage, Method::POST, "/v1/segments/count", body);
    assert_eq!(status, 200, "{answer}");
    answer
}

fn reachable(stage: &Stage, rule: &Value) -> i64 {
    count(stage, &json!({ "rule": rule }))["reachable"].as_i64().unwrap()
}

#[test]
fn a_segment_is_made_shown_changed_and_ended() {
    let stage = Stage::new(1);
    let id = made(&stage, "金会員", &gold());
    assert!(id.starts_with("seg_"), "{id}");
    let path = format!("/v1/segments/{id}");
    let (status, shown) = get(&stage, &path);
    assert_eq!((status, &shown["name"], &shown["rule"]), (200, &json!("金会員"), &gold()));
    stage.world.advance(1_000);
    let silver = json!({ "attribute": "rank", "equals": "silver" });
    let (status, changed) = call(&stage, Method::PATCH, &path, &json!({ "rule": silver }));
    assert_eq!((status, &changed["name"], &changed["rule"]), (200, &json!("金会員"), &silver));
    assert_ne!(changed["updated_at"], changed["created_at"]);
    assert_eq!(call(&stage, Method::PATCH, &path, &json!({ "name": "銀会員" })).1["name"], "銀会員");
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &path, None).0, 204);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(stage.api(&stage.shop, method, &path, None).0, 404);
    }
    assert_eq!(call(&stage, Method::PATCH, &path, &json!({ "name": "x" })).0, 404);
    assert_eq!(call(&stage, Method::POST, "/v1/segments/count", &json!({ "segment": id })).0, 404);
}

#[test]
fn a_name_belongs_to_one_segment_of_an_account() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let (first, second) = (made(&stage, "金会員", &gold()), made(&stage, "銀会員", &gold()));
    let again = json!({ "name": "金会員", "rule": gold() });
    let (status, error) = call(&stage, Method::POST, "/v1/segments", &again);
    assert_eq!((status, &error["error"]), (409, &json!("name_taken")));
    let path = format!("/v1/segments/{second}");
    let (status, error) = call(&stage, Method::PATCH, &path, &json!({ "name": "金会員" }));
    assert_eq!((status, &error["error"]), (409, &json!("name_taken")));
    let path = format!("/v1/segments/{first}");
    assert_eq!(call(&stage, Method::PATCH, &path, &json!({ "name": "金会員" })).0, 200, "its own");
    assert_eq!(stage.api(&other, Method::POST, "/v1/segments", Some(&again)).0, 201);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(stage.api(&other, method, &path, None).0, 404, "another account's");
    }
    let meant = json!({ "segment": first });
    assert_eq!(stage.api(&other, Method::POST, "/v1/segments/count", Some(&meant)).0, 404);
    for wrong in ["", "a\nb", &"x".repeat(101)] {
        assert_eq!(
            call(&stage, Method::POST, "/v1/segments", &json!({ "name": wrong, "rule": gold() })).0,
            400
        );
    }
}

#[test]
fn segments_are_listed_by_name_page_by_page() {
    let stage = Stage::new(1);
    for name in ["c", "a", "d", "b", "e"] {
        made(&stage, name, &gold());
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(&stage, &format!("/v1/segments?limit=2&after={after}"));
        assert_eq!(status, 200, "{page}");
        names.extend(
            page["segments"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!(get(&stage, "/v1/segments?limit=0").0, 400);
}

#[test]
fn a_count_says_who_is_left_out_and_why() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    stage.member("m-2", "gold");
    let attributes = json!({ "attributes": { "rank": "gold" } });
    assert_eq!(call(&stage, Method::PUT, "/v1/members/m-3", &attributes).0, 200, "linked to nobody");
    stage.world.advance(1);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &user).unwrap();
    stage.deliver();
    let answer = count(&stage, &json!({ "rule": gold() }));
    assert_eq!(
        (&answer["count"], &answer["reachable"], &answer["messages"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(answer["excluded"], json!({ "blocked": 1, "not_friends": 0, "not_linked": 1 }));
    let id = made(&stage, "金会員", &gold());
    assert_eq!(count(&stage, &json!({ "segment": id })), answer, "the same by its id");
    let unclear = json!({ "segment": id, "rule": gold() });
    for unclear in [unclear, json!({}), json!({ "segment": null })] {
        assert_eq!(call(&stage, Method::POST, "/v1/segments/count", &unclear).0, 400, "{unclear}");
    }
}

#[test]
fn the_quota_is_line_s_and_asked_once_a_minute() {
    let stage = Stage::new(1);
    stage.member("m-1", "gold");
    let quota = "/v2/bot/message/quota";
    let asked = || stage.answers_of(quota).len();
    let answer = count(&stage, &json!({ "rule": gold() }));
    assert!(answer["quota"]["used"].is_i64(), "{answer}");
    count(&stage, &json!({ "rule": gold() }));
    assert_eq!(asked(), 1);
    stage.world.advance(MINUTE);
    let fault = line_simulator::Fault {
        path: quota.into(),
        times: 1,
        kind: FaultKind::Status,
        status: Some(500),
        ms: None,
    };
    stage.world.line().add_fault(fault);
    let answer = count(&stage, &json!({ "rule": gold() }));
    assert_eq!(
        (asked(), &answer["quota"], &answer["reachable"]),
        (2, &json!(null), &json!(1)),
        "a count without it"
    );
}

#[test]
fn friends_without_a_link_are_reached_where_the_rule_speaks_of_the_link() {
    let stage = Stage::new(1);
    stage.member("m-1", "gold");
    stage.friend("花子");
    assert_eq!(reachable(&stage, &json!({ "everyone": true })), 1);
    assert_eq!(reachable(&stage, &json!({ "everyone": true, "unlinked": true })), 2);
    assert_eq!(reachable(&stage, &json!({ "link": { "linked": false } })), 1);
    assert_eq!(reachable(&stage, &json!({ "link": { "route": "shop" } })), 1);
    assert_eq!(reachable(&stage, &json!({ "not": gold() })), 0);
    let (status, page) = call(
        &stage,
        Method::POST,
        "/v1/segments/members",
        &json!({ "rule": { "link": { "linked": false } } }),
    );
    assert_eq!((status, &page["members"][0]["member_id"], &page["next"]), (200, &json!(null), &json!(null)));
}

#[test]
fn who_is_meant_is_listed_and_only_by_a_place_that_a_page_gave() {
    let stage = Stage::new(1);
    stage.many_members(5, "gold");
    let page = |after: Value| {
        let mut body = json!({ "rule": gold(), "limit": 3 });
        if !after.is_null() {
            body["after"] = after;
        }
        call(&stage, Method::POST, "/v1/segments/members", &body)
    };
    let (_, first) = page(Value::Null);
    let (_, second) = page(first["next"].clone());
    let number = |page: &Value| page["members"].as_array().unwrap().len();
    assert_eq!((number(&first), number(&second), &second["next"]), (3, 2, &json!(null)));
    for wrong in [json!("nobody"), json!("'"), json!("")] {
        assert_eq!(page(wrong.clone()).0, 400, "{wrong}");
    }
    for limit in [0, 1_001, -1] {
        let body = json!({ "rule": gold(), "limit": limit });
        assert_eq!(call(&stage, Method::POST, "/v1/segments/members", &body).0, 400);
    }
}

#[test]
fn who_logs_in_by_a_link_has_clicked_it() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let target = "https://shop.example/spring";
    let link = stage.auto_login_link(shop, &shop.home_uri, &json!({ "label": "春" }));
    let user = stage.friend("花子");
    let sub = stage.subject(&user);
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1" })).0, 201);
    let rule = json!({ "clicked": { "link": link["id"] } });
    assert_eq!(reachable(&stage, &rule), 0);
    let mut browser = Browser::of(&stage.world, &user);
    browser.go(link["url"].as_str().unwrap());
    assert_eq!(reachable(&stage, &rule), 0, "opened, and not logged in: {target}");
    browser.log_in(shop, &shop.begin("1"), Consent::Plain);
    assert_eq!(reachable(&stage, &rule), 1);
    stage.world.advance(DAY / 48);
    browser.go(link["url"].as_str().unwrap());
    browser.go(&shop.begin("2").url);
    assert_eq!(stage.count("clicks"), 2, "once more, with the session of before");
    browser.go(&shop.begin("3").url);
    assert_eq!(stage.count("clicks"), 2, "without the link");
    assert_eq!(reachable(&stage, &json!({ "clicked": { "within_days": 7 } })), 1);
    stage.world.advance(8 * DAY);
    assert_eq!(reachable(&stage, &json!({ "clicked": { "within_days": 7 } })), 0);
    stage.world.advance(360 * DAY);
    stage.world.tick();
    assert_eq!(stage.count("clicks"), 0, "swept");
}

#[test]
fn who_is_erased_stands_in_no_rule() {
    let stage = Stage::new(1);
    stage.member("m-1", "gold");
    let store = json!({ "attribute": "m-1", "in": ["m-1", "m-2"] });
    let list = |ids: Value| json!({ "members": ids });
    let rule = json!({ "any": [store, list(json!(["m-0", "m-1"])), { "not": list(json!(["m-1"])) }] });
    let id = made(&stage, "名簿", &rule);
    made(&stage, "m-1", &gold());
    assert_eq!(stage.api(&stage.shop, Method::DELETE, "/v1/members/m-1", None).0, 204);
    let left =
        json!({ "any": [store, list(json!(["m-0", "(erased)"])), { "not": list(json!(["(erased)"])) }] });
    assert_eq!(get(&stage, &format!("/v1/segments/{id}")).1["rule"], left);
    assert_eq!(count(&stage, &json!({ "segment": id }))["reachable"], 0);
    stage.member("(erased)", "silver");
    assert_eq!(
        count(&stage, &json!({ "rule": list(json!(["(erased)"])) }))["count"],
        0,
        "whoever is called so"
    );
    let messages = json!([{ "type": "text", "text": "こんにちは" }]);
    let named = json!({ "members": ["(erased)"], "messages": messages });
    assert_eq!(call(&stage, Method::POST, "/v1/sends", &named).0, 202);
    stage.world.settle(MINUTE);
    assert_eq!(stage.count("receipts"), 0);
}

#[test]
fn a_rule_whose_lists_are_alike_since_their_members_were_erased_is_one_still() {
    let stage = Stage::new(1);
    for member in ["m-1", "m-2", "m-3"] {
        stage.member(member, "gold");
    }
    let list = |id: &str| json!({ "members": [id] });
    let or = made(&stage, "または", &json!({ "any": [list("m-1"), { "not": list("m-2") }] }));
    let and = made(&stage, "かつ", &json!({ "all": [list("m-1"), { "not": list("m-2") }] }));
    let messages = json!([{ "type": "text", "text": "こんにちは" }]);
    let later = (stage.world.now() + 60 * MINUTE).rfc3339();
    let sends = [&or, &and].map(|segment| {
        let body = json!({ "segment": segment, "messages": messages, "schedule": later });
        call(&stage, Method::POST, "/v1/sends", &body).1["id"].as_str().unwrap().to_owned()
    });
    for member in ["m-1", "m-2"] {
        assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/members/{member}"), None).0, 204);
    }
    for (segment, reached) in [(&or, 1), (&and, 0)] {
        assert_eq!(count(&stage, &json!({ "segment": segment }))["reachable"], reached);
    }
    stage.hours(2);
    let targeted = sends.map(|send| get(&stage, &format!("/v1/sends/{send}")).1["targeted"].clone());
    assert_eq!(targeted, [json!(1), json!(0)]);
}

#[test]
fn a_rule_of_the_greatest_length_is_one_still_when_somebody_with_a_short_name_is_erased() {
    let stage = Stage::new(1);
    for member in ["1", "2", "3"] {
        stage.member(member, "gold");
    }
    let mut ids = vec!["1".to_owned(), "2".to_owned(), "3".to_owned()];
    let rule = |ids: &[String]| json!({ "all": [gold(), { "members": ids }] });
    let room = 32_000 - rule(&ids).to_string().len();
    ids.extend((1..room / 100).map(|at| format!("{at:0>97}")));
    ids.push("x".repeat(room % 100 + 97));
    let rule = rule(&ids);
    assert_eq!(rule.to_string().len(), 32_000);
    let id = made(&stage, "長い", &rule);
    for member in ["1", "2"] {
        assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/members/{member}"), None).0, 204);
    }
    assert_eq!(count(&stage, &json!({ "segment": id }))["reachable"], 1);
}

#[test]
fn a_send_that_is_named_is_the_account_s_and_not_older_than_receipts_are() {
    let stage = Stage::new(1);
    stage.member("m-1", "gold");
    let messages = json!([{ "type": "text", "text": "こんにちは" }]);
    let (status, send) =
        call(&stage, Method::POST, "/v1/sends", &json!({ "rule": gold(), "messages": messages }));
    assert_eq!(status, 202, "{send}");
    let without = json!({ "not": { "received": { "send": send["id"] } } });
    assert_eq!(count(&stage, &json!({ "rule": without }))["count"], 1);
    let id = made(&stage, "届いていない人", &without);
    stage.world.advance(91 * DAY);
    for body in [json!({ "rule": without }), json!({ "segment": id })] {
        let (status, error) = call(&stage, Method::POST, "/v1/segments/count", &body);
        let says = error["error_description"].as_str().unwrap();
        assert!(status == 400 && says.starts_with("received.send"), "{error}");
    }
    let unknown = json!({ "received": { "send": "00000000-0000-4000-8000-000000000000" } });
    let (status, error) =
        call(&stage, Method::POST, "/v1/segments", &json!({ "name": "x", "rule": unknown }));
    assert_eq!((status, &error["error"]), (400, &json!("invalid_rule")), "{error}");
}

#[test]
fn a_rule_that_was_kept_before_its_like_was_refused_is_told_to_be_given_anew() {
    let stage = Stage::new(1);
    let id = made(&stage, "gold", &gold());
    stage.world.execute(r#"UPDATE segments SET rule = '{"event": {"type": "Purchase"}}'"#);
    let (status, refused) = call(&stage, Method::POST, "/v1/segments/count", &json!({ "segment": id }));
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_rule")), "{refused}");
    let words = refused["error_description"].as_str().unwrap();
    assert!(words.starts_with("the segment's event.type ") && words.ends_with("by PATCH"), "{words}");
    let path = format!("/v1/segments/{id}");
    assert_eq!(call(&stage, Method::PATCH, &path, &json!({ "rule": gold() })).0, 200);
    assert_eq!(count(&stage, &json!({ "segment": id }))["reachable"], 0);
}
