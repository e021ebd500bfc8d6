//! The largest rules that are taken: D1's bounds on a statement are wider than those of a rule.

use enishi::time::MINUTE;
use http::Method;
use serde_json::{Map, Value, json};

use crate::support::Stage;

/// What the member did, with as much to compute as one condition may ask for.
fn event(kind: &str, more: &Value) -> Value {
    let range = json!({ "gt": "2020-01-01", "lt": "2030-01-01" });
    let properties: Map<String, Value> = (0..8).map(|at| (format!("p{at}"), range.clone())).collect();
    let properties = if kind.ends_with("items") {
        json!({ "items": { "any": properties } })
    } else {
        Value::Object(properties)
    };
    let mut event = json!({ "type": kind, "properties": properties });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "event": event })
}

/// A condition at this place among others, and so eight times within each other.
fn nested(condition: Value, place: usize) -> Value {
    (0..8).fold(condition, |rule, depth| match depth {
        3 | 7 => json!({ "not": rule }),
        _ => {
            let mut inner: Vec<Value> = (0..6).map(|at| json!({ "tag": format!("{depth} {at}") })).collect();
            inner.insert(place, rule);
            json!({ (if depth % 2 == 0 { "all" } else { "any" }): inner })
        }
    })
}

fn any(number: usize, condition: impl Fn(usize) -> Value) -> Value {
    json!({ "any": (0..number).map(condition).collect::<Vec<_>>() })
}

fn rules() -> Vec<Value> {
    let times =
        json!({ "within_days": 300, "older_than_days": 3, "after": "2020-01-01", "before": "2031-01-01" });
    let mut counted = times.clone();
    counted["count"] = json!({ "gte": 2, "lte": 5 });
    let mut summed = times.clone();
    summed["sum"] = json!({ "property": "p0", "gte": 0, "lt": 9 });
    let spans = [counted, summed, json!({ "first": times }), json!({ "last": times })];
    let mut rules: Vec<Value> =
        spans.iter().map(|span| any(4, |at| event(&format!("kind.{at}"), span))).collect();
    rules.extend(spans.iter().map(|span| any(4, |at| event(&format!("kind.{at}.items"), span))));
    rules.extend((0..7).map(|place| nested(event("kind", &spans[2]), place)));
    rules.extend((0..7).map(|place| nested(event("kind.items", &spans[2]), place)));
    rules.extend([
        any(50, |at| json!({ "attribute": "a", "in": [format!("{at}"), "x".repeat(500)] })),
        any(44, |at| json!({ "attribute": format!("{at}"), "equals": format!("value {at}") })),
        any(50, |at| json!({ "received": { "within_days": 1 + at } })),
        any(50, |at| json!({ "link": { "since": { "within_days": 1 + at } } })),
        any(12, |at| json!({ "event": { "type": "kind", "last": { "older_than_days": 1 + at } } })),
        any(8, |list| json!({ "members": (0..460).map(|at| format!("{list}.{at}")).collect::<Vec<_>>() })),
    ]);
    rules
}

#[test]
fn whatever_rule_is_taken_can_be_counted_listed_and_sent_to() {
    let stage = Stage::new(1);
    stage.member("m-1", "gold");
    for rule in rules() {
        let text = rule.to_string();
        let shown = &text[..text.len().min(300)];
        for path in ["/v1/segments/count", "/v1/segments/members"] {
            let (status, answer) = stage.api(&stage.shop, Method::POST, path, Some(&json!({ "rule": rule })));
            assert_eq!(status, 200, "{path} {answer}: {shown}");
        }
        let body = json!({
            "rule": rule, "messages": [{ "type": "text", "text": "{{name|お客様}}" }], "exclude_received_within_hours": 9,
            "frequency_cap": { "messages": 9, "days": 9 }, "budget": { "messages": 9 },
        });
        let (status, send) = stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body));
        assert_eq!(status, 202, "{send}: {shown}");
        let audience = json!({ "rule": rule, "name": "largest" });
        let (status, audience) = stage.api(&stage.shop, Method::POST, "/v1/audiences", Some(&audience));
        assert_eq!(status, 202, "{audience}: {shown}");
        stage.world.settle(2 * MINUTE);
        let path = format!("/v1/sends/{}", send["id"].as_str().unwrap());
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).1["state"], "done", "{shown}");
        let path = format!("/v1/audiences/{}", audience["id"].as_str().unwrap());
        let (_, audience) = stage.api(&stage.shop, Method::GET, &path, None);
        assert!(
            audience["uploaded"] == 1 || audience["reason"] == "nobody belongs to it",
            "{audience}: {shown}"
        );
    }
}
