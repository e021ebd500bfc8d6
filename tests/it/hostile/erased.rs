//! What may bring back somebody who was erased, or keep a trace of them, against whom `erase.rs` does not look.

use enishi::{platform::Platform, time::MINUTE};
use enishi_world::{ACCOUNT, Fault, ShopOutcome};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    erase::{erase, found},
    support::{Browser, Consent, Stage, query, webhook},
};

const MEMBER: &str = "member-canary-7";

/// The shop's member goes on to LINE from the chat; the nonce.
fn nonce(stage: &Stage, member: &str) -> String {
    let body = json!({ "link_token": "any-token", "member_id": member });
    let (status, answer) = stage.api(&stage.shop, Method::POST, "/v1/account-links", Some(&body));
    assert_eq!(status, 201, "{answer}");
    query(answer["url"].as_str().unwrap())("nonce").unwrap()
}

/// LINE's word on a flow from the chat; without a user it failed.
fn line_says(stage: &Stage, nonce: &str, user: Option<&str>, at: i64, id: &str) {
    let mut event = json!({
        "type": "accountLink", "mode": "active", "timestamp": at, "webhookEventId": id, "replyToken": "r",
        "deliveryContext": { "isRedelivery": true },
        "link": { "result": if user.is_some() { "ok" } else { "failed" }, "nonce": nonce },
    });
    if let Some(user) = user {
        event["source"] = json!({ "type": "user", "userId": user });
    }
    let body = json!({ "destination": ACCOUNT.bot_user_id, "events": [event] }).to_string();
    assert_eq!(stage.world.answer(webhook(&body)).status, 200);
    stage.world.run_queues();
}

#[test]
fn a_flow_from_the_chat_that_began_yesterday_neither_keeps_an_erased_member_nor_brings_them_back() {
    let stage = Stage::new(1);
    stage.member(MEMBER, "gold");
    let sub_of = |user: &str| stage.subject(user);
    let user = stage.friend("花子");
    // Begun before the link of now, and finished at LINE; the webhook is late.
    let old = stage.world.query("SELECT u.subject FROM links l JOIN line_users u ON u.id = l.line_user");
    let old = old[0]["subject"].as_str().unwrap().to_owned();
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{old}"), None).0, 204);
    let nonce = nonce(&stage, MEMBER);
    let said = stage.world.now().0;
    assert_eq!(stage.link(&sub_of(&user), &json!({ "member_id": MEMBER })).0, 201);
    stage.hours(24);
    assert_eq!(erase(&stage, MEMBER), 204);
    assert_eq!(found(&stage, &[MEMBER]), []);
    let other = stage.friend("太郎");
    line_says(&stage, &nonce, Some(&other), said, "late");
    assert_eq!(stage.count("links"), 0, "nobody is linked to who was erased");
    assert_eq!(found(&stage, &[MEMBER]), []);
}

#[test]
fn events_about_others_that_name_an_erased_member_go_too() {
    let stage = Stage::new(1);
    stage.takes_events();
    stage.world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR));
    // A link of before with another LINE user, an unlinking, and two flows from the chat that came to nothing.
    let first = stage.subject(&stage.member(MEMBER, "gold"));
    let [second, third] = ["花子", "太郎"].map(|name| stage.friend(name));
    let nonces = [nonce(&stage, "m-other"), nonce(&stage, "m-other")];
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{first}"), None).0, 204);
    let of_member = [nonce(&stage, MEMBER), nonce(&stage, MEMBER)];
    let second = stage.subject(&second);
    assert_eq!(stage.link(&second, &json!({ "member_id": MEMBER })).0, 201);
    let now = stage.world.now().0;
    line_says(&stage, &of_member[0], None, now, "failed");
    line_says(&stage, &of_member[1], Some(&third), now, "taken");
    line_says(&stage, &nonces[0], None, now, "of another");
    assert_eq!(stage.count(&format!("outbox WHERE instr(body, '{MEMBER}') AND kind = 'event'")), 5);
    for (hours, linked) in [(1, true), (4 * 24, false)] {
        stage.hours(hours);
        if !linked {
            assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{second}"), None).0, 204);
            stage.hours(4 * 24);
            assert!(stage.count(&format!("outbox WHERE instr(body, '{MEMBER}')")) > 0);
        }
    }
    assert_eq!(erase(&stage, MEMBER), 204);
    assert_eq!(found(&stage, &[MEMBER]), [], "not linked any more when erased");
    assert!(stage.count("outbox WHERE instr(body, 'm-other')") <= 1, "what names others is as it was");
}

