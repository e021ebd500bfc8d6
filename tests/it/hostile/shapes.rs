//! Inputs of the wrong form: broken encodings, bytes that are no text, other content types, JSON that is none.

use enishi_world::request;
use http::{HeaderValue, Method, header};

use super::{at, error_of, inputs::assert_in_good_order, location, with_bearer};
use crate::support::{Stage, json_body};

#[test]
fn broken_encodings_and_bytes_that_are_no_text_are_refused_in_good_order() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let broken = [
        "%",
        "%%",
        "%z",
        "%zz",
        "%0",
        "%ff%fe",
        "%c0%af",
        "%ed%a0%80",
        "%f4%90%80%80",
        "%00",
        "%u003c",
        "=&=&=",
        "&&&&",
        "+",
        "%2",
    ];
    for text in broken {
        for name in [
            "client_id",
            "redirect_uri",
            "state",
            "code",
            "request_uri",
            "id_token_hint",
            "post_logout_redirect_uri",
        ] {
            for path in ["/authorize", "/logout", "/line/callback", "/line/retry"] {
                let mut asked = request(Method::GET, &at(path));
                asked.query = format!("{name}={text}");
                let reply = world.answer(asked);
                assert_in_good_order(&reply, &format!("{path}?{name}={text}"));
                assert!(path == "/line/retry" || location(&reply).is_none(), "{path}?{name}={text}");
            }
            for path in ["/token", "/par", "/revoke", "/logout/confirm", "/line/consent", "/line/email"] {
                let mut asked = shop.request(path, &[]);
                asked.body = Some(format!("{name}={text}").into_bytes());
                assert_in_good_order(&world.answer(asked), &format!("{path} {name}={text}"));
            }
        }
        for path in ["/authorize/", "/v1/links/", "/v1/clients/", "/v1/friends/", "/v1/members/", "/"] {
            let mut asked = with_bearer(Method::GET, &at("/"), &shop.api_key);
            asked.path = format!("{path}{text}");
            let reply = world.answer(asked);
            assert!((400..500).contains(&reply.status.as_u16()), "{path}{text}: {}", reply.status);
        }
    }
    for body in [
        &b"\xff\xfe=\x00"[..],
        b"\0\0\0",
        b"grant_type=\xe5\xe5",
        b"{\"grant_type\":\"refresh_token\"}",
        b"<xml/>",
    ] {
        for path in ["/token", "/par", "/revoke", "/logout", "/line/consent", "/userinfo"] {
            let mut asked = shop.request(path, &[]);
            asked.body = Some(body.to_vec());
            assert_in_good_order(&world.answer(asked), path);
        }
    }
}

#[test]
fn a_token_endpoint_takes_a_form_and_nothing_else() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, code) = super::logged_in(&stage, shop, "1");
    let good = shop.token_request(&code, &login.verifier);
    let body = String::from_utf8(good.body.clone().unwrap()).unwrap();
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
        "application/x-www-form-urlencoded2",
        "application/xml",
        "application/x-www-form-urlencoded, application/json",
    ] {
        let mut asked = good.clone();
        asked.headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        assert_eq!(error_of(&world.answer(asked)), (400, "invalid_request".to_owned()), "{kind}");
    }
    let mut nameless = good.clone();
    nameless.headers.remove(header::CONTENT_TYPE);
    assert_eq!(error_of(&world.answer(nameless)), (400, "invalid_request".to_owned()));
    let mut in_query = good.clone();
    (in_query.query, in_query.body) = (body.clone(), Some(Vec::new()));
    assert_eq!(world.answer(in_query).status, 400);
    let mut by_get = good.clone();
    (by_get.method, by_get.query) = (Method::GET, body.clone());
    assert_eq!(world.answer(by_get).status, 405);
    for twice in ["code", "grant_type", "redirect_uri", "code_verifier", "client_id", "x"] {
        let mut asked = good.clone();
        asked.body = Some(format!("{body}&{twice}=a&{twice}=a").into_bytes());
        assert_eq!(error_of(&world.answer(asked)), (400, "invalid_request".to_owned()), "{twice}");
    }
    let mut large = good.clone();
    large.body = Some(vec![b'x'; 2_000_001]);
    assert_eq!(world.answer(large).status, 413);
    let reply = world.answer(good);
    assert_eq!(reply.status, 200, "{}", json_body(&reply));
}

#[test]
fn json_that_is_deep_wide_or_odd_is_refused_in_good_order() {
    let stage = Stage::new(1);
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let wide = format!("{{{}\"x\":1}}", "\"redirect_uris\":[],".repeat(50_000));
    let odd = [
        "",
        "null",
        "true",
        "0",
        "\"x\"",
        "[]",
        "{",
        "{\"a\":}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"\\u0000\",\"redirect_uris\":[]}",
        "{\"redirect_uris\":1e999}",
        "\u{feff}{}",
        "{\"name\":\"a\",\"name\":\"b\",\"redirect_uris\":[\"https://shop.example/\"]}",
        "{\"__proto__\":{\"a\":1}}",
        &deep,
        &wide,
    ];
    for body in odd {
        for (method, path) in [
            (Method::POST, "/v1/clients"),
            (Method::PATCH, "/v1/clients/storefront-0"),
            (Method::PUT, "/v1/webhook-endpoint"),
            (Method::PUT, "/v1/links/x"),
        ] {
            // A merge patch is any object; what it would make is judged, and there its last word counts.
            let is_patch = method == Method::PATCH && body.matches("\"name\"").count() == 2;
            let mut asked = with_bearer(method, &at(path), &stage.shop.api_key);
            asked.body = Some(body.as_bytes().to_vec());
            let reply = stage.world.answer(asked);
            let expected = if is_patch { (200, String::new()) } else { (400, "invalid_request".to_owned()) };
            assert_eq!(error_of(&reply), expected, "{path}: {body:.60}");
            assert!(reply.body.len() < 1_000);
        }
    }
}
