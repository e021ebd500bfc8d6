//! LINE's deliveries as the shop looks at them: listed, shown, and applied again; and those that could not be applied.

use enishi::{
    store::Job,
    time::{HOUR, MINUTE},
};
use enishi_world::{ACCOUNT, BEGIN, Fault, Point};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, Stage, delivery::delivery, webhook};

const DELIVERIES: &str = "/v1/webhooks/deliveries";
const REPLAY: &str = "/v1/webhooks/replay";

/// A message that no database takes.
const POISON: &str = "CREATE TRIGGER poison BEFORE INSERT ON chat_messages WHEN new.text = 'poison' \
     BEGIN SELECT raise(ABORT, 'refused'); END";

fn get(stage: &Stage, path: &str) -> Value {
    let (status, body) = stage.api(&stage.shop, Method::GET, path, None);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn post(stage: &Stage, path: &str, body: &Value) -> Value {
    let (status, answer) = stage.api(&stage.shop, Method::POST, path, Some(body));
    assert_eq!(status, 202, "{body}: {answer}");
    answer
}

fn ids(list: &Value) -> Vec<i64> {
    list["deliveries"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// Deliveries 1 to `number` in the ledger, a minute apart, each applied after 40 ms.
fn ledger(stage: &Stage, number: i64) {
    let (account, begin) = (stage.account_id(), BEGIN.0);
    stage.world.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number})
         INSERT INTO webhook_deliveries (account, seq, received_at, applied_at, verdict, events, signature, body)
         SELECT '{account}', i, {begin} + i * {MINUTE}, {begin} + i * {MINUTE} + 40, 'applied', 1, 's' || i,
           json_object('destination', '{}', 'events', json_array()) FROM n",
        ACCOUNT.bot_user_id
    ));
}

/// The places in the ledger that jobs name.
fn queued(stage: &Stage) -> Vec<i64> {
    let jobs = stage.world.queued();
    let seq = |text: &String| match Job::parse(text) {
        Ok(Job::Delivery { account, seq }) => {
            assert_eq!(account.as_str(), stage.account_id());
            seq
        }
        other => panic!("{other:?}"),
    };
    let mut seqs: Vec<i64> = jobs.iter().map(seq).collect();
    seqs.sort_unstable();
    seqs
}

/// From this minute of the ledger until before that one.
fn minutes(from: i64, to: i64) -> Value {
    json!({ "from": (BEGIN + from * MINUTE).rfc3339(), "to": (BEGIN + to * MINUTE).rfc3339() })
}

#[test]
fn deliveries_are_listed_from_the_newest_page_by_page_without_what_they_say() {
    let stage = Stage::new(1);
    ledger(&stage, 5);
    let first = get(&stage, &format!("{DELIVERIES}?limit=2"));
    assert_eq!((ids(&first), &first["next"]), (vec![5, 4], &json!(4)));
    let second = get(&stage, &format!("{DELIVERIES}?limit=2&before=4"));
    assert_eq!((ids(&second), &second["next"]), (vec![3, 2], &json!(2)));
    let third = get(&stage, &format!("{DELIVERIES}?limit=2&before=2"));
    assert_eq!((ids(&third), &third["next"]), (vec![1], &json!(null)));
    let size = json!({ "destination": ACCOUNT.bot_user_id, "events": [] }).to_string().len();
    let row = json!({
        "id": 5, "received_at": "2026-01-05T03:05:00.000Z", "applied_at": "2026-01-05T03:05:00.040Z", "lag_ms": 40,
        "verdict": "applied", "events": 1, "duplicates": 0, "size": size, "altered": false,
    });
    assert_eq!(first["deliveries"][0], row);
}

#[test]
fn one_delivery_is_shown_with_its_raw_body_and_signature() {
    let stage = Stage::new(1);
    ledger(&stage, 2);
    let body = r#"{"events": [ {"text":"こんにちは\/"} ]}"#;
    stage.world.execute(&format!(
        "UPDATE webhook_deliveries SET body = '{body}', verdict = 'waiting', applied_at = NULL, signature = '', altered = 1
         WHERE seq = 2"
    ));
    let shown = get(&stage, &format!("{DELIVERIES}/2"));
    assert_eq!(shown["body"], json!(body), "byte by byte");
    assert_eq!(shown["size"], json!(body.len()));
    assert_eq!((&shown["signature"], &shown["altered"]), (&json!(null), &json!(true)));
    assert_eq!((&shown["applied_at"], &shown["lag_ms"]), (&json!(null), &json!(null)));
    assert_eq!(get(&stage, &format!("{DELIVERIES}/1"))["signature"], "s1");
    for id in ["3", "0", "x", "-1", "1.0", "99999999999999999999", "9007199254740993", "+1"] {
        let (status, _) = stage.api(&stage.shop, Method::GET, &format!("{DELIVERIES}/{id}"), None);
        assert_eq!(status, 404, "{id}");
    }
}

