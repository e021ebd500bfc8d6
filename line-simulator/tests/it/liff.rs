//! LIFF ID tokens as a shop's server meets them: signed with a key that `/certs` shows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use line_simulator::{Config, LiffError, LiffLogin, LoginChannel, NewUser, Simulator, UserId};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::{EncodedPoint, FieldBytes};
use serde_json::{Value, json};

use crate::journey::part;
use crate::{Line, NOW, body_of, config};

const CHANNEL: &str = "1234567890";
const CERTS: &str = "/oauth2/v2.1/certs";

fn user(line: &mut Line) -> UserId {
    let email = Some("hanako@example.com".to_owned());
    line.sim.add_user(NewUser { name: "花子".into(), email, ..NewUser::default() })
}

fn token(line: &mut Line, scope: &str) -> String {
    let user = user(line);
    let login = LiffLogin { scope: scope.to_owned(), ..LiffLogin::new(user, CHANNEL) };
    line.sim.liff_id_token(NOW, &login).unwrap()
}

fn certs(line: &mut Line) -> Vec<Value> {
    body_of(&line.get(CERTS))["keys"].as_array().unwrap().clone()
}

fn verify(line: &mut Line, token: &str, rest: &str) -> Value {
    body_of(&line.form("/oauth2/v2.1/verify", &format!("id_token={token}{rest}")))
}

/// Verifies as a shop would: the key of the set that the header names.
fn verifies(keys: &[Value], token: &str) -> bool {
    let kid = &part(token, 0)["kid"];
    let Some(jwk) = keys.iter().find(|jwk| jwk["kid"] == *kid) else { return false };
    let bytes = |name: &str| {
        FieldBytes::clone_from_slice(&URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap())
    };
    let point = EncodedPoint::from_affine_coordinates(&bytes("x"), &bytes("y"), false);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    VerifyingKey::from_encoded_point(&point).unwrap().verify(signed.as_bytes(), &signature).is_ok()
}

#[test]
fn a_liff_token_is_signed_with_the_key_that_certs_shows() {
    let mut line = Line::new();
    let token = token(&mut line, "profile openid");
    let keys = certs(&mut line);
    let members = ["alg", "crv", "kid", "kty", "use", "x", "y"];
    assert_eq!(keys[0].as_object().unwrap().keys().collect::<Vec<_>>(), members);
    let named = |name: &str| keys[0][name].as_str().unwrap();
    assert_eq!(["kty", "alg", "use", "crv"].map(named), ["EC", "ES256", "sig", "P-256"]);
    assert_eq!(part(&token, 0), json!({ "typ": "JWT", "alg": "ES256", "kid": keys[0]["kid"] }));
    assert_eq!(keys.len(), 1);
    assert!(verifies(&keys, &token));
}

#[test]
fn a_liff_token_says_what_the_user_allowed() {
    let mut line = Line::new();
    let claims = part(&token(&mut line, "profile openid"), 1);
    let user = line.sim.users()[0].clone();
    let expected = json!({
        "iss": "https://access.line.me", "sub": user.id, "aud": CHANNEL, "exp": NOW / 1_000 + 3_600,
        "iat": NOW / 1_000, "amr": ["linesso"], "name": "花子", "picture": user.picture_url(),
    });
    assert_eq!(claims, expected);
    let claims = part(&token(&mut line, "openid"), 1);
    assert_eq!((claims.get("name"), claims.get("picture"), claims.get("email")), (None, None, None));
    assert_eq!(part(&token(&mut line, "profile openid email"), 1)["email"], "hanako@example.com");
}

#[test]
fn the_address_needs_the_channels_permission_in_liff_too() {
    let channels = config(false, None).login_channels.into_iter();
    let login_channels =
        channels.map(|channel| LoginChannel { email_permission: false, ..channel }).collect();
    let mut line = Line::with(Config { login_channels, ..config(false, None) });
    assert_eq!(part(&token(&mut line, "profile openid email"), 1).get("email"), None);
}

#[test]
fn there_is_no_token_without_openid_a_user_or_a_channel() {
    let mut line = Line::new();
    let user = user(&mut line);
    let mut refused = |login: &LiffLogin| line.sim.liff_id_token(NOW, login).unwrap_err();
    let known = LiffLogin::new(user.clone(), CHANNEL);
    assert_eq!(refused(&LiffLogin { scope: "profile".into(), ..known }), LiffError::NoOpenId);
    assert_eq!(refused(&LiffLogin::new(user, "2000000001")), LiffError::UnknownChannel);
    assert_eq!(refused(&LiffLogin::new("U0", CHANNEL)), LiffError::UnknownUser);
}

