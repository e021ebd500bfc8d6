//! What a shop's bug or a hostile hand may send: each is refused by its line or by its call, and names the field.

use enishi::event::{BUILT_IN, Form, Property};
use http::Method;
use serde_json::{Map, Value, json};

use super::{event, post};
use crate::support::Stage;

/// A value that a form takes.
pub(crate) fn good(form: Form) -> Value {
    match form {
        Form::Id | Form::Text => json!("x"),
        Form::Number => json!(-1.5),
        Form::Amount => json!(0),
        Form::Currency => json!("JPY"),
        Form::When => json!("2026-02-28"),
        Form::Items => json!([{ "product_id": "p" }]),
    }
}

/// Values that it does not take, with what is behind the property in the field's path.
fn wrong(form: Form) -> Vec<(Value, &'static str)> {
    let all = |values: &[Value]| values.iter().map(|value| (value.clone(), "")).collect::<Vec<_>>();
    match form {
        Form::Id => all(&[json!(1), json!(""), json!("x".repeat(256)), json!(["x"]), json!(true)]),
        Form::Text => all(&[json!(1), json!("x".repeat(1_001)), json!({}), json!("a\0")]),
        Form::Number => all(&[json!("1"), json!([1]), json!(true)]),
        Form::Amount => all(&[json!("1"), json!(-0.01), json!({}), json!(true)]),
        Form::Currency => all(&[json!("jpy"), json!("YEN!"), json!("円円円"), json!(392)]),
        Form::When => all(&[
            json!("2026-02-30"),
            json!("tomorrow"),
            json!(1_767_582_000),
            json!("2026-02-28T25:00:00Z"),
        ]),
        Form::Items => vec![
            (json!("p"), ""),
            (json!({ "product_id": "p" }), ""),
            (json!(vec![json!({ "product_id": "p" }); 101]), ""),
            (json!(["p"]), "[0]"),
            (json!([{ "product_id": "p" }, {}]), "[1].product_id"),
            (json!([{ "product_id": 1 }]), "[0].product_id"),
            (json!([{ "product_id": "p", "quantity": "1" }]), "[0].quantity"),
            (json!([{ "product_id": "p", "price": -1 }]), "[0].price"),
        ],
    }
}

/// Fields that are wrong whatever the type, each with the path that is named.
fn wrong_fields() -> Vec<(&'static str, Value, &'static str)> {
    let deep = json!({ "a": { "b": { "c": { "d": { "e": {} } } } } });
    vec![
        ("id", json!(null), "id"),
        ("id", json!(1), "id"),
        ("id", json!(""), "id"),
        ("id", json!("x".repeat(129)), "id"),
        ("id", json!("a\nb"), "id"),
        ("id", json!(["e"]), "id"),
        ("member_id", json!(null), "member_id"),
        ("member_id", json!(7), "member_id"),
        ("member_id", json!(""), "member_id"),
        ("member_id", json!("あ".repeat(256)), "member_id"),
        ("member_id", json!("a\0"), "member_id"),
        ("member_id", json!(".."), "member_id"),
        ("type", json!(null), "type"),
        ("type", json!(""), "type"),
        ("type", json!("Visited"), "type"),
        ("type", json!("a b"), "type"),
        ("type", json!("購入"), "type"),
        ("type", json!("x".repeat(65)), "type"),
        ("type", json!("a'; DROP TABLE events; --"), "type"),
        ("type", json!({ "name": "visited" }), "type"),
        ("occurred_at", json!(null), "occurred_at"),
        ("occurred_at", json!(1_767_582_000), "occurred_at"),
        ("occurred_at", json!("yesterday"), "occurred_at"),
        ("occurred_at", json!("2026-01-05"), "occurred_at"),
        ("occurred_at", json!("2026-01-05T03:00:00"), "occurred_at"),
        ("occurred_at", json!("2026-13-05T03:00:00Z"), "occurred_at"),
        ("occurred_at", json!("9999-12-31T23:59:59Z"), "occurred_at"),
        ("occurred_at", json!("0000-01-01T00:00:00Z"), "occurred_at"),
        ("occurred_at", json!("1969-12-31T23:59:59Z"), "occurred_at"),
        ("properties", json!(null), "properties"),
        ("properties", json!([]), "properties"),
        ("properties", json!("{}"), "properties"),
        ("properties", json!({ "x": "x".repeat(10_000) }), "properties"),
        ("properties", json!({ "": 1 }), "properties.\"\""),
        ("properties", json!({ "a\"b": 1 }), "properties.a\"b"),
        ("properties", json!({ "a\\b": 1 }), "properties.a\\b"),
        ("properties", json!({ "a": ["x", "y\0"] }), "properties.a[1]"),
        ("properties", deep, "properties.a.b.c.d.e"),
        ("property", json!({}), "property"),
        ("occured_at", json!("2026-01-05T03:00:00Z"), "occured_at"),
        ("account", json!("other"), "account"),
        ("", json!(1), "\"\""),
    ]
}

