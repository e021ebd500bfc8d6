//! The ledger of deliveries: what stands there of each, and what goes.

use enishi::time::{DAY, SECOND};
use enishi_world::{Fault, Point};
use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Stage,
    delivery::{delivery, event, message},
    webhook,
};

fn deliver(stage: &Stage, events: &Value) {
    assert_eq!(stage.world.answer(webhook(&delivery(events))).status, 200);
    stage.world.run_queues();
}

/// The verdicts, and how many events were known.
fn verdicts(stage: &Stage) -> Vec<(String, i64)> {
    let rows = stage.world.query("SELECT verdict, duplicates FROM webhook_deliveries ORDER BY seq");
    rows.iter()
        .map(|row| (row["verdict"].as_str().unwrap().to_owned(), row["duplicates"].as_i64().unwrap()))
        .collect()
}

fn bodies(stage: &Stage) -> Vec<String> {
    let rows = stage.world.query("SELECT body FROM webhook_deliveries ORDER BY seq");
    rows.iter().map(|row| row["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_delivery_is_a_row_as_line_signed_it_and_a_repeated_one_has_no_body() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let [first, second] = ["E1", "E2"].map(|id| event("follow", &user, id, 1_000));
    for events in [json!([first]), json!([first]), json!([first, second])] {
        deliver(&stage, &events);
    }
    assert_eq!(verdicts(&stage), [("applied".into(), 0), ("duplicate".into(), 1), ("applied".into(), 1)]);
    assert_eq!(bodies(&stage), [delivery(&json!([first])), String::new(), delivery(&json!([first, second]))]);
    let signed = stage.world.query("SELECT signature FROM webhook_deliveries WHERE seq = 1");
    let header = webhook(&delivery(&json!([first]))).headers["x-line-signature"].clone();
    assert_eq!(signed[0]["signature"], header.to_str().unwrap());
    let counts = stage.world.query("SELECT deliveries, events, duplicates, lag_100 FROM webhook_counts");
    assert_eq!(counts, [json!({ "deliveries": 3, "events": 4, "duplicates": 2, "lag_100": 3 })]);
}

#[test]
fn a_delivery_that_waited_in_the_ledger_says_how_late_it_was_and_what_was_known() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let [first, second] = ["E1", "E2"].map(|id| event("follow", &user, id, 1_000));
    deliver(&stage, &json!([first]));
    world.fail_next(Point::Queue, Fault::Refused, 2);
    assert_eq!(world.answer(webhook(&delivery(&json!([first, second])))).status, 200);
    assert_eq!(verdicts(&stage)[1].0, "waiting");
    world.settle(3 * 60 * SECOND);
    assert_eq!(verdicts(&stage)[1], ("applied".into(), 1));
    let lags =
        world.query("SELECT sum(lag_more) AS late, sum(deliveries) AS all_of_them FROM webhook_counts");
    assert_eq!(lags, [json!({ "late": 1, "all_of_them": 2 })]);
    assert_eq!(world.queued(), Vec::<String>::new());
}

#[test]
fn an_unsent_message_leaves_the_deliveries_that_brought_it_whichever_comes_first() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let unsend = |id: &str, event_id: &str, source: &Value| json!({ "type": "unsend", "timestamp": 9, "webhookEventId": event_id, "source": source, "unsend": { "messageId": id } });
    let alone = json!({ "type": "user", "userId": user });
    let group = json!({ "type": "group", "groupId": "C1", "userId": user });
    let mut in_group = message(&user, "33", "group secret", 1);
    in_group["source"] = group.clone();
    let mut edited = message(&user, "33", "edited secret", 2);
    edited["source"] = group.clone();
    edited["type"] = "messageEdited".into();
    edited["webhookEventId"] = "EDIT".into();
    let two = json!([message(&user, "11", "first secret", 1), message(&user, "12", "stays", 1)]);
    for events in [
        two,
        json!([unsend("11", "U1", &alone)]),
        json!([unsend("22", "U2", &alone)]),
        json!([message(&user, "22", "late secret", 3)]),
        json!([in_group]),
        json!([edited]),
        json!([unsend("33", "U3", &group)]),
    ] {
        deliver(&stage, &events);
    }
    let bodies = bodies(&stage);
    assert_eq!(bodies.iter().filter(|body| body.contains("secret")).count(), 0, "{bodies:#?}");
    assert!(bodies[0].contains("stays"), "{}", bodies[0]);
    let first: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(first["events"][0]["message"], json!({ "id": "11", "type": "text" }));
    let altered = stage.world.query("SELECT seq FROM webhook_deliveries WHERE altered = 1 ORDER BY seq");
    assert_eq!(altered, [1, 4, 5, 6].map(|seq| json!({ "seq": seq })));
}