#[test]
fn a_rotated_key_is_served_beside_the_last_one_and_older_ones_are_gone() {
    let mut line = Line::new();
    let old = token(&mut line, "openid");
    let kid = body_of(&line.json("/sim/liff-key", &json!({})))["kid"].clone();
    let new = token(&mut line, "openid");
    let keys = certs(&mut line);
    assert_eq!(part(&new, 0)["kid"], kid);
    assert_ne!(part(&old, 0)["kid"], kid);
    assert_eq!(keys.len(), 2);
    assert!(verifies(&keys, &old) && verifies(&keys, &new));

    line.sim.rotate_liff_key();
    let keys = certs(&mut line);
    assert!(verifies(&keys, &new) && !verifies(&keys, &old));
    let client = format!("&client_id={CHANNEL}");
    assert_eq!(verify(&mut line, &old, &client)["error_description"], "Invalid IdToken.");
}

#[test]
fn the_keys_follow_from_the_seed_and_survive_restart_and_reset() {
    let mut line = Line::new();
    line.sim.rotate_liff_key();
    let keys = certs(&mut line);
    line.json("/sim/reset", &json!({}));
    assert_eq!(certs(&mut line), keys);
    line.sim = Simulator::restore(Config::default(), &line.sim.save()).unwrap();
    assert_eq!(certs(&mut line), keys);
    line.sim = Simulator::new(config(false, None), 2);
    assert!(!keys.contains(&certs(&mut line)[0]), "another seed has other keys");
}

#[test]
fn the_api_verifies_a_liff_token_by_its_claims() {
    let mut line = Line::new();
    let token = token(&mut line, "profile openid");
    let sub = part(&token, 1)["sub"].as_str().unwrap().to_owned();
    let client = format!("&client_id={CHANNEL}");
    assert_eq!(verify(&mut line, &token, &client), part(&token, 1));
    assert_eq!(verify(&mut line, &token, &format!("{client}&user_id={sub}")), part(&token, 1));
    let mut refused = |rest: &str| verify(&mut line, &token, rest)["error_description"].clone();
    assert_eq!(refused("&client_id=9999999999"), "Invalid IdToken Audience.");
    assert_eq!(refused(&format!("{client}&nonce=n1")), "Invalid IdToken Nonce.");
    assert_eq!(refused(&format!("{client}&user_id=U0")), "Invalid IdToken Subject Identifier.");
    assert_eq!(refused(""), "Invalid IdToken.");
    line.now += 3_600_000;
    assert_eq!(verify(&mut line, &token, &client)["error_description"], "IdToken expired.");
    let reply = line.form("/oauth2/v2.1/verify", &client);
    assert_eq!((reply.status().as_u16(), body_of(&reply)["error"].clone()), (400, json!("invalid_request")));
}

#[test]
fn a_token_that_was_touched_or_comes_from_elsewhere_is_not_lines() {
    let mut line = Line::new();
    let token = token(&mut line, "profile openid");
    let client = format!("&client_id={CHANNEL}");
    let mut elsewhere = Line::new();
    elsewhere.sim = Simulator::new(config(false, None), 2);
    assert_eq!(verify(&mut elsewhere, &token, &client)["error_description"], "Invalid IdToken.");
    let (head, rest) = token.split_once('.').unwrap();
    let payload = rest.split('.').next().unwrap();
    let unsigned = format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#));
    let half = format!("{head}.{payload}.AAAA");
    for forged in [unsigned, half] {
        assert_eq!(verify(&mut line, &forged, &client)["error_description"], "Invalid IdToken.");
    }
}

#[test]
fn a_script_opens_a_liff_app_at_any_time() {
    let mut line = Line::new();
    let id = user(&mut line);
    let path = format!("/sim/users/{id}/liff");
    let made = body_of(&line.json(&path, &json!({})))["id_token"].as_str().unwrap().to_owned();
    assert_eq!(part(&made, 1)["iat"], NOW / 1_000);
    let old = json!({ "channel_id": CHANNEL, "scope": "openid", "amr": [], "issued_at": NOW - 3_600_000 });
    let old = body_of(&line.json(&path, &old))["id_token"].as_str().unwrap().to_owned();
    assert_eq!(part(&old, 1)["exp"], NOW / 1_000);
    assert_eq!((part(&old, 1).get("amr"), part(&old, 1).get("name")), (None, None));
    assert_eq!(line.json(&path, &json!({ "scope": "profile" })).status(), 400);
    assert_eq!(line.json(&path, &json!({ "channel_id": "1" })).status(), 404);
    assert_eq!(line.json("/sim/users/U0/liff", &json!({})).status(), 404);
}
