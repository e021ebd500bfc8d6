//! LINE is told that a link has ended (LINE Login reference, "Deauthorize"), where a token of the user is held.

use http::StatusCode;
use serde::Deserialize;

use super::{Owed, Told};
use crate::{
    channel,
    config::Account,
    line::login::{self, HeldTokens, Refreshed},
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    store::{
        link,
        outbox::{self, Claimed},
    },
};

/// (0) Who is linked again keeps the authorization; (1) a user token that is alive, drawn anew if need be; (2) the Login
/// channel's own; (3) LINE is told: 204, and 400 for an authorization that is over already, are done.
pub(super) async fn tell<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    owed: &Owed,
    row: &Claimed,
) -> Result<Told, PlatformError> {
    // (0)
    let link_id = owed.id.strip_prefix(outbox::DEAUTHORIZE).unwrap_or_default();
    let outcomes = cx.platform.batch(&account.database, link::linked_again(&account.id, link_id)).await?;
    if outcomes.last().is_some_and(|outcome| outcome.changes > 0) {
        return Ok(Told::Done);
    }
    // A seal that does not open any more tells nobody anything.
    let Some(held) = HeldTokens::open(&cx.settings.keys, &row.body) else { return Ok(Told::Never) };
    // (1)
    let user_token = match alive(cx, account, held).await? {
        Ok(token) => token,
        Err(told) => return Ok(told),
    };
    // (2)
    let Ok(channel_token) = channel::login_token(cx, account).await else { return Ok(Told::NotYet(None)) };
    // (3)
    let call = login::deauthorize(&cx.settings.line, &channel_token, &user_token);
    Ok(match cx.platform.fetch(call).await {
        Ok(answer) if answer.status.is_success() || answer.status == StatusCode::BAD_REQUEST => Told::Done,
        Ok(answer) => {
            if answer.status == StatusCode::UNAUTHORIZED {
                cx.memory.forget_channel_token(&account.login.channel_id);
            }
            Told::NotYet(Some(answer.status))
        }
        Err(_) => Told::NotYet(None),
    })
}

/// LINE's error at its token endpoint.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// The access token, or one that its refresh token draws; without either LINE cannot be told.
async fn alive<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    held: HeldTokens,
) -> Result<Result<SecretText, Told>, PlatformError> {
    if cx.platform.now() < held.access_until {
        return Ok(Ok(held.access_token));
    }
    let Some(refresh_token) = held.refresh_token else { return Ok(Err(Told::Never)) };
    let proof = channel::login_proof(cx, account).await?;
    let call = login::refresh(&cx.settings.line, &account.login, &proof, &refresh_token);
    Ok(match cx.platform.fetch(call).await {
        Ok(answer) if answer.status.is_success() => answer
            .json()
            .map(|Refreshed { access_token, .. }| access_token)
            .ok_or(Told::NotYet(Some(answer.status))),
        // Any other 400 is about the channel, whose credential may be another by now.
        Ok(answer) if answer.json::<Refused>().is_some_and(|refused| refused.error == "invalid_grant") => {
            Err(Told::Never)
        }
        Ok(answer) => Err(Told::NotYet(Some(answer.status))),
        Err(_) => Err(Told::NotYet(None)),
    })
}