#[test]
fn an_unsent_message_leaves_a_delivery_that_could_not_be_applied_too() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let events = json!([message(&user, "11", "secret", 1), { "type": "broken" }]);
    deliver(&stage, &events);
    assert_eq!(verdicts(&stage), [("unreadable".into(), 0)]);
    let unsend = json!({ "type": "unsend", "timestamp": 9, "webhookEventId": "U1",
        "source": { "type": "user", "userId": user }, "unsend": { "messageId": "11" } });
    deliver(&stage, &json!([unsend]));
    let left = &bodies(&stage)[0];
    assert!(left.contains("broken") && !left.contains("secret"), "{left}");
    assert_eq!(world.queued(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_parsed_by_the_database_stops_no_unsending() {
    let stage = Stage::new(1);
    let user = stage.person("花子");
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let mut odd = message(&user, "11", "secret", 1);
    odd["extra"] = "DEEP".into();
    let body = delivery(&json!([odd])).replace("\"DEEP\"", &deep);
    assert_eq!(stage.world.answer(webhook(&body)).status, 200);
    stage.world.run_queues();
    let unsend = json!({ "type": "unsend", "timestamp": 9, "webhookEventId": "U1",
        "source": { "type": "user", "userId": user }, "unsend": { "messageId": "11" } });
    deliver(&stage, &json!([unsend]));
    assert_eq!(stage.count("chat_messages WHERE unsent = 1 AND text IS NULL"), 1);
    assert!(bodies(&stage).iter().all(|body| !body.contains("secret")), "{:?}", bodies(&stage));
}

#[test]
fn refusals_are_counted_by_reason_without_a_store_call_for_each() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let mut bad = webhook(&delivery(&json!([])));
    bad.headers.insert("x-line-signature", "A".repeat(44).parse().unwrap());
    assert_eq!(world.answer(bad.clone()).status, 401);
    world.reset_calls();
    for _ in 0..50 {
        assert_eq!(world.answer(bad.clone()).status, 401);
    }
    assert!(world.calls().touched_no_store(), "{:?}", world.calls());
    world.advance(6 * SECOND);
    assert_eq!(world.answer(bad).status, 401);
    let counted = world.query("SELECT reason, count FROM webhook_refusals");
    assert_eq!(counted, [json!({ "reason": "bad_signature", "count": 52 })]);
}

#[test]
fn deliveries_go_after_two_weeks_but_for_the_newest_and_claims_after_a_month() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    for _ in 0..3 {
        let id = format!("{}0000000000000000", world.now().ulid());
        deliver(&stage, &json!([event("follow", &user, &id, world.now().0)]));
        world.advance(DAY);
    }
    world.advance(12 * DAY);
    world.tick();
    assert_eq!(
        world.query("SELECT seq FROM webhook_deliveries ORDER BY seq"),
        [json!({ "seq": 2 }), json!({ "seq": 3 })]
    );
    world.advance(30 * DAY);
    world.tick();
    assert_eq!(world.query("SELECT seq FROM webhook_deliveries"), [json!({ "seq": 3 })]);
    assert_eq!(stage.count("webhook_events"), 0);
    deliver(&stage, &json!([event("follow", &user, "E9", world.now().0)]));
    assert_eq!(world.query("SELECT max(seq) AS seq FROM webhook_deliveries"), [json!({ "seq": 4 })]);
}

/// A delivery of two users' messages that is too large for the queue; whether anything of the first is left of it.
fn names_after(stage: &Stage, verdict: &str, user: &str, other: &str) -> bool {
    let text = "x".repeat(60_000);
    let events = json!([message(user, "91", &text, 1), message(other, "92", &text, 1)]);
    assert_eq!(stage.world.answer(webhook(&delivery(&events))).status, 200);
    stage.world.settle(3 * 60 * 60 * SECOND);
    let rows =
        stage.world.query("SELECT verdict, altered, body FROM webhook_deliveries ORDER BY seq DESC LIMIT 1");
    assert_eq!(rows[0]["verdict"], verdict, "{}", rows[0]["verdict"]);
    let body = rows[0]["body"].as_str().unwrap();
    assert!(body.contains(other), "the other's event stays");
    body.contains(user)
}

#[test]
fn what_waited_says_nothing_of_who_was_erased_before_it_came() {
    for poisoned in [false, true] {
        let stage = Stage::new(1);
        let user = stage.member("m-1", "gold");
        let other = stage.friend("太郎");
        let erase = stage.api(&stage.shop, Method::DELETE, "/v1/members/m-1", None);
        assert_eq!(erase.0, 204);
        if poisoned {
            stage.world.execute(
                "CREATE TRIGGER poison BEFORE INSERT ON chat_messages BEGIN SELECT raise(ABORT, 'poison'); END",
            );
        }
        let verdict = if poisoned { "failed" } else { "applied" };
        assert!(!names_after(&stage, verdict, &user, &other), "{verdict}");
    }
}

#[test]
fn deliveries_of_an_account_that_does_not_open_are_kept_as_failed_and_come_to_life() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let config = world.query("SELECT config FROM accounts WHERE host = 'localhost'")[0]["config"].clone();
    assert_eq!(world.answer(webhook(&delivery(&json!([event("follow", &user, "E1", 1)])))).status, 200);
    world.execute("UPDATE accounts SET config = '{}', version = version + 1 WHERE host = 'localhost'");
    world.evict_isolate();
    for _ in 0..130 {
        world.run_queues();
        world.advance(60 * SECOND);
    }
    assert_eq!(verdicts(&stage), [("failed".into(), 0)]);
    let config = config.as_str().unwrap().replace('\'', "''");
    world.execute(&format!(
        "UPDATE accounts SET config = '{config}', version = version + 1 WHERE host = 'localhost'"
    ));
    world.evict_isolate();
    let again = json!({ "verdict": "failed" });
    assert_eq!(stage.api(&stage.shop, Method::POST, "/v1/webhooks/replay", Some(&again)).0, 202);
    world.run_queues();
    assert_eq!(verdicts(&stage), [("applied".into(), 0)]);
    assert_eq!(stage.count("line_users WHERE friend = 1"), 1);
}
