//! `/v1/webhooks/relays`: relays are made, shown, changed and removed.

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    shown::{last_of, parsed, read, shown, unknown},
    statements::remove,
};
use crate::{
    config::{Account, Replier, is_acceptable_target, origin_of},
    id::{AccountId, RelayId},
    platform::{Context, Outcome, Platform},
    store::{
        Statement,
        audit::{self, Change},
        relay::{ON_ITS_WAY, call},
    },
    time::UnixMillis,
    web::{ApiError, Reply, Request},
};

/// Relays of one account: each costs a call for every delivery.
const MAX_RELAYS: i64 = 10;

/// The longest label, in characters.
const MAX_LABEL: usize = 100;

/// The body of `POST /v1/webhooks/relays`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    #[serde(default)]
    label: String,
    url: String,
    #[serde(default)]
    from: From,
}

/// Where a new relay begins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum From {
    /// With the next delivery.
    #[default]
    Now,
    /// With the oldest that the ledger has.
    Start,
}

/// The body of `PATCH /v1/webhooks/relays/{id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    label: Option<String>,
    url: Option<String>,
    paused: Option<bool>,
}

/// `POST /v1/webhooks/relays`: 201 with the relay.
pub async fn post<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let wanted: Post = request.json()?;
    check(account, Some(&wanted.label), Some(&wanted.url))?;
    let (id, now) = (RelayId::from_random(cx.platform.random()), cx.platform.now());
    let detail =
        json!({ "relay": id, "origin": origin_of(&wanted.url), "from_start": wanted.from == From::Start });
    let statements = vec![
        insert(&account.id, &id, &wanted, now),
        audit(cx, account, "relay.post", detail),
        read(&account.id, Some(&id), now),
    ];
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let made: Vec<Value> = outcomes.first().map(Outcome::rows).transpose()?.unwrap_or_default();
    if made.is_empty() {
        let description = format!("an account has at most {MAX_RELAYS} relays; remove one first");
        return Err(ApiError::conflict("too_many_relays", description));
    }
    cx.hand_over(&account.id, &outcomes).await;
    let location = format!("/v1/webhooks/relays/{id}");
    Ok(Reply::json(StatusCode::CREATED, &last_of(&outcomes)?).with(header::LOCATION, location))
}

/// `GET /v1/webhooks/relays`.
pub async fn list<P: Platform>(cx: Context<'_, P>, account: &Account) -> Result<Reply, ApiError> {
    let all = read(&account.id, None, cx.platform.now());
    let relays = shown(&cx.platform.one(&account.database, all).await?)?;
    Ok(Reply::json(StatusCode::OK, &json!({ "relays": relays })))
}

/// `GET /v1/webhooks/relays/{id}`.
pub async fn show<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let one = read(&account.id, Some(&parsed(id)?), cx.platform.now());
    let outcome = cx.platform.one(&account.database, one).await?;
    Ok(Reply::json(StatusCode::OK, &last_of(&[outcome])?))
}

/// `PATCH /v1/webhooks/relays/{id}`: another address, and the end of a pause, are tried at once; what failed before counts no more.
pub async fn patch<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    id: &str,
) -> Result<Reply, ApiError> {
    let wanted: Patch = request.json()?;
    let id = parsed(id)?;
    if wanted.label.is_none() && wanted.url.is_none() && wanted.paused.is_none() {
        return Err(ApiError::invalid_request("say what is to change: label, url, paused"));
    }
    check(account, wanted.label.as_deref(), wanted.url.as_deref())?;
    let now = cx.platform.now();
    let afresh = wanted.url.is_some() || wanted.paused == Some(false);
    let origin = wanted.url.as_deref().map(origin_of);
    let detail = json!({ "relay": id, "origin": origin, "paused": wanted.paused });
    let mut statements =
        vec![update(&account.id, &id, &wanted, afresh), audit(cx, account, "relay.patch", detail)];
    if afresh {
        statements.push(call(&account.id, &id, now));
    }
    statements.push(read(&account.id, Some(&id), now));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    cx.hand_over(&account.id, &outcomes).await;
    Ok(Reply::json(StatusCode::OK, &last_of(&outcomes)?))
}

