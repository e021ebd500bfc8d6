//! Auto-login links: from a message to the shop, logged in, at the page that the link names.

use enishi::{
    time::{DAY, HOUR, MINUTE, SECOND},
    web::cookie,
};
use enishi_world::{ACCOUNT, Fault, LINE, Point, line_simulator::AutoLogin};
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Shop, Stage, query};

/// LINE's in-app browser on an iPhone.
const LINE_APP: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Mobile/15E148 Safari Line/15.12.1";

/// What fetches the pages of links in a chat.
const LINE_PREVIEW: &str = "facebookexternalhit/1.1;line-poker/1.0";

/// The page of a tea, at the first shop.
fn tea(shop: &Shop) -> String {
    format!("{}tea/sencha?size=100", shop.home_uri)
}

fn url(link: &Value) -> &str {
    link["url"].as_str().unwrap()
}

#[test]
fn a_link_opens_the_shop_logged_in_at_its_page_whether_it_is_stored_or_sealed() {
    for kind in ["stored", "sealed"] {
        let stage = Stage::new(1);
        let (world, shop) = (&stage.world, &stage.shop);
        let hanako = stage.person_with("花子", AutoLogin::On);
        let with = json!({ "type": kind, "label": "新茶", "campaign": "spring", "context": { "store": "渋谷", "coupon": "A1" } });
        let link = stage.auto_login_link(shop, &tea(shop), &with);
        assert!(url(&link).len() <= 1_000);
        let mut browser = Browser::of(world, &hanako).named(LINE_APP);
        let start = browser.go(url(&link)).location.unwrap();
        let (login, target) = shop.started(&start, "1");
        let target = target.unwrap();
        assert!(target.starts_with(&tea(shop)), "{target}");
        let read = query(&target);
        assert_eq!(
            (read("size").as_deref(), read("store").as_deref(), read("coupon").as_deref()),
            (Some("100"), Some("渋谷"), Some("A1"))
        );
        let location = browser.log_in(shop, &login, Consent::Plain);
        let claims = shop.claims(world, &login, &shop.code(&login, &location));
        assert_eq!(claims["sub"], stage.subject(&hanako));
        assert!(!browser.cookies(ACCOUNT.host).contains(&cookie::TICKET), "it has served");
        let (_, report) = stage.api(shop, Method::GET, "/v1/reports/auto-login", None);
        let counted = &report["links"][0];
        assert_eq!(
            (&counted["link"], &counted["label"], &counted["campaign"]),
            (&link["id"], &json!("新茶"), &json!("spring"))
        );
        assert_eq!((&counted["auto_login"], &counted["success_rate"]), (&json!(1), &json!(1.0)), "{report}");
        assert_eq!(report["browsers"][0]["browser"], "line_in_app");
    }
}

#[test]
fn a_forwarded_link_logs_in_whoever_opens_it_and_never_its_first_owner() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let link = stage.auto_login_link(shop, &tea(shop), &json!({ "type": "sealed" }));
    let mut subjects = Vec::new();
    for name in ["花子", "太郎"] {
        let user = stage.person_with(name, AutoLogin::On);
        let mut browser = Browser::of(world, &user);
        let (login, _) = shop.started(&browser.go(url(&link)).location.unwrap(), name);
        let location = browser.log_in(shop, &login, Consent::Plain);
        let claims = shop.claims(world, &login, &shop.code(&login, &location));
        assert_eq!((&claims["name"], &claims["sub"]), (&json!(name), &json!(stage.subject(&user))));
        subjects.push(claims["sub"].clone());
    }
    assert_ne!(subjects[0], subjects[1]);
    // Even the address with its ticket, taken from somebody's bar, says nothing of who he is.
    let mut hanako = Browser::of(world, &stage.person_with("花子", AutoLogin::On));
    let start = hanako.go(url(&link)).location.unwrap();
    let mut jiro = Browser::of(world, &stage.person_with("次郎", AutoLogin::On));
    let (login, _) = shop.started(&start, "3");
    let location = jiro.log_in(shop, &login, Consent::Plain);
    assert_eq!(shop.claims(world, &login, &shop.code(&login, &location))["name"], "次郎");
}

