//! A Login channel that has an assertion key and no secret: how it proves itself, and what its ID tokens are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use line_simulator::{AutoLogin, Config, LoginCredential, Simulator};
use openssl::{hash::MessageDigest, pkey::PKey, pkey::Private, rsa::Rsa, sign::Signer};
use serde_json::{Value, json};

use crate::journey::{VERIFIER, claims, code_of, part, user};
use crate::{Line, NOW, body_of, config};

const CHANNEL: &str = "1234567890";
const KID: &str = "536e453c-aa93-4449-8e90-add2608783c6";
const CODE: &str = "/oauth2/v2.1/token";
const STATELESS: &str = "/oauth2/v3/token";
const NO_KEY: &str = "Cannot find channel key that satisfies the conditions";

/// A key of the shop's, and a LINE that has its public half.
struct Setting {
    line: Line,
    key: PKey<Private>,
}

impl Setting {
    fn new() -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut line = Line::with(config(false, None));
        line.sim.upsert_channels(channels(&key));
        Self { line, key }
    }

    /// What a form says with this assertion.
    fn fields(assertion: &str) -> String {
        format!(
            "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion={assertion}"
        )
    }

    fn good(&self) -> String {
        signed(&self.key, &header(), &said(self.line.now))
    }

    fn stateless(&mut self, assertion: &str) -> Response<Vec<u8>> {
        self.line.form(STATELESS, &format!("grant_type=client_credentials&{}", Self::fields(assertion)))
    }

    fn exchange(&mut self, code: &str, assertion: &str) -> Response<Vec<u8>> {
        let body = format!(
            "grant_type=authorization_code&code={code}&client_id={CHANNEL}&code_verifier={VERIFIER}\
             &redirect_uri=https%3A%2F%2Fshop.example%2Fline%2Fcallback&{}",
            Self::fields(assertion)
        );
        self.line.form(CODE, &body)
    }

    fn tokens(&mut self) -> Value {
        user(&mut self.line, AutoLogin::On);
        let code = code_of(&mut self.line);
        let assertion = self.good();
        let reply = self.exchange(&code, &assertion);
        assert_eq!(reply.status(), 200, "{}", body_of(&reply));
        body_of(&reply)
    }
}

/// The usual channels, the Login channel with this key.
fn channels(key: &PKey<Private>) -> Config {
    let rsa = key.rsa().unwrap();
    let text = |number: &openssl::bn::BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec());
    let jwk = json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "n": text(rsa.n()), "e": text(rsa.e()) });
    let credential = serde_json::from_value(json!({ "assertion_key": { "kid": KID, "public_jwk": jwk } }));
    let credential: LoginCredential = credential.unwrap();
    let mut config = config(false, None);
    config.login_channels[0].credential = credential;
    config
}

fn header() -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": KID })
}

fn said(now: i64) -> Value {
    json!({ "iss": CHANNEL, "sub": CHANNEL, "aud": "https://api.line.me/", "exp": now / 1_000 + 300 })
}

fn signed(key: &PKey<Private>, header: &Value, claims: &Value) -> String {
    let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    let signature = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_login_is_exchanged_by_an_assertion_and_its_id_token_is_es256_under_a_key_of_certs() {
    let mut setting = Setting::new();
    let tokens = setting.tokens();
    let certs = body_of(&setting.line.get("/oauth2/v2.1/certs"));
    let head = part(tokens["id_token"].as_str().unwrap(), 0);
    assert_eq!(head, json!({ "typ": "JWT", "alg": "ES256", "kid": certs["keys"][0]["kid"] }));
    let said = claims(&tokens);
    assert_eq!((&said["aud"], &said["nonce"]), (&json!(CHANNEL), &json!("n1")));
    let form = format!("id_token={}&client_id={CHANNEL}&nonce=n1", tokens["id_token"].as_str().unwrap());
    assert_eq!(body_of(&setting.line.form("/oauth2/v2.1/verify", &form)), said);

    let assertion = setting.good();
    let fields = Setting::fields(&assertion);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh_token}&client_id={CHANNEL}&{fields}");
    let renewed = setting.line.form(CODE, &form);
    assert_eq!(renewed.status(), 200);
    assert_eq!(body_of(&renewed)["refresh_token"], refresh_token);
    assert!(setting.line.sim.violations().is_empty());
}

#[test]
fn the_stateless_token_of_an_assertion_ends_an_authorization() {
    let mut setting = Setting::new();
    let access_token = setting.tokens()["access_token"].clone();
    let assertion = setting.good();
    let issued = setting.stateless(&assertion);
    assert_eq!((issued.status().as_u16(), &body_of(&issued)["expires_in"]), (200, &json!(900)));
    let token = body_of(&issued)["access_token"].as_str().unwrap().to_owned();
    let request = http::Request::post("/user/v1/deauthorize")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let body = json!({ "userAccessToken": access_token }).to_string().into_bytes();
    assert_eq!(setting.line.send(request.body(body).unwrap()).status(), 204);
    assert!(setting.line.sim.violations().is_empty());
}

