//! What the shop says of its members: attributes, tags and links, in one call for one or for many.

mod late;

use enishi::time::DAY;
use http::Method;
use serde_json::{Value, json};

use crate::{customer_event, erase::erase, support::Stage};

/// `PUT /v1/members/{member_id}`.
fn put(stage: &Stage, member: &str, body: &Value) -> (u16, Value) {
    stage.api(&stage.shop, Method::PUT, &format!("/v1/members/{member}"), Some(body))
}

/// `GET /v1/members/{member_id}`.
fn show(stage: &Stage, member: &str) -> Value {
    let (status, body) = stage.api(&stage.shop, Method::GET, &format!("/v1/members/{member}"), None);
    assert_eq!(status, 200, "{body}");
    body
}

/// `POST /v1/members`.
pub(crate) fn post(stage: &Stage, members: &[Value]) -> Value {
    let body = json!({ "members": members });
    let (status, answer) = stage.api(&stage.shop, Method::POST, "/v1/members", Some(&body));
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The elements of lists as they are found by, as text.
fn items(stage: &Stage) -> Vec<String> {
    let rows =
        stage.world.query("SELECT name || ' ' || value AS item FROM attribute_items ORDER BY name, value");
    rows.iter().map(|row| row["item"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn attributes_of_every_kind_come_back_as_they_were_said() {
    let stage = Stage::new(1);
    let attributes = json!({
        "rank": "gold", "points": 1200, "ratio": 0.5, "newsletter": false, "birthday": "1990-02-28",
        "interests": ["tea", "cups", 7, 1.5], "none": [], "long": "あ".repeat(1_000),
    });
    assert_eq!(put(&stage, "m-1", &json!({ "attributes": attributes })).0, 200);
    assert_eq!(show(&stage, "m-1")["attributes"], attributes);
    let kinds = stage.world.query("SELECT name, kind FROM attributes ORDER BY name");
    let kinds: Vec<&str> = kinds.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["date", "list", "text", "boolean", "list", "number", "text", "number"]);
    assert_eq!(items(&stage), ["interests 1.5", "interests 7", "interests cups", "interests tea"]);
    let (rows, _) = crate::export::page(&stage, "/v1/exports/attributes");
    let interests = rows.iter().find(|row| row["name"] == "interests").unwrap();
    assert_eq!(interests["value"], json!(["tea", "cups", 7, 1.5]));
}

#[test]
fn a_list_is_found_by_the_elements_that_it_has_now() {
    let stage = Stage::new(1);
    for (value, found) in [
        (json!(["a", "b"]), vec!["x a", "x b"]),
        (json!(["b", "c", "c"]), vec!["x b", "x c"]),
        (json!("a"), vec![]),
        (json!(["d"]), vec!["x d"]),
        (json!(null), vec![]),
    ] {
        assert_eq!(put(&stage, "m-1", &json!({ "attributes": { "x": value, "y": 1 } })).0, 200);
        assert_eq!(items(&stage), found, "{value}");
    }
    assert_eq!(show(&stage, "m-1")["attributes"], json!({ "y": 1 }));
    assert_eq!(crate::export::page(&stage, "/v1/exports/attributes").0.len(), 1);
}

#[test]
fn tags_are_said_as_a_whole_or_as_changes() {
    let stage = Stage::new(1);
    for (tags, there) in [
        (json!(["b", "a"]), json!(["a", "b"])),
        (json!({ "add": ["c"], "remove": ["a", "z"] }), json!(["b", "c"])),
        (json!({}), json!(["b", "c"])),
        (json!(["c", "d"]), json!(["c", "d"])),
        (json!([]), json!([])),
        (json!({ "add": ["a"] }), json!(["a"])),
    ] {
        assert_eq!(put(&stage, "m-1", &json!({ "tags": tags })).0, 200, "{tags}");
        assert_eq!(show(&stage, "m-1")["tags"], there, "{tags}");
    }
    assert_eq!(crate::export::page(&stage, "/v1/exports/tags").0[0]["member_id"], "m-1");
}

#[test]
fn many_members_are_told_in_one_call_and_a_bad_line_stops_no_other() {
    let stage = Stage::new(1);
    let answer = post(
        &stage,
        &[
            json!({ "member_id": "m-1", "attributes": { "rank": "gold" }, "tags": ["vip"] }),
            json!({ "member_id": "m-2", "attributes": { "rank": { "of": 1 } } }),
            json!({ "member_id": "m-1", "attributes": { "rank": "silver" } }),
            json!({ "member_id": "m-3", "atributes": {} }),
            json!({ "member_id": "m-4" }),
        ],
    );
    let fields: Vec<&str> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["field"].as_str().unwrap_or("-"))
        .collect();
    assert_eq!(fields, ["-", "attributes.rank", "member_id", "atributes", "-"], "{answer}");
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(3)));
    assert_eq!(show(&stage, "m-1")["attributes"], json!({ "rank": "gold" }));
    assert_eq!(stage.count("members"), 2);
}

#[test]
fn a_thousand_members_are_one_batch_of_a_few_statements() {
    let stage = Stage::new(1);
    post(&stage, &[json!({ "member_id": "warm" })]);
    for (number, statements) in [(1, 9), (1_000, 9)] {
        let members: Vec<Value> = (0..number)
            .map(|at| {
                json!({
                    "member_id": format!("m-{number}-{at}"), "attributes": { "n": at, "list": ["a", at] }, "tags": ["t"],
                })
            })
            .collect();
        stage.world.reset_calls();
        assert_eq!(post(&stage, &members)["accepted"], json!(number));
        let calls = stage.world.calls();
        assert_eq!((calls.batches, calls.statements <= statements), (1, true), "{calls:?}");
        assert_eq!((calls.cache_reads, calls.cache_writes, calls.enqueues, calls.fetches), (0, 0, 0, 0));
    }
    assert_eq!((stage.count("attribute_items"), stage.count("tags")), (2_002, 1_001));
}

