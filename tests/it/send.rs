//! One message to one segment: nobody missed, nobody messaged twice.

use enishi::{
    id::{AccountId, SendId},
    platform::Platform as _,
    store::{Job, Queue},
    time::{HOUR, MINUTE, SECOND, japanese_month},
};
use enishi_world::{
    Disturbance, Fault, Point,
    line_simulator::{self, FaultKind},
};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{CHANNEL_TOKEN, MULTICAST, Shop, Stage, json_body};

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

/// The retry keys of the calls to LINE's multicast so far.
fn retry_keys(stage: &Stage) -> Vec<String> {
    let line = stage.world.line();
    let calls = line.calls().iter().filter(|call| call.path == MULTICAST);
    let key = |call: &line_simulator::Call| {
        call.headers.iter().find(|(name, _)| name == "x-line-retry-key").expect("a key").1.clone()
    };
    calls.map(key).collect()
}

/// Makes of a send as many chunks of one recipient each, as a page of many thousands would be, and the jobs for them.
fn split(stage: &Stage, id: &str) -> Vec<Job> {
    stage.world.execute(&format!(
        "INSERT INTO chunks (account, send, chunk, state, line_users, last_line_user, targeted, due_at)
           SELECT s.account, s.id, row_number() OVER (ORDER BY u.id) - 1, 'open', json_array(u.id), u.id, 1, {now}
           FROM sends s JOIN line_users u ON u.account = s.account WHERE s.id = '{id}';
         UPDATE sends SET state = 'sending', due_at = NULL, month = {month}, chunks = (SELECT count(*) FROM chunks),
           released = (SELECT count(*) FROM chunks), granted = (SELECT count(*) FROM chunks),
           targeted = (SELECT count(*) FROM chunks) WHERE id = '{id}';",
        now = stage.world.now().0,
        month = japanese_month(stage.world.now()),
    ));
    let (account, send) = (AccountId::parse(&stage.account_id()).unwrap(), SendId::parse(id).unwrap());
    let chunks = i64::try_from(stage.count("chunks")).unwrap();
    (0..chunks).map(|chunk| Job::Deliver { account: account.clone(), send: send.clone(), chunk }).collect()
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
    assert_eq!(stage.count("receipts"), 1_200);
}

#[test]
fn a_send_whose_last_page_is_empty_is_done_although_its_chunks_were_settled_before() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    let id = create(&stage);
    stage.world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    // As it stands where the page before was full: everybody is reached, and the next page is still to be looked at.
    stage.world.execute("UPDATE sends SET state = 'expanding', due_at = created_at");
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
    stage.world.deliver_batch(Queue::Steps);
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
    assert!(stage.world.deliver_batch(Queue::Steps));
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
    stage.world.deliver_batch(Queue::Steps);
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
    assert!(calls.iter().all(|call| call.body == calls[0].body));
    drop(line);
    let keys = retry_keys(&stage);
    assert!(keys.iter().all(|key| *key == keys[0]));
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
    let keys = retry_keys(&stage);
    assert_ne!(keys[0], keys[1], "a refused body is not repeated under its key");
    stage.forgive("UnknownRecipient");
}

#[test]
fn a_send_that_the_quota_does_not_cover_pauses_before_its_first_call() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    stage.world.set_quota(Some(2));
    let id = create(&stage);
    stage.world.settle(5 * MINUTE);
    let send = shown(&stage, &id);
    assert_eq!((&send["state"], &send["reason"]), (&json!("paused"), &json!("quota")));
    assert_eq!(stage.answers_of(MULTICAST), []);
    stage.world.set_quota(Some(3));
    assert_eq!(stage.api(&stage.shop, Method::POST, &format!("/v1/sends/{id}/resume"), None).0, 202);
    stage.world.settle(5 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    assert!(users.iter().all(|user| stage.received(user) == 1));
}

/// LINE says that the month's messages are used up, although its figures left some.
fn used_up(stage: &Stage) {
    let words = r#"{"message":"You have reached your monthly limit."}"#;
    stage.world.answer_next_call(MULTICAST, StatusCode::TOO_MANY_REQUESTS, words);
}

