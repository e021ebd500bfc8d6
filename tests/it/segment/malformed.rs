//! Rules that are refused: each with a 400 that names the place, and says what to do.

use http::Method;
use serde_json::{Value, json};

use crate::support::Stage;

/// The description of the 400 that a rule is refused with.
fn refusal(stage: &Stage, rule: &Value) -> Option<String> {
    let (status, answer) =
        stage.api(&stage.shop, Method::POST, "/v1/segments/count", Some(&json!({ "rule": rule })));
    match status {
        200 => None,
        400 => {
            assert_eq!(answer["error"], "invalid_rule", "{rule}: {answer}");
            Some(answer["error_description"].as_str().unwrap().to_owned())
        }
        _ => panic!("{status} {answer}: {rule}"),
    }
}

fn tag() -> Value {
    json!({ "tag": "vip" })
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(tag(), |rule, _| json!({ "all": [rule, tag()] }))
}

/// Rules as a whole, and attributes, each with the place that is wrong.
fn shapes() -> Vec<(&'static str, Value)> {
    let many =
        |number: usize| Value::Array((0..number).map(|at| json!({ "tag": format!("{at}") })).collect());
    let different: Vec<Value> =
        (0..45).map(|at| json!({ "attribute": format!("{at}"), "equals": format!("v{at}") })).collect();
    vec![
        ("rule", json!({})),
        ("rule", json!([])),
        ("rule", json!("everyone")),
        ("rule", json!({ "segment": "seg_1" })),
        ("rule", json!({ "tag": "a", "attribute": "b" })),
        ("rule", json!({ "not": { "everyone": true } })),
        ("rule", json!({ "any": [tag(), { "everyone": true }] })),
        ("rule", json!({ "all": [{ "everyone": true }] })),
        ("rule", json!({ "all": [tag(), { "not": { "everyone": true } }] })),
        ("rule", json!({ "any": [tag(), { "not": tag() }] })),
        ("rule", json!({ "all": [tag(), { "not": tag() }] })),
        ("rule", json!({ "any": [{ "link": { "linked": true } }, { "link": { "linked": false } }] })),
        ("rule", json!({ "not": { "all": [tag(), { "not": tag() }] } })),
        ("rule", json!({ "any": different })),
        ("rule", json!({ "tag": "x".repeat(33_000) })),
        ("all", json!({ "all": [] })),
        ("all", json!({ "all": tag() })),
        ("all", json!({ "all": many(51) })),
        ("all[1]", json!({ "all": [tag(), {}] })),
        ("all[0].tagged", json!({ "all": [{ "tag": "a", "tagged": 1 }] })),
        ("not", json!({ "not": 1 })),
        ("also", json!({ "not": tag(), "also": 1 })),
        ("everyone", json!({ "everyone": false })),
        ("unlinked", json!({ "everyone": true, "unlinked": 1 })),
        ("tag", json!({ "tag": "" })),
        ("tag", json!({ "tag": "x".repeat(65) })),
        ("attribute", json!({ "attribute": "a\n", "equals": 1 })),
        ("rule", json!({ "attribute": "rank" })),
        ("rule", json!({ "attribute": "rank", "equals": 1, "in": [1] })),
        ("rule", json!({ "attribute": "rank", "equals": 1, "gt": 1 })),
        ("rule", json!({ "attribute": "rank", "gt": 2, "lt": 1 })),
        ("rule", json!({ "attribute": "rank", "gt": 1, "lte": 1 })),
        ("rule", json!({ "attribute": "rank", "gt": 1, "lte": "2026-01-01" })),
        ("equals", json!({ "attribute": "rank", "equals": null })),
        ("equals", json!({ "attribute": "rank", "equals": ["gold"] })),
        ("equals", json!({ "attribute": "rank", "equals": 9_007_199_254_740_993_i64 })),
        ("equals", json!({ "attribute": "rank", "equals": u64::MAX })),
        ("equals", json!({ "attribute": "rank", "equals": "x".repeat(1_001) })),
        ("equals", json!({ "attribute": "rank", "equals": "a\0" })),
        ("or", json!({ "attribute": "rank", "equals": "gold", "or": true })),
        ("in", json!({ "attribute": "rank", "in": [] })),
        ("in[1]", json!({ "attribute": "rank", "in": ["a", 1] })),
        ("in[0]", json!({ "attribute": "rank", "in": [true] })),
        ("gte", json!({ "attribute": "rank", "gte": "gold" })),
        ("gte", json!({ "attribute": "rank", "gt": 1, "gte": 1 })),
        ("lt", json!({ "attribute": "rank", "lt": "2026-02-30" })),
        ("present", json!({ "attribute": "rank", "present": "yes" })),
        ("anniversary", json!({ "attribute": "b", "anniversary": { "from": 1, "to": 0 } })),
        ("anniversary.to", json!({ "attribute": "b", "anniversary": { "to": 184 } })),
        ("anniversary.days", json!({ "attribute": "b", "anniversary": { "days": 1 } })),
        ("contains", json!({ "attribute": "sizes", "contains": true })),
    ]
}

