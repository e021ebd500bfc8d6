//! Addresses at registration: what two readers could read in two ways, what is not https, and what names a person is not
//! registered, for whatever purpose.

use enishi::web::Reply;
use enishi_world::OTHER_ACCOUNT;
use http::Method;
use serde_json::{Value, json};

use super::{
    at,
    payloads::{CALLBACK, HOME, is_plain, payloads},
    with_bearer,
};
use crate::support::{Shop, Stage, json_body};

/// A client that could be registered, but for one field.
fn with(field: &str, value: Value) -> Value {
    let mut body = json!({ "name": "店", "redirect_uris": [CALLBACK], "home_uri": HOME });
    body[field] = value;
    body
}

/// `POST /v1/clients` and `PATCH` of a client that is there; both answers.
fn offered(stage: &Stage, field: &str, value: &Value) -> [Reply; 2] {
    let send = |method, path: &str, body: &Value| {
        let mut request = with_bearer(method, &at(path), &stage.shop.api_key);
        request.body = Some(body.to_string().into_bytes());
        stage.world.answer(request)
    };
    let patch = json!({ field: value });
    [
        send(Method::POST, "/v1/clients", &with(field, value.clone())),
        send(Method::PATCH, "/v1/clients/storefront-0", &patch),
    ]
}

/// Offers every address that has not the form for this field; answers those that were taken, and how many were tried.
fn taken(stage: &Stage, field: &str, value: impl Fn(&str) -> Option<Value>) -> (Vec<String>, usize) {
    let before = stage.count("audit_log");
    let (mut taken, mut tried) = (Vec::new(), 0);
    for payload in payloads() {
        let Some(value) = value(&payload) else { continue };
        tried += 1;
        for reply in offered(stage, field, &value) {
            assert!(
                reply
                    .headers
                    .iter()
                    .all(|(_, value)| !value.as_bytes().windows(4).any(|some| some == b"evil"))
            );
            assert_eq!(reply.headers["content-type"], "application/json");
            if reply.status == 400 {
                assert_eq!(json_body(&reply)["error"], "invalid_request", "{payload:?}");
            } else {
                taken.push(format!("{} for {:.60}", reply.status, payload));
            }
        }
    }
    if taken.is_empty() {
        assert_eq!(stage.count("audit_log"), before, "nothing was written");
    }
    (taken, tried)
}

fn assert_none_taken((taken, tried): (Vec<String>, usize), at_least: usize) {
    assert!(tried >= at_least, "{tried}");
    assert_eq!(taken, Vec::<String>::new());
}

#[test]
fn a_redirect_uri_of_doubtful_form_is_not_registered() {
    let of = |uri: &str| (!is_plain(uri)).then(|| json!([CALLBACK, uri]));
    assert_none_taken(taken(&Stage::new(1), "redirect_uris", of), 300);
}

#[test]
fn a_post_logout_redirect_uri_of_doubtful_form_is_not_registered() {
    let of = |uri: &str| (!is_plain(uri)).then(|| json!([uri]));
    assert_none_taken(taken(&Stage::new(1), "post_logout_redirect_uris", of), 300);
}

#[test]
fn an_initiate_login_uri_of_doubtful_form_is_not_registered() {
    let of = |uri: &str| (!is_plain(uri)).then(|| json!(uri));
    assert_none_taken(taken(&Stage::new(1), "initiate_login_uri", of), 300);
}

#[test]
fn a_home_of_doubtful_form_is_not_registered() {
    let of = |uri: &str| (!is_plain(uri)).then(|| json!(uri));
    assert_none_taken(taken(&Stage::new(1), "home_uri", of), 300);
}

#[test]
fn a_target_origin_is_an_origin_and_nothing_more() {
    let of = |uri: &str| {
        let is_origin = is_plain(uri) && uri.matches('/').count() == 2 && !uri.contains(['?', '#']);
        (!is_origin).then(|| json!([uri]))
    };
    assert_none_taken(taken(&Stage::new(1), "target_origins", of), 300);
}

