//! Codes in the wrong hands, at the wrong address, or without their proof.

use enishi::time::{MINUTE, SECOND};
use enishi_world::ACCOUNT;
use serde_json::json;

use super::{altered, at, error_of, location, logged_in, text};
use crate::support::{Browser, Consent, Stage, form, json_body};

#[test]
fn a_code_that_was_altered_or_is_of_another_kind_is_worth_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (login, code) = logged_in(&stage, shop, "1");
    let (_, _, tokens) = stage.logged_in(shop, "openid offline_access");
    let pushed = json_body(&shop.push(world, &shop.begin("pushed"), &[]));
    let mut forged = altered(&code);
    for name in ["access_token", "refresh_token", "id_token"] {
        forged.push((name, text(&tokens, name)));
    }
    forged.push(("a request_uri", text(&pushed, "request_uri")));
    forged.push(("a client's secret", shop.client_secret.clone()));
    assert!(forged.len() >= 23, "{}", forged.len());
    for (how, forged) in &forged {
        let reply = shop.redeem(world, &login, forged);
        assert_eq!(error_of(&reply), (400, "invalid_grant".to_owned()), "{how}");
    }
    shop.claims(world, &login, &code);
}

#[test]
fn a_code_is_worth_nothing_to_another_client_and_is_still_its_owners() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let same = json!({ "redirect_uris": [shop.redirect_uri] });
    let thief = stage.client("2", &same);
    let mut public = same.clone();
    public["token_endpoint_auth_method"] = json!("none");
    let public = stage.client("p", &public);
    let (login, code) = logged_in(&stage, shop, "1");
    let url = at("/token");
    for thief in [&thief, &public] {
        let mut thief_there = shop.redirect_uri.clone();
        for redirect_uri in [&mut thief_there.clone(), &mut thief_there] {
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("redirect_uri", redirect_uri.as_str()),
                ("code_verifier", login.verifier.as_str()),
            ];
            assert_eq!(error_of(&thief.call(world, "/token", &fields)), (400, "invalid_grant".to_owned()));
        }
    }
    // Nor does it help to be one client by Basic and another in the form.
    let mut mixed = thief.token_request(&code, &login.verifier);
    let more = format!("&client_id={}", shop.client_id);
    mixed.body.as_mut().unwrap().extend_from_slice(more.as_bytes());
    assert_eq!(error_of(&world.answer(mixed)), (400, "invalid_request".to_owned()));
    let nameless =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &shop.redirect_uri)];
    assert_eq!(error_of(&world.answer(form(&url, &nameless))), (400, "invalid_request".to_owned()));
    let claims = shop.claims(world, &login, &code);
    assert_eq!(claims["aud"], shop.client_id.as_str());
}

#[test]
fn a_code_is_worth_nothing_at_another_address_of_its_own_client() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let second = format!("{}second", shop.home_uri);
    let mut body = shop.account_body();
    body["clients"][0]["redirect_uris"] = json!([shop.redirect_uri, second]);
    assert_eq!(stage.put_account(ACCOUNT.host, &body).status, 200);
    let (login, code) = logged_in(&stage, shop, "1");
    for uri in [
        second.as_str(),
        &shop.redirect_uri.to_uppercase(),
        &format!("{}/", shop.redirect_uri),
        &format!("{}?", shop.redirect_uri),
        &shop.redirect_uri.replace("127.0.0.1", "localhost"),
        "%",
        " ",
    ] {
        let request = shop.token_request_with(&shop.client_secret, uri, &code, &login.verifier);
        assert_eq!(error_of(&world.answer(request)), (400, "invalid_grant".to_owned()), "{uri}");
    }
    shop.claims(world, &login, &code);
}

