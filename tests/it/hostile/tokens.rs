//! Access and refresh tokens that are not what they should be.

use enishi::{
    time::{MINUTE, SECOND},
    web::Reply,
};
use enishi_world::{ACCOUNT, World, line_simulator::LiffLogin, request};
use http::{HeaderValue, Method, header};
use serde_json::json;

use super::{altered, at, error_of, logged_in, session_cookie, text, with_bearer};
use crate::support::{Shop, Stage, form, json_body};

const ALL: &str = "openid profile email offline_access line";

/// The three ways to present an access token.
fn presented(world: &World, token: &str) -> [Reply; 3] {
    let url = at("/userinfo");
    [
        world.answer(with_bearer(Method::GET, &url, token)),
        world.answer(with_bearer(Method::POST, &url, token)),
        world.answer(form(&url, &[("access_token", token)])),
    ]
}

/// What other kinds of secrets there are, each with its name.
fn other_kinds(stage: &Stage, shop: &Shop) -> Vec<(&'static str, String)> {
    let world = &stage.world;
    let (browser, _, tokens) = stage.logged_in(shop, ALL);
    let (_, code) = logged_in(stage, shop, "unspent");
    let pushed = json_body(&shop.push(world, &shop.begin("pushed"), &[]));
    let now = world.now().0;
    let liff = LiffLogin::new(stage.person("次郎"), ACCOUNT.login_channel);
    let liff = world.line().liff_id_token(now, &liff).unwrap();
    vec![
        ("an access token", text(&tokens, "access_token")),
        ("a refresh token", text(&tokens, "refresh_token")),
        ("an ID token", text(&tokens, "id_token")),
        ("a code", code),
        ("a request_uri", text(&pushed, "request_uri")),
        ("a session", session_cookie(&browser)),
        ("LINE's token", liff),
        ("a client's secret", shop.client_secret.clone()),
        ("an API key", stage.shop.api_key.clone()),
        ("the operator's key", world.settings().keys.operator_key().expose().to_owned()),
        ("the Login channel's secret", ACCOUNT.login_secret.to_owned()),
    ]
}

#[test]
fn an_access_token_that_was_altered_or_is_of_another_kind_tells_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, tokens) = stage.logged_in(shop, ALL);
    let token = text(&tokens, "access_token");
    let mut forged = altered(&token);
    forged.extend(other_kinds(&stage, shop).into_iter().filter(|(kind, _)| *kind != "an access token"));
    forged.push(("a JWT that says so", "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9.".to_owned()));
    assert!(forged.len() >= 28, "{}", forged.len());
    for (how, token) in &forged {
        for reply in presented(world, token) {
            assert_eq!(reply.status, 401, "{how}");
            let challenge = reply.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.starts_with("Bearer realm="), "{how}: {challenge}");
            assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
            let body = json_body(&reply);
            assert_eq!(body.as_object().unwrap().len(), 2, "{how}: {body}");
            assert!(!body.to_string().contains(&**token) || token.len() < 8, "{how} is repeated: {body}");
        }
    }
    for reply in presented(world, &token) {
        assert_eq!(reply.status, 200);
    }
}

#[test]
fn an_access_token_counts_under_no_other_scheme_and_in_no_other_place() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, tokens) = stage.logged_in(shop, ALL);
    let token = text(&tokens, "access_token");
    for value in [format!("Basic {token}"), format!("DPoP {token}"), token.clone(), format!("Bearer{token}")]
    {
        let mut asked = request(Method::GET, &at("/userinfo"));
        asked.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        assert_eq!(world.answer(asked).status, 401, "{value}");
    }
    for query in ["access_token", "token", "bearer", "authorization"] {
        assert_eq!(world.get(&format!("{}?{query}={token}", at("/userinfo"))).status, 401, "{query}");
        let posted = form(&format!("{}?{query}={token}", at("/userinfo")), &[]);
        assert_eq!(world.answer(posted).status, 401, "{query}");
    }
    let mut cookie = request(Method::GET, &at("/userinfo"));
    cookie.headers.insert(header::COOKIE, HeaderValue::from_str(&format!("access_token={token}")).unwrap());
    assert_eq!(world.answer(cookie).status, 401);
    let mut json = form(&at("/userinfo"), &[]);
    json.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    json.body = Some(json!({ "access_token": token }).to_string().into_bytes());
    assert_eq!(world.answer(json).status, 401);
    let mut twice = with_bearer(Method::POST, &at("/userinfo"), &token);
    let body = form(&at("/userinfo"), &[("access_token", &token)]);
    twice.headers.extend(body.headers);
    twice.body = body.body;
    assert_eq!(error_of(&world.answer(twice)), (400, "invalid_request".to_owned()));
    // It is no key of the API either.
    for path in ["/v1/clients", "/v1/signing-keys", "/v1/links?member_id=m", "/v1/accounts"] {
        let reply = world.answer(with_bearer(Method::GET, &at(path), &token));
        assert_eq!(error_of(&reply), (401, "invalid_api_key".to_owned()), "{path}");
    }
}

