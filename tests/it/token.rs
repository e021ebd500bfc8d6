//! `/token` and `/revoke`: refresh tokens and their families, LIFF's ID tokens, and the limits against guessing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use enishi::time::{DAY, HOUR, MINUTE, SECOND};
use enishi_world::{ACCOUNT, line_simulator::LiffLogin, request};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Shop, Stage, claims_of, form, json_body};

const OFFLINE: &str = "openid profile offline_access";

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

/// Status and error of an answer.
fn refusal(reply: &enishi::web::Reply) -> (u16, String) {
    (reply.status.as_u16(), json_body(reply)["error"].as_str().unwrap_or_default().to_owned())
}

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[test]
fn a_refresh_token_comes_with_offline_access_or_where_the_client_always_wants_one() {
    let stage = Stage::new(1);
    let always = stage.client("always", &json!({ "refresh_tokens": "always" }));
    for (shop, scope, expected) in
        [(&stage.shop, "openid", false), (&stage.shop, OFFLINE, true), (&always, "openid", true)]
    {
        let (_, _, tokens) = stage.logged_in(shop, scope);
        assert_eq!(tokens.get("refresh_token").is_some(), expected, "{scope}");
        if expected {
            let next = shop.refresh(&stage.world, text(&tokens, "refresh_token"));
            assert_eq!(next.status, 200, "{}", json_body(&next));
        }
    }
}

#[test]
fn refreshing_gives_new_tokens_of_the_same_login_and_no_nonce() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, login, first) = stage.logged_in(shop, OFFLINE);
    let before = shop.verified(world, &login, &first);
    world.advance(20 * MINUTE);
    let next = json_body(&shop.refresh(world, text(&first, "refresh_token")));
    let after = shop.signed(world, text(&next, "id_token"));
    for same in ["sub", "auth_time", "sid", "amr", "name"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    for claims in [&before, &after] {
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    }
    assert!(after.get("nonce").is_none() && after["iat"].as_i64() > before["iat"].as_i64());
    for new in ["access_token", "refresh_token"] {
        assert_ne!(next[new], first[new]);
    }
    for tokens in [&first, &next] {
        assert_eq!(shop.userinfo(world, text(tokens, "access_token")).status, 200);
    }
}

#[test]
fn a_repeat_within_the_grace_receives_the_same_successor_and_a_later_one_ends_the_family() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, first) = stage.logged_in(shop, OFFLINE);
    let old = text(&first, "refresh_token");
    let second = json_body(&shop.refresh(world, old));
    world.advance(29 * SECOND);
    let repeated = json_body(&shop.refresh(world, old));
    assert_eq!(repeated["refresh_token"], second["refresh_token"], "nothing forks");
    let third = json_body(&shop.refresh(world, text(&second, "refresh_token")));
    world.advance(2 * SECOND);
    assert_eq!(refusal(&shop.refresh(world, old)), invalid_grant());
    for tokens in [&first, &second, &repeated, &third] {
        assert_eq!(shop.userinfo(world, text(tokens, "access_token")).status, 401);
    }
    assert_eq!(refusal(&shop.refresh(world, text(&third, "refresh_token"))), invalid_grant());
}

#[test]
fn a_refresh_token_is_worth_nothing_to_another_client_and_its_attempt_harms_nobody() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("other", &json!({}));
    let (_, _, tokens) = stage.logged_in(shop, OFFLINE);
    assert_eq!(refusal(&other.refresh(world, text(&tokens, "refresh_token"))), invalid_grant());
    assert_eq!(shop.refresh(world, text(&tokens, "refresh_token")).status, 200);
}

