//! Forged ID tokens at the whole callback: LINE's answer to the exchange says what LINE would never say, under either
//! credential of the Login channel. Nobody is logged in, the shop receives no code, and nothing of it is remembered.

use enishi::time::SECOND;
use enishi_world::{ACCOUNT, OTHER_ACCOUNT};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    at, cookies,
    jwt::{but, es256_of_ours, forgeries, twin},
    line_tokens::{Kind, good_elsewhere, line_key, wrongly_said, wrongly_signed},
};
use crate::support::{
    Browser, Consent, LINE_KEYS, LINE_TOKEN, Login, Shop, Stage, claims_of, header_of, json_body, query,
};

/// A login of somebody who has come back from LINE, its callback not yet visited.
struct Attempt<'a> {
    stage: &'a Stage,
    browser: Browser<'a>,
    login: Login,
    callback: String,
    /// What LINE would say.
    claims: Value,
}

impl<'a> Attempt<'a> {
    fn new(stage: &'a Stage) -> Self {
        let user = stage.person("花子");
        let mut browser = Browser::of(&stage.world, &user);
        let login = stage.shop.begin("1");
        let started = browser.go(&login.url).location.expect("to LINE");
        let callback = browser.at_line(&started, Consent::Plain);
        let now = stage.world.now().seconds();
        let claims = json!({
            "iss": "https://access.line.me", "sub": user, "aud": ACCOUNT.login_channel, "exp": now + 3_600, "iat": now,
            "nonce": query(&started)("nonce").expect("a nonce"), "amr": ["linesso"], "name": "花子",
        });
        Self { stage, browser, login, callback, claims }
    }

    /// The callback, where LINE answers the exchange with this body.
    fn answered(&mut self, body: &str) -> (u16, Option<String>) {
        self.stage.world.answer_next_call(LINE_TOKEN, StatusCode::OK, body);
        let page = self.browser.go(&self.callback);
        (page.status, page.location)
    }

    fn answered_with(&mut self, id_token: &Value) -> (u16, Option<String>) {
        let tokens = json!({
            "access_token": "access-token-of-line", "token_type": "Bearer", "expires_in": 2_592_000,
            "refresh_token": "refresh-token-of-line", "scope": "profile openid", "id_token": id_token,
        });
        self.answered(&tokens.to_string())
    }

    /// Nothing came of it, nor does anything of a second tap: an error for the shop or the retry page, and no trace.
    fn assert_nothing_came_of(&mut self, answer: (u16, Option<String>), how: &str) {
        let stage = self.stage;
        let calls = stage.answers_of(LINE_TOKEN).len();
        let again = self.browser.go(&self.callback);
        assert_eq!((again.status, again.location), (400, None), "{how}: a second tap");
        let (status, location) = answer;
        if let Some(location) = location {
            let back = stage.shop.answer(&self.login, &location);
            assert_eq!((status, back("code")), (302, None), "{how}");
            assert_eq!(back("error").as_deref(), Some("server_error"), "{how}");
        } else {
            assert_eq!(status, 400, "{how}");
        }
        let names: Vec<String> = cookies(&self.browser).into_iter().map(|(name, _)| name).collect();
        assert!(!names.iter().any(|name| name == enishi::web::cookie::SESSION), "{how}: {names:?}");
        for table in ["sessions", "line_users", "grants", "codes"] {
            assert_eq!(stage.count(table), 0, "{how}: {table}");
        }
        assert_eq!(stage.answers_of(LINE_TOKEN).len(), calls, "{how}: the code is not presented again");
        assert_eq!(stage.answers_of("/friendship/v1/status"), [], "{how}: nor is the token used");
    }
}

fn forged_tokens_log_nobody_in(kind: Kind) {
    let stage = kind.stage();
    let elsewhere = Stage::new(2);
    let own_key = stage.world.give_assertion_key(&ACCOUNT)["private_jwk"].clone();
    if kind == Kind::Secret {
        stage.world.give_secret(&ACCOUNT);
    }
    let mut tried = 0;
    let mut attack = |forge: &dyn Fn(&Attempt<'_>) -> Vec<(String, String)>| {
        let number = forge(&Attempt::new(&stage)).len();
        for place in 0..number {
            let mut attempt = Attempt::new(&stage);
            let (how, token) = forge(&attempt).swap_remove(place);
            let answer = attempt.answered_with(&json!(token));
            attempt.assert_nothing_came_of(answer, &format!("{kind:?}, {how}"));
            tried += 1;
        }
    };
    attack(&|attempt| wrongly_signed(kind, &stage, &attempt.claims, &own_key));
    attack(&|attempt| {
        let said = wrongly_said(&attempt.claims).into_iter();
        said.map(|(how, claims)| (how, kind.signed(&stage, &claims))).collect()
    });
    attack(&|attempt| good_elsewhere(&stage, &attempt.claims, &elsewhere));
    attack(&|attempt| {
        let token = kind.signed(&stage, &attempt.claims);
        let mut wanted = attempt.claims.clone();
        wanted["sub"] = json!("U0123456789abcdef0123456789abcdef");
        let secrets = [
            ("the Messaging secret", ACCOUNT.messaging_secret),
            ("the client's", &*stage.shop.client_secret),
        ];
        forgeries(&token, &wanted, &line_key(&stage), &secrets)
    });
    assert!(tried >= 90, "{tried}");
    // And the honest one, by the same way.
    let mut attempt = Attempt::new(&stage);
    let token = kind.signed(&stage, &attempt.claims);
    let (status, location) = attempt.answered_with(&json!(token));
    assert_eq!(status, 302);
    let code = stage.shop.code(&attempt.login, &location.unwrap());
    assert_eq!(stage.shop.claims(&stage.world, &attempt.login, &code)["name"], "花子");
}

