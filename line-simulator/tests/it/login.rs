//! LINE Login: from the authorization request to the tokens.

use http::Request;
use line_simulator::{AutoLogin, Friendship};
use serde_json::{Value, json};

use crate::journey::{
    VERIFIER, authorize, claims, code_of, consent, exchange, exchange_with, location, parameter, user,
};
use crate::{CALLBACK, Line, NOW, body_of, config, header};

#[test]
fn auto_login_asks_consent_once_and_then_nothing() {
    let mut line = Line::new();
    let id = user(&mut line, AutoLogin::On);
    let screen = location(&authorize(&mut line, ""));
    let page = line.get(&screen);
    assert!(String::from_utf8_lossy(page.body()).contains("data-testid=\"allow\""));
    let callback = consent(&mut line, &screen, false);
    assert!(callback.starts_with("https://shop.example/line/callback?code="));
    assert_eq!(parameter(&callback, "state").unwrap(), "9f8e7d6c");
    assert_eq!(parameter(&callback, "friendship_status_changed"), None);

    let again = location(&authorize(&mut line, ""));
    let tokens = body_of(&exchange(&mut line, &parameter(&again, "code").unwrap()));
    let claims = claims(&tokens);
    assert_eq!(claims["sub"], id.as_str());
    assert_eq!(claims["nonce"], "n1");
    assert_eq!(claims["amr"], json!(["lineautologin"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3_600);
    assert_eq!(claims["iss"], "https://access.line.me");
    assert_eq!(tokens["expires_in"], 2_592_000);
    assert!(line.sim.violations().is_empty());
}

#[test]
fn a_failed_auto_login_calls_back_with_a_dead_code_and_a_foreign_state() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::Fails);
    let callback = location(&authorize(&mut line, ""));
    assert!(callback.starts_with(CALLBACK));
    assert_ne!(parameter(&callback, "state").unwrap(), "9f8e7d6c");
    let refused = exchange(&mut line, &parameter(&callback, "code").unwrap());
    assert_eq!(body_of(&refused)["error"], "invalid_grant");
    assert_eq!(line.kinds(), ["dead-code-exchanged"]);
}

#[test]
fn with_auto_login_disabled_the_session_is_offered_instead() {
    let mut line = Line::new();
    let id = user(&mut line, AutoLogin::Fails);
    let screen = location(&authorize(&mut line, "&disable_auto_login=true"));
    let page = String::from_utf8(line.get(&screen).into_body()).unwrap();
    assert!(page.contains("花子としてログイン"));
    let screen = location(&line.form(&format!("{screen}/continue"), "decision=continue"));
    let callback = consent(&mut line, &screen, false);
    let tokens = body_of(&exchange(&mut line, &parameter(&callback, "code").unwrap()));
    assert_eq!(claims(&tokens)["amr"], json!(["linesso"]));
    assert_eq!(claims(&tokens)["sub"], id.as_str());
}

#[test]
fn without_a_session_the_form_lists_the_users_and_sets_the_cookie() {
    let mut line = Line::new();
    let id = line.friend("太郎");
    let screen = location(&authorize(&mut line, ""));
    let page = String::from_utf8(line.get(&screen).into_body()).unwrap();
    assert!(page.contains("data-testid=\"login-as-太郎\""));
    let screen = location(&line.form(&format!("{screen}/login"), &format!("user_id={id}")));
    assert_eq!(line.cookie.as_deref(), Some(format!("line_sim_user={id}").as_str()));
    let callback = consent(&mut line, &screen, false);
    let tokens = body_of(&exchange(&mut line, &parameter(&callback, "code").unwrap()));
    assert_eq!(claims(&tokens)["amr"], json!(["pwd"]));
}

#[test]
fn the_form_lists_whoever_was_made_last() {
    let mut line = Line::new();
    for number in 1..=60 {
        line.friend(&format!("客{number}番"));
    }
    let screen = location(&authorize(&mut line, ""));
    let page = String::from_utf8(line.get(&screen).into_body()).unwrap();
    let is_listed = |number: u8| page.contains(&format!("data-testid=\"login-as-客{number}番\""));
    assert!(is_listed(60) && is_listed(11) && !is_listed(10), "{page}");
}

#[test]
fn prompt_none_needs_auto_login_and_consent() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::Off);
    let callback = location(&authorize(&mut line, "&prompt=none"));
    assert_eq!(parameter(&callback, "error").unwrap(), "LOGIN_REQUIRED");
    user(&mut line, AutoLogin::On);
    let callback = location(&authorize(&mut line, "&prompt=none"));
    assert_eq!(parameter(&callback, "error").unwrap(), "INTERACTION_REQUIRED");
    code_of(&mut line);
    let callback = location(&authorize(&mut line, "&prompt=none"));
    assert!(parameter(&callback, "code").is_some());
}