#[test]
fn a_refresh_may_ask_for_less_and_never_for_more() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, tokens) = stage.logged_in(shop, OFFLINE);
    let ask = |token: &str, scope: &str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        shop.call(world, "/token", &fields)
    };
    let token = text(&tokens, "refresh_token");
    for more in ["openid email", "openid line offline_access", "nonsense"] {
        assert_eq!(refusal(&ask(token, more)), (400, "invalid_scope".to_owned()), "{more}");
    }
    let less = json_body(&ask(token, "openid"));
    assert_eq!(less["scope"], "openid");
    let user = json_body(&shop.userinfo(world, text(&less, "access_token")));
    assert!(user.get("name").is_none(), "{user}");
    let nameless = json_body(&ask(text(&less, "refresh_token"), "profile"));
    assert!(nameless.get("id_token").is_none(), "without openid there is no ID token");
    let refused = shop.userinfo(world, text(&nameless, "access_token"));
    assert_eq!(refusal(&refused), (403, "insufficient_scope".to_owned()));
    let whole = json_body(&shop.refresh(world, text(&nameless, "refresh_token")));
    assert_eq!(whole["scope"], OFFLINE, "the grant itself is as wide as ever");
}

#[test]
fn a_refresh_token_dies_when_it_lies_idle_for_30_days_and_its_grant_after_90() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, idle) = stage.logged_in(shop, OFFLINE);
    let (_, _, mut busy) = stage.logged_in(shop, OFFLINE);
    for _ in 0..3 {
        world.advance(29 * DAY);
        let next = shop.refresh(world, text(&busy, "refresh_token"));
        assert_eq!(next.status, 200, "{}", json_body(&next));
        busy = json_body(&next);
    }
    assert_eq!(refusal(&shop.refresh(world, text(&idle, "refresh_token"))), invalid_grant());
    world.advance(3 * DAY + HOUR);
    assert_eq!(refusal(&shop.refresh(world, text(&busy, "refresh_token"))), invalid_grant());
}

#[test]
fn unlinking_and_logging_out_end_access_and_refresh_tokens_at_once() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, unlinked) = stage.logged_in(shop, OFFLINE);
    let sub = claims_of(text(&unlinked, "id_token"))["sub"].as_str().unwrap().to_owned();
    assert_eq!(stage.link(&sub, &json!({ "member_id": "M1" })).0, 201);
    assert_eq!(stage.api(shop, Method::DELETE, &format!("/v1/links/{sub}"), None).0, 204);
    let (mut browser, _, left) = stage.logged_in(shop, OFFLINE);
    browser.go(&shop.logout_url(&[("id_token_hint", text(&left, "id_token"))]));
    for tokens in [unlinked, left] {
        assert_eq!(shop.userinfo(world, text(&tokens, "access_token")).status, 401);
        assert_eq!(refusal(&shop.refresh(world, text(&tokens, "refresh_token"))), invalid_grant());
    }
}

#[test]
fn revoking_a_refresh_token_ends_its_family_and_an_access_token_only_itself() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let other = stage.client("other", &json!({}));
    let revoke = |shop: &Shop, token: &str| shop.call(world, "/revoke", &[("token", token)]).status.as_u16();
    let lives = |token: &str| shop.userinfo(world, token).status == 200;
    let (_, _, first) = stage.logged_in(shop, OFFLINE);
    let second = json_body(&shop.refresh(world, text(&first, "refresh_token")));
    for token in ["unknown", text(&second, "access_token"), text(&second, "refresh_token")] {
        assert_eq!(revoke(&other, token), 200, "who asks about others' tokens learns nothing");
    }
    assert!(lives(text(&first, "access_token")) && lives(text(&second, "access_token")));
    assert_eq!(revoke(shop, text(&first, "access_token")), 200);
    assert!(!lives(text(&first, "access_token")) && lives(text(&second, "access_token")));
    assert_eq!(revoke(shop, text(&second, "refresh_token")), 200);
    assert!(!lives(text(&second, "access_token")));
    assert_eq!(refusal(&shop.refresh(world, text(&second, "refresh_token"))), invalid_grant());
    assert_eq!(refusal(&shop.call(world, "/revoke", &[])), (400, "invalid_request".to_owned()));
    let answer = shop.call(world, "/revoke", &[("token", "unknown")]);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "some clients read nothing else");
    assert_eq!(answer.body, b"{}");
}