#[test]
fn a_session_that_lives_answers_the_link_at_once_and_the_ticket_has_served() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let link = stage.auto_login_link(shop, &tea(shop), &json!({}));
    let mut browser = Browser::of(world, &stage.person("花子"));
    browser.log_in(shop, &shop.begin("1"), Consent::Plain);
    let (login, _) = shop.started(&browser.go(url(&link)).location.unwrap(), "2");
    let back = browser.go(&login.url).location.unwrap();
    shop.claims(world, &login, &shop.code(&login, &back));
    assert!(!browser.cookies(ACCOUNT.host).contains(&cookie::TICKET));
    // Older than 12 hours, it is asked of LINE again.
    world.advance(12 * HOUR);
    let (login, _) = shop.started(&browser.go(url(&link)).location.unwrap(), "3");
    assert!(browser.go(&login.url).location.unwrap().starts_with(LINE));
}

#[test]
fn a_shop_without_section_4_is_opened_by_its_template_or_at_the_page_itself_with_a_ticket_in_the_browser() {
    let stage = Stage::new(1);
    let world = &stage.world;
    for (mark, template) in
        [("t", Some("http://127.0.0.1:8789/t/login?return_to={target_path}")), ("n", None)]
    {
        let shop = stage.client(mark, &json!({ "login_start_template": template }));
        let user = stage.person_with("花子", AutoLogin::Fails);
        let page = tea(&shop);
        let link = stage.auto_login_link(&shop, &page, &json!({}));
        let mut browser = Browser::of(world, &user);
        let start = browser.go(url(&link)).location.unwrap();
        let expected = match template {
            Some(_) => {
                format!("http://127.0.0.1:8789/t/login?return_to=%2F{mark}%2Ftea%2Fsencha%3Fsize%3D100")
            }
            None => page.clone(),
        };
        assert_eq!(start, expected);
        // The shop knows nothing of tickets; the browser carries it into the attempt, and the retry page knows the page.
        let failed = browser.arrive(&shop.begin("1").url, Consent::Plain);
        assert_eq!(failed.status, 400);
        assert_eq!(query(&failed.button().unwrap())("target").as_deref(), Some(&*page));
        assert_eq!(browser.press_retry(&failed).unwrap(), expected);
        let login = shop.begin("2");
        let location = browser.log_in(&shop, &login, Consent::Plain);
        shop.claims(world, &login, &shop.code(&login, &location));
    }
    let (_, report) = stage.api(&stage.shop, Method::GET, "/v1/reports/auto-login", None);
    for link in report["links"].as_array().unwrap() {
        assert_eq!(
            (&link["failed"], &link["retry_pressed"], &link["retried_ok"]),
            (&json!(1), &json!(1), &json!(1)),
            "{report}"
        );
    }
    assert_eq!(report["links"].as_array().unwrap().len(), 2);
}

#[test]
fn a_ticket_of_another_client_or_one_that_is_over_is_not_folded_into_a_login() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("o", &json!({}));
    let link = stage.auto_login_link(shop, &tea(shop), &json!({}));
    let user = stage.person_with("花子", AutoLogin::Fails);
    let target_after = |wait: i64, of: &Shop| {
        let mut browser = Browser::of(world, &user);
        let start = browser.go(url(&link)).location.unwrap();
        world.advance(wait);
        let hint = query(&start)("login_hint").unwrap();
        let failed = browser.arrive(&of.begin("1").with("login_hint", &hint).url, Consent::Plain);
        query(&failed.button().unwrap())("target")
    };
    assert_eq!(target_after(0, shop), Some(tea(shop)));
    assert_eq!(target_after(9 * MINUTE, shop), Some(tea(shop)));
    assert_eq!(target_after(0, &other), None);
    assert_eq!(target_after(10 * MINUTE + SECOND, shop), None);
}

