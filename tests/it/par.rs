//! Pushed authorization requests, and the link that a member asks for in the shop.

use enishi::time::{MINUTE, SECOND};
use enishi_world::LINE;
use serde_json::json;

use crate::support::{Browser, Consent, Stage, json_body};

#[test]
fn a_pushed_request_is_opened_by_its_name_and_answers_as_any_other() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1");
    let pushed = shop.push(world, &login, &[]);
    assert_eq!((pushed.status.as_u16(), &json_body(&pushed)["expires_in"]), (201, &60.into()));
    let user = stage.person("花子");
    let mut browser = Browser::of(world, &user);
    let location = browser.arrive(&shop.opening(&pushed), Consent::Plain).location.unwrap();
    let claims = shop.claims(world, &login, &shop.code(&login, &location));
    assert_eq!(claims["name"], "花子");
    let again = browser.go(&shop.opening(&pushed));
    assert_eq!((again.status, again.location), (400, None), "spent with its code");
}

#[test]
fn a_session_answers_a_pushed_request_without_a_visit_to_line() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (mut browser, _, _) = stage.logged_in(shop, "openid");
    let login = shop.begin("2");
    let pushed = shop.push(world, &login, &[]);
    let location = browser.go(&shop.opening(&pushed)).location.unwrap();
    shop.claims(world, &login, &shop.code(&login, &location));
    assert_eq!(browser.go(&shop.opening(&pushed)).status, 400);
}

#[test]
fn a_session_in_another_browser_does_not_spend_a_request_that_is_open() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (mut other, _, _) = stage.logged_in(shop, "openid");
    let login = shop.begin("2");
    let pushed = shop.push(world, &login, &[]);
    let mut browser = Browser::of(world, &stage.person("次郎"));
    let started = browser.go(&shop.opening(&pushed)).location.unwrap();
    let codes = stage.count("codes");
    let late = other.go(&shop.opening(&pushed));
    assert_eq!((late.status, late.location), (400, None));
    assert_eq!((stage.count("codes"), stage.count("pushed_requests WHERE spent_by IS NOT NULL")), (codes, 0));
    let location = browser.go(&browser.at_line(&started, Consent::Plain)).location.unwrap();
    assert_eq!(shop.claims(world, &login, &shop.code(&login, &location))["name"], "次郎");
}

#[test]
fn a_pushed_request_waits_a_minute_and_belongs_to_its_client() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("other", &json!({}));
    let mut browser = Browser::of(world, "nobody");
    let pushed = shop.push(world, &shop.begin("1"), &[]);
    let opening = shop.opening(&pushed);
    let stolen =
        opening.replace(&format!("client_id={}", shop.client_id), &format!("client_id={}", other.client_id));
    assert_eq!(browser.go(&stolen).status, 400);
    world.advance(59 * SECOND);
    assert!(
        browser.go(&opening).location.unwrap().starts_with(LINE),
        "the attempt of another harmed nothing"
    );
    let late = shop.push(world, &shop.begin("2"), &[]);
    world.advance(MINUTE);
    let page = browser.go(&shop.opening(&late));
    assert_eq!((page.status, page.location.as_deref()), (400, None));
    assert_eq!(page.button().as_deref(), Some(&*shop.home_uri), "a way back");
}

#[test]
fn what_is_wrong_with_a_request_is_said_where_it_is_pushed() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1");
    for (login, more, error) in [
        (login.clone().but("redirect_uri", Some("https://evil.example/")), vec![], "invalid_request"),
        (login.clone().but("response_type", Some("token")), vec![], "unsupported_response_type"),
        (login.clone().but("scope", Some("profile")), vec![], "invalid_scope"),
        (login.clone(), vec![("request_uri", "urn:x")], "request_uri_not_supported"),
        (login.clone(), vec![("request", "x")], "request_not_supported"),
        (login.clone().but("client_id", Some("another")), vec![], "invalid_request"),
        (login.clone().but("code_challenge", None), vec![("member_id", "M1")], "invalid_request"),
        (login.clone(), vec![("member_id", "a\nb")], "invalid_request"),
        (login.clone(), vec![("id_token_hint", "forged")], "invalid_request"),
    ] {
        let reply = shop.push(world, &login, &more);
        assert_eq!((reply.status.as_u16(), &json_body(&reply)["error"]), (400, &error.into()), "{more:?}");
    }
    let mut stranger = stage.client("other", &json!({}));
    stranger.client_secret = "wrong".to_owned();
    assert_eq!(stranger.push(world, &stranger.begin("2"), &[]).status, 401);
}

