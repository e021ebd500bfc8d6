//! The operator's work: accounts, and that one account is closed to every other.

use enishi::{
    config::Memory,
    platform::{Context, LineBases, Settings},
    secret::{Digest, Keys, Purpose},
    time::{MINUTE, SECOND},
    web::Reply,
};
use enishi_world::{ACCOUNT, MASTER_KEY, OTHER_ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::support::{Browser, Shop, Stage, json_body};

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
    let (world, shop) = (&stage.world, &stage.shop);
    let modern = stage.client("modern", &json!({ "id_token_signed_response_alg": "ES256" }));
    let endpoint = stage.takes_events();
    let mut digested = vec![shop.api_key.clone(), shop.client_secret.clone(), modern.client_secret.clone()];
    for client in [shop, &modern] {
        let login = client.begin("1").but("scope", Some("openid offline_access"));
        let mut browser = Browser::of(world, &stage.person("花子"));
        let [spent, open] = [(); 2].map(|()| {
            let location = browser.log_in(client, &login, crate::support::Consent::Plain);
            client.code(&login, &location)
        });
        let first = json_body(&client.redeem(world, &login, &spent));
        let second = json_body(&client.refresh(world, first["refresh_token"].as_str().unwrap()));
        for tokens in [&first, &second] {
            for name in ["access_token", "refresh_token"] {
                digested.push(tokens[name].as_str().unwrap().to_owned());
            }
        }
        let cookies = browser.request(ACCOUNT.issuer).headers[header::COOKIE].to_str().unwrap().to_owned();
        let session = cookies.split("; ").find_map(|pair| pair.strip_prefix("__Host-enishi-session="));
        digested.extend([spent, open, session.unwrap().to_owned()]);
    }

    let stored = everything(&stage);
    for secret in &digested {
        assert!(
            stored.contains(Digest::of(secret.as_bytes()).as_str()) && !stored.contains(secret),
            "{secret}"
        );
    }
    let webhook_secret = endpoint.strip_prefix("whsec_").unwrap();
    let sealed = [ACCOUNT.login_secret, ACCOUNT.messaging_secret, webhook_secret, "\"d\":", "\"p\":"];
    assert_eq!(sealed.iter().find(|secret| stored.contains(**secret)), None);
    let keys = world.query(
        "SELECT value ->> 'sealed_private' AS sealed FROM accounts, json_each(config, '$.signing_keys')",
    );
    assert_eq!(keys.len(), 2);
    for key in keys {
        let sealed = key["sealed"].as_str().unwrap();
        let private = world.settings().keys.open_text(Purpose::SigningKey, sealed).expect("a sealed key");
        assert!(!stored.contains(private.expose()));
    }
}

/// Every text of every table, without the escapes of JSON.
fn everything(stage: &Stage) -> String {
    let tables = stage.world.query("SELECT name FROM sqlite_master WHERE type = 'table'");
    let rows = tables.iter().flat_map(|table| {
        let name = table["name"].as_str().unwrap();
        stage.world.query(&format!("SELECT * FROM \"{name}\""))
    });
    let text: Vec<String> = rows.map(|row| row.to_string().replace('\\', "")).collect();
    text.join("\n")
}

#[test]
fn of_two_who_make_an_account_at_once_one_does_and_its_keys_sign() {
    let mut refused = 0;
    for seed in 1..9 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, Shop::of(OTHER_ACCOUNT, "1"));
        let put = stage.account_request(OTHER_ACCOUNT.host, &shop.account_body());
        let replies = world.together([put.clone(), put].map(|request| world.serve(request)));
        let is_there =
            |id: &Value| stage.count(&format!("accounts WHERE id = '{}'", id.as_str().unwrap())) == 1;
        refused += told(replies.into_iter().flatten(), &[200, 201], |made| {
            assert!(is_there(&made["id"]), "seed {seed}: {made}");
        });
        assert_eq!(stage.count("accounts"), 2, "seed {seed}");
        let (_, login, tokens) = stage.logged_in(&shop, "openid");
        shop.verified(world, &login, &tokens);
        let keys = json_body(&world.get(&format!("{}/jwks.json", OTHER_ACCOUNT.issuer)));
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "seed {seed}");
    }
    assert!(refused > 0, "the seeds bring none together");
}

