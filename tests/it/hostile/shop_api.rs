//! The shop's API in other hands: a key of another account, the ids of another account, bytes that a shop's bug may send.

use enishi::web::{Reply, Request};
use enishi_world::ACCOUNT;
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::{at, fuzz::mutated, location, with_bearer};
use crate::support::{Browser, Consent, Shop, Stage, for_each_seed_of, json_body};

/// What the first shop has of everything, by which others may ask for it.
struct Things {
    sub: String,
    user: String,
    link: String,
    send: String,
    import: String,
    secret: String,
    dead: String,
}

fn things(stage: &Stage) -> Things {
    let (world, shop) = (&stage.world, &stage.shop);
    let api = |method, path: &str, body: Value| {
        let (status, answer) = stage.api(shop, method, path, Some(&body));
        assert!(status < 300, "{path}: {answer}");
        answer
    };
    stage.takes_events();
    let user = stage.member("m-1", "gold");
    let login = shop.begin("1");
    let mut browser = Browser::of(world, &user);
    let back = browser.log_in(shop, &login, Consent::Plain);
    shop.claims(world, &login, &shop.code(&login, &back));
    let sub = stage.subject(&user);
    api(Method::PUT, &format!("/v1/links/{sub}"), json!({ "member_id": "m-2", "replace": true }));
    api(
        Method::PUT,
        "/v1/members/m-2",
        json!({ "attributes": { "rank": "gold", "points": 1.5, "vip": true } }),
    );
    let link =
        stage.auto_login_link(shop, &shop.home_uri, &json!({ "label": "秋", "context": { "store": "1" } }));
    let send = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": [{ "type": "text", "text": "hi" }] });
    let send = api(Method::POST, "/v1/sends", send);
    let import = api(Method::POST, "/v1/imports", json!({}));
    let secret = api(Method::POST, &format!("/v1/clients/{}/secrets", shop.client_id), json!({}));
    world.settle(60_000);
    world.execute("UPDATE outbox SET dead_at = 1");
    let account = stage.account_id();
    world.execute(&format!(
        "INSERT INTO outbox (account, id, kind, body, created_at, due_at, expires_at, dead_at) \
         VALUES ('{account}', 'msg_dead', 'event', '{{\"type\":\"link.made\",\"data\":{{}}}}', 1, 1, 1, 1)"
    ));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Things {
        sub,
        user: user.to_string(),
        link: text(&link["id"]),
        send: text(&send["id"]),
        import: text(&import["id"]),
        secret: text(&secret["secrets"][0]["id"]),
        dead: "msg_dead".to_owned(),
    }
}

