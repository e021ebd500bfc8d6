//! Words that come late: each attribute and each tag is as the newest word says.

use enishi::time::{DAY, MINUTE, UnixMillis};
use serde_json::{Value, json};

use super::{items, post, put, show};
use crate::support::Stage;

fn as_of(at: UnixMillis, mut body: Value) -> Value {
    body["as_of"] = json!(at.rfc3339());
    body
}

#[test]
fn an_older_word_changes_nothing_of_what_is_newer_and_says_the_rest() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let said = json!({ "attributes": { "rank": "gold", "list": ["new"], "gone": null } });
    assert_eq!(put(&stage, "m-1", &as_of(now + -DAY, said)).0, 200);
    let late = json!({ "attributes": { "rank": "silver", "list": ["old"], "gone": "x", "city": "京都" } });
    assert_eq!(put(&stage, "m-1", &as_of(now + -2 * DAY, late)).0, 200);
    let attributes = json!({ "rank": "gold", "list": ["new"], "city": "京都" });
    assert_eq!(
        (&show(&stage, "m-1")["attributes"], items(&stage)),
        (&attributes, vec!["list new".to_owned()])
    );
    // The same value said again is a newer word, too.
    assert_eq!(put(&stage, "m-1", &json!({ "attributes": { "city": "京都" } })).0, 200);
    assert_eq!(put(&stage, "m-1", &as_of(now + -MINUTE, json!({ "attributes": { "city": "東京" } }))).0, 200);
    assert_eq!(show(&stage, "m-1")["attributes"]["city"], "京都");
}

#[test]
fn of_two_words_of_the_same_time_the_one_that_came_later_counts() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    for (rank, tags) in [("gold", json!(["a"])), ("silver", json!(["b"])), ("gold", json!(["a"]))] {
        let word = json!({ "attributes": { "rank": rank }, "tags": tags });
        assert_eq!(put(&stage, "m-1", &as_of(now, word)).0, 200);
        assert_eq!(
            (&show(&stage, "m-1")["attributes"]["rank"], &show(&stage, "m-1")["tags"]),
            (&json!(rank), &tags)
        );
    }
}

#[test]
fn an_older_list_of_tags_neither_takes_nor_brings_what_was_said_of_since() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let at = |days: i64, tags: Value| {
        assert_eq!(put(&stage, "m-1", &as_of(now + -days * DAY, json!({ "tags": tags }))).0, 200);
        show(&stage, "m-1")["tags"].clone()
    };
    assert_eq!(at(3, json!({ "add": ["new"], "remove": ["old"] })), json!(["new"]));
    assert_eq!(
        at(5, json!(["old", "other"])),
        json!(["new", "other"]),
        "what is newer stays, and stays away"
    );
    assert_eq!(at(6, json!({ "add": ["older"], "remove": ["other"] })), json!(["new", "other"]));
    assert_eq!(at(2, json!([])), json!([]));
    assert_eq!(at(4, json!({ "add": ["late"] })), json!([]), "the list of all said that it is not there");
    assert_eq!(at(1, json!({ "add": ["late"] })), json!(["late"]));
}

#[test]
fn a_word_from_the_future_is_refused_since_it_would_silence_those_to_come() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let (status, error) = put(&stage, "m-1", &as_of(now + (6 * MINUTE), json!({ "attributes": { "a": 1 } })));
    assert_eq!(status, 400);
    assert!(error["error_description"].as_str().unwrap().starts_with("as_of: "), "{error}");
    let mut line = as_of(now + (6 * MINUTE), json!({ "member_id": "m-1" }));
    assert_eq!(post(&stage, &[line.clone()])["results"][0]["field"], "as_of");
    line["as_of"] = json!((now + (5 * MINUTE)).rfc3339());
    assert_eq!(post(&stage, &[line])["accepted"], json!(1));
}
