//! Client assertions: the JWT with which a channel proves itself that has an assertion signing key (RFC 7523).
//!
//! In: a form with `client_assertion`. Out: the channel, or why it is none. LINE documents them for v2.1 and stateless
//! channel tokens; that the login's own token requests take them, of a channel without a secret, is inferred. Not here:
//! RSA (`rsa.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::config::LoginCredential;
use crate::id::ChannelId;
use crate::request::Parameters;

/// `client_assertion_type`.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// `aud`, whatever the base of the stand-in.
const AUDIENCE: &str = "https://api.line.me/";

/// An assertion ends at most so many seconds from now.
const LONGEST_S: i64 = 30 * 60;

/// Why an assertion proves no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproven {
    /// No channel has a key of that name; LINE answers 404.
    NoKey,
    /// `invalid_client`, in these words.
    Invalid(&'static str),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: Value,
}

impl Simulator {
    /// The Login channel that an assertion proves. Steps: (1) the form; (2) the header; (3) the key; (4) the signature; (5)
    /// whose it is; (6) whom it is for; (7) until when.
    pub(super) fn asserting_channel(&mut self, form: &Parameters) -> Result<ChannelId, Unproven> {
        let proven = asserted(form, self.now, |kid| {
            self.memory.config.login_channels.iter().find_map(|channel| match &channel.credential {
                LoginCredential::AssertionKey(key) if key.kid == kid => {
                    Some((&channel.channel_id, &key.public_jwk))
                }
                _ => None,
            })
        });
        let proven = proven.cloned();
        if let Err(unproven) = proven {
            self.violate(ViolationKind::ClientAssertion, format!("{unproven:?}"));
        }
        proven
    }
}

fn asserted<'a>(
    form: &Parameters,
    now: i64,
    key: impl FnOnce(&str) -> Option<(&'a ChannelId, &'a super::RsaPublicKey)>,
) -> Result<&'a ChannelId, Unproven> {
    use Unproven::Invalid;
    // (1)
    if form.get("client_assertion_type") != Some(TYPE) {
        return Err(Invalid("Invalid client_assertion_type"));
    }
    if form.get("client_secret").is_some() {
        return Err(Invalid("either client_secret or client_assertion"));
    }
    let text = form.get("client_assertion").unwrap_or_default();
    let (signed, signature) = text.rsplit_once('.').ok_or(Invalid("Invalid JWT"))?;
    let (header, claims) = signed.split_once('.').ok_or(Invalid("Invalid JWT"))?;
    // (2)
    let header: Header = part(header)?;
    if header.alg != "RS256" || header.typ != "JWT" {
        return Err(Invalid("Invalid alg or typ"));
    }
    // (3)
    let (channel, key) = key(&header.kid).ok_or(Unproven::NoKey)?;
    // (4)
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Invalid("Invalid JWT"))?;
    if !key.verifies(signed.as_bytes(), &signature) {
        return Err(Invalid("Invalid signature"));
    }
    // (5)
    let claims: Claims = part(claims)?;
    let named = form.get("client_id").unwrap_or(channel);
    if [claims.iss.as_str(), &claims.sub, named].iter().any(|id| *id != channel.as_str()) {
        return Err(Invalid("iss and clientId of key do not match"));
    }
    // (6)
    if claims.aud != AUDIENCE {
        return Err(Invalid("Invalid aud"));
    }
    // (7)
    let until = claims.exp.as_i64().ok_or(Invalid("Invalid exp"))?;
    let now = now.div_euclid(1_000);
    if until <= now || until > now + LONGEST_S {
        return Err(Invalid("Invalid exp"));
    }
    Ok(channel)
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Unproven> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unproven::Invalid("Invalid JWT"))?;
    serde_json::from_slice(&bytes).map_err(|_| Unproven::Invalid("Invalid JWT"))
}
