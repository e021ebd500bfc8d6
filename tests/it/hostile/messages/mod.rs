//! Messages that LINE would refuse: each is a 400 that names the property, and LINE is not asked.

mod bad;
mod fill;
mod good;
mod table;

use http::Method;
use serde_json::{Value, json};

use self::bad::bad;
use crate::support::{Stage, for_each_seed_of};

fn post(stage: &Stage, messages: &Value) -> (u16, Value) {
    let body = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": messages });
    stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body))
}

/// `/contents/body/contents/2/text` as LINE writes it, of a message at a place.
fn property(at: usize, pointer: &str) -> String {
    let steps = pointer.split('/').skip(1);
    let step = |step: &str| {
        if step.bytes().all(|byte| byte.is_ascii_digit()) { format!("[{step}]") } else { format!(".{step}") }
    };
    format!("messages[{at}]{}", steps.map(step).collect::<String>())
}

/// The message with a property replaced or gone.
fn with(message: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut message = message.clone();
    let (owner, name) = pointer.rsplit_once('/').expect("a pointer");
    let owner = message.pointer_mut(owner).unwrap_or_else(|| panic!("{pointer}"));
    match (owner, value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(name.to_owned(), value)),
        (Value::Object(fields), None) => drop(fields.remove(name)),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    message
}

/// What is refused: the message, and the property that is to be named.
fn refused() -> Vec<(Value, String)> {
    let mut all = Vec::new();
    for (name, message) in good::all() {
        for (pointer, needed, takes) in table::of(name) {
            let good = message.pointer(pointer).unwrap_or_else(|| panic!("{name} has no {pointer}"));
            let bad = bad(*takes, *needed, good);
            all.extend(bad.into_iter().map(|value| (with(&message, pointer, value), (*pointer).to_owned())));
            if matches!(takes, bad::Takes::Typed) {
                for kind in [json!("other"), json!(1), Value::Null, json!("{{kind}}")] {
                    let there = format!("{pointer}/type");
                    all.push((with(&message, &there, Some(kind)), there));
                }
            }
        }
    }
    all.extend(table::special(good::all()));
    all
}

#[test]
fn good_messages_of_every_kind_are_taken_by_us_and_by_line() {
    let stage = Stage::new(1);
    for (name, message) in good::all() {
        let (status, answer) = post(&stage, &json!([message]));
        assert_eq!(status, 202, "{name}: {answer}");
    }
}

#[test]
fn every_malformed_message_is_refused_by_its_property_before_line_is_asked() {
    let stage = Stage::new(1);
    stage.world.reset_calls();
    let all = refused();
    for (message, pointer) in &all {
        let (status, answer) = post(&stage, &json!([message]));
        assert_eq!(
            (status, answer["error"].as_str()),
            (400, Some("invalid_messages")),
            "{pointer}: {answer} {message}"
        );
        let words = answer["error_description"].as_str().unwrap();
        let named = words.split(' ').next().unwrap();
        assert_eq!(named, property(0, pointer), "{words} {message}");
        assert!(words.len() < 500, "{words}");
    }
    assert_eq!(stage.world.calls().fetches, 0);
    assert_eq!(stage.count("sends"), 0);
    println!("{} malformed messages", all.len());
    assert!(all.len() >= 1_000, "{}", all.len());
}

#[test]
fn among_good_ones_the_malformed_message_is_named_by_its_place() {
    for_each_seed_of("malformed messages", 100, |seed| {
        let stage = Stage::new(seed);
        stage.world.reset_calls();
        let (world, good, all) = (&stage.world, good::all(), refused());
        for _ in 0..100 {
            let count = 1 + world.below(5);
            let at = world.below(count);
            let (message, pointer) = &all[world.below(all.len())];
            let mut messages: Vec<Value> =
                (0..count).map(|_| good[world.below(good.len())].1.clone()).collect();
            messages[at] = message.clone();
            let (status, answer) = post(&stage, &json!(messages));
            assert_eq!(status, 400, "{answer}");
            let words = answer["error_description"].as_str().unwrap();
            assert_eq!(words.split(' ').next().unwrap(), property(at, pointer), "{words}");
        }
        assert_eq!(world.calls().fetches, 0);
        vec![("refused", 100)]
    });
}

#[test]
fn what_are_no_messages_at_all_is_refused() {
    let stage = Stage::new(1);
    let text = json!({ "type": "text", "text": "a" });
    for (messages, named) in [
        (json!(null), "messages"),
        (json!({}), "messages"),
        (json!("a"), "messages"),
        (json!([]), "messages"),
        (json!(vec![text.clone(); 6]), "messages"),
        (json!([null]), "messages[0]"),
        (json!([text, [text]]), "messages[1]"),
        (json!([text, {}]), "messages[1].type"),
        (json!([text, { "type": "Text", "text": "a" }]), "messages[1].type"),
    ] {
        let (status, answer) = post(&stage, &messages);
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_messages")), "{answer}");
        let words = answer["error_description"].as_str().unwrap();
        assert_eq!(words.split(' ').next(), Some(named), "{words}");
    }
}
