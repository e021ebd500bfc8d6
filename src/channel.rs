//! Channel access tokens of an account's two channels: stateless ones, remembered by the isolate for most of their life.

use crate::{
    config::{Account, Credential},
    line::{
        login::{self, Proof},
        messaging::{self, ChannelToken},
    },
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    time::{MINUTE, SECOND},
    web::Call,
};

/// How long before its end a token is no longer used, in milliseconds.
const MARGIN: i64 = 5 * MINUTE;

/// A token of the Messaging channel that is valid for a while yet.
pub async fn token<P: Platform>(cx: Context<'_, P>, account: &Account) -> Result<SecretText, PlatformError> {
    let id = &account.messaging.channel_id;
    match cx.memory.channel_token(id, cx.platform.now()) {
        Some(token) => Ok(token),
        None => issued(cx, id, messaging::channel_token(&cx.settings.line, &account.messaging)).await,
    }
}

/// A token of the Login channel that is valid for a while yet: LINE takes no other to end a user's authorization.
pub async fn login_token<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
) -> Result<SecretText, PlatformError> {
    let id = &account.login.channel_id;
    if let Some(token) = cx.memory.channel_token(id, cx.platform.now()) {
        return Ok(token);
    }
    let proof = login_proof(cx, account).await?;
    issued(cx, id, login::channel_token(&cx.settings.line, &account.login, &proof)).await
}

/// What the Login channel shows of its credential in one call.
#[expect(clippy::unused_async, reason = "an assertion is signed by the platform")]
pub async fn login_proof<P: Platform>(
    _cx: Context<'_, P>,
    account: &Account,
) -> Result<Proof, PlatformError> {
    let Credential::Secret(secret) = &account.login.credential;
    Ok(Proof::Secret(secret.clone()))
}

/// Has a token issued and remembers it.
async fn issued<P: Platform>(
    cx: Context<'_, P>,
    channel_id: &str,
    call: Call,
) -> Result<SecretText, PlatformError> {
    let now = cx.platform.now();
    let answer = cx.platform.fetch(call).await?;
    let issued: Option<ChannelToken> = if answer.status.is_success() { answer.json() } else { None };
    let ChannelToken { access_token, expires_in } = issued.ok_or_else(|| {
        PlatformError::NoAnswer(format!("LINE gave no channel token: HTTP {}", answer.status.as_u16()))
    })?;
    let until = now + (expires_in.saturating_mul(SECOND) - MARGIN);
    cx.memory.remember_channel_token(channel_id, access_token.clone(), until);
    Ok(access_token)
}
