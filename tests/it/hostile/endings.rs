//! The end of a link in a tired system: whatever fails, at whichever step, and however often each call is repeated, LINE and
//! the shop are told of each end once, and nothing lives on.

use std::collections::{BTreeMap, BTreeSet};

use enishi::time::{HOUR, MINUTE, SECOND};
use enishi_world::{ACCOUNT, Fault};
use http::Method;
use serde_json::{Value, json};

use super::session_cookie;
use crate::support::{Browser, Consent, HOOKS, Stage, for_each_seed_of, form};

const DEAUTHORIZE: &str = "/user/v1/deauthorize";

/// The shop's events by their ids: of one id there is one word.
fn told(stage: &Stage) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    for call in stage.world.shop_calls().iter().filter(|call| call.url == HOOKS) {
        let id = call.headers["webhook-id"].to_str().unwrap().to_owned();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let before = told.insert(id, body.clone());
        assert!(before.is_none_or(|before| before == body), "{body}");
    }
    told
}

/// Somebody who logged in and is linked; the browser and the subject.
fn linked<'a>(stage: &'a Stage, member: &str) -> (Browser<'a>, String) {
    let (shop, world) = (&stage.shop, &stage.world);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin(member);
    let back = browser.log_in(shop, &login, Consent::Plain);
    let sub = shop.claims(world, &login, &shop.code(&login, &back))["sub"].as_str().unwrap().to_owned();
    assert_eq!(stage.link(&sub, &json!({ "member_id": member })).0, 201);
    world.settle(MINUTE);
    (browser, sub)
}

/// One way to end a link; may be repeated.
fn end(stage: &Stage, way: &str, browser: &Browser<'_>, sub: &str, confirmation: &str) -> u16 {
    match way {
        "api" => stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0,
        "erase" => stage.api(&stage.shop, Method::DELETE, "/v1/members/m-1", None).0,
        "replaced" => {
            let other = stage.world.query("SELECT subject FROM line_users ORDER BY id LIMIT 1");
            let other = other[0]["subject"].as_str().unwrap();
            stage.link(other, &json!({ "member_id": "m-1", "replace": true })).0
        }
        _ => {
            let url = format!("{}/line/unlink", ACCOUNT.issuer);
            let fields = [("confirmation", confirmation), ("choice", "unlink")];
            let mut posted = form(&url, &fields);
            posted.headers.extend(browser.request(&url).headers);
            stage.world.answer(posted).status.as_u16()
        }
    }
}

#[test]
fn whatever_fails_an_end_is_told_once_to_line_and_to_the_shop_and_nothing_lives_on() {
    for way in ["api", "customer", "erase", "replaced"] {
        for fault in Fault::ALL {
            for number in 1.. {
                let stage = Stage::new(number);
                stage.takes_events();
                stage.friend("前の人");
                let (mut browser, sub) = linked(&stage, "m-1");
                let page = browser.go(&format!("{}/line/unlink", ACCOUNT.issuer));
                let confirmation = page.form().1[0].1.clone();
                let before = told(&stage).len();
                stage.world.fail_at(number, fault);
                let what = format!("{way}: {fault:?} at {number}");
                for _ in 0..3 {
                    let status = end(&stage, way, &browser, &sub, &confirmation);
                    if status < 500 {
                        break;
                    }
                    stage.world.advance(3 * MINUTE);
                }
                stage.world.run_queues();
                let unharmed = stage.world.end_faults();
                stage.world.settle(10 * MINUTE);
                let told = told(&stage);
                let ends = told.values().filter(|body| body["type"] == "link.ended");
                let reasons: Vec<_> = ends.map(|body| body["data"]["reason"].as_str().unwrap()).collect();
                let expected = BTreeMap::from([
                    ("api", "unlinked"),
                    ("customer", "customer"),
                    ("erase", "erased"),
                    ("replaced", "replaced"),
                ]);
                assert_eq!(reasons, [expected[way]], "{what}");
                assert_eq!(told.len(), before + if way == "replaced" { 2 } else { 1 }, "{what}: {told:?}");
                let answers = stage.answers_of(DEAUTHORIZE);
                assert_eq!(
                    answers.iter().filter(|status| **status == Some(204)).count(),
                    1,
                    "{what}: {answers:?}"
                );
                assert_eq!(stage.count("outbox"), 0, "{what}");
                assert_eq!(stage.count("line_users WHERE line_tokens IS NOT NULL"), 0, "{what}");
                assert_eq!(stage.count("links"), u64::from(way == "replaced"), "{what}");
                assert_eq!(stage.count("sessions WHERE ended_at IS NULL"), 0, "{what}");
                assert_eq!(stage.count("grants WHERE ended_at IS NULL"), 0, "{what}");
                let history = stage.world.query("SELECT line_told FROM link_history");
                let expected = if way == "erase" { vec![] } else { vec![json!({ "line_told": "told" })] };
                assert_eq!(history, expected, "{what}");
                assert!(super::is_nobody(
                    &stage.world,
                    &stage.shop,
                    &format!("__Host-enishi-session={}", session_cookie(&browser))
                ));
                if unharmed {
                    break;
                }
            }
        }
    }
}

