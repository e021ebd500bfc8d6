//! Clients, shops and operators who are not who they say.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use enishi::{
    time::{MINUTE, SECOND},
    web::{Reply, Request},
};
use enishi_world::{ACCOUNT, OTHER_ACCOUNT, World, request};
use http::{HeaderValue, Method, header};
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::{altered, at, error_of, from_address, logged_in, text, with_bearer};
use crate::support::{Stage, form, json_body};

/// The endpoints at which a client proves itself, each with what it could do there.
const ENDPOINTS: [(&str, &[(&str, &str)]); 3] = [
    ("/token", &[("grant_type", "refresh_token"), ("refresh_token", "x")]),
    ("/par", &[("response_type", "code")]),
    ("/revoke", &[("token", "x")]),
];

/// HTTP Basic with these very characters.
fn basic(url: &str, id: &str, secret: &str, fields: &[(&str, &str)]) -> Request {
    let mut request = form(url, fields);
    let value = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
    request
}

/// Every way in which a client presents a secret.
fn presented(world: &World, id: &str, secret: &str, number: &mut usize) -> Vec<(&'static str, Reply)> {
    let encoded: String = byte_serialize(secret.as_bytes()).collect();
    let mut replies = Vec::new();
    for (path, fields) in ENDPOINTS {
        let url = at(path);
        let in_form: Vec<(&str, &str)> =
            fields.iter().copied().chain([("client_id", id), ("client_secret", secret)]).collect();
        for (way, request) in [
            ("by Basic", basic(&url, id, secret, fields)),
            ("by Basic, encoded", basic(&url, id, &encoded, fields)),
            ("in the form", form(&url, &in_form)),
        ] {
            *number += 1;
            replies.push((way, world.answer(from_address(request, *number))));
        }
    }
    replies
}

#[test]
fn a_client_secret_that_was_altered_or_is_another_secret_proves_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("2", &json!({}));
    let mut forged = altered(&shop.client_secret);
    forged.push(("another client's", other.client_secret.clone()));
    forged.push(("the API key", shop.api_key.clone()));
    forged.push(("the operator's key", world.settings().keys.operator_key().expose().to_owned()));
    forged.push(("the Login channel's", ACCOUNT.login_secret.to_owned()));
    forged.push(("the client's id", shop.client_id.clone()));
    forged.push(("a code", logged_in(&stage, shop, "1").1));
    let (mut number, mut taken, mut tried) = (0, Vec::new(), 0);
    for (how, secret) in &forged {
        for (way, reply) in presented(world, &shop.client_id, secret, &mut number) {
            tried += 1;
            if error_of(&reply) != (401, "invalid_client".to_owned()) {
                taken.push(format!("{how} {way}: {:?}", error_of(&reply)));
            } else if way != "in the form" {
                assert!(reply.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic"));
            }
        }
    }
    assert!(forged.len() >= 24 && tried >= 200, "{tried}");
    assert_eq!(taken, Vec::<String>::new());
    for (_, reply) in presented(world, &shop.client_id, &shop.client_secret, &mut number) {
        assert_ne!(reply.status, 401, "the right one is");
    }
}

#[test]
fn a_client_id_that_was_altered_is_nobodys() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (mut number, mut taken) = (0, Vec::new());
    for (how, id) in altered(&shop.client_id) {
        for (way, reply) in presented(world, &id, &shop.client_secret, &mut number) {
            if reply.status != 401 && reply.status != 400 {
                taken.push(format!("{how} {way}: {}", reply.status));
            }
            if reply.status == 400 && !matches!(json_body(&reply)["error"].as_str(), Some("invalid_request"))
            {
                taken.push(format!("{how} {way}: {}", json_body(&reply)));
            }
        }
    }
    assert_eq!(taken, Vec::<String>::new());
}

