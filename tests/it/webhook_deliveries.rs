//! LINE's deliveries as the shop looks at them: listed, shown, and applied again; and those that are dead.

use enishi::{
    platform::{Database, Platform as _},
    store::{Job, Statement, dead_letter, delivery_shown},
    time::{HOUR, MINUTE, UnixMillis},
};
use enishi_world::{ACCOUNT, BEGIN, Fault, Point};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, Stage, webhook};

const DELIVERIES: &str = "/v1/webhooks/deliveries";
const REPLAY: &str = "/v1/webhooks/replay";
const LETTERS: &str = "/v1/webhooks/dead-letters";
const REPLAY_LETTERS: &str = "/v1/webhooks/dead-letters/replay";

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
    let account = stage.account_id();
    stage.world.execute(&format!(
        "INSERT INTO dead_letters (id, account, source, reason, body, at) VALUES ('d1', '{account}', 'webhook', 'r', 'b', 1)"
    ));
    let other = stage.other_shop();
    for (path, list) in [(DELIVERIES, "deliveries"), (LETTERS, "dead_letters")] {
        let (status, body) = stage.api(&other, Method::GET, path, None);
        assert_eq!((status, &body[list]), (200, &json!([])));
    }
    for path in [format!("{DELIVERIES}/1"), format!("{LETTERS}/d1")] {
        assert_eq!(stage.api(&other, Method::GET, &path, None).0, 404, "{path}");
    }
    let (_, body) = stage.api(&other, Method::POST, REPLAY, Some(&json!({ "ids": [1, 2] })));
    assert_eq!((&body["replayed"], &body["unknown"]), (&json!(0), &json!([1, 2])));
    let (_, body) = stage.api(&other, Method::POST, REPLAY, Some(&minutes(0, 10)));
    assert_eq!(body["replayed"], 0);
    for wanted in [json!({}), json!({ "ids": ["d1"] })] {
        let (_, body) = stage.api(&other, Method::POST, REPLAY_LETTERS, Some(&wanted));
        assert_eq!((&body["replayed"], &body["refused"]), (&json!(0), &json!([])));
    }
    assert_eq!(stage.world.queued(), Vec::<String>::new());
    assert_eq!(stage.count("dead_letters"), 1);
    let mut stranger = Shop::of(ACCOUNT, "0");
    stranger.api_key = other.api_key;
    for (method, path) in [(Method::GET, DELIVERIES), (Method::POST, REPLAY), (Method::POST, REPLAY_LETTERS)]
    {
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
    let letters: Vec<String> = (0..101).map(|id| id.to_string()).collect();
    let wrong = [
        (REPLAY, json!({})),
        (REPLAY, json!({ "ids": [] })),
        (REPLAY, json!({ "ids": ["1"] })),
        (REPLAY, json!({ "ids": [-1] })),
        (REPLAY, json!({ "ids": [1.5] })),
        (REPLAY, json!({ "ids": [9_007_199_254_740_993_i64] })),
        (REPLAY, json!({ "ids": many })),
        (REPLAY, json!({ "ids": [1], "from": from, "to": to })),
        (REPLAY, json!({ "from": from })),
        (REPLAY, json!({ "from": to, "to": from })),
        (REPLAY, json!({ "from": from, "to": from })),
        (REPLAY, json!({ "from": "2026-01-05", "to": to })),
        (REPLAY, json!({ "from": "2026-01-05T12:00:00", "to": to })),
        (REPLAY, json!({ "from": from, "to": to, "limit": 0 })),
        (REPLAY, json!({ "from": from, "to": to, "limit": 10_001 })),
        (REPLAY, json!({ "from": from, "to": to, "before": -1 })),
        (REPLAY, json!({ "everything": true })),
        (REPLAY_LETTERS, json!({ "ids": [] })),
        (REPLAY_LETTERS, json!({ "ids": letters })),
        (REPLAY_LETTERS, json!({ "ids": ["a"], "after": "1.a" })),
        (REPLAY_LETTERS, json!({ "after": "yesterday" })),
        (REPLAY_LETTERS, json!({ "all": true })),
    ];
    for (path, body) in wrong {
        let (status, answer) = stage.api(&stage.shop, Method::POST, path, Some(&body));
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{path} {body}: {answer}");
    }
    assert_eq!(stage.world.queued(), Vec::<String>::new());
}

