//! Sends: their states, whom they leave out, what they may cost, messages of one's own.

mod left_out;
mod personal;
mod quota;
mod shown;
mod states;
mod storm;

use enishi_world::line_simulator::{self, FaultKind, UserId};
use http::Method;
use serde_json::{Value, json};

use crate::support::{MULTICAST, PUSH, Stage};

/// A send to the gold members, with more.
fn gold(with: &Value) -> Value {
    let mut body = json!({
        "rule": { "attribute": "rank", "equals": "gold" },
        "messages": [{ "type": "text", "text": "こんにちは" }],
    });
    for (name, value) in with.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Makes a send; its id.
fn make(stage: &Stage, body: &Value) -> String {
    let (status, made) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(body));
    assert_eq!(status, 202, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

/// `POST /v1/sends/{id}/{action}`; the status and the state then, or the error.
fn act(stage: &Stage, id: &str, action: &str) -> (u16, String) {
    let (status, body) = stage.api(&stage.shop, Method::POST, &format!("/v1/sends/{id}/{action}"), None);
    let word = body["state"].as_str().or(body["error"].as_str()).unwrap();
    (status, word.to_owned())
}

fn did(state: &str) -> (u16, String) {
    (202, state.to_owned())
}

fn show(stage: &Stage, id: &str) -> Value {
    let (status, send) = stage.api(&stage.shop, Method::GET, &format!("/v1/sends/{id}"), None);
    assert_eq!(status, 200, "{send}");
    send
}

fn state(stage: &Stage, id: &str) -> String {
    show(stage, id)["state"].as_str().unwrap().to_owned()
}

/// How many messages each has.
fn had(stage: &Stage, users: &[UserId]) -> Vec<usize> {
    users.iter().map(|user| stage.received(user)).collect()
}

/// The next calls of this path meet this fault.
fn fault(stage: &Stage, path: &str, kind: FaultKind, status: Option<u16>, times: u32) {
    let path = path.to_owned();
    stage.world.line().add_fault(line_simulator::Fault { path, times, kind, status, ms: None });
}

/// `PUT /v1/send-settings`.
fn settings(stage: &Stage, body: &Value) {
    let (status, answer) = stage.api(&stage.shop, Method::PUT, "/v1/send-settings", Some(body));
    assert_eq!(status, 200, "{answer}");
}

/// Says whom a send left out, by reason.
fn left_out(stage: &Stage, id: &str) -> Value {
    show(stage, id)["excluded_by"].clone()
}

/// Calls of multicast so far.
fn calls(stage: &Stage) -> usize {
    stage.answers_of(MULTICAST).len()
}