/// Every call of the API that names something of the first shop's, and of those that list, with whether it may find nothing
/// instead of being refused.
fn calls(stage: &Stage, of: &Things) -> Vec<(Method, String, Option<Value>)> {
    let Things { sub, user, link, send, import, secret, dead } = of;
    let client = &stage.shop.client_id;
    let rule = json!({ "rule": { "attribute": "rank", "equals": "gold" } });
    vec![
        (Method::GET, "/v1/clients".into(), None),
        (Method::GET, format!("/v1/clients/{client}"), None),
        (Method::PATCH, format!("/v1/clients/{client}"), Some(json!({ "name": "x" }))),
        (Method::DELETE, format!("/v1/clients/{client}"), None),
        (Method::POST, format!("/v1/clients/{client}/secrets"), None),
        (Method::DELETE, format!("/v1/clients/{client}/secrets/{secret}"), None),
        (Method::GET, "/v1/webhook-endpoint".into(), None),
        (Method::DELETE, "/v1/webhook-endpoint".into(), None),
        (Method::GET, "/v1/webhook-endpoint/dead-letters".into(), None),
        (Method::GET, format!("/v1/webhook-endpoint/dead-letters?after=0.{dead}"), None),
        (Method::POST, "/v1/webhook-endpoint/replay".into(), Some(json!({ "ids": [dead] }))),
        (Method::POST, "/v1/webhook-endpoint/replay".into(), Some(json!({}))),
        (Method::GET, "/v1/auto-login-links".into(), None),
        (Method::GET, format!("/v1/auto-login-links?after={link}"), None),
        (Method::GET, format!("/v1/auto-login-links?client_id={client}"), None),
        (Method::GET, format!("/v1/auto-login-links/{link}"), None),
        (Method::PATCH, format!("/v1/auto-login-links/{link}"), Some(json!({ "label": "x" }))),
        (Method::DELETE, format!("/v1/auto-login-links/{link}"), None),
        (
            Method::POST,
            "/v1/auto-login-links".into(),
            Some(json!({ "client_id": client, "target": stage.shop.home_uri })),
        ),
        (Method::GET, format!("/v1/reports/auto-login?client_id={client}"), None),
        (Method::GET, format!("/v1/reports/auto-login?link={link}"), None),
        (Method::GET, format!("/v1/reports/friend-add?client_id={client}"), None),
        (Method::GET, "/v1/links".into(), None),
        (Method::GET, "/v1/links?member_id=m-2".into(), None),
        (Method::GET, format!("/v1/links?line_user_id={user}"), None),
        (Method::GET, format!("/v1/links/{sub}"), None),
        (Method::PUT, format!("/v1/links/{sub}"), Some(json!({ "member_id": "m-3", "replace": true }))),
        (Method::DELETE, format!("/v1/links/{sub}"), None),
        (Method::GET, format!("/v1/link-history?sub={sub}"), None),
        (Method::GET, "/v1/link-history?member_id=m-1".into(), None),
        (Method::GET, format!("/v1/link-history?line_user_id={user}"), None),
        (Method::POST, "/v1/link-tokens".into(), Some(json!({ "line_user_id": user }))),
        (Method::GET, format!("/v1/friends/{user}"), None),
        (Method::GET, format!("/v1/friends/{sub}"), None),
        (Method::GET, "/v1/members/m-2".into(), None),
        (Method::GET, "/v1/members/m-2/export".into(), None),
        (Method::DELETE, "/v1/members/m-2".into(), None),
        (Method::DELETE, "/v1/members/m-1".into(), None),
        (Method::POST, "/v1/segments/count".into(), Some(rule)),
        (Method::GET, format!("/v1/sends/{send}"), None),
        (Method::GET, "/v1/imports".into(), None),
        (Method::GET, format!("/v1/imports?after={import}"), None),
        (Method::GET, format!("/v1/imports/{import}"), None),
        (Method::PUT, format!("/v1/imports/{import}/parts/1"), None),
        (Method::POST, format!("/v1/imports/{import}/finish"), Some(json!({ "parts": 1 }))),
        (Method::GET, "/v1/exports/links".into(), None),
        (Method::GET, "/v1/exports/link-history".into(), None),
        (Method::GET, "/v1/exports/line-users".into(), None),
        (Method::GET, "/v1/exports/members".into(), None),
        (Method::GET, "/v1/exports/attributes".into(), None),
        (Method::GET, "/v1/exports/chat-messages".into(), None),
        (Method::GET, "/v1/exports/sends".into(), None),
        (Method::GET, "/v1/exports/send-chunks".into(), None),
        (Method::GET, "/v1/exports/receipts".into(), None),
        (Method::GET, "/v1/exports/audit-log".into(), None),
    ]
}

fn asked(issuer: &str, key: &str, (method, path, body): &(Method, String, Option<Value>)) -> Request {
    let mut request = with_bearer(method.clone(), &format!("{issuer}{path}"), key);
    request.body = Some(match body {
        Some(body) => body.to_string().into_bytes(),
        None if path.contains("/parts/") => format!("m-9,U{:032x}", 9).into_bytes(),
        None => Vec::new(),
    });
    request
}

/// All rows that carry the first account's id, and its configuration.
fn rows(stage: &Stage) -> Vec<(String, Vec<Value>)> {
    let account = stage.account_id();
    let tables = stage.world.query("SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'account'");
    let of = |name: &str| stage.world.query(&format!("SELECT * FROM {name} WHERE account = '{account}'"));
    let mut all: Vec<_> = tables
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .map(|name| (name.to_owned(), of(name)))
        .collect();
    assert!(all.len() > 25, "{}", all.len());
    all.push((
        "accounts".into(),
        stage.world.query(&format!("SELECT * FROM accounts WHERE id = '{account}'")),
    ));
    all
}

