//! Forged ID tokens as `id_token_hint`: none ends a session, none leads anywhere, none is taken for a word about whom the
//! shop expects.

use enishi::{time::HOUR, web::Reply};
use enishi_world::ACCOUNT;
use serde_json::{Value, json};

use super::{
    at,
    html::assert_harmless,
    is_nobody,
    jwt::{but, forgeries, retold},
    location, posted, session_cookie, silent, text,
};
use crate::support::{Browser, Shop, Stage, claims_of, form, header_of, json_body};

/// What becomes of a hint that is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is refused as no token of ours.
    Refused,
    /// It names a key that is not published, so that nobody can tell: it counts as not sent.
    Ignored,
}

/// A customer who is logged in, the shop's page to return to, and a token of theirs.
struct Scene<'a> {
    stage: &'a Stage,
    shop: &'a Shop,
    browser: Browser<'a>,
    token: String,
    subject: String,
}

impl<'a> Scene<'a> {
    fn of(stage: &'a Stage, shop: &'a Shop) -> Self {
        let (browser, _, tokens) = stage.logged_in(shop, "openid");
        let token = text(&tokens, "id_token");
        let subject = text(&claims_of(&token), "sub");
        Self { stage, shop, browser, token, subject }
    }

    fn live_sessions(&self) -> u64 {
        self.stage.count("sessions WHERE ended_at IS NULL")
    }

    /// Presents a hint at `/authorize` and `/logout`, with the customer's browser and without.
    fn assert(&self, hint: &str, fate: Fate, how: &str) {
        let (world, shop) = (&self.stage.world, self.shop);
        let before = self.live_sessions();
        let login = shop.begin("h").with("prompt", "none").with("id_token_hint", hint);
        let reply = world.answer(self.browser.request(&login.url));
        let back = shop.answer(&login, location(&reply).expect("back to the shop"));
        match fate {
            Fate::Refused => assert_eq!(back("error").as_deref(), Some("invalid_request"), "{how}"),
            Fate::Ignored => {
                let claims = shop.claims(world, &login, &back("code").unwrap_or_else(|| panic!("{how}")));
                assert_eq!(claims["sub"], self.subject.as_str(), "{how}");
            }
        }
        let pushed = shop.push(world, &shop.begin("p"), &[("id_token_hint", hint)]);
        assert_eq!(pushed.status, if fate == Fate::Refused { 400 } else { 201 }, "{how} at /par");
        let asked = [
            ("id_token_hint", hint),
            ("post_logout_redirect_uri", shop.home_uri.as_str()),
            ("client_id", shop.client_id.as_str()),
        ];
        let url = shop.logout_url(&asked);
        let replies: [Reply; 4] = [
            world.answer(self.browser.request(&url)),
            world.get(&url),
            world.answer(posted(&self.browser, &at("/logout"), &asked)),
            world.answer(form(&at("/logout"), &asked)),
        ];
        for reply in replies {
            // A form without a session goes on as GET, to ask.
            let elsewhere = location(&reply).filter(|to| !to.starts_with(&at("/logout?")));
            assert_eq!(elsewhere, None, "{how}");
            assert!(reply.headers.get("set-cookie").is_none(), "{how}");
            if reply.status == 303 {
                assert_eq!(fate, Fate::Ignored, "{how}");
                continue;
            }
            assert_eq!(reply.status == 400, fate == Fate::Refused, "{how}: {}", reply.status);
            assert_harmless(&reply, hint, &["/logout/confirm", &shop.home_uri, &self.stage.shop.home_uri]);
        }
        assert_eq!(self.live_sessions(), before, "{how}: nobody was logged out");
    }
}

/// The published key that a token names.
fn key_of(stage: &Stage, shop: &Shop, token: &str) -> Value {
    let keys = json_body(&stage.world.get(&format!("{}/jwks.json", shop.line.issuer)));
    let kid = header_of(token)["kid"].clone();
    keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).expect("its key").clone()
}

#[test]
fn a_forged_hint_ends_nothing_leads_nowhere_and_names_nobody() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let more = json!({ "id_token_signed_response_alg": "ES256" });
    let (rs256, es256) = (stage.client("rs", &json!({})), stage.client("es", &more));
    let mut tried = 0;
    for shop in [&rs256, &es256] {
        let scene = Scene::of(&stage, shop);
        let (_, _, victim) = stage.logged_in(shop, "openid");
        let victim = claims_of(&text(&victim, "id_token"));
        let mut wanted = claims_of(&scene.token);
        for name in ["sub", "sid"] {
            wanted[name] = victim[name].clone();
        }
        wanted["iss"] = json!("http://evil.localhost:8787");
        wanted["aud"] = json!("storefront-0");
        wanted["exp"] = json!(4_000_000_000_i64);
        wanted["member_id"] = json!("m-1");
        let jwk = key_of(&stage, shop, &scene.token);
        let secrets = [
            ("the client's secret", shop.client_secret.as_str()),
            ("the Login channel's secret", ACCOUNT.login_secret),
            ("the API key", stage.shop.api_key.as_str()),
        ];
        world.reset_calls();
        for (how, forged) in forgeries(&scene.token, &wanted, &jwk, &secrets) {
            scene.assert(&forged, Fate::Refused, &how);
            tried += 1;
        }
        assert_eq!(world.calls().fetches, 0, "nobody was asked for a key");
    }
    assert!(tried >= 90, "{tried}");
}