#[test]
fn forged_id_tokens_log_nobody_in_at_a_channel_with_a_secret() {
    forged_tokens_log_nobody_in(Kind::Secret);
}

#[test]
fn forged_id_tokens_log_nobody_in_at_a_channel_with_an_assertion_key() {
    forged_tokens_log_nobody_in(Kind::AssertionKey);
}

#[test]
fn an_answer_that_is_no_tokens_logs_nobody_in() {
    for kind in [Kind::Secret, Kind::AssertionKey] {
        let stage = kind.stage();
        let long = format!("{{\"access_token\":\"a\",\"id_token\":\"{}\"}}", "a.".repeat(200_000));
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html>LINE</html>",
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","id_token":null}"#,
            r#"{"access_token":"a","id_token":7}"#,
            r#"{"access_token":"a","id_token":""}"#,
            r#"{"id_token":"a.b.c"}"#,
            &long,
        ] {
            let mut attempt = Attempt::new(&stage);
            let answer = attempt.answered(body);
            let how = &body[..body.len().min(40)];
            attempt.assert_nothing_came_of(answer, &format!("{kind:?}: {how}"));
        }
    }
}

#[test]
fn a_flood_of_tokens_under_unknown_keys_asks_line_for_its_keys_once_in_five_seconds() {
    let stage = Stage::with_assertion_key(1);
    for number in 0..20 {
        let mut attempt = Attempt::new(&stage);
        let header = json!({ "typ": "JWT", "alg": "ES256", "kid": format!("unknown-{number}") });
        let answer = attempt.answered_with(&json!(es256_of_ours(&header, &attempt.claims)));
        attempt.assert_nothing_came_of(answer, "an unknown key");
    }
    assert_eq!(stage.answers_of(LINE_KEYS).len(), 1);
    stage.world.advance(6 * SECOND);
    let mut attempt = Attempt::new(&stage);
    let header = json!({ "typ": "JWT", "alg": "ES256", "kid": "unknown" });
    let answer = attempt.answered_with(&json!(es256_of_ours(&header, &attempt.claims)));
    attempt.assert_nothing_came_of(answer, "an unknown key");
    assert_eq!(stage.answers_of(LINE_KEYS).len(), 2);
}

#[test]
fn the_other_signature_that_verifies_makes_no_second_login() {
    let stage = Stage::with_assertion_key(1);
    let mut attempt = Attempt::new(&stage);
    let token = Kind::AssertionKey.signed(&stage, &attempt.claims);
    assert_eq!(attempt.answered_with(&json!(token)).0, 302);
    let mut second = Attempt::new(&stage);
    let (status, location) = second.answered_with(&json!(twin(&token)));
    assert_eq!(status, 302);
    let location = location.unwrap();
    let back = stage.shop.answer(&second.login, &location);
    assert_eq!(
        (back("code"), back("error").as_deref()),
        (None, Some("server_error")),
        "its nonce is the first's"
    );
    assert_eq!(stage.count("sessions"), 1);
}

#[test]
fn a_callback_of_another_account_is_refused_whatever_its_credential() {
    let stage = Stage::with_assertion_key(1);
    let world = &stage.world;
    let other = Shop::of(OTHER_ACCOUNT, "1");
    let mut body = other.account_body();
    body["login_channel"]["credential"] = world.give_assertion_key(&OTHER_ACCOUNT);
    let reply = stage.put_account(OTHER_ACCOUNT.host, &body);
    assert_eq!(reply.status, 201, "{}", json_body(&reply));
    let user = stage.person("花子");
    let mut browser = Browser::of(world, &user);
    let ours = browser.go(&stage.shop.begin("1").url).location.unwrap();
    let theirs = browser.go(&other.begin("1").url).location.unwrap();
    let [ours, theirs] = [ours, theirs].map(|started| browser.at_line(&started, Consent::Plain));
    let [(own_state, own_code), (foreign_state, foreign_code)] =
        [&ours, &theirs].map(|url| (query(url)("state").unwrap(), query(url)("code").unwrap()));
    // Their state here, whoever's code.
    for code in [&own_code, &foreign_code] {
        let page = browser.go(&at(&format!("/line/callback?code={code}&state={foreign_state}")));
        assert_eq!((page.status, page.location.as_deref()), (400, None));
    }
    assert_eq!(stage.answers_of(LINE_TOKEN), [], "nothing is asked of LINE");
    // Our state with their code: LINE refuses it, because the channel is another.
    let page = browser.go(&at(&format!("/line/callback?code={foreign_code}&state={own_state}")));
    assert_eq!((page.status, page.location.as_deref()), (400, None));
    assert_eq!(stage.answers_of(LINE_TOKEN), [Some(400)]);
    assert_eq!(stage.count("sessions"), 0);
    // A token that LINE signed for their channel is none for ours, though the key is the same.
    let mut attempt = Attempt::new(&stage);
    let said = but(&attempt.claims, "aud", json!(OTHER_ACCOUNT.login_channel));
    let token = world.line().signed_by_line(&said);
    assert_eq!((header_of(&token)["alg"].as_str(), claims_of(&token)), (Some("ES256"), said));
    let answer = attempt.answered_with(&json!(token));
    attempt.assert_nothing_came_of(answer, "another shop's token");
}
