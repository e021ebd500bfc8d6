//! The states of a send, and what leads from one to another.

use enishi::time::{DAY, HOUR, MINUTE, SECOND};
use enishi_world::{Fault, line_simulator::FaultKind};
use http::Method;
use serde_json::json;

use super::*;

#[test]
fn a_draft_waits_until_it_is_started() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    let id = make(&stage, &gold(&json!({ "draft": true, "name": "秋の案内" })));
    stage.world.settle(5 * MINUTE);
    assert_eq!((state(&stage, &id).as_str(), calls(&stage)), ("draft", 0));
    assert_eq!(act(&stage, &id, "pause"), (409, "wrong_state".to_owned()));
    assert_eq!(act(&stage, &id, "start"), did("expanding"));
    stage.world.run_queues();
    assert_eq!((state(&stage, &id).as_str(), stage.received(&user)), ("done", 1));
    assert_eq!(act(&stage, &id, "start"), (409, "wrong_state".to_owned()));
    assert_eq!(show(&stage, &id)["name"], "秋の案内");
}

#[test]
fn what_is_scheduled_begins_at_its_time_and_reaches_who_belongs_then() {
    let stage = Stage::new(1);
    let early = stage.member("m-1", "gold");
    // Two hours after the world begins.
    let id = make(&stage, &gold(&json!({ "schedule": "2026-01-05T14:00:00+09:00" })));
    stage.world.settle(HOUR);
    assert_eq!((state(&stage, &id).as_str(), calls(&stage)), ("scheduled", 0));
    let late = stage.member("m-2", "gold");
    stage.world.settle(HOUR - 2 * MINUTE);
    assert_eq!(had(&stage, &[early.clone(), late.clone()]), [0, 0]);
    stage.world.settle(4 * MINUTE);
    assert_eq!((state(&stage, &id).as_str(), had(&stage, &[early, late])), ("done", vec![1, 1]));
}

#[test]
fn a_time_that_is_past_is_now_and_one_that_is_none_is_refused() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    let id = make(&stage, &gold(&json!({ "schedule": "2026-01-01T00:00:00Z" })));
    stage.world.run_queues();
    assert_eq!((state(&stage, &id).as_str(), stage.received(&user)), ("done", 1));
    for wrong in ["tomorrow", "2026-02-30T00:00:00Z", "2028-01-01T00:00:00Z", "2026-01-05T10:00:00"] {
        let body = gold(&json!({ "schedule": wrong }));
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body));
        assert_eq!(status, 400, "{error}");
        assert!(error["error_description"].as_str().unwrap().starts_with("schedule"), "{error}");
    }
}

#[test]
fn a_send_that_is_paused_goes_on_where_it_was() {
    let stage = Stage::new(1);
    let users = stage.many_members(1_200, "gold");
    let id = make(&stage, &gold(&json!({})));
    assert!(stage.world.deliver_batch(enishi::store::Queue::Steps), "it is expanded");
    assert_eq!(act(&stage, &id, "pause"), did("paused"));
    assert_eq!(act(&stage, &id, "pause"), did("paused"));
    stage.world.settle(10 * MINUTE);
    assert_eq!((state(&stage, &id).as_str(), calls(&stage)), ("paused", 0));
    assert_eq!(act(&stage, &id, "resume"), did("sending"));
    stage.world.run_queues();
    assert_eq!(state(&stage, &id), "done");
    assert!(users.iter().all(|user| stage.received(user) == 1));
    assert_eq!(act(&stage, &id, "resume"), (409, "wrong_state".to_owned()));
}

