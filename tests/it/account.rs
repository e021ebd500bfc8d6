//! The operator's work: accounts, and that one account is closed to every other.

use enishi::time::{MINUTE, SECOND};
use enishi_world::{ACCOUNT, OTHER_ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::support::{Browser, Stage, json_body};

#[test]
fn only_the_operators_key_makes_accounts() {
    let stage = Stage::new(1);
    let url = format!("{}/v1/accounts/{}", ACCOUNT.issuer, OTHER_ACCOUNT.host);
    let mut request = request(Method::PUT, &url);
    request.body = Some(stage.shop.account_body().to_string().into_bytes());
    assert_eq!(stage.world.answer(request.clone()).status, 401);
    let shops = format!("Bearer {}", stage.shop.api_key);
    request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&shops).unwrap());
    assert_eq!(stage.world.answer(request).status, 401);
    assert_eq!(stage.count("accounts"), 1);
}

#[test]
fn an_account_that_cannot_work_is_refused_with_the_reason() {
    let stage = Stage::new(1);
    let good = stage.shop.account_body();
    let changed = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for body in [
        changed("/name", "".into()),
        changed("/clients", json!([])),
        changed("/clients/0/redirect_uris", json!([])),
        changed("/clients/0/redirect_uris", json!(["http://shop.example.jp/callback"])),
        changed("/clients/0/client_secret", "short".into()),
        changed("/api_key", "short".into()),
        changed("/login_channel/channel_id", "not digits".into()),
        changed("/messaging_channel/bot_user_id", "U1".into()),
        changed("/friend_add", "perhaps".into()),
    ] {
        let reply = stage.put_account(OTHER_ACCOUNT.host, &body);
        assert_eq!(
            (reply.status.as_u16(), &json_body(&reply)["error"]),
            (400, &"invalid_request".into()),
            "{body}"
        );
    }
    assert_eq!(stage.put_account("not a host", &good).status, 400);
    assert_eq!(stage.count("accounts"), 1);
}

#[test]
fn an_account_may_be_put_again_and_keeps_its_identity_and_signing_key() {
    let stage = Stage::new(1);
    let keys = || json_body(&stage.world.get(&format!("{}/jwks.json", ACCOUNT.issuer)));
    let (id, before) = (stage.account_id(), keys());
    let reply = stage.put_account(ACCOUNT.host, &stage.shop.account_body());
    assert_eq!(reply.status, 200);
    assert_eq!((stage.account_id(), keys()), (id, before));
}

#[test]
fn what_is_not_given_is_drawn_and_shown_once() {
    let stage = Stage::new(1);
    let mut body = stage.shop.account_body();
    body.as_object_mut().unwrap().remove("api_key");
    body["clients"][0].as_object_mut().unwrap().remove("client_secret");
    let first = json_body(&stage.put_account(OTHER_ACCOUNT.host, &body));
    assert!(first["api_key"].as_str().unwrap().len() >= 43);
    assert!(first["clients"][0]["client_secret"].as_str().unwrap().len() >= 43);
    assert_eq!(first["webhook_url"], format!("{}/line/webhook", OTHER_ACCOUNT.issuer));
    let second = json_body(&stage.put_account(OTHER_ACCOUNT.host, &body));
    assert!(
        second.get("api_key").is_none() && second["clients"][0].get("client_secret").is_none(),
        "{second}"
    );
}

#[test]
fn what_the_operator_puts_stands_in_the_audit_log_with_the_policies_for_addresses() {
    let stage = Stage::new(1);
    let mut body = stage.shop.account_body();
    body["clients"][0]["email_verification"] = "trust_line".into();
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    let log =
        stage.world.query("SELECT actor, detail FROM audit_log WHERE action = 'account.put' ORDER BY at");
    assert_eq!(log.len(), 2);
    let told = log.iter().filter(|entry| entry["detail"].as_str().unwrap().contains("trust_line")).count();
    assert_eq!((told, &log[0]["actor"]), (1, &"operator".into()));
}

#[test]
fn no_secret_stands_in_the_database_as_it_is() {
    let stage = Stage::new(1);
    let stored = Value::from(stage.world.query("SELECT config FROM accounts")).to_string();
    let secrets = [
        ACCOUNT.login_secret,
        ACCOUNT.messaging_secret,
        stage.shop.client_secret.as_str(),
        stage.shop.api_key.as_str(),
    ];
    assert!(secrets.iter().all(|secret| !stored.contains(secret)));
}

