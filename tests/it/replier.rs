//! Who answers LINE's events: welcome messages, and tools that get the deliveries relayed.

use enishi::time::{HOUR, MINUTE, SECOND};
use enishi_world::{Fault, Point, line_simulator::NewUser};
use http::Method;
use serde_json::{Value, json};

use crate::support::{
    CHANNEL_TOKEN, Stage,
    delivery::{delivery, event},
    webhook,
};

const REPLY: &str = "/v2/bot/message/reply";

fn api(stage: &Stage, method: Method, event: &str, body: Option<&Value>) -> (u16, Value) {
    stage.api(&stage.shop, method, &format!("/v1/webhooks/repliers{event}"), body)
}

fn welcome(stage: &Stage, with: &Value) {
    let mut rule = json!({ "replier": "enishi", "messages": [{ "type": "text", "text": "ようこそ" }] });
    for (name, value) in with.as_object().unwrap() {
        rule[name] = value.clone();
    }
    let (status, answer) = api(stage, Method::PUT, "/follow", Some(&rule));
    assert_eq!(status, 200, "{answer}");
}

/// How a user's messages came.
fn methods(stage: &Stage, user: &str) -> Vec<String> {
    stage.world.line().chat(user).iter().map(|message| message.method.to_string()).collect()
}

/// Somebody follows, and the delivery lies at the door's queue.
fn follows(stage: &Stage, name: &str) -> String {
    let user = stage.person(name);
    let now = stage.world.now().0;
    stage.world.line().follow(now, &user).unwrap();
    assert_eq!(stage.world.deliver_webhooks(), [200]);
    user.to_string()
}

#[test]
fn who_follows_is_welcomed_by_a_free_reply_and_once() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({}));
    let user = follows(&stage, "花子");
    stage.world.settle(2 * MINUTE);
    assert_eq!(methods(&stage, &user), ["reply"]);
    assert_eq!(stage.count("outbox"), 0);
    let (_, all) = api(&stage, Method::GET, "", None);
    assert_eq!(all["repliers"]["follow"]["replier"], "enishi");
    assert_eq!(all["repliers"]["message"], Value::Null);
    assert_eq!(api(&stage, Method::DELETE, "/follow", None).0, 204);
    let other = follows(&stage, "太郎");
    stage.world.settle(2 * MINUTE);
    assert_eq!(methods(&stage, &other), Vec::<String>::new());
}

#[test]
fn a_delivery_that_comes_twice_and_a_queue_that_delivers_twice_welcome_once() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({ "push_when_late": true }));
    for seed in 0..20 {
        let (name, friend) = (format!("客{seed}"), true);
        let user = stage.world.line().add_user(NewUser { name, friend, ..NewUser::default() });
        let mut follow = event("follow", &user, &format!("E{seed}"), 1);
        follow["replyToken"] = format!("unknown-to-line-{seed}").into();
        for _ in 0..3 {
            assert_eq!(stage.world.answer(webhook(&delivery(&json!([follow])))).status, 200);
        }
        stage.world.settle(5 * MINUTE);
        // LINE does not know the token, so that nobody got a reply: it is pushed, once.
        assert_eq!(methods(&stage, &user), ["push"], "{seed}");
    }
}

#[test]
fn in_standby_and_without_a_token_nobody_is_answered() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({ "push_when_late": true }));
    let user = stage.person("花子");
    let mut standby = event("follow", &user, "E1", 1);
    standby["mode"] = "standby".into();
    standby["replyToken"] = "t".into();
    let without = event("follow", &user, "E2", 2);
    for follow in [standby, without] {
        assert_eq!(stage.world.answer(webhook(&delivery(&json!([follow])))).status, 200);
        stage.world.settle(2 * MINUTE);
    }
    assert_eq!(methods(&stage, &user), Vec::<String>::new());
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn who_ends_a_block_is_welcomed_where_the_rule_says_so() {
    for (when_unblocked, expected) in [(true, vec!["reply", "reply"]), (false, vec!["reply"])] {
        let stage = Stage::new(1);
        welcome(&stage, &json!({ "when_unblocked": when_unblocked }));
        let user = follows(&stage, "花子");
        stage.world.settle(MINUTE);
        let now = stage.world.now().0;
        stage.world.line().unfollow(now, &user).unwrap();
        stage.world.advance(SECOND);
        stage.world.line().follow(now + 1_000, &user).unwrap();
        stage.deliver();
        stage.world.settle(MINUTE);
        assert_eq!(methods(&stage, &user), expected);
    }
}