#[test]
fn the_friend_box_adds_the_friend_and_is_checked_only_for_a_certified_provider() {
    for certified in [false, true] {
        let mut line = Line::with(config(certified, None));
        let id = user(&mut line, AutoLogin::On);
        let screen = location(&authorize(&mut line, "&bot_prompt=normal"));
        let page = String::from_utf8(line.get(&screen).into_body()).unwrap();
        assert_eq!(page.contains("value=\"true\" checked"), certified);
        let callback = consent(&mut line, &screen, true);
        assert_eq!(parameter(&callback, "friendship_status_changed").unwrap(), "true");
        assert_eq!(line.sim.user(&id).unwrap().friendship("2000000001"), Friendship::Friend);
        assert_eq!(line.sim.take_webhooks().len(), 1);
    }
}

#[test]
fn declining_the_friend_box_says_false_and_changes_nothing() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let screen = location(&authorize(&mut line, "&bot_prompt=normal"));
    let callback = consent(&mut line, &screen, false);
    assert_eq!(parameter(&callback, "friendship_status_changed").unwrap(), "false");
    assert!(line.sim.take_webhooks().is_empty());
}

#[test]
fn aggressive_shows_its_own_screen_after_consent_and_unblocks() {
    let mut line = Line::new();
    let id = user(&mut line, AutoLogin::On);
    line.sim.unfollow(NOW, &id).unwrap();
    line.sim.take_webhooks();
    let screen = location(&authorize(&mut line, "&bot_prompt=aggressive"));
    let screen = consent(&mut line, &screen, false);
    assert!(screen.starts_with("/sim/authorize/"));
    let callback = location(&line.form(&format!("{screen}/friend"), "decision=allow"));
    assert_eq!(parameter(&callback, "friendship_status_changed").unwrap(), "true");
    let webhooks = line.sim.take_webhooks();
    let body: Value = serde_json::from_slice(&webhooks[0].body).unwrap();
    assert_eq!(body["events"][0]["follow"]["isUnblocked"], true);
}

#[test]
fn cancelling_is_access_denied() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let screen = location(&authorize(&mut line, ""));
    let callback = location(&line.form(&format!("{screen}/consent"), "decision=cancel"));
    assert_eq!(parameter(&callback, "error").unwrap(), "ACCESS_DENIED");
    assert_eq!(parameter(&callback, "state").unwrap(), "9f8e7d6c");
}

#[test]
fn an_unregistered_callback_is_a_page_and_no_redirect() {
    let mut line = Line::new();
    let reply = line.get(
        "/oauth2/v2.1/authorize?response_type=code&client_id=1234567890&state=a&scope=openid\
         &redirect_uri=https%3A%2F%2Fevil.example%2F",
    );
    assert_eq!(reply.status(), 400);
    assert_eq!(header(&reply, "location"), "");
    assert_eq!(line.kinds(), ["unregistered-redirect"]);
}

#[test]
fn a_missing_state_is_an_error_at_the_callback() {
    let mut line = Line::new();
    let callback = location(&line.get(
        "/oauth2/v2.1/authorize?response_type=code&client_id=1234567890&scope=openid\
         &redirect_uri=https%3A%2F%2Fshop.example%2Fline%2Fcallback",
    ));
    assert_eq!(parameter(&callback, "error").unwrap(), "INVALID_REQUEST");
    assert_eq!(parameter(&callback, "error_description").unwrap(), "'state' is not specified.");
}

#[test]
fn ui_locales_may_be_asked_for_and_must_be_language_tags() {
    let mut line = Line::new();
    authorize(&mut line, "&ui_locales=ja%20en-US");
    assert!(line.sim.violations().is_empty());
    authorize(&mut line, "&ui_locales=ja,en");
    assert_eq!(line.kinds(), ["authorize-parameter"]);
}

#[test]
fn a_state_with_other_characters_is_a_violation() {
    let mut line = Line::new();
    line.get(
        "/oauth2/v2.1/authorize?response_type=code&client_id=1234567890&scope=openid&state=a-b\
         &redirect_uri=https%3A%2F%2Fshop.example%2Fline%2Fcallback",
    );
    assert_eq!(line.kinds(), ["state-not-alphanumeric"]);
}

#[test]
fn a_code_is_spent_even_by_an_exchange_that_fails() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let code = code_of(&mut line);
    assert_eq!(exchange_with(&mut line, &code, VERIFIER, "wrong").status(), 400);
    assert_eq!(body_of(&exchange(&mut line, &code))["error"], "invalid_grant");
    assert_eq!(line.kinds(), ["code-reused"]);
}

#[test]
fn a_code_is_over_after_ten_minutes() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let code = code_of(&mut line);
    line.now += 10 * 60_000 + 1;
    assert_eq!(body_of(&exchange(&mut line, &code))["error"], "invalid_grant");
}

