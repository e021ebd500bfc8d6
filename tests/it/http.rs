//! What holds for every path: hosts, methods, sizes, errors.

use enishi_world::{ACCOUNT, Fault, Point, request};
use http::{HeaderValue, Method, header};
use serde_json::json;

use crate::support::{Stage, json_body};

fn at(path: &str) -> String {
    format!("{}{path}", ACCOUNT.issuer)
}

#[test]
fn an_unknown_host_is_misdirected() {
    let stage = Stage::new(1);
    for path in ["/authorize", "/token", "/line/webhook", "/v1/sends", "/.well-known/openid-configuration"] {
        let method =
            if matches!(path, "/token" | "/line/webhook" | "/v1/sends") { Method::POST } else { Method::GET };
        let reply = stage.world.answer(request(method, &format!("http://unknown.localhost:8787{path}")));
        assert_eq!(
            (reply.status.as_u16(), &json_body(&reply)["error"]),
            (421, &"unknown_host".into()),
            "{path}"
        );
    }
}

#[test]
fn beside_a_stand_in_for_line_no_public_host_is_served() {
    let stage = Stage::new(1);
    let body = stage.shop.account_body();
    let reply = stage.put_account("line.example.jp", &body);
    assert_eq!(reply.status, 400, "its redirect URIs are for this machine only");
    let reply = stage.world.get("https://line.example.jp/authorize");
    assert!(reply.status.is_server_error() || reply.status == 421, "{}", reply.status);
}

#[test]
fn an_unknown_path_is_404_as_json() {
    let stage = Stage::new(1);
    for path in ["/", "/nothing", "/v1", "/v1/nothing", "/authorize/", "/v1/links/a/b"] {
        let reply = stage.world.get(&at(path));
        assert_eq!(
            (reply.status.as_u16(), &json_body(&reply)["error"]),
            (404, &"not_found".into()),
            "{path}"
        );
        assert!(json_body(&reply)["error_description"].is_string());
    }
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let stage = Stage::new(1);
    for (method, path, allowed) in [
        (Method::GET, "/token", "POST"),
        (Method::PUT, "/authorize", "GET"),
        (Method::POST, "/jwks.json", "GET"),
        (Method::GET, "/line/webhook", "POST"),
        (Method::PATCH, "/v1/links/x", "DELETE"),
    ] {
        let reply = stage.world.answer(request(method, &at(path)));
        assert_eq!(reply.status, 405, "{path}");
        assert!(reply.headers[header::ALLOW].to_str().unwrap().contains(allowed), "{path}");
    }
    let head = stage.world.answer(request(Method::HEAD, &at("/jwks.json")));
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[test]
fn a_body_that_is_too_large_is_413() {
    let stage = Stage::new(1);
    for (method, path) in
        [(Method::POST, "/token"), (Method::POST, "/line/webhook"), (Method::PUT, "/v1/links/x")]
    {
        let mut large = request(method, &at(path));
        large.body = Some(vec![b'x'; 2_000_001]);
        assert_eq!(stage.world.answer(large).status, 413, "{path}");
    }
}

#[test]
fn a_body_that_is_no_json_or_says_too_much_is_a_typed_error() {
    let stage = Stage::new(1);
    let mut request = request(Method::POST, &at("/v1/segments/count"));
    let bearer = format!("Bearer {}", stage.shop.api_key);
    request.headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
    for body in ["", "{", "[]", "{\"rule\": {}, \"more\": 1}"] {
        request.body = Some(body.as_bytes().to_vec());
        let reply = stage.world.answer(request.clone());
        assert_eq!(
            (reply.status.as_u16(), &json_body(&reply)["error"]),
            (400, &"invalid_request".into()),
            "{body}"
        );
    }
}

#[test]
fn health_is_200_once_the_database_answers() {
    let stage = Stage::new(1);
    assert_eq!(stage.world.get(&at("/healthz")).status, 200);
    stage.world.fail_next(Point::Database, Fault::Refused, 1);
    assert_eq!(stage.world.get(&at("/healthz")).status, 503);
}

#[test]
fn every_answer_forbids_sniffing_and_no_answer_with_secrets_may_be_kept() {
    let stage = Stage::new(1);
    let (status, _) =
        stage.api(&stage.shop, Method::PUT, "/v1/members/m", Some(&json!({ "attributes": {} })));
    assert_eq!(status, 200);
    for path in ["/authorize", "/healthz", "/v1/links/x", "/line/callback"] {
        let reply = stage.world.get(&at(path));
        assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
}

#[test]
fn a_browser_that_asks_for_what_is_not_there_is_shown_a_page_in_japanese() {
    let stage = Stage::new(1);
    let asking = |method: Method, path: &str, accept: &'static str| {
        let mut asking = request(method, &at(path));
        asking.headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        stage.world.answer(asking)
    };
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (method, path, status, allowed) in [
        (Method::GET, "/nothing", 404, None),
        (Method::GET, "/", 404, None),
        (Method::GET, "/token", 405, Some("POST, OPTIONS")),
        (Method::POST, "/jwks.json", 405, Some("GET, HEAD, OPTIONS")),
    ] {
        let page = asking(method.clone(), path, browser);
        let html = String::from_utf8(page.body.clone()).unwrap();
        assert!(
            html.contains("<html lang=\"ja\">") && html.contains("ページが見つかりません"),
            "{path}: {html}"
        );
        assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{path}");
        let json = asking(method, path, "application/json");
        assert!(json_body(&json)["error"].is_string(), "{path}");
        for reply in [page, json] {
            let allow = reply.headers.get(header::ALLOW).map(|value| value.to_str().unwrap());
            assert_eq!((reply.status.as_u16(), allow), (status, allowed), "{path}");
            assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        }
    }
    let of_the_api = asking(Method::GET, "/v1/nothing", browser);
    assert_eq!(json_body(&of_the_api)["error"], "not_found", "the API speaks JSON to everybody");
}
