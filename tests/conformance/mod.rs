//! What the OpenID Foundation's conformance suite would try, on the native `World`: one test per module of its plans for
//! Basic OP, Config OP and RP-Initiated Logout OP, under the module's name. `docs/CONFORMANCE.md` says what is proven by
//! which test; `table.rs` keeps it true.
//!
//! The suite's client is confidential and sends no PKCE challenge unless its module says so; it believes an answer only
//! after every check, whatever the module is about.

mod basic;
mod basic_requests;
mod config;
mod logout;
mod statements;
mod statements_tokens;
mod statements_web;
mod table;

use enishi::web::Reply;
use enishi_world::{ACCOUNT, LINE};
use http::header;
use serde_json::{Value, json};

use crate::support::{Browser, Consent, Login, Shop, Stage, header_of, json_body};

/// An address that LINE knows.
const ADDRESS: &str = "hanako@mail.example";

/// One run of a module: the suite's client, and the browser of its customer.
struct Run<'a> {
    stage: &'a Stage,
    rp: Shop,
    browser: Browser<'a>,
}

/// What a login brought, every check passed.
struct Success {
    tokens: Value,
    claims: Value,
    user: Value,
}

impl Success {
    fn access_token(&self) -> &str {
        self.tokens["access_token"].as_str().unwrap()
    }

    fn id_token(&self) -> &str {
        self.tokens["id_token"].as_str().unwrap()
    }

    fn auth_time(&self) -> i64 {
        self.claims["auth_time"].as_i64().expect("auth_time")
    }
}

impl<'a> Run<'a> {
    fn new(stage: &'a Stage) -> Self {
        Self::with(stage, &json!({ "require_pkce": false }))
    }

    /// A run whose client is registered so.
    fn with(stage: &'a Stage, registration: &Value) -> Self {
        let rp = stage.client("suite", registration);
        let user = stage.person_at("花子", ADDRESS);
        Self { stage, rp, browser: Browser::of(&stage.world, &user) }
    }

    /// An authorization request without PKCE, with these parameters instead of or beside the usual ones.
    fn asks(&self, mark: &str, parameters: &[(&str, &str)]) -> Login {
        let usual = self.rp.begin(mark).but("code_challenge", None).but("code_challenge_method", None);
        let usual = Login { verifier: String::new(), ..usual.but("scope", Some("openid")) };
        parameters.iter().fold(usual, |login, (name, value)| login.but(name, Some(value)))
    }

    /// A login over LINE's pages, or by the browser's session.
    fn succeeds(&mut self, login: &Login) -> Success {
        let location = self.browser.log_in(&self.rp, login, Consent::Plain);
        self.completes(login, &location)
    }

    /// A login for which LINE is asked, and how it is asked.
    fn succeeds_over_line(&mut self, login: &Login) -> (String, Success) {
        let asked = self.browser.go(&login.url).location.expect("a redirect");
        assert!(asked.starts_with(LINE), "no fresh authentication: {asked}");
        let callback = self.browser.at_line(&asked, Consent::Plain);
        let location = self.browser.go(&callback).location.expect("a redirect");
        (asked, self.completes(login, &location))
    }

    /// A login for which nobody is shown anything.
    fn succeeds_silently(&mut self, login: &Login) -> Success {
        let location = self.silently(login);
        self.completes(login, &location)
    }

    /// Where the browser is sent at once, without a page in between.
    fn silently(&mut self, login: &Login) -> String {
        let page = self.browser.go(&login.url);
        let location = page.location.unwrap_or_else(|| panic!("a page: {}", page.html));
        assert!(location.starts_with(&self.rp.redirect_uri), "{location}");
        location
    }

    /// The error with which the browser is sent back at once.
    fn refused(&mut self, login: &Login) -> String {
        let location = self.silently(login);
        let back = self.rp.answer(login, &location);
        assert_eq!(back("code"), None, "{location}");
        back("error").expect("an error")
    }

    /// The rest of a login after the redirect to the client: code, tokens, ID token, userinfo.
    fn completes(&self, login: &Login, location: &str) -> Success {
        let tokens = granted(&self.exchange(login, location));
        self.believes(login, tokens)
    }

    /// Exchanges the code that came back.
    fn exchange(&self, login: &Login, location: &str) -> Reply {
        let code = self.rp.code(login, location);
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", self.rp.redirect_uri.as_str()),
        ];
        if !login.verifier.is_empty() {
            fields.push(("code_verifier", login.verifier.as_str()));
        }
        self.rp.call(&self.stage.world, "/token", &fields)
    }

    /// Checks the ID token and what userinfo adds.
    fn believes(&self, login: &Login, tokens: Value) -> Success {
        let world = &self.stage.world;
        let claims = self.rp.verified(world, login, &tokens);
        let header = header_of(tokens["id_token"].as_str().unwrap());
        assert!(header["kid"].as_str().is_some_and(|kid| !kid.is_empty()), "{header}");
        assert_eq!((&header["alg"], &header["typ"]), (&"RS256".into(), &"JWT".into()));
        assert!(claims["aud"].is_string() && claims.get("azp").is_none() && claims.get("acr").is_none());
        let sub = claims["sub"].as_str().unwrap();
        assert!(!sub.is_empty() && sub.len() <= 255 && sub.is_ascii(), "{sub}");
        let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!((iat - world.now().seconds()).abs() <= 5 && exp > iat && exp - iat <= 3_600, "{claims}");
        let reply = self.rp.userinfo(world, tokens["access_token"].as_str().unwrap());
        let user = told(&reply);
        assert_eq!(user["sub"], claims["sub"]);
        Success { tokens, claims, user }
    }
}

/// The tokens of a successful answer (RFC 6749 section 5.1).
fn granted(reply: &Reply) -> Value {
    let tokens = json_body(reply);
    assert_eq!(reply.status, 200, "{tokens}");
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(reply.headers[header::PRAGMA], "no-cache");
    assert_eq!(tokens["token_type"], "Bearer");
    assert!(tokens["expires_in"].as_i64().is_some_and(|seconds| seconds > 0), "{tokens}");
    is_a_secret(tokens["access_token"].as_str().expect("an access token"));
    if let Some(refresh_token) = tokens.get("refresh_token") {
        is_a_secret(refresh_token.as_str().expect("a refresh token"));
    }
    tokens
}

/// Whether a token has the characters of RFC 6749 appendix A, and 128 bits at 6 bits a character.
fn is_a_secret(token: &str) {
    assert!(token.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) && token.len() >= 22, "{token}");
}

/// Error and status of a refusal by the token endpoint (RFC 6749 section 5.2).
fn refusal(reply: &Reply) -> (u16, String) {
    let body = json_body(reply);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(reply.headers[header::PRAGMA], "no-cache");
    let is_printable = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
    for name in ["error", "error_description"] {
        let text = body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}"));
        assert!(text.bytes().all(is_printable), "{text}");
    }
    (reply.status.as_u16(), body["error"].as_str().unwrap().to_owned())
}

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

/// The claims that userinfo told.
fn told(reply: &Reply) -> Value {
    let user = json_body(reply);
    assert_eq!(reply.status, 200, "{user}");
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    user
}

/// The provider's metadata.
fn discovery(stage: &Stage) -> Value {
    json_body(&stage.world.get(&format!("{}/.well-known/openid-configuration", ACCOUNT.issuer)))
}

/// The names in a list of strings.
fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a string")).collect()
}
