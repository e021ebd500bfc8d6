//! `/v1/clients`: storefronts come, change and go; and which pages may call us from their own origin.

use enishi_world::{ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Stage, form, json_body};

fn body(more: &Value) -> Value {
    let mut body = json!({ "name": "店", "redirect_uris": ["http://127.0.0.1:8789/new/callback"] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn a_client_is_made_shown_changed_and_removed() {
    let stage = Stage::new(1);
    let api = |method: Method, path: &str, body: Option<&Value>| stage.api(&stage.shop, method, path, body);
    let (status, made) = api(Method::POST, "/v1/clients", Some(&body(&json!({}))));
    assert_eq!(status, 201, "{made}");
    let secret = made["client_secret"].as_str().unwrap();
    let id = made["client_id"].as_str().unwrap();
    assert!(
        secret.len() >= 43
            && [id, secret]
                .iter()
                .all(|text| { text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) })
    );
    let path = format!("/v1/clients/{id}");
    let (_, shown) = api(Method::GET, &path, None);
    assert_eq!(
        (&shown["home_uri"], &shown["require_pkce"]),
        (&"http://127.0.0.1:8789/".into(), &true.into())
    );
    assert!(shown.get("client_secret").is_none() && !shown.to_string().contains("digest"), "{shown}");
    let changes = json!({ "name": "新しい店", "require_pkce": false, "home_uri": null });
    let (status, patched) = api(Method::PATCH, &path, Some(&changes));
    assert_eq!(
        (status, &patched["name"], &patched["require_pkce"]),
        (200, &"新しい店".into(), &false.into())
    );
    assert_eq!(patched["redirect_uris"], shown["redirect_uris"], "what is not named stays");
    let (_, list) = api(Method::GET, "/v1/clients", None);
    assert_eq!(list["clients"].as_array().unwrap().len(), 2);
    assert_eq!(api(Method::DELETE, &path, None).0, 204);
    for (method, sent) in [(Method::GET, None), (Method::DELETE, None), (Method::PATCH, Some(&changes))] {
        assert_eq!(api(method, &path, sent).0, 404);
    }
}

#[test]
fn a_client_that_cannot_be_safe_is_refused_with_the_reason() {
    let stage = Stage::new(1);
    for wrong in [
        json!({ "name": "" }),
        json!({ "redirect_uris": [] }),
        json!({ "redirect_uris": ["http://shop.example/callback"] }),
        json!({ "redirect_uris": ["https://*.shop.example/callback"] }),
        json!({ "redirect_uris": ["https://shop.example/callback#f"] }),
        json!({ "redirect_uris": ["https://user@shop.example/callback"] }),
        json!({ "redirect_uris": ["https://shop.example\\@evil.example/"] }),
        json!({ "redirect_uris": ["https://ショップ.example/"] }),
        json!({ "post_logout_redirect_uris": ["javascript:alert(1)"] }),
        json!({ "target_origins": ["https://shop.example/path"] }),
        json!({ "login_start_template": "https://evil.example/?to={target}" }),
        json!({ "login_start_template": "http://127.0.0.1:8789/login" }),
        json!({ "backchannel_logout_uri": "https://user@shop.example/" }),
        json!({ "client_secret": "short" }),
        json!({ "client_id": "with space" }),
        json!({ "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "token_endpoint_auth_method": "none", "client_secret": "x".repeat(43) }),
        json!({ "id_token_signed_response_alg": "none" }),
        json!({ "unknown": true }),
    ] {
        let (status, said) = stage.api(&stage.shop, Method::POST, "/v1/clients", Some(&body(&wrong)));
        assert_eq!((status, &said["error"]), (400, &"invalid_request".into()), "{wrong}: {said}");
    }
    let taken = body(&json!({ "client_id": stage.shop.client_id }));
    assert_eq!(stage.api(&stage.shop, Method::POST, "/v1/clients", Some(&taken)).0, 409);
    let path = format!("/v1/clients/{}", stage.shop.client_id);
    for wrong in [
        json!({ "client_id": "another" }),
        json!({ "client_secret": "x".repeat(43) }),
        json!({ "secrets": [] }),
        json!({ "redirect_uris": null }),
        json!([]),
    ] {
        assert_eq!(stage.api(&stage.shop, Method::PATCH, &path, Some(&wrong)).0, 400, "{wrong}");
    }
}

#[test]
fn two_secrets_are_valid_while_one_is_rotated_and_never_none() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let path = format!("/v1/clients/{}/secrets", shop.client_id);
    let accepted = |secret: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_id", &*shop.client_id),
            ("client_secret", secret),
        ];
        let reply = stage.world.answer(form(&format!("{}/token", ACCOUNT.issuer), &fields));
        json_body(&reply)["error"] == "invalid_grant"
    };
    let (status, made) = stage.api(&stage.shop, Method::POST, &path, None);
    assert_eq!(status, 201, "{made}");
    let second = made["client_secret"].as_str().unwrap();
    assert!(accepted(&shop.client_secret) && accepted(second));
    assert_eq!(stage.api(&stage.shop, Method::POST, &path, None).1["error"], "two_secrets");
    let first_id = made["secrets"][0]["id"].as_str().unwrap();
    let remove = |id: &str| stage.api(&stage.shop, Method::DELETE, &format!("{path}/{id}"), None).0;
    assert_eq!((remove(first_id), remove(first_id)), (204, 404));
    assert!(!accepted(&shop.client_secret) && accepted(second));
    assert_eq!(remove(made["secrets"][1]["id"].as_str().unwrap()), 409, "not the last one");
}

#[test]
fn a_public_client_becomes_confidential_and_back() {
    let stage = Stage::new(1);
    let public = stage.client("a", &json!({ "token_endpoint_auth_method": "none" }));
    assert!(public.client_secret.is_empty());
    stage.logged_in(&public, "openid");
    let path = format!("/v1/clients/{}", public.client_id);
    assert_eq!(stage.api(&stage.shop, Method::POST, &format!("{path}/secrets"), None).0, 409);
    let confidential = json!({ "token_endpoint_auth_method": "client_secret_basic" });
    let (_, changed) = stage.api(&stage.shop, Method::PATCH, &path, Some(&confidential));
    let secret = changed["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(public.refresh(&stage.world, "x").status, 401, "it must present its secret now");
    let mut shop = public;
    shop.client_secret = secret;
    stage.logged_in(&shop, "openid");
}

#[test]
fn a_client_that_is_removed_can_do_nothing_any_more() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = stage.client("a", &json!({}));
    let (mut browser, _, tokens) = stage.logged_in(&shop, "openid offline_access");
    stage.api(&stage.shop, Method::DELETE, &format!("/v1/clients/{}", shop.client_id), None);
    assert_eq!(shop.userinfo(world, tokens["access_token"].as_str().unwrap()).status, 401);
    assert_eq!(shop.refresh(world, tokens["refresh_token"].as_str().unwrap()).status, 401);
    assert_eq!((browser.go(&shop.begin("2").url).status, stage.count("grants")), (400, 1));
}

#[test]
fn a_client_of_the_same_id_inherits_nothing_of_the_one_before() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let before = stage.client("a", &json!({}));
    let (_, _, tokens) = stage.logged_in(&before, "openid offline_access");
    stage.api(&stage.shop, Method::DELETE, &format!("/v1/clients/{}", before.client_id), None);
    world.advance(1);
    let after = stage.client("a", &json!({}));
    assert_eq!(after.client_id, before.client_id);
    assert_eq!(after.refresh(world, tokens["refresh_token"].as_str().unwrap()).status, 400);
    assert_eq!(after.userinfo(world, tokens["access_token"].as_str().unwrap()).status, 401);
    stage.logged_in(&after, "openid offline_access");
}

