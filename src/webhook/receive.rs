//! `POST /line/webhook`: verify, make durable, acknowledge. No store call while the configuration is warm; LINE wants
//! its answer within 2 s.

use std::rc::Rc;

use http::StatusCode;

use crate::{
    config::{self, Account, Site},
    line::webhook::{Envelope, is_signed},
    platform::{Context, Platform, PlatformError},
    store::{Job, Statement},
    time::UnixMillis,
    web::{LINE_SIGNATURE, Reply, Request},
};

/// Bodies above this, in bytes as they stand escaped in a job, travel by reference: a queue message holds 128 kB.
const MAX_QUEUED: usize = 100_000;

/// Takes one delivery: (1) LINE's signature over the raw bytes, with the configuration afresh before it is refused;
/// (2) it is for this account's bot; (3) nothing to do for LINE's connectivity check; (4) it is durable before it is
/// acknowledged: in the queue, or else in the inbox that cron drains; (5) only if both refuse, 503.
pub async fn receive<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    // (1)
    let body = request.bytes();
    let signature = request.header(&LINE_SIGNATURE).unwrap_or_default();
    let Some(account) = signed_for(cx, site, body, signature).await? else {
        return Ok(refused("bad_signature"));
    };
    // (2)
    let (Ok(text), Ok(envelope)) = (std::str::from_utf8(body), serde_json::from_slice::<Envelope>(body))
    else {
        return Ok(Reply::new(StatusCode::BAD_REQUEST).because("unreadable_delivery"));
    };
    if envelope.destination != account.messaging.bot_user_id {
        return Ok(refused("foreign_destination"));
    }
    // (3)
    if envelope.events.is_empty() {
        return Ok(Reply::new(StatusCode::OK));
    }
    // (4), (5)
    keep(cx, &account, text).await?;
    Ok(Reply::new(StatusCode::OK))
}

/// The account whose secret signed the body, by the configuration in memory or else by the newest: LINE replaces a
/// channel secret at once, and a delivery that is refused is lost.
async fn signed_for<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    body: &[u8],
    signature: &str,
) -> Result<Option<Rc<Account>>, PlatformError> {
    let is_signed_for = |account: &Account| {
        let secrets = [Some(&account.messaging.secret), account.messaging.previous_secret.as_ref()];
        is_signed(body, signature, secrets.into_iter().flatten())
    };
    if is_signed_for(&site.account) {
        return Ok(Some(Rc::clone(&site.account)));
    }
    let fresh = config::reread(cx, &site.account).await?;
    Ok(fresh.filter(|fresh| !Rc::ptr_eq(fresh, &site.account) && is_signed_for(fresh)))
}

async fn keep<P: Platform>(cx: Context<'_, P>, account: &Account, body: &str) -> Result<(), PlatformError> {
    let received_at = cx.platform.now();
    if escaped_length(body) <= MAX_QUEUED {
        let job = Job::Webhook { account: account.id.clone(), received_at, body: body.to_owned() };
        if cx.platform.enqueue(&[job]).await.is_ok() {
            return Ok(());
        }
    }
    let inbox_id = crate::id::short(cx.platform.random());
    cx.platform.one(&account.database, into_inbox(account, &inbox_id, received_at, body)).await?;
    // Durable now. If this fails, cron finds the row.
    let job = Job::WebhookInbox { account: account.id.clone(), inbox_id };
    let _ = cx.platform.enqueue(&[job]).await;
    Ok(())
}

/// How long a text becomes as a JSON string: quotes and backslashes take two bytes, control characters up to six.
fn escaped_length(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' => 2,
            0..=0x1f => 6,
            _ => 1,
        })
        .sum()
}

fn into_inbox(account: &Account, inbox_id: &str, received_at: UnixMillis, body: &str) -> Statement {
    Statement::new("INSERT INTO webhook_inbox (id, account, received_at, body) VALUES (?1, ?2, ?3, ?4)")
        .bind(inbox_id)
        .bind(&account.id)
        .bind(received_at)
        .bind(body)
}

fn refused(reason: &'static str) -> Reply {
    Reply::new(StatusCode::UNAUTHORIZED).because(reason)
}
