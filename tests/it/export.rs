//! Exports: everything of the shop's, as NDJSON in pages.

use enishi::time::UnixMillis;
use enishi_world::{ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Shop, Stage, json_body, webhook};

/// What can be exported.
const KINDS: [&str; 24] = [
    "links",
    "link-history",
    "line-users",
    "members",
    "attributes",
    "tags",
    "events",
    "event-types",
    "segments",
    "chat-messages",
    "sends",
    "send-chunks",
    "receipts",
    "auto-login-links",
    "clicks",
    "login-counts",
    "friend-add-counts",
    "webhook-deliveries",
    "webhook-counts",
    "webhook-refusals",
    "audiences",
    "narrowcasts",
    "unit-insight",
    "audit-log",
];

/// A page of the first shop: its rows, and the path of the next one.
pub(crate) fn page(stage: &Stage, path: &str) -> (Vec<Value>, Option<String>) {
    page_of(stage, &stage.shop, path)
}

fn page_of(stage: &Stage, shop: &Shop, path: &str) -> (Vec<Value>, Option<String>) {
    let mut get = request(Method::GET, &format!("{}{path}", shop.line.issuer));
    let bearer = HeaderValue::from_str(&format!("Bearer {}", shop.api_key)).unwrap();
    get.headers.insert(header::AUTHORIZATION, bearer);
    let reply = stage.world.answer(get);
    assert_eq!(reply.status, 200, "{path}: {}", json_body(&reply));
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    let text = String::from_utf8(reply.body.clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let next = reply.headers.get(header::LINK).map(|link| {
        let link = link.to_str().unwrap().strip_prefix('<').unwrap();
        let url = link.strip_suffix(">; rel=\"next\"").unwrap();
        url.strip_prefix(shop.line.issuer).unwrap().to_owned()
    });
    (rows, next)
}

/// All rows, in pages of this many.
fn all(stage: &Stage, what: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), Some(format!("/v1/exports/{what}?limit={limit}")));
    while let Some(path) = next {
        let (more, following) = page(stage, &path);
        assert!(more.len() <= limit, "{path}");
        assert!(rows.is_empty() || !more.is_empty(), "{path} is empty");
        rows.extend(more);
        next = following;
    }
    rows
}

/// A shop with something of everything.
fn lived_in() -> Stage {
    let stage = Stage::new(1);
    let hanako = stage.member("m-1", "gold");
    let taro = stage.member("m-2", "gold");
    let sub = stage.subject(&taro);
    let replaced = json!({ "member_id": "会員\"3\"", "replace": true, "consent": { "text": "規約" } });
    assert_eq!(stage.link(&sub, &replaced).0, 201);
    let attributes = json!({ "attributes": { "points": 12.5, "newsletter": true, "old": false, "n": 7 } });
    assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&attributes)).0, 200);
    assert_eq!(
        stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&json!({ "tags": ["a", "b"] }))).0,
        200
    );
    let now = stage.world.now();
    crate::customer_event::post(
        &stage,
        &[crate::customer_event::event("e-1", "m-1", now), crate::customer_event::event("e-2", "m-9", now)],
    );
    let kept = json!({ "retention_days": 30 });
    assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/event-types/visited", Some(&kept)).0, 200);
    stage.world.execute(&format!(
        "INSERT INTO segments VALUES ('{}', 'seg_1', 'gold', '{{}}', {now}, {now})",
        stage.account_id(),
        now = now.0
    ));
    let now = now.0;
    stage.world.line().send_message(now, &hanako, "こんにちは\n\"=1+1\"").unwrap();
    stage.deliver();
    let mut browser = Browser::of(&stage.world, &hanako);
    browser.log_in(&stage.shop, &stage.shop.begin("1"), Consent::Plain);
    let body = json!({
        "rule": { "attribute": "rank", "equals": "gold" }, "messages": [{ "type": "text", "text": "新茶" }],
        "custom_aggregation_unit": "autumn",
    });
    assert_eq!(stage.api(&stage.shop, Method::POST, "/v1/sends", Some(&body)).0, 202);
    let body = json!({
        "name": "秋", "rule": { "attribute": "rank", "equals": "gold" }, "messages": [{ "type": "text", "text": "新茶" }],
    });
    assert_eq!(stage.api(&stage.shop, Method::POST, "/v1/narrowcasts", Some(&body)).0, 202);
    stage.world.settle(60_000);
    stage.client("a", &json!({}));
    let page = format!("{}tea", stage.shop.home_uri);
    for kind in ["stored", "sealed"] {
        stage.auto_login_link(&stage.shop, &page, &json!({ "type": kind, "context": { "store": "渋谷" } }));
    }
    stage.world.execute(
        "INSERT INTO clicks SELECT u.account, u.id, 7, k.id FROM line_users u JOIN auto_login_links k ON k.account = u.account",
    );
    let mut forged = webhook("{}");
    for reason in ["", "A"] {
        forged.headers.insert("x-line-signature", reason.parse().unwrap());
        assert_eq!(stage.world.answer(forged.clone()).status, 401);
    }
    stage
}