#[test]
fn a_login_start_lies_at_the_shop_itself() {
    let stage = Stage::new(1);
    let is_own = |uri: &str| {
        let registered = ["https://shop.example", "http://127.0.0.1:8789"];
        let parsed = url::Url::parse(uri).ok().filter(|_| is_plain(uri));
        parsed.is_some_and(|url| registered.contains(&url.origin().ascii_serialization().as_str()))
    };
    for place in ["{target}", "?return_to={target_path}"] {
        let of = |uri: &str| (!is_own(uri)).then(|| json!(format!("{uri}{place}")));
        assert_none_taken(taken(&stage, "login_start_template", of), 300);
    }
    // Without a place for the target, with the place before the path, or with none of the shop's origins.
    for template in [
        "https://shop.example/login",
        "https://shop.example/login?{targets}",
        "{target}",
        "{target_path}",
        "https://{target}",
        "https://{target}/login",
        "https://{target}@shop.example/",
        "https://shop.example@{target}/",
        "https://shop.example{target}/",
        "https://shop.example.{target_path}/",
        "https://shop.example:{target}/",
        "//shop.example/{target}",
        "javascript:location={target}",
        "{target}#https://shop.example/",
    ] {
        for reply in offered(&stage, "login_start_template", &json!(template)) {
            assert_eq!(reply.status, 400, "{template}");
        }
    }
}

#[test]
fn a_host_that_the_target_would_complete_is_no_login_start() {
    let stage = Stage::new(1);
    let body = json!({
        "name": "店", "redirect_uris": ["https://shop.t/callback"],
        "login_start_template": "https://shop.{target}/login",
    });
    let (status, answer) = stage.api(&stage.shop, Method::POST, "/v1/clients", Some(&body));
    assert_eq!(status, 400, "{answer}");
}

#[test]
fn a_client_of_doubtful_kind_is_not_registered() {
    let stage = Stage::new(1);
    let many: Vec<String> = (0..51).map(|at| format!("https://shop.example/{at}")).collect();
    for (field, value) in [
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(CALLBACK)),
        ("redirect_uris", json!([null])),
        ("redirect_uris", json!([[CALLBACK]])),
        ("redirect_uris", json!({ "0": CALLBACK })),
        ("redirect_uris", json!(many)),
        ("target_origins", json!(["null"])),
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("NONE")),
        ("id_token_signed_response_alg", json!("none")),
        ("id_token_signed_response_alg", json!("HS256")),
        ("refresh_tokens", json!("never")),
        ("email_verification", json!("trust_everybody")),
        ("require_pkce", json!("false")),
        ("account", json!("another")),
        ("backchannel_logout_uri", json!("javascript:alert(1)")),
        ("backchannel_logout_uri", json!("http://169.254.169.254/")),
        ("backchannel_logout_uri", json!("file:///etc/passwd")),
        ("grant_types", json!(["password"])),
        ("response_types", json!(["token"])),
    ] {
        for reply in offered(&stage, field, &value) {
            assert_eq!(reply.status, 400, "{field}: {value}");
        }
    }
    for id in ["", " ", "a b", "a/b", "a:b", "<b>", "x\r\ny", "ü", &"x".repeat(65)] {
        let (status, answer) =
            stage.api(&stage.shop, Method::POST, "/v1/clients", Some(&with("client_id", json!(id))));
        assert_eq!(status, 400, "{id:?}: {answer}");
    }
    assert_eq!(
        stage.api(&stage.shop, Method::GET, "/v1/clients", None).1["clients"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn a_deployed_account_calls_no_address_inside_a_network() {
    let stage = Stage::new(1);
    let put = |told: &str| {
        let mut body = Shop::of(OTHER_ACCOUNT, "1").account_body();
        body["clients"] = json!([{
            "client_id": "storefront-1", "client_secret": "client-secret-of-the-storefront-1", "name": "店",
            "redirect_uris": [CALLBACK], "backchannel_logout_uri": told,
        }]);
        stage.put_account("line.example.jp", &body)
    };
    for told in [
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://0x7f000001/",
        "https://localhost/",
        "https://told.localhost/",
        "https://intranet/",
    ] {
        let reply = put(told);
        assert_eq!(reply.status, 400, "{told}");
        assert!(json_body(&reply).to_string().contains(told), "{}", json_body(&reply));
    }
    let reply = put("https://shop.example/told");
    assert_eq!(reply.status, 201, "{}", json_body(&reply));
}

#[test]
fn a_client_whose_id_no_path_can_name_is_not_registered() {
    let stage = Stage::new(1);
    for id in [".", ".."] {
        let (status, answer) =
            stage.api(&stage.shop, Method::POST, "/v1/clients", Some(&with("client_id", json!(id))));
        assert_eq!(status, 400, "nobody could ever take it away again: {answer}");
    }
}
