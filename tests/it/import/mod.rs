//! Imports: links brought over from another system, in parts that are applied once.

mod hostile;
mod prove;
mod rows;

use enishi::web::Request;
use enishi_world::{ACCOUNT, Fault, Point, request};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Stage, json_body};

/// A LINE user id that LINE's stand-in need not know.
pub(super) fn user(number: usize) -> String {
    format!("U{number:032x}")
}

/// A part of an import of the first shop.
pub(crate) fn part(stage: &Stage, id: &str, number: usize, csv: impl Into<Vec<u8>>) -> Request {
    let mut put = request(Method::PUT, &format!("{}/v1/imports/{id}/parts/{number}", ACCOUNT.issuer));
    let bearer = format!("Bearer {}", stage.shop.api_key);
    put.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
    put.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"));
    put.body = Some(csv.into());
    put
}

/// Sends a part.
pub(crate) fn send(stage: &Stage, id: &str, number: usize, csv: impl Into<Vec<u8>>) -> (u16, Value) {
    let reply = stage.world.answer(part(stage, id, number, csv));
    (reply.status.as_u16(), json_body(&reply))
}

/// Begins an import; its id.
pub(crate) fn begin(stage: &Stage, body: &Value) -> String {
    let (status, import) = stage.api(&stage.shop, Method::POST, "/v1/imports", Some(body));
    assert_eq!((status, &import["state"]), (201, &json!("open")), "{import}");
    import["id"].as_str().unwrap().to_owned()
}

/// `GET /v1/imports/{id}`.
pub(super) fn show(stage: &Stage, id: &str, query: &str) -> Value {
    let (status, import) = stage.api(&stage.shop, Method::GET, &format!("/v1/imports/{id}{query}"), None);
    assert_eq!(status, 200, "{import}");
    import
}

/// `POST /v1/imports/{id}/finish`.
fn finish(stage: &Stage, id: &str, parts: usize) -> (u16, Value) {
    let path = format!("/v1/imports/{id}/finish");
    stage.api(&stage.shop, Method::POST, &path, Some(&json!({ "parts": parts })))
}

/// Line, reason.
fn refused(import: &Value) -> Vec<(u64, u64, String)> {
    let lines = import["refused_lines"].as_array().unwrap().iter();
    lines
        .map(|one| {
            let reason = one["reason"].as_str().unwrap().to_owned();
            (one["part"].as_u64().unwrap(), one["line"].as_u64().unwrap(), reason)
        })
        .collect()
}

#[test]
fn links_come_over_in_parts_and_the_import_says_what_became_of_every_line() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({ "consent": { "text": "terms of 2024", "at": "2024-04-01" } }));
    let first = format!("member_id,line_user_id\r\nm-1,{}\r\n\"m,2\",\"{}\"\r\n", user(1), user(2));
    let (status, answer) = send(&stage, &id, 1, first);
    assert_eq!((status, &answer["lines"], &answer["linked"]), (200, &json!(2), &json!(2)), "{answer}");
    let second = format!("m-3,{}\nm-4\nm-5,U5\nm-1,{}\nm-6,{}\n", user(3), user(4), user(1));
    let (_, answer) = send(&stage, &id, 2, second);
    assert_eq!((&answer["lines"], &answer["linked"], &answer["refused"]), (&json!(5), &json!(1), &json!(4)));
    let (status, import) = finish(&stage, &id, 2);
    assert_eq!((status, &import["state"]), (200, &json!("finished")));
    let import = show(&stage, &id, "");
    assert_eq!(
        import["totals"],
        json!({
            "lines": 7, "linked": 3, "already_linked": 0, "refused": 4,
            "reasons": { "malformed": 1, "line_user_id": 1, "member_is_linked": 1, "subject_is_linked": 1 },
        })
    );
    let expected = [(2, "malformed"), (3, "line_user_id"), (4, "member_is_linked"), (5, "subject_is_linked")];
    assert_eq!(refused(&import), expected.map(|(line, reason)| (2, line, reason.to_owned())));
    let (status, link) = stage.api(&stage.shop, Method::GET, "/v1/links?member_id=m%2C2", None);
    assert_eq!((status, &link["line_user_id"]), (200, &json!(user(2))));
    let consent = json!({ "way": "import", "text": "terms of 2024", "at": "2024-04-01" });
    assert_eq!(link["consent"], consent);
    // Who came to no link left nothing behind.
    assert_eq!(stage.count("line_users"), 3);
    let subjects = stage.world.query("SELECT subject FROM line_users");
    assert!(subjects.iter().all(|row| row["subject"].as_str().unwrap().len() == 32), "{subjects:?}");
}