#[test]
fn a_shops_backend_trades_a_liff_id_token_once_for_tokens_without_a_cookie() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    let liff = |at: i64| {
        let login = LiffLogin::new(user.clone(), ACCOUNT.login_channel);
        world.line().liff_id_token(at, &login).unwrap()
    };
    let trade = |shop: &Shop, token: &str| {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("subject_token", token),
            ("scope", "openid profile offline_access"),
        ];
        shop.call(world, "/token", &fields)
    };
    let token = liff(world.now().0);
    let reply = trade(shop, &token);
    let tokens = json_body(&reply);
    assert_eq!((reply.status, reply.headers.get(header::SET_COOKIE)), (StatusCode::OK, None), "{tokens}");
    assert_eq!(tokens["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let claims = shop.signed(world, text(&tokens, "id_token"));
    assert_eq!(claims["sub"], stage.subject(&user));
    assert_eq!(claims["name"], "花子");
    assert_eq!(shop.refresh(world, text(&tokens, "refresh_token")).status, 200);
    assert_eq!(refusal(&trade(shop, &token)), invalid_grant(), "once");
    assert_eq!(shop.userinfo(world, text(&tokens, "access_token")).status, 200, "and the first stays good");

    assert_eq!(refusal(&trade(shop, &liff(world.now().0 - 11 * MINUTE))), invalid_grant(), "too old");
    assert_eq!(refusal(&trade(shop, "no.id.token")), invalid_grant());
    let public = stage.client("public", &json!({ "token_endpoint_auth_method": "none" }));
    let fresh = liff(world.now().0);
    assert_eq!(refusal(&trade(&public, &fresh)), (400, "unauthorized_client".to_owned()));
    world.line().rotate_liff_key();
    world.advance(5 * SECOND);
    assert_eq!(trade(shop, &liff(world.now().0)).status, 200, "a new key of LINE's is looked for");
}

#[test]
fn a_liff_token_that_shows_no_profile_takes_nothing_away_from_what_is_known() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    Browser::of(world, &user).log_in(shop, &shop.begin("1"), Consent::Plain);
    let login = LiffLogin { scope: "openid".to_owned(), ..LiffLogin::new(user, ACCOUNT.login_channel) };
    let token = world.line().liff_id_token(world.now().0, &login).unwrap();
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", token.as_str()),
    ];
    let tokens = json_body(&shop.call(world, "/token", &fields));
    let claims = shop.signed(world, text(&tokens, "id_token"));
    assert_eq!(claims["name"], "花子");
    assert!(claims["picture"].is_string());
}

#[test]
fn an_access_token_says_how_long_it_lasts_also_at_the_end_of_its_grant() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, _, mut tokens) = stage.logged_in(shop, OFFLINE);
    for days in [29, 29, 29, 2] {
        world.advance(days * DAY);
        tokens = json_body(&shop.refresh(world, text(&tokens, "refresh_token")));
    }
    world.advance(DAY - 10 * MINUTE);
    let last = json_body(&shop.refresh(world, text(&tokens, "refresh_token")));
    assert_eq!(last["expires_in"], 600);
}

#[test]
fn of_two_who_trade_one_liff_token_at_once_one_succeeds() {
    let stage = Stage::new(7);
    let (world, shop) = (&stage.world, &stage.shop);
    let login = LiffLogin::new(stage.person("花子"), ACCOUNT.login_channel);
    let token = world.line().liff_id_token(world.now().0, &login).unwrap();
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", token.as_str()),
    ];
    let asked = (0..5).map(|_| world.serve(shop.request("/token", &fields)));
    let statuses: Vec<_> = world.together(asked).into_iter().map(|reply| reply.unwrap().status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[test]
fn whoever_guesses_a_secret_is_slowed_down_and_the_right_client_is_not() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let guess = |secret: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_id", &shop.client_id),
            ("client_secret", secret),
        ];
        let mut request = form(&format!("{}/token", ACCOUNT.issuer), &fields);
        request.headers.insert("cf-connecting-ip", HeaderValue::from_static("203.0.113.7"));
        world.answer(request)
    };
    let statuses: Vec<u16> = (0..12).map(|n| guess(&format!("guess {n}")).status.as_u16()).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 429, 429]);
    let slowed = guess("guess");
    assert_eq!(refusal(&slowed), (429, "too_many_requests".to_owned()));
    assert_eq!(slowed.headers[header::RETRY_AFTER], "60");
    assert_eq!(refusal(&guess(&shop.client_secret)), invalid_grant(), "the right secret passes");
    world.advance(MINUTE);
    assert_eq!(guess("guess").status, 401);
}