#[test]
fn a_shop_may_name_the_page_itself_in_its_request_pushed_or_not() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person_with("花子", AutoLogin::Fails);
    let asked = |target: &str| shop.begin("1").with("target_link_uri", target);
    let kept = |url: &str| {
        let failed = Browser::of(world, &user).arrive(url, Consent::Plain);
        query(&failed.button().unwrap())("target")
    };
    assert_eq!(kept(&asked(&tea(shop)).url), Some(tea(shop)));
    assert_eq!(kept(&shop.opening(&shop.push(world, &asked(&tea(shop)), &[]))), Some(tea(shop)));
    assert_eq!(kept(&asked("https://evil.example/").url), None);
    assert_eq!(kept(&shop.opening(&shop.push(world, &asked("https://evil.example/"), &[]))), None);
}

#[test]
fn a_preview_is_shown_the_title_and_counts_for_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let link = stage.auto_login_link(shop, &tea(shop), &json!({ "label": "<新茶> & \"八十八夜\"" }));
    let unnamed = stage.auto_login_link(shop, &tea(shop), &json!({ "type": "sealed" }));
    let mut robot = Browser::of(world, "nobody").named(LINE_PREVIEW);
    let page = robot.go(url(&link));
    assert_eq!((page.status, page.location), (200, None));
    assert!(
        page.html.contains("og:title\" content=\"&lt;新茶&gt; &amp; &quot;八十八夜&quot;\""),
        "{}",
        page.html
    );
    assert!(!page.html.contains("sencha") && page.headers.get(header::SET_COOKIE).is_none());
    assert!(robot.go(url(&unnamed)).html.contains("og:title\" content=\"結び茶屋\""));
    let mut head = Browser::of(world, "nobody").request(url(&link));
    head.method = Method::HEAD;
    let reply = world.answer(head);
    assert_eq!((reply.status.as_u16(), reply.headers.get(header::SET_COOKIE)), (200, None));
    assert_eq!(stage.count("login_counts"), 0);
}

#[test]
fn a_link_that_is_over_revoked_unknown_or_forged_shows_the_way_back_to_the_shop_and_leads_nowhere_else() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.other_shop();
    let soon = json!({ "expires_in": 60 });
    let over = stage.auto_login_link(shop, &tea(shop), &soon);
    let sealed = stage.auto_login_link(shop, &tea(shop), &json!({ "type": "sealed", "expires_in": 60 }));
    let revoked = stage.auto_login_link(shop, &tea(shop), &json!({}));
    let lasting = stage.auto_login_link(shop, &tea(shop), &json!({ "type": "sealed" }));
    let path = format!("/v1/auto-login-links/{}", revoked["id"].as_str().unwrap());
    assert_eq!(stage.api(shop, Method::DELETE, &path, None).0, 204);
    assert_eq!(stage.api(shop, Method::DELETE, &path, None).0, 204, "once more changes nothing");
    world.advance(MINUTE);
    let foreign = stage.auto_login_link(&other, &tea(&other), &json!({ "type": "sealed" }));
    let foreign_stored = stage.auto_login_link(&other, &tea(&other), &json!({}));
    let here = |link: &Value| url(link).replace(other.line.issuer, ACCOUNT.issuer);
    let sealed_id = format!("{}/go/{}", ACCOUNT.issuer, lasting["id"].as_str().unwrap());
    for (url, status) in [
        (url(&over).to_owned(), 410),
        (url(&sealed).to_owned(), 410),
        (url(&revoked).to_owned(), 410),
        (here(&foreign), 404),
        (here(&foreign_stored), 404),
        (format!("{}x", url(&lasting)), 404),
        (url(&lasting).replace("/go/v1.", "/go/v1.A"), 404),
        (format!("{}/go/unknown", ACCOUNT.issuer), 404),
        (format!("{}/go/%F0%9F%8D%B5", ACCOUNT.issuer), 404),
        (format!("{}/go/{}", ACCOUNT.issuer, "a".repeat(5_000)), 404),
        (sealed_id, 404),
    ] {
        for agent in [LINE_APP, LINE_PREVIEW] {
            let mut browser = Browser::of(world, "nobody").named(agent);
            let page = browser.go(&url);
            assert_eq!((page.status, page.location.as_deref()), (status, None), "{url}");
            assert_eq!(page.button().as_deref(), Some(&*shop.home_uri), "{url}");
            assert!(browser.cookies(ACCOUNT.host).is_empty());
        }
    }
}

