//! Messages of one's own: filled from attributes, one push each, under a key of their own.

use enishi::time::{HOUR, MINUTE, SECOND, end_of_japanese_month};
use enishi_world::{Disturbance, Fault, line_simulator::FaultKind};
use http::StatusCode;
use serde_json::json;

use super::*;
use crate::erase::{erase, found};

/// To the gold members, by rank.
fn personal() -> Value {
    gold(&json!({ "messages": [{ "type": "text", "text": "{{rank}}の{{name|お客様}}へ" }] }))
}

fn text(stage: &Stage, user: &UserId) -> Vec<String> {
    let line = stage.world.line();
    line.chat(user).iter().filter_map(|one| one.message["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn each_gets_their_own_message_and_who_has_no_attribute_the_fall_back() {
    let stage = Stage::new(1);
    let users = ["m-1", "m-2"].map(|id| stage.member(id, "gold"));
    let named = json!({ "attributes": { "rank": "gold", "name": "花子" } });
    assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&named)).0, 200);
    let id = make(&stage, &personal());
    stage.world.settle(MINUTE);
    let send = show(&stage, &id);
    assert_eq!((&send["state"], &send["accepted"]), (&json!("done"), &json!(2)), "{send}");
    assert_eq!(text(&stage, &users[0]), ["goldの花子へ"]);
    assert_eq!(text(&stage, &users[1]), ["goldのお客様へ"]);
    assert_eq!((stage.answers_of(PUSH), calls(&stage)), (vec![Some(200); 2], 0));
    assert_eq!(stage.count("chunks WHERE recipients IS NOT NULL"), 0, "what it was filled from is gone");
}

#[test]
fn whatever_fails_each_gets_one_and_the_same() {
    for fault in Fault::ALL {
        for number in 1..40 {
            let stage = Stage::new(number);
            let users = stage.many_members(8, "gold");
            let id = make(&stage, &personal());
            stage.world.disturb_queues(Disturbance { consumers: 2, ..Disturbance::NONE });
            stage.world.fail_at(number, fault);
            stage.world.settle(10 * MINUTE);
            let unharmed = stage.world.end_faults();
            let send = show(&stage, &id);
            assert_eq!(
                (&send["state"], &send["accepted"]),
                (&json!("done"), &json!(8)),
                "{fault:?} at {number}"
            );
            assert!(users.iter().all(|user| stage.received(user) == 1), "{fault:?} at {number}");
            assert_eq!(stage.count("receipts"), 8, "{fault:?} at {number}");
            if unharmed {
                break;
            }
        }
    }
}

#[test]
fn each_outcome_is_its_own() {
    let stage = Stage::new(1);
    let users = stage.many_members(4, "gold");
    fault(&stage, PUSH, FaultKind::AcceptThenTimeout, None, 1);
    fault(&stage, PUSH, FaultKind::Status, Some(403), 1);
    fault(&stage, PUSH, FaultKind::Status, Some(429), 1);
    let id = make(&stage, &personal());
    stage.world.settle(10 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["accepted"], &send["failed"]),
        (&json!("partly_failed"), &json!(3), &json!(1))
    );
    assert_eq!(had(&stage, &users).iter().sum::<usize>(), 3);
    assert_eq!(act(&stage, &id, "retry"), did("sending"));
    stage.world.settle(10 * MINUTE);
    assert_eq!((state(&stage, &id).as_str(), had(&stage, &users)), ("done", vec![1; 4]));
    assert_eq!(stage.count("receipts"), 4);
}

#[test]
fn who_stayed_unknown_for_a_day_is_unresolved_and_the_others_are_not() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    fault(&stage, PUSH, FaultKind::AcceptThenTimeout, None, 1);
    let id = make(&stage, &personal());
    stage.world.run_queues();
    stage.world.advance(25 * HOUR);
    stage.world.settle(10 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["accepted"], &send["unresolved"]),
        (&json!("partly_failed"), &json!(2), &json!(1))
    );
    assert!(users.iter().all(|user| stage.received(user) == 1));
}

