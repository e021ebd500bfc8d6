//! The set-up helper: our address at LINE, LINE's test, and what is left for a person.

use enishi::time::{HOUR, SECOND};
use enishi_world::{ACCOUNT, BEGIN, Fault, Point};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{CHANNEL_TOKEN, Shop, Stage};

const SETUP: &str = "/v1/webhooks/setup";
const ENDPOINT: &str = "/v2/bot/channel/webhook/endpoint";
const TEST: &str = "/v2/bot/channel/webhook/test";
const OLD_TOOL: &str = "https://old-tool.example/hooks/key-of-the-old-tool";

fn ours() -> String {
    format!("{}/line/webhook", ACCOUNT.issuer)
}

fn show(stage: &Stage) -> Value {
    let (status, body) = stage.api(&stage.shop, Method::GET, SETUP, None);
    assert_eq!(status, 200, "{body}");
    body
}

fn set_up(stage: &Stage, body: &Value) -> (u16, Value) {
    stage.api(&stage.shop, Method::POST, SETUP, Some(body))
}

/// What a person is told to do.
fn left(answer: &Value) -> Vec<&str> {
    let all = answer["to_do"].as_array().unwrap();
    assert!(all.iter().all(|one| one["ja"].as_str().is_some() && one["en"].as_str().is_some()));
    all.iter().map(|one| one["what"].as_str().unwrap()).collect()
}

#[test]
fn our_address_is_registered_tried_out_and_told_in_lines_words() {
    let stage = Stage::new(1);
    stage.world.set_webhook(None, true);
    let before = show(&stage);
    assert_eq!(
        (&before["endpoint"], &before["is_ours"], &before["active"]),
        (&json!(null), &json!(false), &json!(null))
    );
    assert_eq!(left(&before), ["register", "webhook_redelivery", "error_statistics"]);
    let (status, answer) = set_up(&stage, &json!({}));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["endpoint"], &answer["is_ours"], &answer["active"]),
        (&json!(ours()), &json!(true), &json!(true))
    );
    assert_eq!((&answer["previous"], &answer["test_error"]), (&json!(null), &json!(null)));
    let test = json!({
        "success": true, "status_code": 200, "reason": "OK", "detail": "200", "timestamp": "2026-01-05T03:00:00.000Z",
    });
    assert_eq!(answer["test"], test);
    assert_eq!(left(&answer), ["webhook_redelivery", "error_statistics"]);
    assert_eq!(show(&stage)["is_ours"], true);
    // From now on LINE's events arrive.
    let user = stage.friend("花子");
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/friends/{user}"), None).1["friend"], true);
}

#[test]
fn looking_changes_nothing_and_a_repeat_registers_nothing_again() {
    let stage = Stage::new(1);
    show(&stage);
    for _ in 0..2 {
        assert_eq!(stage.api(&stage.shop, Method::POST, SETUP, None).0, 200, "the body may be left out");
    }
    let line = stage.world.line();
    let puts = line.calls().iter().filter(|call| call.path == ENDPOINT && call.method == "PUT").count();
    assert_eq!(puts, 0, "the address was ours already");
    drop(line);
    assert_eq!(stage.count("audit_log WHERE action = 'webhook.set_up'"), 0);
    assert_eq!(stage.answers_of(TEST), [Some(200), Some(200)]);
}

#[test]
fn another_tools_address_is_named_and_replaced_only_on_demand() {
    let stage = Stage::new(1);
    stage.world.set_webhook(Some(OLD_TOOL), true);
    let shown = show(&stage);
    assert_eq!((&shown["endpoint"], &shown["is_ours"]), (&json!(OLD_TOOL), &json!(false)));
    for body in [json!({}), json!({ "replace": false })] {
        let (status, refused) = set_up(&stage, &body);
        assert_eq!((status, &refused["error"]), (409, &json!("endpoint_of_another")));
        let words = refused["error_description"].as_str().unwrap();
        assert!(words.contains(OLD_TOOL) && words.contains("replace") && words.contains("relay"), "{words}");
    }
    assert_eq!(stage.answers_of(TEST), [], "LINE was told nothing");
    assert_eq!(show(&stage)["endpoint"], OLD_TOOL);
    let (status, answer) = set_up(&stage, &json!({ "replace": true }));
    assert_eq!((status, &answer["previous"], &answer["is_ours"]), (200, &json!(OLD_TOOL), &json!(true)));
    assert_eq!(left(&answer), ["webhook_redelivery", "error_statistics", "relay_previous"]);
    let entries = stage.world.query("SELECT actor, detail FROM audit_log WHERE action = 'webhook.set_up'");
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    let detail: Value = serde_json::from_str(entry["detail"].as_str().unwrap()).unwrap();
    assert_eq!(entry["actor"], "api_key");
    assert_eq!(
        detail,
        json!({ "endpoint": ours(), "previous": "https://old-tool.example" }),
        "no key of that tool's"
    );
}

