//! What a careless export, a hostile customer of the shop, or another shop may send.

use enishi::{
    platform::Platform,
    time::{HOUR, MINUTE, UnixMillis},
};
use enishi_world::{ACCOUNT, Fault, request};
use http::{HeaderValue, Method, header};
use serde_json::json;

use super::{begin, finish, part, refused, send, show, user};
use crate::{
    erase::found,
    support::{Stage, json_body},
};

#[test]
fn another_shop_neither_sees_nor_fills_an_import() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let id = begin(&stage, &json!({}));
    for (method, path, body) in [
        (Method::GET, format!("/v1/imports/{id}"), None),
        (Method::POST, format!("/v1/imports/{id}/finish"), Some(json!({ "parts": 1 }))),
    ] {
        let (status, error) = stage.api(&other, method, &path, body.as_ref());
        assert_eq!((status, &error["error"]), (404, &json!("not_found")), "{path}");
    }
    let (_, list) = stage.api(&other, Method::GET, &format!("/v1/imports?after={id}"), None);
    assert_eq!(list["imports"], json!([]));
    let mut foreign = part(&stage, &id, 1, format!("m-1,{}", user(1)));
    foreign.authority = other.line.host.to_owned();
    assert_eq!(stage.world.answer(foreign.clone()).status, 401, "the first shop's key on the other's host");
    let bearer = HeaderValue::from_str(&format!("Bearer {}", other.api_key)).unwrap();
    foreign.headers.insert(header::AUTHORIZATION, bearer.clone());
    foreign.authority = request(Method::GET, &format!("{}/", other.line.issuer)).authority;
    assert_eq!(stage.world.answer(foreign).status, 404);
    let mut foreign = part(&stage, &id, 1, format!("m-1,{}", user(1)));
    foreign.headers.insert(header::AUTHORIZATION, bearer);
    assert_eq!(stage.world.answer(foreign).status, 401, "the other's key on the first shop's host");
    let counts = ["import_parts", "links", "line_users"].map(|table| stage.count(table));
    assert_eq!(counts, [0, 0, 0]);
}

#[test]
fn two_accounts_import_the_same_ids_without_touching_each_other() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let id = begin(&stage, &json!({}));
    assert_eq!(send(&stage, &id, 1, format!("m-1,{}", user(1))).1["linked"], 1);
    let (_, import) = stage.api(&other, Method::POST, "/v1/imports", Some(&json!({})));
    let url = format!("{}/v1/imports/{}/parts/1", other.line.issuer, import["id"].as_str().unwrap());
    let mut put = request(Method::PUT, &url);
    let bearer = HeaderValue::from_str(&format!("Bearer {}", other.api_key)).unwrap();
    put.headers.insert(header::AUTHORIZATION, bearer);
    put.body = Some(format!("m-1,{}", user(1)).into_bytes());
    assert_eq!(json_body(&stage.world.answer(put))["linked"], 1);
    let subjects = stage.world.query("SELECT DISTINCT subject FROM line_users");
    assert_eq!((stage.count("links"), subjects.len()), (2, 2));
}

#[test]
fn a_line_within_quotes_is_no_line_whoever_wrote_it() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({}));
    // A customer whose member id holds a line that gives another's member to his own LINE account.
    let trap = format!("\"x\nvictim,{}\ny\",{}\nm-1,{}\n", user(666), user(7), user(1));
    let (_, answer) = send(&stage, &id, 1, trap);
    assert_eq!((&answer["linked"], &answer["reasons"]), (&json!(1), &json!({ "member_id": 3 })));
    let (status, error) =
        send(&stage, &id, 2, format!("m-2,{}\n\"m-3,{}\nm-4,{}\n", user(2), user(3), user(4)));
    assert_eq!((status, &error["error"]), (400, &json!("invalid_csv")));
    assert!(error["error_description"].as_str().unwrap().contains("line 2 "), "{error}");
    assert_eq!((stage.count("links"), stage.count("import_parts")), (1, 1));
}

#[test]
fn huge_and_senseless_lines_are_refused_alone() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({}));
    let lines = [
        ",".repeat(100_000),
        "x".repeat(200_000),
        format!("{},{}", "長".repeat(256), user(1)),
        format!("m\0,{}", user(1)),
        format!("m-1,{}\0", user(1)),
        format!("m-1,{}", user(0xABC).to_uppercase()),
        format!("m-1, {}", user(1)),
        format!("=HYPERLINK(\"\"x\"\"),{}", user(1)),
        "member_id,line_user_id".to_owned(),
        format!("=1+1,{}", user(1)),
        format!("{},{}", "長".repeat(255), user(2)),
        format!("\"'; DROP TABLE links; --\",{}", user(3)),
    ];
    let (status, answer) = send(&stage, &id, 1, lines.join("\r\n"));
    assert_eq!((status, &answer["linked"]), (200, &json!(3)), "{answer}");
    let reasons: Vec<String> = refused(&show(&stage, &id, "")).into_iter().map(|one| one.2).collect();
    let (malformed, member, line_user) = ("malformed", "member_id", "line_user_id");
    assert_eq!(
        reasons,
        [malformed, malformed, member, member, line_user, line_user, line_user, malformed, line_user]
    );
    assert_eq!(stage.count("links WHERE member_id = '=1+1'"), 1);
}

