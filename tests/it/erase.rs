//! Erasing a person leaves no trace, and nothing that was under way brings them back.

use enishi::time::{DAY, HOUR, MINUTE, SECOND};
use enishi_world::{ACCOUNT, Fault, Point, ShopOutcome};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Stage, json_body, webhook};

/// Everything that is stored anywhere, as text by place.
fn everything(stage: &Stage) -> Vec<(String, String)> {
    let world = &stage.world;
    let tables =
        world.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    let mut places: Vec<(String, String)> = tables
        .iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .map(|name| (name.clone(), Value::from(world.query(&format!("SELECT * FROM {name}"))).to_string()))
        .collect();
    places.extend(
        world.cached_values().into_iter().map(|(key, value)| ("KV".to_owned(), format!("{key} {value}"))),
    );
    places.push(("queues".to_owned(), world.queued().join("\n")));
    places.push(("log".to_owned(), Value::from(world.log_lines()).to_string()));
    places
}

/// Where these words stand.
pub(crate) fn found<'a>(stage: &Stage, words: &[&'a str]) -> Vec<(String, &'a str)> {
    let places = everything(stage);
    let at = |word: &&'a str| {
        let standing = places.iter().filter(move |(_, text)| text.contains(*word));
        standing.map(|(place, _)| (place.clone(), *word)).collect::<Vec<_>>()
    };
    words.iter().flat_map(at).collect()
}

pub(crate) fn erase(stage: &Stage, member: &str) -> u16 {
    stage.api(&stage.shop, Method::DELETE, &format!("/v1/members/{member}"), None).0
}

const MEMBER: &str = "member-canary-7";
const EMAIL: &str = "canary@mail.example";
const NAME: &str = "金糸雀の花子";
const WORDS: &str = "a message of the canary";

/// Somebody of whom there is a trace in every room; the user's id, the subject and the browser.
fn canary(stage: &Stage) -> (String, String, Browser<'_>) {
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person_at(NAME, EMAIL);
    let now = world.now().0;
    world.line().follow(now, &user).unwrap();
    stage.deliver();
    let proving = stage.proving("proving");
    let mut browser = Browser::of(world, &user);
    let login = shop.begin("1").but("scope", Some("openid profile email offline_access"));
    let location = browser.log_in(shop, &login, Consent::WithFriend);
    let sub = shop.claims(world, &login, &shop.code(&login, &location))["sub"].as_str().unwrap().to_owned();
    // Links of before, attributes, a page that asks for a mailed code, a pushed request, a flow from the chat.
    for member in ["member-before", MEMBER] {
        let body = json!({ "member_id": member, "replace": true, "consent": { "text": "v1" } });
        assert_eq!(stage.link(&sub, &body).0, 201);
    }
    let attributes = json!({ "attributes": { "rank": "gold", "vip": true, "nickname": "canary-chan" } });
    let put = stage.api(shop, Method::PUT, &format!("/v1/members/{MEMBER}"), Some(&attributes));
    assert_eq!(put.0, 200);
    let more = json!({ "attributes": { "l": ["canary-cage"] }, "tags": ["canary-tag"], "member_id": MEMBER });
    crate::member::post(stage, &[more]);
    let taken = json!({ "tags": { "remove": ["canary-tag-2"] } });
    assert_eq!(stage.api(shop, Method::PUT, &format!("/v1/members/{MEMBER}"), Some(&taken)).0, 200);
    let mut event = crate::customer_event::event("canary-event", MEMBER, world.now());
    event["properties"] = json!({ "song": "canary-song" });
    crate::customer_event::post(stage, &[event]);
    let mut second = Browser::of(world, &user);
    let login = proving.begin("mail").but("scope", Some("openid email"));
    assert_eq!(second.arrive(&login.url, Consent::WithFriend).status, 200, "the page that asks for the code");
    shop.push(world, &shop.begin("push"), &[("member_id", MEMBER)]);
    world.execute(&format!(
        "INSERT INTO link_nonces VALUES ('{}', 'd', '{MEMBER}', '{{}}', {now}, {now} + 900000)",
        stage.account_id()
    ));
    world.line().send_message(now, &user, WORDS).unwrap();
    stage.deliver();
    let message = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": [{ "type": "text", "text": "hi" }] });
    assert_eq!(stage.api(shop, Method::POST, "/v1/sends", Some(&message)).0, 202);
    world.settle(MINUTE);
    assert_eq!(stage.count("receipts"), 1, "the send reached her");
    let named = json!({ "name": "named", "rule": { "members": [MEMBER] } });
    assert_eq!(stage.api(shop, Method::POST, "/v1/segments", Some(&named)).0, 201);
    assert_eq!(stage.api(shop, Method::POST, "/v1/audiences", Some(&named)).0, 202);
    world.settle(5 * MINUTE);
    let link = stage.auto_login_link(shop, &shop.home_uri, &json!({ "label": "spring" }));
    let mut third = Browser::of(world, &user);
    third.go(link["url"].as_str().unwrap());
    third.log_in(shop, &shop.begin("2"), Consent::WithFriend);
    assert_eq!(stage.count("clicks"), 1, "she opened a link");
    for path in [format!("/v1/links/{sub}"), format!("/v1/links?member_id={MEMBER}")] {
        assert_eq!(stage.api(shop, Method::GET, &path, None).0, 200);
    }
    (user.to_string(), sub, browser)
}