#[test]
fn a_refresh_token_that_was_altered_or_is_of_another_kind_renews_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, tokens) = stage.logged_in(shop, ALL);
    let token = text(&tokens, "refresh_token");
    let mut forged = altered(&token);
    forged.extend(other_kinds(&stage, shop).into_iter().filter(|(kind, _)| *kind != "a refresh token"));
    let successor = world.settings().keys.derived_token("enishi refresh token v1", &token);
    forged.push(("the successor of a token that was not used", successor.expose().to_owned()));
    assert!(forged.len() >= 28, "{}", forged.len());
    let before = stage.count("bearer_tokens");
    for (how, token) in &forged {
        let reply = shop.refresh(world, token);
        assert_eq!(error_of(&reply), (400, "invalid_grant".to_owned()), "{how}");
    }
    assert_eq!(stage.count("bearer_tokens"), before);
    assert_eq!(stage.count("grants WHERE ended_at IS NOT NULL"), 0, "a guess ends nothing");
    assert_eq!(shop.refresh(world, &token).status, 200);
}

#[test]
fn a_refresh_token_of_another_client_is_neither_renewed_nor_revoked_nor_spent() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let shop = &stage.shop;
    let other = stage.client("2", &json!({}));
    let public = stage.client("p", &json!({ "token_endpoint_auth_method": "none" }));
    let (_, _, tokens) = stage.logged_in(shop, ALL);
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| text(&tokens, name));
    for thief in [&other, &public] {
        assert_eq!(error_of(&thief.refresh(world, &refresh)), (400, "invalid_grant".to_owned()));
        for token in [&access, &refresh] {
            for hint in ["access_token", "refresh_token", "id_token", "evil"] {
                let fields = [("token", token.as_str()), ("token_type_hint", hint)];
                let reply = thief.call(world, "/revoke", &fields);
                assert_eq!(
                    (reply.status.as_u16(), reply.body.as_slice()),
                    (200, &b"{}"[..]),
                    "it learns nothing"
                );
            }
        }
    }
    assert_eq!(shop.userinfo(world, &access).status, 200);
    assert_eq!(shop.refresh(world, &refresh).status, 200);
    world.advance(MINUTE);
    assert_eq!(other.refresh(world, &refresh).status, 400, "nor does a thief's repeat end the family");
    let fresh = json_body(&shop.refresh(world, &refresh));
    assert_eq!(fresh["error"], "invalid_grant", "the owner's own late repeat does");
    assert_eq!(shop.userinfo(world, &access).status, 401);
}

#[test]
fn a_scope_never_grows_by_refreshing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, tokens) = stage.logged_in(shop, "openid offline_access");
    let refresh = text(&tokens, "refresh_token");
    for scope in
        ["openid profile", "openid email", "line", "openid offline_access line", "  ", "evil", "openid\tline"]
    {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("scope", scope)];
        assert_eq!(
            error_of(&shop.call(world, "/token", &fields)),
            (400, "invalid_scope".to_owned()),
            "{scope:?}"
        );
    }
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("scope", "openid evil")];
    let narrowed = json_body(&shop.call(world, "/token", &fields));
    assert_eq!(narrowed["scope"], "openid");
    let user = json_body(&shop.userinfo(world, narrowed["access_token"].as_str().unwrap()));
    assert!(user.get("name").is_none() && user.get("line_user_id").is_none(), "{user}");
}

#[test]
fn an_ended_family_stays_ended_for_its_newest_member() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, tokens) = stage.logged_in(shop, ALL);
    let first = text(&tokens, "refresh_token");
    let second = text(&json_body(&shop.refresh(world, &first)), "refresh_token");
    let third = json_body(&shop.refresh(world, &second));
    let (third, access) = (text(&third, "refresh_token"), text(&third, "access_token"));
    world.advance(31 * SECOND);
    assert_eq!(shop.refresh(world, &first).status, 400, "a stolen token, or one of a thief's victim");
    for token in [&first, &second, &third] {
        assert_eq!(error_of(&shop.refresh(world, token)), (400, "invalid_grant".to_owned()));
    }
    assert_eq!(shop.userinfo(world, &access).status, 401);
}
