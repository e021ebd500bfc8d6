//! LINE's public keys (its `jwks_uri`), remembered by the isolate, and the ID tokens that are signed with them: LIFF's,
//! and a web login's where the Login channel has no secret.

use serde_json::Value;

use crate::{
    line::{self, Expected, IdToken, IdTokenError},
    platform::{Context, Platform, PlatformError},
};

/// Verifies an ID token that must be ES256 under a key of LINE's. What is not ES256 or names no key asks LINE nothing.
pub(crate) async fn verified<P: Platform>(
    cx: Context<'_, P>,
    unverified_token: &str,
    expected: Expected<'_>,
) -> Result<Result<IdToken, IdTokenError>, PlatformError> {
    let kid = match line::unverified_es256_kid(unverified_token) {
        Ok(kid) => kid,
        Err(error) => return Ok(Err(error)),
    };
    let Some(key) = named(cx, &kid).await? else { return Ok(Err(IdTokenError::Signature)) };
    Ok(line::verify_es256(unverified_token, &key, expected, cx.platform.now()))
}

/// LINE's key of this name: remembered, or asked for, since LINE may have a new one; for a name that LINE did not have a
/// moment ago at most once per 5 s.
async fn named<P: Platform>(cx: Context<'_, P>, kid: &str) -> Result<Option<Value>, PlatformError> {
    #[derive(serde::Deserialize)]
    struct Certs {
        keys: Vec<Value>,
    }
    let now = cx.platform.now();
    if let Some(known) = cx.memory.line_key(kid, now) {
        return Ok(known);
    }
    let answer = cx.platform.fetch(line::login::certs(&cx.settings.line)).await?;
    let certs: Option<Certs> = if answer.status.is_success() { answer.json() } else { None };
    let certs = certs.ok_or_else(|| PlatformError::NoAnswer("LINE showed no keys".to_owned()))?;
    cx.memory.remember_line_keys(certs.keys, now);
    Ok(cx.memory.line_key(kid, now).flatten())
}
