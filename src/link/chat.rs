//! LINE's account-link flow (Messaging API, "User account linking"): somebody in the chat follows a link with LINE's link token
//! to the shop, logs in there as a member, and goes on to LINE with a nonce of ours. LINE looks that the browser is that of the
//! user whom the token was made for, and says so by its `accountLink` webhook (`webhook/`), which makes the link. So neither
//! side can be completed by another: a stranger who opens the address makes LINE say `failed`.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::consent;
use crate::{
    channel,
    config::Account,
    id::{LineUserId, MemberId},
    line::messaging::{self, LinkToken},
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    store::link_nonce,
    web::{ApiError, Reply, Request, form::with_query},
};

/// The longest link token that is taken, in bytes; LINE does not say how long they are.
const MAX_TOKEN: usize = 512;

/// The body of `POST /v1/link-tokens`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueToken {
    line_user_id: LineUserId,
}

/// `POST /v1/link-tokens`: LINE's link token for a friend, to be put into a message to this very friend. Valid 10 minutes, once.
pub async fn issue_token<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let IssueToken { line_user_id } = request.json()?;
    let mut answer = None;
    // A channel token that LINE refuses is drawn anew, once.
    for _ in 0..2 {
        let token = channel::token(cx, account).await?;
        let told = cx.platform.fetch(messaging::link_token(&cx.settings.line, &token, &line_user_id)).await?;
        if told.status == StatusCode::UNAUTHORIZED {
            cx.memory.forget_channel_token(&account.messaging.channel_id);
        } else {
            answer = Some(told);
            break;
        }
    }
    match answer {
        Some(answer) if answer.status.is_success() => {
            let LinkToken { link_token } = answer
                .json()
                .ok_or_else(|| PlatformError::NoAnswer("LINE's link token is unreadable".to_owned()))?;
            let expires_in = messaging::LINK_TOKEN_LIFETIME;
            Ok(Reply::json(
                StatusCode::CREATED,
                &json!({ "link_token": link_token, "expires_in": expires_in }),
            ))
        }
        Some(answer) if answer.status.is_client_error() && answer.status != StatusCode::TOO_MANY_REQUESTS => {
            Err(ApiError::conflict(
                "line_refused",
                format!("LINE gives no link token: {}", messaging::words(&answer)),
            ))
        }
        _ => Err(PlatformError::NoAnswer("LINE gave no link token".to_owned()).into()),
    }
}

/// The body of `POST /v1/account-links`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    link_token: String,
    member_id: MemberId,
    consent: Option<Map<String, Value>>,
}

/// `POST /v1/account-links`: the member who is logged in at the shop goes on to LINE, at the `url` of the answer. The link is
/// made when LINE confirms; the shop hears of it by the event `link.made`, or `link.refused`.
pub async fn start<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let Start { link_token, member_id, consent: said } = request.json()?;
    if link_token.is_empty()
        || link_token.len() > MAX_TOKEN
        || !link_token.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(ApiError::invalid_request(
            "link_token is what LINE put into the address that the customer followed",
        ));
    }
    let now = cx.platform.now();
    let consent = consent("account_link", said, now)?;
    let nonce = SecretText::from_random(cx.platform.random());
    let keep = link_nonce::keep(&account.id, &nonce.digest(), &member_id, &consent, now);
    if cx.platform.one(&account.database, keep).await?.changes == 0 {
        let description = "this member is linked to a LINE user; unlink it first";
        return Err(ApiError::conflict("member_is_linked", description));
    }
    let dialog = format!("{}/dialog/bot/accountLink", cx.settings.line.access);
    let url = with_query(&dialog, &[("linkToken", &link_token), ("nonce", nonce.expose())]);
    let expires_at = (now + link_nonce::LIFETIME).rfc3339();
    Ok(Reply::json(StatusCode::CREATED, &json!({ "url": url, "expires_at": expires_at })))
}