#[test]
fn a_client_proves_itself_in_one_way_the_agreed_one_and_with_a_secret_if_it_has_one() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let public = stage.client("p", &json!({ "token_endpoint_auth_method": "none" }));
    let posting = stage.client("post", &json!({ "token_endpoint_auth_method": "client_secret_post" }));
    let basing = stage.client("basic", &json!({ "token_endpoint_auth_method": "client_secret_basic" }));
    let (id, secret) = (shop.client_id.as_str(), shop.client_secret.as_str());
    for (path, fields) in ENDPOINTS {
        let url = at(path);
        let with = |more: &[(&str, &str)]| {
            let all: Vec<(&str, &str)> = fields.iter().copied().chain(more.iter().copied()).collect();
            form(&url, &all)
        };
        let refused = [
            with(&[("client_id", id)]),
            with(&[("client_id", id), ("client_secret", "")]),
            basic(&url, id, "", fields),
            basic(&url, &public.client_id, "x", fields),
            with(&[("client_id", &public.client_id), ("client_secret", "x")]),
            basic(&url, &posting.client_id, &posting.client_secret, fields),
            with(&[("client_id", &basing.client_id), ("client_secret", &basing.client_secret)]),
            with(&[("client_id", &basing.client_id)]),
        ];
        for (at, request) in refused.into_iter().enumerate() {
            assert_eq!(error_of(&world.answer(request)), (401, "invalid_client".to_owned()), "{path} {at}");
        }
        let mut both = basic(&url, id, secret, fields);
        both.body.as_mut().unwrap().extend_from_slice(format!("&client_secret={secret}").as_bytes());
        let mut other = basic(&url, id, secret, fields);
        other.body.as_mut().unwrap().extend_from_slice(b"&client_id=storefront-p");
        let assertion = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", "eyJhbGciOiJub25lIn0.e30."),
        ];
        for (at, request) in
            [both, other, with(&assertion), with(&[("client_secret", secret)])].into_iter().enumerate()
        {
            assert_eq!(error_of(&world.answer(request)), (400, "invalid_request".to_owned()), "{path} {at}");
        }
        let in_query = format!("{url}?client_id={id}&client_secret={secret}");
        assert_eq!(world.answer(form(&in_query, fields)).status, 400, "never in the query");
    }
}

#[test]
fn who_guesses_is_slowed_down_and_the_right_client_is_never_locked_out() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, code) = logged_in(&stage, shop, "1");
    let mut statuses = Vec::new();
    for guess in 0..30 {
        let secret = format!("guess-number-{guess}-of-at-least-32-characters");
        let request = shop.token_request_with(&secret, &shop.redirect_uri, &code, &login.verifier);
        let reply = world.answer(from_address(request, 1));
        if reply.status == 429 {
            assert!(reply.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u32>().unwrap() > 0);
        }
        statuses.push(reply.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 10);
    assert!(statuses[10..].iter().all(|status| *status == 429), "{statuses:?}");
    let right = world.answer(from_address(shop.token_request(&code, &login.verifier), 1));
    assert_eq!(right.status, 200);
    world.advance(MINUTE);
    let request = shop.token_request_with("wrong", &shop.redirect_uri, &code, &login.verifier);
    assert_eq!(world.answer(from_address(request, 1)).status, 401);
}