#[test]
fn a_message_that_is_too_long_for_one_is_nobody_elses_loss() {
    let stage = Stage::new(1);
    let users = ["m-1", "m-2"].map(|id| stage.member(id, "gold"));
    let long = json!({ "attributes": { "rank": "gold", "name": "あ".repeat(1_000) } });
    assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&long)).0, 200);
    let text = "{{name|お客様}}".repeat(6);
    let id = make(&stage, &gold(&json!({ "messages": [{ "type": "text", "text": text }] })));
    stage.world.settle(MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["failed_by"]),
        (&json!("partly_failed"), &json!({ "unfit": 1 })),
        "{send}"
    );
    assert_eq!(had(&stage, &users), [0, 1]);
}

#[test]
fn attributes_that_no_row_could_hold_are_unfit_and_hold_nobody_up() {
    let stage = Stage::new(1);
    let users = stage.many_members(60, "gold");
    let wishes: Vec<String> = (0..100).map(|number| format!("{number}{}", "願".repeat(250))).collect();
    let wordy: Vec<Value> = users
        .iter()
        .take(50)
        .map(|user| json!({ "member_id": format!("gold-{user}"), "attributes": { "wishes": wishes } }))
        .collect();
    for some in wordy.chunks(10) {
        let (status, answer) =
            stage.api(&stage.shop, Method::POST, "/v1/members", Some(&json!({ "members": some })));
        assert_eq!(status, 200, "{answer}");
    }
    let text = "{{wishes|なし}}";
    let id = make(&stage, &gold(&json!({ "messages": [{ "type": "text", "text": text }] })));
    stage.world.settle(5 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["accepted"], &send["failed_by"]),
        (&json!("partly_failed"), &json!(10), &json!({ "unfit": 50 })),
        "{send}"
    );
    assert!(send["refusals"][0].as_str().unwrap().contains("18000 bytes"), "{send}");
}

#[test]
fn messages_that_break_limits_which_came_after_them_are_unfit_and_hold_nobody_up() {
    let stage = Stage::new(1);
    let users = stage.many_members(3, "gold");
    let id = make(&stage, &personal());
    stage.world.execute("UPDATE sends SET messages = '[{\"type\":\"text\",\"text\":\"{{rank\"}]'");
    stage.world.settle(5 * MINUTE);
    let send = show(&stage, &id);
    assert_eq!(
        (&send["state"], &send["failed_by"]),
        (&json!("partly_failed"), &json!({ "unfit": 3 })),
        "{send}"
    );
    assert!(send["refusals"][0].as_str().unwrap().starts_with("messages[0].text"), "{send}");
    assert_eq!(had(&stage, &users), [0; 3]);
}

#[test]
fn whatever_a_value_holds_it_is_text_and_comes_as_it_is() {
    let stage = Stage::new(1);
    let values = [
        "a\"b\\c",
        "\u{0}nul",
        "tab\t, newline\n, escape \u{1b}[31m",
        "\u{202e}right to left",
        "{{rank}}",
        "{{rank",
        "}}",
        "{key}",
        "🍎👨‍👩‍👧",
        "https://evil.example/?a=b&c#d",
        "\u{ffff}\u{10ffff}",
        "[1]",
        "null",
    ];
    let mut told = Vec::new();
    for (number, value) in values.iter().enumerate() {
        let member = format!("m-{number}");
        let user = stage.member(&member, "gold");
        let body = json!({ "attributes": { "name": value } });
        let status = stage.api(&stage.shop, Method::PUT, &format!("/v1/members/{member}"), Some(&body)).0;
        assert_eq!(status, if value.contains('\0') { 400 } else { 200 }, "{value:?}");
        if status == 200 {
            told.push((user, *value));
        }
    }
    let message = json!({ "type": "text", "text": "<{{name|-}}>" });
    let id = make(&stage, &gold(&json!({ "messages": [message] })));
    stage.world.settle(5 * MINUTE);
    assert_eq!(state(&stage, &id), "done", "{}", show(&stage, &id));
    for (user, value) in told {
        assert_eq!(text(&stage, &user), [format!("<{value}>")]);
    }
}