#[test]
fn a_link_is_listed_shown_changed_and_what_is_wrong_is_said() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let links = "/v1/auto-login-links";
    let call = |method: Method, path: &str, body: Option<&Value>| stage.api(shop, method, path, body);
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(stage.auto_login_link(
            shop,
            &tea(shop),
            &json!({ "label": format!("{number}"), "type": if number == 3 { "sealed" } else { "stored" } }),
        ));
        world.advance(i64::from(number % 2));
    }
    let mut listed: Vec<Value> = Vec::new();
    let mut after = String::new();
    loop {
        let (status, page) = call(Method::GET, &format!("{links}?limit=2{after}"), None);
        assert_eq!(status, 200, "{page}");
        listed.extend(page["links"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(listed.len(), 5);
    assert!(made.iter().all(|link| listed.contains(link)), "{listed:?}");
    assert_eq!(call(Method::GET, &format!("{links}?client_id=other"), None).1["links"], json!([]));
    let of = |at: usize| format!("{links}/{}", made[at]["id"].as_str().unwrap());
    assert_eq!(call(Method::GET, &of(3), None), (200, made[3].clone()));
    let change = json!({ "label": "八十八夜", "context": { "store": "渋谷" }, "expires_at": "2027-01-01T00:00:00+09:00" });
    let (status, changed) = call(Method::PATCH, &of(0), Some(&change));
    assert_eq!(
        (status, &changed["label"], &changed["target"]),
        (200, &json!("八十八夜"), &made[0]["target"]),
        "{changed}"
    );
    assert_eq!(
        (&changed["expires_at"], &changed["context"]),
        (&json!("2026-12-31T15:00:00.000Z"), &json!({ "store": "渋谷" }))
    );
    let (_, changed) = call(
        Method::PATCH,
        &of(0),
        Some(&json!({ "context": { "store": null, "coupon": "B" }, "expires_at": null })),
    );
    assert_eq!((&changed["context"], &changed["expires_at"]), (&json!({ "coupon": "B" }), &json!(null)));
    assert_eq!(call(Method::GET, &of(0), None).1, changed);
    assert_eq!(call(Method::PATCH, &of(3), Some(&change)).1["error"], "sealed_link");
    assert_eq!(call(Method::DELETE, &of(3), None).1["error"], "sealed_link");
    assert_eq!(call(Method::DELETE, &of(1), None).0, 204);
    assert_eq!(call(Method::PATCH, &of(1), Some(&change)).1["error"], "revoked_link");
    assert_eq!(call(Method::GET, &of(1), None).1["revoked_at"], "2026-01-05T03:00:00.002Z");
    for wrong in [
        json!({ "client_id": "x" }),
        json!({ "type": "sealed" }),
        json!({ "target": null }),
        json!({ "nonsense": 1 }),
        json!([]),
    ] {
        assert_eq!(call(Method::PATCH, &of(0), Some(&wrong)).0, 400, "{wrong}");
    }
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_eq!(call(method, &format!("{links}/unknown"), Some(&json!({}))).0, 404);
    }
    for query in ["limit=0", "limit=101", "limit=x", "after=%2F"] {
        assert_eq!(call(Method::GET, &format!("{links}?{query}"), None).0, 400, "{query}");
    }
}

#[test]
fn a_link_that_could_not_be_opened_or_would_name_somebody_is_not_made() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let user = stage.person("花子");
    let page = tea(shop);
    let long = format!("{}{}", shop.home_uri, "a".repeat(1_500));
    let sealed_but_long = format!("{}{}", shop.home_uri, "a".repeat(700));
    for (wrong, says) in [
        (json!({ "client_id": "unknown" }), "client_id"),
        (json!({ "target": "https://evil.example/" }), "target"),
        (json!({ "target": "/tea" }), "target"),
        (json!({ "target": long }), "target"),
        (json!({ "target": format!("{page}&member={user}") }), "LINE user id"),
        (json!({ "target": format!("{page}&t=eyJhbGciOiJIUzI1NiJ9.e30.c2ln") }), "token"),
        (json!({ "context": { "who": user.as_str() } }), "LINE user id"),
        (json!({ "context": { "size": "1" } }), "size stands in target and in context"),
        (json!({ "context": { "a b": "1" } }), "context"),
        (json!({ "context": { "a": "1\r\n" } }), "context"),
        (json!({ "context": { "a": "x".repeat(201) } }), "context"),
        (json!({ "context": { "a": 1 } }), "context"),
        (json!({ "label": "x".repeat(101) }), "label"),
        (json!({ "campaign": "a\nb" }), "campaign"),
        (json!({ "expires_in": 0 }), "expires_in"),
        (json!({ "expires_in": 1e30 }), "expected i64"),
        (json!({ "expires_in": 60, "expires_at": "2027-01-01T00:00:00Z" }), "either"),
        (json!({ "expires_at": "2026-01-05T02:59:59Z" }), "ahead"),
        (json!({ "expires_at": "tomorrow" }), "2026-01-05T12:00:00+09:00"),
        (json!({ "type": "sealed", "expires_in": 30 * DAY / SECOND + 1 }), "30 days"),
        (json!({ "type": "sealed", "target": sealed_but_long }), "make it stored"),
        (json!({ "type": "eternal" }), "stored or sealed"),
        (json!({ "line_user_id": user.as_str() }), "line_user_id"),
    ] {
        let mut body = json!({ "client_id": shop.client_id, "target": page });
        for (name, value) in wrong.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (status, error) = stage.api(shop, Method::POST, "/v1/auto-login-links", Some(&body));
        assert_eq!(status, 400, "{wrong}: {error}");
        let said = error["error_description"].as_str().unwrap();
        assert!(said.contains(says), "{wrong}: {said}");
    }
    assert_eq!(stage.count("auto_login_links"), 0);
}

