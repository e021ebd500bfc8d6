//! E-mail addresses: told only with scope and consent, verified only by the customer's own proof or the client's own
//! decision.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use enishi::{
    secret::hmac_sha256,
    time::{MINUTE, SECOND},
};
use enishi_world::{LINE, ShopCall, ShopOutcome};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, HOOKS, Login, Shop, Stage, json_body};

const ADDRESS: &str = "hanako@mail.example";

/// A client that wants addresses proven, and the shop's endpoint for our events; its secret is answered.
fn proving(stage: &Stage) -> (Shop, String) {
    let secret = stage.takes_events();
    (stage.client("proving", &json!({ "email_verification": "code" })), secret)
}

fn begin(shop: &Shop) -> Login {
    shop.begin("1").but("scope", Some("openid email"))
}

/// The event that the shop received last.
fn event(stage: &Stage) -> (ShopCall, Value) {
    stage.world.run_queues();
    let call = stage.world.shop_calls().pop().expect("an event");
    let body = serde_json::from_slice(&call.body).unwrap();
    (call, body)
}

fn mailed_code(stage: &Stage) -> String {
    event(stage).1["data"]["code"].as_str().unwrap().to_owned()
}

fn wrong(code: &str) -> String {
    let changed = if code.starts_with('0') { '1' } else { '0' };
    format!("{changed}{}", &code[1..])
}

#[test]
fn an_address_is_told_with_scope_permission_and_consent_and_is_not_verified() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    for (scope, consent, expected) in [
        ("openid email", Consent::Plain, Some(ADDRESS)),
        ("openid", Consent::Plain, None),
        ("openid email", Consent::WithoutEmail, None),
    ] {
        let user = stage.person_at("花子", ADDRESS);
        let login = shop.begin("1").but("scope", Some(scope));
        let location = Browser::of(world, &user).log_in(shop, &login, consent);
        let tokens = json_body(&shop.redeem(world, &login, &shop.code(&login, &location)));
        let claims = shop.verified(world, &login, &tokens);
        let user = json_body(&shop.userinfo(world, tokens["access_token"].as_str().unwrap()));
        for told in [&claims, &user] {
            assert_eq!(told["email"].as_str(), expected, "{told}");
            assert_eq!(told["email_verified"].as_bool(), expected.map(|_| false), "{told}");
        }
    }
}

#[test]
fn a_client_that_trusts_line_says_so_in_the_audit_log_and_speaks_for_itself_alone() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let trusting = stage.client("trusting", &json!({ "email_verification": "trust_line" }));
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    for (shop, verified) in [(&trusting, true), (&stage.shop, false)] {
        let login = begin(shop);
        let location = browser.log_in(shop, &login, Consent::Plain);
        let claims = shop.claims(world, &login, &shop.code(&login, &location));
        assert_eq!((&claims["email"], &claims["email_verified"]), (&ADDRESS.into(), &verified.into()));
    }
    let log = world.query("SELECT actor, action, detail FROM audit_log WHERE detail LIKE '%trust_line%'");
    assert_eq!((log.len(), &log[0]["action"]), (1, &"client.post".into()));
    let path = format!("/v1/clients/{}", stage.shop.client_id);
    let change = json!({ "email_verification": "trust_line" });
    assert_eq!(stage.api(&stage.shop, Method::PATCH, &path, Some(&change)).0, 200);
    let log = world.query("SELECT detail FROM audit_log WHERE action = 'client.patch'");
    let detail: Value = serde_json::from_str(log[0]["detail"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&detail["client_id"], &detail["email_verification"]),
        (&json!(stage.shop.client_id), &"trust_line".into())
    );
}

#[test]
fn a_customer_proves_an_address_by_the_code_that_the_shop_mailed() {
    let stage = Stage::new(1);
    let (world, (shop, secret)) = (&stage.world, proving(&stage));
    let user = stage.person_at("花子", ADDRESS);
    let mut browser = Browser::of(world, &user);
    let login = begin(&shop);
    let page = browser.arrive(&login.url, Consent::Plain);
    assert!(page.html.contains(ADDRESS) && page.html.contains("確認コード"), "{}", page.html);

    let (call, event) = event(&stage);
    assert_eq!((&event["type"], &event["data"]["email"]), (&"email.code_requested".into(), &ADDRESS.into()));
    assert_eq!(event["data"]["sub"], stage.subject(&user));
    assert_eq!(event["data"]["locale"], "ja");
    let said = |name: &str| call.headers[name].to_str().unwrap().to_owned();
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!(
        "{}.{}.{}",
        said("webhook-id"),
        said("webhook-timestamp"),
        String::from_utf8_lossy(&call.body)
    );
    assert_eq!(
        said("webhook-signature"),
        format!("v1,{}", STANDARD.encode(hmac_sha256(&key, signed.as_bytes())))
    );
    assert_eq!(said("webhook-timestamp"), call.at.seconds().to_string());

    let code = event["data"]["code"].as_str().unwrap();
    assert_eq!(code.len(), 6);
    let refused = browser.choose(&page, &[("choice", "verify"), ("code", &wrong(code))]);
    assert!(refused.html.contains("正しくない"), "{}", refused.html);
    let back = browser.choose(&refused, &[("choice", "verify"), ("code", code)]).button().unwrap();
    let claims = shop.claims(world, &login, &shop.code(&login, &back));
    assert_eq!((&claims["email"], &claims["email_verified"]), (&ADDRESS.into(), &true.into()));

    let again = begin(&shop);
    let location = Browser::of(world, &user).log_in(&shop, &again, Consent::Plain);
    assert_eq!(
        shop.claims(world, &again, &shop.code(&again, &location))["email_verified"],
        true,
        "once is enough"
    );
}

