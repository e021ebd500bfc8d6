//! What the shop's server is told: links and friendships, signed, each once, kept where nobody took them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use enishi::{
    secret::hmac_sha256,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use enishi_world::{ACCOUNT, Disturbance, ShopOutcome};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Stage, json_body, webhook};

fn kinds(stage: &Stage) -> Vec<String> {
    stage.events().into_iter().map(|(kind, _)| kind).collect()
}

fn endpoint(stage: &Stage, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
    stage.api(&stage.shop, method, &format!("/v1/webhook-endpoint/{path}"), body)
}

#[test]
fn the_shop_is_told_of_friends_and_links_as_they_come_and_go_in_signed_events() {
    let stage = Stage::new(1);
    let secret = stage.takes_events();
    let user = stage.friend("花子");
    let sub = stage.subject(&user);
    assert_eq!(stage.link(&sub, &json!({ "member_id": "会員-7" })).0, 201);
    stage.world.advance(SECOND);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &user).unwrap();
    stage.deliver();
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
    let expected = [
        ("friend.added", json!({ "sub": sub, "member_id": null })),
        ("link.made", json!({ "sub": sub, "member_id": "会員-7" })),
        ("friend.blocked", json!({ "sub": sub, "member_id": "会員-7" })),
        ("link.ended", json!({ "sub": sub, "member_id": "会員-7", "reason": "unlinked" })),
    ];
    assert_eq!(stage.events(), expected.map(|(kind, data)| (kind.to_owned(), data)));
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    for call in stage.world.shop_calls() {
        let header = |name: &str| call.headers[name].to_str().unwrap().to_owned();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let signed = [format!("{id}.{timestamp}.").as_bytes(), &call.body].concat();
        assert_eq!(
            header("webhook-signature"),
            format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)))
        );
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'), "{body}");
        assert!(!body.to_string().contains(user.as_str()), "events speak of our ids: {body}");
    }
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn a_shop_without_an_endpoint_is_owed_nothing() {
    let stage = Stage::new(1);
    let sub = stage.subject(&stage.friend("花子"));
    stage.link(&sub, &json!({ "member_id": "m-1" }));
    stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None);
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn a_friend_who_is_added_at_login_is_told_once_whichever_of_login_and_webhook_comes_first() {
    for webhook_first in [true, false] {
        let stage = Stage::new(1);
        stage.takes_events();
        let mut browser = Browser::of(&stage.world, &stage.person("花子"));
        let login = stage.shop.begin("1");
        let started = browser.go(&login.url);
        let callback = browser.at_line(&started.location.unwrap(), Consent::WithFriend);
        stage.world.advance(SECOND);
        if webhook_first {
            stage.deliver();
        }
        assert_eq!(browser.go(&callback).status, 302);
        stage.deliver();
        assert_eq!(kinds(&stage), ["friend.added"], "the webhook first: {webhook_first}");
    }
}

#[test]
fn an_old_friend_who_logs_in_for_the_first_time_was_not_added_now() {
    let stage = Stage::new(1);
    stage.takes_events();
    let old =
        enishi_world::line_simulator::NewUser { name: "花子".into(), friend: true, ..Default::default() };
    let user = stage.world.line().add_user(old);
    let login = stage.shop.begin("1");
    Browser::of(&stage.world, &user).log_in(&stage.shop, &login, Consent::Plain);
    stage.deliver();
    assert_eq!(kinds(&stage), Vec::<String>::new());
}

#[test]
fn a_follow_that_arrives_after_the_block_that_followed_it_tells_nothing() {
    let stage = Stage::new(1);
    stage.takes_events();
    let user = stage.person("花子");
    let event = |kind: &str, at: i64, id: &str| {
        let body = json!({
            "destination": ACCOUNT.bot_user_id,
            "events": [{
                "type": kind, "mode": "active", "timestamp": at, "webhookEventId": id,
                "source": { "type": "user", "userId": user }, "deliveryContext": { "isRedelivery": false },
            }],
        });
        assert_eq!(stage.world.answer(webhook(&body.to_string())).status, 200);
        stage.world.run_queues();
    };
    event("unfollow", 2_000, "E2");
    event("follow", 1_000, "E1");
    event("unfollow", 2_000, "E2");
    assert_eq!(kinds(&stage), ["friend.blocked"]);
}