#[test]
fn pushes_that_line_answers_slowly_do_not_go_on_into_quiet_hours_or_as_a_month_ends() {
    for month in [false, true] {
        let stage = Stage::new(1);
        let users = stage.many_members(8, "gold");
        settings(&stage, &json!({ "quiet_hours": { "from": "12:01", "to": "13:00" } }));
        // A wave takes ten seconds; nothing begins in a month's last fifteen.
        let (end, before) = if month {
            (end_of_japanese_month(stage.world.now()), 17 * SECOND)
        } else {
            (stage.world.now() + MINUTE, 8 * SECOND)
        };
        stage.world.advance(end - stage.world.now() - before);
        fault(&stage, PUSH, FaultKind::AcceptThenTimeout, None, 6);
        let id = make(&stage, &personal());
        stage.world.settle(before + SECOND);
        assert_eq!(had(&stage, &users), [1, 1, 1, 1, 1, 1, 0, 0], "one wave, month: {month}");
        stage.world.settle(2 * HOUR);
        assert_eq!((state(&stage, &id).as_str(), had(&stage, &users)), ("done", vec![1; 8]));
    }
}

#[test]
fn many_consumers_of_personal_messages_keep_to_lines_rate() {
    let stage = Stage::new(1);
    let users = stage.many_members(4_500, "gold");
    stage.world.disturb_queues(Disturbance { consumers: 20, ..Disturbance::NONE });
    let id = make(&stage, &personal());
    stage.world.settle(20_000);
    assert_eq!(show(&stage, &id)["accepted"], 4_500);
    assert!(users.iter().all(|user| stage.received(user) == 1));
    let line = stage.world.line();
    let mut times: Vec<i64> =
        line.calls().iter().filter(|call| call.path == PUSH).map(|call| call.at).collect();
    times.sort_unstable();
    assert!(times.windows(2_001).all(|some| some[2_000] - some[0] >= 1_000), "more than 2,000 in a second");
    let took = times[times.len() - 1] - times[0];
    println!("4,500 pushes in {took} ms");
    assert!(took < 4_000, "{took} ms");
}

#[test]
fn a_test_goes_to_named_members_and_counts_for_no_send() {
    let stage = Stage::new(1);
    let users = ["m-1", "m-2"].map(|id| stage.member(id, "gold"));
    stage.world.advance(1);
    let now = stage.world.now().0;
    stage.world.line().unfollow(now, &users[1]).unwrap();
    stage.deliver();
    let body = json!({
        "members": ["m-1", "m-2", "nobody"],
        "messages": [{ "type": "text", "text": "{{rank}}" }],
    });
    let try_it = || {
        let headers = [("idempotency-key", "look-1")];
        stage.api_with(&stage.shop, Method::POST, "/v1/sends/test", Some(&body), &headers)
    };
    let (status, tested) = try_it();
    assert_eq!(status, 200, "{tested}");
    let outcomes: Vec<&str> =
        tested["results"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "blocked", "not_linked"]);
    assert_eq!(text(&stage, &users[0]), ["gold"]);
    assert_eq!(try_it().0, 200);
    assert_eq!(had(&stage, &users), [1, 0], "the same key is the same message");
    assert_eq!(stage.count("usage WHERE accepted = 1"), 1, "and counts once");
    assert_eq!((stage.count("sends"), stage.count("receipts")), (0, 0));
    let corrected = json!({ "members": ["m-1"], "messages": [{ "type": "text", "text": "corrected" }] });
    let headers = [("idempotency-key", "look-1")];
    assert_eq!(
        stage.api_with(&stage.shop, Method::POST, "/v1/sends/test", Some(&corrected), &headers).0,
        200
    );
    assert_eq!(text(&stage, &users[0]), ["gold", "corrected"], "another body is another message");
    stage.world.set_quota(Some(1));
    let another = json!({ "members": ["m-1"], "messages": [{ "type": "text", "text": "a" }] });
    let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/sends/test", Some(&another));
    assert_eq!((status, &error["error"]), (409, &json!("quota")));
}

/// A send of which a consumer was killed after LINE had taken a push, and before anything of it was written.
fn killed(stage: &Stage) -> (String, Vec<UserId>) {
    let users = stage.many_members(8, "gold");
    let id = make(stage, &personal());
    stage.world.fail_next_call(PUSH, Fault::CrashAfter);
    stage.world.run_queues();
    assert!(had(stage, &users).contains(&1), "LINE has taken some");
    assert_eq!(stage.count("receipts"), 0, "and we do not know");
    (id, users)
}