#[test]
fn what_is_no_part_is_refused_as_a_whole_and_says_what_to_do() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({}));
    let well = format!("m-1,{}", user(1));
    let sjis = [b"m-1,x\n\x89\xef\x88\xf5,".as_slice(), user(1).as_bytes()].concat();
    for (csv, status, says) in [
        (sjis, 400, "CSV UTF-8"),
        (b"\xff\xfem\0".to_vec(), 400, "UTF-16"),
        (Vec::new(), 400, "no lines"),
        (format!("line_user_id,member_id\n{well}").into_bytes(), 400, "header"),
        (format!("member_id,member_id,line_user_id\n{well}").into_bytes(), 200, ""),
        ("x\n".repeat(30_001).into_bytes(), 400, "30000"),
        (vec![b'x'; 1_000_001], 413, "1000000"),
        (vec![b'x'; 2_000_001], 413, "2 MB"),
    ] {
        let (answered, body) = send(&stage, &id, 1, csv);
        let description = body["error_description"].as_str().unwrap_or_default();
        assert!(answered == status && description.contains(says), "{answered} {says}: {body}");
    }
    for number in ["0", "1001", "-1", "01", "+1", "1.0", "x"] {
        let mut put = part(&stage, &id, 1, well.clone());
        put.path = format!("/v1/imports/{id}/parts/{number}");
        assert_eq!(stage.world.answer(put).status, 400, "{number}");
    }
    for kind in ["application/x-www-form-urlencoded", "application/json", "text/csv; charset=Shift_JIS"] {
        let mut put = part(&stage, &id, 2, well.clone());
        put.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        assert_eq!(stage.world.answer(put).status, 415, "{kind}");
    }
    let mut put = part(&stage, &id, 2, well);
    put.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("Text/CSV; header=present; charset=\"UTF-8\""),
    );
    assert_eq!(stage.world.answer(put).status, 200);
}

#[test]
fn an_import_that_nobody_should_begin_is_refused() {
    let stage = Stage::new(1);
    for body in [
        json!({ "kind": "sends" }),
        json!({ "kind": "members", "consent": {} }),
        json!({ "kind": "members", "columns": ["rank"] }),
        json!({ "replace": true }),
        json!({ "consent": "yes" }),
        json!({ "consent": { "text": "x".repeat(500) } }),
        json!({ "more": 1 }),
        json!("links"),
    ] {
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/imports", Some(&body));
        assert_eq!((status, &error["error"]), (400, &json!("invalid_request")), "{body}: {error}");
    }
    let (status, import) = stage.api(&stage.shop, Method::POST, "/v1/imports", None);
    assert_eq!((status, &import["consent"]), (201, &json!({ "way": "import" })));
    let (_, import) =
        stage.api(&stage.shop, Method::POST, "/v1/imports", Some(&json!({ "consent": { "way": "x" } })));
    assert_eq!(import["consent"], json!({ "way": "import" }), "the way is not the caller's to say");
    let id = begin(&stage, &json!({}));
    for parts in [json!(0), json!(1001), json!(-1), json!("1"), json!(null)] {
        let path = format!("/v1/imports/{id}/finish");
        let (status, _) = stage.api(&stage.shop, Method::POST, &path, Some(&json!({ "parts": parts })));
        assert_eq!(status, 400, "{parts}");
    }
    assert_eq!(finish(&stage, &id, 1).1["error"], "parts_missing");
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?after=x", "?after=1", "?after=1.x", "?after=-1.1"]
    {
        let (status, _) = stage.api(&stage.shop, Method::GET, &format!("/v1/imports/{id}{query}"), None);
        assert_eq!(status, 400, "{query}");
    }
    assert_eq!(stage.api(&stage.shop, Method::GET, "/v1/imports/none", None).0, 404);
    assert_eq!(stage.api(&stage.shop, Method::GET, "/v1/imports/a%20b", None).0, 400);
    assert_eq!(stage.world.get(&format!("{}/v1/imports", ACCOUNT.issuer)).status, 401);
}

#[test]
fn an_erasure_that_is_slow_is_heeded_by_an_import_that_looked_before_it_was_done() {
    let mut met = 0;
    for seed in 1..60 {
        let stage = Stage::new(seed);
        let world = &stage.world;
        let user = stage.member("member-canary-7", "gold");
        let id = begin(&stage, &json!({}));
        // The erasure's batch takes two minutes; the import comes as it ends.
        world.fail_at(2, Fault::Stalled);
        let ends = world.now() + 2 * MINUTE;
        let erasure = stage.shop.api_request(Method::DELETE, "/v1/members/member-canary-7", None);
        let part = part(&stage, &id, 1, format!("member-canary-7,{user}"));
        let warming = stage.shop.api_request(Method::GET, "/v1/imports", None);
        let at_time = async |(request, begins): (_, UnixMillis)| {
            if begins == ends {
                world.sleep_until(begins + -1).await;
                assert_eq!(world.serve(warming.clone()).await.status, 200);
            }
            world.sleep_until(begins).await;
            world.serve(request).await.status.as_u16()
        };
        let statuses = world.together([(erasure, world.now()), (part, ends)].map(at_time));
        assert_eq!((statuses[0], world.end_faults()), (Some(204), false), "seed {seed}");
        met += u32::from(statuses[1] == Some(409));
        world.settle(HOUR);
        assert_eq!(found(&stage, &[&user, "member-canary-7"]), [], "seed {seed}: {statuses:?}");
    }
    assert!(met > 0, "some import looked before the erasure was done, and came after it");
}