#[test]
fn a_hint_whose_header_says_another_kind_or_key_is_not_believed() {
    let stage = Stage::new(1);
    let other = stage.other_shop();
    let shop = stage.client("2", &json!({}));
    let scene = Scene::of(&stage, &shop);
    let (header, claims) = (header_of(&scene.token), claims_of(&scene.token));
    let foreign = text(&header_of(&text(&stage.logged_in(&other, "openid").2, "id_token")), "kid");
    let told = |name: &str, value: Value| retold(&scene.token, &but(&header, name, value), &claims);
    let mut without = header.clone();
    without.as_object_mut().unwrap().remove("kid");
    let mut tried = 0;
    for (how, hint, fate) in [
        ("no kid", retold(&scene.token, &without, &claims), Fate::Refused),
        ("kid null", told("kid", Value::Null), Fate::Refused),
        ("kid a list", told("kid", json!([header["kid"]])), Fate::Refused),
        ("an access token", told("typ", json!("at+jwt")), Fate::Refused),
        ("a logout token", told("typ", json!("logout+jwt")), Fate::Refused),
        ("a kind in lower case", told("typ", json!("jwt")), Fate::Refused),
        ("a critical header", told("crit", json!(["exp"])), Fate::Refused),
        ("a zipped token", told("zip", json!("DEF")), Fate::Refused),
        ("kid of the other account", told("kid", json!(foreign)), Fate::Ignored),
        ("an unknown kid", told("kid", json!("unknown")), Fate::Ignored),
        ("an empty kid", told("kid", json!("")), Fate::Ignored),
        ("kid a file", told("kid", json!("../../../dev/null")), Fate::Ignored),
        ("kid a condition", told("kid", json!("' OR 1=1 --")), Fate::Ignored),
        ("kid an address", told("kid", json!("https://evil.example/key")), Fate::Ignored),
    ] {
        scene.assert(&hint, fate, how);
        tried += 1;
    }
    assert!(tried >= 14);
}

#[test]
fn what_is_no_id_token_of_this_account_is_no_hint() {
    let stage = Stage::new(1);
    let world = &stage.world;
    world.shop_server("http://127.0.0.1:8789/");
    let other = stage.other_shop();
    let told = stage.client("b", &json!({ "backchannel_logout_uri": "http://127.0.0.1:8789/b/logout" }));
    let (_, _, leaving) = stage.logged_in(&told, "openid");
    let url = told.logout_url(&[("id_token_hint", leaving["id_token"].as_str().unwrap())]);
    assert_eq!(world.get(&url).status, 200);
    world.run_queues();
    let call = world.shop_calls().pop().expect("a logout token");
    let logout_token = url::form_urlencoded::parse(&call.body).next().unwrap().1.into_owned();
    assert_eq!(header_of(&logout_token)["typ"], "logout+jwt");
    let shop = stage.client("2", &json!({}));
    let scene = Scene::of(&stage, &shop);
    let (_, _, tokens) = stage.logged_in(&shop, "openid offline_access");
    let foreign = text(&stage.logged_in(&other, "openid").2, "id_token");
    let user = stage.person("次郎");
    let login = enishi_world::line_simulator::LiffLogin::new(user, ACCOUNT.login_channel);
    let now = world.now().0;
    let liff = world.line().liff_id_token(now, &login).unwrap();
    let long = format!("{}{}", "a".repeat(8_001), scene.token);
    let mut tried = 0;
    for (how, hint, fate) in [
        ("a logout token", logout_token.as_str(), Fate::Refused),
        ("another account's token", foreign.as_str(), Fate::Ignored),
        ("LINE's token", liff.as_str(), Fate::Refused),
        ("an access token", tokens["access_token"].as_str().unwrap(), Fate::Refused),
        ("a refresh token", tokens["refresh_token"].as_str().unwrap(), Fate::Refused),
        ("a subject", scene.subject.as_str(), Fate::Refused),
        ("a session", &session_cookie(&scene.browser), Fate::Refused),
        ("a long text", long.as_str(), Fate::Refused),
        ("a null", "null", Fate::Refused),
        ("an object", "{}", Fate::Refused),
        ("markup", "<script>alert(1)</script>.x.y", Fate::Refused),
    ] {
        scene.assert(hint, fate, how);
        tried += 1;
    }
    assert!(tried >= 11);
}

#[test]
fn a_hint_that_is_over_still_says_whom_it_was_for() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let scene = Scene::of(&stage, &stage.shop);
    let (_, _, tokens) = stage.logged_in(&stage.shop, "openid");
    let another = text(&tokens, "id_token");
    world.advance(HOUR);
    let asked = |hint: &str| {
        let login = stage.shop.begin("1").with("prompt", "none").with("id_token_hint", hint);
        let reply = world.answer(scene.browser.request(&login.url));
        let back = stage.shop.answer(&login, location(&reply).unwrap());
        (back("code").is_some(), back("error"))
    };
    assert_eq!(asked(&scene.token), (true, None));
    assert_eq!(asked(&another), (false, Some("login_required".to_owned())), "the browser is somebody else's");
    let cookies = format!("{}={}", enishi::web::cookie::SESSION, session_cookie(&scene.browser));
    let url = stage.shop.logout_url(&[("id_token_hint", &another)]);
    let reply = world.answer(scene.browser.request(&url));
    assert!(reply.headers.get("set-cookie").is_none(), "another's token does not take this browser's cookie");
    let (login, reply) = silent(world, &stage.shop, &cookies);
    assert!(stage.shop.answer(&login, location(&reply).unwrap())("code").is_some(), "nor ends its session");
    let url = stage.shop.logout_url(&[("id_token_hint", &scene.token)]);
    assert_eq!(world.answer(scene.browser.request(&url)).status, 200);
    assert!(is_nobody(world, &stage.shop, &cookies));
}