#[test]
fn a_verdict_that_few_have_is_found_without_reading_the_ledger() {
    let stage = Stage::new(1);
    ledger(&stage, 300);
    stage.world.execute("UPDATE webhook_deliveries SET verdict = 'failed' WHERE seq IN (7, 250)");
    stage.world.execute("UPDATE webhook_deliveries SET verdict = 'unreadable' WHERE seq = 8");
    let failed = get(&stage, &format!("{DELIVERIES}?verdict=failed"));
    assert_eq!((ids(&failed), &failed["next"]), (vec![250, 7], &json!(null)));
    assert_eq!(ids(&get(&stage, &format!("{DELIVERIES}?verdict=failed&before=250"))), [7]);
    assert_eq!(ids(&get(&stage, &format!("{DELIVERIES}?verdict=unreadable"))), [8]);
    assert_eq!(ids(&get(&stage, &format!("{DELIVERIES}?verdict=waiting"))), Vec::<i64>::new());
    assert_eq!(ids(&get(&stage, &format!("{DELIVERIES}?verdict=applied&before=9"))), [6, 5, 4, 3, 2, 1]);
    for query in ["verdict=lost", "limit=0", "limit=1001", "before=x", "before=-1", "before=9007199254740993"]
    {
        let (status, body) = stage.api(&stage.shop, Method::GET, &format!("{DELIVERIES}?{query}"), None);
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{query}");
    }
}

#[test]
fn another_shops_key_sees_and_replays_nothing_of_this_one() {
    let stage = Stage::new(1);
    ledger(&stage, 3);
    stage.world.execute("UPDATE webhook_deliveries SET verdict = 'failed' WHERE seq = 3");
    let other = stage.other_shop();
    for query in ["", "?verdict=failed", "?verdict=applied"] {
        let (status, body) = stage.api(&other, Method::GET, &format!("{DELIVERIES}{query}"), None);
        assert_eq!((status, &body["deliveries"]), (200, &json!([])));
    }
    assert_eq!(stage.api(&other, Method::GET, &format!("{DELIVERIES}/1"), None).0, 404);
    let (_, body) = stage.api(&other, Method::POST, REPLAY, Some(&json!({ "ids": [1, 2] })));
    assert_eq!((&body["replayed"], &body["unknown"]), (&json!(0), &json!([1, 2])));
    let (_, body) = stage.api(&other, Method::POST, REPLAY, Some(&minutes(0, 10)));
    assert_eq!(body["replayed"], 0);
    let (_, body) = stage.api(&other, Method::POST, REPLAY, Some(&json!({ "verdict": "failed" })));
    assert_eq!(body["replayed"], 0);
    assert_eq!(stage.world.queued(), Vec::<String>::new());
    let mut stranger = Shop::of(ACCOUNT, "0");
    stranger.api_key = other.api_key;
    for (method, path) in [(Method::GET, DELIVERIES), (Method::POST, REPLAY)] {
        assert_eq!(stage.api(&stranger, method, path, Some(&json!({}))).0, 401);
    }
}

#[test]
fn deliveries_that_are_named_go_on_the_queue_again_each_once() {
    let stage = Stage::new(1);
    ledger(&stage, 4);
    let answer = post(&stage, REPLAY, &json!({ "ids": [3, 1, 3, 9] }));
    assert_eq!(answer, json!({ "replayed": 2, "unknown": [9], "next": null }));
    assert_eq!(queued(&stage), [1, 3]);
}

#[test]
fn deliveries_of_a_time_are_found_from_the_newest_and_the_search_ends_before_it() {
    let stage = Stage::new(1);
    ledger(&stage, 500);
    let mut wanted = minutes(490, 495);
    let answer = post(&stage, REPLAY, &wanted);
    assert_eq!(
        answer,
        json!({ "replayed": 5, "unknown": [], "next": null }),
        "the end of the ledger was not looked for"
    );
    assert_eq!(queued(&stage), [490, 491, 492, 493, 494]);
    // In pieces, nothing is left out and nothing comes twice.
    stage.world.run_queues();
    wanted = minutes(100, 120);
    wanted["limit"] = json!(7);
    let mut calls = 0;
    let mut replayed = 0;
    loop {
        let answer = post(&stage, REPLAY, &wanted);
        calls += 1;
        replayed += answer["replayed"].as_i64().unwrap();
        if answer["next"].is_null() {
            break;
        }
        wanted["before"] = answer["next"].clone();
    }
    assert_eq!((replayed, queued(&stage)), (20, (100..120).collect()));
    assert_eq!(calls, 58, "402 rows, seven at a time");
}

