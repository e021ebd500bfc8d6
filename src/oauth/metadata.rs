//! Discovery (OpenID Connect Discovery section 3, RFC 8414 section 2) and the JWK set (RFC 7517): what is published of
//! an account.

use serde_json::{Value, json};

use super::{Scope, authorization::ResponseMode, client_auth};
use crate::{
    config::{Site, signing_key},
    time::UnixMillis,
};

/// The grants that `/token` knows: of a code, of a refresh token, of an ID token (RFC 8693).
pub const GRANT_TYPES: [&str; 3] =
    ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"];

/// The provider's metadata; every endpoint named here exists.
#[must_use]
pub fn discovery(site: &Site, now: UnixMillis) -> Value {
    let mut algorithms: Vec<&str> =
        signing_key::published(&site.account.signing_keys, now).map(|key| key.algorithm.name()).collect();
    algorithms.dedup();
    json!({
        "issuer": site.issuer,
        "authorization_endpoint": site.url("/authorize"),
        "token_endpoint": site.url("/token"),
        "userinfo_endpoint": site.url("/userinfo"),
        "jwks_uri": site.url("/jwks.json"),
        "pushed_authorization_request_endpoint": site.url("/par"),
        "revocation_endpoint": site.url("/revoke"),
        "end_session_endpoint": site.url("/logout"),
        "scopes_supported": Scope::SUPPORTED,
        "response_types_supported": ["code"],
        "response_modes_supported": ResponseMode::SUPPORTED,
        "grant_types_supported": GRANT_TYPES,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": client_auth::SUPPORTED,
        "revocation_endpoint_auth_methods_supported": client_auth::SUPPORTED,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claim_types_supported": ["normal"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "sid",
            "name", "picture", "email", "email_verified", "line_user_id", "member_id", "line_friend"],
        "ui_locales_supported": ["ja", "en"],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_pushed_authorization_requests": false,
    })
}

/// The public signing keys that are published at `now`.
#[must_use]
pub fn jwks(site: &Site, now: UnixMillis) -> Value {
    let keys: Vec<&Value> =
        signing_key::published(&site.account.signing_keys, now).map(|key| &key.public_jwk).collect();
    json!({ "keys": keys })
}
