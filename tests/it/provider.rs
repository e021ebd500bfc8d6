//! The provider that storefronts see, where no customer is shown anything.

use enishi::time::{HOUR, MINUTE};
use enishi_world::{ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::Value;

use crate::support::{Browser, Consent, Login, Stage, form, json_body};

/// Somebody has logged in; here is the code.
fn code(stage: &Stage) -> (Login, String) {
    let login = stage.shop.begin("1");
    let user = stage.person("花子");
    let location = Browser::of(&stage.world, &user).log_in(&stage.shop, &login, Consent::Plain);
    let code = stage.shop.code(&login, &location);
    (login, code)
}

#[test]
fn a_code_that_is_presented_twice_is_refused_and_ends_what_it_gave() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, code) = code(&stage);
    let tokens = json_body(&shop.redeem(world, &login, &code));
    let access_token = tokens["access_token"].as_str().unwrap();
    let user = shop.userinfo(world, access_token);
    assert_eq!(user.status, 200);
    assert_eq!(json_body(&user)["sub"], shop.verified(world, &login, &tokens)["sub"]);

    let again = shop.redeem(world, &login, &code);
    assert_eq!((again.status.as_u16(), &json_body(&again)["error"]), (400, &"invalid_grant".into()));
    let revoked = shop.userinfo(world, access_token);
    assert_eq!(revoked.status, 401);
    assert!(revoked.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
}

#[test]
fn of_many_who_redeem_one_code_at_once_one_succeeds() {
    for seed in 1..4 {
        let stage = Stage::new(seed);
        let (login, code) = code(&stage);
        let request = stage.shop.token_request(&code, &login.verifier);
        let replies = stage.world.together((0..20).map(|_| stage.world.serve(request.clone())));
        let statuses: Vec<u16> = replies.into_iter().map(|reply| reply.unwrap().status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "seed {seed}");
        assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 19, "seed {seed}");
    }
}

#[test]
fn a_code_is_good_only_for_its_verifier_redirect_uri_and_minute() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, code) = code(&stage);
    let wrong = "x".repeat(43);
    let secret = &shop.client_secret;
    for request in [
        shop.token_request(&code, &wrong),
        shop.token_request(&code, ""),
        shop.token_request_with(secret, "http://127.0.0.1:8789/elsewhere", &code, &login.verifier),
        shop.token_request("unknown", &login.verifier),
    ] {
        let reply = world.answer(request);
        assert_eq!((reply.status.as_u16(), &json_body(&reply)["error"]), (400, &"invalid_grant".into()));
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    }
    world.advance(MINUTE);
    let late = shop.redeem(world, &login, &code);
    assert_eq!(json_body(&late)["error"], "invalid_grant");
}

#[test]
fn a_client_that_does_not_prove_itself_is_refused_in_the_way_it_tried() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, code) = code(&stage);
    let basic = world.answer(shop.token_request_with("wrong", &shop.redirect_uri, &code, &login.verifier));
    assert_eq!((basic.status.as_u16(), &json_body(&basic)["error"]), (401, &"invalid_client".into()));
    assert!(basic.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic"));
    let url = format!("{}/token", ACCOUNT.issuer);
    let post = |id: &str, secret: &str| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", shop.redirect_uri.as_str()),
            ("code_verifier", login.verifier.as_str()),
            ("client_id", id),
            ("client_secret", secret),
        ];
        world.answer(form(&url, &fields))
    };
    assert_eq!(post(&shop.client_id, "wrong").status, 401);
    assert_eq!(post("unknown", &shop.client_secret).status, 401);
    assert_eq!(post(&shop.client_id, "").status, 401, "a confidential client must present its secret");
    assert_eq!(post(&shop.client_id, &shop.client_secret).status, 200, "none of that has spent the code");
}

#[test]
fn an_unknown_client_or_redirect_uri_is_shown_a_page_and_redirected_nowhere() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, "nobody");
    let login = stage.shop.begin("1");
    let evil = "https://evil.example/callback";
    let longer = format!("{}/more", stage.shop.redirect_uri);
    for wrong in [
        login.clone().but("client_id", Some("unknown")),
        login.clone().but("client_id", None),
        login.clone().but("redirect_uri", Some(evil)),
        login.clone().but("redirect_uri", Some(&longer)),
        login.clone().but("redirect_uri", None),
        login.clone().with("redirect_uri", evil),
    ] {
        let page = browser.go(&wrong.url);
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{}", wrong.url);
        assert!(page.html.contains("<html lang=\"ja\">") && !page.html.contains("evil.example"));
    }
}

#[test]
fn everything_else_that_is_wrong_goes_back_to_the_client_with_state_and_issuer() {
    let stage = Stage::new(1);
    let mut browser = Browser::of(&stage.world, "nobody");
    let login = stage.shop.begin("1");
    for (wrong, error) in [
        (login.clone().but("response_type", Some("token")), "unsupported_response_type"),
        (login.clone().but("response_type", None), "invalid_request"),
        (login.clone().but("scope", Some("profile")), "invalid_scope"),
        (login.clone().but("code_challenge", None), "invalid_request"),
        (login.clone().but("code_challenge_method", Some("plain")), "invalid_request"),
        (login.clone().with("request", "x"), "request_not_supported"),
        (login.clone().with("request_uri", "urn:x"), "request_uri_not_supported"),
        (login.clone().with("prompt", "none login"), "invalid_request"),
        (login.clone().with("response_mode", "fragment"), "invalid_request"),
        (login.clone().with("response_mode", "Query"), "invalid_request"),
    ] {
        let location = browser.go(&wrong.url).location.unwrap();
        assert_eq!(stage.shop.answer(&login, &location)("error").as_deref(), Some(error), "{}", wrong.url);
    }
}

