//! Answers to LINE's events: by their reply token, which is free, counts once and dies within a minute; or by a push, where the
//! rule says so and no reply can have reached anybody.

use serde::{Deserialize, Serialize};

use super::{Owed, Told};
use crate::{
    channel,
    config::Account,
    id::{LineUserId, retry_key},
    line::messaging::{self, Verdict},
    platform::{Context, Platform, PlatformError},
    store::{
        line_user,
        outbox::{self, Claimed},
    },
};

/// What a row says.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    /// The type of the event.
    event: String,
    /// LINE's token.
    token: String,
    /// Whether it is settled that this is a push.
    #[serde(default)]
    push: bool,
}

/// (1) What is answered says the newest rule; (2) in time, by reply; LINE's no to the token at the first attempt says that
/// nobody got anything, as does one that failed for want of our own token; (3) then, or too late, by push, if the rule says so. A reply of which it is not known whether LINE took
/// it is followed by none.
pub(super) async fn tell<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    owed: &Owed,
    row: &Claimed,
) -> Result<Told, PlatformError> {
    let body: Body = serde_json::from_str(&row.body).map_err(|e| PlatformError::Stored(e.to_string()))?;
    // (1)
    let Some(rule) = account.reply_to(&body.event) else { return Ok(Told::Unwanted) };
    // (2)
    let is_first = row.attempts <= 1;
    if !body.push {
        if cx.platform.now() - row.created_at <= outbox::REPLY_LIFETIME {
            let token = match channel::token(cx, account).await {
                Ok(token) => token,
                Err(error) => {
                    cx.log_failure("reply", &error);
                    return Ok(Told::NotTried(None));
                }
            };
            let call = messaging::reply(&cx.settings.line, &token, &body.token, &rule.messages);
            match cx.platform.fetch(call).await.map(|answer| (messaging::verdict(&answer), answer.status)) {
                Ok((Verdict::Accepted { .. }, _)) => return Ok(Told::Done),
                Ok((Verdict::Refused(words), _)) if is_first && words.contains("Invalid reply token") => {}
                Ok((Verdict::Refused(_) | Verdict::UnknownRecipient(_), _)) => return Ok(Told::Never),
                Ok((verdict, status)) => return Ok(later(cx, account, &verdict, status)),
                Err(_) => return Ok(Told::NotYet(None)),
            }
        } else if !is_first {
            return Ok(Told::Never);
        }
        if !rule.push_when_late {
            return Ok(Told::Never);
        }
    }
    // (3)
    let Some(to) = line_user_of(cx, account, row).await? else { return Ok(Told::Never) };
    if !body.push {
        let body = serde_json::json!(Body { push: true, ..body }).to_string();
        cx.platform.one(&account.database, outbox::rewrite(&account.id, &owed.id, &body)).await?;
    }
    let token = channel::token(cx, account).await?;
    let key = retry_key(&account.id, &owed.id);
    let call = messaging::push(&cx.settings.line, &token, &to, &rule.messages, &key);
    Ok(match cx.platform.fetch(call).await.map(|answer| (messaging::verdict(&answer), answer.status)) {
        Ok((Verdict::Accepted { .. }, _)) => Told::Done,
        Ok((Verdict::Refused(_) | Verdict::UnknownRecipient(_) | Verdict::MonthlyLimit, _)) => Told::Never,
        Ok((verdict, status)) => later(cx, account, &verdict, status),
        Err(_) => Told::NotYet(None),
    })
}

fn later<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    verdict: &Verdict,
    status: http::StatusCode,
) -> Told {
    if *verdict == Verdict::TokenRefused {
        cx.memory.forget_channel_token(&account.messaging.channel_id);
        return Told::NotTried(Some(status));
    }
    Told::NotYet(Some(status))
}

async fn line_user_of<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    row: &Claimed,
) -> Result<Option<LineUserId>, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        line_user_id: LineUserId,
    }
    let Some(id) = row.line_user else { return Ok(None) };
    let read = cx.platform.one(&account.database, line_user::friend_of_id(&account.id, id)).await?;
    Ok(read.first::<Row>()?.map(|row| row.line_user_id))
}