#[test]
fn a_tool_that_lost_its_place_and_is_relayed_to_goes_on_receiving() {
    let stage = Stage::new(1);
    let tool = "http://127.0.0.1:8790/line";
    stage.world.shop_server(tool);
    stage.world.set_webhook(Some(tool), true);
    assert_eq!(set_up(&stage, &json!({})).0, 409);
    let relay = json!({ "label": "the tool of before", "url": tool });
    assert_eq!(stage.api(&stage.shop, Method::POST, "/v1/webhooks/relays", Some(&relay)).0, 201);
    let (status, answer) = set_up(&stage, &json!({ "replace": true }));
    assert_eq!((status, &answer["previous"]), (200, &json!(tool)));
    assert_eq!(left(&answer), ["webhook_redelivery", "error_statistics"], "nothing is left to do for it");
    let user = stage.friend("花子");
    stage.world.run_queues();
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/friends/{user}"), None).1["friend"], true);
    let calls = stage.world.shop_calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert!(call.url == tool && String::from_utf8_lossy(&call.body).contains(user.as_str()));
}

#[test]
fn a_webhook_that_is_not_in_use_is_said_to_a_person_because_no_api_switches_it_on() {
    let stage = Stage::new(1);
    stage.world.set_webhook(Some(&ours()), false);
    let (_, answer) = set_up(&stage, &json!({}));
    assert_eq!(answer["active"], false);
    assert_eq!(left(&answer), ["use_webhook", "webhook_redelivery", "error_statistics"]);
    let user = stage.person("花子");
    let now = stage.world.now().0;
    stage.world.line().follow(now, &user).unwrap();
    assert_eq!(stage.world.deliver_webhooks(), Vec::<u16>::new(), "LINE sends nothing");
}

#[test]
fn a_secret_that_is_not_the_channels_is_shown_by_the_test() {
    let stage = Stage::new(1);
    let mut body = stage.shop.account_body();
    // The tokens are still good; the secret that signs was replaced at LINE.
    show(&stage);
    body["messaging_channel"]["secret"] = json!("ffffffffffffffffffffffffffffffff");
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    let (status, answer) = set_up(&stage, &json!({}));
    assert_eq!(status, 200, "{answer}");
    let test = &answer["test"];
    assert_eq!(
        (&test["success"], &test["status_code"], &test["reason"]),
        (&json!(false), &json!(401), &json!("ERROR_STATUS_CODE"))
    );
    let advice = answer["to_do"].as_array().unwrap().last().unwrap();
    assert_eq!(advice["what"], "test_failed");
    assert!(advice["en"].as_str().unwrap().contains("messaging_channel.secret"), "{advice}");
}

#[test]
fn a_channel_that_line_does_not_know_is_named_with_lines_words() {
    let stage = Stage::new(1);
    let mut body = stage.shop.account_body();
    body["messaging_channel"]["secret"] = json!("ffffffffffffffffffffffffffffffff");
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    for method in [Method::GET, Method::POST] {
        let (status, refused) = stage.api(&stage.shop, method, SETUP, None);
        assert_eq!((status, &refused["error"]), (409, &json!("line_refused")));
        let words = refused["error_description"].as_str().unwrap();
        assert!(words.contains("client_credentials") && words.contains("/v1/accounts/localhost"), "{words}");
    }
}

#[test]
fn a_token_that_line_ended_is_drawn_anew_once() {
    let stage = Stage::new(1);
    show(&stage);
    stage.world.answer_next_call(ENDPOINT, StatusCode::UNAUTHORIZED, "{}");
    show(&stage);
    assert_eq!(stage.answers_of(CHANNEL_TOKEN).len(), 2);
    for _ in 0..2 {
        stage.world.answer_next_call(
            ENDPOINT,
            StatusCode::UNAUTHORIZED,
            r#"{"message":"Authentication failed"}"#,
        );
    }
    let (status, refused) = stage.api(&stage.shop, Method::GET, SETUP, None);
    assert_eq!((status, &refused["error"]), (409, &json!("line_refused")));
    assert!(refused["error_description"].as_str().unwrap().contains("Authentication failed"));
}

#[test]
fn an_address_that_line_does_not_take_is_refused_in_lines_words_and_nothing_is_tried() {
    let stage = Stage::new(1);
    stage.world.set_webhook(None, true);
    // The first is the question what is registered.
    stage.world.answer_next_call(
        ENDPOINT,
        StatusCode::NOT_FOUND,
        r#"{"message":"Webhook endpoint not found"}"#,
    );
    stage.world.answer_next_call(
        ENDPOINT,
        StatusCode::BAD_REQUEST,
        r#"{"message":"Invalid webhook endpoint URL"}"#,
    );
    let (status, refused) = set_up(&stage, &json!({}));
    assert_eq!((status, &refused["error"]), (409, &json!("line_refused")));
    let words = refused["error_description"].as_str().unwrap();
    assert!(words.contains("Invalid webhook endpoint URL") && words.contains(&ours()), "{words}");
    assert_eq!(stage.answers_of(TEST), []);
}

