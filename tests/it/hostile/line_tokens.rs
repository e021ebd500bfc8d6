//! ID tokens that LINE would never give for a login: of another algorithm, under another key, with other claims, or good
//! elsewhere.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use enishi::{
    platform::Platform as _,
    secret::SecretText,
    time::{HOUR, MINUTE, SECOND},
};
use enishi_world::{
    ACCOUNT, LINE, OTHER_ACCOUNT,
    line_simulator::{Answer, LiffLogin},
};
use serde_json::{Value, json};

use super::{
    jwt::{but, es256_of_ours, hs256, part},
    text,
};
use crate::support::{LINE_KEYS, Stage};

/// Which credential the Login channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    AssertionKey,
}

impl Kind {
    pub(super) fn stage(self) -> Stage {
        match self {
            Self::Secret => Stage::new(1),
            Self::AssertionKey => Stage::with_assertion_key(1),
        }
    }

    /// A token as LINE signs those of this channel, that says anything.
    pub(super) fn signed(self, stage: &Stage, claims: &Value) -> String {
        match self {
            Self::Secret => hs256(&web_header(), claims, ACCOUNT.login_secret.as_bytes()),
            Self::AssertionKey => stage.world.line().signed_by_line(claims),
        }
    }
}

fn web_header() -> Value {
    json!({ "typ": "JWT", "alg": "HS256" })
}

/// LINE's published key, the first of them.
pub(super) fn line_key(stage: &Stage) -> Value {
    let request = http::Request::get(format!("{LINE}{LINE_KEYS}")).body(Vec::new()).unwrap();
    let now = stage.world.now().0;
    let Answer::Reply(reply) = stage.world.line().handle(now, request) else { panic!("LINE shows its keys") };
    serde_json::from_slice::<Value>(reply.body()).unwrap()["keys"][0].clone()
}

/// A token that somebody signs with RS256.
fn rs256(stage: &Stage, header: &Value, claims: &Value, private_jwk: &Value) -> String {
    let input = format!("{}.{}", part(header), part(claims));
    let key = SecretText::new(private_jwk.to_string());
    let signature =
        stage.world.run(stage.world.sign_rs256("a test's", &key, input.as_bytes())).unwrap().unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Tokens of another algorithm or under another key than the channel's.
pub(super) fn wrongly_signed(
    kind: Kind,
    stage: &Stage,
    claims: &Value,
    own_key: &Value,
) -> Vec<(String, String)> {
    let key = line_key(stage);
    let named = |header: Value| but(&header, "kid", key["kid"].clone());
    let (hs, es) = (web_header(), json!({ "typ": "JWT", "alg": "ES256" }));
    let rs = json!({ "typ": "JWT", "alg": "RS256" });
    let (login, messaging) = (ACCOUNT.login_secret.as_bytes(), ACCOUNT.messaging_secret.as_bytes());
    let foreign = OTHER_ACCOUNT.login_secret.as_bytes();
    let mut all = vec![
        ("HS256 under the Messaging secret", hs256(&hs, claims, messaging)),
        ("HS256 under another shop's secret", hs256(&hs, claims, foreign)),
        ("HS256 under nothing", hs256(&hs, claims, b"")),
        ("HS256 with LINE's kid under another shop's secret", hs256(&named(hs.clone()), claims, foreign)),
        (
            "HS256 under the key's name",
            hs256(&named(hs.clone()), claims, key["kid"].as_str().unwrap().as_bytes()),
        ),
        ("RS256 under the shop's own key", rs256(stage, &rs, claims, own_key)),
        ("RS256 with LINE's kid", rs256(stage, &named(rs), claims, own_key)),
        ("ES256 under a foreign key with LINE's kid", es256_of_ours(&named(es.clone()), claims)),
        ("ES256 under a foreign key", es256_of_ours(&es, claims)),
        (
            "ES256 with a kid that LINE does not have",
            es256_of_ours(&but(&es, "kid", json!("unknown")), claims),
        ),
        ("ES256 with a kid that is a path", es256_of_ours(&but(&es, "kid", json!("../../keys")), claims)),
    ];
    match kind {
        Kind::Secret => {
            all.push(("ES256 as LINE signs for LIFF", stage.world.line().signed_by_line(claims)));
            all.push(("the secret read as hexadecimal", hs256(&hs, claims, &unhex(ACCOUNT.login_secret))));
        }
        Kind::AssertionKey => {
            all.push(("HS256 under the secret that the channel had", hs256(&hs, claims, login)));
            all.push(("the same with LINE's kid", hs256(&named(hs), claims, login)));
        }
    }
    all.into_iter().map(|(how, token)| (how.to_owned(), token)).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Claims that are not those of this login, to be signed as LINE signs.
pub(super) fn wrongly_said(claims: &Value) -> Vec<(String, Value)> {
    let (issued, until) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    let leeway = MINUTE / SECOND;
    let others = [
        ("iss", json!("https://access.line.me/")),
        ("iss", json!("http://access.line.me")),
        ("iss", json!(ACCOUNT.issuer)),
        ("aud", json!(OTHER_ACCOUNT.login_channel)),
        ("aud", json!(ACCOUNT.messaging_channel)),
        ("aud", json!([ACCOUNT.login_channel, OTHER_ACCOUNT.login_channel])),
        ("aud", json!([ACCOUNT.login_channel])),
        ("aud", json!("")),
        ("exp", json!(issued - leeway - 1)),
        ("exp", json!(0)),
        ("exp", json!(until.to_string())),
        ("iat", json!(issued + leeway + 60)),
        ("iat", json!(issued + HOUR * 24 / SECOND)),
        ("nonce", json!("another")),
        ("nonce", json!("")),
        ("nonce", json!(null)),
        ("nonce", json!(format!("{} ", claims["nonce"].as_str().unwrap()))),
        ("nonce", json!([claims["nonce"]])),
        ("sub", json!("")),
        ("sub", json!("U1")),
        ("sub", json!("U0123456789ABCDEF0123456789ABCDEF")),
        ("sub", json!("C0123456789abcdef0123456789abcdef")),
        ("sub", json!("U0123456789abcdef0123456789abcdef'")),
        ("sub", json!(7)),
        ("sub", json!({ "$gt": "" })),
        ("amr", json!("linesso")),
    ];
    let changed =
        others.into_iter().map(|(name, value)| (format!("{name} {value}"), but(claims, name, value)));
    let missing = ["iss", "aud", "exp", "iat", "nonce", "sub"].into_iter().map(|name| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        (format!("no {name}"), claims)
    });
    changed.chain(missing).collect()
}

/// Tokens that are good elsewhere.
pub(super) fn good_elsewhere(stage: &Stage, claims: &Value, other: &Stage) -> Vec<(String, String)> {
    let now = stage.world.now().0;
    let user = claims["sub"].as_str().unwrap();
    let liff = |channel: &str| stage.world.line().liff_id_token(now, &LiffLogin::new(user, channel)).unwrap();
    let (_, _, tokens) = other.logged_in(&other.shop, "openid");
    vec![
        ("LIFF's of this channel".to_owned(), liff(ACCOUNT.login_channel)),
        ("LIFF's of another channel".to_owned(), liff(OTHER_ACCOUNT.login_channel)),
        ("our own".to_owned(), text(&tokens, "id_token")),
    ]
}