#[test]
fn of_a_linked_member_who_is_erased_only_the_end_is_told() {
    let stage = Stage::new(1);
    stage.takes_events();
    stage.world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR));
    stage.member(MEMBER, "gold");
    let second = stage.subject(&stage.friend("花子"));
    assert_eq!(stage.link(&second, &json!({ "member_id": MEMBER, "replace": true })).0, 201);
    stage.world.run_queues();
    for _ in 0..2 {
        assert_eq!(erase(&stage, MEMBER), 204);
        let bodies = stage.world.query(&format!("SELECT body FROM outbox WHERE instr(body, '{MEMBER}')"));
        let said: Vec<Value> =
            bodies.iter().map(|row| serde_json::from_str(row["body"].as_str().unwrap()).unwrap()).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!((&said[0]["type"], &said[0]["data"]["reason"]), (&json!("link.ended"), &json!("erased")));
        // The shop names the member once more, and erases them again.
        let put = stage.api(&stage.shop, Method::PUT, &format!("/v1/members/{MEMBER}"), Some(&json!({})));
        assert_eq!(put.0, 200);
    }
}

#[test]
fn a_mailed_code_that_waits_is_not_told_of_somebody_erased() {
    let stage = Stage::new(1);
    let proving = stage.proving("proving");
    let user = stage.person_at("花子", "canary@mail.example");
    let mut browser = Browser::of(&stage.world, &user);
    let login = proving.begin("mail").but("scope", Some("openid email"));
    assert_eq!(browser.arrive(&login.url, Consent::WithFriend).status, 200);
    let sub = stage.subject(&user);
    assert_eq!(stage.link(&sub, &json!({ "member_id": MEMBER })).0, 201);
    assert_eq!(stage.count("outbox WHERE kind = 'webhook'"), 1);
    assert_eq!(erase(&stage, MEMBER), 204);
    assert_eq!(stage.count("outbox WHERE kind = 'webhook'"), 0);
    stage.world.settle(15 * MINUTE);
    assert!(stage.events().iter().all(|(kind, _)| kind != "email.code_requested"));
}

#[test]
fn codes_that_were_mailed_to_an_address_of_before_go_with_the_person() {
    let stage = Stage::new(1);
    let proving = stage.proving("proving");
    let user = stage.person_at("花子", "canary@mail.example");
    let mut browser = Browser::of(&stage.world, &user);
    let login = proving.begin("mail").but("scope", Some("openid email"));
    assert_eq!(browser.arrive(&login.url, Consent::WithFriend).status, 200);
    let sub = stage.subject(&user);
    assert_eq!(stage.link(&sub, &json!({ "member_id": MEMBER })).0, 201);
    stage.world.run_queues();
    // The address at LINE is another at the next login.
    stage.world.execute("UPDATE line_users SET email = 'other@mail.example'");
    assert_eq!(erase(&stage, MEMBER), 204);
    assert_eq!(found(&stage, &["canary@mail.example"]), []);
}

/// An event that cannot be read, as LINE would send it of somebody.
fn unreadable(user: &str) -> enishi::web::Request {
    let event = json!({ "type": "follow", "source": { "type": "user", "userId": user } });
    webhook(&json!({ "destination": ACCOUNT.bot_user_id, "events": [event] }).to_string())
}

#[test]
fn what_is_buried_while_a_slow_erasure_is_under_way_does_not_keep_the_person() {
    let mut buried = 0;
    for (seed, early) in (1..30).flat_map(|seed| [(seed, true), (seed, false)]) {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let user = stage.member(MEMBER, "gold");
        assert_eq!(world.answer(unreadable(&user)).status, 200);
        let bodies = world.queued();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        assert_eq!(bodies.len(), 1);
        let memory = world.isolate();
        // The erasure's batch takes two minutes; the burial comes in the midst of it, or as it ends.
        world.fail_at(2, Fault::Stalled);
        let begins = world.now() + if early { MINUTE } else { 2 * MINUTE };
        let erasure = stage.shop.api_request(Method::DELETE, &format!("/v1/members/{MEMBER}"), None);
        let warming = stage.shop.api_request(Method::GET, "/v1/clients", None);
        let erase = async { world.serve(erasure).await.status.as_u16() };
        let bury = async {
            // With the configuration warm, so that the look is the first call.
            world.sleep_until(begins + -1).await;
            world.serve(warming).await;
            world.sleep_until(begins).await;
            enishi::app::work(world.context(&memory), &bodies).await;
            204
        };
        let both: [std::pin::Pin<Box<dyn Future<Output = u16>>>; 2] = [Box::pin(erase), Box::pin(bury)];
        assert_eq!(world.together(both), [Some(204), Some(204)]);
        assert!(!world.end_faults());
        buried += stage.count("dead_letters");
        assert_eq!(
            found(&stage, &[&user]).into_iter().filter(|(place, _)| place == "dead_letters").count(),
            0,
            "seed {seed}, {early}"
        );
    }
    assert_eq!(buried, 0);
}

