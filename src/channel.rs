//! An account's channels at LINE: how the Login channel proves itself and what its ID tokens must be signed with, and the
//! access tokens of both channels, stateless ones, remembered by the isolate for most of their life.

use http::StatusCode;
use serde_json::Value;

use crate::{
    config::{Account, Credential},
    line::{
        self, Expected, IdToken, IdTokenError, assertion,
        login::{self, Proof},
        messaging::{self, ChannelToken},
    },
    line_keys,
    message::Messages,
    oauth::signed,
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    time::{MINUTE, SECOND},
    web::{ApiError, Call},
};

/// How long before its end a token is no longer used, in milliseconds.
const MARGIN: i64 = 5 * MINUTE;

/// Why LINE gave no token.
#[derive(Debug)]
pub enum NoToken {
    /// LINE takes the channel's id or secret for wrong; in LINE's words.
    Refused(String),
    /// LINE, or something of ours, did not do its part: another time perhaps.
    Failed(PlatformError),
}

impl From<NoToken> for PlatformError {
    fn from(none: NoToken) -> Self {
        match none {
            NoToken::Refused(words) => Self::NoAnswer(format!("LINE gave no channel token: {words}")),
            NoToken::Failed(error) => error,
        }
    }
}

impl From<PlatformError> for NoToken {
    fn from(error: PlatformError) -> Self {
        Self::Failed(error)
    }
}

/// A token of the Messaging channel that is valid for a while yet.
pub async fn token<P: Platform>(cx: Context<'_, P>, account: &Account) -> Result<SecretText, PlatformError> {
    Ok(messaging_token(cx, account).await?)
}

/// The same, for who can do something about a refusal.
pub async fn messaging_token<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
) -> Result<SecretText, NoToken> {
    let id = &account.messaging.channel_id;
    match cx.memory.channel_token(id, cx.platform.now()) {
        Some(token) => Ok(token),
        None => issued(cx, id, messaging::channel_token(&cx.settings.line, &account.messaging)).await,
    }
}

/// Reads messages, and asks LINE whether it would take them by `multicast` or `reply`. A 400 names the property: what can be
/// known here is refused before LINE is asked. Placeholders are for sends; a reply has none.
pub(crate) async fn check_messages<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    by: &str,
    messages: &Value,
) -> Result<Messages, ApiError> {
    let refused = |words| ApiError::new(StatusCode::BAD_REQUEST, "invalid_messages", words);
    let read = Messages::parse(messages.clone()).map_err(|error| refused(error.to_string()))?;
    if by == "reply" && read.is_personal() {
        return Err(refused("messages of a reply are the same for everybody: leave out {{…}}".to_owned()));
    }
    let token = token(cx, account).await?;
    let call = messaging::validate(&cx.settings.line, &token, by, &read.sample());
    let answer = cx.platform.fetch(call).await?;
    match answer.status {
        status if status.is_success() => Ok(read),
        StatusCode::BAD_REQUEST => Err(refused(format!("LINE says: {}", messaging::words(&answer)))),
        status => {
            cx.memory.forget_channel_token(&account.messaging.channel_id);
            Err(PlatformError::NoAnswer(format!("LINE's validation answered {}", status.as_u16())).into())
        }
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
    Ok(issued(cx, id, login::channel_token(&cx.settings.line, &account.login, &proof)).await?)
}

/// What the Login channel shows of its credential in one call: its secret, or an assertion that is signed for it.
pub async fn login_proof<P: Platform>(cx: Context<'_, P>, account: &Account) -> Result<Proof, PlatformError> {
    match &account.login.credential {
        Credential::Secret(secret) => Ok(Proof::Secret(secret.clone())),
        Credential::AssertionKey { key_id, private_jwk } => {
            let input = assertion::unsigned(&account.login.channel_id, key_id, cx.platform.now());
            let name = assertion::import_name(private_jwk);
            let signature = cx.platform.sign_rs256(&name, private_jwk, input.as_bytes()).await?;
            Ok(Proof::Assertion(SecretText::new(signed(input, &signature))))
        }
    }
}

/// Verifies the ID token of a web login. Its algorithm is the one that follows from the channel's credential; the other
/// is refused, whatever the token says.
pub(crate) async fn login_id_token<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    unverified_token: &str,
    nonce: &str,
) -> Result<Result<IdToken, IdTokenError>, PlatformError> {
    let expected = Expected { channel_id: &account.login.channel_id, nonce: Some(nonce) };
    match &account.login.credential {
        Credential::Secret(secret) => {
            Ok(line::verify_hs256(unverified_token, secret, expected, cx.platform.now()))
        }
        Credential::AssertionKey { .. } => line_keys::verified(cx, unverified_token, expected).await,
    }
}

/// Has a token issued and remembers it.
async fn issued<P: Platform>(
    cx: Context<'_, P>,
    channel_id: &str,
    call: Call,
) -> Result<SecretText, NoToken> {
    let now = cx.platform.now();
    let answer = cx.platform.fetch(call).await?;
    if matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(NoToken::Refused(messaging::words(&answer)));
    }
    let issued: Option<ChannelToken> = if answer.status.is_success() { answer.json() } else { None };
    let ChannelToken { access_token, expires_in } = issued.ok_or_else(|| {
        PlatformError::NoAnswer(format!("LINE gave no channel token: HTTP {}", answer.status.as_u16()))
    })?;
    let until = now + (expires_in.saturating_mul(SECOND) - MARGIN);
    cx.memory.remember_channel_token(channel_id, access_token.clone(), until);
    Ok(access_token)
}
