//! The OAuth endpoints that give tokens out and take them back: token, revoke, and channel access tokens.
//!
//! In: form bodies. Out: tokens, or `{"error","error_description"}` with 400. Texts of errors that LINE does not
//! document are inferred. Not here: what tokens are worth (`verify.rs`), what a client assertion must be
//! (`assertion.rs`), and v2.1 channel tokens, which are not issued.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::id::ChannelId;
use crate::login::assertion::Unproven;
use crate::login::attempt::Attempt;
use crate::login::id_token::{self, Claims};
use crate::login::{RefreshToken, UserToken, code};
use crate::messaging::TokenKind;
use crate::reply::{self, Reply};
use crate::request::{Parameters, Request};

const ACCESS_TOKEN_S: i64 = 2_592_000;
const REFRESH_TOKEN_MS: i64 = 90 * 24 * 3_600_000;
const MAX_SHORT_LIVED_TOKENS: usize = 30;

/// `error` and `error_description`, with 400.
type Refused = (&'static str, &'static str);

/// LINE's words for an assertion under a key that no channel has, with 404.
const NO_KEY: &str = "Cannot find channel key that satisfies the conditions";

impl Simulator {
    pub(super) fn token(&mut self, request: &Request) -> Reply {
        let Some(form) = self.token_form(request) else {
            return reply::oauth_error("invalid_request", "the parameters must be in a form body");
        };
        let granted = match form.get("grant_type") {
            Some("authorization_code") => self.exchange(&form),
            Some("refresh_token") => self.refresh(&form),
            Some("client_credentials") => Err(("invalid_request", "v2.1 channel tokens are not played here")),
            _ => Err(("unsupported_grant_type", "unsupported grant_type")),
        };
        granted.unwrap_or_else(refused)
    }

    /// The form of a token request; parameters in the query string are not read, as at LINE.
    fn token_form(&mut self, request: &Request) -> Option<Parameters> {
        if !request.query.is_empty() {
            self.violate(ViolationKind::TokenParametersInQuery, request.path.clone());
        }
        request.is_form().then(|| request.form())
    }

    /// Steps: (1) spend the code, whatever follows; (2) client; (3) callback; (4) PKCE; (5) tokens.
    fn exchange(&mut self, form: &Parameters) -> Result<Reply, Refused> {
        let attempt = self.spend_code(form.get("code").unwrap_or_default())?;
        let client = self.client(form)?;
        if client != attempt.channel_id {
            return Err(("invalid_grant", "invalid authorization code"));
        }
        if form.get("redirect_uri") != Some(&attempt.redirect_uri) {
            return Err(("invalid_grant", "redirect_uri does not match"));
        }
        if !verifier_fits(attempt.code_challenge.as_deref(), form.get("code_verifier")) {
            return Err(("invalid_grant", "code_verifier does not match"));
        }
        self.grant(&attempt)
    }

    fn spend_code(&mut self, text: &str) -> Result<Attempt, Refused> {
        const INVALID: Refused = ("invalid_grant", "invalid authorization code");
        let now = self.now;
        self.memory.logins.codes.retain(|_, code| code.worth_remembering(now));
        let code = self.memory.logins.codes.get_mut(text).ok_or(INVALID)?;
        let spent_before = std::mem::replace(&mut code.spent, true);
        let expired = now - code.issued_at > code::LIFETIME_MS;
        let attempt = code.attempt.clone();
        if spent_before {
            self.violate(ViolationKind::CodeReused, "an authorization code was exchanged twice");
            return Err(INVALID);
        }
        if attempt.is_none() {
            self.violate(ViolationKind::DeadCodeExchanged, "the code of a failed auto login was exchanged");
        }
        attempt.filter(|_| !expired).ok_or(INVALID)
    }

