//! Judging an authorization request, in a fixed order; nothing is asked of a store.

use super::{
    AuthorizationError, AuthorizationRequest, LinkIntent, MAX_ECHOED, Prompt, Refusal, ResponseMode,
    ReturnAddress,
};
use crate::{
    config::{Account, Client},
    id::MemberId,
    oauth::{Scope, pkce},
    ticket,
    web::{form::Form, language::Language},
};

/// The longest label of a member, in characters.
const MAX_LABEL: usize = 100;

/// Which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Through the customer's browser.
    Browser,
    /// From an authenticated client (RFC 9126).
    Pushed,
}

/// Judges an authorization request, in this order: (1) the client, (2) the redirect URI, (3) `state` and
/// `response_mode`, (4) request objects, (5) `response_type`, (6) `scope`, (7) PKCE, (8) `prompt`, (9) `max_age` and
/// `nonce`, (10) the member to link. Unknown parameters are ignored; so are `display` and `acr_values`.
pub fn read(form: &Form, account: &Account, channel: Channel) -> Result<AuthorizationRequest, Refusal> {
    // (1)
    let client = form.value("client_id").and_then(|id| account.client(id)).ok_or(Refusal::UnknownClient)?;
    // (2)
    let redirect_uri = form
        .value("redirect_uri")
        .filter(|uri| client.may_return_to(uri))
        .ok_or_else(|| Refusal::UnknownRedirectUri(Box::new(client.clone())))?;
    // (3) A state that is too long is not returned either: the answer would break the same limits.
    let state = form.value("state").filter(|state| state.len() <= MAX_ECHOED);
    let mode = ResponseMode::parse(form.value("response_mode"));
    let back = ReturnAddress {
        redirect_uri: redirect_uri.to_owned(),
        state: state.map(str::to_owned),
        response_mode: mode.unwrap_or_default(),
    };
    // A page that is none of the client's is no error of a login: nobody is led there, and that is all.
    let target = form.value("target_link_uri").filter(|page| client.may_lead_to(page, &account.host));
    let target = target.map(str::to_owned);
    match judge(form, client, channel, mode) {
        Ok(asked) => Ok(AuthorizationRequest { back, target, ..asked }),
        Err(error) => Err(Refusal::Redirect(back, error)),
    }
}

/// Everything but where the answer goes.
fn judge(
    form: &Form,
    client: &Client,
    channel: Channel,
    mode: Option<ResponseMode>,
) -> Result<AuthorizationRequest, AuthorizationError> {
    use AuthorizationError::{
        InvalidRequest, InvalidScope, RequestNotSupported, RequestUriNotSupported, UnsupportedResponseType,
    };
    // (3)
    if form.value("state").is_some_and(|state| state.len() > MAX_ECHOED) {
        return Err(InvalidRequest("state must be at most 2048 bytes"));
    }
    if mode.is_none() {
        return Err(InvalidRequest("response_mode must be query or form_post"));
    }
    // (4)
    if form.value("request").is_some() {
        return Err(RequestNotSupported);
    }
    if form.value("request_uri").is_some() {
        return Err(RequestUriNotSupported);
    }
    // (5)
    match form.value("response_type") {
        Some("code") => {}
        Some(_) => return Err(UnsupportedResponseType),
        None => return Err(InvalidRequest("response_type is missing")),
    }
    // (6)
    let scope = Scope::parse(form.value("scope").unwrap_or_default());
    if !scope.openid {
        return Err(InvalidScope);
    }
    // (7)
    judge_pkce(form, client)?;
    // (8)
    let prompt = judge_prompt(form.value("prompt"))?;
    // (9)
    let max_age = match form.value("max_age").map(str::parse) {
        Some(Err(_)) => return Err(InvalidRequest("max_age must be a number of seconds")),
        Some(Ok(seconds)) => Some(seconds),
        None => None,
    };
    if form.value("nonce").is_some_and(|nonce| nonce.len() > MAX_ECHOED) {
        return Err(InvalidRequest("nonce must be at most 2048 bytes"));
    }
    // (10)
    let link = judge_link(form, client, channel)?;
    let owned = |name| form.value(name).map(str::to_owned);
    let is_ticket = |hint: &String| hint.starts_with(ticket::PREFIX) && hint.len() <= ticket::MAX_SEALED;
    Ok(AuthorizationRequest {
        back: ReturnAddress { redirect_uri: String::new(), state: None, response_mode: ResponseMode::Query },
        client_id: client.id.clone(),
        nonce: owned("nonce"),
        scope,
        code_challenge: owned("code_challenge"),
        prompt,
        max_age,
        language: form.value("ui_locales").and_then(Language::named),
        email_hint: owned("login_hint").filter(|hint| hint.contains('@') && hint.len() <= 320),
        subject: None,
        link,
        target: None,
        unverified_ticket: owned("login_hint").filter(is_ticket),
        pushed: None,
        unverified_hint: owned("id_token_hint"),
    })
}

/// The member to link: said only by an authenticated confidential client, with PKCE, so that nobody can have a stranger
/// finish a link for his own member.
fn judge_link(
    form: &Form,
    client: &Client,
    channel: Channel,
) -> Result<Option<LinkIntent>, AuthorizationError> {
    use AuthorizationError::InvalidRequest;
    let Some(member_id) = form.value("member_id") else { return Ok(None) };
    if channel == Channel::Browser {
        return Err(InvalidRequest("member_id is accepted only in a pushed authorization request"));
    }
    if client.is_public() || form.value("code_challenge").is_none() {
        return Err(InvalidRequest("member_id needs a confidential client and a code_challenge"));
    }
    let member_id = MemberId::parse(member_id)
        .map_err(|_| InvalidRequest("member_id must be 1 to 255 characters without control characters"))?;
    let label = form.value("member_label");
    if label.is_some_and(|label| label.chars().count() > MAX_LABEL || label.chars().any(char::is_control)) {
        return Err(InvalidRequest("member_label must be at most 100 characters without control characters"));
    }
    Ok(Some(LinkIntent { member_id, label: label.map(str::to_owned) }))
}

fn judge_pkce(form: &Form, client: &Client) -> Result<(), AuthorizationError> {
    use AuthorizationError::InvalidRequest;
    match (form.value("code_challenge"), form.value("code_challenge_method")) {
        (None, None) if client.must_use_pkce() => {
            Err(InvalidRequest("this client must send a code_challenge"))
        }
        (None, None) => Ok(()),
        (None, Some(_)) => Err(InvalidRequest("code_challenge is missing")),
        (Some(challenge), Some("S256")) if pkce::is_challenge(challenge) => Ok(()),
        (Some(_), Some("S256")) => Err(InvalidRequest("code_challenge must be 43 characters of base64url")),
        (Some(_), _) => Err(InvalidRequest("code_challenge_method must be S256")),
    }
}

fn judge_prompt(prompt: Option<&str>) -> Result<Prompt, AuthorizationError> {
    let mut asked = Prompt::Unspecified;
    let names: Vec<&str> = prompt.unwrap_or_default().split(' ').filter(|name| !name.is_empty()).collect();
    for name in &names {
        match *name {
            "none" if names.len() > 1 => {
                return Err(AuthorizationError::InvalidRequest("prompt=none stands alone"));
            }
            "none" => asked = Prompt::None,
            "login" | "select_account" => asked = Prompt::Login,
            "consent" if asked == Prompt::Unspecified => asked = Prompt::Consent,
            _ => {}
        }
    }
    Ok(asked)
}