#[test]
fn a_line_may_bring_its_link_under_the_rules_of_an_import() {
    let stage = Stage::new(1);
    let user = |number: u32| format!("U{number:032x}");
    let known = stage.member("m-1", "gold");
    let gold = json!({ "rank": "new" });
    let line =
        |member: &str, user: &str| json!({ "member_id": member, "line_user_id": user, "attributes": gold });
    let answer = post(
        &stage,
        &[
            line("m-2", &user(2)),
            line("m-1", &known),
            line("m-3", &known),
            line("m-4", &user(2)),
            line("m-5", "u1"),
            json!({ "member_id": "m-6" }),
        ],
    );
    let results = answer["results"].as_array().unwrap();
    let said: Vec<(&str, &str)> = results
        .iter()
        .map(|one| {
            (one["result"].as_str().unwrap(), one["link"].as_str().or(one["error"].as_str()).unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        said,
        [
            ("accepted", "linked"),
            ("accepted", "already_linked"),
            ("refused", "subject_is_linked"),
            ("refused", "subject_is_linked"),
            ("refused", "-"),
            ("accepted", "-")
        ],
        "{answer}"
    );
    assert!(results[2..5].iter().all(|one| one["field"] == "line_user_id"), "{answer}");
    let taken = post(&stage, &[line("m-1", &user(9))]);
    assert_eq!(taken["results"][0]["error"], "member_is_linked");
    assert_eq!(stage.count("line_users"), 2, "nobody is made known in vain");
    let members = stage.world.query("SELECT member_id FROM members ORDER BY 1");
    let members: Vec<&str> = members.iter().map(|row| row["member_id"].as_str().unwrap()).collect();
    assert_eq!(members, ["m-1", "m-2", "m-6"], "a refused line makes nothing");
    assert_eq!(show(&stage, "m-2")["link"]["consent"], json!({ "way": "import" }));
    assert_eq!(stage.count("attributes WHERE value = 'new'"), 2);
    let (status, error) =
        put(&stage, "m-2", &json!({ "line_user_id": known, "attributes": { "rank": "x" } }));
    assert_eq!((status, &error["error"]), (409, &json!("subject_is_linked")));
    assert_eq!(put(&stage, "m-7", &json!({ "line_user_id": user(7) })).1["link"], "linked");
    assert_eq!(stage.count("attributes WHERE value = 'x'"), 0);
}

#[test]
fn nobody_erased_is_brought_back_by_many_lines_and_one_word_on_them_is_a_new_beginning() {
    let stage = Stage::new(1);
    let user = stage.member("m-1", "gold");
    assert_eq!(put(&stage, "m-1", &json!({ "tags": ["t"], "attributes": { "l": ["a"] } })).0, 200);
    assert_eq!(put(&stage, "m-1", &json!({ "tags": [] })).0, 200);
    assert_eq!(erase(&stage, "m-1"), 204);
    let tables = ["tags", "tag_removals", "attributes", "attribute_items", "members", "line_users"];
    assert_eq!(tables.map(|table| stage.count(table)), [0; 6]);
    let lines =
        [json!({ "member_id": "m-1", "tags": ["t"] }), json!({ "member_id": "m-2", "line_user_id": user })];
    let answer = post(&stage, &lines);
    let fields: Vec<&str> =
        answer["results"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["member_id", "line_user_id"], "{answer}");
    assert_eq!(tables.map(|table| stage.count(table)), [0; 6]);
    assert_eq!(put(&stage, "m-1", &json!({ "tags": ["new"] })).0, 200);
    assert_eq!(post(&stage, &lines[..1])["accepted"], json!(1));
}

#[test]
fn a_member_is_shown_with_the_newest_events_and_all_of_them_in_pages() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let events: Vec<Value> = (0..25)
        .map(|at| {
            let mut event = customer_event::event(&format!("e-{at:02}"), "m-1", now + -(at % 13) * DAY);
            event["type"] = json!(if at % 2 == 0 { "visited" } else { "left" });
            event["properties"] = json!({ "n": at });
            event
        })
        .collect();
    customer_event::post(&stage, &events);
    customer_event::post(&stage, &[customer_event::event("other", "m-2", now)]);
    let shown = show(&stage, "m-1");
    assert_eq!(shown["events"].as_array().unwrap().len(), 10);
    assert_eq!(shown["events"][0]["occurred_at"], json!(now.rfc3339()));
    let mut all = Vec::new();
    let mut path = "/v1/members/m-1/events?limit=4".to_owned();
    loop {
        let (status, page) = stage.api(&stage.shop, Method::GET, &path, None);
        assert_eq!(status, 200, "{page}");
        all.extend(page["events"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/members/m-1/events?limit=4&after={next}");
    }
    let times: Vec<&str> = all.iter().map(|event| event["occurred_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let mut ids: Vec<&str> = all.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((all.len(), ids.len(), &all[..10]), (25, 25, &shown["events"].as_array().unwrap()[..]));
    assert_eq!(stage.api(&stage.shop, Method::GET, "/v1/members/nobody/events", None).0, 404);
    for after in ["x", "1", "1.x", "-1.1", "1.-1"] {
        let path = format!("/v1/members/m-1/events?after={after}");
        assert_eq!(stage.api(&stage.shop, Method::GET, &path, None).0, 400, "{after}");
    }
    let (_, export) = stage.api(&stage.shop, Method::GET, "/v1/members/m-1/export", None);
    assert_eq!(export["events"].as_array().unwrap().len(), 25);
    assert_eq!(crate::export::page(&stage, "/v1/exports/events").0.len(), 26);
}
