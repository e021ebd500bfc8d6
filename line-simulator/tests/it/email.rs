//! The `email` scope: four things must come together before a token carries the address.

use line_simulator::{AutoLogin, Config, LoginChannel, NewUser};
use serde_json::{Value, json};

use crate::journey::{authorize, authorize_scope, claims, consent, exchange, location, parameter};
use crate::{CALLBACK, Line, body_of, config};

const ASKED: &str = "profile%20openid%20email";
const ADDRESS: &str = "hanako@example.com";
const BOX: &str = "name=\"email\" value=\"true\" checked data-testid=\"email\"";

/// Whose phone logs in by itself, so that only the consent screen is left.
fn user(line: &mut Line, email: Option<&str>) -> String {
    let email = email.map(str::to_owned);
    let user = line.sim.add_user(NewUser {
        name: "花子".into(),
        auto_login: AutoLogin::On,
        email,
        ..NewUser::default()
    });
    line.cookie = Some(format!("line_sim_user={user}"));
    user.to_string()
}

fn ask(line: &mut Line, extra: &str) -> String {
    location(&authorize_scope(line, ASKED, extra))
}

fn page(line: &mut Line, screen: &str) -> String {
    String::from_utf8(line.get(screen).into_body()).unwrap()
}

fn submit(line: &mut Line, screen: &str, fields: &str) -> String {
    location(&line.form(&format!("{screen}/consent"), fields))
}

fn tokens(line: &mut Line, callback: &str) -> Value {
    body_of(&exchange(line, &parameter(callback, "code").unwrap()))
}

#[test]
fn an_address_that_is_asked_for_and_allowed_is_in_the_id_token_and_never_in_the_scope() {
    let mut line = Line::new();
    user(&mut line, Some(ADDRESS));
    let screen = ask(&mut line, "");
    let shown = page(&mut line, &screen);
    assert!(shown.contains(BOX) && shown.contains(ADDRESS), "{shown}");
    let callback = submit(&mut line, &screen, "decision=allow&email=true");
    let tokens = tokens(&mut line, &callback);
    assert_eq!(claims(&tokens)["email"], ADDRESS);
    assert_eq!(tokens["scope"], "profile openid");
    let verify = format!("/oauth2/v2.1/verify?access_token={}", tokens["access_token"].as_str().unwrap());
    assert_eq!(body_of(&line.get(&verify))["scope"], "profile openid");
    assert!(line.sim.violations().is_empty());
}

#[test]
fn a_box_left_unchecked_refuses_the_address_alone() {
    let mut line = Line::new();
    let id = user(&mut line, Some(ADDRESS));
    let screen = ask(&mut line, "");
    let callback = submit(&mut line, &screen, "decision=allow");
    let claims = claims(&tokens(&mut line, &callback));
    assert_eq!((&claims["sub"], &claims["name"]), (&json!(id), &json!("花子")));
    assert_eq!(claims.get("email"), None);
}

#[test]
fn an_address_granted_once_is_not_asked_for_again_until_it_changes() {
    let mut line = Line::new();
    let id = user(&mut line, Some(ADDRESS));
    let screen = ask(&mut line, "");
    submit(&mut line, &screen, "decision=allow&email=true");
    let callback = ask(&mut line, "");
    assert!(callback.starts_with(CALLBACK), "{callback}");
    assert_eq!(claims(&tokens(&mut line, &callback))["email"], ADDRESS);

    line.json(&format!("/sim/users/{id}/email"), &json!({ "email": "new@example.com" }));
    let screen = ask(&mut line, "");
    assert!(page(&mut line, &screen).contains("new@example.com"));
    let callback = submit(&mut line, &screen, "decision=allow&email=true");
    assert_eq!(claims(&tokens(&mut line, &callback))["email"], "new@example.com");
}

#[test]
fn who_consented_without_the_address_or_refused_it_is_asked_when_it_is_wanted() {
    let mut line = Line::new();
    user(&mut line, Some(ADDRESS));
    let screen = location(&authorize(&mut line, ""));
    assert!(!page(&mut line, &screen).contains(BOX));
    consent(&mut line, &screen, false);
    for fields in ["decision=allow", "decision=allow&email=true"] {
        let screen = ask(&mut line, "");
        assert!(page(&mut line, &screen).contains(BOX));
        submit(&mut line, &screen, fields);
    }
    assert!(ask(&mut line, "").starts_with(CALLBACK));
}

