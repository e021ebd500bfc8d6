//! Basic OP: the code flow from end to end, what its tokens say, and how a client proves itself.

use enishi::time::SECOND;
use enishi_world::{ACCOUNT, request};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::{ADDRESS, Run, discovery, granted, invalid_grant, names, refusal, told};
use crate::support::{Browser, Consent, Login, Stage, form, header_of, json_body};

fn userinfo() -> String {
    format!("{}/userinfo", ACCOUNT.issuer)
}

#[test]
fn oidcc_server() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let brought = run.succeeds(&login);
    assert_eq!(brought.tokens["scope"], "openid");
    assert_eq!(brought.claims["iss"], discovery(&stage)["issuer"]);
    let known = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "sid"];
    let more: Vec<&String> =
        brought.claims.as_object().unwrap().keys().filter(|name| !known.contains(&&***name)).collect();
    assert_eq!(more, ["line_friend"], "no other claim comes unasked");
}

#[test]
fn oidcc_idtoken_signature() {
    let stage = Stage::new(1);
    stage.client("other", &json!({ "id_token_signed_response_alg": "ES256" }));
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let header = header_of(run.succeeds(&login).id_token());
    assert_eq!(header["alg"], "RS256", "although the account has a key of the other kind");
    let keys = json_body(&stage.world.get(discovery(&stage)["jwks_uri"].as_str().unwrap()));
    let of_that_name =
        keys["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == header["kid"]).count();
    assert_eq!(of_that_name, 1, "{keys}");
}

#[test]
fn oidcc_idtoken_unsigned() {
    let stage = Stage::new(1);
    let document = discovery(&stage);
    let offered = names(&document["id_token_signing_alg_values_supported"]);
    for unsigned in ["none", "HS256"] {
        assert!(!offered.contains(&unsigned), "{offered:?}");
        let body = json!({
            "name": "店", "redirect_uris": ["http://127.0.0.1:8789/x"], "id_token_signed_response_alg": unsigned,
        });
        let (status, refused) = stage.api(&stage.shop, Method::POST, "/v1/clients", Some(&body));
        assert_eq!((status, &refused["error"]), (400, &"invalid_request".into()), "{unsigned}");
    }
}

#[test]
fn oidcc_userinfo_get() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[("scope", "openid profile email")]);
    let brought = run.succeeds(&login);
    let user = told(&run.rp.userinfo(&stage.world, brought.access_token()));
    assert_eq!(user, brought.user);
    assert!(user["name"].is_string() && user["picture"].is_string(), "{user}");
    assert!(user["email"].is_string() && user["email_verified"].is_boolean(), "{user}");
}

#[test]
fn oidcc_userinfo_post_header() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let brought = run.succeeds(&login);
    let mut asked = request(Method::POST, &userinfo());
    let bearer = format!("Bearer {}", brought.access_token());
    asked.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
    assert_eq!(told(&stage.world.answer(asked)), brought.user);
}

#[test]
fn oidcc_userinfo_post_body() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]);
    let brought = run.succeeds(&login);
    let asked = form(&userinfo(), &[("access_token", brought.access_token())]);
    assert_eq!(told(&stage.world.answer(asked)), brought.user);
}

#[test]
fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[]).but("nonce", None);
    let location = run.browser.log_in(&run.rp, &login, Consent::Plain);
    let tokens = granted(&run.exchange(&login, &location));
    let claims = run.rp.signed(&stage.world, tokens["id_token"].as_str().unwrap());
    assert!(claims.get("nonce").is_none(), "{claims}");
}

/// What a login with this scope told at userinfo, and which scope it was granted.
fn with_scope(scope: &str) -> (Value, String) {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[("scope", scope)]);
    let brought = run.succeeds(&login);
    (brought.user, brought.tokens["scope"].as_str().unwrap().to_owned())
}

/// That neither an address, a telephone number, nor anything beyond what was granted is told.
fn tells_only(user: &Value, claims: &[&str]) {
    let unasked = ["name", "picture", "email", "email_verified", "address", "phone_number", "line_user_id"];
    for name in unasked {
        assert_eq!(user.get(name).is_some(), claims.contains(&name), "{name}: {user}");
    }
}

#[test]
fn oidcc_scope_profile() {
    let (user, granted) = with_scope("openid profile");
    assert_eq!((&user["name"], granted.as_str()), (&"花子".into(), "openid profile"));
    tells_only(&user, &["name", "picture"]);
}

#[test]
fn oidcc_scope_email() {
    let (user, granted) = with_scope("openid email");
    assert_eq!((&user["email"], granted.as_str()), (&ADDRESS.into(), "openid email"));
    assert_eq!(user["email_verified"], false, "LINE's word alone proves nothing");
    tells_only(&user, &["email", "email_verified"]);
}

#[test]
fn oidcc_scope_address() {
    let (user, granted) = with_scope("openid address");
    assert_eq!(granted, "openid", "what is not known is not granted");
    tells_only(&user, &[]);
    assert!(!names(&discovery(&Stage::new(1))["scopes_supported"]).contains(&"address"));
}

#[test]
fn oidcc_scope_phone() {
    let (user, granted) = with_scope("openid phone");
    assert_eq!(granted, "openid", "what is not known is not granted");
    tells_only(&user, &[]);
    assert!(!names(&discovery(&Stage::new(1))["scopes_supported"]).contains(&"phone"));
}

#[test]
fn oidcc_scope_all() {
    let (user, granted) = with_scope("openid profile email address phone");
    assert_eq!(granted, "openid profile email");
    tells_only(&user, &["name", "picture", "email", "email_verified"]);
}

