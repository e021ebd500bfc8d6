//! Discovery (OpenID Connect Discovery section 3) and the JWK set (RFC 7517): what is published of an account.

use serde_json::{Value, json};

use super::{Scope, client_auth};
use crate::config::Site;

/// The provider's metadata; every endpoint named here exists.
#[must_use]
pub fn discovery(site: &Site) -> Value {
    json!({
        "issuer": site.issuer,
        "authorization_endpoint": site.url("/authorize"),
        "token_endpoint": site.url("/token"),
        "userinfo_endpoint": site.url("/userinfo"),
        "jwks_uri": site.url("/jwks.json"),
        "scopes_supported": Scope::SUPPORTED,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": client_auth::SUPPORTED,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "sid",
            "name", "picture", "member_id", "line_friend"],
        "ui_locales_supported": ["ja", "en"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}

/// The public signing keys.
#[must_use]
pub fn jwks(site: &Site) -> Value {
    let keys: Vec<&Value> = site.account.signing_keys.iter().map(|key| &key.public_jwk).collect();
    json!({ "keys": keys })
}