/// Events.
fn events() -> Vec<(&'static str, Value)> {
    let event = |with: Value| {
        let mut event = json!({ "type": "purchase" });
        for (name, value) in with.as_object().unwrap() {
            event[name] = value.clone();
        }
        json!({ "all": [tag(), { "event": event }] })
    };
    vec![
        ("all[1].event", json!({ "all": [tag(), { "event": { "count": { "gte": 1 } } }] })),
        ("event.sum", json!({ "event": { "type": "purchase", "sum": { "property": "amount", "gte": 0 } } })),
        ("event.sum", json!({ "event": { "type": "refund", "sum": { "property": "amount", "gt": -1 } } })),
        ("not.event.type", json!({ "not": { "event": { "type": "Purchase" } } })),
        ("event.type", json!({ "event": { "type": "来店", "count": { "equals": 0 } } })),
        ("event.type", json!({ "event": { "type": "x".repeat(65) } })),
        ("rule", json!({ "any": [{ "tag": "a" }, { "any": [tag(), { "not": tag() }] }] })),
        ("all[1].event.type", event(json!({ "type": "" }))),
        ("all[1].event.count.gte", event(json!({ "count": { "gte": -1 } }))),
        ("all[1].event.count.gte", event(json!({ "count": { "gte": 1.5 } }))),
        ("all[1].event.count.gte", event(json!({ "count": { "gte": "3" } }))),
        ("all[1].event.count", event(json!({ "count": { "gte": 0 } }))),
        ("all[1].event.count", event(json!({ "count": {} }))),
        ("all[1].event.count", event(json!({ "count": 3 }))),
        ("all[1].event.count", event(json!({ "count": { "gt": 3, "lt": 4 } }))),
        ("all[1].event.count", event(json!({ "count": { "lt": 0 } }))),
        ("all[1].event.count", event(json!({ "count": { "equals": 1, "gte": 1 } }))),
        ("all[1].event.count.least", event(json!({ "count": { "least": 1 } }))),
        ("all[1].event", event(json!({ "count": { "gte": 1 }, "last": { "within_days": 1 } }))),
        ("all[1].event", event(json!({ "within_days": 1, "last": { "within_days": 1 } }))),
        ("all[1].event", event(json!({ "within_days": 7, "older_than_days": 7 }))),
        ("all[1].event", event(json!({ "after": "2026-01-02", "before": "2026-01-02" }))),
        ("all[1].event.within_days", event(json!({ "within_days": 0 }))),
        ("all[1].event.within_days", event(json!({ "within_days": 3_651 }))),
        ("all[1].event.after", event(json!({ "after": "yesterday" }))),
        ("all[1].event.after", event(json!({ "after": "2026-01-01T00:00:00" }))),
        ("all[1].event.before", event(json!({ "before": 1_767_225_600 }))),
        ("all[1].event.before", event(json!({ "before": "1969-12-31" }))),
        ("all[1].event.sum", event(json!({ "sum": { "gte": 1 } }))),
        ("all[1].event.sum", event(json!({ "sum": { "property": "amount" } }))),
        ("all[1].event.sum.gte", event(json!({ "sum": { "property": "amount", "gte": "2026-01-01" } }))),
        ("all[1].event.sum.equals", event(json!({ "sum": { "property": "amount", "equals": 1, "gt": 0 } }))),
        ("all[1].event.sum.property", event(json!({ "sum": { "property": "a\"b", "gte": 1 } }))),
        ("all[1].event.distinct.property", event(json!({ "distinct": { "property": 1, "gte": 1 } }))),
        ("all[1].event.distinct", event(json!({ "distinct": { "property": "sku", "gte": 0 } }))),
        ("all[1].event.first", event(json!({ "first": {} }))),
        ("all[1].event.last.days", event(json!({ "last": { "days": 1 } }))),
        ("all[1].event.properties", event(json!({ "properties": {} }))),
        ("all[1].event.properties", event(json!({ "properties": [] }))),
        ("all[1].event.properties.color", event(json!({ "properties": { "color": "red" } }))),
        ("all[1].event.properties.a\\b", event(json!({ "properties": { "a\\b": { "equals": 1 } } }))),
        ("all[1].event.properties.items.any", event(json!({ "properties": { "items": { "any": {} } } }))),
        (
            "all[1].event.properties.items.any",
            event(json!({ "properties": { "items": { "any": { "a": { "equals": 1 } }, "present": true } } })),
        ),
        (
            "all[1].event.properties.items.any.a.any",
            event(
                json!({ "properties": { "items": { "any": { "a": { "any": { "b": { "equals": 1 } } } } } } }),
            ),
        ),
        (
            "all[1].event.properties",
            event(json!({ "properties": { "b": { "equals": 1 }, "items": { "any": {
                "1": { "equals": 1 }, "2": { "equals": 1 }, "3": { "equals": 1 }, "4": { "equals": 1 },
                "5": { "equals": 1 }, "6": { "equals": 1 }, "7": { "equals": 1 }, "8": { "equals": 1 },
            } } } })),
        ),
        ("all[1].event.properties.color.is", event(json!({ "properties": { "color": { "is": 1 } } }))),
    ]
}

