//! A Login channel that has an assertion key and no secret: logins, LIFF, and the way to it and back.

use enishi::time::{HOUR, MINUTE, SECOND};
use enishi_world::{ACCOUNT, Fault, OTHER_ACCOUNT, World, line_simulator::LiffLogin};
use http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::{
    Browser, CHANNEL_TOKEN, Consent, LINE_KEYS, LINE_TOKEN, Shop, Stage, claims_of, header_of, json_body,
};

/// A whole login; the claims that the shop receives.
fn logged_in(stage: &Stage, browser: &mut Browser<'_>, mark: &str) -> Value {
    let (world, shop) = (&stage.world, &stage.shop);
    let login = shop.begin(mark).with("prompt", "login");
    let back = browser.log_in(shop, &login, Consent::Plain);
    shop.claims(world, &login, &shop.code(&login, &back))
}

/// The forms that were posted to LINE's token endpoint, by field.
fn exchanges(stage: &Stage) -> Vec<Vec<(String, String)>> {
    let line = stage.world.line();
    let calls = line.calls().iter().filter(|call| call.path == LINE_TOKEN);
    calls.map(|call| form_urlencoded::parse(call.body.as_bytes()).into_owned().collect()).collect()
}

/// Answers the trade of a LIFF token of a new user.
fn traded(stage: &Stage) -> u16 {
    let (world, user) = (&stage.world, stage.person("太郎"));
    let now = world.now().0;
    let token = world.line().liff_id_token(now, &LiffLogin::new(user, ACCOUNT.login_channel)).unwrap();
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", token.as_str()),
    ];
    stage.shop.call(world, "/token", &fields).status.as_u16()
}