#[test]
fn a_verifier_of_another_challenge_is_refused() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let code = code_of(&mut line);
    let refused = exchange_with(
        &mut line,
        &code,
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "1234567890abcdefghij1234567890ab",
    );
    assert_eq!(body_of(&refused)["error"], "invalid_grant");
}

#[test]
fn token_parameters_in_the_query_string_fail_and_are_a_violation() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let code = code_of(&mut line);
    let path = format!("/oauth2/v2.1/token?grant_type=authorization_code&code={code}");
    assert_eq!(line.form(&path, "").status(), 400);
    assert_eq!(line.get("/oauth2/v2.1/token").status(), 405);
    assert_eq!(line.kinds(), ["token-parameters-in-query", "token-by-get"]);
}

#[test]
fn a_users_token_opens_profile_friendship_and_verify_until_deauthorized() {
    let mut line = Line::new();
    let id = user(&mut line, AutoLogin::On);
    let code = code_of(&mut line);
    let tokens = body_of(&exchange(&mut line, &code));
    let access_token = tokens["access_token"].as_str().unwrap().to_owned();
    assert_eq!(body_of(&line.read_as("/v2/profile", &access_token))["userId"], id.as_str());
    let friendship = |line: &mut Line| body_of(&line.read_as("/friendship/v1/status", &access_token));
    assert_eq!(friendship(&mut line), json!({ "friendFlag": false }));
    line.sim.follow(NOW, &id).unwrap();
    assert_eq!(friendship(&mut line), json!({ "friendFlag": true }));
    let verify = format!("/oauth2/v2.1/verify?access_token={access_token}");
    assert_eq!(body_of(&line.get(&verify))["client_id"], "1234567890");

    let channel = line.stateless_token("1234567890", "1234567890abcdefghij1234567890ab");
    let deauthorize = |line: &mut Line, bearer: &str| {
        let request = Request::post("/user/v1/deauthorize").header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {bearer}"));
        let body = json!({ "userAccessToken": access_token }).to_string().into_bytes();
        line.send(request.body(body).unwrap())
    };
    let messaging = line.stateless_token("2000000001", "5f2d1c3b4a69788796a5b4c3d2e1f00f");
    assert_eq!(deauthorize(&mut line, &messaging).status(), 401);
    assert_eq!(deauthorize(&mut line, &channel).status(), 204);
    assert_eq!(body_of(&deauthorize(&mut line, &channel))["message"], "invalid token");
    assert_eq!(line.get(&verify).status(), 400);
    assert!(location(&authorize(&mut line, "")).starts_with("/sim/authorize/"));
    assert_eq!(line.kinds(), ["wrong-token-type"]);
}

#[test]
fn a_refresh_returns_the_same_refresh_token() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let code = code_of(&mut line);
    let tokens = body_of(&exchange(&mut line, &code));
    let refresh = format!(
        "grant_type=refresh_token&client_id=1234567890&client_secret=1234567890abcdefghij1234567890ab&refresh_token={}",
        tokens["refresh_token"].as_str().unwrap()
    );
    let renewed = body_of(&line.form("/oauth2/v2.1/token", &refresh));
    assert_eq!(renewed["refresh_token"], tokens["refresh_token"]);
    assert_ne!(renewed["access_token"], tokens["access_token"]);
    line.now += 90 * 24 * 3_600_000;
    assert_eq!(line.form("/oauth2/v2.1/token", &refresh).status(), 400);
}

#[test]
fn max_age_brings_auth_time_and_an_old_session_logs_in_again() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::Off);
    let screen = location(&authorize(&mut line, "&max_age=60"));
    let page = String::from_utf8(line.get(&screen).into_body()).unwrap();
    assert!(page.contains("LINEにログイン"), "the session is older than a minute");
    let id = line.sim.users()[0].id.clone();
    let screen = location(&line.form(&format!("{screen}/login"), &format!("user_id={id}")));
    let callback = consent(&mut line, &screen, false);
    let tokens = body_of(&exchange(&mut line, &parameter(&callback, "code").unwrap()));
    assert_eq!(claims(&tokens)["auth_time"], NOW / 1_000);
}

#[test]
fn an_id_token_is_verified_by_the_api_too() {
    let mut line = Line::new();
    user(&mut line, AutoLogin::On);
    let code = code_of(&mut line);
    let tokens = body_of(&exchange(&mut line, &code));
    let id_token = tokens["id_token"].as_str().unwrap().to_owned();
    let verify = |line: &mut Line, nonce: &str| {
        let body = format!("client_id=1234567890&id_token={id_token}&nonce={nonce}");
        body_of(&line.form("/oauth2/v2.1/verify", &body))
    };
    assert_eq!(verify(&mut line, "n1")["aud"], "1234567890");
    assert_eq!(verify(&mut line, "other")["error_description"], "Invalid IdToken Nonce.");
    line.now += 3_600_001;
    assert_eq!(verify(&mut line, "n1")["error_description"], "IdToken expired.");
}
