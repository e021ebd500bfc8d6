//! Whether customers, claims, ledger and counters are as the model says.

use std::collections::{BTreeMap, BTreeSet};

use enishi_world::{ACCOUNT, line_simulator::sign};
use serde_json::{Value, json};

use super::{Evidence, Kept, Model, Original, evidence, text};
use crate::support::{Figures, Stage};

/// What is known of customers is what the model says.
pub(super) fn compare(stage: &Stage, model: &Model, seed: u64) {
    let world = &stage.world;
    assert_eq!(world.queued(), Vec::<String>::new(), "seed {seed}");
    let rows = world
        .query("SELECT webhook_event_id AS id FROM webhook_events WHERE NOT instr(webhook_event_id, '/')");
    let claims: BTreeSet<String> = rows.iter().map(|row| text(row, "id")).collect();
    let differ: Vec<&String> = claims.symmetric_difference(&model.claims).take(3).collect();
    assert_eq!((differ, rows.len()), (vec![], model.claims.len()), "seed {seed}: claims");
    let rows = world.query("SELECT line_user_id AS u FROM line_users ORDER BY u");
    assert!(rows.iter().map(|row| text(row, "u")).eq(model.seen.iter().cloned()), "seed {seed}: users");
    let rows = world.query(
        "SELECT line_user_id AS u, friend, friendship_at, friendship_event FROM line_users \
         WHERE friendship_event <> '' ORDER BY u",
    );
    let friends: BTreeMap<String, Evidence> =
        rows.iter().map(|row| (text(row, "u"), evidence(row))).collect();
    assert_eq!(friends, model.friends, "seed {seed}");
    let rows = world.query(
        "SELECT u.line_user_id AS u, m.message_id AS id, m.text, m.unsent FROM chat_messages m \
         LEFT JOIN line_users u ON u.id = m.line_user",
    );
    let messages: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let kept = Kept { text: row["text"].as_str().map(str::to_owned), unsent: row["unsent"] == 1 };
            ((row["u"].as_str().map(str::to_owned), text(row, "id")), kept)
        })
        .collect();
    let wrong = messages.iter().find(|(key, kept)| model.messages.get(key) != Some(kept));
    assert_eq!((wrong, messages.len()), (None, model.messages.len()), "seed {seed}");
}

/// The ledger has each delivery once with its body as LINE signed it, but for what was unsent; and repeats without.
pub(super) fn ledger(stage: &Stage, model: &Model, originals: &[Original], seed: u64) -> Figures {
    let world = &stage.world;
    let by_first: BTreeMap<&str, &Original> =
        originals.iter().map(|original| (original.ids[0].as_str(), original)).collect();
    let mut found = BTreeSet::new();
    let (mut repeats, mut altered, mut torn) = (0, 0, 0);
    let rows = world.query("SELECT seq, verdict, events, duplicates, signature, altered, loose, body FROM webhook_deliveries ORDER BY seq");
    for row in &rows {
        let (verdict, body) = (text(row, "verdict"), text(row, "body"));
        if body.is_empty() {
            assert_eq!(verdict, "duplicate", "seed {seed}: {row}");
            repeats += 1;
            continue;
        }
        assert_eq!(verdict, "applied", "seed {seed}: {row}");
        let read: Value = serde_json::from_str(&body).unwrap();
        let events = read["events"].as_array().unwrap();
        let original = by_first[events[0]["webhookEventId"].as_str().unwrap()];
        // One that LINE sent twice lies twice where a fault tore the first: then each was new in part, and no claim leads to both.
        if !found.insert(original.ids[0].as_str()) {
            assert_eq!(row["loose"], 1, "seed {seed}: {} lies twice", original.ids[0]);
            torn += 1;
        }
        let again = events[0]["deliveryContext"]["isRedelivery"] == true;
        if row["altered"] == 0 {
            assert_eq!(body, original.body(again), "seed {seed}");
            assert_eq!(
                text(row, "signature"),
                sign(ACCOUNT.messaging_secret, body.as_bytes()),
                "seed {seed}"
            );
        }
        let mut blank = false;
        let mut should: Value = serde_json::from_str(&original.body(again)).unwrap();
        for event in should["events"].as_array_mut().unwrap() {
            let id = event["message"]["id"].as_str().unwrap_or_default().to_owned();
            if model.unsent.contains(&id) {
                event["message"] = json!({ "id": id, "type": "text" });
                blank = true;
            }
        }
        assert_eq!((read, row["altered"] == 1), (should, blank), "seed {seed}: {row}");
        altered += u64::from(blank);
    }
    assert_eq!(found.len(), originals.len(), "seed {seed}: deliveries with their body");
    assert_eq!(stage.count("dead_letters") + stage.count("webhook_refusals"), 0, "seed {seed}");
    let counts = &world.query(
        "SELECT sum(deliveries) AS deliveries, sum(events) AS events, sum(duplicates) AS duplicates, \
           sum(lag_100 + lag_250 + lag_500 + lag_1000 + lag_2500 + lag_5000 + lag_15000 + lag_60000 + lag_more) AS lags \
         FROM webhook_counts",
    )[0];
    let number = |name: &str| usize::try_from(counts[name].as_i64().unwrap()).unwrap();
    assert_eq!(number("events") - number("duplicates"), model.claims.len(), "seed {seed}: {counts}");
    assert_eq!(number("deliveries"), number("lags"), "seed {seed}: {counts}");
    // What waits in the ledger may be counted again where two consumers have it at once, or one dies before it says that it is done.
    let again = number("deliveries").checked_sub(rows.len()).unwrap();
    assert!(again as u64 <= world.faults_struck(), "seed {seed}: {counts}, {}", rows.len());
    assert!(torn <= world.faults_struck(), "seed {seed}: {torn}");
    vec![("repeats", repeats), ("torn", torn), ("with something unsent", altered)]
}
