//! The answer to an authorization request: a code or an error, by the response mode that was asked for, always with `state`
//! and `iss` (RFC 9207).

use serde::{Deserialize, Serialize};

use crate::web::{Reply, form::with_query, passing::form_post};

/// `response_mode` (OAuth 2.0 Multiple Response Types section 2.1, OAuth 2.0 Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// A redirect with the answer in its query.
    #[default]
    Query,
    /// A page whose form posts the answer.
    FormPost,
}

impl ResponseMode {
    /// The names that discovery lists.
    pub const SUPPORTED: [&'static str; 2] = ["query", "form_post"];

    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("query") => Some(Self::Query),
            Some("form_post") => Some(Self::FormPost),
            Some(_) => None,
        }
    }
}

/// A proven redirect URI and the client's `state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnAddress {
    /// Registered for the client, character by character.
    pub redirect_uri: String,
    /// Returned unchanged, never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How the answer travels.
    #[serde(default)]
    pub response_mode: ResponseMode,
}

impl ReturnAddress {
    /// The successful answer.
    #[must_use]
    pub fn with_code(&self, code: &str, issuer: &str) -> Reply {
        self.with(&[("code", code)], issuer)
    }

    /// The answer that something went wrong.
    #[must_use]
    pub fn with_error(&self, error: AuthorizationError, issuer: &str) -> Reply {
        self.with(&[("error", error.code()), ("error_description", error.description())], issuer)
    }

    fn with(&self, parameters: &[(&str, &str)], issuer: &str) -> Reply {
        let mut all = parameters.to_vec();
        if let Some(state) = &self.state {
            all.push(("state", state));
        }
        all.push(("iss", issuer));
        match self.response_mode {
            ResponseMode::Query => Reply::found(&with_query(&self.redirect_uri, &all)),
            ResponseMode::FormPost => form_post(&self.redirect_uri, &all),
        }
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
    /// A `request_uri` that is none of ours was sent.
    RequestUriNotSupported,
    /// `prompt=none` and no session.
    LoginRequired,
    /// The customer cancelled at LINE.
    AccessDenied,
    /// Member or LINE user of a requested link are linked to others.
    LinkConflict,
    /// LINE failed.
    ServerError,
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
            Self::AccessDenied | Self::LinkConflict => "access_denied",
            Self::ServerError => "server_error",
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
            Self::RequestUriNotSupported => "a request_uri is accepted as /par gave it, and no other",
            Self::LoginRequired => "the customer has no session here that satisfies the request",
            Self::AccessDenied => "the customer did not agree",
            Self::LinkConflict => "the member or the LINE user is linked to another",
            Self::ServerError => "LINE could not complete the login",
        }
    }
}