#[test]
fn the_last_client_of_an_account_stays() {
    let stage = Stage::new(1);
    let remove = |id: &str| stage.api(&stage.shop, Method::DELETE, &format!("/v1/clients/{id}"), None);
    let (status, body) = remove(&stage.shop.client_id);
    assert_eq!((status, &body["error"]), (409, &"last_client".into()));
    stage.client("a", &json!({}));
    assert_eq!(remove(&stage.shop.client_id).0, 204);
}

#[test]
fn what_another_isolate_registered_a_moment_ago_is_known_everywhere() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let elsewhere = world.isolate();
    assert_eq!(world.get(&format!("{}/jwks.json", ACCOUNT.issuer)).status, 200);
    world.evict_isolate();
    let new = "http://127.0.0.1:8789/new/callback";
    let home = "http://127.0.0.1:8789/new/";
    let changes = json!({
        "redirect_uris": [stage.shop.redirect_uri, new], "post_logout_redirect_uris": [home],
        "home_uri": home,
    });
    let path = format!("/v1/clients/{}", stage.shop.client_id);
    assert_eq!(stage.api(&stage.shop, Method::PATCH, &path, Some(&changes)).0, 200);
    stage.client("public", &json!({ "token_endpoint_auth_method": "none" }));
    let (browser, _, tokens) = stage.logged_in(&stage.shop, "openid");
    let ask = |request: enishi::web::Request| {
        world.advance(5_000);
        world.run(enishi::app::serve(world.context(&elsewhere), request)).unwrap()
    };
    let url = stage.shop.begin("1").but("redirect_uri", Some(new)).url;
    let fields: Vec<(String, String)> = url::Url::parse(&url).unwrap().query_pairs().into_owned().collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(ask(stage.shop.request("/par", &fields)).status, 201);
    world.evict_isolate();
    let mut asked = request(Method::GET, &format!("{}/jwks.json", ACCOUNT.issuer));
    asked.headers.insert(header::ORIGIN, HeaderValue::from_static("http://127.0.0.1:8789"));
    assert!(ask(asked).headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let hint = tokens["id_token"].as_str().unwrap();
    let out = stage.shop.logout_url(&[("id_token_hint", hint), ("post_logout_redirect_uri", home)]);
    assert_eq!(ask(browser.request(&out)).headers[header::LOCATION], home);
}