#[test]
fn what_comes_too_late_is_pushed_only_if_the_rule_says_so() {
    for (push, expected) in [(true, vec!["push"]), (false, vec![])] {
        let stage = Stage::new(1);
        welcome(&stage, &json!({ "push_when_late": push }));
        let user = follows(&stage, "花子");
        // An outage of two minutes between the door and the consumer.
        for _ in 0..4 {
            stage.world.fail_next(Point::Database, Fault::Refused, 20);
            stage.world.run_queues();
            stage.world.end_faults();
            stage.world.advance(31 * SECOND);
        }
        stage.world.settle(10 * MINUTE);
        assert_eq!(methods(&stage, &user), expected, "{push}");
        assert_eq!(stage.count("outbox"), 0);
    }
}

#[test]
fn a_reply_of_which_nothing_is_known_is_followed_by_no_push() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({ "push_when_late": true }));
    // LINE takes it, and its answer is lost; the repeat is refused, for the token is spent.
    stage.world.fail_next_call(REPLY, Fault::AnswerLost);
    let user = follows(&stage, "花子");
    stage.world.settle(10 * MINUTE);
    assert_eq!(methods(&stage, &user), ["reply"]);
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn while_line_fails_the_reply_is_tried_again_within_its_minute() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({}));
    for _ in 0..2 {
        stage.world.fail_next_call(REPLY, Fault::Refused);
    }
    let user = follows(&stage, "花子");
    stage.world.settle(2 * MINUTE);
    assert_eq!(methods(&stage, &user), ["reply"]);
}

#[test]
fn whatever_fails_on_the_way_nobody_is_welcomed_twice() {
    for at in 0..12 {
        for fault in [Fault::Refused, Fault::AnswerLost] {
            let stage = Stage::new(at);
            welcome(&stage, &json!({ "push_when_late": true }));
            let user = follows(&stage, "花子");
            stage.world.fail_at(at, fault);
            stage.world.settle(10 * MINUTE);
            assert!(methods(&stage, &user).len() <= 1, "{fault:?} at {at}: {:?}", methods(&stage, &user));
            assert_eq!(stage.count("outbox"), 0, "{fault:?} at {at}");
        }
    }
}

