//! Inputs of the wrong size and shape: they are refused in good order, never by a failure of ours, and stay values.

use enishi::web::{Reply, Request};
use enishi_world::request;
use http::Method;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::{
    at, error_of, html::assert_page, is_nobody, location, session_cookie, with_bearer, with_cookies,
};
use crate::support::{Browser, Consent, Stage, form};

/// What Cloudflare takes as an address ("Limits", URL).
const MAX_URL: usize = 16_384;

/// What stands between texts and SQL where somebody forgot to bind.
const SQL: [&str; 16] = [
    "' OR '1'='1",
    "'; DROP TABLE sessions; --",
    "\" OR \"\"=\"",
    "1; DELETE FROM grants",
    "') OR ('1'='1",
    "%",
    "_%",
    "' UNION SELECT config FROM grants --",
    "\\'; --",
    "x' AND 1=(SELECT count(*) FROM grants) --",
    "?1",
    ":account",
    "$account",
    "\u{2019} OR 1=1",
    "NULL",
    "{\"$ne\": null}",
];

/// Every form endpoint, with a body that it would look at.
fn endpoints(stage: &Stage, name: &str, value: &str) -> Vec<Request> {
    let shop = &stage.shop;
    let mut all = Vec::new();
    for path in ["/token", "/par", "/revoke"] {
        for base in [
            &[
                ("grant_type", "authorization_code"),
                ("redirect_uri", &*shop.redirect_uri),
                ("code", "x"),
                ("token", "x"),
            ][..],
            &[("grant_type", "refresh_token"), ("refresh_token", "x"), ("response_type", "code")],
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", "x"),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ],
        ] {
            let fields: Vec<(&str, &str)> =
                base.iter().copied().filter(|(known, _)| *known != name).chain([(name, value)]).collect();
            all.push(shop.request(path, &fields));
        }
    }
    for path in ["/authorize", "/logout", "/logout/confirm", "/line/consent", "/line/email", "/userinfo"] {
        all.push(form(&at(path), &[(name, value)]));
    }
    let encoded: String = byte_serialize(value.as_bytes()).collect();
    for path in ["/authorize", "/logout", "/line/callback", "/line/retry", "/userinfo"] {
        all.push(request(Method::GET, &format!("{}?{name}={encoded}", at(path))));
    }
    all.push(request(Method::GET, &shop.begin("1").but(name, Some(value)).url));
    all
}

const NAMES: [&str; 27] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "prompt",
    "max_age",
    "ui_locales",
    "login_hint",
    "id_token_hint",
    "request_uri",
    "response_mode",
    "member_id",
    "member_label",
    "code",
    "code_verifier",
    "refresh_token",
    "subject_token",
    "token",
    "token_type_hint",
    "choice",
    "error",
    "access_token",
    "post_logout_redirect_uri",
    "resource",
];

/// No failure of ours, and no header that is too long for anybody.
pub(super) fn assert_in_good_order(reply: &Reply, what: &str) {
    assert!(reply.status.as_u16() < 500, "{what}: {} {:?}", reply.status, reply.reason);
    for (name, value) in &reply.headers {
        assert!(value.len() <= MAX_URL, "{what}: {name} of {} bytes", value.len());
    }
}

#[test]
fn texts_of_the_shape_of_sql_are_texts() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (browser, _, tokens) = stage.logged_in(shop, "openid");
    let before =
        ["accounts", "sessions", "grants", "line_users", "bearer_tokens"].map(|table| stage.count(table));
    for text in SQL {
        for name in NAMES {
            for request in endpoints(&stage, name, text) {
                assert_in_good_order(&world.answer(request), &format!("{name}={text}"));
            }
        }
        assert!(is_nobody(world, shop, &format!("{}={text}", enishi::web::cookie::SESSION)));
        let encoded: String = byte_serialize(text.as_bytes()).collect();
        let encoded = encoded.replace('+', "%20");
        for path in [
            "/v1/clients",
            "/v1/links",
            "/v1/friends",
            "/v1/members",
            "/v1/sends",
            "/v1/imports",
            "/v1/exports",
            "/v1/clients/storefront-0/secrets",
        ] {
            for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
                let mut asked = with_bearer(method, &format!("{}/{encoded}", at(path)), &shop.api_key);
                asked.body =
                    Some(json!({ "member_id": text, "attributes": { text: text } }).to_string().into_bytes());
                let reply = world.answer(asked);
                assert_in_good_order(&reply, &format!("{path}/{text}"));
                assert_ne!(reply.status, 204, "{path}/{text}");
            }
        }
    }
    let after =
        ["accounts", "sessions", "grants", "line_users", "bearer_tokens"].map(|table| stage.count(table));
    assert_eq!(after, before);
    assert_eq!(shop.userinfo(world, tokens["access_token"].as_str().unwrap()).status, 200);
    assert!(!is_nobody(
        world,
        shop,
        &format!("{}={}", enishi::web::cookie::SESSION, session_cookie(&browser))
    ));
}