#[test]
fn a_member_who_asks_to_link_sees_what_is_tied_together_and_the_shop_completes_it() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1");
    let pushed = shop.push(world, &login, &[("member_id", "M-77"), ("member_label", "花子さま")]);
    let user = stage.person("はなこ");
    let mut browser = Browser::of(world, &user);
    let page = browser.arrive(&shop.opening(&pushed), Consent::Plain);
    assert_eq!(page.status, 200);
    for named in ["花子さま", "はなこ", shop.line.name] {
        assert!(page.html.contains(named), "{named}: {}", page.html);
    }
    assert_eq!(stage.count("links"), 0, "nothing is tied by looking");
    let agreed = browser.choose(&page, &[("choice", "allow")]);
    assert_eq!(stage.count("links"), 0, "nor by the customer's word alone");
    let code = shop.code(&login, &agreed.button().unwrap());
    let claims = shop.claims(world, &login, &code);
    assert_eq!(claims["member_id"], "M-77");
    let (status, link) = stage.api(shop, http::Method::GET, "/v1/links?member_id=M-77", None);
    assert_eq!(
        (status, &link["sub"], &link["consent"]["way"]),
        (200, &claims["sub"], &"member_request".into())
    );
    assert!(link["consent"]["text"].is_string() && link["consent"]["at"].is_string(), "{link}");
}

#[test]
fn a_session_never_links_by_itself_and_a_customer_may_decline() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (mut browser, _, _) = stage.logged_in(shop, "openid");
    let login = shop.begin("2");
    let pushed = shop.push(world, &login, &[("member_id", "M1")]);
    let started = browser.go(&shop.opening(&pushed)).location.unwrap();
    assert!(started.starts_with(LINE), "we always go to LINE");
    let page = browser.go(&browser.at_line(&started, Consent::Plain));
    let declined = browser.choose(&page, &[("choice", "deny")]).button().unwrap();
    assert_eq!(shop.answer(&login, &declined)("error").as_deref(), Some("access_denied"));
    let again = browser.choose(&page, &[("choice", "allow")]);
    assert_eq!((again.status, stage.count("codes WHERE link IS NOT NULL")), (400, 0), "a no is a no");
}

#[test]
fn a_member_or_line_user_who_is_taken_is_told_at_the_callback_or_at_the_redemption() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    stage.member("M1", "gold");
    let user = stage.person("次郎");
    let mut browser = Browser::of(world, &user);
    let login = shop.begin("1");
    let taken = shop.push(world, &login, &[("member_id", "M1")]);
    let location = browser.arrive(&shop.opening(&taken), Consent::Plain).location.unwrap();
    assert_eq!(shop.answer(&login, &location)("error").as_deref(), Some("access_denied"));

    let login = shop.begin("2");
    let free = shop.push(world, &login, &[("member_id", "M2")]);
    let page = browser.arrive(&shop.opening(&free), Consent::Plain);
    let agreed = browser.choose(&page, &[("choice", "allow")]).button().unwrap();
    let sub = stage.subject(&stage.friend("三郎"));
    assert_eq!(stage.link(&sub, &json!({ "member_id": "M2" })).0, 201, "somebody was faster");
    let late = shop.redeem(world, &login, &shop.code(&login, &agreed));
    assert_eq!(json_body(&late)["error"], "invalid_grant");
    assert_eq!(stage.count("links"), 2);
}

#[test]
fn a_link_that_is_there_already_takes_the_newer_consent() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.member("M1", "gold");
    let mut browser = Browser::of(world, &user);
    let login = shop.begin("1");
    let pushed = shop.push(world, &login, &[("member_id", "M1")]);
    let page = browser.arrive(&shop.opening(&pushed), Consent::Plain);
    let agreed = browser.choose(&page, &[("choice", "allow")]).button().unwrap();
    assert_eq!(shop.claims(world, &login, &shop.code(&login, &agreed))["member_id"], "M1");
    let links = world.query("SELECT consent FROM links");
    assert!(links[0]["consent"].as_str().unwrap().contains("member_request"), "{links:?}");
}

#[test]
fn member_id_outside_a_pushed_request_or_of_a_public_client_is_refused() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1").with("member_id", "M1");
    let location = Browser::of(world, "nobody").go(&login.url).location.unwrap();
    assert_eq!(shop.answer(&login, &location)("error").as_deref(), Some("invalid_request"));
    let public = stage.client("public", &json!({ "token_endpoint_auth_method": "none" }));
    let reply = public.push(world, &public.begin("1"), &[("member_id", "M1")]);
    assert_eq!(json_body(&reply)["error"], "invalid_request");
}