#[test]
fn somebody_who_came_over_logs_in_as_the_member_and_a_known_line_user_keeps_the_subject() {
    let stage = Stage::new(1);
    let (known, unknown) = (stage.friend("花子"), stage.person("太郎"));
    let sub = stage.subject(&known);
    let id = begin(&stage, &json!({}));
    assert_eq!(send(&stage, &id, 1, format!("m-1,{known}\nm-2,{unknown}")).1["linked"], 2);
    let (_, link) = stage.api(&stage.shop, Method::GET, "/v1/links?member_id=m-1", None);
    assert_eq!((&link["sub"], &link["consent"]), (&json!(sub), &json!({ "way": "import" })));
    let (_, friend) = stage.api(&stage.shop, Method::GET, &format!("/v1/friends/{unknown}"), None);
    assert_eq!(friend["friend"], Value::Null);
    let login = stage.shop.begin("1");
    let location = Browser::of(&stage.world, &unknown).log_in(&stage.shop, &login, Consent::WithFriend);
    let claims = stage.shop.claims(&stage.world, &login, &stage.shop.code(&login, &location));
    assert_eq!((&claims["member_id"], &claims["sub"]), (&json!("m-2"), &friend["sub"]));
}

#[test]
fn a_part_that_comes_again_answers_alike_and_does_nothing() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({}));
    let csv = format!("m-1,{}\nm-1,{}\n", user(1), user(2));
    let first = send(&stage, &id, 1, csv.clone());
    assert_eq!(first.1["reasons"], json!({ "member_is_linked": 1 }));
    stage.world.advance(1_000);
    // Even after the link is gone, what was done is not done again.
    stage.world.execute("DELETE FROM links");
    assert_eq!(send(&stage, &id, 1, csv.clone()), first);
    assert_eq!(stage.count("links"), 0);
    let (status, error) = send(&stage, &id, 1, format!("m-1,{}\n", user(1)));
    assert_eq!((status, &error["error"]), (409, &json!("part_differs")));
    assert_eq!(finish(&stage, &id, 1).0, 200);
    assert_eq!(send(&stage, &id, 1, csv), first, "also of a finished import");
    assert_eq!(stage.count("links"), 0);
}

#[test]
fn of_two_at_once_one_wins_and_both_are_told_of_it() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({}));
    let same = format!("m-1,{}\n", user(1));
    let other = format!("m-2,{}\n", user(2));
    let requests = [&same, &same, &other].map(|csv| part(&stage, &id, 1, csv.as_bytes()));
    let replies = stage.world.together(requests.map(|request| stage.world.serve(request)));
    let mut statuses: Vec<u16> = replies.iter().flatten().map(|reply| reply.status.as_u16()).collect();
    assert_eq!(stage.count("links"), 1);
    statuses.sort_unstable();
    assert!([[200, 200, 409], [200, 409, 409]].map(Vec::from).contains(&statuses), "{statuses:?}");
}

#[test]
fn a_crash_leaves_a_part_undone_or_done() {
    for fault in Fault::ALL {
        let stage = Stage::new(1);
        let id = begin(&stage, &json!({}));
        let csv = format!("m-1,{}\nm-2,{}\nm-1,{}\nm\n", user(1), user(2), user(3));
        stage.world.fail_next(Point::Database, fault, 1);
        let _ = send(&stage, &id, 1, csv.clone());
        assert!([0, 2].contains(&stage.count("links")), "{fault:?}");
        assert_eq!(stage.count("links"), 2 * stage.count("import_parts WHERE counts <> '{}'"), "{fault:?}");
        let (status, answer) = send(&stage, &id, 1, csv);
        assert_eq!((status, &answer["linked"], &answer["refused"]), (200, &json!(2), &json!(2)), "{fault:?}");
        assert_eq!((stage.count("links"), stage.count("line_users")), (2, 2), "{fault:?}");
    }
}

#[test]
fn an_import_is_finished_by_all_of_its_parts_and_then_takes_none() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({}));
    for number in [4, 1] {
        assert_eq!(send(&stage, &id, number, format!("m-{number},{}", user(number))).0, 200);
    }
    let (status, error) = finish(&stage, &id, 4);
    assert_eq!((status, &error["error"]), (409, &json!("parts_missing")));
    assert!(error["error_description"].as_str().unwrap().contains("2, 3"), "{error}");
    let (_, error) = finish(&stage, &id, 2);
    assert!(error["error_description"].as_str().unwrap().ends_with("first: 2"), "{error}");
    for number in [2, 3] {
        assert_eq!(send(&stage, &id, number, format!("m-{number},{}", user(number))).0, 200);
    }
    let (status, error) = finish(&stage, &id, 3);
    assert_eq!((status, &error["error"]), (409, &json!("parts_missing")));
    assert!(error["error_description"].as_str().unwrap().ends_with("also: 4"), "{error}");
    assert_eq!(show(&stage, &id, "")["state"], "open");
    let finished = finish(&stage, &id, 4);
    assert_eq!((finished.0, &finished.1["state"]), (200, &json!("finished")));
    let places: Vec<_> = finished.1["parts"].as_array().unwrap().iter().map(|part| &part["place"]).collect();
    assert_eq!(places, [2, 3, 4, 1]);
    stage.world.advance(5_000);
    assert_eq!(finish(&stage, &id, 4), finished, "again is no error");
    assert_eq!(finish(&stage, &id, 5).1["error"], "import_finished");
    let (status, error) = send(&stage, &id, 5, format!("m-5,{}", user(5)));
    assert_eq!((status, &error["error"]), (409, &json!("import_finished")));
    assert_eq!(stage.count("links"), 4);
}