/// A good event of a type that is built in, with all of its properties.
fn whole(kind: &str, properties: &[Property], stage: &Stage) -> Value {
    let mut event = event(&format!("good-{kind}"), "m-1", stage.world.now());
    let all = properties.iter().map(|property| (property.name.to_owned(), good(property.form)));
    event["type"] = json!(kind);
    event["properties"] = all.collect::<Map<_, _>>().into();
    event
}

#[test]
fn every_malformed_event_is_refused_by_its_line_and_names_the_field() {
    let stage = Stage::new(1);
    let mut bad: Vec<(Value, String)> = Vec::new();
    let mut fine = Vec::new();
    for built_in in BUILT_IN {
        let good = whole(built_in.name, built_in.properties, &stage);
        fine.push(good.clone());
        for property in built_in.properties {
            let field = format!("properties.{}", property.name);
            for (value, behind) in wrong(property.form) {
                let mut event = good.clone();
                event["properties"][property.name] = value;
                bad.push((event, format!("{field}{behind}")));
            }
            let mut without = good.clone();
            without["properties"].as_object_mut().unwrap().remove(property.name);
            let mut null = good.clone();
            null["properties"][property.name] = json!(null);
            if property.is_needed {
                bad.extend([(without, field.clone()), (null, field)]);
            } else {
                null["id"] = json!(format!("null-{}-{}", built_in.name, property.name));
                fine.push(null);
            }
        }
    }
    for (name, value, field) in wrong_fields() {
        let mut event = event("bad", "m-1", stage.world.now());
        event[name] = value;
        bad.push((event, field.to_owned()));
    }
    for line in [json!(null), json!(1), json!("e"), json!([]), json!(true)] {
        bad.push((line, String::new()));
    }
    assert!(bad.len() >= 300, "{}", bad.len());
    for (events, fields) in bad.chunks(100).map(|some| some.iter().cloned().unzip::<_, _, Vec<_>, Vec<_>>()) {
        let answer = post(&stage, &events);
        for ((result, field), event) in answer["results"].as_array().unwrap().iter().zip(&fields).zip(&events)
        {
            assert_eq!(
                (&result["result"], &result["field"]),
                (&json!("refused"), &json!(field)),
                "{event}: {result}"
            );
            assert!(result["error_description"].as_str().is_some_and(|says| says.len() > 9), "{result}");
        }
    }
    assert_eq!((stage.count("events"), stage.count("members"), stage.count("event_days")), (0, 0, 0));
    assert_eq!(post(&stage, &fine)["accepted"], json!(fine.len()));
    println!("{} malformed events", bad.len());
}