/// A delivery with these events for the first account's bot.
fn delivery(events: &Value) -> String {
    json!({ "destination": ACCOUNT.bot_user_id, "events": events }).to_string()
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

/// Puts a dead letter of the first account; `@LARGE@` in it stands for 180,000 zeros.
fn bury(stage: &Stage, (id, source): (&str, &str), at: i64, body: &str) {
    let (account, body) = (stage.account_id(), body.replace('\'', "''"));
    stage.world.execute(&format!(
        "INSERT INTO dead_letters (id, account, source, reason, body, at) \
         VALUES ('{id}', '{account}', '{source}', 'retries_exhausted', replace('{body}', '@LARGE@', hex(zeroblob(90000))), {at})"
    ));
}

#[test]
fn what_is_dead_is_listed_shown_alone_and_comes_to_life_by_a_replay_once() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    bury(&stage, ("a", "webhook"), 1, &message(&user, "1", "one").to_string());
    let letters = get(&stage, LETTERS);
    let size = message(&user, "1", "one").to_string().len();
    let letter = json!({
        "id": "a", "at": "1970-01-01T00:00:00.001Z", "source": "webhook", "reason": "retries_exhausted", "size": size,
    });
    assert_eq!(letters, json!({ "dead_letters": [letter], "next": null }));
    let shown = get(&stage, &format!("{LETTERS}/a"));
    assert_eq!(shown["body"], json!(message(&user, "1", "one").to_string()));
    for replayed in [1, 0] {
        let answer = post(&stage, REPLAY_LETTERS, &json!({ "ids": ["a"] }));
        assert_eq!((&answer["replayed"], &answer["refused"]), (&json!(replayed), &json!([])));
        stage.world.run_queues();
        assert_eq!((stage.count("chat_messages"), stage.count("dead_letters")), (1, 0));
    }
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("{LETTERS}/a"), None).0, 404);
}

#[test]
fn a_letter_stays_until_its_job_is_on_the_queue_and_a_crash_in_between_does_it_twice_for_once() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    bury(&stage, ("a", "webhook"), 1, &message(&user, "1", "one").to_string());
    stage.world.fail_next(Point::Queue, Fault::Refused, 1);
    let (status, body) = stage.api(&stage.shop, Method::POST, REPLAY_LETTERS, Some(&json!({})));
    assert_eq!((status, &body["error"], stage.count("dead_letters")), (503, &json!("queue"), 1));
    stage.world.fail_next(Point::Queue, Fault::CrashAfter, 1);
    assert_eq!(stage.api(&stage.shop, Method::POST, REPLAY_LETTERS, Some(&json!({}))).0, 500);
    assert_eq!(stage.count("dead_letters"), 1);
    stage.world.run_queues();
    assert_eq!(stage.count("chat_messages"), 1);
    assert_eq!(post(&stage, REPLAY_LETTERS, &json!({}))["replayed"], 1);
    stage.world.run_queues();
    assert_eq!((stage.count("chat_messages"), stage.count("dead_letters")), (1, 0));
}