#[test]
fn oidcc_alternate_happy_flow() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.asks("1", &[("scope", "email openid")]);
    let (endpoint, parameters) = login.url.split_once('?').unwrap();
    let reversed: Vec<&str> = parameters.split('&').rev().collect();
    let login = Login { url: format!("{endpoint}?{}", reversed.join("&")), ..login };
    assert_eq!(run.succeeds(&login).user["email"], ADDRESS);
}

/// A code that is used again after so many milliseconds: the second use is refused, and the first one's tokens are dead.
fn used_again_after(millis: i64) {
    let stage = Stage::new(1);
    let (mut run, world) = (Run::new(&stage), &stage.world);
    let login = run.asks("1", &[("scope", "openid offline_access")]);
    let location = run.browser.log_in(&run.rp, &login, Consent::Plain);
    let brought = run.completes(&login, &location);
    world.advance(millis);
    assert_eq!(refusal(&run.exchange(&login, &location)), invalid_grant());
    assert_eq!(run.rp.userinfo(world, brought.access_token()).status, 401);
    let refresh_token = brought.tokens["refresh_token"].as_str().unwrap();
    assert_eq!(refusal(&run.rp.refresh(world, refresh_token)), invalid_grant());
}

#[test]
fn oidcc_codereuse() {
    used_again_after(0);
}

#[test]
fn oidcc_codereuse_30seconds() {
    used_again_after(30 * SECOND);
}

#[test]
fn oidcc_server_client_secret_post() {
    let stage = Stage::new(1);
    let method = json!({ "require_pkce": false, "token_endpoint_auth_method": "client_secret_post" });
    let mut run = Run::with(&stage, &method);
    assert!(
        names(&discovery(&stage)["token_endpoint_auth_methods_supported"]).contains(&"client_secret_post")
    );
    let login = run.asks("1", &[]);
    let location = run.browser.log_in(&run.rp, &login, Consent::Plain);
    let code = run.rp.code(&login, &location);
    let posted = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", run.rp.redirect_uri.as_str()),
        ("client_id", run.rp.client_id.as_str()),
        ("client_secret", run.rp.client_secret.as_str()),
    ];
    let tokens = granted(&stage.world.answer(form(&format!("{}/token", ACCOUNT.issuer), &posted)));
    run.believes(&login, tokens);
}

#[test]
fn oidcc_refresh_token() {
    const SCOPE: &str = "openid profile offline_access";
    let stage = Stage::new(1);
    let (mut run, world) = (Run::new(&stage), &stage.world);
    let document = discovery(&stage);
    assert!(names(&document["grant_types_supported"]).contains(&"refresh_token"));
    let login = run.asks("1", &[("scope", SCOPE), ("prompt", "consent")]);
    let first = run.succeeds(&login);
    let token = |tokens: &Value| tokens["refresh_token"].as_str().expect("a refresh token").to_owned();
    let refreshed = |presented: &str, scope: Option<&str>| {
        world.advance(SECOND);
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", presented)];
        fields.extend(scope.map(|scope| ("scope", scope)));
        run.rp.call(world, "/token", &fields)
    };

    // With the whole scope, a narrower one, and none: the last says again what was granted.
    let mut before = first.tokens.clone();
    for (asked, granted_scope) in [(Some(SCOPE), SCOPE), (Some("openid"), "openid"), (None, SCOPE)] {
        let next = granted(&refreshed(&token(&before), asked));
        assert_eq!(next["scope"], granted_scope);
        assert_ne!(next["access_token"], before["access_token"]);
        let claims = run.rp.signed(world, next["id_token"].as_str().expect("an ID token"));
        for same in ["iss", "sub", "aud", "auth_time", "azp"] {
            assert_eq!(claims.get(same), first.claims.get(same), "{same}");
        }
        assert_eq!(claims["iat"], world.now().seconds());
        assert!(claims.get("nonce").is_none(), "{claims}");
        let user = told(&run.rp.userinfo(world, next["access_token"].as_str().unwrap()));
        assert_eq!(user["sub"], first.user["sub"]);
        assert_eq!(user.get("name").is_some(), granted_scope == SCOPE, "{user}");
        before = next;
    }

    // Another client has its own, and neither can use the other's.
    let other = stage.client("second", &json!({ "require_pkce": false }));
    assert_eq!(refusal(&other.refresh(world, &token(&before))), invalid_grant());
    let mut second = Run { stage: &stage, rp: other, browser: Browser::of(world, &stage.person("太郎")) };
    let login = second.asks("2", &[("scope", SCOPE), ("prompt", "consent")]);
    let theirs = second.succeeds(&login);
    assert_eq!(refusal(&run.rp.refresh(world, &token(&theirs.tokens))), invalid_grant());
    granted(&second.rp.refresh(world, &token(&theirs.tokens)));
    granted(&run.rp.refresh(world, &token(&before)));
}

#[test]
fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    let stage = Stage::new(1);
    let mut run = Run::new(&stage);
    let login = run.rp.begin("1").but("scope", Some("openid"));
    run.succeeds(&login);
    let login = run.rp.begin("2").but("scope", Some("openid"));
    let location = run.browser.log_in(&run.rp, &login, Consent::Plain);
    let unproven = Login { verifier: String::new(), ..login };
    assert_eq!(refusal(&run.exchange(&unproven, &location)), invalid_grant(), "a challenge is not forgotten");
}
