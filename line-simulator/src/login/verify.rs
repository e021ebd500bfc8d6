//! `/oauth2/v2.1/verify`: what LINE says of a user's access token (GET) and of an ID token (POST).
//!
//! In: a token. Out: what it is worth, or `invalid_request` with LINE's words for what is wrong. Not here: signatures
//! (`id_token.rs`).

use serde_json::json;

use super::id_token::{self, Claims};
use super::token::shown_scope;
use crate::Simulator;
use crate::reply::{self, Reply};
use crate::request::{Parameters, Request};

impl Simulator {
    pub(super) fn verify_access_token(&mut self, request: &Request) -> Reply {
        let known = request.query.get("access_token").and_then(|text| self.memory.logins.tokens.get(text));
        let Some(token) = known else {
            return reply::oauth_error("invalid_request", "The access token not JWS");
        };
        if token.revoked {
            return reply::oauth_error("invalid_request", "The access token revoked");
        }
        if token.expires_at <= self.now {
            return reply::oauth_error("invalid_request", "The access token expired");
        }
        let expires_in = (token.expires_at - self.now) / 1_000;
        let scope = shown_scope(&token.scopes);
        reply::ok(&json!({ "scope": scope, "client_id": token.channel_id, "expires_in": expires_in }))
    }

    /// Of a web login or of a LIFF app: the key follows from the token's algorithm.
    pub(super) fn verify_id_token(&mut self, request: &Request) -> Reply {
        let form = request.form();
        match self.verified_claims(&form) {
            Ok(claims) => reply::ok(&serde_json::to_value(claims).unwrap_or_default()),
            Err(problem) => reply::oauth_error("invalid_request", problem),
        }
    }

    fn verified_claims(&mut self, form: &Parameters) -> Result<Claims, &'static str> {
        let memory = &mut self.memory;
        let (Some(token), Some(client)) = (form.get("id_token"), form.get("client_id")) else {
            return Err("Invalid IdToken.");
        };
        let secret = memory.config.login(client).and_then(|channel| channel.credential.secret());
        let claims = id_token::decode(token, secret, memory.liff_keys.served(&memory.random))
            .map_err(|id_token::NotOurs| "Invalid IdToken.")?;
        let wrong = |name: &str, is: Option<&str>| form.get(name).is_some_and(|asked| is != Some(asked));
        if claims.iss != id_token::ISSUER {
            Err("Invalid IdToken Issuer.")
        } else if claims.exp * 1_000 <= self.now {
            Err("IdToken expired.")
        } else if claims.aud != client {
            Err("Invalid IdToken Audience.")
        } else if wrong("nonce", claims.nonce.as_deref()) {
            Err("Invalid IdToken Nonce.")
        } else if wrong("user_id", Some(&claims.sub)) {
            Err("Invalid IdToken Subject Identifier.")
        } else {
            Ok(claims)
        }
    }
}