#[test]
fn of_each_type_exactly_one_answers_and_bad_rules_are_refused_with_what_to_do() {
    let stage = Stage::new(1);
    let put = |event: &str, body: Value| api(&stage, Method::PUT, event, Some(&body));
    let hello = json!([{ "type": "text", "text": "hi" }]);
    // An imagemap without actions: LINE's reference does not say whether it may be.
    let unknown_to_us = json!([{ "type": "imagemap", "baseUrl": "https://shop.example/map", "altText": "a", "baseSize": { "width": 1040, "height": 1040 }, "actions": [] }]);
    for (event, body, says) in [
        ("/follow", json!({ "replier": "enishi", "messages": [] }), "1 to 5"),
        (
            "/follow",
            json!({ "replier": "enishi", "messages": [{ "type": "text", "text": "" }] }),
            "messages[0].text is empty",
        ),
        ("/follow", json!({ "replier": "enishi", "messages": unknown_to_us }), "LINE says"),
        (
            "/follow",
            json!({ "replier": "enishi", "messages": [{ "type": "text", "text": "{{name}}" }] }),
            "the same for everybody",
        ),
        ("/follow", json!({ "replier": "enishi", "messages": hello, "push": true }), "push"),
        ("/follow", json!({ "replier": "somebody" }), "somebody"),
        ("/follow", json!({ "replier": "relay", "relay": "unknown" }), "relay"),
        ("/message", json!({ "replier": "enishi", "messages": hello }), "follow alone"),
        ("/unsend", json!({ "replier": "enishi", "messages": hello }), "accountLink, beacon"),
        (
            "/follow",
            json!({ "replier": "enishi", "messages": [{ "type": "text", "text": "あ".repeat(9_000) }] }),
            "20,000",
        ),
    ] {
        let (status, answer) = put(event, body);
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error_description"].as_str().unwrap().contains(says), "{says}: {answer}");
    }
    stage.world.shop_server("https://tool.example/line");
    let relay = json!({ "url": "https://tool.example/line" });
    let (status, made) = stage.api(&stage.shop, Method::POST, "/v1/webhooks/relays", Some(&relay));
    assert_eq!(status, 201, "{made}");
    welcome(&stage, &json!({}));
    let rule = json!({ "replier": "relay", "relay": made["id"] });
    assert_eq!(put("/follow", rule.clone()), (200, rule));
    let user = follows(&stage, "花子");
    stage.world.settle(MINUTE);
    assert_eq!(methods(&stage, &user), Vec::<String>::new(), "the tool answers");
    let path = format!("/v1/webhooks/relays/{}", made["id"].as_str().unwrap());
    let (status, answer) = stage.api(&stage.shop, Method::DELETE, &path, None);
    assert_eq!((status, answer["error"].as_str().unwrap()), (409, "relay_is_replier"));
    assert_eq!(api(&stage, Method::DELETE, "/follow", None).0, 204);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &path, None).0, 204);
    assert_eq!(api(&stage, Method::DELETE, "/follow", None).0, 404);
}

#[test]
fn an_account_that_is_put_again_keeps_who_answers() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({}));
    let body = stage.shop.account_body();
    assert_eq!(stage.put_account(enishi_world::ACCOUNT.host, &body).status, 200);
    assert_eq!(api(&stage, Method::GET, "", None).1["repliers"]["follow"]["replier"], "enishi");
}

#[test]
fn who_could_not_be_answered_for_want_of_a_token_of_ours_is_pushed_where_the_rule_says_so() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({ "push_when_late": true }));
    stage.world.evict_isolate();
    stage.world.fail_always_call(CHANNEL_TOKEN, Fault::Refused);
    let user = follows(&stage, "花子");
    stage.world.settle(2 * MINUTE);
    stage.world.end_faults();
    stage.world.settle(10 * MINUTE);
    assert_eq!(methods(&stage, &user), ["push"]);
    assert_eq!(stage.count("outbox"), 0);
}

#[test]
fn who_is_erased_or_blocks_before_the_answer_gets_none_and_leaves_no_token() {
    let stage = Stage::new(1);
    welcome(&stage, &json!({ "push_when_late": true }));
    let user = stage.member("m1", "gold");
    stage.world.settle(MINUTE);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &user).unwrap();
    stage.world.line().follow(now + 1, &user).unwrap();
    stage.world.deliver_webhooks();
    stage.world.fail_always_call(REPLY, Fault::Refused);
    stage.world.run_queues();
    assert_eq!(stage.count("outbox"), 1);
    assert_eq!(crate::erase::erase(&stage, "m1"), 204);
    stage.world.end_faults();
    stage.world.settle(2 * HOUR);
    assert_eq!(methods(&stage, &user), ["reply"], "that of before");
    assert_eq!(crate::erase::found(&stage, &[&user]), []);
    let other = follows(&stage, "太郎");
    stage.world.fail_always_call(REPLY, Fault::Refused);
    stage.world.run_queues();
    let now = stage.world.now().0;
    stage.world.line().unfollow(now + 1, &other).unwrap();
    stage.deliver();
    stage.world.end_faults();
    stage.world.settle(2 * HOUR);
    assert_eq!(methods(&stage, &other), Vec::<String>::new());
    assert_eq!(stage.count("outbox"), 0);
}
