//! One message to one segment: nobody missed, nobody messaged twice.

use enishi::{
    store::Queue,
    time::{HOUR, MINUTE},
};
use enishi_world::{
    Disturbance, Fault, Point,
    line_simulator::{self, FaultKind},
};
use http::Method;
use serde_json::{Value, json};

use crate::support::{MULTICAST, Stage};

/// A message to everybody with this rank.
fn to(rank: &str) -> Value {
    json!({
        "rule": { "attribute": "rank", "equals": rank },
        "messages": [{ "type": "text", "text": "こんにちは" }],
    })
}

/// Creates a send to the gold members; its id.
fn create(stage: &Stage) -> String {
    let (status, made) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&to("gold")));
    assert_eq!(status, 202, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

fn shown(stage: &Stage, id: &str) -> Value {
    let (status, send) = stage.api(&stage.shop, Method::GET, &format!("/v1/sends/{id}"), None);
    assert_eq!(status, 200, "{send}");
    send
}

/// The send's state and how many were targeted, accepted, excluded and failed.
fn standing(stage: &Stage, id: &str) -> (String, [i64; 4]) {
    let send = shown(stage, id);
    let counts = ["targeted", "accepted", "excluded", "failed"].map(|name| send[name].as_i64().unwrap());
    (send["state"].as_str().unwrap().to_owned(), counts)
}

fn state(name: &str, counts: [i64; 4]) -> (String, [i64; 4]) {
    (name.to_owned(), counts)
}

fn line_fault(stage: &Stage, kind: FaultKind, status: Option<u16>) {
    let path = MULTICAST.to_owned();
    stage.world.line().add_fault(line_simulator::Fault { path, times: 1, kind, status, ms: None });
}

#[test]
fn a_send_to_three_of_ten_members_shows_in_exactly_three_chats() {
    let stage = Stage::new(1);
    let users: Vec<_> = (0..10)
        .map(|at| stage.member(&format!("m-{at}"), if at % 4 == 1 { "gold" } else { "silver" }))
        .collect();
    let id = create(&stage);
    stage.world.run_queues();
    for (at, user) in users.iter().enumerate() {
        assert_eq!(stage.received(user), usize::from(at % 4 == 1), "member {at}");
    }
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    assert_eq!(stage.answers_of(MULTICAST), [Some(200)]);
}

#[test]
fn who_is_no_friend_or_not_linked_or_of_another_account_is_not_reached() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let reached = stage.member("m-1", "gold");
    let unlinked = stage.friend("unlinked");
    let blocked = stage.member("m-2", "gold");
    stage.world.advance(1);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &blocked).unwrap();
    stage.deliver();
    let attributes = json!({ "attributes": { "rank": "gold" } });
    assert_eq!(stage.api(&other, Method::PUT, "/v1/members/m-3", Some(&attributes)).0, 200);
    let id = create(&stage);
    stage.world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [1, 1, 0, 0]));
    assert_eq!([&reached, &unlinked, &blocked].map(|user| stage.received(user)), [1, 0, 0]);
}

#[test]
fn a_segment_without_anybody_is_done_and_calls_nobody() {
    let stage = Stage::new(1);
    let id = create(&stage);
    stage.world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [0, 0, 0, 0]));
    assert_eq!(stage.answers_of(MULTICAST), []);
}

#[test]
fn twelve_hundred_recipients_are_three_chunks() {
    let stage = Stage::new(1);
    let users = stage.many_members(1_200, "gold");
    let id = create(&stage);
    stage.world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [1_200, 1_200, 0, 0]));
    assert_eq!(stage.answers_of(MULTICAST), [Some(200); 3]);
    assert!(users.iter().all(|user| stage.received(user) == 1));
    assert_eq!(stage.count("received"), 1_200);
}

#[test]
fn a_send_whose_last_page_is_empty_is_done_although_its_chunks_were_settled_before() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    let id = create(&stage);
    stage.world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    // As it stands where the page before was full: everybody is reached, and the next page is still to be looked at.
    stage.world.execute("UPDATE sends SET state = 'expanding'");
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    assert!(users.iter().all(|user| stage.received(user) == 1));
}

#[test]
fn jobs_that_arrive_twice_change_nothing() {
    let stage = Stage::new(1);
    let users = stage.many_members(700, "gold");
    let id = create(&stage);
    stage.world.duplicate_queued();
    stage.world.deliver_batch(Queue::Sends);
    stage.world.duplicate_queued();
    stage.world.run_queues();
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [700, 700, 0, 0]));
    assert_eq!(stage.answers_of(MULTICAST), [Some(200); 2]);
    assert!(users.iter().all(|user| stage.received(user) == 1));
}

