//! How long events are kept, and how many there are.

use enishi::time::{DAY, MINUTE};
use http::Method;
use serde_json::{Value, json};

use super::{event, post};
use crate::support::Stage;

fn keep(stage: &Stage, kind: &str, days: i64) -> (u16, Value) {
    let body = json!({ "retention_days": days });
    stage.api(&stage.shop, Method::PUT, &format!("/v1/event-types/{kind}"), Some(&body))
}

/// Events by type and day, as they are and as they are counted, are the same.
pub(crate) fn days_are_exact(stage: &Stage) {
    let counted = stage.world.query("SELECT account, type, day, events FROM event_days ORDER BY 1, 2, 3");
    let there = stage.world.query(
        "SELECT account, type, occurred_at / 86400000 AS day, count(*) AS events FROM events GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    );
    assert_eq!(counted, there);
}

#[test]
fn a_type_says_how_long_its_events_are_kept_and_what_is_older_is_refused() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let (status, kind) = stage.api(&stage.shop, Method::GET, "/v1/event-types/visited", None);
    let usual =
        json!({ "type": "visited", "built_in": false, "about": null, "retention_days": 400, "events": 0 });
    assert_eq!((status, kind), (200, usual));
    assert_eq!(keep(&stage, "visited", 30).0, 200);
    let answer =
        post(&stage, &[event("e-1", "m-1", now + -30 * DAY), event("e-2", "m-1", now + (-30 * DAY - 1))]);
    assert_eq!((&answer["accepted"], &answer["results"][1]["field"]), (&json!(1), &json!("occurred_at")));
    let (_, kind) = stage.api(&stage.shop, Method::GET, "/v1/event-types/visited", None);
    assert_eq!((&kind["retention_days"], &kind["events"]), (&json!(30), &json!(1)));
    assert_eq!(keep(&stage, "visited", 500).0, 200);
    assert_eq!(post(&stage, &[event("e-2", "m-1", now + -450 * DAY)])["accepted"], json!(1));
}

#[test]
fn what_is_older_goes_in_pieces_and_its_days_with_it() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let other = stage.other_shop();
    for (kind, number) in [("visited", 1_500), ("left", 300)] {
        let events: Vec<Value> = (0..number)
            .map(|at| {
                let mut event = event(&format!("{kind}-{at}"), "m-1", now + -(at % 60) * DAY);
                event["type"] = json!(kind);
                event
            })
            .collect();
        for some in events.chunks(1_000) {
            post(&stage, some);
        }
    }
    stage.api(
        &other,
        Method::POST,
        "/v1/events",
        Some(&json!({ "events": [event("e", "m", now + -50 * DAY)] })),
    );
    days_are_exact(&stage);
    assert_eq!(keep(&stage, "visited", 10).0, 200);
    assert_eq!(keep(&stage, "left", 30).0, 200);
    let mut left = vec![stage.count("events")];
    while left.len() < 2 || left[left.len() - 2] != left[left.len() - 1] {
        stage.world.advance(MINUTE);
        stage.world.tick();
        days_are_exact(&stage);
        left.push(stage.count("events"));
    }
    assert_eq!(
        left,
        [1_801, 801, 401, 401],
        "10 of 60 days are left of 1,500, 30 of 300, and the other shop's"
    );
    assert_eq!(stage.count("event_days WHERE events <= 0"), 0);
}

#[test]
fn types_are_listed_in_pages_with_their_numbers() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let mut own = event("e-1", "m-1", now);
    own["type"] = json!("a.visit");
    post(&stage, &[own, event("e-2", "m-1", now), event("e-3", "m-1", now + -DAY)]);
    keep(&stage, "zzz", 7);
    let mut names = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/event-types?limit=4{after}");
        let (status, page) = stage.api(&stage.shop, Method::GET, &path, None);
        assert_eq!(status, 200, "{page}");
        let types = page["event_types"].as_array().unwrap();
        names.extend(types.iter().map(|kind| {
            (
                kind["type"].as_str().unwrap().to_owned(),
                kind["events"].as_i64().unwrap(),
                kind["built_in"] == true,
            )
        }));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names.len(), 15, "twelve built in and three of the shop's own");
    for own in [("a.visit", 1), ("visited", 2), ("zzz", 0)] {
        assert!(names.contains(&(own.0.to_owned(), own.1, false)), "{own:?}");
    }
}