#[test]
fn the_months_limit_pauses_the_send() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    used_up(&stage);
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
fn an_idempotency_key_that_comes_twice_at_once_makes_one_send_and_is_each_accounts_own() {
    for seed in 1..=10 {
        let stage = Stage::new(seed);
        let other = stage.other_shop();
        let request = |shop: &Shop| {
            let mut request = enishi_world::request(Method::POST, &format!("{}/v1/sends", shop.line.issuer));
            let bearer = format!("Bearer {}", shop.api_key);
            request.headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
            request.headers.insert("idempotency-key", HeaderValue::from_static("k"));
            request.body = Some(to("gold").to_string().into_bytes());
            request
        };
        let requests = [&stage.shop, &stage.shop, &stage.shop, &other].map(request);
        let replies = stage.world.together(requests.map(|request| stage.world.serve(request)));
        let ids: Vec<Value> = replies
            .into_iter()
            .map(|reply| {
                let reply = reply.unwrap();
                assert_eq!(reply.status, 202, "{}", json_body(&reply));
                json_body(&reply)["id"].clone()
            })
            .collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
        assert_eq!(stage.count("sends"), 2);
    }
}

#[test]
fn messages_that_line_would_refuse_are_refused() {
    let stage = Stage::new(1);
    let refused = |messages: Value| {
        let body = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": messages });
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body));
        assert_eq!(status, 400, "{error}");
        error["error"].as_str().unwrap().to_owned()
    };
    for messages in [
        json!([]),
        json!("hi"),
        json!([1, 2, 3, 4, 5, 6]),
        json!([{ "type": "text", "text": "" }]),
        json!([{ "type": "unknown" }]),
    ] {
        assert_eq!(refused(messages), "invalid_messages");
    }
    assert_eq!(stage.count("sends"), 0);
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

/// When LINE was called for each chunk of a large send that forty consumers worked on, in order of time.
fn times_of_a_large_send(seed: u64, chunks: usize, latency: u64) -> Vec<i64> {
    let stage = Stage::new(seed);
    let world = &stage.world;
    let users = stage.many_members(chunks, "gold");
    let id = create(&stage);
    let jobs = split(&stage, &id);
    let (path, kind) = (MULTICAST.to_owned(), FaultKind::Latency);
    world.line().add_fault(line_simulator::Fault {
        path,
        times: u32::MAX,
        kind,
        status: None,
        ms: Some(latency),
    });
    world.run(world.enqueue(&jobs)).unwrap().unwrap();
    world.duplicate_queued();
    world.disturb_queues(Disturbance { consumers: 40, shuffle: true, ..Disturbance::NONE });
    world.settle(20 * SECOND);
    let all = i64::try_from(chunks).unwrap();
    assert_eq!(standing(&stage, &id), state("done", [all, all, 0, 0]), "seed {seed}");
    assert!(users.iter().all(|user| stage.received(user) == 1), "seed {seed}");
    assert!(stage.answers_of(MULTICAST).iter().all(|status| *status == Some(200)), "seed {seed}");
    let line = world.line();
    let mut times: Vec<i64> =
        line.calls().iter().filter(|call| call.path == MULTICAST).map(|call| call.at).collect();
    times.sort_unstable();
    times
}

#[test]
fn many_consumers_of_a_large_send_keep_to_lines_rate_and_use_most_of_it() {
    const CHUNKS: usize = 500;
    for (seed, latency) in [(1, 0), (2, 10), (3, 200), (4, 500)] {
        let times = times_of_a_large_send(seed, CHUNKS, latency);
        assert_eq!(times.len(), CHUNKS, "each chunk is called for once, and none too fast");
        let took = times[CHUNKS - 1] - times[0];
        assert!(took < 5 * SECOND, "seed {seed}: {took} ms, although LINE takes 200 in a second");
        let too_many = times.windows(201).find(|some| some[200] - some[0] < SECOND);
        assert_eq!(too_many, None, "seed {seed}: more than 200 in a second");
    }
}

#[test]
fn a_job_that_finds_nothing_to_do_takes_no_rate_slot() {
    let stage = Stage::new(1);
    let world = &stage.world;
    stage.many_members(50, "gold");
    let id = create(&stage);
    let jobs = split(&stage, &id);
    world.run(world.enqueue(&jobs)).unwrap().unwrap();
    world.run_queues();
    assert_eq!(standing(&stage, &id), state("done", [50, 50, 0, 0]));
    world.advance(MINUTE);
    world.run(world.enqueue(&jobs)).unwrap().unwrap();
    world.run_queues();
    let next_at = &world.query("SELECT next_at FROM rates")[0]["next_at"];
    assert!(next_at.as_i64().unwrap() <= world.now().0 * 1_000, "{next_at}");
    assert_eq!(stage.answers_of(MULTICAST).len(), 50);
}

