//! The error of the REST API: JSON `{error, error_description}`, on `/v1/` and for paths and methods that do not exist.
//! Whatever is refused says what to do; nothing is lost.

use http::{StatusCode, header};
use serde_json::json;

use super::Reply;
use crate::platform::PlatformError;

/// A typed error of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    error: &'static str,
    description: String,
    headers: Vec<(header::HeaderName, String)>,
    cause: Option<PlatformError>,
}

impl ApiError {
    /// An error with a stable code and a sentence that says what to do.
    #[must_use]
    pub fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), headers: Vec::new(), cause: None }
    }

    /// 400: the request cannot be understood or breaks a limit.
    #[must_use]
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// 404: no such thing in this account.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} does not exist in this account"))
    }

    /// 401: the API key is missing or is not one of this account.
    #[must_use]
    pub fn invalid_key() -> Self {
        let description = "send an API key of this account as Authorization: Bearer";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", description)
            .with(header::WWW_AUTHENTICATE, "Bearer realm=\"enishi\"")
    }

    /// 409: it would contradict what is.
    #[must_use]
    pub fn conflict(error: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, description)
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The sentence.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What failed of ours, for the log: the answer does not say it.
    #[must_use]
    pub fn cause(&self) -> Option<&PlatformError> {
        self.cause.as_ref()
    }

    /// The reply on the wire, with the label that is logged.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        let body = json!({ "error": self.error, "error_description": self.description });
        let reply = Reply::json(self.status, &body).because(self.error);
        self.headers.into_iter().fold(reply, |reply, (name, value)| reply.with(name, value))
    }
}

impl From<PlatformError> for ApiError {
    /// Ours, not the caller's: nothing was lost, the same call may be made again.
    fn from(error: PlatformError) -> Self {
        let description = "a store did not answer; try again in a moment";
        let refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, error.reason(), description);
        Self { cause: Some(error), ..refused.with(header::RETRY_AFTER, "1") }
    }
}

impl From<crate::id::MalformedId> for ApiError {
    fn from(malformed: crate::id::MalformedId) -> Self {
        Self::invalid_request(malformed.to_string())
    }
}