/// What is known of people beside them.
fn people() -> Vec<(&'static str, Value)> {
    vec![
        ("link", json!({ "link": {} })),
        ("link", json!({ "link": { "linked": false, "route": "shop" } })),
        ("link.route", json!({ "link": { "route": "fax" } })),
        ("link.since", json!({ "link": { "since": {} } })),
        ("link.since.within_days", json!({ "link": { "since": { "within_days": "7" } } })),
        ("friendship", json!({ "friendship": {} })),
        ("friendship.mode", json!({ "friendship": { "mode": "off" } })),
        ("friendship.client_id", json!({ "friendship": { "client_id": "a b" } })),
        ("received", json!({ "received": {} })),
        ("received.within_days", json!({ "received": { "within_days": 91 } })),
        ("received.send", json!({ "received": { "send": "spring" } })),
        ("clicked", json!({ "clicked": {} })),
        ("clicked.within_days", json!({ "clicked": { "within_days": 366 } })),
        ("clicked.link", json!({ "clicked": { "link": "a b" } })),
        ("members", json!({ "members": [] })),
        ("members[1]", json!({ "members": ["m-1", ""] })),
        ("members[0]", json!({ "members": [1] })),
        ("members[1]", json!({ "members": ["m-1", "m-1"] })),
        ("all[8]", json!({ "all": vec![json!({ "members": ["m-1"] }); 9] })),
        ("all[0].all[0].all[0].all[0].all[0].all[0].all[0].all[0].all", nested(9)),
    ]
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let stage = Stage::new(1);
    for (path, rule) in [shapes(), events(), people()].concat() {
        let says = refusal(&stage, &rule).unwrap_or_else(|| panic!("taken: {rule}"));
        let (named, problem) = says.split_once(' ').unwrap();
        assert_eq!(named, path, "{rule}: {says}");
        assert!(problem.len() > 10, "{says}");
    }
    assert_eq!(refusal(&stage, &nested(8)), None);
    let costly = json!({ "type": "purchase", "sum": { "property": "amount", "gte": 1 } });
    let costly = |number: i64| Value::Array((0..number).map(|_| json!({ "event": costly })).collect());
    assert_eq!(refusal(&stage, &json!({ "all": costly(4) })), None);
    assert!(
        refusal(&stage, &json!({ "all": costly(5) }))
            .unwrap()
            .starts_with("all[4] makes the rule too expensive")
    );
    let crowd: Vec<Value> = (0..1_001).map(|at| json!(format!("{at}"))).collect();
    assert_eq!(refusal(&stage, &json!({ "members": crowd[..1_000] })), None);
    assert!(refusal(&stage, &json!({ "members": crowd })).unwrap().starts_with("members "));
}