#[test]
fn no_call_of_the_api_reaches_another_account_by_its_key_or_by_its_ids() {
    let stage = Stage::new(1);
    let of = things(&stage);
    let other = stage.other_shop();
    let secrets =
        [&of.sub, &of.user, &of.link, &of.send, &of.import, &of.secret, &of.dead, &stage.account_id()];
    let before = rows(&stage);
    let calls = calls(&stage, &of);
    for call in &calls {
        let what = format!("{} {}", call.0, call.1);
        let reply = stage.world.answer(asked(ACCOUNT.issuer, &other.api_key, call));
        assert_eq!(reply.status, 401, "{what}");
        let reply = stage.world.answer(asked(other.line.issuer, &stage.shop.api_key, call));
        assert_eq!(reply.status, 401, "{what}");
        let reply = stage.world.answer(asked(other.line.issuer, &other.api_key, call));
        assert!(reply.status.as_u16() < 500, "{what}: {}", reply.status);
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        // What the caller said is no secret; an answer that repeats it tells nothing.
        let told = secrets
            .iter()
            .filter(|secret| said.contains(secret.as_str()) && !call.1.contains(secret.as_str()));
        assert_eq!(told.count(), 0, "{what}: {said}");
        if call.0 == Method::GET
            && call.1.matches('/').count() > 2
            && !call.1.contains("/exports/")
            && !call.1.contains('?')
            && !call.1.contains("dead-letters")
        {
            assert_eq!(reply.status, 404, "{what}: {said}");
        }
        assert!(location(&reply).is_none());
    }
    assert_eq!(rows(&stage), before, "nothing of the first shop's has changed");
    assert_eq!(stage.world.query("SELECT 1 AS n FROM outbox WHERE dead_at IS NULL").len(), 0);
    // Each is a call that means something to its owner.
    let mine: Vec<u16> = calls
        .iter()
        .filter(|call| call.0 == Method::GET)
        .map(|call| stage.world.answer(asked(ACCOUNT.issuer, &stage.shop.api_key, call)).status.as_u16())
        .collect();
    assert!(mine.iter().all(|status| *status == 200), "{mine:?}");
}

/// Calls that a shop's backend makes, and what browsers of its customers bring.
fn good(stage: &Stage, shop: &Shop, of: &Things) -> Vec<Request> {
    let mut all: Vec<Request> = calls(stage, of)
        .iter()
        .filter(|(method, path, _)| *method != Method::DELETE || path.contains("secrets"))
        .map(|call| asked(ACCOUNT.issuer, &shop.api_key, call))
        .collect();
    let link = stage.auto_login_link(
        shop,
        &shop.home_uri,
        &json!({ "type": "sealed", "context": { "store": "1" } }),
    );
    let made = json!({
        "client_id": shop.client_id, "target": format!("{}tea?x=1#y", shop.home_uri), "label": "秋", "campaign": "c",
        "context": { "coupon": "A 1" }, "expires_in": 3600, "type": "sealed",
    });
    let dated = json!({ "client_id": shop.client_id, "target": shop.home_uri, "expires_at": "2026-02-05T12:00:00+09:00" });
    let linked =
        json!({ "member_id": "m-5", "replace": false, "consent": { "text": "v1", "at": "2026-01-01" } });
    let attributes = json!({ "attributes": { "rank": "gold", "n": 1.5e3, "b": false, "gone": null } });
    for (method, path, body) in [
        (Method::POST, "/v1/auto-login-links".to_owned(), made),
        (Method::POST, "/v1/auto-login-links".to_owned(), dated),
        (
            Method::PATCH,
            format!("/v1/auto-login-links/{}", of.link),
            json!({ "expires_in": 5, "context": { "a": "b" } }),
        ),
        (Method::PUT, format!("/v1/links/{}", of.sub), linked),
        (Method::PUT, "/v1/members/m-5".to_owned(), attributes),
        (Method::POST, "/v1/account-links".to_owned(), json!({ "link_token": "t", "member_id": "m-6" })),
        (Method::POST, "/v1/imports".to_owned(), json!({ "kind": "links", "consent": { "text": "v" } })),
        (Method::POST, format!("/v1/imports/{}/finish", of.import), json!({ "parts": 3 })),
        (Method::GET, "/v1/reports/auto-login?from=2026-01-01&to=2026-01-31".to_owned(), Value::Null),
        (Method::GET, "/v1/reports/friend-add?from=2025-12-01&to=2026-01-31".to_owned(), Value::Null),
        (
            Method::GET,
            "/v1/link-history?member_id=m-1&limit=10&after=1767582000000.abc".to_owned(),
            Value::Null,
        ),
        (Method::GET, "/v1/links?limit=2&after=m-1".to_owned(), Value::Null),
        (Method::GET, "/v1/exports/receipts?limit=3&after=WyJhIiwxLCJiIl0".to_owned(), Value::Null),
        (Method::GET, format!("/v1/imports/{}?after=1.2&limit=3", of.import), Value::Null),
    ] {
        all.push(asked(ACCOUNT.issuer, &shop.api_key, &(method, path, Some(body))));
    }
    let mut part = asked(
        ACCOUNT.issuer,
        &shop.api_key,
        &(Method::PUT, format!("/v1/imports/{}/parts/2", of.import), None),
    );
    part.body =
        Some(format!("member_id,line_user_id\r\n\"m,7\",U{:032x}\r\nm-8,U{:032x}\n", 7, 8).into_bytes());
    part.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let mut customer = Browser::of(&stage.world, &of.user);
    let login = shop.begin("2");
    customer.log_in(shop, &login, Consent::Plain);
    let control = customer.go(&at("/line/unlink"));
    let (_, hidden) = control.form();
    let hidden: Vec<(&str, &str)> =
        hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let fields: Vec<(&str, &str)> = hidden.into_iter().chain([("choice", "keep")]).collect();
    let opened = customer.request(link["url"].as_str().unwrap());
    let start = customer.go(link["url"].as_str().unwrap()).location.unwrap();
    let (login, _) = shop.started(&start, "3");
    all.extend([
        part,
        opened,
        customer.request(&at(&format!("/go/{}", of.link))),
        customer.request(&login.url),
        customer.request(&at("/line/unlink")),
        super::posted(&customer, &at("/line/unlink"), &fields),
        customer.request(&at("/line/callback?code=x&state=y&friendship_status_changed=true")),
        customer.request(&format!(
            "{}?client_id={}&target={}&checked=1",
            at("/line/retry"),
            shop.client_id,
            shop.home_uri
        )),
    ]);
    all
}