#[test]
fn what_is_linked_already_stays_as_it_is_and_a_line_twice_is_repeated() {
    let stage = Stage::new(1);
    let (hanako, taro) = (stage.friend("花子"), stage.friend("太郎"));
    let consent = json!({ "member_id": "m-1", "consent": { "text": "newer" } });
    assert_eq!(stage.link(&stage.subject(&hanako), &consent).0, 201);
    let id = begin(&stage, &json!({ "consent": { "text": "older" } }));
    let csv = format!("m-1,{hanako}\nm-1,{taro}\nm-9,{hanako}\nm-2,{taro}\nm-2,{taro}\nm-1,{hanako}\n");
    let (_, answer) = send(&stage, &id, 1, csv);
    assert_eq!((&answer["linked"], &answer["already_linked"]), (&json!(1), &json!(2)), "{answer}");
    let (_, answer) = send(&stage, &id, 2, format!("m-2,{taro}\n"));
    assert_eq!(answer["reasons"], json!({ "repeated": 1 }));
    // What stands in the way is said as of the end of the part: by then the second line's LINE user has a member.
    let expected =
        [(1, 2, "subject_is_linked"), (1, 3, "subject_is_linked"), (1, 5, "repeated"), (2, 1, "repeated")];
    assert_eq!(refused(&show(&stage, &id, "")), expected.map(|(p, l, reason)| (p, l, reason.to_owned())));
    let (_, link) = stage.api(&stage.shop, Method::GET, "/v1/links?member_id=m-1", None);
    assert_eq!((&link["consent"]["text"], &link["consent"]["way"]), (&json!("newer"), &json!("shop")));
    let again = begin(&stage, &json!({}));
    assert_eq!(send(&stage, &again, 1, format!("m-2,{taro}\n")).1["already_linked"], 1);
}

#[test]
fn refused_lines_come_in_pages_and_name_nobody() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({}));
    for number in [3, 1, 2] {
        assert_eq!(send(&stage, &id, number, "bad\n".repeat(7)).1["refused"], 7);
    }
    let (mut lines, mut query, mut pages) = (Vec::new(), "?limit=5".to_owned(), 0);
    loop {
        let import = show(&stage, &id, &query);
        lines.extend(refused(&import).into_iter().map(|(part, line, _)| (part, line)));
        pages += 1;
        let Some(next) = import["next"].as_str() else { break };
        query = format!("?limit=5&after={next}");
    }
    let all: Vec<_> = (1..=3).flat_map(|part| (1..=7).map(move |line| (part, line))).collect();
    assert_eq!((lines, pages), (all, 5));
    assert_eq!(send(&stage, &id, 4, format!("会員一,{}\n会員二,{0}", user(1))).1["refused"], 1);
    let stored = stage.world.query("SELECT * FROM import_parts");
    let stored = format!("{stored:?} {}", show(&stage, &id, "?limit=1000"));
    assert!(!stored.contains("会員") && !stored.contains(&user(1)), "{stored}");
}

#[test]
fn imports_are_listed_the_newest_first() {
    let stage = Stage::new(1);
    let ids: Vec<String> = (0..5)
        .map(|at| {
            stage.world.advance(at % 2);
            begin(&stage, &json!({ "kind": "links" }))
        })
        .collect();
    assert_eq!(send(&stage, &ids[4], 1, format!("m-1,{}", user(1))).0, 200);
    let (mut listed, mut path) = (Vec::new(), "/v1/imports?limit=2".to_owned());
    loop {
        let (_, page) = stage.api(&stage.shop, Method::GET, &path, None);
        listed.extend(page["imports"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/imports?limit=2&after={next}");
    }
    let mut known: Vec<&str> = listed.iter().map(|one| one["id"].as_str().unwrap()).collect();
    let times: Vec<&str> = listed.iter().map(|one| one["created_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let newest = listed.iter().find(|one| one["id"] == ids[4]).unwrap();
    assert_eq!((&newest["parts"], &newest["state"]), (&json!(1), &json!("open")));
    let mut all: Vec<&str> = ids.iter().map(String::as_str).collect();
    known.sort_unstable();
    all.sort_unstable();
    assert_eq!(known, all);
}
