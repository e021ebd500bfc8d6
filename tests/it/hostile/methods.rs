//! Methods, hosts and forwarded headers that nobody should send.

use enishi_world::{ACCOUNT, OTHER_ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::json;

use super::{
    at,
    html::{assert_page, is_page},
    location, with_bearer,
};
use crate::support::{Stage, json_body};

/// Every path that exists, with the methods that it has.
const ROUTES: &[(&str, &str)] = &[
    ("/healthz", "GET, HEAD"),
    ("/.well-known/openid-configuration", "GET, HEAD, OPTIONS"),
    ("/.well-known/oauth-authorization-server", "GET, HEAD, OPTIONS"),
    ("/jwks.json", "GET, HEAD, OPTIONS"),
    ("/authorize", "GET, POST, HEAD"),
    ("/par", "POST"),
    ("/token", "POST, OPTIONS"),
    ("/userinfo", "GET, POST, HEAD, OPTIONS"),
    ("/revoke", "POST, OPTIONS"),
    ("/logout", "GET, POST, HEAD"),
    ("/logout/confirm", "POST"),
    ("/line/callback", "GET, HEAD"),
    ("/line/consent", "POST"),
    ("/line/email", "POST"),
    ("/line/retry", "GET, HEAD"),
    ("/line/unlink", "GET, POST, HEAD"),
    ("/go/x", "GET, HEAD"),
    ("/line/webhook", "POST"),
    ("/v1/accounts", "GET, HEAD"),
    ("/v1/accounts/x.localhost", "PUT"),
    ("/v1/clients", "GET, POST, HEAD"),
    ("/v1/clients/x", "GET, PATCH, DELETE, HEAD"),
    ("/v1/clients/x/secrets", "POST"),
    ("/v1/clients/x/secrets/y", "DELETE"),
    ("/v1/signing-keys", "GET, HEAD"),
    ("/v1/signing-keys/rotate", "POST"),
    ("/v1/webhook-endpoint", "GET, PUT, DELETE, HEAD"),
    ("/v1/auto-login-links", "GET, POST, HEAD"),
    ("/v1/auto-login-links/x", "GET, PATCH, DELETE, HEAD"),
    ("/v1/reports/auto-login", "GET, HEAD"),
    ("/v1/reports/friend-add", "GET, HEAD"),
    ("/v1/links", "GET, HEAD"),
    ("/v1/links/x", "GET, PUT, DELETE, HEAD"),
    ("/v1/friends/x", "GET, HEAD"),
    ("/v1/link-history", "GET, HEAD"),
    ("/v1/link-tokens", "POST"),
    ("/v1/account-links", "POST"),
    ("/v1/events", "POST"),
    ("/v1/event-types", "GET, HEAD"),
    ("/v1/event-types/x", "GET, PUT, HEAD"),
    ("/v1/members", "POST"),
    ("/v1/members/x/events", "GET, HEAD"),
    ("/v1/members/x", "GET, PUT, DELETE, HEAD"),
    ("/v1/members/x/export", "GET, HEAD"),
    ("/v1/webhook-endpoint/dead-letters", "GET, HEAD"),
    ("/v1/webhook-endpoint/replay", "POST"),
    ("/v1/segments", "GET, POST, HEAD"),
    ("/v1/segments/x", "GET, PATCH, DELETE, HEAD"),
    ("/v1/segments/count", "POST"),
    ("/v1/segments/members", "POST"),
    ("/v1/members/x/messages", "GET, HEAD"),
    ("/v1/send-settings", "GET, PUT, HEAD"),
    ("/v1/sends", "GET, POST, HEAD"),
    ("/v1/sends/test", "POST"),
    ("/v1/sends/x", "GET, HEAD"),
    ("/v1/sends/x/recipients", "GET, HEAD"),
    ("/v1/sends/x/start", "POST"),
    ("/v1/sends/x/pause", "POST"),
    ("/v1/sends/x/resume", "POST"),
    ("/v1/sends/x/cancel", "POST"),
    ("/v1/sends/x/retry", "POST"),
    ("/v1/imports", "GET, POST, HEAD"),
    ("/v1/imports/x", "GET, HEAD"),
    ("/v1/imports/x/parts/1", "PUT"),
    ("/v1/imports/x/finish", "POST"),
    ("/v1/exports", "GET, HEAD"),
    ("/v1/exports/links", "GET, HEAD"),
];

const METHODS: [&str; 14] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "TRACK",
    "DEBUG", "get", "PURGE",
];

#[test]
fn every_path_answers_every_method_sanely() {
    let stage = Stage::new(1);
    for &(path, allowed) in ROUTES {
        for method in METHODS {
            for accept in ["text/html", "application/json"] {
                let mut asked = request(Method::from_bytes(method.as_bytes()).unwrap(), &at(path));
                asked.headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
                asked.headers.insert(header::COOKIE, HeaderValue::from_static("secret=of-the-browser"));
                let reply = stage.world.answer(asked);
                let what = format!("{method} {path} as {accept}");
                if allowed.split(", ").any(|one| one == method) {
                    assert_ne!(reply.status, 405, "{what}");
                } else {
                    assert_eq!(reply.status, 405, "{what}");
                    assert_eq!(reply.headers[header::ALLOW], allowed, "{what}");
                }
                assert!(reply.status.as_u16() < 500, "{what}: {}", reply.status);
                assert!(![301, 307, 308].contains(&reply.status.as_u16()), "{what}");
                assert!(!String::from_utf8_lossy(&reply.body).contains("of-the-browser"), "{what}");
                assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{what}");
                assert!(
                    reply.headers.get(header::SERVER).is_none()
                        && reply.headers.get("x-powered-by").is_none()
                );
                if method == "HEAD" {
                    assert!(reply.body.is_empty(), "{what}");
                } else if is_page(&reply) {
                    assert_page(&reply);
                }
            }
        }
    }
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let stage = Stage::new(1);
    for &(path, allowed) in ROUTES {
        if !allowed.contains("HEAD") {
            continue;
        }
        let asked = |method| stage.world.answer(with_bearer(method, &at(path), &stage.shop.api_key));
        let (get, head) = (asked(Method::GET), asked(Method::HEAD));
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        let names = |reply: &enishi::web::Reply| {
            let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&head), names(&get), "{path}");
    }
}