#[test]
fn in_a_storm_of_redeliveries_each_event_is_told_under_one_id() {
    let stage = Stage::new(1);
    stage.takes_events();
    stage.world.disturb_queues(Disturbance { duplicates: 0.5, late: 5_000, shuffle: true, consumers: 3 });
    for at in 0..10 {
        let user = stage.person(&format!("客{at}"));
        let now = stage.world.now().0;
        stage.world.line().follow(now, &user).unwrap();
    }
    stage.world.deliver_webhooks();
    stage.world.settle(5 * MINUTE);
    let ids: Vec<_> = stage
        .world
        .shop_calls()
        .iter()
        .map(|call| call.headers["webhook-id"].to_str().unwrap().to_owned())
        .collect();
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!((distinct.len(), ids.len()), (10, 10), "{ids:?}");
}

#[test]
fn an_event_that_nobody_takes_is_tried_with_growing_delays_kept_as_dead_and_told_again_on_request() {
    let stage = Stage::new(1);
    stage.takes_events();
    let world = &stage.world;
    world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR));
    let sub = stage.subject(&stage.friend("花子"));
    world.settle(3 * HOUR);
    stage.hours(4 * 24);
    let calls = world.shop_calls();
    let gaps: Vec<i64> = calls.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(gaps.len() > 10 && gaps.windows(2).take(6).all(|pair| pair[0] < pair[1]), "{gaps:?}");
    assert!(calls.last().unwrap().at - calls[0].at <= 3 * DAY, "after three days it is dead");
    let (status, dead) = endpoint(&stage, Method::GET, "dead-letters", None);
    assert_eq!(status, 200);
    let letter = &dead["dead_letters"][0];
    assert_eq!(
        (&letter["event"]["type"], &letter["event"]["data"]["sub"]),
        (&json!("friend.added"), &json!(sub))
    );
    assert_eq!((&letter["reason"], &dead["next"]), (&json!("http_500"), &Value::Null));
    let id = letter["id"].as_str().unwrap().to_owned();

    world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::OK));
    world.settle(HOUR);
    assert_eq!(world.shop_calls().len(), calls.len(), "nobody asked for it yet");
    let (status, answer) =
        endpoint(&stage, Method::POST, "replay", Some(&json!({ "ids": [id, "msg_unknown"] })));
    assert_eq!((status, answer), (202, json!({ "replayed": 1 })));
    world.run_queues();
    let last = world.shop_calls().pop().unwrap();
    assert_eq!(last.headers["webhook-id"].to_str().unwrap(), id, "its id is what it was");
    assert_eq!(endpoint(&stage, Method::GET, "dead-letters", None).1["dead_letters"], json!([]));
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn dead_events_are_listed_in_pages_and_all_told_again_at_one_word() {
    let stage = Stage::new(1);
    stage.takes_events();
    stage.world.answer_shop_calls_with(ShopOutcome::Silence);
    for at in 0..5 {
        stage.friend(&format!("客{at}"));
    }
    stage.hours(4 * 24);
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let (status, page) = endpoint(&stage, Method::GET, &format!("dead-letters?limit=2{after}"), None);
        assert_eq!(status, 200, "{page}");
        seen.extend(page["dead_letters"].as_array().unwrap().iter().map(|letter| letter["id"].to_string()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let distinct: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (5, 5));
    stage.world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::OK));
    assert_eq!(endpoint(&stage, Method::POST, "replay", Some(&json!({}))), (202, json!({ "replayed": 5 })));
    assert_eq!(stage.events().len(), 5);
    assert_eq!(endpoint(&stage, Method::POST, "replay", Some(&json!({}))), (202, json!({ "replayed": 0 })));
    for wrong in ["dead-letters?limit=0", "dead-letters?limit=x", "dead-letters?after=x"] {
        assert_eq!(endpoint(&stage, Method::GET, wrong, None).0, 400, "{wrong}");
    }
}

#[test]
fn a_link_that_a_pushed_request_made_is_told_with_the_redemption_of_its_code() {
    let stage = Stage::new(1);
    stage.takes_events();
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1");
    let pushed = shop.push(world, &login, &[("member_id", "M-1")]);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let page = browser.arrive(&shop.opening(&pushed), Consent::Plain);
    let on = browser.choose(&page, &[("choice", "allow")]);
    let location = on.button().expect("the way to the shop");
    assert_eq!(kinds(&stage), Vec::<String>::new());
    let tokens = json_body(&shop.redeem(world, &login, &shop.code(&login, &location)));
    let sub = shop.verified(world, &login, &tokens)["sub"].clone();
    assert_eq!(stage.events(), [("link.made".to_owned(), json!({ "sub": sub, "member_id": "M-1" }))]);
}

