//! Counts, units and figures of what was sent; the month's quota; too many pushes to one user.

use http::Request;
use line_simulator::UserId;
use serde_json::{Value, json};

use crate::{Line, body_of, config, text};

const PUSH: &str = "/v2/bot/message/push";
const MULTICAST: &str = "/v2/bot/message/multicast";
const DAY: i64 = 86_400_000;

impl Line {
    fn later(&mut self, days: i64) {
        self.now += days * DAY;
        self.renew();
    }

    fn value(&mut self, path: &str) -> Value {
        let reply = self.read(path);
        assert_eq!(reply.status(), 200, "{path}: {}", body_of(&reply));
        body_of(&reply)
    }

    fn friends(&mut self, count: usize) -> Vec<UserId> {
        (0..count).map(|number| self.friend(&number.to_string())).collect()
    }

    fn script(&mut self, path: &str, body: &Value) -> u16 {
        self.json(path, body).status().as_u16()
    }
}

fn figures(unit: &str, from: &str, to: &str) -> String {
    format!("/v2/bot/insight/message/event/aggregation?customAggregationUnit={unit}&from={from}&to={to}")
}

#[test]
fn a_unit_has_figures_that_grow_for_a_fortnight_and_small_ones_are_kept_back() {
    let mut line = Line::new();
    let users = line.friends(100);
    let shop = json!({ "type": "uri", "label": "見る", "uri": "https://shop.example/" });
    let buttons = json!({ "type": "template", "altText": "a", "template": { "type": "buttons", "text": "a", "actions": [shop] } });
    let body =
        json!({ "to": users, "messages": [text("a")[0], buttons], "customAggregationUnits": ["autumn"] });
    assert_eq!(line.call(MULTICAST, &body).status(), 200);
    let path = figures("autumn", "20260101", "20260131");
    let first = line.value(&path);
    assert_eq!(first["overview"]["uniqueImpression"], 30);
    assert_eq!(first["overview"]["uniqueClick"], Value::Null, "5 people are kept back");
    line.later(14);
    assert_eq!(line.script("/sim/insight", &json!({ "opens": 80, "clicks": 40 })), 200);
    let later = line.value(&path);
    assert_eq!(
        later["overview"],
        json!({ "uniqueImpression": 80, "uniqueClick": 40, "uniqueMediaPlayed": null, "uniqueMediaPlayed100Percent": null })
    );
    assert_eq!(later["messages"].as_array().unwrap().len(), 2);
    assert_eq!(
        later["clicks"],
        json!([{ "seq": 2, "url": "https://shop.example/", "click": 44, "uniqueClick": 40, "uniqueClickOfRequest": 40 }])
    );
    let other = line.value(&figures("Autumn", "20260101", "20260131"));
    assert_eq!((&other["overview"]["uniqueImpression"], &other["messages"]), (&Value::Null, &json!([])));
    assert_eq!(line.value(&figures("autumn", "20251201", "20251231"))["messages"], json!([]));
    assert!(line.sim.violations().is_empty());
}

#[test]
fn figures_want_a_unit_and_at_most_31_days() {
    let mut line = Line::new();
    for (unit, from, to) in [
        ("", "20260101", "20260102"),
        ("a-b", "20260101", "20260102"),
        ("a", "2026-01-01", "20260102"),
        ("a", "20260230", "20260302"),
        ("a", "20260101", "20260201"),
        ("a", "20260102", "20260101"),
        ("a", "20260101", ""),
    ] {
        assert_eq!(line.read(&figures(unit, from, to)).status(), 400, "{unit} {from} {to}");
    }
    assert_eq!(line.read(&figures("a", "20260101", "20260131")).status(), 200);
}

#[test]
fn figures_may_be_asked_sixty_times_an_hour() {
    let mut line = Line::new();
    let path = figures("a", "20260101", "20260131");
    assert!((0..60).all(|_| line.read(&path).status() == 200));
    assert_eq!(line.read(&path).status(), 429);
}

