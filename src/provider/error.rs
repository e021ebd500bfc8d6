//! The one error of `/token`, `/par` and `/revoke`: JSON by RFC 6749 section 5.2, which never repeats what was sent.

use http::{StatusCode, header};
use serde_json::json;

use crate::{
    oauth::authorization::AuthorizationError,
    platform::{Context, Platform, PlatformError},
    time::{MINUTE, SECOND},
    web::Reply,
};

/// Why a client's request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EndpointError {
    /// Malformed; says what.
    InvalidRequest(&'static str),
    /// Unknown client or wrong secret.
    InvalidClient {
        /// Whether the credentials came by HTTP Basic.
        by_basic: bool,
    },
    /// The client is known but may not do this; says why.
    UnauthorizedClient(&'static str),
    /// The grant is unknown, spent, expired, or bound to something else; says which grant.
    InvalidGrant(&'static str),
    /// More than was granted.
    InvalidScope,
    /// No grant of ours.
    UnsupportedGrantType,
    /// What `/authorize` would have sent back (RFC 9126 section 2.3).
    Authorization(AuthorizationError),
    /// Too many requests, or too many failures, of this client from this address.
    TooMany,
    /// After an emergency nothing is signed for this many milliseconds.
    NoKeyYet(i64),
    /// A store or the signer failed; nothing was handed out.
    Ours(PlatformError),
}

impl From<PlatformError> for EndpointError {
    fn from(error: PlatformError) -> Self {
        Self::Ours(error)
    }
}

impl EndpointError {
    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::InvalidRequest(what) => (bad, "invalid_request", what),
            Self::InvalidClient { .. } => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "unknown client or wrong credentials")
            }
            Self::UnauthorizedClient(why) => (bad, "unauthorized_client", why),
            Self::InvalidGrant(which) => (bad, "invalid_grant", which),
            Self::InvalidScope => (bad, "invalid_scope", "scope may only be what was granted, or less"),
            Self::UnsupportedGrantType => {
                (bad, "unsupported_grant_type", "see grant_types_supported in the discovery document")
            }
            Self::Authorization(error) => (bad, error.code(), error.description()),
            Self::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "wait as long as Retry-After says")
            }
            Self::NoKeyYet(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "the signing key is being replaced; try again after Retry-After, nothing was spent",
            ),
            Self::Ours(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a moment")
            }
        }
    }

    /// The reply; what failed of ours is logged here, since the answer does not say it.
    pub(super) fn into_reply<P: Platform>(self, cx: Context<'_, P>, endpoint: &'static str) -> Reply {
        let (status, error, description) = self.parts();
        let reply = Reply::json(status, &json!({ "error": error, "error_description": description }))
            .with(header::PRAGMA, "no-cache");
        let seconds = |millis: i64| (millis.max(0) / SECOND + 1).to_string();
        match self {
            Self::InvalidClient { by_basic: true } => {
                reply.with(header::WWW_AUTHENTICATE, "Basic realm=\"enishi\"").because(error)
            }
            Self::TooMany => reply.with(header::RETRY_AFTER, seconds(MINUTE - 1)).because(error),
            Self::NoKeyYet(wait) => reply.with(header::RETRY_AFTER, seconds(wait)).because("no_key_yet"),
            Self::Ours(ours) => {
                cx.log_failure(endpoint, &ours);
                reply.with(header::RETRY_AFTER, "1").because(ours.reason())
            }
            _ => reply.because(error),
        }
    }
}
