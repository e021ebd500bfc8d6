//! `id_token_hint`: an ID token of ours that a client shows, to say whom it means. Its signature is verified under a key
//! that is published still; its time may be over.

use crate::{
    config::{self, Account, Site, signing_key},
    oauth::{SignatureAlgorithm, UnverifiedHint, authorization::AuthorizationError, es256},
    platform::{Context, Platform, PlatformError},
};

/// A hint as far as it can be believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Ours.
    Verified(UnverifiedHint),
    /// Of a key that is not published any more: nobody can tell.
    Unknowable,
    /// Not ours, or altered.
    Forged,
}

/// Verifies a hint: (1) it has the form of our ID tokens; (2) its key is published; (3) the signature is that key's;
/// (4) issuer and client are ours.
pub(super) async fn verify<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    text: &str,
) -> Result<Hint, PlatformError> {
    // (1)
    let Some(hint) = UnverifiedHint::read(text) else { return Ok(Hint::Forged) };
    // (2)
    let mut published = signing_key::published(&site.account.signing_keys, cx.platform.now());
    let Some(key) = published.find(|key| key.kid == hint.kid) else { return Ok(Hint::Unknowable) };
    // (3)
    let is_signed = match key.algorithm {
        SignatureAlgorithm::Rs256 => {
            cx.platform.verify_rs256(&key.public_jwk, hint.input.as_bytes(), &hint.signature).await?
        }
        SignatureAlgorithm::Es256 => es256::verifies(&key.public_jwk, hint.input.as_bytes(), &hint.signature),
    };
    // (4)
    let of_client = |account: &Account| account.client(&hint.claims.aud).map(|_| ());
    let is_ours = is_signed
        && hint.claims.iss == site.issuer
        && config::find(cx, &site.account, of_client).await?.is_some();
    Ok(if is_ours { Hint::Verified(hint) } else { Hint::Forged })
}

/// The hint of an authorization request: whom the client expects. One that nobody can check any more is no hint.
pub(super) async fn expected<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    text: Option<&str>,
) -> Result<Result<Option<crate::id::Subject>, AuthorizationError>, PlatformError> {
    let Some(text) = text else { return Ok(Ok(None)) };
    Ok(match verify(cx, site, text).await? {
        Hint::Verified(hint) => Ok(Some(hint.claims.sub)),
        Hint::Unknowable => Ok(None),
        Hint::Forged => {
            Err(AuthorizationError::InvalidRequest("id_token_hint is no ID token of this issuer"))
        }
    })
}