#[test]
fn every_malformed_member_is_refused_by_its_line_and_names_the_field() {
    let stage = Stage::new(1);
    let bad: Vec<(Value, &str)> = vec![
        (json!({ "member_id": 1 }), "member_id"),
        (json!({ "member_id": "" }), "member_id"),
        (json!({ "member_id": "x".repeat(256) }), "member_id"),
        (json!({}), "member_id"),
        (json!([]), ""),
        (json!({ "attributes": [] }), "attributes"),
        (json!({ "attributes": null }), "attributes"),
        (json!({ "attributes": { "": 1 } }), "attributes.\"\""),
        (json!({ "attributes": { "a\n": 1 } }), "attributes.a\n"),
        (json!({ "attributes": { "a": {} } }), "attributes.a"),
        (json!({ "attributes": { "a": [true] } }), "attributes.a"),
        (json!({ "attributes": { "a": [null] } }), "attributes.a"),
        (json!({ "attributes": { "a": [["b"]] } }), "attributes.a"),
        (json!({ "attributes": { "a": vec![1; 101] } }), "attributes.a"),
        (json!({ "attributes": { "a": "x".repeat(1_001) } }), "attributes.a"),
        (json!({ "attributes": { "a": "\0" } }), "attributes.a"),
        (json!({ "attributes": { "a": 9_007_199_254_740_993_i64 } }), "attributes.a"),
        (
            json!({ "attributes": (0..101).map(|n| (format!("a{n}"), json!(n))).collect::<Map<_, _>>() }),
            "attributes",
        ),
        (json!({ "tags": "vip" }), "tags"),
        (json!({ "tags": null }), "tags"),
        (json!({ "tags": [1] }), "tags[0]"),
        (json!({ "tags": ["a", ""] }), "tags[1]"),
        (json!({ "tags": ["a", "x".repeat(65)] }), "tags[1]"),
        (json!({ "tags": vec!["a"; 101] }), "tags"),
        (json!({ "tags": { "add": "a" } }), "tags.add"),
        (json!({ "tags": { "remove": [null] } }), "tags.remove[0]"),
        (json!({ "tags": { "put": ["a"] } }), "tags.put"),
        (json!({ "tags": { "add": ["a"], "remove": ["a"] } }), "tags"),
        (json!({ "line_user_id": null }), "line_user_id"),
        (json!({ "line_user_id": "u1" }), "line_user_id"),
        (json!({ "line_user_id": 7 }), "line_user_id"),
        (json!({ "as_of": 1 }), "as_of"),
        (json!({ "as_of": "2026-01-05" }), "as_of"),
        (json!({ "as_of": "2999-01-05T00:00:00Z" }), "as_of"),
        (json!({ "rank": "gold" }), "rank"),
        (json!({ "attribute": {} }), "attribute"),
    ];
    let lines: Vec<Value> = bad
        .iter()
        .enumerate()
        .map(|(at, (line, field))| {
            let mut line = line.clone();
            if line.as_object().is_some_and(|_| *field != "member_id") {
                line["member_id"] = json!(format!("m-{at}"));
            }
            line
        })
        .collect();
    let answer = crate::member::post(&stage, &lines);
    for ((result, (_, field)), line) in answer["results"].as_array().unwrap().iter().zip(&bad).zip(&lines) {
        assert_eq!(
            (&result["result"], &result["field"]),
            (&json!("refused"), &json!(field)),
            "{line}: {result}"
        );
    }
    assert_eq!(stage.count("members"), 0);
    // The same by the call for one.
    for ((line, field), at) in
        bad.iter().zip(0..).filter(|((line, field), _)| line.is_object() && *field != "member_id")
    {
        let (status, error) = stage.api(&stage.shop, Method::PUT, &format!("/v1/members/m-{at}"), Some(line));
        assert_eq!((status, &error["error"]), (400, &json!("invalid_request")), "{line}");
        let says = error["error_description"].as_str().unwrap();
        assert!(says.starts_with(&format!("{field}: ")), "{says}");
    }
    assert_eq!(stage.count("members"), 0);
}

#[test]
fn a_call_that_is_no_list_of_lines_is_refused_as_a_whole_and_says_what_to_send() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    for (path, name) in [("/v1/events", "events"), ("/v1/members", "members")] {
        let many: Vec<Value> = (0..1_001).map(|at| event(&format!("e-{at}"), "m", now)).collect();
        for body in [
            json!({}),
            json!({ name: [] }),
            json!({ name: {} }),
            json!({ name: null }),
            json!({ name: "x" }),
            json!({ name: many }),
            json!({ name: [event("e", "m", now)], "more": 1 }),
            json!({ "lines": [] }),
        ] {
            let (status, error) = stage.api(&stage.shop, Method::POST, path, Some(&body));
            let says = error["error_description"].as_str().unwrap_or_default();
            assert!(status == 400 && says.contains(name), "{path}: {status} {says}");
        }
        for body in ["", "[]", "null", "{\"events\": [", "\u{1}", "{\"events\": [{\"id\": \"\\ud800\"}]}"] {
            let mut request = stage.shop.api_request(Method::POST, path, None);
            request.body = Some(body.as_bytes().to_vec());
            assert_eq!(stage.world.answer(request).status, 400, "{path} {body}");
        }
        let mut deep = stage.shop.api_request(Method::POST, path, None);
        deep.body = Some(format!("{{\"{name}\": {}", "[".repeat(500_000)).into_bytes());
        assert_eq!(stage.world.answer(deep).status, 400);
    }
    for body in [
        json!({}),
        json!({ "retention_days": 0 }),
        json!({ "retention_days": 3651 }),
        json!({ "retention_days": "400" }),
        json!({ "retention_days": 1.5 }),
        json!({ "retention_days": 30, "x": 1 }),
    ] {
        let (status, error) = stage.api(&stage.shop, Method::PUT, "/v1/event-types/visited", Some(&body));
        assert_eq!(status, 400, "{body}: {error}");
    }
    for name in ["A", "%20", "a%2Fb", &"x".repeat(65)] {
        let path = format!("/v1/event-types/{name}");
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 400, "{name}");
        let keep = json!({ "retention_days": 30 });
        assert_eq!(stage.api(&stage.shop, Method::PUT, &path, Some(&keep)).0, 400, "{name}");
    }
    assert_eq!(stage.count("event_types"), 0);
}

