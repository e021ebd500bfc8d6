//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1): read and judged purely.
//!
//! Until client and redirect URI are proven nothing is redirected anywhere; after that every error goes back to the
//! client with `state` and `iss` (RFC 9207).

use crate::{
    config::{Account, Client},
    oauth::{Scope, pkce},
    web::form::{Form, with_query},
};

/// The longest `state` and `nonce` that are taken, in bytes.
pub const MAX_ECHOED: usize = 2_048;

/// What the client asks for, proven and well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub back: ReturnAddress,
    /// `client_id`.
    pub client_id: String,
    /// Echoed in the ID token.
    pub nonce: Option<String>,
    /// What was asked for and is known.
    pub scope: Scope,
    /// The PKCE challenge, S256.
    pub code_challenge: Option<String>,
    /// Whether a session suffices.
    pub prompt: Prompt,
    /// The oldest authentication that the client accepts, in seconds.
    pub max_age: Option<u32>,
}

/// `prompt` (OpenID Connect Core section 3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// A session suffices, else the customer logs in.
    Unspecified,
    /// A session, or an error: nothing is shown.
    None,
    /// A fresh authentication by LINE.
    Login,
}

/// A proven redirect URI and the client's `state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnAddress {
    /// Registered for the client, character by character.
    pub redirect_uri: String,
    /// Returned unchanged, never read.
    pub state: Option<String>,
}

impl ReturnAddress {
    /// The successful answer.
    #[must_use]
    pub fn with_code(&self, code: &str, issuer: &str) -> String {
        self.with(&[("code", code)], issuer)
    }

    /// The answer that something went wrong.
    #[must_use]
    pub fn with_error(&self, error: AuthorizationError, issuer: &str) -> String {
        self.with(&[("error", error.code()), ("error_description", error.description())], issuer)
    }

    fn with(&self, parameters: &[(&str, &str)], issuer: &str) -> String {
        let mut all = parameters.to_vec();
        if let Some(state) = &self.state {
            all.push(("state", state));
        }
        all.push(("iss", issuer));
        with_query(&self.redirect_uri, &all)
    }
}

/// An error that goes back to the client (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationError {
    /// Malformed; says what.
    InvalidRequest(&'static str),
    /// Not `code`.
    UnsupportedResponseType,
    /// Without `openid`.
    InvalidScope,
    /// `request` was sent.
    RequestNotSupported,
    /// `request_uri` was sent.
    RequestUriNotSupported,
    /// `prompt=none` and no session.
    LoginRequired,
    /// The customer cancelled at LINE.
    AccessDenied,
    /// LINE failed.
    ServerError,
    /// A store of ours failed; the customer may try again.
    TemporarilyUnavailable,
}

impl AuthorizationError {
    /// The code on the wire; also the label that is logged.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::LoginRequired => "login_required",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// A sentence for the client's engineer.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(what) => what,
            Self::UnsupportedResponseType => "response_type must be code",
            Self::InvalidScope => "scope must contain openid",
            Self::RequestNotSupported => "send the parameters themselves instead of request",
            Self::RequestUriNotSupported => "send the parameters themselves instead of request_uri",
            Self::LoginRequired => "the customer has no session here",
            Self::AccessDenied => "the customer cancelled at LINE",
            Self::ServerError => "LINE could not complete the login",
            Self::TemporarilyUnavailable => "try again in a moment",
        }
    }
}

/// Why a request is refused, and by which exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The client is unknown: a page, never a redirect.
    UnknownClient,
    /// The redirect URI is missing or not registered: a page, never a redirect.
    UnknownRedirectUri,
    /// Everything else goes back to the client.
    Redirect(ReturnAddress, AuthorizationError),
}

/// Judges an authorization request, in this order: (1) the client, (2) the redirect URI, (3) `state`,
/// (4) request objects, (5) `response_type`, (6) `response_mode`, (7) `scope`, (8) PKCE, (9) `prompt`, (10) `max_age`
/// and `nonce`. Unknown parameters are ignored.
pub fn read(form: &Form, account: &Account) -> Result<AuthorizationRequest, Refusal> {
    // (1)
    let client = form.value("client_id").and_then(|id| account.client(id)).ok_or(Refusal::UnknownClient)?;
    // (2)
    let redirect_uri = form
        .value("redirect_uri")
        .filter(|uri| client.redirect_uris.iter().any(|registered| registered == uri))
        .ok_or(Refusal::UnknownRedirectUri)?;
    // (3) A state that is too long is not returned either: the answer would break the same limits.
    let state = form.value("state");
    let kept_state = state.filter(|state| state.len() <= MAX_ECHOED).map(str::to_owned);
    let back = ReturnAddress { redirect_uri: redirect_uri.to_owned(), state: kept_state };
    let judged = judge(form, client, state);
    match judged {
        Ok(asked) => Ok(AuthorizationRequest {
            back,
            client_id: client.id.as_str().to_owned(),
            nonce: form.value("nonce").map(str::to_owned),
            scope: asked.scope,
            code_challenge: form.value("code_challenge").map(str::to_owned),
            prompt: asked.prompt,
            max_age: asked.max_age,
        }),
        Err(error) => Err(Refusal::Redirect(back, error)),
    }
}

struct Asked {
    scope: Scope,
    prompt: Prompt,
    max_age: Option<u32>,
}

fn judge(form: &Form, client: &Client, state: Option<&str>) -> Result<Asked, AuthorizationError> {
    use AuthorizationError::{
        InvalidRequest, InvalidScope, RequestNotSupported, RequestUriNotSupported, UnsupportedResponseType,
    };
    // (3)
    if state.is_some_and(|state| state.len() > MAX_ECHOED) {
        return Err(InvalidRequest("state must be at most 2048 bytes"));
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
    if !matches!(form.value("response_mode"), None | Some("query")) {
        return Err(InvalidRequest("response_mode must be query"));
    }
    // (7)
    let scope = Scope::parse(form.value("scope").unwrap_or_default());
    if !scope.openid {
        return Err(InvalidScope);
    }
    // (8)
    judge_pkce(form, client)?;
    // (9)
    let prompt = judge_prompt(form.value("prompt"))?;
    // (10)
    let max_age = match form.value("max_age").map(str::parse) {
        Some(Err(_)) => return Err(InvalidRequest("max_age must be a number of seconds")),
        Some(Ok(seconds)) => Some(seconds),
        None => None,
    };
    if form.value("nonce").is_some_and(|nonce| nonce.len() > MAX_ECHOED) {
        return Err(InvalidRequest("nonce must be at most 2048 bytes"));
    }
    Ok(Asked { scope, prompt, max_age })
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
            _ => {}
        }
    }
    Ok(asked)
}
