//! LIFF ID tokens at the token exchange: LINE's own, for this account's Login channel, of the last ten minutes, once.

use enishi::{
    time::{MINUTE, SECOND},
    web::Reply,
};
use enishi_world::{
    ACCOUNT, OTHER_ACCOUNT,
    line_simulator::{LiffLogin, UserId},
};
use serde_json::{Value, json};

use super::{
    error_of,
    jwt::{but, forgeries, hs256, retold, twin},
    text,
};
use crate::support::{Shop, Stage, claims_of, header_of, json_body};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// LINE's token for a LIFF app of this channel, `age` milliseconds old.
fn liff_token(stage: &Stage, user: &UserId, channel: &str, age: i64) -> String {
    let now = stage.world.now().0 - age;
    stage.world.line().liff_id_token(now, &LiffLogin::new(user.clone(), channel)).unwrap()
}

fn traded(stage: &Stage, shop: &Shop, token: &str) -> Reply {
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", ID_TOKEN), ("subject_token", token)];
    shop.call(&stage.world, "/token", &fields)
}

fn assert_refused(stage: &Stage, shop: &Shop, token: &str, how: &str) {
    let before = (stage.count("grants"), stage.count("traded_tokens"), stage.count("line_users"));
    let reply = traded(stage, shop, token);
    assert_eq!(error_of(&reply), (400, "invalid_grant".to_owned()), "{how}");
    assert!(reply.headers.get("set-cookie").is_none());
    assert_eq!(
        (stage.count("grants"), stage.count("traded_tokens"), stage.count("line_users")),
        before,
        "{how}"
    );
}

/// The key at LINE that a token names.
fn line_key(stage: &Stage, token: &str) -> Value {
    let request = http::Request::get("http://line.test/oauth2/v2.1/certs").body(Vec::new()).unwrap();
    let now = stage.world.now().0;
    let enishi_world::line_simulator::Answer::Reply(reply) = stage.world.line().handle(now, request) else {
        panic!("LINE shows its keys")
    };
    let keys: Value = serde_json::from_slice(reply.body()).unwrap();
    let kid = header_of(token)["kid"].clone();
    keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone()
}

#[test]
fn a_forged_liff_token_is_traded_for_nothing() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let (user, victim) = (stage.person("花子"), stage.person("太郎"));
    let token = liff_token(&stage, &user, ACCOUNT.login_channel, 0);
    let mut wanted = claims_of(&token);
    wanted["sub"] = json!(victim);
    wanted["exp"] = json!(4_000_000_000_i64);
    wanted["iss"] = json!("https://evil.example");
    wanted["email"] = json!("president@shop.example");
    wanted["nonce"] = json!("n");
    let secrets = [
        ("the Login channel's secret", ACCOUNT.login_secret),
        ("the Messaging channel's secret", ACCOUNT.messaging_secret),
        ("the client's secret", shop.client_secret.as_str()),
    ];
    let mut tried = 0;
    for (how, forged) in forgeries(&token, &wanted, &line_key(&stage, &token), &secrets) {
        assert_refused(&stage, shop, &forged, &how);
        tried += 1;
    }
    assert!(tried >= 40, "{tried}");
    assert_eq!(traded(&stage, shop, &token).status, 200, "none of that has spent it");
}

#[test]
fn a_liff_token_of_another_channel_kind_time_or_key_is_traded_for_nothing() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let user = stage.person("花子");
    let fresh = || liff_token(&stage, &user, ACCOUNT.login_channel, 0);
    let (header, claims) = (header_of(&fresh()), claims_of(&fresh()));
    let web = json!({ "typ": "JWT", "alg": "HS256" });
    let mut nameless = header.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    let secret = ACCOUNT.login_secret.as_bytes();
    let mut cases = vec![
        ("another channel", liff_token(&stage, &user, OTHER_ACCOUNT.login_channel, 0)),
        (
            "ten minutes and a second old",
            liff_token(&stage, &user, ACCOUNT.login_channel, 10 * MINUTE + SECOND),
        ),
        ("over", liff_token(&stage, &user, ACCOUNT.login_channel, 62 * MINUTE)),
        ("of tomorrow", liff_token(&stage, &user, ACCOUNT.login_channel, -24 * 60 * MINUTE)),
        ("two minutes early", liff_token(&stage, &user, ACCOUNT.login_channel, -2 * MINUTE)),
        ("a web login's form", hs256(&web, &claims, secret)),
        (
            "a web login's form with LIFF's key named",
            hs256(&but(&web, "kid", header["kid"].clone()), &claims, secret),
        ),
        ("no kid", retold(&fresh(), &nameless, &claims)),
        ("an unknown kid", retold(&fresh(), &but(&header, "kid", json!("unknown")), &claims)),
        ("kid a file", retold(&fresh(), &but(&header, "kid", json!("/dev/null")), &claims)),
        ("long", format!("{}{}", "a".repeat(8_001), fresh())),
        ("a word", "x".to_owned()),
        ("null", "null".to_owned()),
    ];
    for algorithm in ["RS256", "ES256"] {
        let client = stage.client(algorithm, &json!({ "id_token_signed_response_alg": algorithm }));
        let (_, _, tokens) = stage.logged_in(&client, "openid offline_access");
        cases.push(("our own ID token", text(&tokens, "id_token")));
        cases.push(("an access token", text(&tokens, "access_token")));
        cases.push(("a refresh token", text(&tokens, "refresh_token")));
    }
    for (how, token) in &cases {
        assert_refused(&stage, shop, token, how);
    }
    assert!(cases.len() >= 19);
    // A key from before the last two is gone, also for an isolate that does not remember.
    let old = fresh();
    world.line().rotate_liff_key();
    world.line().rotate_liff_key();
    world.evict_isolate();
    assert_refused(&stage, shop, &old, "an old key");
    world.advance(6 * SECOND);
    assert_eq!(traded(&stage, shop, &fresh()).status, 200);
}

