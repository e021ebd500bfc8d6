//! RP-Initiated Logout OP: a customer who has logged in by the suite's client is sent to the end of their session.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use enishi::{
    oauth::{SignatureAlgorithm, es256, signed, signing_input},
    secret::SecretText,
};
use enishi_world::ACCOUNT;
use serde_json::{Value, json};

use super::{Run, Success, config::endpoints, discovery};
use crate::support::{Shop, Stage, claims_of, header_of, query};

/// A `state` of 128 characters, which no way back may shorten.
fn state() -> String {
    "0123456789abcdefghijklmnopqrstuv".repeat(4)
}

/// Somebody has logged in.
fn logged_in(stage: &Stage) -> (Run<'_>, Success) {
    let mut run = Run::new(stage);
    let login = run.asks("1", &[]);
    let success = run.succeeds(&login);
    (run, success)
}

/// Whether the browser's session still answers `prompt=none`; without one, the error is the right one.
fn is_logged_in(run: &mut Run<'_>) -> bool {
    let silent = run.asks("2", &[("prompt", "none")]);
    let location = run.silently(&silent);
    let back = run.rp.answer(&silent, &location);
    let error = back("error");
    assert!(error.is_none() || error.as_deref() == Some("login_required"), "{location}");
    error.is_none()
}

/// What is shown instead of a redirect, if it is neither a redirect nor a way to the client that goes by itself.
fn shown(run: &mut Run<'_>, url: &str) -> (u16, String) {
    let page = run.browser.go(url);
    assert_eq!(page.location, None);
    assert!(!page.html.contains("http-equiv"), "{}", page.html);
    (page.status, page.html)
}

/// The parameters of a complete request, of which a module leaves out or changes some.
fn complete<'a>(rp: &'a Shop, hint: &'a str, state: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("id_token_hint", hint), ("post_logout_redirect_uri", &rp.home_uri), ("state", state)]
}

/// The customer's own word on the page that asks for it.
fn leaves(run: &mut Run<'_>, url: &str) -> (u16, String) {
    let asked = run.browser.go(url);
    assert_eq!((asked.status, asked.location.as_deref()), (200, None));
    assert!(asked.html.contains("ログアウトしますか"), "{}", asked.html);
    assert!(is_logged_in(run), "asking alone ends nothing");
    let page = run.browser.choose(&asked, &[("choice", "leave")]);
    assert_eq!(page.location, None);
    (page.status, page.html)
}

#[test]
fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let stage = Stage::new(1);
    let document = discovery(&stage);
    let end = endpoints(&document).into_iter().find(|(name, _)| *name == "end_session_endpoint");
    let (_, url) = end.expect("an end_session_endpoint");
    assert!(url.starts_with(&format!("{}/", ACCOUNT.issuer)), "{url}");
    assert_eq!(stage.world.get(url).status, 200, "and it is there");
    let public = super::config::deployed("line.shop.example");
    assert!(public["end_session_endpoint"].as_str().unwrap().starts_with("https://line.shop.example/"));
}

#[test]
fn oidcc_rp_initiated_logout() {
    let stage = Stage::new(1);
    let (mut run, brought) = logged_in(&stage);
    let long = state();
    let url = run.rp.logout_url(&complete(&run.rp, brought.id_token(), &long));
    let location = run.browser.go(&url).location.expect("the way back");
    assert_eq!(location.split_once('?').unwrap().0, run.rp.home_uri);
    assert_eq!(query(&location)("state"), Some(long));
    assert!(!is_logged_in(&mut run));
}

#[test]
fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    let stage = Stage::new(1);
    let (mut run, brought) = logged_in(&stage);
    let bad = "https://suite.example/unregistered";
    let url = run.rp.logout_url(&[
        ("id_token_hint", brought.id_token()),
        ("post_logout_redirect_uri", bad),
        ("state", "s"),
    ]);
    let (status, html) = shown(&mut run, &url);
    assert_eq!(status, 400);
    assert!(html.contains("post_logout_redirect_uri") && !html.contains(bad), "{html}");
}

#[test]
fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    let stage = Stage::new(1);
    let (mut run, brought) = logged_in(&stage);
    let longer = format!("{}?foo=bar", run.rp.home_uri);
    let url = run.rp.logout_url(&[
        ("id_token_hint", brought.id_token()),
        ("post_logout_redirect_uri", &longer),
        ("state", "s"),
    ]);
    let (status, html) = shown(&mut run, &url);
    assert_eq!(status, 400);
    assert!(html.contains("post_logout_redirect_uri") && !html.contains("foo=bar"), "{html}");
}