    /// The Login channel that proves itself, with its secret or an assertion; never another's, and never by the other way.
    fn client(&mut self, form: &Parameters) -> Result<ChannelId, Refused> {
        if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
            return self.asserting_channel(form).map_err(|unproven| match unproven {
                Unproven::NoKey => ("invalid_client", NO_KEY),
                Unproven::Invalid(why) => ("invalid_client", why),
            });
        }
        let channel = form.get("client_id").and_then(|id| self.memory.config.login(id));
        let channel = channel.filter(|channel| {
            channel.credential.secret().is_some_and(|secret| form.get("client_secret") == Some(secret))
        });
        channel.map(|channel| channel.channel_id.clone()).ok_or(("invalid_client", "invalid client_secret"))
    }

    fn grant(&mut self, attempt: &Attempt) -> Result<Reply, Refused> {
        let user = attempt.user.clone().ok_or(("invalid_grant", "invalid authorization code"))?;
        let access_token = self.issue_user_token(UserToken {
            user: user.clone(),
            channel_id: attempt.channel_id.clone(),
            scopes: attempt.scopes.clone(),
            expires_at: self.now + ACCESS_TOKEN_S * 1_000,
            revoked: false,
        });
        let refresh_token = self.memory.random.alphanumeric(20);
        let kept = RefreshToken {
            user,
            channel_id: attempt.channel_id.clone(),
            scopes: attempt.scopes.clone(),
            expires_at: self.now + REFRESH_TOKEN_MS,
        };
        self.memory.logins.refresh_tokens.insert(refresh_token.clone(), kept);
        let mut body = token_body(&access_token, &refresh_token, &attempt.scopes);
        if let (Some(id_token), Some(object)) = (self.id_token(attempt), body.as_object_mut()) {
            object.insert("id_token".into(), id_token.into());
        }
        Ok(reply::ok(&body))
    }

    fn issue_user_token(&mut self, token: UserToken) -> String {
        let now = self.now;
        self.memory.logins.tokens.retain(|_, token| token.expires_at > now - ACCESS_TOKEN_S * 1_000);
        let text = format!("eyJhbGciOiJIUzI1NiJ9.{}", self.memory.random.opaque());
        self.memory.logins.tokens.insert(text.clone(), token);
        text
    }

    fn id_token(&mut self, attempt: &Attempt) -> Option<String> {
        let has = |name: &str| attempt.scopes.iter().any(|scope| scope == name);
        let channel = self.memory.config.login(&attempt.channel_id).filter(|_| has("openid"))?;
        let user = self.memory.people.get(attempt.user.as_ref()?)?;
        let claims = Claims {
            auth_time: attempt.max_age.map(|_| attempt.auth_time.div_euclid(1_000)),
            nonce: attempt.nonce.clone(),
            amr: vec![attempt.amr.clone()],
            ..Claims::new(user, channel, self.now, has)
        };
        Some(match channel.credential.secret() {
            Some(secret) => id_token::encode_hs256(&claims, secret),
            None => {
                id_token::encode_es256(&claims, &self.memory.liff_keys.served(&self.memory.random).newest)
            }
        })
    }

    fn refresh(&mut self, form: &Parameters) -> Result<Reply, Refused> {
        let client = self.client(form)?;
        let text = form.get("refresh_token").unwrap_or_default();
        let known = self.memory.logins.refresh_tokens.get(text).cloned();
        let alive = known.filter(|token| token.expires_at > self.now && token.channel_id == client);
        let token = alive.ok_or(("invalid_grant", "invalid refresh token"))?;
        let access_token = self.issue_user_token(UserToken {
            user: token.user,
            channel_id: token.channel_id,
            scopes: token.scopes.clone(),
            expires_at: self.now + ACCESS_TOKEN_S * 1_000,
            revoked: false,
        });
        Ok(reply::ok(&token_body(&access_token, text, &token.scopes)))
    }

    pub(super) fn revoke(&mut self, request: &Request) -> Reply {
        let form = request.form();
        let client = match self.client(&form) {
            Ok(client) => client,
            Err(why) => return refused(why),
        };
        let token = form.get("access_token").and_then(|text| self.memory.logins.tokens.get_mut(text));
        if let Some(token) = token.filter(|token| token.channel_id == client) {
            token.revoked = true;
        }
        reply::empty(StatusCode::OK)
    }

    pub(super) fn stateless_token(&mut self, request: &Request) -> Reply {
        self.channel_token(request, TokenKind::Stateless, usize::MAX)
    }

    pub(super) fn short_lived_token(&mut self, request: &Request) -> Reply {
        self.channel_token(request, TokenKind::ShortLived, MAX_SHORT_LIVED_TOKENS)
    }

    fn channel_token(&mut self, request: &Request, kind: TokenKind, most: usize) -> Reply {
        let invalid = reply::oauth_error("invalid_request", "Invalid 'client_credentials'.");
        let Some(form) = self.token_form(request) else { return invalid };
        if form.get("grant_type") != Some("client_credentials") {
            return invalid;
        }
        // Only the stateless token is documented with an assertion.
        if kind == TokenKind::Stateless && form.get("client_assertion_type").is_some() {
            return match self.client(&form) {
                Ok(channel) => self.issue(&channel, kind, most),
                Err(why) => refused(why),
            };
        }
        let known = form.get("client_id").and_then(|id| self.memory.config.secret(id));
        let known = known.filter(|(_, secret)| form.get("client_secret") == Some(secret));
        let Some(channel) = known.map(|(channel, _)| channel.clone()) else { return invalid };
        self.issue(&channel, kind, most)
    }

    fn issue(&mut self, channel: &ChannelId, kind: TokenKind, most: usize) -> Reply {
        let text = self.memory.random.opaque();
        self.memory.bots.issue_channel_token(&text, channel, kind, most, self.now);
        let expires_in = kind.lifetime_s();
        reply::ok(&json!({ "token_type": "Bearer", "access_token": text, "expires_in": expires_in }))
    }
}

fn refused((error, description): Refused) -> Reply {
    if description == NO_KEY {
        let body = json!({ "error": error, "error_description": description });
        return reply::json(StatusCode::NOT_FOUND, &body);
    }
    reply::oauth_error(error, description)
}

fn token_body(access_token: &str, refresh_token: &str, scopes: &[String]) -> serde_json::Value {
    json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": ACCESS_TOKEN_S,
        "refresh_token": refresh_token,
        "scope": shown_scope(scopes),
    })
}

/// The scope list as LINE shows it: never `email`, even when granted.
pub(super) fn shown_scope(scopes: &[String]) -> String {
    scopes.iter().filter(|scope| *scope != "email").map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// RFC 7636 §4.6 with S256. A verifier without a challenge is let pass, which LINE does not document.
fn verifier_fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    let Some(challenge) = challenge else { return true };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    verifier.is_some_and(|verifier| {
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(allowed)
            && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_verifiers_fit_their_challenges() {
        let line =
            ("wJKN8qz5t8SSI9lMFhBB6qwNkQBkuPZoCxzRhwLRUo1", "BSCQwo_m8Wf0fpjmwkIKmPAJ1A7tiuRSNDnXzODS7QI");
        let rfc =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(verifier_fits(Some(line.1), Some(line.0)));
        assert!(verifier_fits(Some(rfc.1), Some(rfc.0)));
        assert!(!verifier_fits(Some(rfc.1), Some(line.0)));
        assert!(!verifier_fits(Some(rfc.1), None));
    }
}
