//! A login as browser and shop walk it, step by step.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use line_simulator::{AutoLogin, NewUser};
use serde_json::Value;

use crate::{CALLBACK, Line, header};

pub(crate) const VERIFIER: &str = "wJKN8qz5t8SSI9lMFhBB6qwNkQBkuPZoCxzRhwLRUo1";
const CHALLENGE: &str = "BSCQwo_m8Wf0fpjmwkIKmPAJ1A7tiuRSNDnXzODS7QI";

pub(crate) fn authorize(line: &mut Line, extra: &str) -> Response<Vec<u8>> {
    authorize_scope(line, "profile%20openid", extra)
}

pub(crate) fn authorize_scope(line: &mut Line, scope: &str, extra: &str) -> Response<Vec<u8>> {
    line.get(&format!(
        "/oauth2/v2.1/authorize?response_type=code&client_id=1234567890\
         &redirect_uri=https%3A%2F%2Fshop.example%2Fline%2Fcallback&state=9f8e7d6c&scope={scope}&nonce=n1\
         &code_challenge={CHALLENGE}&code_challenge_method=S256{extra}"
    ))
}

pub(crate) fn location(reply: &Response<Vec<u8>>) -> String {
    assert!(matches!(reply.status().as_u16(), 302 | 303), "{:?}", String::from_utf8_lossy(reply.body()));
    header(reply, "location").to_owned()
}

pub(crate) fn parameter(location: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(location).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

pub(crate) fn exchange(line: &mut Line, code: &str) -> Response<Vec<u8>> {
    exchange_with(line, code, VERIFIER, "1234567890abcdefghij1234567890ab")
}

pub(crate) fn exchange_with(line: &mut Line, code: &str, verifier: &str, secret: &str) -> Response<Vec<u8>> {
    let body = format!(
        "grant_type=authorization_code&code={code}&client_id=1234567890&client_secret={secret}\
         &redirect_uri=https%3A%2F%2Fshop.example%2Fline%2Fcallback&code_verifier={verifier}"
    );
    line.form("/oauth2/v2.1/token", &body)
}

pub(crate) fn claims(tokens: &Value) -> Value {
    part(tokens["id_token"].as_str().unwrap(), 1)
}

/// The header (0) or the payload (1) of a token.
pub(crate) fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

pub(crate) fn user(line: &mut Line, auto_login: AutoLogin) -> String {
    let user = line.sim.add_user(NewUser { name: "花子".into(), auto_login, ..NewUser::default() });
    line.cookie = Some(format!("line_sim_user={user}"));
    user.to_string()
}

/// Consents and returns the callback.
pub(crate) fn consent(line: &mut Line, screen: &str, friend: bool) -> String {
    let friend = if friend { "&friend=true" } else { "" };
    location(&line.form(&format!("{screen}/consent"), &format!("decision=allow{friend}")))
}

pub(crate) fn code_of(line: &mut Line) -> String {
    let reply = authorize(line, "");
    let screen = location(&reply);
    let callback = if screen.starts_with(CALLBACK) { screen } else { consent(line, &screen, false) };
    parameter(&callback, "code").unwrap()
}
