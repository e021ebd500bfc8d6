//! Two accounts in which everything has the same name: what one gave is nothing at the other.

use enishi::web::cookie;
use enishi_world::{ACCOUNT, OTHER_ACCOUNT, World};
use http::{Method, header};
use serde_json::json;

use super::{error_of, location, logged_in, session_cookie, text, with_bearer, with_cookies};
use crate::support::{Browser, Consent, LINE_TOKEN, Login, Shop, Stage, form, json_body, query};

/// The first shop, and another account whose client, secrets, keys and addresses are the same.
fn twins(stage: &Stage) -> Shop {
    let twin = Shop::of(OTHER_ACCOUNT, "0");
    let mut body = twin.account_body();
    body["api_key"] = json!("the-api-key-of-the-twin-of-storefront-0");
    let reply = stage.put_account(OTHER_ACCOUNT.host, &body);
    assert_eq!(reply.status, 201, "{}", json_body(&reply));
    twin
}

/// The same login, at the twin's address.
fn there(login: &Login) -> Login {
    Login { url: login.url.replace(ACCOUNT.issuer, OTHER_ACCOUNT.issuer), ..login.clone() }
}

fn userinfo(world: &World, shop: &Shop, token: &str) -> u16 {
    world.answer(with_bearer(Method::GET, &format!("{}/userinfo", shop.line.issuer), token)).status.as_u16()
}

#[test]
fn what_one_account_gave_is_nothing_at_its_twin() {
    let stage = Stage::new(1);
    let twin = twins(&stage);
    let (world, shop) = (&stage.world, &stage.shop);
    assert_eq!(
        (&twin.client_id, &twin.client_secret, &twin.redirect_uri),
        (&shop.client_id, &shop.client_secret, &shop.redirect_uri)
    );
    let (login, code) = logged_in(&stage, shop, "1");
    let (browser, _, tokens) = stage.logged_in(shop, "openid offline_access");
    let [access, refresh, hint] =
        ["access_token", "refresh_token", "id_token"].map(|name| text(&tokens, name));
    assert_eq!(error_of(&twin.redeem(world, &login, &code)), (400, "invalid_grant".to_owned()));
    assert_eq!(error_of(&twin.refresh(world, &refresh)), (400, "invalid_grant".to_owned()));
    assert_eq!(userinfo(world, &twin, &access), 401);
    for token in [&access, &refresh] {
        assert_eq!(twin.call(world, "/revoke", &[("token", token)]).status, 200);
    }
    let logout = twin.logout_url(&[("id_token_hint", &hint)]);
    assert!(world.get(&logout).headers.get(header::SET_COOKIE).is_none());
    let own = format!("{}={}", cookie::SESSION, session_cookie(&browser));
    let silent = twin.begin("s").with("prompt", "none");
    let reply = world.answer(with_cookies(enishi_world::request(Method::GET, &silent.url), &own));
    assert_eq!(twin.answer(&silent, location(&reply).unwrap())("error").as_deref(), Some("login_required"));
    let confirm = form(&format!("{}/logout/confirm", OTHER_ACCOUNT.issuer), &[("choice", "leave")]);
    assert_eq!(world.answer(with_cookies(confirm, &own)).status, 400);
    // None of that has ended anything at home.
    assert_eq!(userinfo(world, shop, &access), 200);
    assert_eq!(stage.count("sessions WHERE ended_at IS NOT NULL"), 0);
    shop.claims(world, &login, &code);
    assert_eq!(shop.refresh(world, &refresh).status, 200);
}

