//! `POST /v1/sends/test`: messages to named members at once, to look at. They count for the month, and for no send.

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    create::{idempotency_key, personal},
    deliver::AT_ONCE,
    filter::facts,
    rate::{self, Endpoint},
    wanted::with_each,
};
use crate::{
    channel,
    config::Account,
    id::{LineUserId, MemberId, retry_key},
    line::messaging::{self, Verdict},
    message::Messages,
    platform::{Context, Platform},
    quota,
    secret::{Digest, SecretText},
    store::Statement,
    web::{ApiError, Fields, Reply, Request},
};

/// Members that one test names.
const MAX_MEMBERS: usize = 10;

/// How often one of them is tried: again under the same key, where LINE gave no answer.
const TRIES: usize = 2;

/// A member, and who is linked to them.
#[derive(Debug, Deserialize)]
struct Row {
    member_id: String,
    line_user_id: Option<LineUserId>,
    subject: Option<String>,
    friend: Option<u8>,
    facts: Option<String>,
}

/// (1) The request is checked, the messages by LINE; (2) the members are looked up, and their messages filled; (3) what it
/// costs is counted for the month, if so much is left; (4) each has a push under a key of their own, which follows from the
/// Idempotency-Key and the body where there is one; (5) what LINE did not take is given back.
pub async fn trial<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let mut fields = Fields::of(request)?;
    let members: Vec<MemberId> = fields.need_said("members")?;
    if !(1..=MAX_MEMBERS).contains(&members.len()) {
        return Err(ApiError::invalid_request("members names 1 to 10 members"));
    }
    let messages: Value = fields.need_said("messages")?;
    let unit: Option<String> = fields.said("custom_aggregation_unit")?;
    let silent: bool = fields.said("notification_disabled")?.unwrap_or(false);
    fields.end()?;
    let with_each = with_each(unit.as_deref(), silent)?;
    let mark = match idempotency_key(request)? {
        Some(key) => format!("{key} {}", Digest::of(request.bytes()).as_str()),
        None => crate::id::short(cx.platform.random()),
    };
    let messages = channel::check_messages(cx, account, "push", &messages).await?;
    // (2)
    let rows: Vec<Row> = cx.platform.rows(&account.database, people(account, &members, &messages)).await?;
    let judged: Vec<(Row, Result<String, Told>)> =
        rows.into_iter().map(|row| judge(row, &messages)).collect();
    // (3)
    let calls = i64::try_from(judged.iter().filter(|(_, text)| text.is_ok()).count()).unwrap_or_default();
    let charged_at = cx.platform.now();
    if calls > 0 && !quota::charge(cx, account, calls, None).await? {
        return Err(ApiError::conflict(
            "quota",
            "this month's quota, or the account's budget, leaves no messages for this test",
        ));
    }
    // (4)
    let token = channel::token(cx, account).await?;
    let next_at = if calls > 0 { rate::take_now(cx, account, Endpoint::Push, calls).await? } else { 0 };
    let mut order = 0;
    let pushes = judged.into_iter().map(|(row, text)| {
        let start = rate::start(Endpoint::Push, next_at, calls, order);
        order += i64::from(text.is_ok());
        let (mark, token, with_each) = (&mark, &token, &with_each);
        async move {
            let told = match (text, &row.line_user_id) {
                (Ok(text), Some(to)) => {
                    cx.platform.sleep_until(start).await;
                    let key = retry_key(&account.id, &format!("test {mark} {to}"));
                    push(cx, token, to, &text, with_each, &key).await
                }
                (Err(told), _) => told,
                (Ok(_), None) => told("not_linked", None),
            };
            (row.member_id, told)
        }
    });
    let told: Vec<(String, Told)> = stream::iter(pushes).buffered(AT_ONCE).collect().await;
    // (5)
    let kept = told.iter().filter(|(_, told)| told.counts);
    let back = calls - i64::try_from(kept.count()).unwrap_or_default();
    if back > 0 {
        let give_back = quota::give_back(account, back, charged_at);
        cx.platform.one(&account.database, give_back).await?;
    }
    let results: Vec<Value> = told
        .into_iter()
        .map(|(member_id, Told { outcome, reason, .. })| {
            json!({ "member_id": member_id, "outcome": outcome, "reason": reason })
        })
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "results": results })))
}

/// The members in the order in which they were named.
fn people(account: &Account, members: &[MemberId], messages: &Messages) -> Statement {
    Statement::compiled(format!(
        "SELECT j.value AS member_id, u.line_user_id, u.subject, u.friend, {} AS facts FROM json_each(?2) j \
         LEFT JOIN links l ON l.account = ?1 AND l.member_id = j.value \
         LEFT JOIN line_users u ON u.id = l.line_user AND u.account = ?1 ORDER BY j.key",
        facts("coalesce(?3, '[]')", "?1")
    ))
    .bind(&account.id)
    .bind_json(members)
    .bind(personal(messages))
}

/// What a member is to get, or why they get nothing.
fn judge(row: Row, messages: &Messages) -> (Row, Result<String, Told>) {
    let text = match (row.subject.as_deref(), row.friend) {
        (None, _) => Err(told("not_linked", None)),
        (_, Some(1)) => {
            let values = row.facts.as_deref().and_then(|facts| serde_json::from_str(facts).ok());
            messages.fill(&values.unwrap_or_default()).map_err(|error| told("unfit", Some(error.to_string())))
        }
        _ => Err(told("blocked", None)),
    };
    (row, text)
}

/// What became of one of them, and why.
struct Told {
    outcome: &'static str,
    reason: Option<String>,
    /// Whether it counts for the month: LINE has it now, or may have it, and had it not before.
    counts: bool,
}

fn told(outcome: &'static str, reason: Option<String>) -> Told {
    Told { outcome, reason, counts: matches!(outcome, "accepted" | "unresolved") }
}

async fn push<P: Platform>(
    cx: Context<'_, P>,
    token: &SecretText,
    to: &LineUserId,
    text: &str,
    with_each: &str,
    key: &str,
) -> Told {
    let mut verdict = Verdict::Unknown;
    for attempt in 0..TRIES {
        let call = messaging::push_text(&cx.settings.line, token, to, text, with_each, key);
        let answer = cx.platform.fetch(call).await;
        if attempt == 0 && answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::CONFLICT) {
            return Told { counts: false, ..told("accepted", None) };
        }
        match answer.map_or(Verdict::Unknown, |answer| messaging::verdict(&answer)) {
            Verdict::Unknown => {}
            // After an attempt that LINE may have taken, no refusal says that it did not.
            refused if attempt > 0 && !matches!(refused, Verdict::Accepted { .. }) => break,
            known => {
                verdict = known;
                break;
            }
        }
    }
    match verdict {
        Verdict::Accepted { .. } => told("accepted", None),
        Verdict::Unknown => told("unresolved", None),
        Verdict::TokenRefused => told("refused", Some("LINE refused the channel's token".to_owned())),
        Verdict::TooFast => {
            told("refused", Some("too many messages at once; try again in a moment".to_owned()))
        }
        Verdict::MonthlyLimit => told("refused", Some("this month's messages are used up".to_owned())),
        Verdict::UnknownRecipient(_) => told("unknown_to_line", None),
        Verdict::Refused(words) if words.starts_with(messaging::UNREACHABLE) => told("unknown_to_line", None),
        Verdict::Refused(words) => told("refused", Some(words)),
    }
}