#[test]
fn a_member_whose_name_has_the_shape_of_sql_or_json_is_that_member() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let odd = [
        "\"}', 1); --",
        "$.member_id",
        "m\\\"x",
        "{\"member_id\":\"m-2\"}",
        "\u{1f375}",
        "e\u{301}",
        "\u{e9}",
    ];
    for member in SQL.into_iter().chain(odd) {
        let (login, opening) = super::linking::pushed(&stage, shop, "1", member);
        let mut browser = Browser::of(world, &stage.person("花子"));
        let echoed = super::linking::at_consent(world, &mut browser, &opening);
        let reply = super::linking::word(world, &browser, &echoed, "allow");
        let claims = shop.claims(world, &login, &super::linking::code(shop, &reply).expect("a code"));
        assert_eq!(claims["member_id"], member);
    }
    assert_eq!(usize::try_from(stage.count("links")).unwrap(), SQL.len() + odd.len());
}

#[test]
fn what_is_far_too_long_is_refused_in_good_order() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let long = "x".repeat(1_000_000);
    let wide = "あ".repeat(20_000);
    for (text, names) in [(&long, &["state", "redirect_uri", "code"][..]), (&wide, &NAMES)] {
        for name in names {
            for request in endpoints(&stage, name, text) {
                let what = format!("{} {} {name} of {} bytes", request.method, request.path, text.len());
                assert_in_good_order(&world.answer(request), &what);
            }
        }
    }
    let token = world.answer(with_bearer(Method::GET, &at("/userinfo"), &long));
    assert_eq!(token.status, 401);
    let key = world.answer(with_bearer(Method::GET, &at("/v1/clients"), &long));
    assert_eq!(key.status, 401);
    let session = format!("{}={}", enishi::web::cookie::SESSION, "x".repeat(100_000));
    assert!(is_nobody(world, &stage.shop, &session));
    let many: Vec<String> =
        (0..2_000).map(|at| format!("__Host-enishi-login-{at}=v1.{}", "x".repeat(20))).collect();
    let reply =
        world.answer(with_cookies(request(Method::GET, &stage.shop.begin("1").url), &many.join("; ")));
    assert_eq!(reply.status, 302);
}

#[test]
fn a_state_beyond_its_limit_goes_back_as_an_error_without_it_and_one_at_its_limit_comes_back_whole() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    for (length, fits) in [(2_048, true), (2_049, false), (14_000, false)] {
        let echoed = "s".repeat(length);
        let mut login = shop.begin("1").but("state", Some(&echoed)).with("prompt", "none");
        login.state = echoed;
        let reply = world.get(&login.url);
        let to = location(&reply).unwrap();
        if fits {
            assert_eq!(shop.answer(&login, to)("error").as_deref(), Some("login_required"));
        } else {
            assert!(to.contains("error=invalid_request") && !to.contains("state="), "{length}");
        }
    }
    // Printable characters of all kinds come back as they were sent.
    for echoed in [
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        "%2B%20%00",
        "a=b&c=d#e",
        "あ茶\u{1f375}",
        "..//..\\",
        "\u{202e}abc",
    ] {
        let mut login = shop.begin("1").but("state", Some(echoed));
        login.state = echoed.to_owned();
        let mut browser = Browser::of(world, &stage.person("花子"));
        let to = browser.log_in(shop, &login, Consent::Plain);
        shop.claims(world, &login, &shop.code(&login, &to));
    }
}

#[test]
fn more_than_a_hundred_parameters_are_refused_wherever_they_come() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let many: String = (0..101).map(|at| format!("&p{at}=x")).collect();
    let login = shop.begin("1");
    let reply = world.get(&format!("{}{many}", login.url));
    assert_eq!((reply.status.as_u16(), location(&reply)), (400, None));
    assert_page(&reply);
    for path in ["/token", "/par", "/revoke"] {
        let mut asked = shop.request(path, &[("token", "x")]);
        asked.body.as_mut().unwrap().extend_from_slice(many.as_bytes());
        assert_eq!(error_of(&world.answer(asked)), (400, "invalid_request".to_owned()), "{path}");
    }
    let huge = "a&".repeat(900_000);
    for path in
        ["/token", "/authorize", "/logout", "/logout/confirm", "/line/consent", "/line/email", "/userinfo"]
    {
        for body in [many.as_bytes(), huge.as_bytes()] {
            let mut asked = form(&at(path), &[]);
            asked.body = Some(body.to_vec());
            let reply = world.answer(asked);
            assert!((200..500).contains(&reply.status.as_u16()), "{path}: {}", reply.status);
            assert_eq!(location(&reply), None, "{path}");
        }
    }
    let few: String = (0..50).map(|at| format!("&utm_{at}=x")).collect();
    let reply = world.get(&format!("{}{few}", login.url));
    assert_eq!(reply.status, 302, "what is unknown is ignored");
}