#[test]
fn a_client_that_floods_the_token_endpoint_is_told_when_to_come_back() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let ask = |shop: &Shop| shop.refresh(world, "unknown").status.as_u16();
    let flooded = (0..6_001).map(|_| ask(shop)).filter(|status| *status == 429).count();
    assert_eq!(flooded, 1);
    let other = stage.client("other", &json!({}));
    assert_eq!(ask(&other), 400, "one client's flood is nobody else's");
}

#[test]
fn the_token_endpoint_takes_forms_by_post_and_nothing_else() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let url = format!("{}/token", ACCOUNT.issuer);
    assert_eq!(world.get(&url).status, 405);
    for media_type in ["application/json", "multipart/form-data", "text/plain", ""] {
        let mut asked = shop.request("/token", &[("grant_type", "refresh_token"), ("refresh_token", "x")]);
        asked.headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        assert_eq!(refusal(&world.answer(asked)), (400, "invalid_request".to_owned()), "{media_type}");
    }
    let twice = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("refresh_token", "x")];
    assert_eq!(refusal(&shop.call(world, "/token", &twice)), (400, "invalid_request".to_owned()));
    for (fields, error) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (vec![("grant_type", "client_credentials")], "unsupported_grant_type"),
        (vec![("grant_type", "authorization_code")], "invalid_request"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
    ] {
        assert_eq!(refusal(&shop.call(world, "/token", &fields)), (400, error.to_owned()), "{fields:?}");
    }
}

#[test]
fn the_line_user_id_is_told_to_who_has_the_scope_line() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, login, tokens) = stage.logged_in(shop, "openid line");
    let told = [
        shop.verified(world, &login, &tokens),
        json_body(&shop.userinfo(world, text(&tokens, "access_token"))),
    ];
    let user = &world.query("SELECT line_user_id FROM line_users")[0]["line_user_id"];
    for claims in told {
        assert_eq!(&claims["line_user_id"], user);
    }
}

#[test]
fn a_public_client_that_sends_an_empty_secret_has_none() {
    let stage = Stage::new(1);
    let public = stage.client("public", &json!({ "token_endpoint_auth_method": "none" }));
    let ask = |shop: &Shop| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        let mut asked = form(&format!("{}/token", ACCOUNT.issuer), &fields);
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:", shop.client_id)));
        asked.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic).unwrap());
        refusal(&stage.world.answer(asked))
    };
    assert_eq!(ask(&public), invalid_grant());
    assert_eq!(ask(&stage.shop), (401, "invalid_client".to_owned()), "who has a secret must show it");
}

#[test]
fn basic_credentials_are_encoded_as_in_a_form() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    for (id, secret) in [
        (escaped(&shop.client_id), shop.client_secret.clone()),
        (shop.client_id.clone(), escaped(&shop.client_secret)),
    ] {
        let mut request = shop.request("/token", &fields);
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic).unwrap());
        assert_eq!(refusal(&stage.world.answer(request)), invalid_grant(), "{id}:{secret}");
    }
}

#[test]
fn one_way_of_authentication_and_the_one_that_was_agreed() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let post_only = stage.client("post", &json!({ "token_endpoint_auth_method": "client_secret_post" }));
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    assert_eq!(post_only.call(world, "/token", &fields).status, 401, "Basic was not agreed");
    let posted: Vec<_> = fields
        .into_iter()
        .chain([("client_id", &*post_only.client_id), ("client_secret", &*post_only.client_secret)])
        .collect();
    let url = format!("{}/token", ACCOUNT.issuer);
    assert_eq!(refusal(&world.answer(form(&url, &posted))), invalid_grant());
    let both = post_only.request("/token", &posted);
    assert_eq!(refusal(&world.answer(both)), (400, "invalid_request".to_owned()));
    let mut nobody = request(Method::POST, &url);
    nobody.headers = form(&url, &[]).headers;
    assert_eq!(refusal(&world.answer(nobody)), (400, "invalid_request".to_owned()));
}