#[test]
fn erasing_a_person_leaves_no_trace_once_the_queues_are_drained() {
    let stage = Stage::new(1);
    stage.world.set_cache_staleness(0);
    let (user, sub, mut browser) = canary(&stage);
    let words = [
        user.as_str(),
        &sub,
        MEMBER,
        EMAIL,
        NAME,
        WORDS,
        "canary-chan",
        "canary-cage",
        "canary-tag",
        "canary-song",
    ];
    for word in words {
        assert!(!found(&stage, &[word]).is_empty(), "there was a trace of {word}");
    }
    stage.world.advance(SECOND);
    assert_eq!(erase(&stage, MEMBER), 204);
    stage.world.settle(15 * MINUTE);
    assert_eq!(found(&stage, &words), []);
    let tables = [
        "line_users",
        "links",
        "link_history",
        "link_nonces",
        "attributes",
        "attribute_items",
        "tags",
        "tag_removals",
        "events",
        "event_days",
        "sessions",
        "grants",
        "codes",
        "login_attempts",
        "email_codes",
        "pushed_requests",
        "chat_messages",
        "receipts",
        "clicks",
        "outbox",
    ];
    let left: Vec<_> = tables.iter().filter(|table| stage.count(table) > 0).collect();
    assert_eq!(left, Vec::<&&str>::new(), "nor by ids of ours");
    assert_eq!(stage.world.query("SELECT member_id FROM members"), [json!({ "member_id": "member-before" })]);
    assert!(!browser.has_session(&stage.shop));
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/members/{MEMBER}"), None).0, 404);
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/friends/{user}"), None).0, 404);
    let (kind, data) = stage.events().pop().unwrap();
    assert_eq!(
        (kind.as_str(), &data["reason"], &data["member_id"]),
        ("link.ended", &json!("erased"), &json!(MEMBER))
    );
    assert!(stage.answers_of("/user/v1/deauthorize").contains(&Some(204)), "LINE is told");
    let audit =
        stage.world.query("SELECT actor, action, detail FROM audit_log WHERE action = 'member.erase'");
    assert_eq!((audit.len(), &audit[0]["actor"]), (1, &json!("api_key")));
    assert_eq!(erase(&stage, MEMBER), 204, "a repeat is answered alike");
    assert_eq!(erase(&stage, "nobody"), 404);
}