#[test]
fn an_assertion_that_line_would_not_take_proves_nothing() {
    let mut setting = Setting::new();
    let other = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let but = |mut value: Value, name: &str, other: Value| {
        value[name] = other;
        value
    };
    let (head, good) = (header(), said(NOW));
    let sign = |header: &Value, claims: &Value| signed(&setting.key, header, claims);
    let end = |seconds: i64| but(good.clone(), "exp", json!(NOW / 1_000 + seconds));
    let cases = [
        ("Invalid JWT", String::new()),
        ("Invalid JWT", "a.b.c".to_owned()),
        ("Invalid JWT", sign(&json!({ "alg": "RS256", "typ": "JWT" }), &good)),
        ("Invalid alg or typ", sign(&but(head.clone(), "alg", json!("none")), &good)),
        ("Invalid alg or typ", sign(&but(head.clone(), "alg", json!("HS256")), &good)),
        ("Invalid alg or typ", sign(&but(head.clone(), "typ", json!("at+jwt")), &good)),
        (NO_KEY, sign(&but(head.clone(), "kid", json!("another")), &good)),
        ("Invalid signature", signed(&other, &head, &good)),
        ("iss and clientId of key do not match", sign(&head, &but(good.clone(), "iss", json!("2000000001")))),
        ("iss and clientId of key do not match", sign(&head, &but(good.clone(), "sub", json!("2000000001")))),
        ("Invalid aud", sign(&head, &but(good.clone(), "aud", json!("https://api.line.me")))),
        ("Invalid JWT", sign(&head, &but(good.clone(), "aud", json!(["https://api.line.me/"])))),
        ("Invalid exp", sign(&head, &end(0))),
        ("Invalid exp", sign(&head, &end(-1))),
        ("Invalid exp", sign(&head, &end(30 * 60 + 1))),
        ("Invalid exp", sign(&head, &but(good.clone(), "exp", json!((NOW / 1_000 + 300).to_string())))),
        (
            "Invalid JWT",
            sign(&head, &json!({ "iss": CHANNEL, "sub": CHANNEL, "aud": "https://api.line.me/" })),
        ),
    ];
    let latest = sign(&head, &end(30 * 60));
    let number = cases.len();
    for (why, assertion) in &cases {
        let reply = setting.stateless(assertion);
        let status = if *why == NO_KEY { 404 } else { 400 };
        assert_eq!(reply.status().as_u16(), status, "{why}");
        assert_eq!(body_of(&reply), json!({ "error": "invalid_client", "error_description": why }));
    }
    assert_eq!(setting.line.kinds(), vec!["client-assertion"; number]);
    assert_eq!(setting.stateless(&latest).status(), 200);
}

#[test]
fn a_code_is_spent_by_an_assertion_that_is_refused() {
    let mut setting = Setting::new();
    user(&mut setting.line, AutoLogin::On);
    let code = code_of(&mut setting.line);
    assert_eq!(body_of(&setting.exchange(&code, "a.b.c"))["error"], "invalid_client");
    let assertion = setting.good();
    assert_eq!(body_of(&setting.exchange(&code, &assertion))["error"], "invalid_grant");
    assert_eq!(setting.line.kinds(), ["client-assertion", "code-reused"]);
}

#[test]
fn a_channel_proves_itself_in_its_own_way_only() {
    let mut setting = Setting::new();
    let secret = format!("grant_type=client_credentials&client_id={CHANNEL}&client_secret=");
    for guess in ["", "1234567890abcdefghij1234567890ab"] {
        assert_eq!(setting.line.form(STATELESS, &format!("{secret}{guess}")).status(), 400);
    }
    let assertion = setting.good();
    let both = format!("{secret}x&{}", Setting::fields(&assertion));
    assert_eq!(setting.line.form(STATELESS, &both).status(), 400);
    let short = format!("grant_type=client_credentials&{}", Setting::fields(&assertion));
    assert_eq!(setting.line.form("/v2/oauth/accessToken", &short).status(), 400);
    let stranger = format!("{short}&client_id=9999999999");
    assert_eq!(setting.line.form(STATELESS, &stranger).status(), 400);
    // Of a channel with a secret an assertion proves nothing: its key is not registered any more.
    setting.line.sim.upsert_channels(config(false, None));
    assert_eq!(setting.stateless(&assertion).status(), 404);
}

#[test]
fn the_key_is_configured_saved_and_never_beside_a_secret() {
    let mut setting = Setting::new();
    let before = setting.line.sim.config().clone();
    setting.line.sim = Simulator::restore(Config::default(), &setting.line.sim.save()).unwrap();
    assert_eq!(*setting.line.sim.config(), before);
    let mut written = serde_json::to_value(&before).unwrap();
    assert_eq!(written["login_channels"][0]["assertion_key"]["kid"], KID);
    written["login_channels"][0]["channel_secret"] = json!("s");
    assert_eq!(setting.line.json("/sim/channels", &written).status(), 400, "both");
    let channel = written["login_channels"][0].as_object_mut().unwrap();
    channel.remove("channel_secret");
    channel.remove("assertion_key");
    assert_eq!(setting.line.json("/sim/channels", &written).status(), 400, "neither");
}