#[test]
fn a_changed_configuration_counts_within_a_minute_and_sooner_where_the_old_one_would_refuse() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let elsewhere = world.isolate();
    assert_eq!(world.get(&format!("{}/jwks.json", ACCOUNT.issuer)).status, 200);
    let mut body = shop.account_body();
    body["clients"][0]["redirect_uris"] = json!([shop.redirect_uri, "http://127.0.0.1:8789/new"]);
    body["api_key"] = "another-api-key-of-the-shop-with-32-chars".into();
    // The configuration is changed by another isolate: this one does not know.
    world.evict_isolate();
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    let new = shop.begin("1").but("redirect_uri", Some("http://127.0.0.1:8789/new"));
    let ask = |url: &str| {
        let context = world.context(&elsewhere);
        world.run(enishi::app::serve(context, request(Method::GET, url))).unwrap().status.as_u16()
    };
    world.advance(5 * SECOND);
    assert_eq!(
        ask(&new.url),
        302,
        "a redirect URI that would be refused is looked for in the newest configuration"
    );
    world.reset_calls();
    assert_eq!(ask(&new.but("client_id", Some("unknown")).url), 400);
    assert!(world.calls().touched_no_store(), "refusals read the configuration at most once per 5 s");
    world.advance(MINUTE);
    assert_eq!(ask(&shop.begin("2").url), 302);
    assert_eq!(world.calls().batches, 1);
}

#[test]
fn one_account_sees_nothing_of_another() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let shop = &stage.shop;
    let user = stage.member("m-1", "gold");
    let sub = stage.subject(&user);
    let send = json!({ "rule": { "attribute": "rank", "equals": "gold" }, "messages": [{ "type": "text", "text": "hi" }] });
    let (status, made) = stage.api(shop, Method::POST, "/v1/sends", Some(&send));
    assert_eq!(status, 202, "{made}");
    stage.world.run_queues();

    for path in [
        format!("/v1/links/{sub}"),
        "/v1/links?member_id=m-1".to_owned(),
        format!("/v1/friends/{user}"),
        format!("/v1/sends/{}", made["id"].as_str().unwrap()),
    ] {
        assert_eq!(stage.api(shop, Method::GET, &path, None).0, 200, "{path}");
        assert_eq!(stage.api(&other, Method::GET, &path, None).0, 404, "{path}");
    }
    let count = json!({ "rule": { "attribute": "rank", "equals": "gold" } });
    assert_eq!(stage.api(shop, Method::POST, "/v1/segments/count", Some(&count)).1["count"], 1);
    assert_eq!(stage.api(&other, Method::POST, "/v1/segments/count", Some(&count)).1["count"], 0);
    assert_eq!(stage.api(&other, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 404);
    assert_eq!(
        stage.api(&other, Method::PUT, &format!("/v1/links/{sub}"), Some(&json!({ "member_id": "m-1" }))).0,
        404
    );
}

#[test]
fn an_api_key_counts_on_its_own_accounts_host_only() {
    let stage = Stage::new(1);
    let mut other = stage.other_shop();
    other.api_key.clone_from(&stage.shop.api_key);
    let (status, error) = stage.api(&other, Method::GET, "/v1/links?member_id=m", None);
    assert_eq!((status, &error["error"]), (401, &"invalid_api_key".into()));
}

#[test]
fn a_code_and_a_token_of_one_account_are_worth_nothing_at_another() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let location = browser.log_in(shop, &login, crate::support::Consent::Plain);
    let code = shop.code(&login, &location);
    assert_eq!(json_body(&other.redeem(world, &login, &code))["error"], "invalid_grant");
    let tokens = json_body(&shop.redeem(world, &login, &code));
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(shop.userinfo(world, token).status, 200);
    assert_eq!(other.userinfo(world, token).status, 401);
}

#[test]
fn two_clients_of_one_id_are_refused() {
    let stage = Stage::new(1);
    let mut body = stage.shop.account_body();
    let mut second = body["clients"][0].clone();
    second["client_secret"] = "another-client-secret-of-32-characters".into();
    body["clients"].as_array_mut().unwrap().push(second);
    let reply = stage.put_account(ACCOUNT.host, &body);
    assert_eq!((reply.status.as_u16(), &json_body(&reply)["error"]), (400, &"invalid_request".into()));
    body["clients"][1]["client_id"] = "second".into();
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
}
