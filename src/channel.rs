//! The Messaging channel's access token: a stateless one, remembered by the isolate for most of its life.

use crate::{
    config::Account,
    line::messaging::{self, ChannelToken},
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    time::{MINUTE, SECOND},
};

/// How long before its end a token is no longer used, in milliseconds.
const MARGIN: i64 = 5 * MINUTE;

/// A token that is valid for a while yet.
pub(crate) async fn token<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
) -> Result<SecretText, PlatformError> {
    let now = cx.platform.now();
    if let Some(token) = cx.memory.channel_token(account, now) {
        return Ok(token);
    }
    let answer = cx.platform.fetch(messaging::channel_token(&cx.settings.line, &account.messaging)).await?;
    let issued: Option<ChannelToken> = if answer.status.is_success() { answer.json() } else { None };
    let ChannelToken { access_token, expires_in } = issued.ok_or_else(|| {
        PlatformError::NoAnswer(format!("LINE gave no channel token: HTTP {}", answer.status.as_u16()))
    })?;
    let until = now + (expires_in * SECOND - MARGIN);
    cx.memory.remember_channel_token(account, access_token.clone(), until);
    Ok(access_token)
}