#[test]
fn a_login_that_began_at_one_account_does_not_end_at_its_twin() {
    let stage = Stage::new(1);
    let twin = twins(&stage);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let login = shop.begin("1");
    let line = browser.go(&login.url).location.unwrap();
    let callback = browser.at_line(&line, Consent::Plain);
    let cookies = browser.request(&callback).headers[header::COOKIE].to_str().unwrap().to_owned();
    let elsewhere = callback.replace(ACCOUNT.issuer, OTHER_ACCOUNT.issuer);
    let reply = world.answer(with_cookies(enishi_world::request(Method::GET, &elsewhere), &cookies));
    assert_eq!((reply.status.as_u16(), location(&reply)), (400, None), "with cookie and all");
    // An attempt of the twin's own with LINE's code of here: its channel is another.
    let line = browser.go(&there(&login).url).location.unwrap();
    let sealed = query(&line)("state").unwrap();
    let code = query(&callback)("code").unwrap();
    let mixed = format!("{}/line/callback?code={code}&state={sealed}", OTHER_ACCOUNT.issuer);
    let reply = world.answer(browser.request(&mixed));
    assert_eq!((reply.status.as_u16(), location(&reply)), (400, None));
    assert!(stage.answers_of(LINE_TOKEN).iter().all(|status| *status != Some(200)));
    assert_eq!(stage.count("sessions"), 0);
    assert_eq!(query(&line)("client_id").as_deref(), Some(OTHER_ACCOUNT.login_channel));
    assert_eq!(twin.line.host, OTHER_ACCOUNT.host);
}

#[test]
fn a_pushed_request_of_one_account_opens_nothing_at_its_twin() {
    let stage = Stage::new(1);
    let twin = twins(&stage);
    let (world, shop) = (&stage.world, &stage.shop);
    let pushed = shop.push(world, &shop.begin("1"), &[("member_id", "m-1")]);
    let opening = shop.opening(&pushed);
    let elsewhere = opening.replace(ACCOUNT.issuer, OTHER_ACCOUNT.issuer);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let shown = browser.go(&elsewhere);
    assert_eq!((shown.status, shown.location), (400, None));
    assert_eq!(browser.go(&opening).status, 302, "nor is it spent by it");
    assert_eq!(twin.client_id, shop.client_id);
}

#[test]
fn a_client_that_two_accounts_share_can_tell_by_the_issuer_whose_answer_it_got() {
    let stage = Stage::new(1);
    let twin = twins(&stage);
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin("1");
    for (shop, login) in [(shop, login.clone()), (&twin, there(&login))] {
        for login in
            [login.clone(), login.clone().with("prompt", "none"), login.clone().but("scope", Some("x"))]
        {
            let mut browser = Browser::of(world, &stage.person("花子"));
            let to = browser.log_in(shop, &login, Consent::Plain);
            assert_eq!(query(&to)("iss").as_deref(), Some(shop.line.issuer));
        }
    }
    let (login, code) = logged_in(&stage, &twin, "2");
    assert_eq!(
        error_of(&shop.redeem(world, &login, &code)),
        (400, "invalid_grant".to_owned()),
        "sent to the wrong one"
    );
    twin.claims(world, &login, &code);
}

#[test]
fn a_client_of_one_account_is_unknown_at_the_other_and_so_is_its_key() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let world = &stage.world;
    let own = stage.client("own", &json!({}));
    for (shop, issuer) in [(&other, ACCOUNT.issuer), (&own, OTHER_ACCOUNT.issuer)] {
        let login = shop.begin("1");
        let url = login.url.replace(shop.line.issuer, issuer);
        let reply = world.get(&url);
        assert_eq!((reply.status.as_u16(), location(&reply)), (400, None));
        for path in ["/token", "/par", "/revoke"] {
            let mut asked = shop
                .request(path, &[("token", "x"), ("grant_type", "refresh_token"), ("refresh_token", "x")]);
            asked.authority = issuer.trim_start_matches("http://").to_owned();
            assert_eq!(error_of(&world.answer(asked)), (401, "invalid_client".to_owned()), "{path}");
        }
        for path in ["/v1/clients", "/v1/signing-keys", "/v1/links?member_id=m-1"] {
            let reply = world.answer(with_bearer(Method::GET, &format!("{issuer}{path}"), &shop.api_key));
            assert_eq!(reply.status, 401, "{path}");
        }
        let retry = world.get(&format!("{issuer}/line/retry?client_id={}", shop.client_id));
        assert!(!location(&retry).unwrap().contains(&shop.client_id));
    }
}