#[test]
fn of_two_changes_to_an_account_at_once_none_is_lost_that_was_confirmed() {
    let mut refused = 0;
    for seed in 1..9 {
        let stage = Stage::new(seed);
        let (world, shop) = (&stage.world, &stage.shop);
        let client = json!({ "name": "店", "redirect_uris": ["http://127.0.0.1:8789/new/callback"] });
        let requests = [
            shop.api_request(Method::POST, "/v1/clients", Some(&client)),
            shop.api_request(Method::POST, "/v1/clients", Some(&client)),
            shop.api_request(Method::POST, "/v1/signing-keys/rotate", None),
        ];
        let replies = world.together(requests.map(|request| world.serve(request)));
        let (_, clients) = stage.api(shop, Method::GET, "/v1/clients", None);
        let (_, keys) = stage.api(shop, Method::GET, "/v1/signing-keys", None);
        let stored = format!("{clients}{keys}");
        refused += told(replies.into_iter().flatten(), &[201], |made| {
            let id = made["client_id"].as_str().or(made["kids"][0].as_str()).unwrap();
            assert!(stored.contains(id), "seed {seed}: {made}");
        });
    }
    assert!(refused > 0, "the seeds bring none together");
}

/// Looks at what each was told who was not refused, and counts who was because of another; at least one was not.
fn told(replies: impl Iterator<Item = Reply>, confirmed: &[u16], look: impl Fn(&Value)) -> usize {
    let (made, refused): (Vec<_>, Vec<_>) =
        replies.partition(|reply| confirmed.contains(&reply.status.as_u16()));
    assert!(!made.is_empty());
    for reply in &made {
        look(&json_body(reply));
    }
    for reply in &refused {
        assert_eq!((reply.status.as_u16(), &json_body(reply)["error"]), (409, &"changed_meanwhile".into()));
    }
    refused.len()
}

#[test]
fn a_public_host_serves_nothing_while_one_of_lines_addresses_is_a_stand_in() {
    const PUBLIC: &str = "line.shop.example.jp";
    let stage = Stage::new(1);
    let mut body = stage.shop.account_body();
    for (name, value) in [
        ("redirect_uris", json!(["https://shop.example.jp/callback"])),
        ("initiate_login_uri", json!("https://shop.example.jp/login")),
        ("home_uri", json!("https://shop.example.jp/")),
    ] {
        body["clients"][0][name] = value;
    }
    let reply = stage.put_account(PUBLIC, &body);
    assert_eq!(reply.status, 201, "{}", json_body(&reply));
    let own = LineBases::default;
    let stand_in = || enishi_world::LINE.to_owned();
    for (line, is_served) in [
        (LineBases { access: stand_in(), ..own() }, false),
        (LineBases { api: stand_in(), ..own() }, false),
        (LineBases { api_data: stand_in(), ..own() }, false),
        (own(), true),
    ] {
        let settings = Settings { keys: Keys::parse(MASTER_KEY, None).unwrap(), line };
        for (method, path) in [
            (Method::GET, "/jwks.json"),
            (Method::GET, "/authorize"),
            (Method::POST, "/line/webhook"),
            (Method::GET, "/v1/clients"),
        ] {
            let memory = Memory::default();
            let context = Context { platform: &stage.world, memory: &memory, settings: &settings };
            let asked = request(method, &format!("https://{PUBLIC}{path}"));
            let reply = stage.world.run(enishi::app::serve(context, asked)).unwrap();
            let is_refused = reply.status == 503 && json_body(&reply)["error"] == "line_base_not_lines";
            assert_eq!(!is_refused, is_served, "{path}: {}", reply.status);
        }
    }
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
    assert_eq!(stage.api(shop, Method::POST, "/v1/segments/count", Some(&count)).1["reachable"], 1);
    assert_eq!(stage.api(&other, Method::POST, "/v1/segments/count", Some(&count)).1["reachable"], 0);
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