#[test]
fn a_name_at_line_is_no_markup_on_the_customers_control() {
    let stage = Stage::new(1);
    for word in super::corpus::CORPUS {
        let name: String = word.chars().filter(|c| !c.is_control()).take(20).collect();
        let mut browser = Browser::of(&stage.world, &stage.person("花子"));
        let login = stage.shop.begin("1");
        let back = browser.log_in(&stage.shop, &login, Consent::Plain);
        let claims = stage.shop.claims(&stage.world, &login, &stage.shop.code(&login, &back));
        let sub = claims["sub"].as_str().unwrap();
        assert_eq!(stage.link(sub, &json!({ "member_id": sub })).0, 201);
        let quoted = name.replace('\'', "''");
        stage.world.execute(&format!("UPDATE line_users SET name = '{quoted}' WHERE subject = '{sub}'"));
        let page = stage.world.answer(browser.request(&super::at("/line/unlink")));
        assert_eq!(page.status, 200);
        super::html::assert_harmless(&page, &name, &["/line/unlink"]);
    }
}

#[test]
fn lines_late_word_on_a_flow_of_somebody_erased_since_says_nothing() {
    let stage = Stage::new(1);
    stage.takes_events();
    let user = stage.member("m-0", "gold");
    let nonce = nonce(&stage, MEMBER);
    let said = stage.world.now().0;
    stage.world.advance(MINUTE);
    assert_eq!(erase(&stage, "m-0"), 204);
    stage.world.advance(MINUTE);
    let before = stage.events().len();
    line_says(&stage, &nonce, Some(&user), said, "late");
    assert_eq!((stage.count("links"), stage.count("link_nonces"), stage.events().len()), (0, 1, before));
    assert_eq!(found(&stage, &[&user]), []);
    // The flow is open still, for whomever LINE names within its time.
    let other = stage.friend("花子");
    line_says(&stage, &nonce, Some(&other), said + 1, "in time");
    assert_eq!(stage.count(&format!("links WHERE member_id = '{MEMBER}'")), 1);
}

#[test]
fn what_line_says_of_the_very_moment_of_the_erasure_is_of_before() {
    let stage = Stage::new(1);
    let user = stage.member(MEMBER, "gold");
    assert_eq!(erase(&stage, MEMBER), 204);
    let at = stage.world.query("SELECT max(erased_at) AS at FROM tombstones")[0]["at"].as_i64().unwrap();
    stage.world.advance(MINUTE);
    let follow = |at: i64, id: &str| {
        let event = json!({
            "type": "follow", "timestamp": at, "webhookEventId": id, "source": { "type": "user", "userId": user },
        });
        let body = json!({ "destination": ACCOUNT.bot_user_id, "events": [event] }).to_string();
        assert_eq!(stage.world.answer(webhook(&body)).status, 200);
        stage.world.run_queues();
        stage.count("line_users")
    };
    assert_eq!((follow(at, "E1"), follow(at + 1, "E2")), (0, 1));
}

#[test]
fn who_takes_the_members_place_while_they_are_erased_is_erased_as_the_member_and_told() {
    let stage = Stage::new(1);
    stage.takes_events();
    let world = &stage.world;
    stage.member(MEMBER, "gold");
    let other = stage.friend("花子");
    let sub = stage.subject(&other);
    world.run_queues();
    // The erasure has looked who is linked; its batch takes two minutes.
    world.fail_at(2, Fault::Stalled);
    let erasure = stage.shop.api_request(Method::DELETE, &format!("/v1/members/{MEMBER}"), None);
    let body = json!({ "member_id": MEMBER, "replace": true });
    let replaced = stage.shop.api_request(Method::PUT, &format!("/v1/links/{sub}"), Some(&body));
    let begins = [world.now(), world.now() + MINUTE];
    let at_time = async |(request, begins)| {
        world.sleep_until(begins).await;
        world.serve(request).await.status.as_u16()
    };
    let statuses = world.together([(erasure, begins[0]), (replaced, begins[1])].map(at_time));
    assert_eq!(statuses, [Some(204), Some(201)]);
    world.settle(15 * MINUTE);
    assert_eq!(stage.count("links"), 0);
    assert_eq!(found(&stage, &[&other, &sub, MEMBER]), []);
    let ended: Vec<_> = stage.events().into_iter().filter(|(kind, _)| kind == "link.ended").collect();
    let reasons: Vec<_> = ended.iter().map(|(_, data)| data["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.last(), Some(&"erased"), "{ended:?}");
}