#[test]
fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let stage = Stage::new(1);
    let (mut run, brought) = logged_in(&stage);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut header = header_of(brought.id_token());
    header["alg"] = "none".into();
    let claims = brought.id_token().split('.').nth(1).unwrap();
    let (_, signature) = brought.id_token().rsplit_once('.').unwrap();
    // Unsigned; without a `kid` too; and signed still, but with another claim.
    let mut other_claims = claims_of(brought.id_token());
    other_claims["exp"] = 4_000_000_000_u64.into();
    let true_header = brought.id_token().split('.').next().unwrap();
    for modified in [
        format!("{}.{claims}.", part(&header)),
        format!("{}.{claims}.", part(&json!({ "alg": "none" }))),
        format!("{true_header}.{}.{signature}", part(&other_claims)),
    ] {
        let url = run.rp.logout_url(&complete(&run.rp, &modified, "s"));
        assert_eq!(shown(&mut run, &url).0, 400, "{modified}");
        assert!(is_logged_in(&mut run), "{modified}");
    }
}

#[test]
fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let stage = Stage::new(1);
    let (mut run, brought) = logged_in(&stage);
    // Somebody else's signature, under our key's name and under a name that nobody knows.
    let foreign_key = es256::private_key([7; 32]).unwrap();
    let claims = claims_of(brought.id_token());
    let signed_by = |key: &SecretText, kid: &str| {
        let input = signing_input(SignatureAlgorithm::Rs256, kid, "JWT", &claims);
        let signature = es256::sign(key, input.as_bytes()).unwrap();
        signed(input, &signature)
    };
    let known = signed_by(&foreign_key, header_of(brought.id_token())["kid"].as_str().unwrap());
    let url = run.rp.logout_url(&complete(&run.rp, &known, "s"));
    assert_eq!(shown(&mut run, &url).0, 400);
    assert!(is_logged_in(&mut run));
    let unknown = signed_by(&foreign_key, "suite");
    let url = run.rp.logout_url(&complete(&run.rp, &unknown, "s"));
    let (_, html) = shown(&mut run, &url);
    assert!(
        html.contains("ログアウトしますか"),
        "nobody can tell whose it is, so the customer is asked: {html}"
    );
    assert!(is_logged_in(&mut run));
}

#[test]
fn oidcc_rp_initiated_logout_no_id_token_hint() {
    let stage = Stage::new(1);
    let (mut run, _) = logged_in(&stage);
    let url = run.rp.logout_url(&[("post_logout_redirect_uri", &run.rp.home_uri), ("state", "s")]);
    let (_, html) = leaves(&mut run, &url);
    assert!(
        !html.contains("http-equiv") && !html.contains("state=s"),
        "nobody has said whose address it is: {html}"
    );
    assert!(!is_logged_in(&mut run));
}

#[test]
fn oidcc_rp_initiated_logout_no_params() {
    let stage = Stage::new(1);
    let (mut run, _) = logged_in(&stage);
    let url = run.rp.logout_url(&[]);
    let (status, html) = leaves(&mut run, &url);
    assert_eq!(status, 200);
    assert!(html.contains("ログアウトしました") && !html.contains("http-equiv"), "{html}");
    assert!(!is_logged_in(&mut run));
}

#[test]
fn oidcc_rp_initiated_logout_only_state() {
    let stage = Stage::new(1);
    let (mut run, _) = logged_in(&stage);
    let url = run.rp.logout_url(&[("state", &state())]);
    let (status, html) = leaves(&mut run, &url);
    assert_eq!(status, 200);
    assert!(html.contains("ログアウトしました") && !html.contains("http-equiv"), "{html}");
    assert!(!html.contains(&state()), "{html}");
    assert!(!is_logged_in(&mut run));
}

#[test]
fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    let stage = Stage::new(1);
    let (mut run, brought) = logged_in(&stage);
    let url = run.rp.logout_url(&[("id_token_hint", brought.id_token()), ("state", &state())]);
    let (status, html) = shown(&mut run, &url);
    assert_eq!(status, 200);
    assert!(html.contains("ログアウトしました") && !html.contains(&state()), "{html}");
    assert!(!is_logged_in(&mut run));
}

#[test]
fn oidcc_rp_initiated_logout_no_state() {
    let stage = Stage::new(1);
    let (mut run, brought) = logged_in(&stage);
    let url = run
        .rp
        .logout_url(&[("id_token_hint", brought.id_token()), ("post_logout_redirect_uri", &run.rp.home_uri)]);
    assert_eq!(run.browser.go(&url).location, Some(run.rp.home_uri.clone()), "and nothing is added");
    assert!(!is_logged_in(&mut run));
}
