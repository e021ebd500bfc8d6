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

/// Takes one delivery: (1) LINE's signature over the raw bytes, for this account's bot, with the configuration afresh
/// before it is refused; (2) nothing to do for LINE's connectivity check; (3) it is durable before it is acknowledged:
/// in the queue, or else in the inbox that cron drains; (4) only if both refuse, 503.
pub async fn receive<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    // (1)
    let (account, (text, envelope)) = match judge(&site.account, request) {
        Ok(taken) => (Rc::clone(&site.account), taken),
        Err(refusal) => {
            let fresh = config::reread(cx, &site.account).await?;
            match fresh.and_then(|fresh| judge(&fresh, request).ok().map(|taken| (fresh, taken))) {
                Some(taken) => taken,
                None => return Ok(refusal.into_reply()),
            }
        }
    };
    // (2)
    if envelope.events.is_empty() {
        return Ok(Reply::new(StatusCode::OK));
    }
    // (3), (4)
    keep(cx, &account, text).await?;
    Ok(Reply::new(StatusCode::OK))
}

/// Why a delivery is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Not LINE's, or signed with a secret that the account does not have.
    BadSignature,
    /// LINE's, but no delivery.
    Unreadable,
    /// For another bot.
    ForeignDestination,
}

impl Refusal {
    fn into_reply(self) -> Reply {
        let (status, reason) = match self {
            Self::BadSignature => (StatusCode::UNAUTHORIZED, "bad_signature"),
            Self::Unreadable => (StatusCode::BAD_REQUEST, "unreadable_delivery"),
            Self::ForeignDestination => (StatusCode::UNAUTHORIZED, "foreign_destination"),
        };
        Reply::new(status).because(reason)
    }
}

/// Whether a delivery is LINE's and for this account. LINE replaces a channel secret at once, and a delivery that is
/// refused is lost, so a refusal is asked for again with the newest configuration.
fn judge<'a>(account: &Account, request: &'a Request) -> Result<(&'a str, Envelope), Refusal> {
    let body = request.bytes();
    let signature = request.header(&LINE_SIGNATURE).unwrap_or_default();
    let secrets = [Some(&account.messaging.secret), account.messaging.previous_secret.as_ref()];
    if !is_signed(body, signature, secrets.into_iter().flatten()) {
        return Err(Refusal::BadSignature);
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Unreadable)?;
    let envelope: Envelope = serde_json::from_str(text).map_err(|_| Refusal::Unreadable)?;
    if envelope.destination == account.messaging.bot_user_id {
        Ok((text, envelope))
    } else {
        Err(Refusal::ForeignDestination)
    }
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