#[test]
fn an_event_alone_a_delivery_and_a_job_are_all_brought_back() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let account = enishi::id::AccountId::parse(&stage.account_id()).unwrap();
    bury(&stage, ("event", "webhook"), 1, &message(&user, "1", "one").to_string());
    bury(
        &stage,
        ("delivery", "webhook"),
        2,
        &delivery(&json!([{ "broken": 1 }, message(&user, "2", "two")])),
    );
    let body = delivery(&json!([message(&user, "3", "three")]));
    let job = Job::Webhook { account: account.clone(), received_at: BEGIN, signature: String::new(), body };
    bury(&stage, ("job", "queue"), 3, &job.to_text());
    bury(&stage, ("ledger", "queue"), 4, &Job::Delivery { account, seq: 1 }.to_text());
    let listed = get(&stage, &format!("{LETTERS}?limit=3"));
    let of = |list: &Value| -> Vec<String> {
        list["dead_letters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of(&listed), ["event", "delivery", "job"]);
    let next = listed["next"].as_str().unwrap();
    assert_eq!(of(&get(&stage, &format!("{LETTERS}?limit=3&after={next}"))), ["ledger"]);
    assert_eq!(post(&stage, REPLAY_LETTERS, &json!({}))["replayed"], 4);
    stage.world.run_queues();
    assert_eq!(stage.count("chat_messages"), 3);
    let left = get(&stage, LETTERS);
    assert!(
        of(&left).iter().all(|id| !["event", "delivery", "job", "ledger"].contains(&id.as_str())),
        "{left}"
    );
}

#[test]
fn what_nobody_can_read_stays_is_named_and_stands_in_nobodys_way() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let other = Job::Webhook {
        account: enishi::id::AccountId::parse("another").unwrap(),
        received_at: BEGIN,
        signature: String::new(),
        body: delivery(&json!([message(&user, "9", "nine")])),
    };
    bury(&stage, ("a", "webhook"), 1, "not json");
    bury(&stage, ("b", "webhook"), 2, r#"{"type":"broken"}"#);
    bury(&stage, ("c", "queue"), 3, r#"{"v":9,"job":"from the future"}"#);
    bury(&stage, ("d", "queue"), 4, &other.to_text());
    bury(&stage, ("e", "webhook"), 5, &delivery(&json!([])));
    bury(&stage, ("f", "webhook"), 6, &message(&user, "1", "one").to_string());
    bury(&stage, ("g", "relay"), 7, &message(&user, "2", "two").to_string());
    let answer = post(&stage, REPLAY_LETTERS, &json!({}));
    assert_eq!((&answer["replayed"], &answer["refused"]), (&json!(1), &json!(["a", "b", "c", "d", "e"])));
    let again = post(&stage, REPLAY_LETTERS, &json!({ "after": answer["next"] }));
    assert_eq!(again, json!({ "replayed": 0, "refused": [], "next": null }));
    stage.world.run_queues();
    assert_eq!((stage.count("chat_messages"), stage.count("dead_letters")), (1, 6));
}

#[test]
fn a_letter_that_is_buried_again_while_it_is_replayed_is_not_lost() {
    let stage = Stage::new(1);
    let (world, account) = (&stage.world, enishi::id::AccountId::parse(&stage.account_id()).unwrap());
    let run = |statement: Statement| {
        world.run(world.one(&Database::default(), statement)).unwrap().unwrap().changes
    };
    let bury_at = |at: i64| {
        let why = ("webhook", "unreadable_event");
        dead_letter::write(Some(&account), why, "not json", &[], UnixMillis(at))
    };
    assert_eq!(run(bury_at(1)), 1);
    let id = get(&stage, LETTERS)["dead_letters"][0]["id"].as_str().unwrap().to_owned();
    // Put on the queue by the call; the consumer cannot read it and buries it at once; only then the call deletes.
    assert_eq!(run(bury_at(2)), 1);
    assert_eq!(run(delivery_shown::exhumed(&account, &[(&id, UnixMillis(1))])), 0);
    assert_eq!(stage.count("dead_letters WHERE at = 2"), 1);
    assert_eq!(run(delivery_shown::exhumed(&account, &[(&id, UnixMillis(2))])), 1);
}

#[test]
fn a_letter_that_no_message_holds_moves_to_the_ledger_in_one_step() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let large = "0".repeat(180_000);
    let events = json!([message(&user, "1", "あ@LARGE@"), message(&user, "2", "x")]);
    bury(&stage, ("a", "webhook"), BEGIN.0 + 1, &delivery(&events));
    // The queue refuses: the row waits, and cron knows it.
    stage.world.fail_next(Point::Queue, Fault::Refused, 1);
    assert_eq!(post(&stage, REPLAY_LETTERS, &json!({}))["replayed"], 1);
    assert_eq!(stage.count("dead_letters"), 0);
    let row = get(&stage, &format!("{DELIVERIES}/2"));
    assert_eq!(
        (&row["verdict"], &row["events"], &row["altered"]),
        (&json!("waiting"), &json!(2), &json!(true))
    );
    assert_eq!((&row["received_at"], &row["signature"]), (&json!((BEGIN + 1).rfc3339()), &json!(null)));
    assert!(row["body"].as_str().unwrap().contains(&large));
    stage.world.settle(5 * MINUTE);
    assert_eq!(stage.count("chat_messages"), 2);
    bury(&stage, ("b", "webhook"), BEGIN.0 + 2, &message(&user, "3", "@LARGE@").to_string());
    assert_eq!(post(&stage, REPLAY_LETTERS, &json!({ "ids": ["b"] }))["replayed"], 1);
    assert_eq!(queued(&stage), [3]);
    assert_eq!(
        get(&stage, &format!("{DELIVERIES}/3"))["body"],
        delivery(&json!([message(&user, "3", &large)]))
    );
    stage.world.run_queues();
    assert_eq!((stage.count("chat_messages"), stage.count("dead_letters")), (3, 0));
}

#[test]
fn letters_are_read_in_pieces_that_an_isolate_can_hold() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    for at in 1..=7 {
        let id = at.to_string();
        bury(&stage, (&id, "webhook"), at, &message(&user, &id, "@LARGE@@LARGE@").to_string());
    }
    let (mut after, mut replayed) = (json!({}), Vec::new());
    loop {
        let answer = post(&stage, REPLAY_LETTERS, &after);
        replayed.push(answer["replayed"].as_i64().unwrap());
        if answer["next"].is_null() {
            break;
        }
        after = json!({ "after": answer["next"] });
    }
    assert_eq!(replayed, [3, 3, 1, 0]);
    assert_eq!(stage.count("dead_letters"), 0);
}
