//! Pages of other origins: what they may read is what a registered public client needs, without cookies, and nothing of
//! anybody's session.

use enishi::web::Reply;
use enishi_world::{ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::json;

use super::{at, text};
use crate::support::{Browser, Stage, form};

/// Where the registered public client lives.
const OWN: &str = "https://spa.example";

/// Origins that are not, however alike.
const FOREIGN: [&str; 26] = [
    "https://evil.example",
    "null",
    "*",
    "",
    " ",
    "http://spa.example",
    "https://spa.example:8443",
    "https://spa.example:443",
    "https://SPA.example",
    "HTTPS://spa.example",
    "https://spa.example/",
    "https://spa.example.",
    "https://spa.example.evil.example",
    "https://evil-spa.example",
    "https://evilspa.example",
    "https://www.spa.example",
    "https://spa.example@evil.example",
    "https://spa.example#evil",
    "https://spa.example%60.evil.example",
    "https://spa.example, https://evil.example",
    "https://spa.example https://evil.example",
    "https://spa.exampl",
    "spa.example",
    "//spa.example",
    "https://confidential.example",
    "file://",
];

const READABLE: [(&str, &str); 5] = [
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/jwks.json"),
    ("POST", "/token"),
    ("GET", "/userinfo"),
    ("POST", "/revoke"),
];

const CLOSED: [(&str, &str); 14] = [
    ("GET", "/authorize"),
    ("POST", "/authorize"),
    ("POST", "/par"),
    ("GET", "/logout"),
    ("POST", "/logout"),
    ("POST", "/logout/confirm"),
    ("GET", "/line/callback"),
    ("POST", "/line/consent"),
    ("POST", "/line/email"),
    ("GET", "/line/retry"),
    ("POST", "/line/webhook"),
    ("GET", "/v1/clients"),
    ("GET", "/healthz"),
    ("GET", "/nothing"),
];

fn stage() -> Stage {
    let stage = Stage::new(1);
    let public =
        json!({ "token_endpoint_auth_method": "none", "redirect_uris": ["https://spa.example/callback"] });
    stage.client("spa", &public);
    stage.client("secret", &json!({ "redirect_uris": ["https://confidential.example/callback"], "target_origins": ["https://evil.example"] }));
    stage
}

fn asked(stage: &Stage, method: &str, path: &str, origin: &str) -> Reply {
    let mut asked = match method {
        "POST" => form(&at(path), &[("token", "x")]),
        _ => request(Method::from_bytes(method.as_bytes()).unwrap(), &at(path)),
    };
    if method == "OPTIONS" {
        asked.headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
    }
    asked.headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    stage.world.answer(asked)
}

fn told(reply: &Reply) -> Vec<String> {
    let named = reply.headers.keys().filter(|name| name.as_str().starts_with("access-control"));
    named.map(|name| name.as_str().to_owned()).collect()
}

#[test]
fn a_page_of_a_foreign_origin_reads_nothing() {
    let stage = stage();
    for origin in FOREIGN {
        for (method, path) in READABLE.into_iter().chain(CLOSED) {
            for method in [method, "OPTIONS"] {
                let reply = asked(&stage, method, path, origin);
                assert_eq!(told(&reply), Vec::<String>::new(), "{method} {path} from {origin:?}");
            }
        }
        for (method, path) in READABLE {
            let reply = asked(&stage, method, path, origin);
            assert_eq!(reply.headers[header::VARY], "Origin", "{method} {path}: caches keep origins apart");
        }
    }
}

#[test]
fn a_page_of_a_public_client_reads_what_it_needs_without_cookies_and_no_page_or_api() {
    let stage = stage();
    for (method, path) in READABLE {
        for method in [method, "OPTIONS"] {
            let reply = asked(&stage, method, path, OWN);
            assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], OWN, "{method} {path}");
            assert!(reply.headers.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none(), "{method} {path}");
            assert!(reply.headers.get_all(header::VARY).iter().any(|vary| vary == "Origin"));
            assert!(reply.status.as_u16() < 500);
        }
        let preflight = asked(&stage, "OPTIONS", path, OWN);
        assert_eq!((preflight.status.as_u16(), preflight.body.len()), (204, 0));
        let headers = preflight.headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
        assert!(!headers.contains('*') && !headers.contains("cookie"), "{headers}");
    }
    for (method, path) in CLOSED {
        for method in [method, "OPTIONS"] {
            assert_eq!(told(&asked(&stage, method, path, OWN)), Vec::<String>::new(), "{method} {path}");
        }
    }
}

#[test]
fn an_origin_of_the_other_account_or_of_a_client_that_is_gone_is_foreign() {
    let stage = stage();
    stage.other_shop();
    let elsewhere = |path: &str| {
        let mut asked = request(Method::GET, &format!("{}{path}", enishi_world::OTHER_ACCOUNT.issuer));
        asked.headers.insert(header::ORIGIN, HeaderValue::from_static(OWN));
        stage.world.answer(asked)
    };
    for path in ["/jwks.json", "/userinfo", "/.well-known/openid-configuration"] {
        assert_eq!(told(&elsewhere(path)), Vec::<String>::new(), "{path}");
    }
    assert_eq!(stage.api(&stage.shop, Method::DELETE, "/v1/clients/storefront-spa", None).0, 204);
    for (method, path) in READABLE {
        assert_eq!(told(&asked(&stage, method, path, OWN)), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn a_session_cookie_tells_a_page_of_another_origin_nothing() {
    let stage = stage();
    let world = &stage.world;
    let (browser, _, tokens) = stage.logged_in(&stage.shop, "openid profile");
    let asked = |browser: &Browser<'_>, method: Method, path: &str| {
        let mut asked = browser.request(&at(path));
        asked.method = method;
        asked.headers.insert(header::ORIGIN, HeaderValue::from_static(OWN));
        world.answer(asked)
    };
    assert_eq!(asked(&browser, Method::GET, "/userinfo").status, 401, "a cookie is no access token");
    let silent = stage.shop.begin("1").with("prompt", "none");
    let path = silent.url.trim_start_matches(ACCOUNT.issuer);
    let reply = asked(&browser, Method::GET, path);
    assert_eq!((reply.status.as_u16(), told(&reply)), (302, Vec::new()), "a code is not for reading");
    let mut with = super::with_bearer(Method::GET, &at("/userinfo"), &text(&tokens, "access_token"));
    with.headers.insert(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
    assert_eq!(told(&world.answer(with)), Vec::<String>::new());
}