#[test]
fn a_host_that_is_no_accounts_is_misdirected_however_it_is_written() {
    let stage = Stage::new(1);
    stage.other_shop();
    for authority in [
        "evil.example",
        "evil.example:8787",
        "localhost.evil.example",
        "localhost.",
        "",
        ":",
        ":8787",
        "localhost evil",
        "localhost/evil",
        "localhost@evil.example",
        "evil.example@localhost.evil",
        "127.0.0.1:8787",
        "[::1]:8787",
        "0:8787",
        "xlocalhost",
        "evil.localhost",
        "local\u{ad}host",
        "\u{ff4c}ocalhost",
        "localhost\0",
        "localhost\r\nevil: 1",
        "' OR 1=1 --",
        "%6cocalhost",
        "*.localhost",
    ] {
        for path in [
            "/authorize",
            "/.well-known/openid-configuration",
            "/jwks.json",
            "/line/callback",
            "/logout",
            "/v1/clients",
        ] {
            let mut asked = request(Method::GET, &at(path));
            asked.authority = authority.to_owned();
            let reply = stage.world.answer(asked);
            assert!([421, 503].contains(&reply.status.as_u16()), "{authority:?} {path}: {}", reply.status);
            assert_eq!(location(&reply), None);
            assert!(!String::from_utf8_lossy(&reply.body).contains("evil"), "{authority:?}");
        }
    }
}

#[test]
fn forwarded_headers_change_neither_issuer_nor_account_nor_method() {
    let stage = Stage::new(1);
    stage.other_shop();
    let paths = [
        "/.well-known/openid-configuration",
        "/jwks.json",
        "/authorize",
        "/line/retry",
        "/logout",
        "/userinfo",
    ];
    let evil = [
        OTHER_ACCOUNT.host,
        "evil.example",
        "https://evil.example/",
        "POST",
        "127.0.0.1",
        "for=1.2.3.4;host=evil.example;proto=http",
    ];
    for path in paths {
        let plain = stage.world.get(&at(path));
        for name in [
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-for",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "forwarded",
            "x-original-url",
            "x-rewrite-url",
            "x-original-host",
            "x-host",
            "x-http-method-override",
            "x-method-override",
            "x-forwarded-server",
            "x-real-ip",
            "true-client-ip",
            "via",
            "host",
            "referer",
            "x-wap-profile",
        ] {
            for value in evil {
                let mut asked = request(Method::GET, &at(path));
                asked.headers.insert(name, HeaderValue::from_str(value).unwrap());
                let reply = stage.world.answer(asked);
                assert_eq!(reply.status, plain.status, "{name}: {value} at {path}");
                assert_eq!(reply.body, plain.body, "{name}: {value} at {path}");
                assert_eq!(location(&reply), location(&plain), "{name}: {value} at {path}");
            }
        }
    }
}

#[test]
fn a_method_that_a_form_or_header_claims_is_not_the_method() {
    let stage = Stage::new(1);
    let mut asked = with_bearer(Method::POST, &at("/v1/clients"), &stage.shop.api_key);
    asked.body = Some(
        json!({ "_method": "DELETE", "name": "x", "redirect_uris": ["https://shop.example/"] })
            .to_string()
            .into_bytes(),
    );
    assert_eq!(json_body(&stage.world.answer(asked))["error"], "invalid_request");
    for query in ["_method=DELETE", "method=DELETE", "x-http-method-override=DELETE"] {
        let asked = with_bearer(
            Method::GET,
            &format!("{}?{query}", at("/v1/clients/storefront-0")),
            &stage.shop.api_key,
        );
        assert_eq!(stage.world.answer(asked).status, 200);
    }
    let (_, clients) = stage.api(&stage.shop, Method::GET, "/v1/clients", None);
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1);
}

#[test]
fn a_path_that_only_looks_like_one_of_ours_is_not_there() {
    let stage = Stage::new(1);
    for path in [
        "//authorize",
        "/authorize/",
        "/Authorize",
        "/AUTHORIZE",
        "/authorize%00",
        "/authorize;x=y",
        "/authorize%2f",
        "/%61uthorize",
        "/authorize/../authorize",
        "/./authorize",
        "/v1//clients",
        "/v1/clients/",
        "/V1/clients",
        "/v1/clients/../../authorize",
        "/v1/%63lients",
        "\\authorize",
        "/authorize\\",
        "/authorize\r\n",
        "/token.json",
        "/jwks",
        "/.well-known/jwks.json",
        "/.env",
        "/.git/config",
        "/wrangler.toml",
        "/admin",
        "/register",
        "/introspect",
        "/token/x",
        "",
        "*",
    ] {
        let mut asked = with_bearer(Method::GET, &at("/"), &stage.shop.api_key);
        asked.path = path.to_owned();
        let reply = stage.world.answer(asked);
        assert_eq!((reply.status.as_u16(), location(&reply)), (404, None), "{path:?}");
    }
    assert_eq!(stage.world.get(&at("/healthz")).status, 200);
    assert_eq!(ACCOUNT.host, "localhost");
}