#[test]
fn the_1001st_unit_of_a_month_is_dropped_without_a_word_and_the_names_are_listed_page_by_page() {
    let mut line = Line::new();
    let user = line.friend("花子");
    for number in 0..1_001 {
        let body = json!({ "to": [user], "messages": text("a"), "customAggregationUnits": [format!("u{number:04}")] });
        line.now += 10;
        assert_eq!(line.call(MULTICAST, &body).status(), 200);
    }
    let info = line.value("/v2/bot/message/aggregation/info");
    assert_eq!(info, json!({ "numOfCustomAggregationUnits": 1_000 }));
    let (mut path, mut names) = ("/v2/bot/message/aggregation/list?limit=100".to_owned(), Vec::new());
    loop {
        let page = line.value(&path);
        names.extend(page["customAggregationUnits"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v2/bot/message/aggregation/list?limit=100&start={next}");
    }
    assert_eq!((names.len(), &names[999]), (1_000, &json!("u0999")));
    let wrong = line.read("/v2/bot/message/aggregation/list?start=x");
    assert_eq!(
        (wrong.status().as_u16(), body_of(&wrong)["message"].as_str()),
        (400, Some("Invalid start param"))
    );
    assert_eq!(line.read("/v2/bot/message/aggregation/list?limit=101").status(), 400);
    assert_eq!(line.value(&figures("u1000", "20260101", "20260131"))["messages"], json!([]));
    assert_eq!(
        line.value(&figures("u0000", "20260101", "20260131"))["messages"].as_array().unwrap().len(),
        1
    );
    line.later(31);
    assert_eq!(line.value("/v2/bot/message/aggregation/info"), json!({ "numOfCustomAggregationUnits": 0 }));
}

#[test]
fn a_unit_is_one_name_of_letters_digits_and_underscores() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let long = "a".repeat(31);
    for units in [json!(["a", "b"]), json!(["a-b"]), json!([""]), json!([long]), json!("a"), json!([1])] {
        let body = json!({ "to": user, "messages": text("a"), "customAggregationUnits": units });
        assert_eq!(line.call(PUSH, &body).status(), 400, "{units}");
    }
    assert!(line.sim.chat(&user).is_empty());
}

#[test]
fn counts_of_a_day_are_ready_the_day_after() {
    let mut line = Line::new();
    let users = line.friends(3);
    line.call(MULTICAST, &json!({ "to": users, "messages": text("a") }));
    line.call(PUSH, &json!({ "to": users[0], "messages": text("a") }));
    let path = |method: &str, date: &str| format!("/v2/bot/message/delivery/{method}?date={date}");
    assert_eq!(line.value(&path("multicast", "20260101")), json!({ "status": "unready" }));
    line.later(1);
    assert_eq!(line.value(&path("multicast", "20260101")), json!({ "status": "ready", "success": 3 }));
    assert_eq!(line.value(&path("push", "20260101")), json!({ "status": "ready", "success": 1 }));
    assert_eq!(line.value(&path("reply", "20260101")), json!({ "status": "ready", "success": 0 }));
    assert_eq!(line.value(&path("push", "20180330")), json!({ "status": "out_of_service" }));
    assert_eq!(line.read(&path("push", "20260132")).status(), 400);
    assert_eq!(line.read("/v2/bot/message/delivery/narrowcast?date=20260101").status(), 404);
}

#[test]
fn friends_are_counted_for_days_that_are_over() {
    let mut line = Line::new();
    let users = line.friends(3);
    line.sim.unfollow(line.now, &users[0]).unwrap();
    let ready = json!({ "status": "ready", "followers": 3, "targetedReaches": 2, "blocks": 1 });
    assert_eq!(line.value("/v2/bot/insight/followers?date=20251231"), ready);
    assert_eq!(line.value("/v2/bot/insight/followers?date=20260101"), json!({ "status": "unready" }));
    assert_eq!(line.read("/v2/bot/insight/followers").status(), 400);
}

#[test]
fn the_quota_is_set_by_script_and_what_others_used_counts() {
    let mut line = Line::with(config(false, None));
    let users = line.friends(3);
    assert_eq!(line.script("/sim/quota", &json!({ "quota": 10, "used": 8 })), 200);
    assert_eq!(line.value("/v2/bot/message/quota"), json!({ "type": "limited", "value": 10 }));
    assert_eq!(line.value("/v2/bot/message/quota/consumption"), json!({ "totalUsage": 8 }));
    let refused = line.call(MULTICAST, &json!({ "to": users, "messages": text("a") }));
    assert_eq!(body_of(&refused)["message"], "You have reached your monthly limit.");
    assert_eq!(line.call(MULTICAST, &json!({ "to": users[..2], "messages": text("a") })).status(), 200);
    assert_eq!(line.value("/v2/bot/message/quota/consumption"), json!({ "totalUsage": 10 }));
    assert_eq!(line.script("/sim/quota", &json!({ "quota": null })), 200);
    assert_eq!(line.value("/v2/bot/message/quota"), json!({ "type": "none" }));
    assert_eq!(line.script("/sim/quota", &json!({ "quotas": 1 })), 400);
}

#[test]
fn too_many_pushes_to_one_user_are_429_for_that_user_alone() {
    let mut line = Line::new();
    let (one, two) = (line.friend("一"), line.friend("二"));
    let push =
        |line: &mut Line, to: &UserId| line.call(PUSH, &json!({ "to": to, "messages": text("a") })).status();
    assert!((0..100).all(|_| push(&mut line, &one) == 200));
    assert_eq!(push(&mut line, &one), 429);
    assert_eq!(push(&mut line, &two), 200);
    line.now += 60_000;
    assert_eq!(push(&mut line, &one), 200);
    assert!(line.sim.violations().is_empty());
}

#[test]
fn the_busiest_second_of_an_endpoint_can_be_asked_for() {
    let mut line = Line::new();
    let user = line.friend("一");
    for number in 0..250 {
        line.now += if number == 100 { 500 } else { 0 };
        line.call(MULTICAST, &json!({ "to": [user], "messages": text("a") }));
    }
    let multicasts = line.sim.busiest("2000000001", "multicast");
    let rates = Request::get("/sim/rates").body(Vec::new()).unwrap();
    let rates = body_of(&line.send(rates));
    assert_eq!(multicasts, 250);
    let expected = json!({ "channelId": "2000000001", "endpoint": "multicast", "calls": 250 });
    assert!(rates["busiest"].as_array().unwrap().contains(&expected));
}
