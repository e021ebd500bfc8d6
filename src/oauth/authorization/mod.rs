//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1, pushed: RFC 9126): read and
//! judged purely.
//!
//! Until client and redirect URI are proven nothing is redirected anywhere; after that every error goes back to the
//! client with `state` and `iss` (RFC 9207), by the response mode that it asked for.

mod answer;
mod judge;

pub use answer::{AuthorizationError, ResponseMode, ReturnAddress};
pub use judge::{Channel, read};
use serde::{Deserialize, Serialize};

use crate::{
    config::Client,
    id::{ClientId, MemberId, Subject},
    oauth::Scope,
    secret::Digest,
    web::language::Language,
};

/// The longest `state` and `nonce` that are taken, in bytes.
pub const MAX_ECHOED: usize = 2_048;

/// What the client asks for, proven and well formed. Its JSON travels in a login attempt and waits in a pushed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    #[serde(flatten)]
    pub back: ReturnAddress,
    /// `client_id`.
    pub client_id: ClientId,
    /// Echoed in the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What was asked for and is known.
    pub scope: Scope,
    /// The PKCE challenge, S256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    /// Whether a session suffices.
    #[serde(default)]
    pub prompt: Prompt,
    /// The oldest authentication that the client accepts, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// The language of our pages and LINE's, of `ui_locales`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// `login_hint`, where it is an e-mail address: a session of another address does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_hint: Option<String>,
    /// Whom the client expects, by a verified `id_token_hint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The member whom the shop asks to link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkIntent>,
    /// The page to arrive at in the end (`target_link_uri`): where a retry leads back to. The shop keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `login_hint`, where it may be a ticket of ours, to be opened before it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified_ticket: Option<String>,
    /// That it was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<Pushed>,
    /// `id_token_hint`, to be verified before it becomes `subject`.
    #[serde(skip)]
    pub unverified_hint: Option<String>,
}

/// A pushed request as one browser opened it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Of the `request_uri`.
    pub digest: Digest,
    /// The name under which this browser opened it.
    pub opener: String,
}

/// A link that a member asked for in the shop; accepted only of an authenticated client at `/par`, and made only when
/// that client redeems the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkIntent {
    /// The shop's id of the member.
    pub member_id: MemberId,
    /// How the consent page names the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl LinkIntent {
    /// How the consent page names the member: by the label, else by the id.
    #[must_use]
    pub fn name(&self) -> &str {
        self.label.as_deref().unwrap_or(self.member_id.as_str())
    }
}

/// `prompt` (OpenID Connect Core section 3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A session suffices, else the customer logs in.
    #[default]
    Unspecified,
    /// A session, or an error: nothing is shown.
    None,
    /// A fresh authentication by LINE.
    Login,
    /// LINE's consent screen, also where it was agreed before.
    Consent,
}

/// Why a request is refused, and by which exit.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The client is unknown: a page, never a redirect.
    UnknownClient,
    /// The redirect URI is missing or not registered for this client: a page, never a redirect.
    UnknownRedirectUri(Box<Client>),
    /// Everything else goes back to the client.
    Redirect(ReturnAddress, AuthorizationError),
}
