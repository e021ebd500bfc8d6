//! Relays: tools behind us that get LINE's deliveries as LINE sent them, in sequence, each at its own pace.

mod api;
mod door;
mod midst;
mod prove;
mod runs;
mod sending;

use enishi::{
    id::AccountId,
    platform::{Database, Platform as _, PlatformError},
    store::{Disposition, Queue, Statement, relay},
    time::{DAY, HOUR, MINUTE, SECOND},
};
use enishi_world::{ACCOUNT, Disturbance, Fault, ShopCall, ShopOutcome, line_simulator::sign};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Stage, for_each_seed};

const ONE: &str = "https://one.example/line";
const TWO: &str = "https://two.example/line";

fn api(stage: &Stage, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
    stage.api(&stage.shop, method, &format!("/v1/webhooks/relays{path}"), body)
}

/// A tool at this address, and a relay to it; the relay's id.
fn relay_to(stage: &Stage, url: &str, with: &Value) -> String {
    stage.world.shop_server(url);
    let mut body = json!({ "url": url });
    for (name, value) in with.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, made) = api(stage, Method::POST, "", Some(&body));
    assert_eq!(status, 201, "{made}");
    stage.world.run_queues();
    made["id"].as_str().unwrap().to_owned()
}

fn shown(stage: &Stage, id: &str) -> Value {
    let (status, relay) = api(stage, Method::GET, &format!("/{id}"), None);
    assert_eq!(status, 200, "{relay}");
    relay
}

fn patch(stage: &Stage, id: &str, with: &Value) -> Value {
    let (status, relay) = api(stage, Method::PATCH, &format!("/{id}"), Some(with));
    assert_eq!(status, 200, "{relay}");
    relay
}

/// A body as LINE sends it; `number` makes it another.
fn body(number: usize) -> String {
    json!({ "destination": ACCOUNT.bot_user_id, "events": [{
        "type": "message", "mode": "active", "timestamp": 1, "webhookEventId": format!("EVENT{number:06}"),
        "message": { "type": "text", "id": number.to_string(), "text": "こんにちは" },
    }] })
    .to_string()
}

/// Writes deliveries into the ledger and wakes relays, in one batch, as the consumer does.
async fn write(stage: &Stage, numbers: impl IntoIterator<Item = usize>) -> Result<(), PlatformError> {
    let world = &stage.world;
    let account = AccountId::parse(&stage.account_id()).unwrap();
    let now = world.now();
    let insert = |number: usize| {
        let body = body(number);
        Statement::new(
            "INSERT INTO webhook_deliveries (account, seq, received_at, applied_at, verdict, events, signature, body) \
             SELECT ?1, coalesce((SELECT seq FROM webhook_deliveries WHERE account = ?1 AND seq > 0 \
               ORDER BY seq DESC LIMIT 1), 0) + 1, ?2, ?2, 'applied', 1, ?3, ?4",
        )
        .bind(&account)
        .bind(now)
        .bind(sign(ACCOUNT.messaging_secret, body.as_bytes()))
        .bind(body)
    };
    let mut statements: Vec<Statement> = numbers.into_iter().map(insert).collect();
    statements.push(relay::wake(&account, now));
    let outcomes = world.batch(&Database::default(), statements).await?;
    let jobs = relay::woken(&account, &outcomes);
    if !jobs.is_empty() {
        // What the queue refuses, cron finds.
        let _ = world.enqueue(&jobs).await;
    }
    Ok(())
}

fn apply(stage: &Stage, numbers: impl IntoIterator<Item = usize>) {
    stage.world.run(write(stage, numbers)).unwrap().unwrap();
}

/// The calls that reached a tool.
fn calls_at(stage: &Stage, url: &str) -> Vec<ShopCall> {
    stage.world.shop_calls().into_iter().filter(|call| call.url == url).collect()
}

/// The numbers of the deliveries that a tool took, in the order of arrival.
fn taken(stage: &Stage, url: &str) -> Vec<usize> {
    let calls = calls_at(stage, url);
    let taken = calls.iter().filter(|call| call.outcome == ShopOutcome::Status(StatusCode::OK));
    taken.map(number_of).collect()
}

fn number_of(call: &ShopCall) -> usize {
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    body["events"][0]["webhookEventId"].as_str().unwrap().trim_start_matches("EVENT").parse().unwrap()
}

/// Everything arrived in order; says how often something was repeated, which is the one before each time.
fn repeats(numbers: &[usize], of: std::ops::Range<usize>) -> usize {
    let mut distinct = numbers.to_vec();
    distinct.dedup();
    assert_eq!(distinct, of.collect::<Vec<_>>(), "in order, nothing skipped, nothing later once more");
    numbers.len() - distinct.len()
}

fn fails_with(stage: &Stage, url: &str, status: u16) {
    stage.world.answer_shop_calls_at(url, ShopOutcome::Status(StatusCode::from_u16(status).unwrap()));
}

fn recovers(stage: &Stage, url: &str) {
    fails_with(stage, url, 200);
}