#[test]
fn a_delivery_that_waited_long_in_the_queue_is_found_by_when_it_was_received() {
    let stage = Stage::new(1);
    ledger(&stage, 100);
    // It was received in minute 10, and became durable three hours later, as number 90.
    let late = BEGIN.0 + 10 * MINUTE;
    stage.world.execute(&format!("UPDATE webhook_deliveries SET received_at = {late} WHERE seq = 90"));
    // One that waits still.
    stage
        .world
        .execute("UPDATE webhook_deliveries SET verdict = 'waiting', applied_at = NULL WHERE seq = 12");
    assert_eq!(post(&stage, REPLAY, &minutes(10, 13))["replayed"], 4);
    assert_eq!(queued(&stage), [10, 11, 12, 90]);
}

#[test]
fn a_replay_that_the_queue_refuses_says_so_and_may_be_repeated() {
    let stage = Stage::new(1);
    ledger(&stage, 250);
    stage.world.fail_next(Point::Queue, Fault::AnswerLost, 1);
    let (status, body) = stage.api(&stage.shop, Method::POST, REPLAY, Some(&minutes(0, 300)));
    assert_eq!((status, &body["error"]), (503, &json!("queue")));
    assert_eq!(post(&stage, REPLAY, &minutes(0, 300))["replayed"], 250);
    assert!((1..=250).all(|seq| queued(&stage).contains(&seq)));
}

#[test]
fn a_replay_that_nobody_can_mean_is_refused_with_a_sentence() {
    let stage = Stage::new(1);
    ledger(&stage, 2);
    let (from, to) = ("2026-01-05T12:00:00+09:00", "2026-01-05T13:00:00+09:00");
    let many: Vec<i64> = (0..10_001).collect();
    let wrong = [
        json!({}),
        json!({ "ids": [] }),
        json!({ "ids": ["1"] }),
        json!({ "ids": [-1] }),
        json!({ "ids": [1.5] }),
        json!({ "ids": [9_007_199_254_740_993_i64] }),
        json!({ "ids": many }),
        json!({ "ids": [1], "from": from, "to": to }),
        json!({ "from": from }),
        json!({ "from": to, "to": from }),
        json!({ "from": from, "to": from }),
        json!({ "from": "2026-01-05", "to": to }),
        json!({ "from": "2026-01-05T12:00:00", "to": to }),
        json!({ "from": from, "to": to, "limit": 0 }),
        json!({ "from": from, "to": to, "limit": 10_001 }),
        json!({ "from": from, "to": to, "before": -1 }),
        json!({ "everything": true }),
    ];
    for body in wrong {
        let (status, answer) = stage.api(&stage.shop, Method::POST, REPLAY, Some(&body));
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{body}: {answer}");
    }
    assert_eq!(stage.world.queued(), Vec::<String>::new());
}

fn message(user: &str, id: &str, text: &str) -> Value {
    json!({
        "type": "message", "mode": "active", "timestamp": 1_000, "webhookEventId": format!("EVENT{id}"),
        "source": { "type": "user", "userId": user }, "deliveryContext": { "isRedelivery": false },
        "message": { "type": "text", "id": id, "quoteToken": "q", "text": text },
    })
}

/// A message that the database refuses, until the trigger is gone: its delivery, as it failed.
fn failed_message(stage: &Stage) -> i64 {
    let user = stage.friend("花子");
    stage.world.execute(POISON);
    assert_eq!(stage.world.answer(webhook(&delivery(&json!([message(&user, "1", "poison")])))).status, 200);
    stage.world.settle(6 * HOUR);
    let failed = get(stage, &format!("{DELIVERIES}?verdict=failed"));
    let [seq] = ids(&failed).try_into().unwrap();
    seq
}

#[test]
fn a_delivery_that_failed_is_found_shown_and_applied_by_a_replay_once() {
    let stage = Stage::new(1);
    let seq = failed_message(&stage);
    let shown = get(&stage, &format!("{DELIVERIES}/{seq}"));
    assert!(shown["body"].as_str().unwrap().contains("poison") && shown["signature"].is_string(), "{shown}");
    // Not mended yet: it fails again, and is not lost.
    assert_eq!(post(&stage, REPLAY, &json!({ "ids": [seq] }))["replayed"], 1);
    stage.world.settle(6 * HOUR);
    assert_eq!(ids(&get(&stage, &format!("{DELIVERIES}?verdict=failed"))), [seq]);
    stage.world.execute("DROP TRIGGER poison");
    for _ in 0..2 {
        assert_eq!(post(&stage, REPLAY, &json!({ "ids": [seq] }))["replayed"], 1);
        stage.world.run_queues();
        assert_eq!(stage.count("chat_messages"), 1);
        let shown = get(&stage, &format!("{DELIVERIES}/{seq}"));
        assert_eq!((&shown["verdict"], &shown["duplicates"]), (&json!("applied"), &json!(0)));
    }
}