#[test]
fn pkce_is_not_to_be_talked_down() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let lax = stage.client("lax", &json!({ "require_pkce": false }));
    let public = stage.client("p", &json!({ "token_endpoint_auth_method": "none", "require_pkce": false }));
    let (login, code) = logged_in(&stage, &lax, "1");
    let (second, _) = logged_in(&stage, &lax, "2");
    let challenge = enishi::oauth::pkce::challenge(&login.verifier);
    for verifier in [
        "",
        " ",
        &challenge,
        &second.verifier,
        &login.verifier.to_uppercase(),
        &login.verifier[..42],
        &format!("{}A", login.verifier),
        &"a".repeat(43),
        &"a".repeat(129),
        "plain",
    ] {
        let reply = world.answer(lax.token_request(&code, verifier));
        assert_eq!(error_of(&reply), (400, "invalid_grant".to_owned()), "{verifier:?}");
    }
    lax.claims(world, &login, &code);
    // An attacker who strips the challenge on the way gets a code that its owner's verifier does not fit.
    let stripped = lax.begin("3").but("code_challenge", None).but("code_challenge_method", None);
    let user = stage.person("花子");
    let code = lax.code(&stripped, &Browser::of(world, &user).log_in(&lax, &stripped, Consent::Plain));
    assert_eq!(error_of(&lax.redeem(world, &stripped, &code)), (400, "invalid_grant".to_owned()));
    // Who must use it cannot leave it out, nor say it plainly.
    for shop in [shop, &public] {
        let login = shop.begin("4");
        for wrong in [
            login.clone().but("code_challenge", None),
            login.clone().but("code_challenge", None).but("code_challenge_method", None),
            login.clone().but("code_challenge_method", None),
            login.clone().but("code_challenge_method", Some("plain")),
            login.clone().but("code_challenge_method", Some("s256")),
            login.clone().but("code_challenge_method", Some("S512")),
            login.clone().but("code_challenge", Some(&"a".repeat(42))),
            login.clone().but("code_challenge", Some(&"a".repeat(44))),
            login.clone().but("code_challenge", Some(&"=".repeat(43))),
            login.clone().but("code_challenge", Some(&format!("{}+", "a".repeat(42)))),
            login.clone().but("code_challenge", Some(&"あ".repeat(43))),
        ] {
            let reply = world.get(&wrong.url);
            let back = shop.answer(&login, location(&reply).unwrap());
            assert_eq!(back("error").as_deref(), Some("invalid_request"), "{}", wrong.url);
            let pushed = shop.push(world, &wrong, &[]);
            assert_eq!(error_of(&pushed), (400, "invalid_request".to_owned()), "{}", wrong.url);
        }
    }
}

#[test]
fn a_code_is_over_after_its_minute_and_with_its_session() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (late, late_code) = logged_in(&stage, shop, "1");
    world.advance(MINUTE);
    assert_eq!(error_of(&shop.redeem(world, &late, &late_code)), (400, "invalid_grant".to_owned()));
    let (browser, _, tokens) = stage.logged_in(shop, "openid");
    let login = shop.begin("2");
    let reply = world.answer(browser.request(&login.url));
    let code = shop.code(&login, location(&reply).unwrap());
    let hint = text(&tokens, "id_token");
    assert_eq!(world.get(&shop.logout_url(&[("id_token_hint", &hint)])).status, 200);
    assert_eq!(error_of(&shop.redeem(world, &login, &code)), (400, "invalid_grant".to_owned()));
}

#[test]
fn what_a_code_gave_ends_with_its_second_use_also_half_a_minute_later_and_however_it_is_presented() {
    for wait in [0, 30 * SECOND, 40 * MINUTE] {
        let stage = Stage::new(1);
        let (world, shop) = (&stage.world, &stage.shop);
        let login = shop.begin("1").but("scope", Some("openid offline_access"));
        let user = stage.person("花子");
        let code = shop.code(&login, &Browser::of(world, &user).log_in(shop, &login, Consent::Plain));
        let tokens = json_body(&shop.redeem(world, &login, &code));
        let renewed = json_body(&shop.refresh(world, &text(&tokens, "refresh_token")));
        world.advance(wait);
        world.tick();
        assert_eq!(error_of(&shop.redeem(world, &login, &code)), (400, "invalid_grant".to_owned()));
        for tokens in [&tokens, &renewed] {
            assert_eq!(shop.userinfo(world, &text(tokens, "access_token")).status, 401, "{wait}");
            assert_eq!(shop.refresh(world, &text(tokens, "refresh_token")).status, 400, "{wait}");
        }
    }
}

#[test]
fn grants_that_are_not_ours_are_not_granted() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let (_, code) = logged_in(&stage, shop, "1");
    for (grant, error) in [
        ("password", "unsupported_grant_type"),
        ("client_credentials", "unsupported_grant_type"),
        ("implicit", "unsupported_grant_type"),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type"),
        ("urn:ietf:params:oauth:grant-type:device_code", "unsupported_grant_type"),
        ("AUTHORIZATION_CODE", "unsupported_grant_type"),
        (" authorization_code", "unsupported_grant_type"),
        ("authorization_code\0", "unsupported_grant_type"),
        ("", "invalid_request"),
    ] {
        let fields = [("grant_type", grant), ("code", code.as_str()), ("username", "a"), ("password", "b")];
        assert_eq!(error_of(&shop.call(world, "/token", &fields)), (400, error.to_owned()), "{grant:?}");
    }
}
