//! Follows and blocks in any order.

use std::collections::BTreeMap;

use enishi::time::{MINUTE, UnixMillis};
use enishi_world::{ACCOUNT, Disturbance};
use serde_json::{Value, json};

use super::{AT_ONCE, Evidence, ROUGH, evidence, text, user};
use crate::support::{Stage, for_each_seed_of, is_full, webhook};

/// Toggles of each user.
const TOGGLES: usize = 50;

#[test]
fn prove_friendships_are_those_of_the_newest_event_in_whatever_order_they_arrive() {
    let users = if is_full() { 1_000 } else { 60 };
    for_each_seed_of("friendships", 5, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        stage.takes_events();
        let begin = world.now().0;
        let mut newest: BTreeMap<String, Evidence> = BTreeMap::new();
        let mut events = Vec::new();
        for number in 0..users * TOGGLES {
            let (name, friend) = (user(number % users), world.below(2) == 0);
            // Few times for many events: most have others beside them in the same millisecond.
            let at = begin + i64::try_from(world.below(TOGGLES)).unwrap();
            let id = format!("{}{:08}{number:08}", UnixMillis(at).ulid(), world.below(100_000_000));
            let kind = if friend { "follow" } else { "unfollow" };
            events.push(json!({ "type": kind, "mode": "active", "timestamp": at, "webhookEventId": id,
                "source": { "type": "user", "userId": name }, "deliveryContext": { "isRedelivery": false } }));
            let known = newest.entry(name).or_default();
            if (known.0, &known.1) < (at, &id) {
                *known = (at, id, friend);
            }
        }
        for last in (1..events.len()).rev() {
            events.swap(last, world.below(last + 1));
        }
        world.disturb_queues(Disturbance { late: 2_000, shuffle: true, consumers: 3, ..ROUGH });
        let mut rest = events.as_slice();
        while !rest.is_empty() {
            for _ in 0..AT_ONCE {
                let (some, others) = rest.split_at(rest.len().min(1 + world.below(4)));
                rest = others;
                if !some.is_empty() {
                    let body = json!({ "destination": ACCOUNT.bot_user_id, "events": some }).to_string();
                    assert_eq!(world.answer(webhook(&body)).status, 200);
                }
            }
            world.advance(500);
            world.run_queues();
        }
        world.settle(MINUTE);
        let rows = world.query(
            "SELECT line_user_id AS u, subject, friend, friendship_at, friendship_event FROM line_users",
        );
        let known: BTreeMap<String, Evidence> =
            rows.iter().map(|row| (text(row, "u"), evidence(row))).collect();
        assert_eq!(known, newest, "seed {seed}");
        let told = told(&stage);
        for row in &rows {
            let last = &told[&text(row, "subject")];
            let friend = if row["friend"] == 1 { "friend.added" } else { "friend.blocked" };
            assert_eq!(
                (last.0, last.1.as_str()),
                (row["friendship_at"].as_i64().unwrap(), friend),
                "seed {seed}: {row}"
            );
        }
        vec![
            ("events", (users * TOGGLES) as u64),
            ("users", users as u64),
            ("told to the shop", world.shop_calls().len() as u64),
            ("in another state than the newest", 0),
        ]
    });
}

/// What the shop knows at last of each subject, if of all it was told it believes the newest `timestamp`, and of equal ones the
/// larger event: its time and its type.
fn told(stage: &Stage) -> BTreeMap<String, (i64, String)> {
    let mut told: BTreeMap<String, (i64, String, String)> = BTreeMap::new();
    for call in stage.world.shop_calls() {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let kind = text(&body, "type");
        let id = call.headers["webhook-id"].to_str().unwrap().to_owned();
        let id = id.strip_prefix(&format!("msg_{kind}.")).unwrap().to_owned();
        let at = UnixMillis::parse_rfc3339(&text(&body, "timestamp")).unwrap().0;
        let known = told.entry(text(&body["data"], "sub")).or_default();
        if (known.0, &known.1) < (at, &id) {
            *known = (at, id, kind);
        }
    }
    told.into_iter().map(|(sub, (at, _, kind))| (sub, (at, kind))).collect()
}
