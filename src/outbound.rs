//! What is told to the shop's servers: events by Standard Webhooks (standardwebhooks.com), ended sessions by OpenID Connect
//! Back-Channel Logout. A row of the outbox is tried until a server answers 2xx, with growing delays, or until it makes no
//! sense any more. Redirects are not followed.
//!
//! Not here: what comes to be owed (`store::outbox`).

use std::rc::Rc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use http::{HeaderName, StatusCode, header};

use crate::{
    config::{self, Account, WebhookEndpoint, signing_key},
    id::AccountId,
    oauth::logout_token::{self, LogoutTokenClaims},
    platform::{Context, Database, Platform, PlatformError},
    secret::{Digest, Purpose, hmac_sha256},
    store::{
        Disposition, Job, Statement,
        outbox::{self, Claimed, Kind, Logout},
    },
    time::{HOUR, SECOND, UnixMillis},
    web::Call,
};

/// How long after the first failure the next attempt comes, in milliseconds; it doubles.
const FIRST_DELAY: i64 = 5 * SECOND;

/// The longest delay, in milliseconds.
const MAX_DELAY: i64 = HOUR;

/// How soon a job whose store failed comes again, in seconds.
const STORE_RETRY: u32 = 10;

/// Who calls: some firewalls turn away who does not say.
const USER_AGENT: &str = concat!("Enishi/", env!("CARGO_PKG_VERSION"));

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// A row of the outbox whose job has come.
#[derive(Debug)]
pub struct Owed {
    /// Whose.
    pub account: AccountId,
    /// The row.
    pub id: String,
}

/// Works on what is owed: all at once, for each server may take its time.
pub async fn deliver<P: Platform>(cx: Context<'_, P>, owed: &[Owed]) -> Vec<Disposition> {
    let work = owed.iter().map(async |one| match tell(cx, one).await {
        Ok(disposition) => disposition,
        Err(error) => {
            cx.log_failure("outbox", &error);
            Disposition::Retry { seconds: STORE_RETRY }
        }
    });
    join_all(work).await
}

/// (1) The row is claimed, for one attempt; (2) what makes no sense any more is dropped; (3) the server is told; (4) the
/// row goes, or waits.
async fn tell<P: Platform>(cx: Context<'_, P>, owed: &Owed) -> Result<Disposition, PlatformError> {
    // (1)
    let Some(account) = config::account_by_id(cx, &owed.account).await? else {
        // Its rows would stay first in cron's eyes for ever.
        cx.platform.one(&Database::default(), outbox::remove(&owed.account, &owed.id)).await?;
        return Ok(Disposition::Done);
    };
    let claim = outbox::claim(&account.id, &owed.id, cx.platform.now());
    let Some(row) = cx.platform.one(&account.database, claim).await?.first::<Claimed>()? else {
        return Ok(Disposition::Done);
    };
    // (2)
    if row.expires_at <= cx.platform.now() {
        settle(cx, &account, outbox::remove(&account.id, &owed.id)).await?;
        log(cx, &account, &row, "expired", None);
        return Ok(Disposition::Done);
    }
    // (3)
    let told = match message(cx, &account, owed, &row).await? {
        Message::Call(call) => {
            let call = call.with(header::USER_AGENT, USER_AGENT);
            cx.platform.fetch(call).await.map(|answer| answer.status)
        }
        Message::Nobody => Ok(StatusCode::OK),
        Message::NotYet => Err(PlatformError::Crypto("no key signs yet".to_owned())),
    };
    // (4)
    if let Ok(status) = &told
        && status.is_success()
    {
        settle(cx, &account, outbox::remove(&account.id, &owed.id)).await?;
        return Ok(Disposition::Done);
    }
    log(cx, &account, &row, "refused", told.ok());
    let delay = delay(row.attempts);
    settle(cx, &account, outbox::put_off(&account.id, &owed.id, cx.platform.now() + delay)).await?;
    Ok(Disposition::Retry { seconds: u32::try_from(delay / SECOND).unwrap_or(u32::MAX) })
}

