//! Statements of `docs/CONFORMANCE.md` that no other journey proves: what clients and shops are given, and what it is
//! good for.

use std::path::Path;

use enishi::time::HOUR;
use enishi_world::{
    ACCOUNT,
    line_simulator::{AutoLogin, NewUser},
    request,
};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::{Run, granted, invalid_grant, refusal, table};
use crate::support::{Browser, Consent, Stage, form, json_body};

const AT: &str = ACCOUNT.issuer;

#[test]
fn a_code_is_long_and_random_and_only_its_digest_is_stored() {
    let stage = Stage::new(1);
    let (shop, mut browser) = (&stage.shop, Browser::of(&stage.world, &stage.person("花子")));
    let mut codes: Vec<String> = (0..10)
        .map(|_| {
            let login = shop.begin("1");
            let location = browser.log_in(shop, &login, Consent::Plain);
            shop.code(&login, &location)
        })
        .collect();
    let stored = Value::from(stage.world.query("SELECT * FROM codes")).to_string();
    for code in &codes {
        assert!(code.len() >= 22, "128 bits at 6 a character: {code}");
        assert!(!stored.contains(code.as_str()));
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 10);
}

#[test]
fn what_a_code_passes_through_keeps_nothing_and_tells_nobody() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let mut browser = Browser::of(&stage.world, &stage.person("花子"));
    for login in [shop.begin("1"), shop.begin("2"), shop.begin("3").with("response_mode", "form_post")] {
        let page = browser.go(&login.url);
        let is_at_line = page.location.as_ref().is_some_and(|url| !url.starts_with(&shop.redirect_uri));
        let page = if is_at_line { browser.arrive(&login.url, Consent::Plain) } else { page };
        let answer = page.location.as_ref().unwrap_or(&page.html);
        assert!(answer.contains("code"), "{answer}");
        assert_eq!(page.header(&header::CACHE_CONTROL), Some("no-store"));
        assert_eq!(page.header(&header::REFERRER_POLICY), Some("no-referrer"));
    }
    // That no log line tells a code, `Stage` looks as it is dropped; here that there are lines to tell it.
    assert!(stage.world.log_lines().iter().any(|line| line["route"] == "/line/callback"));
}

#[test]
fn a_code_without_its_redirect_uri_is_refused_and_not_spent() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let location = run.browser.log_in(&run.rp, &login, Consent::Plain);
    let code = run.rp.code(&login, &location);
    let without = [("grant_type", "authorization_code"), ("code", code.as_str())];
    let (status, error) = refusal(&run.rp.call(&stage.world, "/token", &without));
    assert!(status == 400 && ["invalid_request", "invalid_grant"].contains(&&*error), "{error}");
    let other = [without[0], without[1], ("redirect_uri", stage.shop.redirect_uri.as_str())];
    assert_eq!(refusal(&run.rp.call(&stage.world, "/token", &other)), invalid_grant());
    granted(&run.exchange(&login, &location));
}

#[test]
fn a_scope_in_the_exchange_of_a_code_is_ignored() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[("scope", "openid profile")]);
    let location = run.browser.log_in(&run.rp, &login, Consent::Plain);
    let code = run.rp.code(&login, &location);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", run.rp.redirect_uri.as_str()),
        ("scope", "openid email line offline_access"),
    ];
    let tokens = granted(&run.rp.call(&stage.world, "/token", &fields));
    assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&"openid profile".into(), None));
    let brought = run.believes(&login, tokens);
    for claim in ["email", "line_user_id"] {
        assert!(brought.claims.get(claim).is_none() && brought.user.get(claim).is_none(), "{claim}");
    }
}

