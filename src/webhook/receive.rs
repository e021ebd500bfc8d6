//! `POST /line/webhook`: verify, make durable, acknowledge. No store call while the configuration is warm; LINE wants
//! its answer within 2 s.

use std::rc::Rc;

use http::StatusCode;

use crate::{
    config::{self, Account, Site},
    line::webhook::{Envelope, is_signed},
    platform::{Context, Platform, PlatformError},
    store::{
        Job,
        delivery::{Place, Put},
        webhook_count,
    },
    web::{LINE_SIGNATURE, Reply, Request},
};

/// Bodies above this, in bytes as they stand escaped in a job, travel by reference: a queue message holds 128 kB.
const MAX_QUEUED: usize = 100_000;

/// Takes one delivery: (1) LINE's signature over the raw bytes, for this account's bot, with the configuration afresh
/// before it is refused, and counted; (2) nothing to do for LINE's connectivity check; (3) it is durable before it is
/// acknowledged: in the queue, or else in the ledger, where cron finds it; (4) only if both refuse, 503.
pub async fn receive<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    // (1)
    let (account, taken) = match judge(&site.account, request) {
        Ok(taken) => (Rc::clone(&site.account), taken),
        Err(refusal) => {
            let fresh = config::reread(cx, &site.account).await?;
            match fresh.and_then(|fresh| judge(&fresh, request).ok().map(|taken| (fresh, taken))) {
                Some(taken) => taken,
                None => return Ok(refuse(cx, &site.account, refusal).await),
            }
        }
    };
    // (2)
    if taken.events == Some(0) {
        return Ok(Reply::new(StatusCode::OK));
    }
    // (3), (4)
    keep(cx, &account, &taken).await?;
    Ok(Reply::new(StatusCode::OK))
}

/// A delivery that is LINE's.
struct Taken<'a> {
    signature: &'a str,
    body: &'a str,
    /// None: it is LINE's, but cannot be read. It is kept, for whatever it says comes once.
    events: Option<usize>,
}

/// Counts a refusal. An isolate counts by itself, and writes at most every five seconds: whoever knocks without end costs no
/// store call each time.
async fn refuse<P: Platform>(cx: Context<'_, P>, account: &Account, refusal: Refusal) -> Reply {
    let now = cx.platform.now();
    if let Some(counts) = cx.memory.refused(&account.id, refusal.reason(), now) {
        let counted = webhook_count::refused(&account.id, &counts, now);
        if let Err(error) = cx.platform.one(&account.database, counted).await {
            cx.log_failure("webhook_refusals", &error);
        }
    }
    Reply::new(refusal.status()).because(refusal.reason())
}

/// Why a delivery is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Not LINE's, or signed with a secret that the account does not have.
    BadSignature,
    /// LINE's, but no text, which JSON is.
    NotText,
    /// For another bot.
    ForeignDestination,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::BadSignature | Self::ForeignDestination => StatusCode::UNAUTHORIZED,
            Self::NotText => StatusCode::BAD_REQUEST,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::NotText => "not_utf8",
            Self::ForeignDestination => "foreign_destination",
        }
    }
}

/// Whether a delivery is LINE's and for this account. LINE replaces a channel secret at once, and a delivery that is
/// refused is lost, so a refusal is asked for again with the newest configuration.
fn judge<'a>(account: &Account, request: &'a Request) -> Result<Taken<'a>, Refusal> {
    let body = request.bytes();
    let signature = request.header(&LINE_SIGNATURE).unwrap_or_default();
    let secrets = [Some(&account.messaging.secret), account.messaging.previous_secret.as_ref()];
    if !is_signed(body, signature, secrets.into_iter().flatten()) {
        return Err(Refusal::BadSignature);
    }
    let body = std::str::from_utf8(body).map_err(|_| Refusal::NotText)?;
    match serde_json::from_str::<Envelope>(body) {
        Ok(envelope) if envelope.destination != account.messaging.bot_user_id => {
            Err(Refusal::ForeignDestination)
        }
        Ok(envelope) => Ok(Taken { signature, body, events: Some(envelope.events.len()) }),
        Err(_) => Ok(Taken { signature, body, events: None }),
    }
}

async fn keep<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    Taken { signature, body, events }: &Taken<'_>,
) -> Result<(), PlatformError> {
    let received_at = cx.platform.now();
    if escaped_length(body) <= MAX_QUEUED {
        let (signature, body) = ((*signature).to_owned(), (*body).to_owned());
        let job = Job::Webhook { account: account.id.clone(), received_at, signature, body };
        if cx.platform.enqueue(&[job]).await.is_ok() {
            return Ok(());
        }
    }
    let put = Put { received_at, signature, body, events: events.unwrap_or_default() }.waiting(&account.id);
    let place: Option<Place> = cx.platform.one(&account.database, put).await?.first()?;
    // Durable now. If this fails, cron finds the row.
    if let Some(Place { seq }) = place {
        let _ = cx.platform.enqueue(&[Job::Delivery { account: account.id.clone(), seq }]).await;
    }
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