#[test]
fn everything_of_the_shop_is_there_in_the_words_of_the_api() {
    let stage = lived_in();
    let hanako = stage.world.query(
        "SELECT u.subject, u.line_user_id, u.friend_since, l.link_id, l.linked_at \
         FROM line_users u JOIN links l ON l.line_user = u.id WHERE l.member_id = 'm-1'",
    );
    let (sub, line_user_id) = (hanako[0]["subject"].clone(), hanako[0]["line_user_id"].clone());
    let time = |value: &Value| json!(UnixMillis(value.as_i64().unwrap()).rfc3339());
    assert_eq!(
        all(&stage, "links", 10)[0],
        json!({
            "member_id": "m-1", "sub": sub, "line_user_id": line_user_id, "link_id": hanako[0]["link_id"],
            "linked_at": time(&hanako[0]["linked_at"]),
            "consent": { "way": "shop", "at": time(&hanako[0]["linked_at"]) },
        })
    );
    let links = all(&stage, "links", 10);
    assert_eq!((&links[1]["member_id"], &links[1]["consent"]["text"]), (&json!("会員\"3\""), &json!("規約")));
    let history = all(&stage, "link-history", 10);
    assert_eq!((&history[0]["member_id"], &history[0]["ended_by"]), (&json!("m-2"), &json!("replaced")));
    let links = all(&stage, "auto-login-links", 10);
    assert_eq!((links.len(), &links[0]["context"]), (2, &json!({ "store": "渋谷" })));
    let logins = all(&stage, "login-counts", 10);
    assert_eq!((&logins[0]["client_id"], &logins[0]["count"]), (&json!(stage.shop.client_id), &json!(1)));
    let users = all(&stage, "line-users", 10);
    let shown = users.iter().find(|one| one["sub"] == sub).unwrap();
    assert_eq!((&shown["friend"], &shown["friend_since"]), (&json!(true), &time(&hanako[0]["friend_since"])));
    assert_eq!((&shown["email"], &shown["email_verified_at"]), (&Value::Null, &Value::Null));
    assert_eq!(shown["name"], "m-1");
    let attributes = all(&stage, "attributes", 10);
    let of = |name: &str| attributes.iter().find(|one| one["name"] == name).unwrap()["value"].clone();
    assert_eq!(
        ["points", "newsletter", "old", "n", "rank"].map(of),
        [json!(12.5), json!(true), json!(false), json!(7), json!("gold")]
    );
    let messages = all(&stage, "chat-messages", 10);
    assert_eq!(
        (&messages[0]["text"], &messages[0]["unsent"]),
        (&json!("こんにちは\n\"=1+1\""), &json!(false))
    );
    let sends = all(&stage, "sends", 10);
    assert_eq!((&sends[0]["state"], &sends[0]["messages"][0]["text"]), (&json!("done"), &json!("新茶")));
    let chunks = all(&stage, "send-chunks", 10);
    assert_eq!((&chunks[0]["state"], &chunks[0]["subs"]), (&json!("accepted"), &json!([sub])));
    let received = all(&stage, "receipts", 10);
    assert_eq!((&received[0]["sub"], &received[0]["send"]), (&sub, &sends[0]["id"]));
    let audit = all(&stage, "audit-log", 10);
    assert_eq!(audit.last().unwrap()["action"], "client.post");
    assert_eq!(all(&stage, "members", 10).len(), 4);
}

