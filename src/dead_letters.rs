//! Burying what could not be done, without what it says of persons who were erased.

use serde::Deserialize;

use crate::{
    id::AccountId,
    line::webhook,
    platform::{Context, Database, Platform, PlatformError},
    secret::Digest,
    store::{Job, dead_letter, tombstone, tombstone::Tombs},
};

/// Keeps a dead letter where it can be seen.
pub async fn bury<P: Platform>(
    cx: Context<'_, P>,
    database: &Database,
    account: Option<&AccountId>,
    (source, reason): (&str, &str),
    body: &str,
) -> Result<(), PlatformError> {
    let cleaned = match account {
        Some(account) => cleaned(cx, database, account, body).await?,
        None => Some(body.to_owned()),
    };
    let Some(body) = cleaned else { return Ok(()) };
    let letter = dead_letter::write(account, source, reason, &body, cx.platform.now());
    cx.platform.one(database, letter).await.map(|_| ())
}

/// What is left of a body without those who were erased; a body that names nobody costs no store call.
async fn cleaned<P: Platform>(
    cx: Context<'_, P>,
    database: &Database,
    account: &AccountId,
    body: &str,
) -> Result<Option<String>, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        digest: Digest,
    }
    let tombs = Tombs::new(&cx.settings.keys, account);
    let named: Vec<_> = webhook::user_ids(body).into_iter().map(|id| (tombs.of_line_user(&id), id)).collect();
    if named.is_empty() {
        return Ok(Some(body.to_owned()));
    }
    let digests: Vec<Digest> = named.iter().flat_map(|(digests, _)| digests.iter().cloned()).collect();
    let known: Vec<Row> = cx.platform.rows(database, tombstone::known(account, &digests)).await?;
    let mut left = Some(body.to_owned());
    for (digests, id) in named {
        if known.iter().any(|row| digests.contains(&row.digest)) {
            left = left.and_then(|body| without(&body, id.as_str()));
        }
    }
    Ok(left)
}

/// What is left of a dead letter without one LINE user: of a delivery the events of others, whether it lies there as a job or as
/// LINE sent it; of anything else nothing.
#[must_use]
pub fn without(body: &str, line_user_id: &str) -> Option<String> {
    if !body.contains(line_user_id) {
        return Some(body.to_owned());
    }
    match Job::parse(body) {
        Ok(Job::Webhook { account, received_at, body }) => {
            let body = webhook::without(&body, line_user_id)?;
            Some(Job::Webhook { account, received_at, body }.to_text())
        }
        _ => webhook::without(body, line_user_id),
    }
}