#[test]
fn neither_pause_nor_cancellation_is_complete_while_line_may_have_something() {
    for (action, meanwhile, then) in [("pause", "pausing", "paused"), ("cancel", "cancelling", "cancelled")] {
        let stage = Stage::new(1);
        let users = stage.many_members(1_001, "gold");
        let id = make(&stage, &gold(&json!({})));
        stage.world.deliver_batch(enishi::store::Queue::Steps);
        fault(&stage, MULTICAST, FaultKind::AcceptThenTimeout, None, 1);
        fault(&stage, MULTICAST, FaultKind::Status, Some(429), 2);
        stage.world.deliver_batch(enishi::store::Queue::Sends);
        assert_eq!(act(&stage, &id, action), did(meanwhile));
        assert_eq!(act(&stage, &id, "retry"), (409, "wrong_state".to_owned()));
        stage.world.settle(10 * MINUTE);
        assert_eq!(state(&stage, &id), then);
        let send = show(&stage, &id);
        let reached = users.iter().filter(|user| stage.received(user) == 1).count();
        assert!(users.iter().all(|user| stage.received(user) <= 1));
        assert_eq!(send["accepted"].as_u64().unwrap(), reached as u64, "{send}");
        assert_eq!(send["waiting"].as_u64().unwrap(), 1_001 - reached as u64, "{send}");
        assert_eq!(send["seconds_left"].is_null(), action == "cancel", "{send}");
        assert!(reached == 500 || reached == 1, "one call was accepted: {reached}");
    }
}

#[test]
fn a_cancelled_send_does_not_come_back() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    for body in [gold(&json!({ "draft": true })), gold(&json!({ "schedule": "2026-01-05T14:00:00+09:00" }))] {
        let id = make(&stage, &body);
        assert_eq!(act(&stage, &id, "cancel"), did("cancelled"));
        assert_eq!(act(&stage, &id, "cancel"), did("cancelled"));
        for action in ["start", "pause", "resume", "retry"] {
            assert_eq!(act(&stage, &id, action), (409, "wrong_state".to_owned()), "{action}");
        }
        stage.world.settle(3 * HOUR);
        assert_eq!((state(&stage, &id).as_str(), stage.received(&user)), ("cancelled", 0));
    }
    let unknown = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
    assert_eq!(act(&stage, unknown, "cancel").0, 404);
}

#[test]
fn what_line_refused_is_tried_again_under_new_keys_and_nobody_else() {
    let stage = Stage::new(1);
    let users = stage.many_members(1_001, "gold");
    fault(&stage, MULTICAST, FaultKind::Status, Some(403), 2);
    let id = make(&stage, &gold(&json!({})));
    stage.world.run_queues();
    let send = show(&stage, &id);
    assert_eq!(send["state"], "partly_failed", "{send}");
    let failed = send["failed_by"]["refused"].as_u64().unwrap();
    assert!(failed > 0 && send["accepted"].as_u64().unwrap() + failed == 1_001, "{send}");
    assert_eq!(stage.count("receipts WHERE outcome = 21"), failed);
    assert_eq!(act(&stage, &id, "retry"), did("sending"));
    stage.world.settle(5 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["accepted"], &send["failed"]),
        (&json!("done"), &json!(1_001), &json!(0))
    );
    assert!(users.iter().all(|user| stage.received(user) == 1));
    assert_eq!((stage.count("receipts"), stage.count("receipts WHERE outcome = 1")), (1_001, 1_001));
    assert_eq!(act(&stage, &id, "retry"), (409, "wrong_state".to_owned()));
}

#[test]
fn who_was_erased_since_is_not_tried_again_and_counts_as_erased() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    fault(&stage, MULTICAST, FaultKind::Status, Some(403), 1);
    let id = make(&stage, &gold(&json!({})));
    stage.world.run_queues();
    assert_eq!(show(&stage, &id)["failed"], 3);
    let path = format!("/v1/members/gold-{}", users[1]);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &path, None).0, 204);
    assert_eq!(act(&stage, &id, "retry"), did("sending"));
    stage.world.settle(5 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["accepted"], &send["excluded_by"], &send["waiting"]),
        (&json!("done"), &json!(2), &json!({ "erased": 1 }), &json!(0)),
        "{send}"
    );
    assert_eq!(had(&stage, &users), [1, 0, 1]);
}

