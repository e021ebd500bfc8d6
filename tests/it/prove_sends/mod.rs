//! Sends against the stand-in's own count: whatever fails, nobody gets two, whoever gets none has a reason on record, LINE's
//! limits are kept, and accounts are in nobody's way.

mod fair;
mod faults;
mod foreign;
mod quota;
mod rate;

use std::collections::HashMap;

use enishi_world::{
    Disturbance,
    line_simulator::{Simulator, UserId},
};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, Stage};

/// Queues that are late, in disorder, and deliver some things twice.
const ROUGH: Disturbance = Disturbance { duplicates: 0.05, late: 3_000, shuffle: true, consumers: 8 };

/// The body of a send to one rank.
fn to(rank: &str) -> Value {
    json!({ "rule": { "attribute": "rank", "equals": rank }, "messages": [{ "type": "text", "text": "a" }] })
}

/// Makes a send, calling again until it is accepted; its id.
fn make(stage: &Stage, shop: &Shop, body: &Value, key: &str) -> String {
    loop {
        let headers = [("idempotency-key", key)];
        let (status, made) = stage.api_with(shop, Method::POST, "/v1/sends", Some(body), &headers);
        match status {
            202 => return made["id"].as_str().unwrap().to_owned(),
            500 | 503 => stage.world.advance(1_000),
            _ => panic!("{status}: {made}"),
        }
    }
}

/// `POST /v1/sends/{id}/{action}`, whatever comes of it.
fn act(stage: &Stage, id: &str, action: &str) -> u16 {
    stage.api(&stage.shop, Method::POST, &format!("/v1/sends/{id}/{action}"), None).0
}

fn shown(stage: &Stage, shop: &Shop, id: &str) -> Value {
    let (status, send) = stage.api(shop, Method::GET, &format!("/v1/sends/{id}"), None);
    assert_eq!(status, 200, "{send}");
    send
}

/// How often LINE accepted a call with each user, by its own count.
fn accepted(line: &Simulator) -> HashMap<UserId, usize> {
    let mut times = HashMap::new();
    for place in line.accepted_calls().iter().flat_map(|call| &call.named) {
        *times.entry(line.users()[*place].id.clone()).or_default() += 1;
    }
    times
}

/// What we know of each recipient of a send: the outcome of their receipt.
fn receipts(stage: &Stage) -> HashMap<UserId, Vec<i64>> {
    let rows = stage.world.query(
        "SELECT u.line_user_id AS user, r.outcome FROM receipts r JOIN line_users u ON u.id = r.line_user",
    );
    let mut receipts: HashMap<UserId, Vec<i64>> = HashMap::new();
    for row in rows {
        let user = row["user"].as_str().unwrap();
        receipts.entry(user.into()).or_default().push(row["outcome"].as_i64().unwrap());
    }
    receipts
}
