//! Customer events: what members do in the shop, put in by the shop.

pub(crate) mod hostile;
mod kept;
mod prove;

pub(crate) use kept::days_are_exact;

use enishi::{
    event::{BUILT_IN, Property, Type},
    time::{DAY, MINUTE, UnixMillis},
};
use enishi_world::Fault;
use http::Method;
use serde_json::{Value, json};

use crate::{
    erase::{erase, found},
    support::{Shop, Stage, json_body},
};

/// An event of the shop's own type at this time.
pub(crate) fn event(id: &str, member: &str, at: UnixMillis) -> Value {
    json!({ "id": id, "member_id": member, "type": "visited", "occurred_at": at.rfc3339() })
}

/// `POST /v1/events`.
pub(crate) fn post(stage: &Stage, events: &[Value]) -> Value {
    post_at(stage, &stage.shop, events)
}

fn post_at(stage: &Stage, shop: &Shop, events: &[Value]) -> Value {
    let (status, answer) = stage.api(shop, Method::POST, "/v1/events", Some(&json!({ "events": events })));
    assert_eq!(status, 200, "{answer}");
    answer
}

/// What became of each line: its result, and the field if it was refused.
fn results(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let results = answer["results"].as_array().unwrap();
    assert!(results.iter().enumerate().all(|(index, result)| result["index"] == json!(index)), "{answer}");
    for name in ["accepted", "repeated", "refused"] {
        let number = results.iter().filter(|result| result["result"] == name).count();
        assert_eq!(answer[name], json!(number), "{answer}");
    }
    results.iter().map(|result| (text(&result["result"]), text(&result["field"]))).collect()
}

#[test]
fn an_event_counts_once_and_makes_its_member_known() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let events = [event("e-1", "m-1", now), event("e-2", "m-1", now + -DAY), event("e-3", "m-2", now)];
    let answer = post(&stage, &events);
    assert_eq!((&answer["accepted"], results(&answer).len()), (&json!(3), 3));
    let again = post(&stage, &events);
    assert_eq!((&again["repeated"], &again["results"][0]["differs"]), (&json!(3), &json!(null)), "{again}");
    assert_eq!((stage.count("events"), stage.count("members")), (3, 2));
    let days = stage.world.query("SELECT sum(events) AS n, count(*) AS days FROM event_days");
    assert_eq!(days, [json!({ "n": 3, "days": 2 })]);
}

#[test]
fn the_same_id_with_another_content_changes_nothing_and_is_said() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let first = event("e-1", "m-1", now);
    post(&stage, std::slice::from_ref(&first));
    for (name, value) in [
        ("member_id", json!("m-2")),
        ("type", json!("left")),
        ("occurred_at", json!((now + -1).rfc3339())),
        ("properties", json!({ "page": 1 })),
    ] {
        let mut other = first.clone();
        other[name] = value;
        let answer = post(&stage, &[other]);
        assert_eq!(answer["results"][0]["result"], "repeated", "{name}: {answer}");
        assert_eq!(answer["results"][0]["differs"], json!(true), "{name}");
    }
    assert_eq!((stage.count("events"), stage.count("members"), stage.count("event_days")), (1, 1, 1));
}

#[test]
fn within_a_call_the_first_of_an_id_counts() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let mut other = event("e-1", "m-9", now + -DAY);
    other["type"] = json!("left");
    let too_old = event("e-2", "m-8", now + -401 * DAY);
    let events =
        [event("e-1", "m-1", now), event("e-1", "m-1", now), other, too_old, event("e-2", "m-2", now)];
    let answer = post(&stage, &events);
    let words: Vec<String> = results(&answer).into_iter().map(|(result, _)| result).collect();
    assert_eq!(words, ["accepted", "repeated", "repeated", "refused", "accepted"]);
    assert_eq!(answer["results"][1]["differs"], json!(null));
    assert_eq!(answer["results"][2]["differs"], json!(true));
    let days = stage.world.query("SELECT type, sum(events) AS n FROM event_days GROUP BY type");
    assert_eq!(days, [json!({ "type": "visited", "n": 2 })]);
    let members = stage.world.query("SELECT member_id FROM members ORDER BY member_id");
    assert_eq!(members, [json!({ "member_id": "m-1" }), json!({ "member_id": "m-2" })]);
}

#[test]
fn a_bad_line_stops_no_other_and_names_its_field() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let mut purchase = event("e-2", "m-1", now);
    purchase["type"] = json!("purchase");
    purchase["properties"] = json!({ "order_id": "o-1", "amount": "1200" });
    let events = [
        event("e-1", "m-1", now),
        purchase,
        event("e-3", "m-1", now + (6 * MINUTE)),
        event("e-4", "m-1", now + -401 * DAY),
        json!("e-5"),
        event("e-6", "", now),
        event("e-7", "m-1", now + (5 * MINUTE)),
    ];
    let fields: Vec<String> = results(&post(&stage, &events)).into_iter().map(|(_, field)| field).collect();
    assert_eq!(fields, ["", "properties.amount", "occurred_at", "occurred_at", "", "member_id", ""]);
    assert_eq!(stage.count("events"), 2);
}

