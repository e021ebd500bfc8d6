//! Client authentication (RFC 6749 section 2.3) at `/token`, `/par` and `/revoke`: `client_secret_basic`,
//! `client_secret_post`, and `none` for public clients. One method per request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::header;

use crate::{
    config::{Account, AuthMethod, Client},
    web::{Request, form::Form},
};

/// The methods that discovery lists.
pub const SUPPORTED: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// The credentials that a request presents, not yet checked.
#[derive(Debug, PartialEq, Eq)]
pub struct UnverifiedClient {
    id: String,
    secret: Option<String>,
    /// Whether they came by HTTP Basic: the refusal then carries `WWW-Authenticate`.
    pub by_basic: bool,
}

/// Why a client is not who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthError {
    /// No credentials, or two methods at once.
    Malformed(&'static str),
    /// Unknown client, or wrong secret: the answer does not say which.
    Refused,
}

/// Reads the credentials; HTTP Basic wraps form-url-encoded values (RFC 6749 section 2.3.1).
pub fn read(request: &Request, form: &Form) -> Result<UnverifiedClient, ClientAuthError> {
    let basic = request.header(&header::AUTHORIZATION).and_then(basic_credentials);
    let (id, secret) = (form.value("client_id"), form.value("client_secret"));
    match (basic, id, secret) {
        (Some(_), _, Some(_)) => Err(ClientAuthError::Malformed("use one way of client authentication")),
        (Some((basic_id, _)), Some(id), None) if basic_id != id => {
            Err(ClientAuthError::Malformed("client_id differs from the one in Authorization"))
        }
        // Some clients that have no secret send an empty one.
        (Some((id, secret)), _, None) => {
            Ok(UnverifiedClient { id, secret: Some(secret).filter(|text| !text.is_empty()), by_basic: true })
        }
        (None, Some(id), secret) => {
            Ok(UnverifiedClient { id: id.to_owned(), secret: secret.map(str::to_owned), by_basic: false })
        }
        (None, None, _) => Err(ClientAuthError::Malformed("client_id is missing")),
    }
}

impl UnverifiedClient {
    /// The client, if the account knows it by this secret, presented in the way that was agreed; a client with secrets
    /// must present one.
    pub fn verify<'a>(&self, account: &'a Account) -> Result<&'a Client, ClientAuthError> {
        let client = account.client(&self.id).ok_or(ClientAuthError::Refused)?;
        let proven = match &self.secret {
            Some(secret) => client.has_secret(secret),
            None => client.is_public(),
        };
        let used = match (&self.secret, self.by_basic) {
            (None, _) => AuthMethod::None,
            (_, true) => AuthMethod::ClientSecretBasic,
            (_, false) => AuthMethod::ClientSecretPost,
        };
        let agreed = client.token_endpoint_auth_method.is_none_or(|method| method == used);
        if proven && agreed { Ok(client) } else { Err(ClientAuthError::Refused) }
    }

    /// The client that the request names, for limits: not yet believed.
    #[must_use]
    pub fn unverified_id(&self) -> &str {
        &self.id
    }
}

fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // One value, whatever characters a client left as they are: `&` does not end it.
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