#[test]
fn what_failed_cannot_be_tried_again_once_nobody_knows_whom_it_was_for() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    fault(&stage, MULTICAST, FaultKind::Status, Some(403), 1);
    let id = make(&stage, &gold(&json!({})));
    stage.world.run_queues();
    stage.world.advance(91 * DAY);
    stage.world.settle(2 * MINUTE);
    assert_eq!(act(&stage, &id, "retry"), (409, "wrong_state".to_owned()));
    stage.world.settle(5 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!((&send["state"], &send["failed"]), (&json!("partly_failed"), &json!(3)), "{send}");
    assert_eq!(had(&stage, &users), [0; 3]);
}

#[test]
fn whom_nobody_knows_of_is_sent_to_again_only_by_an_explicit_decision() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    let id = make(&stage, &gold(&json!({})));
    stage.world.fail_next_call(MULTICAST, Fault::CrashAfter);
    stage.world.run_queues();
    stage.world.advance(25 * HOUR);
    stage.world.settle(10 * MINUTE);
    assert_eq!(show(&stage, &id)["unresolved"], 1);
    assert_eq!(act(&stage, &id, "retry"), (409, "wrong_state".to_owned()));
    let decision = json!({ "unresolved": true });
    let path = format!("/v1/sends/{id}/retry");
    assert_eq!(stage.api(&stage.shop, Method::POST, &path, Some(&decision)).0, 202);
    stage.world.settle(5 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["unresolved"], &send["accepted"]),
        (&json!("done"), &json!(0), &json!(1))
    );
    assert_eq!(stage.received(&user), 2, "as was decided");
    assert_eq!(stage.count("receipts"), 1);
}

#[test]
fn nothing_begins_in_quiet_hours_and_everything_after_them() {
    let stage = Stage::new(1);
    settings(&stage, &json!({ "quiet_hours": { "from": "11:00", "to": "13:30" } }));
    let users = stage.many_members(1_001, "gold");
    // It is noon in Tokyo.
    let id = make(&stage, &gold(&json!({})));
    let loud = make(&stage, &gold(&json!({ "quiet_hours": null })));
    stage.world.settle(HOUR);
    assert_eq!((state(&stage, &id).as_str(), state(&stage, &loud).as_str()), ("expanding", "done"));
    stage.world.settle(28 * MINUTE);
    assert!(users.iter().all(|user| stage.received(user) == 1), "the other one alone");
    stage.world.settle(4 * MINUTE);
    assert_eq!(state(&stage, &id), "done");
    assert!(users.iter().all(|user| stage.received(user) == 2));
}

#[test]
fn sends_that_rest_take_nothing_of_the_rate_from_one_that_does_not() {
    let stage = Stage::new(1);
    stage.many_members(10_500, "gold");
    let quiet = gold(&json!({ "quiet_hours": { "from": "11:00", "to": "13:30" } }));
    for _ in 0..70 {
        make(&stage, &quiet);
    }
    stage.world.run_queues();
    let loud = make(&stage, &gold(&json!({})));
    assert!(stage.world.deliver_batch(enishi::store::Queue::Steps));
    assert_eq!(stage.count(&format!("sends WHERE id = '{loud}' AND chunks = 21 AND released = 21")), 1);
}

#[test]
fn quiet_hours_that_come_over_a_send_hold_it_up() {
    let stage = Stage::new(1);
    let users = stage.many_members(1_001, "gold");
    settings(&stage, &json!({ "quiet_hours": { "from": "12:01", "to": "13:00" } }));
    fault(&stage, MULTICAST, FaultKind::Status, Some(500), 1);
    let id = make(&stage, &gold(&json!({})));
    stage.world.run_queues();
    stage.world.settle(5 * SECOND);
    let before = calls(&stage);
    // The chunk that was answered 500 is due again, and waits; nor is its job put on the queue each minute.
    stage.world.advance(2 * MINUTE);
    for _ in 0..2 {
        stage.world.run_queues();
        stage.world.tick();
    }
    assert_eq!(stage.world.queued(), Vec::<String>::new());
    stage.world.settle(30 * MINUTE);
    assert_eq!(calls(&stage), before);
    assert_eq!(state(&stage, &id), "sending");
    stage.world.settle(HOUR);
    assert_eq!(state(&stage, &id), "done");
    assert!(users.iter().all(|user| stage.received(user) == 1));
}