#[test]
fn what_was_applied_changes_nothing_when_it_is_replayed_and_a_repetition_is_not() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let body = delivery(&json!([message(&user, "1", "one")]));
    for _ in 0..2 {
        assert_eq!(stage.world.answer(webhook(&body)).status, 200);
        stage.world.run_queues();
    }
    let listed = get(&stage, DELIVERIES);
    let verdicts: Vec<&str> =
        listed["deliveries"].as_array().unwrap().iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["duplicate", "applied", "applied"]);
    assert_eq!(
        (&listed["deliveries"][0]["size"], &listed["deliveries"][0]["duplicates"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(ids(&get(&stage, &format!("{DELIVERIES}?verdict=duplicate"))), [3]);
    let before = stage.world.query("SELECT * FROM chat_messages");
    let named = post(&stage, REPLAY, &json!({ "ids": [1, 2, 3] }));
    assert_eq!((&named["replayed"], &named["unknown"]), (&json!(2), &json!([])));
    stage.world.run_queues();
    assert_eq!(post(&stage, REPLAY, &minutes(-1, 60))["replayed"], 2);
    assert_eq!(queued(&stage), [1, 2]);
    stage.world.run_queues();
    assert_eq!(stage.world.query("SELECT * FROM chat_messages"), before);
    assert_eq!(stage.count("webhook_deliveries"), 3);
}

#[test]
fn a_verdict_that_few_have_is_looked_for_in_pieces() {
    let stage = Stage::new(1);
    ledger(&stage, 25_000);
    stage
        .world
        .execute("UPDATE webhook_deliveries SET verdict = 'duplicate', body = '' WHERE seq IN (24000, 3)");
    let (mut found, mut nexts, mut before) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = get(&stage, &format!("{DELIVERIES}?verdict=duplicate{before}"));
        found.extend(ids(&page));
        let Some(next) = page["next"].as_i64() else { break };
        nexts.push(next);
        before = format!("&before={next}");
    }
    assert_eq!((found, nexts), (vec![24_000, 3], vec![15_001, 5_001]));
}

#[test]
fn what_the_queue_gave_up_on_is_found_by_its_verdict_and_comes_to_life_by_a_replay_once() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.friend("花子"));
    world.execute(POISON);
    let large = format!("poison{}", "0".repeat(180_000));
    world.execute(
        "CREATE TRIGGER large BEFORE INSERT ON chat_messages WHEN length(new.text) > 100000 \
        BEGIN SELECT raise(ABORT, 'refused'); END",
    );
    for events in [json!([message(&user, "1", "poison")]), json!([message(&user, "2", &large)])] {
        assert_eq!(world.answer(webhook(&delivery(&events))).status, 200);
    }
    world.settle(3 * HOUR);
    let failed = get(&stage, &format!("{DELIVERIES}?verdict=failed"));
    assert_eq!(failed["deliveries"].as_array().unwrap().len(), 2, "{failed}");
    assert_eq!(failed["deliveries"][0]["applied_at"], Value::Null);
    let again = json!({ "verdict": "failed" });
    // It fails still, and stays where it was.
    assert_eq!(post(&stage, REPLAY, &again)["replayed"], 2);
    world.settle(3 * HOUR);
    assert_eq!(get(&stage, &format!("{DELIVERIES}?verdict=failed")), failed);
    world.execute("DROP TRIGGER poison");
    world.execute("DROP TRIGGER large");
    let first = post(&stage, REPLAY, &json!({ "verdict": "failed", "limit": 1 }));
    let rest = post(&stage, REPLAY, &json!({ "verdict": "failed", "limit": 1, "before": first["next"] }));
    assert_eq!((&first["replayed"], &rest["replayed"]), (&json!(1), &json!(1)));
    world.settle(MINUTE);
    assert_eq!(stage.count("chat_messages"), 2);
    assert_eq!(get(&stage, &format!("{DELIVERIES}?verdict=failed"))["deliveries"], json!([]));
    assert_eq!(post(&stage, REPLAY, &again), json!({ "replayed": 0, "unknown": [], "next": null }));
    let (status, answer) =
        stage.api(&stage.shop, Method::POST, REPLAY, Some(&json!({ "verdict": "applied" })));
    assert_eq!(status, 400, "{answer}");
}
