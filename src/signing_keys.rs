//! `/v1/signing-keys`: the keys that sign ID tokens, replaced at the shop's word and by age.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::{
        Account, Draft,
        signing_key::{self, EMERGENCY_LEAD, LEAD},
    },
    id::AccountId,
    oauth::SignatureAlgorithm,
    platform::{Context, Database, Platform, PlatformError},
    store::{Statement, audit::Change},
    time::UnixMillis,
    web::{ApiError, Reply, Request},
};

/// Accounts whose keys cron replaces in one tick: making an RSA key is work.
const PIECE: i64 = 3;

/// `GET /v1/signing-keys`: what is published, without anything secret.
pub fn list<P: Platform>(cx: Context<'_, P>, account: &Account) -> Reply {
    let now = cx.platform.now();
    let in_use = |algorithm| signing_key::in_use(&account.signing_keys, algorithm, now).map(|key| &key.kid);
    let keys: Vec<Value> = signing_key::published(&account.signing_keys, now)
        .map(|key| {
            json!({
                "kid": key.kid, "algorithm": key.algorithm,
                "signs": in_use(key.algorithm) == Some(&key.kid),
                "use_from": key.use_from.rfc3339(),
                "publish_until": key.publish_until.map(UnixMillis::rfc3339),
            })
        })
        .collect();
    Reply::json(StatusCode::OK, &json!({ "keys": keys }))
}

/// The body of `POST /v1/signing-keys/rotate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotate {
    emergency: bool,
}

/// `POST /v1/signing-keys/rotate`: a new key for each algorithm in use. It is published at once and signs after 24 h; in
/// an emergency it signs after 120 s, and the old ones are gone at once.
pub async fn rotate<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let Rotate { emergency } = if request.bytes().is_empty() { Rotate::default() } else { request.json()? };
    let mut draft = Draft::of_id(cx, &account.id).await?;
    let now = cx.platform.now();
    let pending = draft.stored.signing_keys.iter().map(|key| key.use_from).filter(|from| *from > now).max();
    if let Some(from) = pending.filter(|_| !emergency) {
        let when = from.rfc3339();
        let why = format!("a new key signs from {when} on; wait, or send emergency: true if a key is lost");
        return Err(ApiError::conflict("rotation_under_way", why));
    }
    let made = replace(cx, &mut draft, emergency, now).await?;
    let detail = json!({ "emergency": emergency, "kids": made });
    draft.write(cx, Change { actor: "api_key", action: "signing_keys.rotate", detail }).await?;
    let from = (now + if emergency { EMERGENCY_LEAD } else { LEAD }).rfc3339();
    Ok(Reply::json(StatusCode::CREATED, &json!({ "kids": made, "use_from": from })))
}

/// Takes a successor for each algorithm into a draft; answers their names.
async fn replace<P: Platform>(
    cx: Context<'_, P>,
    draft: &mut Draft,
    emergency: bool,
    now: UnixMillis,
) -> Result<Vec<String>, PlatformError> {
    let mut kids = Vec::new();
    for algorithm in SignatureAlgorithm::ALL {
        if !draft.stored.signing_keys.iter().any(|key| key.algorithm == algorithm) {
            continue;
        }
        let from = now + if emergency { EMERGENCY_LEAD } else { LEAD };
        let key = signing_key::make(cx, algorithm, from).await?;
        kids.push(key.kid.clone());
        signing_key::succeed(&mut draft.stored.signing_keys, key, emergency, now);
    }
    Ok(kids)
}

/// Cron: accounts whose keys are due get successors. Whoever writes meanwhile wins; one that fails is logged and stops
/// nobody else's, and the next tick sees to it.
pub async fn rotate_by_age<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        id: AccountId,
    }
    let due = Statement::new("SELECT id FROM accounts WHERE keys_due_at <= ?1 ORDER BY keys_due_at LIMIT ?2");
    let due = due.bind(cx.platform.now()).bind(PIECE);
    let rows: Vec<Row> = cx.platform.rows(&Database::default(), due).await?;
    for Row { id } in rows {
        if let Err(error) = rotate_one(cx, &id).await {
            cx.log_failure("rotate_keys", &error);
        }
    }
    Ok(())
}

async fn rotate_one<P: Platform>(cx: Context<'_, P>, id: &AccountId) -> Result<(), PlatformError> {
    let mut draft = Draft::of_id(cx, id).await?;
    let made = replace(cx, &mut draft, false, cx.platform.now()).await?;
    let change = Change { actor: "age", action: "signing_keys.rotate", detail: json!({ "kids": made }) };
    let written = draft.write(cx, change).await;
    written.or_else(|refused| refused.cause().cloned().map_or(Ok(()), Err))
}