fn assert_not_ours(reply: &Reply, request: &Request) {
    let body = String::from_utf8_lossy(request.bytes()).into_owned();
    assert!(
        reply.status.as_u16() < 500,
        "{} {}?{:.300} {body:.300}: {} {}",
        request.method,
        request.path,
        request.query,
        reply.status,
        json_body(reply)
    );
}

#[test]
fn prove_bytes_that_a_shop_or_a_browser_sends_are_never_a_failure_of_ours() {
    for_each_seed_of("the shop's bytes", 60, |seed| {
        let stage = Stage::new(seed);
        let of = things(&stage);
        let requests = good(&stage, &stage.shop, &of);
        let (mut served, mut good) = (0, 0);
        for request in &requests {
            assert_not_ours(&stage.world.answer(request.clone()), request);
        }
        for _ in 0..40 {
            for request in &requests {
                let request = mutated(&stage.world, request);
                let reply = stage.world.answer(request.clone());
                assert_not_ours(&reply, &request);
                served += 1;
                good += u64::from(reply.status.as_u16() < 400);
            }
        }
        vec![("requests", served), ("answered as if good", good)]
    });
}

#[test]
fn numbers_and_dates_beyond_all_bounds_are_the_callers_mistake() {
    let stage = Stage::new(1);
    let beyond = ["9007199254740992", "9223372036854775807", "9223372036854775808", "-1", "1e9", "٣"];
    for number in beyond {
        let number: String = url::form_urlencoded::byte_serialize(number.as_bytes()).collect();
        for path in [
            format!("/v1/link-history?member_id=m-1&after={number}.x"),
            format!("/v1/webhook-endpoint/dead-letters?after={number}.x"),
            format!("/v1/links?limit={number}0"),
            format!("/v1/imports?limit={number}0"),
            format!("/v1/exports/links?limit={number}0"),
            format!("/v1/auto-login-links?limit={number}0"),
            format!("/v1/reports/auto-login?from={number}0-01-01"),
        ] {
            let (status, error) = stage.api(&stage.shop, Method::GET, &path, None);
            assert_eq!((status, &error["error"]), (400, &json!("invalid_request")), "{path}: {error}");
        }
    }
    for period in
        ["from=0000-01-01&to=0000-02-01", "from=-0001-01-01&to=0000-01-01", "to=0000-01-01", "to=9999-12-31"]
    {
        for report in ["auto-login", "friend-add"] {
            let (status, answer) =
                stage.api(&stage.shop, Method::GET, &format!("/v1/reports/{report}?{period}"), None);
            assert!(status < 500, "{period}: {answer}");
        }
    }
}