#[test]
fn what_was_under_way_when_a_person_was_erased_does_nothing_and_a_new_beginning_is_one() {
    let stage = Stage::new(1);
    let user = stage.member(MEMBER, "gold");
    let other = stage.person("他人");
    let event = |user: &str, at: i64, id: &str, text: &str| {
        json!({
            "type": "message", "mode": "active", "timestamp": at, "webhookEventId": id, "replyToken": "r",
            "source": { "type": "user", "userId": user }, "deliveryContext": { "isRedelivery": false },
            "message": { "type": "text", "id": format!("{id}{at}"), "text": text, "quoteToken": "q" },
        })
    };
    let deliver = |events: &[Value]| {
        let body = json!({ "destination": ACCOUNT.bot_user_id, "events": events }).to_string();
        assert_eq!(stage.world.answer(webhook(&body)).status, 200);
    };
    let before = stage.world.now().0;
    deliver(&[event(&user, before, "E1", WORDS), event(&other, before, "E2", "somebody else")]);
    stage.world.advance(SECOND);
    assert_eq!(erase(&stage, MEMBER), 204);
    stage.world.advance(SECOND);
    stage.world.run_queues();
    deliver(&[event(&user, before, "E3", WORDS)]);
    stage.world.run_queues();
    assert_eq!(found(&stage, &[&user, WORDS]), []);
    let said = stage.world.query("SELECT text FROM chat_messages");
    assert_eq!(said, [json!({ "text": "somebody else" })], "her neighbour's message is not lost");
    // She comes back by herself: a new person to us.
    let after = stage.world.now().0;
    deliver(&[event(&user, after, "E4", "hello again")]);
    stage.world.run_queues();
    assert_eq!(stage.count("line_users WHERE subject IS NOT NULL"), 2);
    deliver(&[event(&user, before, "E5", WORDS)]);
    stage.world.run_queues();
    assert_eq!(found(&stage, &[WORDS]), [], "what she said before stays unsaid");
}

#[test]
fn a_row_of_somebody_erased_is_never_given_to_another() {
    let stage = Stage::new(1);
    let hers = stage.member(MEMBER, "gold");
    let send = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": [{ "type": "text", "text": "hi" }] });
    // Chosen, not yet sent.
    stage.world.fail_always_call("/v2/bot/message/multicast", Fault::Refused);
    assert_eq!(stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&send)).0, 202);
    stage.world.run_queue(enishi::store::Queue::Sends);
    let id = stage.world.query("SELECT max(id) AS id FROM line_users")[0]["id"].as_i64().unwrap();
    assert_eq!(erase(&stage, MEMBER), 204);
    let next = stage.friend("次の人");
    let new = stage.world.query(&format!("SELECT id FROM line_users WHERE line_user_id = '{next}'"));
    assert!(new[0]["id"].as_i64().unwrap() > id, "{new:?}");
    stage.world.end_faults();
    stage.world.settle(2 * DAY);
    assert_eq!(stage.received(&next), 0);
    assert_eq!(found(&stage, &[&hers]), [], "an attempt that was under way is cleaned when it is resolved");
}

#[test]
fn dead_letters_lose_what_they_say_of_the_person_and_keep_what_they_say_of_others() {
    let stage = Stage::new(1);
    let user = stage.member(MEMBER, "gold");
    let other = stage.friend("他人");
    let event = |user: &str, id: &str| json!({ "type": "follow", "timestamp": 1, "webhookEventId": id, "source": { "type": "user", "userId": user } });
    let delivery =
        json!({ "destination": ACCOUNT.bot_user_id, "events": [event(&user, "A"), event(&other, "B")] })
            .to_string();
    let account = stage.account_id();
    let job = json!({ "v": 1, "job": "webhook", "account": account, "received_at": 1, "body": delivery })
        .to_string();
    for (id, body) in [
        ("whole", &delivery),
        ("job", &job),
        ("alone", &event(&user, "C").to_string()),
        ("other", &event(&other, "D").to_string()),
    ] {
        let body = body.replace('\'', "''");
        stage.world.execute(&format!(
            "INSERT INTO dead_letters VALUES ('{id}', '{account}', 'queue', 'r', '{body}', 1)"
        ));
    }
    assert_eq!(erase(&stage, MEMBER), 204);
    assert_eq!(found(&stage, &[&user]), []);
    let left = stage.world.query("SELECT id, body FROM dead_letters ORDER BY id");
    let ids: Vec<_> = left.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["job", "other", "whole"]);
    assert!(left.iter().all(|row| row["body"].as_str().unwrap().contains(other.as_str())));
}

#[test]
fn what_is_buried_after_the_erasure_is_buried_without_the_person() {
    let stage = Stage::new(1);
    let user = stage.member(MEMBER, "gold");
    let now = stage.world.now().0;
    stage.world.line().send_message(now, &user, WORDS).unwrap();
    stage.world.deliver_webhooks();
    stage.world.advance(SECOND);
    assert_eq!(erase(&stage, MEMBER), 204);
    // The consumer finds no way for so long that the queue gives up on it.
    stage.world.fail_always(Point::Database, Fault::Refused);
    stage.world.settle(2 * HOUR);
    stage.world.end_faults();
    stage.world.settle(2 * DAY);
    assert_eq!(found(&stage, &[&user, WORDS]), []);
}