#[test]
fn a_liff_token_is_traded_once_by_whomever_and_however_often_it_comes_at_once() {
    let stage = Stage::new(1);
    let (world, shop) = (&stage.world, &stage.shop);
    let second = stage.client("2", &json!({}));
    let token = liff_token(&stage, &stage.person("花子"), ACCOUNT.login_channel, 0);
    let fields =
        [("grant_type", EXCHANGE), ("subject_token_type", ID_TOKEN), ("subject_token", token.as_str())];
    let calls = (0..10).flat_map(|_| [shop.request("/token", &fields), second.request("/token", &fields)]);
    let replies = world.together(calls.map(|request| world.serve(request)));
    let good = replies.into_iter().filter(|reply| reply.as_ref().unwrap().status == 200).count();
    assert_eq!((good, stage.count("grants"), stage.count("bearer_tokens")), (1, 1, 1));
    for shop in [shop, &second] {
        assert_refused(&stage, shop, &token, "a second time");
    }
}

#[test]
fn a_liff_token_is_not_traded_again_under_the_other_signature_that_verifies() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let token = liff_token(&stage, &stage.person("花子"), ACCOUNT.login_channel, 0);
    assert_eq!(traded(&stage, shop, &token).status, 200);
    assert_refused(&stage, shop, &twin(&token), "whoever saw the token can make its twin");
}

#[test]
fn a_token_that_was_traded_already_changes_nothing_about_the_customer() {
    let stage = Stage::new(1);
    let shop = &stage.shop;
    let user = stage.person("花子");
    let old = liff_token(&stage, &user, ACCOUNT.login_channel, 0);
    assert_eq!(traded(&stage, shop, &old).status, 200);
    stage.world.execute("UPDATE line_users SET name = '花子の今の名前'");
    assert_refused(&stage, shop, &old, "a second time");
    let rows = stage.world.query("SELECT name FROM line_users");
    assert_eq!(rows[0]["name"], "花子の今の名前", "what is refused is not believed about anybody");
}

#[test]
fn an_exchange_of_another_kind_or_by_a_public_client_is_refused() {
    let stage = Stage::new(1);
    let world = &stage.world;
    let public = stage.client("p", &json!({ "token_endpoint_auth_method": "none" }));
    let token = liff_token(&stage, &stage.person("花子"), ACCOUNT.login_channel, 0);
    assert_eq!(error_of(&traded(&stage, &public, &token)), (400, "unauthorized_client".to_owned()));
    let access = "urn:ietf:params:oauth:token-type:access_token";
    let refresh = "urn:ietf:params:oauth:token-type:refresh_token";
    for more in [
        vec![("subject_token", token.as_str())],
        vec![("subject_token", &token), ("subject_token_type", access)],
        vec![("subject_token", &token), ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")],
        vec![("subject_token", &token), ("subject_token_type", "id_token")],
        vec![("subject_token", &token), ("subject_token_type", ID_TOKEN), ("requested_token_type", refresh)],
        vec![("subject_token", &token), ("subject_token_type", ID_TOKEN), ("requested_token_type", ID_TOKEN)],
        vec![("subject_token_type", ID_TOKEN)],
        vec![("actor_token", &token), ("subject_token_type", ID_TOKEN)],
    ] {
        let fields: Vec<(&str, &str)> = [("grant_type", EXCHANGE)].into_iter().chain(more).collect();
        let reply = stage.shop.call(world, "/token", &fields);
        assert_eq!(error_of(&reply), (400, "invalid_request".to_owned()), "{fields:?}");
    }
    assert_eq!(stage.count("traded_tokens"), 0);
    let reply = traded(&stage, &stage.shop, &token);
    assert_eq!(reply.status, 200, "{}", json_body(&reply));
    assert!(reply.headers.get("set-cookie").is_none(), "a cookie would be a third party's");
}