#[test]
fn an_account_that_is_put_again_keeps_the_clients_that_the_shop_made() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    assert_eq!(stage.put_account(ACCOUNT.host, &stage.shop.account_body()).status, 200);
    stage.logged_in(&shop, "openid");
    stage.logged_in(&stage.shop, "openid");
}

#[test]
fn every_change_stands_in_the_audit_log_without_a_secret() {
    let stage = Stage::new(1);
    let shop = stage.client("a", &json!({}));
    let path = format!("/v1/clients/{}", shop.client_id);
    stage.api(&stage.shop, Method::PATCH, &path, Some(&json!({ "name": "b" })));
    stage.api(&stage.shop, Method::POST, &format!("{path}/secrets"), None);
    stage.api(&stage.shop, Method::DELETE, &path, None);
    let log = stage.world.query("SELECT actor, action, detail FROM audit_log");
    let mut actions: Vec<&str> = log.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    let expected = ["account.put", "client.delete", "client.patch", "client.post", "client.secret.post"];
    assert_eq!(actions, expected);
    assert!(!Value::from(log).to_string().contains(&shop.client_secret));
}

#[test]
fn a_client_needs_pkce_unless_it_was_agreed_and_a_public_one_always() {
    let stage = Stage::new(1);
    let lax = stage.client("lax", &json!({ "require_pkce": false }));
    let public =
        stage.client("public", &json!({ "require_pkce": false, "token_endpoint_auth_method": "none" }));
    for (shop, needs) in [(&lax, false), (&public, true), (&stage.shop, true)] {
        let login = shop.begin("1").but("code_challenge", None).but("code_challenge_method", None);
        let user = stage.person("花子");
        let location = Browser::of(&stage.world, &user).log_in(shop, &login, Consent::Plain);
        let back = shop.answer(&login, &location);
        assert_eq!(back("error").is_some(), needs);
        if !needs {
            let with_verifier = shop.redeem(&stage.world, &login, &back("code").unwrap());
            assert_eq!(json_body(&with_verifier)["error"], "invalid_grant", "a verifier without a challenge");
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", &*back("code").unwrap()),
                ("redirect_uri", &*shop.redirect_uri),
            ];
            assert_eq!(shop.call(&stage.world, "/token", &fields).status, 200);
        }
    }
}

#[test]
fn pages_of_a_public_client_may_call_what_a_browser_client_needs_and_no_other_page_may() {
    let stage = Stage::new(1);
    let origin = "http://127.0.0.1:8789";
    let asking = |method: Method, path: &str, origin: &'static str| {
        let mut asked = request(method, &format!("{}{path}", ACCOUNT.issuer));
        asked.headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        let reply = stage.world.answer(asked);
        let allowed = reply.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned();
        assert!(reply.headers.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
        (reply, allowed.map(|value| value.to_str().unwrap().to_owned()))
    };
    let paths = ["/.well-known/openid-configuration", "/jwks.json", "/userinfo"];
    for path in paths {
        assert_eq!(asking(Method::GET, path, origin).1, None, "no public client, no page: {path}");
    }
    stage.client("public", &json!({ "token_endpoint_auth_method": "none" }));
    for path in paths {
        let (reply, allowed) = asking(Method::GET, path, origin);
        assert_eq!(allowed.as_deref(), Some(origin), "{path}");
        assert!(reply.headers.get_all(header::VARY).iter().any(|vary| vary == "Origin"));
        assert_eq!(asking(Method::GET, path, "https://evil.example").1, None, "{path}");
    }
    for path in ["/token", "/revoke", "/userinfo"] {
        let (reply, allowed) = asking(Method::OPTIONS, path, origin);
        assert_eq!((reply.status.as_u16(), allowed.as_deref()), (204, Some(origin)), "{path}");
        assert!(reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS));
        let (reply, allowed) = asking(Method::OPTIONS, path, "https://evil.example");
        assert_eq!((reply.status.as_u16(), allowed), (204, None));
    }
    for path in ["/authorize", "/logout", "/par", "/v1/clients", "/line/callback"] {
        assert_eq!(asking(Method::GET, path, origin).1, None, "{path}");
        assert_eq!(asking(Method::OPTIONS, path, origin).0.status, 405, "{path}");
    }
}