#[test]
fn numbers_and_texts_at_their_limits_are_kept_as_they_were_sent() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let mut big = event("e-1", &"あ".repeat(255), now);
    big["id"] = json!("🍵".repeat(128));
    big["type"] = json!("x".repeat(64));
    big["properties"] = json!({
        "whole": 9_007_199_254_740_991_i64, "small": 5e-324, "large": 1.7e308, "text": "\u{7f}\"'\\/;--", "no": null, "yes": true,
        "deep": [[[[1]]]], "名前": "値", "empty": {}, "long": "x".repeat(9_700),
    });
    let answer = post(&stage, std::slice::from_ref(&big));
    assert_eq!(answer["accepted"], json!(1), "{answer}");
    let path = format!("/v1/members/{}/events", "%E3%81%82".repeat(255));
    let (_, page) = stage.api(&stage.shop, Method::GET, &path, None);
    assert_eq!(page["events"][0]["properties"], big["properties"]);
    assert_eq!(post(&stage, &[big])["results"][0]["differs"], json!(null));
    // As much as a body may hold.
    let events: Vec<Value> = (0..180)
        .map(|at| {
            let mut event = event(&format!("big-{at}"), "m-1", now);
            event["properties"] = json!({ "x": "\"".repeat(4_900) });
            event
        })
        .collect();
    assert_eq!(post(&stage, &events)["accepted"], json!(180));
}

#[test]
fn an_import_whose_every_line_is_wrong_reports_each_with_the_field() {
    let stage = Stage::new(1);
    let header = "id,member_id,type,occurred_at,properties,n:number,d:date,b:boolean\n";
    let now = stage.world.now().rfc3339();
    let good = ["e", "m", "visited", &now, "{}", "1", "2026-01-05", "true"];
    let wrong: [(usize, &str, &str); 13] = [
        (0, "", "id"),
        (1, "", "member_id"),
        (2, "Visited", "type"),
        (2, "", "type"),
        (3, "2026-01-05", "occurred_at"),
        (3, "2999-01-05T00:00:00Z", "occurred_at"),
        (3, "2001-01-05T00:00:00Z", "occurred_at"),
        (4, "{", "properties"),
        (4, "[1]", "properties"),
        (5, "one", "properties.n"),
        (5, " 1", "properties.n"),
        (6, "2026-02-30", "properties.d"),
        (7, "1", "properties.b"),
    ];
    let lines: Vec<String> = wrong
        .iter()
        .map(|(at, cell, _)| {
            let mut cells = good.map(str::to_owned);
            cells[*at] = format!("\"{}\"", cell.replace('"', "\"\""));
            cells.join(",")
        })
        .collect();
    let id = crate::import::begin(&stage, &json!({ "kind": "events" }));
    let csv = format!("{header}{}\n", lines.join("\n"));
    let (status, answer) = crate::import::send(&stage, &id, 1, csv);
    assert_eq!((status, &answer["refused"]), (200, &json!(13)), "{answer}");
    let (_, import) = stage.api(&stage.shop, Method::GET, &format!("/v1/imports/{id}"), None);
    let reasons: Vec<&str> = import["refused_lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, wrong.map(|(_, _, reason)| reason));
}