#[test]
fn events_of_two_shops_have_nothing_to_do_with_each_other() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let now = stage.world.now();
    assert_eq!(post(&stage, &[event("e-1", "m-1", now)])["accepted"], json!(1));
    assert_eq!(post_at(&stage, &other, &[event("e-1", "m-1", now)])["accepted"], json!(1));
    assert_eq!((stage.count("events"), stage.count("members"), stage.count("event_days")), (2, 2, 2));
    let (_, types) = stage.api(&other, Method::GET, "/v1/event-types/visited", None);
    assert_eq!(types["events"], json!(1));
}

#[test]
fn an_event_of_somebody_erased_is_refused_until_they_are_here_again() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let events = [event("e-1", "m-1", now), event("e-2", "m-2", now)];
    post(&stage, &events);
    assert_eq!(erase(&stage, "m-1"), 204);
    assert_eq!((stage.count("events"), stage.count("event_days WHERE events = 1")), (1, 1));
    let answer =
        post(&stage, &[event("e-1", "m-1", now), event("e-3", "m-1", now), event("e-4", "m-2", now)]);
    assert_eq!(answer["accepted"], json!(1));
    let refused = ("refused".to_owned(), "member_id".to_owned());
    assert_eq!(results(&answer)[..2], [refused.clone(), refused]);
    assert_eq!(stage.count("members WHERE member_id = 'm-1'"), 0);
    let put = stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&json!({})));
    assert_eq!(put.0, 200, "the shop's own word on this one member");
    assert_eq!(post(&stage, &[event("e-3", "m-1", now)])["accepted"], json!(1));
}

#[test]
fn an_event_or_a_word_at_the_moment_of_an_erasure_leaves_nobody_behind() {
    let mut after = 0;
    for seed in 1..30 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        post(&stage, &[event("e-0", "member-canary-7", world.now())]);
        let events = json!({ "events": [event("e-1", "member-canary-7", world.now())] });
        let words = json!({ "members": [{ "member_id": "member-canary-7", "tags": ["t"], "attributes": { "l": ["x"] } }] });
        world.fail_at(1 + seed % 5, Fault::Stalled);
        let requests = [
            shop.api_request(Method::DELETE, "/v1/members/member-canary-7", None),
            shop.api_request(Method::POST, "/v1/events", Some(&events)),
            shop.api_request(Method::POST, "/v1/members", Some(&words)),
        ];
        let replies = world.together(requests.map(|request| world.serve(request)));
        world.end_faults();
        assert_eq!(replies[0].as_ref().unwrap().status, 204, "seed {seed}");
        let answers: Vec<Value> =
            replies[1..].iter().map(|reply| json_body(reply.as_ref().unwrap())).collect();
        after += answers.iter().filter(|answer| answer["results"][0]["field"] == "member_id").count();
        assert_eq!(found(&stage, &["member-canary-7"]), [], "seed {seed}: {answers:?}");
        let tables = ["events", "event_days", "tags", "tag_removals", "attributes", "attribute_items"];
        assert_eq!(tables.map(|table| stage.count(table)), [0; 6], "seed {seed}");
    }
    assert!(after > 0, "some came after it");
}

#[test]
fn what_a_member_did_before_they_were_linked_counts_once_they_are() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    post(&stage, &[event("e-1", "m-1", now)]);
    stage.member("m-1", "gold");
    let rows = stage.world.query(
        "SELECT count(*) AS n FROM events e JOIN links l ON l.account = e.account AND l.member = e.member",
    );
    assert_eq!(rows, [json!({ "n": 1 })]);
}

#[test]
fn a_call_is_one_batch_of_a_few_statements_however_many_events_it_brings() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    post(&stage, &[event("warm", "m", now)]);
    for number in [1, 1_000] {
        stage.world.reset_calls();
        let events: Vec<Value> = (0..number)
            .map(|at| event(&format!("e-{number}-{at}"), &format!("m-{}", at % 700), now + -at))
            .collect();
        assert_eq!(post(&stage, &events)["accepted"], json!(number));
        let calls = stage.world.calls();
        assert_eq!((calls.batches, calls.statements), (1, 4), "{number}");
        assert_eq!((calls.cache_reads, calls.cache_writes, calls.enqueues, calls.fetches), (0, 0, 0, 0));
    }
}

#[test]
fn the_api_document_has_every_type_that_is_built_in_with_its_properties() {
    let document = include_str!("../../../docs/API.md");
    for Type { name, about, properties } in BUILT_IN {
        let shown = |one: &Property| {
            if one.is_needed { format!("**`{}`**", one.name) } else { format!("`{}`", one.name) }
        };
        let properties: Vec<String> = properties.iter().map(shown).collect();
        let row = format!("| `{name}` | {about} | {} |", properties.join(", "));
        assert!(document.lines().any(|line| line == row), "{row}");
    }
}