#[test]
fn an_address_that_changes_at_line_is_to_be_proven_anew() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    let user = stage.person_at("花子", ADDRESS);
    let mut browser = Browser::of(world, &user);
    let page = browser.arrive(&begin(&shop).url, Consent::Plain);
    let code = mailed_code(&stage);
    browser.choose(&page, &[("choice", "verify"), ("code", &code)]).button().unwrap();
    world.line().set_email(&user, Some("new@mail.example".into())).unwrap();
    let again = Browser::of(world, &user).arrive(&begin(&shop).with("prompt", "login").url, Consent::Plain);
    assert!(again.html.contains("new@mail.example"), "{}", again.html);
}

#[test]
fn a_code_proves_the_address_that_it_was_mailed_to_and_no_later_one() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    let user = stage.person_at("花子", ADDRESS);
    let mut browser = Browser::of(world, &user);
    let login = begin(&shop);
    let page = browser.arrive(&login.url, Consent::Plain);
    let first = mailed_code(&stage);
    world.line().set_email(&user, Some("new@mail.example".into())).unwrap();
    Browser::of(world, &user).arrive(&begin(&shop).url, Consent::Plain);
    let tried = browser.choose(&page, &[("choice", "verify"), ("code", &first)]);
    assert_eq!(tried.button(), None);
    assert_eq!(stage.count("line_users WHERE email_verified_at IS NOT NULL"), 0);

    let (_, event) = event(&stage);
    assert_eq!(event["data"]["email"], "new@mail.example");
    let code = event["data"]["code"].as_str().unwrap();
    let refused = browser.choose(&tried, &[("choice", "verify"), ("code", &wrong(code))]);
    assert_eq!(refused.button(), None, "what was proven is another address");
    let back = browser.choose(&tried, &[("choice", "verify"), ("code", code)]).button().unwrap();
    let claims = shop.claims(world, &login, &shop.code(&login, &back));
    assert_eq!((&claims["email"], &claims["email_verified"]), (&"new@mail.example".into(), &true.into()));
}

#[test]
fn a_code_is_tried_five_times_and_mailed_three_times() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    let page = browser.arrive(&begin(&shop).url, Consent::Plain);
    let first = mailed_code(&stage);
    for _ in 0..5 {
        browser.choose(&page, &[("choice", "verify"), ("code", &wrong(&first))]);
    }
    let sixth = browser.choose(&page, &[("choice", "verify"), ("code", &first)]);
    assert_eq!(sixth.button(), None, "the right code comes too late");
    for (mailed, said) in [(2, "お送りします"), (3, "お送りします"), (3, "これ以上は再送できません")]
    {
        let again = browser.choose(&page, &[("choice", "resend")]);
        assert!(again.html.contains(said), "{}", again.html);
        world.run_queues();
        assert_eq!(world.shop_calls().len(), mailed);
    }
    let last = mailed_code(&stage);
    assert!(browser.choose(&page, &[("choice", "verify"), ("code", &last)]).button().is_some());
}

#[test]
fn a_code_is_over_after_ten_minutes_and_worth_nothing_in_another_browser() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    let page = browser.arrive(&begin(&shop).url, Consent::Plain);
    let code = mailed_code(&stage);
    let mut other = Browser::of(world, "nobody");
    let stolen = other.choose(&page, &[("choice", "verify"), ("code", &code)]);
    assert_eq!(stolen.status, 400);
    world.advance(10 * MINUTE + SECOND);
    assert_eq!(browser.choose(&page, &[("choice", "verify"), ("code", &code)]).button(), None);
}

#[test]
fn a_customer_may_go_on_without_and_a_shop_without_an_endpoint_asks_nobody() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    let login = begin(&shop);
    let page = browser.arrive(&login.url, Consent::Plain);
    let back = browser.choose(&page, &[("choice", "skip")]).button().unwrap();
    assert_eq!(shop.claims(world, &login, &shop.code(&login, &back))["email_verified"], false);
    assert_eq!(stage.api(&stage.shop, Method::DELETE, "/v1/webhook-endpoint", None).0, 204);
    let location =
        Browser::of(world, &stage.person_at("次郎", "jiro@mail.example")).arrive(&login.url, Consent::Plain);
    assert!(location.location.unwrap().starts_with(&shop.redirect_uri));
}