#[test]
fn an_error_of_the_token_endpoint_repeats_nothing_of_what_was_sent() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    for (path, fields) in [
        ("/token", vec![("grant_type", "marked")]),
        (
            "/token",
            vec![("grant_type", "authorization_code"), ("code", "marked"), ("redirect_uri", "marked")],
        ),
        ("/token", vec![("grant_type", "refresh_token"), ("refresh_token", "marked"), ("scope", "marked")]),
        ("/token", vec![("marked", "x"), ("marked", "x")]),
        ("/token", vec![("client_id", "marked"), ("client_secret", "marked")]),
        ("/par", vec![("response_type", "marked"), ("redirect_uri", "marked")]),
        (
            "/par",
            vec![("redirect_uri", shop.redirect_uri.as_str()), ("scope", "marked"), ("request", "marked")],
        ),
    ] {
        let reply = shop.call(&stage.world, path, &fields);
        assert!(refusal(&reply).0 == 400, "{path} {fields:?}");
        let text = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body));
        assert!(!text.contains("marked"), "{path} {fields:?}: {text}");
    }
    let guessed = form(&format!("{AT}/token"), &[("client_id", "marked"), ("client_secret", "marked")]);
    let reply = stage.world.answer(guessed);
    assert_eq!(refusal(&reply), (401, "invalid_client".to_owned()));
    assert!(!String::from_utf8_lossy(&reply.body).contains("marked"));
}

#[test]
fn amr_and_auth_time_are_lines_and_stay_so_for_the_session() {
    for (auto_login, method) in [(AutoLogin::On, "lineautologin"), (AutoLogin::Off, "linesso")] {
        let stage = Stage::new(1);
        let mut run = Run::new(&stage);
        let user = NewUser { name: "花子".into(), auto_login, ..NewUser::default() };
        let user = stage.world.line().add_user(user);
        run.browser = Browser::of(&stage.world, &user);
        let login = run.asks("1", &[]);
        let first = run.succeeds(&login);
        assert_eq!(first.claims["amr"], json!([method]));
        assert_eq!(first.auth_time(), stage.world.now().seconds());
        stage.world.advance(HOUR);
        let later = run.asks("2", &[]);
        let second = run.succeeds_silently(&later);
        assert_eq!((&second.claims["amr"], second.auth_time()), (&first.claims["amr"], first.auth_time()));
        assert!(second.claims["iat"].as_i64() > first.claims["iat"].as_i64());
    }
}

#[test]
fn an_access_token_opens_nothing_of_the_rest_api() {
    let stage = Stage::new(1);
    let (_, _, tokens) = stage.logged_in(&stage.shop, "openid profile email line offline_access");
    for token in ["access_token", "refresh_token", "id_token"] {
        let bearer = format!("Bearer {}", tokens[token].as_str().unwrap());
        for path in ["/v1/clients", "/v1/links?member_id=m", "/v1/signing-keys", "/v1/accounts"] {
            let mut asked = request(Method::GET, &format!("{AT}{path}"));
            asked.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
            assert_eq!(stage.world.answer(asked).status, 401, "{token} at {path}");
        }
    }
    // And the other way round.
    assert_eq!(stage.shop.userinfo(&stage.world, &stage.shop.api_key).status, 401);
}

#[test]
fn an_api_key_counts_in_the_header_alone() {
    let stage = Stage::new(1);
    let key = &stage.shop.api_key;
    for (path, body) in [
        (format!("/v1/clients?api_key={key}&access_token={key}&key={key}"), String::new()),
        ("/v1/clients".to_owned(), format!("access_token={key}")),
    ] {
        let mut asked = request(Method::GET, &format!("{AT}{path}"));
        asked.headers = form(AT, &[]).headers;
        asked.headers.insert(header::COOKIE, HeaderValue::from_str(&format!("api_key={key}")).unwrap());
        asked.body = Some(body.into_bytes());
        let reply = stage.world.answer(asked);
        assert_eq!((reply.status.as_u16(), &json_body(&reply)["error"]), (401, &"invalid_api_key".into()));
        assert!(reply.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
    }
    assert_eq!(stage.api(&stage.shop, Method::GET, "/v1/clients", None).0, 200);
}

#[test]
fn no_statement_changes_or_removes_an_entry_of_the_audit_log() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut mentions = 0;
    for file in table::files(&root.join("src"), "rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("audit_log") {
            mentions += 1;
            let before = text[..at].trim_end().to_lowercase();
            let is_harmless = before.ends_with("insert into") || before.ends_with("from");
            let is_deleted = before.ends_with("delete from");
            assert!(
                is_harmless && !is_deleted,
                "{}: …{}",
                file.display(),
                &before[before.len().saturating_sub(60)..]
            );
        }
    }
    assert!(mentions > 0, "the log has another name now");
}