#[test]
fn prove_links_that_come_and_go_in_a_storm_are_told_each_once() {
    for_each_seed_of("link storms", 200, |seed| {
        let stage = Stage::new(seed);
        stage.takes_events();
        let world = &stage.world;
        let people: Vec<(String, String)> = (0..3)
            .map(|at| {
                let (_, sub) = linked(&stage, &format!("m-{at}"));
                (format!("m-{at}"), sub)
            })
            .collect();
        world.fail_by_seed(0.08);
        for _ in 0..30 {
            let (member, _) = &people[world.below(3)];
            let (_, sub) = &people[world.below(3)];
            match world.below(4) {
                0 => _ = stage.api(&stage.shop, Method::DELETE, &format!("/v1/links/{sub}"), None),
                1 => _ = stage.link(sub, &json!({ "member_id": member })),
                _ => _ = stage.link(sub, &json!({ "member_id": member, "replace": true })),
            }
            world.advance(SECOND * i64::try_from(world.below(90)).unwrap());
            if world.below(3) == 0 {
                world.tick();
                world.run_queues();
            }
        }
        world.end_faults();
        world.settle(3 * HOUR);
        let told = told(&stage);
        let ids = |table: &str| -> BTreeSet<String> {
            let rows = world.query(&format!("SELECT link_id FROM {table}"));
            rows.iter().map(|row| row["link_id"].as_str().unwrap().to_owned()).collect()
        };
        let (live, ended) = (ids("links"), ids("link_history"));
        let of = |kind: &str| -> BTreeSet<String> {
            let prefix = format!("msg_{kind}.");
            told.keys().filter_map(|id| id.strip_prefix(&prefix)).map(str::to_owned).collect()
        };
        assert_eq!(of("link.made"), live.union(&ended).cloned().collect(), "seed {seed}");
        assert_eq!(of("link.ended"), ended, "seed {seed}");
        assert_eq!(stage.count("outbox"), 0, "seed {seed}");
        assert_eq!(stage.count("link_history WHERE line_told = 'owed'"), 0, "seed {seed}");
        vec![("links made", of("link.made").len() as u64), ("ended", ended.len() as u64)]
    });
}

/// Rows that name a LINE user by a row that is none any more.
fn dangling(stage: &Stage) -> Vec<(String, u64)> {
    let tables = [
        "links",
        "link_history",
        "sessions",
        "grants",
        "chat_messages",
        "outbox WHERE line_user IS NOT NULL",
    ];
    let of = |table: &str| {
        let and = if table.contains("WHERE") { "AND" } else { "WHERE" };
        stage.count(&format!("{table} {and} line_user NOT IN (SELECT id FROM line_users)"))
    };
    tables.iter().map(|table| ((*table).to_owned(), of(table))).filter(|(_, rows)| *rows > 0).collect()
}

#[test]
fn prove_erasures_among_everything_else_at_once_leave_nothing_that_names_nobody() {
    for_each_seed_of("erasures at once", 200, |seed| {
        let stage = Stage::new(seed);
        stage.takes_events();
        let world = &stage.world;
        let shop = &stage.shop;
        let people: Vec<(Browser<'_>, String)> =
            (0..3).map(|at| linked(&stage, &format!("m-{at}"))).collect();
        let mut erased = 0;
        for round in 0..6 {
            let (mut requests, now) = (Vec::new(), world.now().0);
            for _ in 0..5 {
                let (browser, sub) = &people[world.below(3)];
                let member = format!("m-{}", world.below(3));
                let body = json!({ "member_id": member, "replace": world.below(2) == 0 });
                requests.push(match world.below(6) {
                    0 | 1 => shop.api_request(Method::DELETE, &format!("/v1/members/{member}"), None),
                    2 => shop.api_request(Method::PUT, &format!("/v1/links/{sub}"), Some(&body)),
                    3 => shop.api_request(Method::DELETE, &format!("/v1/links/{sub}"), None),
                    4 => browser.request(&shop.begin(&format!("{round}")).url),
                    _ => shop.api_request(
                        Method::PUT,
                        &format!("/v1/members/{member}"),
                        Some(&json!({ "attributes": { "a": 1 } })),
                    ),
                });
            }
            let user = world.line().users()[world.below(3)].id.clone();
            world.line().send_message(now, &user, "hello").unwrap();
            world.deliver_webhooks();
            if world.below(2) == 0 {
                world.fail_by_seed(0.05);
            }
            let erasures = requests
                .iter()
                .filter(|one| one.path.starts_with("/v1/members/") && one.method == Method::DELETE)
                .count();
            let bodies = world.queued();
            let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
            let memory = world.isolate();
            let served = requests.into_iter().map(|request| async { _ = world.serve(request).await });
            let mut all: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
            for one in served {
                all.push(Box::pin(one));
            }
            all.push(Box::pin(async { _ = enishi::app::work(world.context(&memory), &bodies).await }));
            world.together(all);
            world.end_faults();
            assert_eq!(dangling(&stage), [], "seed {seed}, round {round}");
            erased += erasures as u64;
            world.settle(5 * MINUTE);
        }
        world.settle(3 * HOUR);
        assert_eq!((dangling(&stage), stage.count("outbox")), (vec![], 0), "seed {seed}");
        assert_eq!(stage.count("link_history WHERE line_told = 'owed'"), 0, "seed {seed}");
        let twice = "(SELECT member_id FROM links GROUP BY member_id HAVING count(*) > 1)";
        assert_eq!(stage.count(twice), 0);
        vec![("erasures asked", erased)]
    });
}