#[test]
fn a_deleted_secret_and_a_deleted_client_prove_nothing() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let mut client = stage.client("2", &json!({}));
    let path = format!("/v1/clients/{}/secrets", client.client_id);
    let (status, made) = stage.api(&stage.shop, Method::POST, &path, None);
    assert_eq!(status, 201, "{made}");
    let (old, new) = (client.client_secret.clone(), text(&made, "client_secret"));
    let id = made["secrets"][0]["id"].as_str().unwrap();
    assert_eq!(stage.api(&stage.shop, Method::DELETE, &format!("{path}/{id}"), None).0, 204);
    let revoke = [("token", "x")];
    assert_eq!(client.call(world, "/revoke", &revoke).status, 401);
    client.client_secret = new;
    assert_eq!(client.call(world, "/revoke", &revoke).status, 200);
    let (_, _, tokens) = stage.logged_in(&client, "openid offline_access");
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| text(&tokens, name));
    assert_eq!(
        stage.api(&stage.shop, Method::DELETE, &format!("/v1/clients/{}", client.client_id), None).0,
        204
    );
    for secret in [old, client.client_secret.clone()] {
        client.client_secret = secret;
        assert_eq!(client.refresh(world, &refresh).status, 401);
    }
    assert_eq!(client.userinfo(world, &access).status, 401);
    // Who registers under the name of one that is gone does not inherit what it held.
    world.advance(SECOND);
    let again = stage.client("2", &json!({}));
    assert_eq!(again.client_id, client.client_id);
    assert_eq!(error_of(&again.refresh(world, &refresh)), (400, "invalid_grant".to_owned()));
    assert_eq!(again.userinfo(world, &access).status, 401);
}

#[test]
fn an_api_key_or_operator_key_that_was_altered_or_is_of_another_kind_opens_nothing() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let other = stage.other_shop();
    let operator = world.settings().keys.operator_key().expose().to_owned();
    let (_, _, tokens) = stage.logged_in(&stage.shop, "openid offline_access");
    let shared = [
        ("a client's secret", stage.shop.client_secret.clone()),
        ("an access token", text(&tokens, "access_token")),
        ("an ID token", text(&tokens, "id_token")),
        ("a channel's secret", ACCOUNT.login_secret.to_owned()),
    ];
    let mut keys = altered(&stage.shop.api_key);
    keys.push(("the operator's key", operator.clone()));
    keys.push(("another account's key", other.api_key.clone()));
    keys.extend(shared.iter().cloned());
    let mut operators = altered(&operator);
    operators.push(("an API key", stage.shop.api_key.clone()));
    operators.push(("without its prefix", operator.trim_start_matches("enishi_op_").to_owned()));
    operators.extend(shared);
    assert!(keys.len() >= 24 && operators.len() >= 24);
    let put = |path: &str| at(path);
    for (how, key) in &keys {
        for (method, path) in [
            (Method::GET, "/v1/clients"),
            (Method::POST, "/v1/clients"),
            (Method::DELETE, "/v1/clients/storefront-0"),
            (Method::POST, "/v1/signing-keys/rotate"),
            (Method::GET, "/v1/links?member_id=m-1"),
            (Method::PUT, "/v1/webhook-endpoint"),
        ] {
            let reply = world.answer(with_bearer(method, &put(path), key));
            assert_eq!(error_of(&reply), (401, "invalid_api_key".to_owned()), "{how} at {path}");
        }
    }
    for (how, key) in &operators {
        for (method, path) in [(Method::GET, "/v1/accounts"), (Method::PUT, "/v1/accounts/evil.localhost")] {
            let mut request = with_bearer(method, &put(path), key);
            request.body = Some(stage.shop.account_body().to_string().into_bytes());
            assert_eq!(
                error_of(&world.answer(request)),
                (401, "invalid_api_key".to_owned()),
                "{how} at {path}"
            );
        }
    }
    assert_eq!(stage.count("accounts"), 2);
    let here = with_bearer(Method::GET, &format!("{}/v1/clients", OTHER_ACCOUNT.issuer), &stage.shop.api_key);
    assert_eq!(world.answer(here).status, 401, "a key counts on its own host only");
    for (name, value) in [
        ("authorization", format!("Basic {}", STANDARD.encode(format!("{}:", stage.shop.api_key)))),
        ("authorization", stage.shop.api_key.clone()),
        ("x-api-key", stage.shop.api_key.clone()),
        ("cookie", format!("api_key={}", stage.shop.api_key)),
    ] {
        let mut asked =
            request(Method::GET, &format!("{}?api_key={}", at("/v1/clients"), stage.shop.api_key));
        asked.headers.insert(name, HeaderValue::from_str(&value).unwrap());
        assert_eq!(world.answer(asked).status, 401, "{name}");
    }
}