#[test]
fn an_erasure_that_a_fault_interrupts_is_done_wholly_or_not_at_all_and_can_be_repeated() {
    for fault in Fault::ALL {
        for number in 1.. {
            let stage = Stage::new(number);
            stage.takes_events();
            let user = stage.member(MEMBER, "gold");
            stage.world.fail_at(number, fault);
            let status = erase(&stage, MEMBER);
            let unharmed = stage.world.end_faults();
            assert!([204, 500, 503].contains(&status), "{fault:?} at {number}: {status}");
            let left = [
                stage.count("line_users"),
                stage.count("links"),
                stage.count("members"),
                stage.count("attributes"),
            ];
            assert!(left == [0; 4] || left == [1; 4], "{fault:?} at {number}: {left:?}");
            assert_eq!(erase(&stage, MEMBER), 204, "{fault:?} at {number}");
            stage.world.settle(15 * MINUTE);
            assert_eq!(found(&stage, &[&user, MEMBER]), [], "{fault:?} at {number}");
            if unharmed {
                break;
            }
        }
    }
}

#[test]
fn an_event_that_the_shop_never_took_does_not_keep_the_person() {
    let stage = Stage::new(1);
    stage.takes_events();
    stage.world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::INTERNAL_SERVER_ERROR));
    let user = stage.member(MEMBER, "gold");
    let sub = stage.subject(&user);
    stage.hours(4 * 24);
    assert!(!found(&stage, &[MEMBER]).is_empty());
    assert_eq!(erase(&stage, MEMBER), 204);
    stage.hours(4 * 24);
    assert_eq!(found(&stage, &[&user, &sub, MEMBER]), []);
}

#[test]
fn a_member_without_a_link_is_erased_and_a_friend_of_nobodys_stays() {
    let stage = Stage::new(1);
    let put = stage.api(
        &stage.shop,
        Method::PUT,
        &format!("/v1/members/{MEMBER}"),
        Some(&json!({ "attributes": { "a": 1 } })),
    );
    assert_eq!(put.0, 200);
    let friend = stage.friend("花子");
    assert_eq!(erase(&stage, MEMBER), 204);
    assert_eq!(found(&stage, &[MEMBER]), []);
    assert_eq!(stage.api(&stage.shop, Method::GET, &format!("/v1/friends/{friend}"), None).0, 200);
}

#[test]
fn another_shop_erases_nobody_here() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    stage.member(MEMBER, "gold");
    assert_eq!(stage.api(&other, Method::DELETE, &format!("/v1/members/{MEMBER}"), None).0, 404);
    assert_eq!(stage.count("links"), 1);
}