/// Whoever consumes the queue may know an older configuration than whoever owed the row.
#[test]
fn an_endpoint_that_the_consumers_isolate_does_not_know_yet_is_told_all_the_same() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let sub = stage.subject(&stage.friend("花子"));
    let of_before = world.isolate();
    world.evict_isolate();
    stage.takes_events();
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1" })).0, 201);
    let bodies = world.queued();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    world.run(enishi::app::work(world.context(&of_before), &bodies)).unwrap();
    assert_eq!(world.shop_calls().len(), 1, "told, and not dropped");
    world.run_queues();
    assert_eq!(kinds(&stage), ["link.made"]);
    // Once the newest configuration has none, nobody wants it.
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, "/v1/webhook-endpoint", None).0, 204);
    world.run_queues();
    assert_eq!((world.shop_calls().len(), stage.count("outbox")), (1, 0));
}

#[test]
fn an_account_that_does_not_open_keeps_nobody_else_from_being_told() {
    let stage = Stage::new(1);
    let (world, other) = (&stage.world, stage.other_shop());
    stage.takes_events();
    let sub = stage.subject(&stage.friend("花子"));
    world.run_queues();
    let (account, now) = (world.query("SELECT id FROM accounts ORDER BY host"), world.now().0);
    let id =
        account.iter().map(|row| row["id"].as_str().unwrap()).find(|id| *id != stage.account_id()).unwrap();
    for at in 0..200 {
        world.execute(&format!(
            "INSERT INTO outbox (account, id, kind, body, created_at, due_at, expires_at) \
             VALUES ('{id}', 'msg_{at}', 'event', '{{}}', {now}, {now} + {at}, {now} + 259200000)"
        ));
    }
    world.execute(&format!("UPDATE accounts SET config = '{{}}' WHERE id = '{id}'"));
    world.evict_isolate();
    world.advance(SECOND);
    // The job is lost, so that it is cron's to find the row.
    world.fail_next(enishi_world::Point::Queue, enishi_world::Fault::Refused, 1);
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1" })).0, 201);
    world.settle(5 * MINUTE);
    assert!(kinds(&stage).contains(&"link.made".to_owned()));
    let calls = world.calls().batches;
    world.settle(10 * MINUTE);
    assert!(
        world.calls().batches - calls < 200,
        "nor is it tried all the time: {}",
        world.calls().batches - calls
    );
    assert_eq!(stage.count("outbox"), 200, "what it is owed waits until it opens again");
    assert_ne!(other.line, stage.shop.line);
}

#[test]
fn a_job_that_comes_late_tells_neither_a_dead_event_nor_one_that_another_consumer_has() {
    let stage = Stage::new(1);
    stage.takes_events();
    let world = &stage.world;
    world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR));
    let sub = stage.subject(&stage.friend("花子"));
    world.run_queues();
    assert_eq!(stage.link(&sub, &json!({ "member_id": "m-1" })).0, 201);
    let bodies: Vec<String> = world.queued().into_iter().filter(|body| body.contains("link.made")).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let work = || {
        world.run(enishi::app::work(world.context(&world.isolate()), &bodies)).unwrap();
        world.shop_calls().len()
    };
    let calls = work();
    assert_eq!(work(), calls, "somebody has it, or it waits");
    stage.hours(4 * 24);
    let calls = world.shop_calls().len();
    assert_eq!(work(), calls, "it is dead");
    assert_eq!(stage.count("outbox WHERE dead_at IS NOT NULL"), 2);
}

#[test]
fn an_event_that_is_tried_still_is_not_replayed() {
    let stage = Stage::new(1);
    stage.takes_events();
    stage.world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR));
    stage.friend("花子");
    let row = || stage.world.query("SELECT id, attempts, due_at, expires_at FROM outbox");
    let before = row();
    let ids = json!({ "ids": [before[0]["id"]] });
    for body in [ids, json!({})] {
        assert_eq!(endpoint(&stage, Method::POST, "replay", Some(&body)), (202, json!({ "replayed": 0 })));
    }
    assert_eq!(row(), before);
}