#[test]
fn a_login_is_proven_by_an_assertion_and_believed_under_lines_key() {
    let stage = Stage::with_assertion_key(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let claims = logged_in(&stage, &mut Browser::of(world, &user), "1");
    assert_eq!(claims["name"], "花子");
    let [exchange] = exchanges(&stage).try_into().unwrap();
    let field = |name: &str| exchange.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(field("client_secret"), None);
    assert_eq!(field("client_id"), Some(ACCOUNT.login_channel));
    let (head, said) = field("client_assertion").map(|jwt| (header_of(jwt), claims_of(jwt))).unwrap();
    assert_eq!(head["alg"], "RS256");
    let lifetime = said["exp"].as_i64().unwrap() - world.now().seconds();
    assert!((1..=10 * 60).contains(&lifetime), "{said}");
}

#[test]
fn lines_keys_are_read_once_an_hour_for_logins_and_liff_together() {
    let stage = Stage::with_assertion_key(1);
    let world = &stage.world;
    let mut browser = Browser::of(world, &stage.person("花子"));
    logged_in(&stage, &mut browser, "1");
    logged_in(&stage, &mut browser, "2");
    assert_eq!(traded(&stage), 200);
    assert_eq!(stage.answers_of(LINE_KEYS).len(), 1);
    world.advance(HOUR);
    logged_in(&stage, &mut browser, "3");
    assert_eq!(stage.answers_of(LINE_KEYS).len(), 2);
}

#[test]
fn a_channel_with_a_secret_never_asks_for_lines_keys() {
    let stage = Stage::new(1);
    logged_in(&stage, &mut Browser::of(&stage.world, &stage.person("花子")), "1");
    assert_eq!(stage.answers_of(LINE_KEYS), []);
}

#[test]
fn a_new_key_of_lines_is_found_by_the_first_login_that_names_it() {
    let stage = Stage::with_assertion_key(1);
    let world = &stage.world;
    let mut browser = Browser::of(world, &stage.person("花子"));
    logged_in(&stage, &mut browser, "1");
    world.line().rotate_liff_key();
    world.advance(6 * SECOND);
    logged_in(&stage, &mut browser, "2");
    assert_eq!(stage.answers_of(LINE_KEYS).len(), 2);
}

#[test]
fn while_lines_keys_cannot_be_had_a_login_leads_to_the_retry_page_and_its_code_is_not_exchanged_again() {
    let stage = Stage::with_assertion_key(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let good = r#"{"keys":"none today"}"#;
    for (number, trouble) in ["500", "unreadable", "silence"].iter().enumerate() {
        match *trouble {
            "500" => world.answer_next_call(LINE_KEYS, StatusCode::INTERNAL_SERVER_ERROR, ""),
            "unreadable" => world.answer_next_call(LINE_KEYS, StatusCode::OK, good),
            _ => world.fail_next_call(LINE_KEYS, Fault::Refused),
        }
        let started = browser.go(&shop.begin("1").url).location.unwrap();
        let callback = browser.at_line(&started, Consent::Plain);
        let page = browser.go(&callback);
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{trouble}");
        assert!(page.html.contains("line_keys_unavailable") && page.button().is_some(), "{}", page.html);
        let again = browser.go(&callback);
        assert_eq!((again.status, again.location.as_deref()), (400, None), "{trouble}");
        assert_eq!(exchanges(&stage).len(), number + 1, "{trouble}: LINE's code is exchanged once");
    }
    assert_eq!((stage.count("sessions"), stage.count("line_users")), (0, 0));
    logged_in(&stage, &mut browser, "2");
}

#[test]
fn liff_tokens_are_traded_as_ever() {
    let stage = Stage::with_assertion_key(1);
    assert_eq!(traded(&stage), 200);
}

#[test]
fn an_account_goes_from_the_secret_to_an_assertion_key_and_back_and_keeps_its_customers() {
    let stage = Stage::new(1);
    let (world, user) = (&stage.world, stage.person("花子"));
    let mut browser = Browser::of(world, &user);
    let before = logged_in(&stage, &mut browser, "1");
    for (number, give) in
        [World::give_assertion_key, World::give_secret, World::give_assertion_key].iter().enumerate()
    {
        let credential = &give(world, &ACCOUNT);
        world.advance(SECOND);
        // An attempt that is under way ends under the new credential.
        let started = browser.go(&stage.shop.begin("way").with("prompt", "login").url).location.unwrap();
        let reply = stage.put_credential(credential);
        assert_eq!(reply.status, 200, "{}", json_body(&reply));
        assert!(browser.has_session(&stage.shop), "sessions stay");
        let callback = browser.at_line(&started, Consent::Plain);
        assert_eq!(browser.go(&callback).status, 302);
        let after = logged_in(&stage, &mut browser, &number.to_string());
        assert_eq!(after["sub"], before["sub"]);
        assert_eq!(traded(&stage), 200);
        let by_assertion = exchanges(&stage).last().unwrap().iter().any(|(key, _)| key == "client_assertion");
        assert_eq!(by_assertion, credential["kind"] == "assertion_key");
    }
    let log = world.query("SELECT detail ->> 'login_credential' AS kind FROM audit_log ORDER BY at");
    let kinds: Vec<&str> = log.iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert_eq!(kinds, ["secret", "assertion_key", "secret", "assertion_key"]);
}

#[test]
fn a_key_that_is_not_the_one_at_line_is_corrected_under_the_same_name() {
    let stage = Stage::with_assertion_key(1);
    let (world, shop) = (&stage.world, &stage.shop);
    stage.forgive("ClientAssertion");
    let good = world.give_assertion_key(&ACCOUNT);
    let mut wrong = world.give_assertion_key(&OTHER_ACCOUNT);
    wrong["key_id"] = good["key_id"].clone();
    assert_eq!(stage.put_credential(&wrong).status, 200, "it is a good key, though not the one at LINE");
    let mut browser = Browser::of(world, &stage.person("花子"));
    let page = browser.arrive(&shop.begin("1").url, Consent::Plain);
    assert_eq!((page.status, page.location.as_deref()), (400, None));
    assert!(page.html.contains("line_exchange_refused"), "{}", page.html);
    assert_eq!(stage.put_credential(&good).status, 200);
    logged_in(&stage, &mut browser, "2");
}

#[test]
fn two_accounts_with_assertion_keys_do_not_mix_them_up() {
    let stage = Stage::with_assertion_key(1);
    let world = &stage.world;
    let other = Shop::of(OTHER_ACCOUNT, "1");
    let mut body = other.account_body();
    body["login_channel"]["credential"] = world.give_assertion_key(&OTHER_ACCOUNT);
    assert_eq!(stage.put_account(OTHER_ACCOUNT.host, &body).status, 201);
    let user = stage.person("花子");
    for shop in [&stage.shop, &other, &stage.shop] {
        let login = shop.begin("1").with("prompt", "login");
        let back = Browser::of(world, &user).log_in(shop, &login, Consent::Plain);
        shop.claims(world, &login, &shop.code(&login, &back));
    }
}

#[test]
fn an_assertion_key_that_cannot_sign_is_refused_with_the_reason_and_not_repeated() {
    let stage = Stage::new(1);
    let good = stage.world.give_assertion_key(&ACCOUNT);
    let other = stage.world.give_assertion_key(&OTHER_ACCOUNT);
    let jwk = |name: &str, value: &Value| {
        let mut credential = good.clone();
        credential["private_jwk"][name] = value.clone();
        credential
    };
    let with = |name: &str, value: Value| {
        let mut credential = good.clone();
        credential[name] = value;
        credential
    };
    let without = |name: &str| {
        let mut credential = good.clone();
        credential["private_jwk"].as_object_mut().unwrap().remove(name);
        credential
    };
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
    for (wrong, why) in [
        (with("private_jwk", pem.into()), "neither PEM"),
        (without("d"), "public key"),
        (without("dp"), "needs n, e, d, p, q, dp, dq and qi"),
        (jwk("kty", &"EC".into()), "kty RSA"),
        (jwk("alg", &"PS256".into()), "RS256"),
        (jwk("n", &good["private_jwk"]["p"]), "2048 bits"),
        (jwk("n", &other["private_jwk"]["n"]), "does not sign"),
        (jwk("d", &other["private_jwk"]["d"]), "does not sign"),
        (jwk("p", &other["private_jwk"]["p"]), "does not sign"),
        (jwk("qi", &other["private_jwk"]["qi"]), "does not sign"),
        (with("key_id", "".into()), "key_id"),
        (with("key_id", "two words".into()), "key_id"),
        (with("key_id", "x".repeat(201).into()), "key_id"),
        (with("key_id", Value::Null), "the body"),
        (with("secret", ACCOUNT.login_secret.into()), "secret"),
        (with("kind", "certificate".into()), "certificate"),
        (json!({ "kind": "assertion_key", "key_id": "k" }), "private_jwk"),
        (json!({ "kind": "secret", "secret": "" }), "secret"),
    ] {
        let reply = stage.put_credential(&wrong);
        let said = json_body(&reply);
        assert_eq!((reply.status.as_u16(), &said["error"]), (400, &"invalid_request".into()), "{said}");
        assert!(said.to_string().contains(why), "{why}: {said}");
        for name in ["d", "p", "q", "dp", "dq", "qi"] {
            let private = good["private_jwk"][name].as_str().unwrap();
            assert!(!said.to_string().contains(private), "{name} is repeated");
        }
        assert!(!said.to_string().contains("MIIE"), "{said}");
    }
    stage.world.give_secret(&ACCOUNT);
    logged_in(&stage, &mut Browser::of(&stage.world, &stage.person("花子")), "1");
}

#[test]
fn the_private_key_is_sealed_and_never_shown_again() {
    let stage = Stage::with_assertion_key(1);
    let world = &stage.world;
    let credential = world.give_assertion_key(&ACCOUNT);
    let reply = stage.put_credential(&credential);
    let key = world.settings().keys.operator_key();
    let mut list = enishi_world::request(http::Method::GET, &format!("{}/v1/accounts", ACCOUNT.issuer));
    let bearer = format!("Bearer {}", key.expose());
    list.headers.insert(http::header::AUTHORIZATION, bearer.parse().unwrap());
    let shown = format!("{}{}", json_body(&reply), json_body(&world.answer(list)));
    let rows = world.query("SELECT config FROM accounts UNION ALL SELECT detail FROM audit_log");
    let stored: String = rows.iter().map(ToString::to_string).collect();
    for name in ["d", "p", "q", "dp", "dq", "qi", "n"] {
        let number = credential["private_jwk"][name].as_str().unwrap();
        assert!(!shown.contains(number) && !stored.contains(number), "{name}");
    }
}

#[test]
fn an_assertion_is_signed_where_one_is_needed_and_nowhere_else() {
    let stage = Stage::with_assertion_key(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let mut browser = Browser::of(world, &stage.person("花子"));
    let before = world.calls();
    let started = browser.go(&shop.begin("1").url).location.unwrap();
    assert_eq!(world.calls().signatures, before.signatures, "the start of a login signs nothing");
    let callback = browser.at_line(&started, Consent::Plain);
    let arrived = browser.go(&callback);
    assert_eq!(world.calls().signatures, before.signatures + 1);
    browser.go(&callback);
    assert_eq!(world.calls().signatures, before.signatures + 1, "nor does a double tap");
    assert!(arrived.location.is_some());
    world.advance(20 * MINUTE);
    assert_eq!(stage.answers_of(CHANNEL_TOKEN), []);
}