#[test]
fn unchecking_the_box_later_takes_the_consent_back() {
    let mut line = Line::new();
    user(&mut line, Some(ADDRESS));
    for fields in ["decision=allow&email=true", "decision=allow"] {
        let screen = ask(&mut line, "&prompt=consent");
        submit(&mut line, &screen, fields);
    }
    assert!(page_of_next(&mut line).contains(BOX));
    assert!(location(&authorize(&mut line, "")).starts_with(CALLBACK), "the rest is still allowed");
}

fn page_of_next(line: &mut Line) -> String {
    let screen = ask(line, "");
    page(line, &screen)
}

#[test]
fn a_login_that_does_not_ask_gets_no_address_although_it_was_granted() {
    let mut line = Line::new();
    user(&mut line, Some(ADDRESS));
    let screen = ask(&mut line, "");
    submit(&mut line, &screen, "decision=allow&email=true");
    let callback = location(&authorize(&mut line, ""));
    assert_eq!(claims(&tokens(&mut line, &callback)).get("email"), None);
}

#[test]
fn without_the_channels_permission_or_an_address_nothing_is_asked_and_nothing_granted() {
    let unpermitted: Vec<LoginChannel> = config(false, None)
        .login_channels
        .into_iter()
        .map(|channel| LoginChannel { email_permission: false, ..channel })
        .collect();
    let cases = [
        (Config { login_channels: unpermitted, ..config(false, None) }, Some(ADDRESS)),
        (config(false, None), None),
    ];
    for (config, email) in cases {
        let mut line = Line::with(config);
        user(&mut line, email);
        let screen = ask(&mut line, "");
        assert!(!page(&mut line, &screen).contains(BOX));
        let callback = submit(&mut line, &screen, "decision=allow&email=true");
        let tokens = tokens(&mut line, &callback);
        assert_eq!(claims(&tokens).get("email"), None);
        assert_eq!(tokens["scope"], "profile openid");
        assert!(ask(&mut line, "").starts_with(CALLBACK), "there is nothing to ask for");
        assert!(line.sim.violations().is_empty());
    }
}

#[test]
fn email_without_openid_is_an_invalid_scope() {
    let mut line = Line::new();
    user(&mut line, Some(ADDRESS));
    for scope in ["email", "profile%20email"] {
        let callback = location(&authorize_scope(&mut line, scope, ""));
        assert_eq!(parameter(&callback, "error").unwrap(), "INVALID_SCOPE");
    }
    assert_eq!(line.kinds(), ["authorize-parameter", "authorize-parameter"]);
}

#[test]
fn prompt_none_cannot_ask_for_the_address() {
    let mut line = Line::new();
    user(&mut line, Some(ADDRESS));
    let screen = location(&authorize(&mut line, ""));
    consent(&mut line, &screen, false);
    let callback = ask(&mut line, "&prompt=none");
    assert_eq!(parameter(&callback, "error").unwrap(), "INTERACTION_REQUIRED");
}

#[test]
fn the_address_box_and_the_friend_box_are_two_answers() {
    let mut line = Line::new();
    user(&mut line, Some(ADDRESS));
    let screen = ask(&mut line, "&bot_prompt=normal");
    let callback = submit(&mut line, &screen, "decision=allow&friend=true");
    assert_eq!(parameter(&callback, "friendship_status_changed").unwrap(), "true");
    assert_eq!(claims(&tokens(&mut line, &callback)).get("email"), None);
}

#[test]
fn a_user_made_at_the_login_form_may_have_an_address() {
    let mut line = Line::new();
    let screen = ask(&mut line, "");
    let screen =
        location(&line.form(&format!("{screen}/login"), "name=%E5%A4%AA%E9%83%8E&email=taro%40example.com"));
    let callback = submit(&mut line, &screen, "decision=allow&email=true");
    assert_eq!(claims(&tokens(&mut line, &callback))["email"], "taro@example.com");
    let listed = body_of(&line.get("/sim/users"));
    assert_eq!(listed["users"][0]["email"], "taro@example.com");
}