#[test]
fn a_channel_token_that_could_not_be_had_for_a_day_leaves_nobody_out() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let users = stage.many_members(3, "gold");
    let id = create(&stage);
    world.evict_isolate();
    world.fail_always_call(CHANNEL_TOKEN, Fault::Refused);
    world.settle(10 * MINUTE);
    world.advance(25 * HOUR);
    world.settle(10 * MINUTE);
    assert_eq!(stage.answers_of(MULTICAST), []);
    world.end_faults();
    world.settle(10 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [3, 3, 0, 0]));
    assert_eq!(shown(&stage, &id)["unresolved"], 0);
    assert!(users.iter().all(|user| stage.received(user) == 1));
}

#[test]
fn a_send_that_is_resumed_a_day_after_the_months_limit_reaches_who_is_still_a_friend() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let users = ["m-1", "m-2", "m-3"].map(|id| stage.member(id, "gold"));
    used_up(&stage);
    let id = create(&stage);
    world.settle(10 * MINUTE);
    assert_eq!(shown(&stage, &id)["state"], "paused");
    let refused = stage.answers_of(MULTICAST).len();
    world.advance(25 * HOUR);
    let now = world.now().0;
    world.line().unfollow(now, &users[1]).unwrap();
    stage.deliver();
    let (status, resumed) = stage.api(&stage.shop, Method::POST, &format!("/v1/sends/{id}/resume"), None);
    assert_eq!(status, 202, "{resumed}");
    world.settle(10 * MINUTE);
    assert_eq!(standing(&stage, &id), state("done", [3, 2, 1, 0]));
    assert_eq!(shown(&stage, &id)["unresolved"], 0);
    assert_eq!([0, 1, 2].map(|at| stage.received(&users[at])), [1, 0, 1]);
    let line = world.line();
    let resumed = line.calls().iter().filter(|call| call.path == MULTICAST).skip(refused);
    assert!(resumed.into_iter().all(|call| !call.body.contains(users[1].as_str())), "LINE was not asked");
}

#[test]
fn a_refusal_after_an_attempt_of_unknown_outcome_settles_nothing() {
    let refusals = [
        (StatusCode::FORBIDDEN, r#"{"message":"Not allowed"}"#),
        (StatusCode::BAD_REQUEST, r#"{"message":"The property, to[1], in the request body is invalid"}"#),
        (StatusCode::BAD_REQUEST, r#"{"message":"The request body has 1 error(s)"}"#),
        (StatusCode::UNAUTHORIZED, r#"{"message":"Authentication failed"}"#),
        (StatusCode::TOO_MANY_REQUESTS, r#"{"message":"You have reached your monthly limit."}"#),
        (StatusCode::TOO_MANY_REQUESTS, r#"{"message":"The API rate limit has been exceeded."}"#),
    ];
    for (status, words) in refusals {
        let stage = Stage::new(1);
        let world = &stage.world;
        let users = stage.many_members(3, "gold");
        line_fault(&stage, FaultKind::AcceptThenTimeout, None);
        let id = create(&stage);
        world.run_queues();
        world.answer_next_call(MULTICAST, status, words);
        world.settle(30 * MINUTE);
        assert_eq!(stage.answers_of(MULTICAST), [None, Some(409)], "{words}");
        let keys = retry_keys(&stage);
        assert!(keys.iter().all(|key| *key == keys[0]), "{words}: {keys:?}");
        assert_eq!(standing(&stage, &id).1, [3, 3, 0, 0], "{words}");
        assert_eq!(
            (&shown(&stage, &id)["unresolved"], stage.count("chunks WHERE state = 'failed'")),
            (&json!(0), 0)
        );
        assert!(users.iter().all(|user| stage.received(user) == 1), "{words}");
    }
}

#[test]
fn an_idempotency_key_that_is_no_ascii_is_refused() {
    let stage = Stage::new(1);
    let mut request = enishi_world::request(Method::POST, &format!("{}/v1/sends", stage.shop.line.issuer));
    let bearer = format!("Bearer {}", stage.shop.api_key);
    request.headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
    request.body = Some(to("gold").to_string().into_bytes());
    for key in ["お知らせ-1".as_bytes(), b"\xff\xfe"] {
        request.headers.insert("idempotency-key", HeaderValue::from_bytes(key).unwrap());
        let reply = stage.world.answer(request.clone());
        assert_eq!(reply.status, 400, "{key:?}");
    }
    assert_eq!(stage.count("sends"), 0);
}