#[test]
fn a_change_is_seen_within_minutes_even_where_the_cache_could_not_be_told() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let link = stage.auto_login_link(shop, &tea(shop), &json!({}));
    let path = format!("/v1/auto-login-links/{}", link["id"].as_str().unwrap());
    let opens = || Browser::of(world, "nobody").go(url(&link)).status == 302;
    assert!(opens());
    world.advance(MINUTE);
    assert!(opens());
    world.fail_next(Point::Cache, Fault::Refused, 1);
    assert_eq!(stage.api(shop, Method::DELETE, &path, None).0, 204);
    world.advance(7 * MINUTE);
    assert!(!opens());
}

#[test]
fn a_link_works_while_the_cache_fails_and_its_page_counts_by_the_origins_of_now() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let named = json!({ "target_origins": ["http://127.0.0.1:9001"] });
    let path = format!("/v1/clients/{}", shop.client_id);
    let registered = |body: &Value| assert_eq!(stage.api(shop, Method::PATCH, &path, Some(body)).0, 200);
    let page = "http://127.0.0.1:9001/sale";
    let body = json!({ "client_id": shop.client_id, "target": page });
    assert_eq!(stage.api(shop, Method::POST, "/v1/auto-login-links", Some(&body)).0, 400);
    registered(&named);
    let link = stage.auto_login_link(shop, page, &json!({}));
    for number in 1..4 {
        world.fail_at(number, Fault::Refused);
        let opened = Browser::of(world, "nobody").go(url(&link));
        assert!([302, 503].contains(&opened.status), "{number}: {}", opened.html);
        world.end_faults();
    }
    registered(&json!({ "target_origins": [] }));
    let astray = Browser::of(world, "nobody").go(url(&link));
    assert_eq!((astray.status, astray.location.as_deref()), (410, None));
    assert_eq!(astray.button().as_deref(), Some(&*shop.home_uri));
    registered(&named);
    // Another isolate knew the older configuration; it looks again before it refuses.
    world.advance(6 * SECOND);
    assert_eq!(Browser::of(world, "nobody").go(url(&link)).status, 302);
}