#[test]
fn what_can_be_exported_is_listed_and_nothing_else_can_be() {
    let stage = lived_in();
    let (_, list) = stage.api(&stage.shop, Method::GET, "/v1/exports", None);
    let listed: Vec<&str> =
        list["exports"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(listed, KINDS);
    let url = format!("{}/v1/exports/links", ACCOUNT.issuer);
    assert_eq!(list["exports"][0]["url"], json!(url));
    for what in ["sessions", "accounts", "outbox", "x", "links%20l", "link%2Fs"] {
        assert_eq!(
            stage.api(&stage.shop, Method::GET, &format!("/v1/exports/{what}"), None).0,
            404,
            "{what}"
        );
    }
    assert_eq!(stage.world.get(&url).status, 401);
}

#[test]
fn pages_follow_each_other_in_the_order_of_the_key_and_end() {
    let stage = lived_in();
    stage.many_members(45, "silver");
    for what in KINDS {
        let whole = all(&stage, what, 10_000);
        assert!(!whole.is_empty(), "{what}");
        for limit in [1, 2, 7, whole.len()] {
            assert_eq!(all(&stage, what, limit), whole, "{what} by {limit}");
        }
    }
}

#[test]
fn no_export_shows_a_row_id_a_secret_or_another_shops_rows() {
    let stage = lived_in();
    let other = stage.other_shop();
    // Ids that could not be overlooked.
    stage.world.execute("UPDATE line_users SET id = id + 777000; UPDATE links SET line_user = line_user + 777000;
        UPDATE link_history SET line_user = line_user + 777000; UPDATE chat_messages SET line_user = line_user + 777000;
        UPDATE receipts SET line_user = line_user + 777000; UPDATE clicks SET line_user = line_user + 777000;
        UPDATE chunks SET line_users = (SELECT json_group_array(value + 777000) FROM json_each(line_users));");
    let stored =
        stage.world.query("SELECT token_digest AS secret FROM sessions UNION SELECT digest FROM codes");
    for what in KINDS {
        let rows = all(&stage, what, 3);
        assert!(!rows.is_empty(), "{what}");
        let text = json!(rows).to_string();
        assert!(!text.contains("7770"), "{what}: {text}");
        assert!(!text.contains(&stage.shop.client_secret) && !text.contains(&stage.shop.api_key));
        assert!(stored.iter().all(|row| !text.contains(row["secret"].as_str().unwrap())), "{what}");
        let (foreign, _) = page_of(&stage, &other, &format!("/v1/exports/{what}"));
        let audited = usize::from(what == "audit-log");
        assert_eq!(foreign.len(), audited, "{what}: {foreign:?}");
        let (_, next) = page(&stage, &format!("/v1/exports/{what}?limit=1"));
        if let Some(next) = next {
            let (foreign, _) = page_of(&stage, &other, &next);
            assert!(foreign.len() <= audited, "{what}: a place of another account leads nowhere");
        }
    }
}

#[test]
fn a_row_that_stays_is_exported_exactly_once_while_others_come_and_go() {
    for seed in 1..=3 {
        let stage = Stage::new(seed);
        let stays = stage.many_members(120, "stays");
        let goes = stage.many_members(120, "goes");
        let (mut seen, mut next) = (Vec::new(), Some("/v1/exports/links?limit=9".to_owned()));
        while let Some(path) = next {
            let (rows, following) = page(&stage, &path);
            seen.extend(rows.iter().map(|row| row["member_id"].as_str().unwrap().to_owned()));
            next = following;
            for _ in 0..5 {
                let gone = &goes[stage.world.below(goes.len())];
                stage.world.execute(&format!("DELETE FROM links WHERE member_id = 'goes-{gone}'"));
            }
            stage.many_members(3, "comes");
        }
        let mut expected: Vec<String> = stays.iter().map(|user| format!("stays-{user}")).collect();
        expected.sort();
        let mut found: Vec<String> = seen.iter().filter(|id| id.starts_with("stays-")).cloned().collect();
        assert!(found.is_sorted());
        found.sort();
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[test]
fn a_page_of_large_rows_is_cut_by_its_size() {
    let stage = Stage::new(1);
    let account = stage.account_id();
    stage.world.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
         INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at)
           SELECT '{account}', printf('%03d', i), 1, 'text', printf('%.*c', 300000, 'x'), i FROM n"
    ));
    let (rows, next) = page(&stage, "/v1/exports/chat-messages");
    assert!((13..=15).contains(&rows.len()) && next.is_some(), "{}", rows.len());
    let ids: Vec<String> = all(&stage, "chat-messages", 1_000)
        .iter()
        .map(|row| row["message_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, (1..=40).map(|i| format!("{i:03}")).collect::<Vec<_>>());
}

#[test]
fn a_place_or_limit_that_is_none_is_refused() {
    let stage = lived_in();
    let (_, next) = page(&stage, "/v1/exports/attributes?limit=1");
    let place = next.unwrap().split_once("after=").unwrap().1.split('&').next().unwrap().to_owned();
    for query in [
        "limit=0",
        "limit=10001",
        "limit=x",
        "limit=1&limit=1",
        "after=m-1",
        "after=W10",
        "after=WzFd",
        &format!("after={place}"),
    ] {
        let (status, error) =
            stage.api(&stage.shop, Method::GET, &format!("/v1/exports/links?{query}"), None);
        assert_eq!((status, &error["error"]), (400, &json!("invalid_request")), "{query}");
    }
}

#[test]
fn times_are_written_as_the_api_writes_them() {
    let stage = Stage::new(1);
    let account = stage.account_id();
    let times: Vec<i64> =
        (0..500).map(|_| i64::try_from(stage.world.below(4_000_000_000_000)).unwrap()).collect();
    for at in &times {
        stage.world.execute(&format!(
            "INSERT OR IGNORE INTO members (account, member_id, created_at, updated_at) VALUES ('{account}', '{at}', {at}, {at})"
        ));
    }
    for row in all(&stage, "members", 10_000) {
        let at: i64 = row["member_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(row["created_at"], json!(UnixMillis(at).rfc3339()));
    }
}