/// Good rules, of every kind of condition.
fn good() -> [Value; 20] {
    [
        json!({ "all": [tag(), { "any": [{ "tag": "a" }, { "not": { "tag": "b" } }] }] }),
        json!({ "everyone": true, "unlinked": true }),
        json!({ "attribute": "rank", "equals": "gold" }),
        json!({ "attribute": "rank", "in": ["gold", "silver"] }),
        json!({ "attribute": "points", "gte": 1, "lt": 100 }),
        json!({ "attribute": "renewal", "gt": "2026-01-01", "lte": "2026-12-31" }),
        json!({ "attribute": "birthday", "anniversary": { "from": -3, "to": 7 } }),
        json!({ "attribute": "sizes", "contains": "M" }),
        json!({ "event": { "type": "purchase", "within_days": 30, "count": { "gte": 2, "lte": 5 } } }),
        json!({ "event": { "type": "purchase", "after": "2026-01-01", "before": "2026-02-01T00:00:00Z", "sum": { "property": "amount", "gt": 1 } } }),
        json!({ "event": { "type": "purchase", "properties": { "category": { "in": ["a"] } }, "distinct": { "property": "sku", "equals": 2 } } }),
        json!({ "event": { "type": "purchase", "properties": { "items": { "any": { "product_id": { "equals": "tea" }, "quantity": { "gte": 2 } } } } } }),
        json!({ "event": { "type": "purchase", "last": { "older_than_days": 180 } } }),
        json!({ "event": { "type": "purchase", "sum": { "property": "amount", "gt": 0 } } }),
        json!({ "event": { "type": "purchase", "sum": { "property": "amount", "equals": 0 } } }),
        json!({ "event": { "type": "points_changed", "sum": { "property": "points", "gte": 0 } } }),
        json!({ "link": { "linked": true, "since": { "within_days": 7 }, "route": "shop" } }),
        json!({ "friendship": { "since": { "within_days": 7 }, "mode": "normal", "client_id": "web" } }),
        json!({ "any": [{ "received": { "within_days": 7 } }, { "clicked": { "within_days": 7, "link": "abc" } }] }),
        json!({ "members": ["m-1", "m-2"] }),
    ]
}

/// The places in a rule, each with the path that a refusal would name.
fn places(value: &Value, path: &str, pointer: &str, into: &mut Vec<(String, String)>) {
    into.push((path.to_owned(), pointer.to_owned()));
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                places(inner, &format!("{path}{dot}{name}"), &format!("{pointer}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                places(inner, &format!("{path}[{at}]"), &format!("{pointer}/{at}"), into);
            }
        }
        _ => {}
    }
}

#[test]
fn whatever_stands_at_a_place_where_it_does_not_belong_is_refused_there_or_around_it() {
    let stage = Stage::new(1);
    let odd = [
        json!(null),
        json!({}),
        json!([]),
        json!([[]]),
        json!(""),
        json!("x"),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(true),
        json!({ "x": 1 }),
        json!("２０２６-01-01"),
    ];
    let mut refused = 0;
    for rule in good() {
        assert_eq!(refusal(&stage, &rule), None, "{rule}");
        let mut all = Vec::new();
        places(&rule, "", "", &mut all);
        for (path, pointer) in all {
            // No rule at all is none, which is not the rule's fault.
            for odd in odd.iter().filter(|odd| !(path.is_empty() && odd.is_null())) {
                let mut wrong = rule.clone();
                *wrong.pointer_mut(&pointer).unwrap() = odd.clone();
                let Some(says) = refusal(&stage, &wrong) else { continue };
                let (named, _) = says.split_once(' ').unwrap();
                // In a list, what is wrong may be how the next fits to it.
                let around = path.rsplit_once('[').map_or(path.as_str(), |(list, _)| list);
                let fits = named == "rule" || path.starts_with(named) || named.starts_with(around);
                assert!(fits, "{path} is wrong, and refused is {says}: {wrong}");
                refused += 1;
            }
        }
    }
    println!("{refused} malformed rules");
    assert!(refused > 1_000, "{refused}");
}