#[test]
fn a_customer_who_went_on_without_is_not_asked_again_in_that_session() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    let page = browser.arrive(&begin(&shop).url, Consent::Plain);
    assert!(
        browser.go(&begin(&shop).url).location.unwrap().starts_with(LINE),
        "a session alone does not waive it"
    );
    browser.choose(&page, &[("choice", "skip")]);
    let again = begin(&shop);
    let location = browser.go(&again.url).location.unwrap();
    assert_eq!(shop.claims(world, &again, &shop.code(&again, &location))["email_verified"], false);
}

#[test]
fn a_session_whose_login_never_asked_for_the_address_does_not_answer_who_wants_it() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    browser.log_in(shop, &shop.begin("1"), Consent::Plain);
    let silent = begin(shop).with("prompt", "none");
    let refused = browser.go(&silent.url).location.unwrap();
    assert_eq!(shop.answer(&silent, &refused)("error").as_deref(), Some("login_required"));
    let login = begin(shop);
    let location = browser.log_in(shop, &login, Consent::Plain);
    assert_eq!(shop.claims(world, &login, &shop.code(&login, &location))["email"], ADDRESS);
    let asked = begin(shop).with("prompt", "none");
    assert!(shop.answer(&asked, &browser.go(&asked.url).location.unwrap())("code").is_some());
}

#[test]
fn a_customer_without_an_address_is_sent_to_line_for_it_once() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    let login = begin(shop);
    browser.log_in(shop, &login, Consent::Plain);
    assert!(browser.go(&begin(shop).url).location.unwrap().starts_with(&shop.redirect_uri));
}

#[test]
fn an_event_is_delivered_again_under_its_id_until_its_time_is_over() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    world.answer_next_shop_call_with(ShopOutcome::Silence);
    world.answer_next_shop_call_with(ShopOutcome::Status(StatusCode::FOUND));
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    browser.arrive(&begin(&shop).url, Consent::Plain);
    world.settle(2 * MINUTE);
    let calls = world.shop_calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.headers["webhook-id"] == calls[0].headers["webhook-id"]));
    assert_ne!(
        calls[0].headers["webhook-signature"], calls[2].headers["webhook-signature"],
        "the time is signed"
    );
    assert_eq!(stage.count("outbox"), 0);
    world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::GONE));
    browser.arrive(&begin(&shop).with("prompt", "login").url, Consent::Plain);
    world.settle(15 * MINUTE);
    assert_eq!(stage.count("outbox"), 0, "a code that is over is mailed no more");
}

#[test]
fn no_address_and_no_code_stands_in_the_outbox_or_the_log() {
    let stage = Stage::new(1);
    let (world, (shop, _)) = (&stage.world, proving(&stage));
    let mut browser = Browser::of(world, &stage.person_at("花子", ADDRESS));
    browser.arrive(&begin(&shop).url, Consent::Plain);
    let owed = Value::from(world.query("SELECT * FROM outbox")).to_string();
    let codes = Value::from(world.query("SELECT code_digest FROM email_codes")).to_string();
    let code = mailed_code(&stage);
    assert!(!owed.contains(ADDRESS) && !owed.contains(&code) && !codes.contains(&code), "{owed} {codes}");
    let log = Value::from(world.log_lines()).to_string();
    assert!(!log.contains(ADDRESS) && !log.contains(&code));
}

#[test]
fn a_new_secret_is_shown_when_it_is_asked_for_and_an_endpoint_inside_a_network_is_refused() {
    let stage = Stage::new(1);
    let put = |body: &Value| stage.api(&stage.shop, Method::PUT, "/v1/webhook-endpoint", Some(body));
    let first = put(&json!({ "url": HOOKS })).1;
    assert!(first["secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(put(&json!({ "url": HOOKS })).1.get("secret").is_none());
    assert_ne!(put(&json!({ "url": HOOKS, "new_secret": true })).1["secret"], first["secret"]);
    let (status, shown) = stage.api(&stage.shop, Method::GET, "/v1/webhook-endpoint", None);
    assert_eq!((status, shown), (200, json!({ "url": HOOKS })));
    for url in ["ftp://shop.example/", "https://user@shop.example/", "not a url", "https://shop.example/#f"] {
        assert_eq!(put(&json!({ "url": url })).0, 400, "{url}");
    }
    assert!(enishi::config::is_acceptable_target("https://shop.example/hooks", "line.shop.example"));
    for inside in [
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://intranet/",
        "https://localhost/",
        "http://shop.example/",
    ] {
        assert!(!enishi::config::is_acceptable_target(inside, "line.shop.example"), "{inside}");
    }
}