#[test]
fn who_blocks_after_the_expansion_is_excluded() {
    let stage = Stage::new(1);
    let [stays, leaves] = ["m-1", "m-2"].map(|id| stage.member(id, "gold"));
    let id = create(&stage);
    assert!(stage.world.deliver_batch(Queue::Sends));
    assert_eq!(standing(&stage, &id), state("sending", [2, 0, 0, 0]));
    stage.world.advance(1);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &leaves).unwrap();
    stage.world.deliver_webhooks();
    stage.world.run_queue(Queue::Webhooks);
    stage.world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [2, 1, 1, 0]));
    assert_eq!((stage.received(&stays), stage.received(&leaves)), (1, 0));
    let called = stage
        .world
        .line()
        .calls()
        .iter()
        .any(|call| call.path == MULTICAST && call.body.contains(leaves.as_str()));
    assert!(!called, "LINE was not even asked");
}

#[test]
fn everybody_left_means_that_line_is_not_called() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    let id = create(&stage);
    stage.world.deliver_batch(Queue::Sends);
    let sub = stage.subject(&user);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
    stage.world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [1, 0, 1, 0]));
    assert_eq!(stage.answers_of(MULTICAST), []);
}

#[test]
fn a_consumer_that_dies_between_the_multicast_and_its_record_sends_to_nobody_twice() {
    for fault in [Fault::CrashAfter, Fault::AnswerLost] {
        let stage = Stage::new(1);
        let users = stage.many_members(3, "gold");
        let id = create(&stage);
        stage.world.fail_next_call(MULTICAST, fault);
        stage.world.run_queues();
        assert!(users.iter().all(|user| stage.received(user) == 1), "LINE has accepted it");
        assert_eq!(standing(&stage, &id).1[1], 0, "and we do not know");
        stage.world.settle(10 * MINUTE);
        assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]), "{fault:?}");
        assert!(users.iter().all(|user| stage.received(user) == 1), "{fault:?}");
        assert_eq!(stage.answers_of(MULTICAST), [Some(200), Some(409)], "{fault:?}");
    }
}

#[test]
fn whatever_fails_wherever_each_recipient_gets_exactly_one() {
    for fault in Fault::ALL {
        for number in 1.. {
            let stage = Stage::new(number);
            let users = stage.many_members(501, "gold");
            let id = create(&stage);
            stage.world.evict_isolate();
            stage.world.disturb_queues(Disturbance { consumers: 2, ..Disturbance::NONE });
            stage.world.fail_at(number, fault);
            stage.world.settle(10 * MINUTE);
            let unharmed = stage.world.end_faults();
            assert_eq!(standing(&stage, &id), state("done", [501, 501, 0, 0]), "{fault:?} at {number}");
            assert!(users.iter().all(|user| stage.received(user) == 1), "{fault:?} at {number}");
            if unharmed || number > 12 {
                break;
            }
        }
    }
}

#[test]
fn an_accepted_send_is_sent_although_its_job_was_lost() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    stage.world.fail_next(Point::Queue, Fault::Refused, 1);
    let id = create(&stage);
    assert_eq!(stage.world.queued(), Vec::<String>::new());
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [1, 1, 0, 0]));
    assert_eq!(stage.received(&user), 1);
}

#[test]
fn an_error_of_lines_is_tried_again_with_the_same_key_and_body() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    line_fault(&stage, FaultKind::Status, Some(500));
    line_fault(&stage, FaultKind::Drop, None);
    let id = create(&stage);
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [1, 1, 0, 0]));
    assert_eq!(stage.received(&user), 1);
    let line = stage.world.line();
    let calls: Vec<_> = line.calls().iter().filter(|call| call.path == MULTICAST).collect();
    assert_eq!(calls.len(), 3);
    let key = |call: &line_simulator::Call| {
        call.headers.iter().find(|(name, _)| name == "x-line-retry-key").cloned()
    };
    assert!(key(calls[0]).is_some());
    assert!(calls.iter().all(|call| key(call) == key(calls[0]) && call.body == calls[0].body));
}

#[test]
fn a_multicast_that_was_accepted_without_an_answer_is_settled_by_its_repeat() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    line_fault(&stage, FaultKind::AcceptThenTimeout, None);
    let id = create(&stage);
    stage.world.settle(5 * MINUTE);
    assert_eq!(stage.answers_of(MULTICAST), [None, Some(409)]);
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    assert!(users.iter().all(|user| stage.received(user) == 1));
}

#[test]
fn a_channel_token_that_line_refuses_is_drawn_anew() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    line_fault(&stage, FaultKind::Status, Some(401));
    let id = create(&stage);
    stage.world.settle(5 * MINUTE);
    assert_eq!(stage.answers_of(MULTICAST), [Some(401), Some(200)]);
    assert_eq!(stage.answers_of("/oauth2/v3/token"), [Some(200); 2]);
    assert_eq!(standing(&stage, &id), state("done", [1, 1, 0, 0]));
    assert_eq!(stage.received(&user), 1);
}