/// 5 s, 10 s, 20 s, … up to an hour.
fn delay(attempts: u32) -> i64 {
    FIRST_DELAY.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(MAX_DELAY)
}

async fn settle<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    statement: Statement,
) -> Result<(), PlatformError> {
    cx.platform.one(&account.database, statement).await.map(|_| ())
}

/// One line for each attempt that failed: never the body, which may name a person.
fn log<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    row: &Claimed,
    what: &str,
    status: Option<StatusCode>,
) {
    let line = serde_json::json!({
        "event": "outbox", "account": account.id, "kind": format!("{:?}", row.kind).to_lowercase(),
        "reason": what, "attempts": row.attempts, "status": status.map(|status| status.as_u16()),
    });
    cx.platform.log(&line.to_string());
}

/// What an attempt does.
enum Message {
    /// This call.
    Call(Call),
    /// Nothing: the endpoint or the client is gone.
    Nobody,
    /// Nothing yet: no key signs.
    NotYet,
}

async fn message<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    owed: &Owed,
    row: &Claimed,
) -> Result<Message, PlatformError> {
    match row.kind {
        Kind::Webhook => {
            let Some(endpoint) = &account.webhook_endpoint else { return Ok(Message::Nobody) };
            let body = cx
                .settings
                .keys
                .open_text(Purpose::Outbox, &row.body)
                .map_err(|e| PlatformError::Stored(e.to_string()))?;
            Ok(Message::Call(webhook(endpoint, &owed.id, body.expose(), cx.platform.now())))
        }
        Kind::Logout => logout(cx, account, owed, row).await,
    }
}

/// A signed event: HMAC-SHA256 over id, time of the attempt, and body.
fn webhook(endpoint: &WebhookEndpoint, id: &str, body: &str, now: UnixMillis) -> Call {
    let secret = endpoint.secret.expose();
    let key = STANDARD.decode(secret.trim_start_matches(WebhookEndpoint::SECRET_PREFIX)).unwrap_or_default();
    let timestamp = now.seconds().to_string();
    let signature = STANDARD.encode(hmac_sha256(&key, format!("{id}.{timestamp}.{body}").as_bytes()));
    Call::json(endpoint.url.clone(), body.as_bytes().to_vec())
        .with(WEBHOOK_ID, id)
        .with(WEBHOOK_TIMESTAMP, &timestamp)
        .with(WEBHOOK_SIGNATURE, &format!("v1,{signature}"))
}

/// A logout token by POST (section 2.5).
async fn logout<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    owed: &Owed,
    row: &Claimed,
) -> Result<Message, PlatformError> {
    let notice: Logout = serde_json::from_str(&row.body).map_err(|e| PlatformError::Stored(e.to_string()))?;
    let client = account.client(notice.client_id.as_str());
    let Some((client, uri)) =
        client.and_then(|client| Some((client, client.backchannel_logout_uri.clone()?)))
    else {
        return Ok(Message::Nobody);
    };
    let now = cx.platform.now();
    let key = signing_key::in_use(&account.signing_keys, client.id_token_signed_response_alg, now);
    let Some(key) = key else { return Ok(Message::NotYet) };
    let jti = Digest::of(owed.id.as_bytes());
    let claims =
        LogoutTokenClaims::new(&notice.iss, client.id.as_str(), &notice.sub, &notice.sid, jti.as_str(), now);
    let token = key.sign(cx, logout_token::TYPE, &claims).await?;
    Ok(Message::Call(Call::form(uri, &[("logout_token", &token)])))
}

/// Cron: what a lost job left behind goes on the queue again.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(serde::Deserialize)]
    struct Row {
        account: AccountId,
        outbox_id: String,
    }
    let overdue = cx.platform.one(&Database::default(), outbox::overdue(cx.platform.now())).await?;
    let rows: Vec<Row> = overdue.rows()?;
    let jobs: Vec<Job> =
        rows.into_iter().map(|row| Job::Outbox { account: row.account, id: row.outbox_id }).collect();
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}
