//! What came of LINE's webhooks by the hour: counted by the door and the consumer, and shown.

use enishi::time::{HOUR, SECOND};
use enishi_world::{ACCOUNT, BEGIN};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Stage, webhook};

const COUNTERS: &str = "/v1/webhooks/counters";

fn counters(stage: &Stage, query: &str) -> Value {
    let (status, body) = stage.api(&stage.shop, Method::GET, &format!("{COUNTERS}{query}"), None);
    assert_eq!(status, 200, "{body}");
    body
}

/// What an hour has of `deliveries` in two columns of lag.
fn hour(stage: &Stage, before: i64, columns: [(&str, i64); 2]) {
    let (account, at) = (stage.account_id(), BEGIN.0 - before * HOUR);
    let [(first, many), (second, few)] = columns;
    let deliveries = many + few;
    stage.world.execute(&format!(
        "INSERT INTO webhook_counts (account, hour, deliveries, events, duplicates, {first}, {second})
         VALUES ('{account}', {at}, {deliveries}, {deliveries} * 2, 3, {many}, {few})"
    ));
}

fn refused(stage: &Stage, before: i64, reason: &str, count: i64) {
    let (account, at) = (stage.account_id(), BEGIN.0 - before * HOUR);
    stage
        .world
        .execute(&format!("INSERT INTO webhook_refusals VALUES ('{account}', {at}, '{reason}', {count})"));
}

#[test]
fn hours_and_their_total_are_shown_from_the_oldest_with_refusals_by_reason_and_lag() {
    let stage = Stage::new(1);
    hour(&stage, 0, [("lag_100", 90), ("lag_60000", 10)]);
    hour(&stage, 23, [("lag_250", 899), ("lag_more", 1)]);
    hour(&stage, 24, [("lag_100", 1), ("lag_250", 1)]);
    refused(&stage, 0, "bad_signature", 2);
    refused(&stage, 5, "bad_signature", 1);
    refused(&stage, 5, "foreign_destination", 4);
    let shown = counters(&stage, "");
    assert_eq!(
        (&shown["from"], &shown["to"]),
        (&json!("2026-01-04T04:00:00.000Z"), &json!("2026-01-05T03:00:00.000Z"))
    );
    let total = json!({
        "deliveries": 1_000, "events": 2_000, "duplicates": 6, "refused": { "bad_signature": 3, "foreign_destination": 4 },
        "lag_p50_ms": 250, "lag_p99_ms": 60_000, "lag_over_60s": 1,
    });
    assert_eq!(shown["total"], total);
    let quiet = json!({
        "hour": "2026-01-04T22:00:00.000Z", "deliveries": 0, "events": 0, "duplicates": 0,
        "refused": { "bad_signature": 1, "foreign_destination": 4 },
        "lag_p50_ms": null, "lag_p99_ms": null, "lag_over_60s": 0,
    });
    let newest = json!({
        "hour": "2026-01-05T03:00:00.000Z", "deliveries": 100, "events": 200, "duplicates": 3,
        "refused": { "bad_signature": 2 }, "lag_p50_ms": 100, "lag_p99_ms": 60_000, "lag_over_60s": 0,
    });
    let hours = shown["hours"].as_array().unwrap();
    assert_eq!((hours.len(), &hours[1], &hours[2]), (3, &quiet, &newest));
    assert_eq!(shown["to_do"][0]["what"], "webhook_redelivery");
    assert_eq!(counters(&stage, "?hours=25")["total"]["deliveries"], 1_002);
    assert_eq!(counters(&stage, "?hours=1")["total"]["deliveries"], 100);
    assert_eq!(counters(&stage, "?hours=336")["hours"].as_array().unwrap().len(), 4);
}

#[test]
fn hours_are_a_number_and_another_shop_sees_its_own() {
    let stage = Stage::new(1);
    hour(&stage, 0, [("lag_100", 9), ("lag_250", 1)]);
    refused(&stage, 0, "bad_signature", 2);
    for hours in ["0", "337", "-1", "x", "1.5", "99999999999999999999"] {
        let path = format!("{COUNTERS}?hours={hours}");
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 400, "{hours}");
    }
    let other = stage.other_shop();
    let (_, body) = stage.api(&other, Method::GET, COUNTERS, None);
    assert_eq!((&body["hours"], &body["total"]["deliveries"]), (&json!([]), &json!(0)));
    assert_eq!(body["total"]["refused"], json!({}));
}

#[test]
fn what_the_door_and_the_consumer_saw_is_what_is_counted() {
    let stage = Stage::new(1);
    let user = stage.friend("花子");
    let event = json!({
        "type": "follow", "mode": "active", "timestamp": 5_000, "webhookEventId": "E1",
        "source": { "type": "user", "userId": user }, "deliveryContext": { "isRedelivery": false },
    });
    let body = json!({ "destination": ACCOUNT.bot_user_id, "events": [event] }).to_string();
    for _ in 0..2 {
        assert_eq!(stage.world.answer(webhook(&body)).status, 200);
        stage.world.advance(300);
        stage.world.run_queues();
    }
    // An isolate counts by itself, and writes every five seconds.
    let mut forged = webhook(&body);
    forged.headers.remove("x-line-signature");
    for _ in 0..3 {
        stage.world.advance(6 * SECOND);
        assert_eq!(stage.world.answer(forged.clone()).status, 401);
    }
    let total = counters(&stage, "?hours=1")["total"].clone();
    assert_eq!(
        (&total["deliveries"], &total["events"], &total["duplicates"]),
        (&json!(3), &json!(3), &json!(1))
    );
    assert_eq!(total["refused"], json!({ "bad_signature": 3 }));
    assert_eq!((&total["lag_p50_ms"], &total["lag_p99_ms"]), (&json!(500), &json!(500)));
}