#[test]
fn an_authorization_request_by_post_continues_by_get() {
    let stage = Stage::new(1);
    let login = stage.shop.begin("1");
    let (url, fields) = login.url.split_once('?').unwrap();
    let mut posted = form(url, &[]);
    posted.body = Some(fields.as_bytes().to_vec());
    let reply = stage.world.answer(posted);
    assert_eq!(reply.status, 303);
    assert_eq!(reply.headers[header::LOCATION], login.url.as_str());
}

#[test]
fn a_form_of_raw_text_continues_at_an_address_of_ascii() {
    let stage = Stage::new(1);
    let mut login = stage.shop.begin("1");
    login.state = "商品 1&茶".to_owned();
    let login = login.clone().but("state", None);
    let (url, fields) = login.url.split_once('?').unwrap();
    let mut posted = form(url, &[]);
    posted.body = Some(format!("{fields}&state=商品 1%26茶").into_bytes());
    let reply = stage.world.answer(posted);
    assert_eq!(reply.status, 303);
    let location = reply.headers.get(header::LOCATION).expect("an address").to_str().expect("of ASCII");
    assert!(location.is_ascii(), "{location}");
    let user = stage.person("花子");
    let continued = Login { url: location.to_owned(), ..login };
    let back = Browser::of(&stage.world, &user).log_in(&stage.shop, &continued, Consent::Plain);
    stage.shop.claims(&stage.world, &continued, &stage.shop.code(&continued, &back));
}

#[test]
fn discovery_names_the_issuer_and_endpoints_that_exist() {
    let stage = Stage::new(1);
    let document =
        json_body(&stage.world.get(&format!("{}/.well-known/openid-configuration", ACCOUNT.issuer)));
    assert_eq!(document["issuer"], ACCOUNT.issuer);
    for endpoint in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        let url = document[endpoint].as_str().unwrap();
        assert!(url.starts_with(ACCOUNT.issuer), "{url}");
        assert_ne!(stage.world.get(url).status, 404, "{url}");
    }
}

#[test]
fn userinfo_wants_a_token_that_lives() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let url = format!("{}/userinfo", ACCOUNT.issuer);
    let without = world.get(&url);
    assert_eq!(without.status, 401);
    assert!(!without.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("error"));
    let (login, code) = code(&stage);
    let tokens = json_body(&shop.redeem(world, &login, &code));
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(shop.userinfo(world, token).status, 200);
    assert_eq!(world.get(&format!("{url}?access_token={token}")).status, 401, "never in the query");
    let posted = world.answer(form(&url, &[("access_token", token)]));
    assert_eq!(json_body(&posted)["name"], "花子");
    world.advance(HOUR);
    assert_eq!(shop.userinfo(world, token).status, 401);
}

#[test]
fn without_the_scope_profile_neither_name_nor_picture_is_told() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1").but("scope", Some("openid something-else"));
    let location = Browser::of(world, &stage.person("花子")).log_in(shop, &login, Consent::Plain);
    let tokens = json_body(&shop.redeem(world, &login, &shop.code(&login, &location)));
    assert_eq!(tokens["scope"], "openid");
    let claims = shop.verified(world, &login, &tokens);
    let user = json_body(&shop.userinfo(world, tokens["access_token"].as_str().unwrap()));
    for told in [claims, user] {
        assert!(told.get("name").is_none() && told.get("picture").is_none(), "{told}");
    }
}

#[test]
fn a_signing_key_outlives_its_isolate_and_no_account_signs_for_another() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let keys = |issuer: &str| -> Value { json_body(&stage.world.get(&format!("{issuer}/jwks.json"))) };
    let before = keys(ACCOUNT.issuer);
    assert_ne!(before, keys(other.line.issuer));
    stage.world.evict_isolate();
    assert_eq!(keys(ACCOUNT.issuer), before);
    let (login, code) = code(&stage);
    stage.world.evict_isolate();
    stage.shop.claims(&stage.world, &login, &code);
}

#[test]
fn pages_are_japanese_and_complete_in_english_for_who_asks() {
    let stage = Stage::new(1);
    let mut asking = request(Method::GET, &format!("{}/authorize", ACCOUNT.issuer));
    asking.headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en-GB,en;q=0.9"));
    let page = String::from_utf8(stage.world.answer(asking).body).unwrap();
    assert!(page.contains("<html lang=\"en\">") && page.is_ascii(), "{page}");
}

#[test]
fn a_client_id_in_the_code_and_in_the_request_must_agree() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut body = shop.account_body();
    let mut second = body["clients"][0].clone();
    second["client_id"] = "second".into();
    second["client_secret"] = "another-client-secret-of-32-characters".into();
    body["clients"].as_array_mut().unwrap().push(second);
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    let (login, code) = code(&stage);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", shop.redirect_uri.as_str()),
        ("code_verifier", login.verifier.as_str()),
        ("client_id", "second"),
        ("client_secret", "another-client-secret-of-32-characters"),
    ];
    let stolen = world.answer(form(&format!("{}/token", ACCOUNT.issuer), &fields));
    assert_eq!(json_body(&stolen)["error"], "invalid_grant");
    shop.claims(world, &login, &code);
}