#[test]
fn too_many_calls_a_second_are_repeated_later() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    line_fault(&stage, FaultKind::Status, Some(429));
    let id = create(&stage);
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [1, 1, 0, 0]));
    assert_eq!(stage.received(&user), 1);
}

#[test]
fn an_id_that_line_does_not_know_is_dropped_and_the_others_are_reached() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    let stranger = "Uffffffffffffffffffffffffffffffff";
    stage.world.execute(&format!(
        "UPDATE line_users SET line_user_id = '{stranger}' WHERE line_user_id = '{}'",
        users[1]
    ));
    let id = create(&stage);
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("partly_failed", [3, 2, 0, 1]));
    assert_eq!([0, 1, 2].map(|at| stage.received(&users[at])), [1, 0, 1]);
    assert_eq!(stage.answers_of(MULTICAST), [Some(400), Some(200)]);
    let line = stage.world.line();
    let keys: Vec<_> = line
        .calls()
        .iter()
        .filter(|call| call.path == MULTICAST)
        .map(|call| call.headers.iter().find(|(name, _)| name == "x-line-retry-key").cloned())
        .collect();
    assert_ne!(keys[0], keys[1], "a refused body is not repeated under its key");
    drop(line);
    stage.forgive("UnknownRecipient");
}

#[test]
fn the_months_limit_pauses_the_send() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    stage.world.set_quota(Some(2));
    let id = create(&stage);
    stage.world.settle(5 * MINUTE);
    let send = shown(&stage, &id);
    assert_eq!((&send["state"], &send["reason"]), (&json!("paused"), &json!("monthly_limit")));
    assert!(users.iter().all(|user| stage.received(user) == 0));
    assert!(stage.answers_of(MULTICAST).len() <= 1, "a paused send is left alone");
}

#[test]
fn an_outcome_that_stayed_unknown_for_a_day_is_shown_and_not_sent_again() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    let id = create(&stage);
    stage.world.fail_next_call(MULTICAST, Fault::CrashAfter);
    stage.world.run_queues();
    stage.world.advance(25 * HOUR);
    stage.world.settle(10 * MINUTE);
    let send = shown(&stage, &id);
    assert_eq!((&send["state"], &send["unresolved"]), (&json!("partly_failed"), &json!(1)), "{send}");
    assert_eq!(stage.received(&user), 1);
}

#[test]
fn an_idempotency_key_makes_one_send_of_many_calls() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    let post = |body: &Value, key: &str| {
        stage.api_with(&stage.shop, Method::POST, "/v1/sends", Some(body), &[("idempotency-key", key)])
    };
    let (status, first) = post(&to("gold"), "newsletter-1");
    assert_eq!(status, 202, "{first}");
    stage.world.run_queues();
    let (status, second) = post(&to("gold"), "newsletter-1");
    assert_eq!((status, &second["id"], &second["state"]), (202, &first["id"], &json!("done")));
    let (status, error) = post(&to("silver"), "newsletter-1");
    assert_eq!((status, &error["error"]), (422, &json!("idempotency_key_reused")));
    let (status, third) = post(&to("gold"), "newsletter-2");
    assert_eq!(status, 202);
    assert_ne!(third["id"], first["id"]);
    stage.world.run_queues();
    assert_eq!(stage.received(&user), 2);
    assert_eq!(post(&to("gold"), &"k".repeat(256)).0, 400);
}

#[test]
fn messages_that_line_would_refuse_are_refused_in_lines_words() {
    let stage = Stage::new(1);
    let refused = |messages: Value| {
        let body = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": messages });
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body));
        assert_eq!(status, 400, "{error}");
        error["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(json!([])), "invalid_request");
    assert_eq!(refused(json!("hi")), "invalid_request");
    assert_eq!(refused(json!([1, 2, 3, 4, 5, 6])), "invalid_request");
    assert_eq!(refused(json!([{ "type": "text", "text": "" }])), "invalid_messages");
    assert_eq!(refused(json!([{ "type": "unknown" }])), "invalid_messages");
    assert_eq!(stage.count("sends"), 0);
    stage.forgive("InvalidMessage");
}

#[test]
fn a_send_that_does_not_exist_is_404_and_its_id_is_checked() {
    let stage = Stage::new(1);
    assert_eq!(
        stage.api(&stage.shop, Method::GET, "/v1/sends/6f9619ff-8b86-4011-b42d-00c04fc964ff", None).0,
        404
    );
    assert_eq!(stage.api(&stage.shop, Method::GET, "/v1/sends/x", None).0, 400);
}

#[test]
fn what_the_shop_changes_after_the_first_attempt_does_not_change_the_repeat() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    let id = create(&stage);
    line_fault(&stage, FaultKind::AcceptThenTimeout, None);
    stage.world.run_queues();
    let sub = stage.subject(&users[0]);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    assert_eq!(stage.answers_of(MULTICAST), [None, Some(409)]);
}