#[test]
fn an_export_tells_everything_that_is_kept_about_a_person() {
    let stage = Stage::new(1);
    let (user, sub, _) = canary(&stage);
    let (status, all) = stage.api(&stage.shop, Method::GET, &format!("/v1/members/{MEMBER}/export"), None);
    assert_eq!(status, 200, "{all}");
    assert_eq!((&all["link"][0]["sub"], &all["link"][0]["line_user_id"]), (&json!(sub), &json!(user)));
    assert_eq!(all["link"][0]["consent"]["text"], "v1");
    let attribute = |name: &str| {
        all["attributes"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!(
        (attribute("vip"), attribute("rank"), attribute("nickname")),
        (json!(true), json!("gold"), json!("canary-chan"))
    );
    let line_user = &all["line_user"][0];
    assert_eq!(
        (&line_user["name"], &line_user["email"], &line_user["friend"]),
        (&json!(NAME), &json!(EMAIL), &json!(true))
    );
    for column in stage.world.query("SELECT name FROM pragma_table_info('line_users')") {
        let name = column["name"].as_str().unwrap();
        let ours =
            ["id", "account", "subject", "friendship_at", "friendship_event", "line_tokens", "added_client"];
        assert!(
            ours.contains(&name) || line_user.get(name).is_some(),
            "{name} is kept, and is exported: {line_user}"
        );
    }
    assert_eq!(line_user["added_client_id"], Value::Null, "a friend of before");
    assert_eq!(all["chat_messages"][0]["text"], WORDS);
    assert_eq!(
        (all["receipts"].as_array().unwrap().len(), all["sessions"].as_array().unwrap().len()),
        (1, 3)
    );
    assert!(!all["grants"].as_array().unwrap().is_empty());
    let link = stage.world.query("SELECT link FROM clicks")[0]["link"].clone();
    assert_eq!((&all["clicks"][0]["link"], all["clicks"].as_array().unwrap().len()), (&link, 1));
    let text = all.to_string();
    for secret in ["\"after\"", "digest", "v1.", "line_tokens"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(stage.api(&stage.shop, Method::GET, "/v1/members/nobody/export", None).0, 404);
    let (status, shown) = stage.api(&stage.shop, Method::GET, &format!("/v1/members/{MEMBER}"), None);
    assert_eq!(
        (status, &shown["attributes"]["vip"], &shown["link"]["sub"]),
        (200, &json!(true), &json!(sub))
    );
}

#[test]
fn a_long_export_is_whole() {
    let stage = Stage::new(1);
    let user = stage.member(MEMBER, "gold");
    let account = stage.account_id();
    let line_user = stage.world.query(&format!("SELECT id FROM line_users WHERE line_user_id = '{user}'"))[0]
        ["id"]
        .to_string();
    stage.world.execute(&format!(
        "INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)
         SELECT '{account}', 'm' || i, {line_user}, 'text', 't' || i, 1000 + i / 3 FROM n"
    ));
    let (status, all) = stage.api(&stage.shop, Method::GET, &format!("/v1/members/{MEMBER}/export"), None);
    assert_eq!(status, 200);
    let texts: std::collections::HashSet<_> =
        all["chat_messages"].as_array().unwrap().iter().map(|one| one["text"].to_string()).collect();
    assert_eq!((texts.len(), all["chat_messages"].as_array().unwrap().len()), (4_500, 4_500));
}

/// A part of an import with this line.
fn imported(stage: &Stage, line: &str) -> enishi::web::Request {
    let (status, import) = stage.api(&stage.shop, Method::POST, "/v1/imports", Some(&json!({})));
    assert_eq!(status, 201, "{import}");
    let path = format!("/v1/imports/{}/parts/1", import["id"].as_str().unwrap());
    let mut part = stage.shop.api_request(Method::PUT, &path, None);
    part.headers.insert("content-type", http::HeaderValue::from_static("text/csv"));
    part.body = Some(line.as_bytes().to_vec());
    part
}

#[test]
fn no_import_brings_either_side_of_an_erased_person_back() {
    let stage = Stage::new(1);
    let user = stage.member(MEMBER, "gold");
    let other = stage.friend("他人");
    assert_eq!(erase(&stage, MEMBER), 204);
    stage.world.advance(SECOND);
    let lines = format!("{MEMBER},{other}\nm-9,{user}\nm-10,{other}\n");
    let answer = json_body(&stage.world.answer(imported(&stage, &lines)));
    assert_eq!((&answer["linked"], &answer["reasons"]), (&json!(1), &json!({ "erased": 2 })), "{answer}");
    assert_eq!(found(&stage, &[&user, MEMBER]), []);
}

#[test]
fn an_import_and_an_erasure_at_the_same_moment_leave_nobody_behind() {
    for seed in 1..30 {
        let stage = Stage::new(seed);
        let user = stage.member(MEMBER, "gold");
        let part = imported(&stage, &format!("{MEMBER},{user}\nm-2,{user}\n"));
        let gone = stage.shop.api_request(Method::DELETE, &format!("/v1/members/{MEMBER}"), None);
        let replies = stage.world.together([part, gone].map(|request| stage.world.serve(request)));
        let statuses: Vec<u16> = replies.into_iter().map(|reply| reply.unwrap().status.as_u16()).collect();
        assert!([200, 409].contains(&statuses[0]) && statuses[1] == 204, "seed {seed}: {statuses:?}");
        stage.world.run_queues();
        assert_eq!(found(&stage, &[&user, MEMBER]), [], "seed {seed}");
    }
}