/// `DELETE /v1/webhooks/relays/{id}`, with its dead letters.
pub async fn delete<P: Platform>(cx: Context<'_, P>, account: &Account, id: &str) -> Result<Reply, ApiError> {
    let id = parsed(id)?;
    let answers =
        account.repliers.iter().find(|(_, replier)| **replier == Replier::Relay { relay: id.clone() });
    if let Some((event, _)) = answers {
        let description =
            format!("this relay answers {event}; say first who does instead, or that nobody does");
        return Err(ApiError::conflict("relay_is_replier", description));
    }
    let [letters, relay] = remove(&account.id, &id);
    let statements = vec![letters, relay, audit(cx, account, "relay.delete", json!({ "relay": id }))];
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    match outcomes.get(1) {
        Some(removed) if removed.changes > 0 => Ok(Reply::new(StatusCode::NO_CONTENT)),
        _ => Err(unknown()),
    }
}

fn check(account: &Account, label: Option<&str>, url: Option<&str>) -> Result<(), ApiError> {
    let is_label = |label: &str| label.chars().count() <= MAX_LABEL && !label.chars().any(char::is_control);
    if !label.is_none_or(is_label) {
        return Err(ApiError::invalid_request(
            "label has at most 100 characters, none of them control characters",
        ));
    }
    if !url.is_none_or(|url| is_acceptable_target(url, &account.host)) {
        return Err(ApiError::invalid_request(
            "url must be an https URL with a public host name that is not this account's, without user and fragment",
        ));
    }
    Ok(())
}

fn audit<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    action: &'static str,
    detail: Value,
) -> Statement {
    let change = Change { actor: "api_key", action, detail };
    audit::if_changed(&account.id, &change, &crate::id::short(cx.platform.random()), cx.platform.now())
}

/// A new relay begins as one that was called, so that its first run finds out whether there is anything to do.
fn insert(account: &AccountId, id: &RelayId, wanted: &Post, now: UnixMillis) -> Statement {
    let (cursor, cursor_at) = match wanted.from {
        From::Now => (
            "SELECT seq FROM webhook_deliveries WHERE account = ?1 AND seq > 0 ORDER BY seq DESC LIMIT 1",
            "NULL",
        ),
        From::Start => (
            "SELECT seq - 1 FROM webhook_deliveries WHERE account = ?1 AND seq > 0 ORDER BY seq LIMIT 1",
            "SELECT received_at FROM webhook_deliveries WHERE account = ?1 AND seq > 0 ORDER BY seq LIMIT 1",
        ),
    };
    Statement::compiled(format!(
        "INSERT INTO relays (account, id, label, url, created_at, cursor, cursor_at, due_at, lease) \
         SELECT ?1, ?2, ?3, ?4, ?5, coalesce(({cursor}), 0), coalesce(({cursor_at}), ?5), ?6, 'woken' \
         WHERE (SELECT count(*) FROM relays WHERE account = ?1 AND id > '') < ?7 \
         RETURNING id AS relay_id, paused"
    ))
    .bind(account)
    .bind(id)
    .bind(wanted.label.as_str())
    .bind(wanted.url.as_str())
    .bind(now)
    .bind(now + ON_ITS_WAY)
    .bind(MAX_RELAYS)
}

fn update(account: &AccountId, id: &RelayId, wanted: &Patch, afresh: bool) -> Statement {
    Statement::new(
        "UPDATE relays SET label = coalesce(?3, label), url = coalesce(?4, url), paused = coalesce(?5, paused), \
           attempts = iif(?6, 0, attempts), failing_since = iif(?6, NULL, failing_since) \
         WHERE account = ?1 AND id = ?2",
    )
    .bind(account)
    .bind(id)
    .bind(wanted.label.as_deref())
    .bind(wanted.url.as_deref())
    .bind(wanted.paused)
    .bind(afresh)
}