#[test]
fn whatever_line_says_after_a_consumer_was_killed_nobody_gets_two() {
    let answers = [
        (StatusCode::UNAUTHORIZED, r#"{"message":"Authentication failed"}"#),
        (StatusCode::FORBIDDEN, r#"{"message":"Not allowed"}"#),
        (StatusCode::BAD_REQUEST, r#"{"message":"Failed to send messages"}"#),
        (StatusCode::TOO_MANY_REQUESTS, r#"{"message":"The API rate limit has been exceeded."}"#),
        (StatusCode::TOO_MANY_REQUESTS, r#"{"message":"You have reached your monthly limit."}"#),
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
    ];
    for (status, words) in answers {
        let stage = Stage::new(1);
        let (id, users) = killed(&stage);
        stage.world.answer_next_call(PUSH, status, words);
        stage.world.settle(30 * MINUTE);
        if state(&stage, &id) == "paused" {
            act(&stage, &id, "resume");
            stage.world.settle(30 * MINUTE);
        }
        assert_eq!(had(&stage, &users), vec![1; 8], "{words}");
        let send = show(&stage, &id);
        assert_eq!((&send["state"], &send["accepted"]), (&json!("done"), &json!(8)), "{words}: {send}");
        assert_eq!(stage.count("receipts WHERE outcome = 1"), 8, "{words}");
    }
}

#[test]
fn a_killed_consumer_and_a_day_without_a_channel_token_give_nobody_two() {
    let stage = Stage::new(1);
    let (id, users) = killed(&stage);
    stage.world.evict_isolate();
    stage.world.fail_always_call("/oauth2/v3/token", Fault::Refused);
    stage.world.settle(10 * MINUTE);
    stage.world.advance(25 * HOUR);
    stage.world.end_faults();
    stage.world.settle(30 * MINUTE);
    assert!(had(&stage, &users).iter().all(|had| *had <= 1), "{:?}", had(&stage, &users));
    assert_eq!(show(&stage, &id)["unresolved"], 8, "nobody knows who had it");
}

#[test]
fn while_it_is_paused_or_cancelled_only_those_are_pushed_to_again_who_may_have_it() {
    for action in ["pause", "cancel"] {
        let stage = Stage::new(1);
        let users = stage.many_members(8, "gold");
        fault(&stage, PUSH, FaultKind::AcceptThenTimeout, None, 1);
        fault(&stage, PUSH, FaultKind::Status, Some(429), 1);
        let id = make(&stage, &personal());
        stage.world.run_queues();
        let before = stage.answers_of(PUSH).len();
        assert_eq!(
            (before, had(&stage, &users).iter().sum::<usize>()),
            (6, 5),
            "a wave, and one was refused"
        );
        act(&stage, &id, action);
        stage.world.settle(10 * MINUTE);
        assert_eq!(stage.answers_of(PUSH)[before..], [Some(409)], "{action}");
        assert_eq!(show(&stage, &id)["accepted"], 5, "{action}");
        if action == "pause" {
            let path = format!("/v1/members/gold-{}", users[7]);
            let erased = stage.api(&stage.shop, Method::DELETE, &path, None).0;
            act(&stage, &id, "resume");
            stage.world.settle(10 * MINUTE);
            let send = show(&stage, &id);
            assert_eq!(
                (erased, &send["state"], &send["accepted"]),
                (204, &json!("done"), &json!(7)),
                "{send}"
            );
            assert_eq!(send["excluded_by"], json!({ "erased": 1 }));
        }
    }
}

#[test]
fn of_whoever_is_erased_while_nobody_knows_whether_they_have_it_nothing_is_left_afterwards() {
    for body in [personal(), gold(&json!({}))] {
        let stage = Stage::new(1);
        let user = stage.member("m-1", "gold");
        let named = json!({ "attributes": { "name": "canary-chan" } });
        assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&named)).0, 200);
        for path in [PUSH, MULTICAST] {
            fault(&stage, path, FaultKind::AcceptThenTimeout, None, 1);
        }
        let id = make(&stage, &body);
        stage.world.run_queues();
        assert_eq!(erase(&stage, "m-1"), 204);
        let words = [user.as_str(), "canary-chan"];
        assert!(found(&stage, &words).iter().all(|(place, _)| place == "chunks"), "but for what is repeated");
        stage.world.settle(30 * MINUTE);
        assert_eq!((state(&stage, &id).as_str(), stage.received(&user)), ("done", 1));
        assert_eq!(found(&stage, &words), []);
    }
}