#[test]
fn what_line_says_of_a_failed_test_is_passed_on_with_advice() {
    let reasons = [
        (0, "COULD_NOT_CONNECT", "TLS handshake failure", "certificate"),
        (0, "REQUEST_TIMEOUT", "Request timeout", "two seconds"),
        (403, "ERROR_STATUS_CODE", "403", "Bot Fight Mode"),
        (421, "ERROR_STATUS_CODE", "421", "host name"),
        (0, "UNCLASSIFIED", "", "reason"),
        (0, "SOMETHING_NEW", "?", "reason"),
    ];
    let stage = Stage::new(1);
    for (code, reason, detail, advice) in reasons {
        let said = json!({
            "success": false, "timestamp": "2026-01-05T03:00:00.000Z", "statusCode": code, "reason": reason, "detail": detail,
        });
        stage.world.answer_next_call(TEST, StatusCode::OK, &said.to_string());
        let (status, answer) = set_up(&stage, &json!({}));
        assert_eq!((status, &answer["is_ours"]), (200, &json!(true)));
        assert_eq!((&answer["test"]["reason"], &answer["test"]["detail"]), (&json!(reason), &json!(detail)));
        let last = answer["to_do"].as_array().unwrap().last().unwrap();
        assert!(last["en"].as_str().unwrap().contains(advice), "{last}");
    }
}

#[test]
fn a_door_that_takes_longer_than_line_waits_fails_lines_test() {
    let stage = Stage::new(1);
    show(&stage);
    let mut body = stage.shop.account_body();
    body["messaging_channel"]["secret"] = json!("ffffffffffffffffffffffffffffffff");
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    show(&stage);
    stage.world.advance(10 * SECOND);
    // Before the door refuses, it reads the configuration afresh, and the database hangs.
    stage.world.fail_next(Point::Database, Fault::Stalled, 1);
    let (status, answer) = set_up(&stage, &json!({}));
    assert_eq!((status, &answer["test"]["reason"]), (200, &json!("REQUEST_TIMEOUT")), "{answer}");
    assert!(stage.world.now() - BEGIN < 13 * SECOND, "LINE waits two seconds and no longer");
}

#[test]
fn a_test_that_line_does_not_run_leaves_the_address_registered_and_says_so() {
    let stage = Stage::new(1);
    for _ in 0..60 {
        assert_eq!(set_up(&stage, &json!({})).1["test"]["success"], true);
    }
    stage.world.set_webhook(None, true);
    let (status, answer) = set_up(&stage, &json!({}));
    assert_eq!((status, &answer["is_ours"], &answer["test"]), (200, &json!(true), &json!(null)));
    assert!(answer["test_error"].as_str().unwrap().contains("60 tests an hour"), "{answer}");
    stage.world.advance(HOUR);
    stage.world.fail_next_call(TEST, Fault::Stalled);
    let (status, answer) = set_up(&stage, &json!({}));
    assert_eq!((status, &answer["test"]), (200, &json!(null)));
    assert!(answer["test_error"].as_str().unwrap().contains("no answer"), "{answer}");
    assert_eq!(set_up(&stage, &json!({})).1["test"]["success"], true);
}

#[test]
fn line_that_does_not_answer_is_503_and_a_crash_leaves_something_to_repeat() {
    let stage = Stage::new(1);
    stage.world.set_webhook(None, true);
    show(&stage);
    for fault in [Fault::Refused, Fault::AnswerLost] {
        stage.world.fail_next_call(ENDPOINT, fault);
        let (status, body) = stage.api(&stage.shop, Method::GET, SETUP, None);
        assert_eq!((status, &body["error"]), (503, &json!("no_answer")));
    }
    // The entry could not be written: LINE is told nothing.
    stage.world.fail_next(Point::Database, Fault::Refused, 1);
    assert_eq!(set_up(&stage, &json!({})).0, 503);
    assert_eq!(show(&stage)["endpoint"], json!(null));
    let mut line = stage.world.line();
    let fault = json!({ "path": ENDPOINT, "kind": "status", "status": 500 });
    line.add_fault(serde_json::from_value(fault).unwrap());
    drop(line);
    assert_eq!(set_up(&stage, &json!({})).0, 503);
    let (status, answer) = set_up(&stage, &json!({}));
    assert_eq!((status, &answer["is_ours"]), (200, &json!(true)));
}

#[test]
fn only_the_shops_key_sets_up_and_only_what_is_known_is_taken() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let mut stranger = Shop::of(ACCOUNT, "0");
    stranger.api_key.clone_from(&other.api_key);
    for method in [Method::GET, Method::POST] {
        assert_eq!(stage.api(&stranger, method, SETUP, None).0, 401);
    }
    for body in [json!({ "replace": "yes" }), json!({ "endpoint": "https://evil.example/" }), json!("x")] {
        assert_eq!(set_up(&stage, &body).0, 400, "{body}");
    }
    assert_eq!(stage.api(&stage.shop, Method::DELETE, SETUP, None).0, 405);
}
