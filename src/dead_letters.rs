//! Burying what could not be done, without what it says of persons who were erased.

use serde::Deserialize;

use crate::{
    id::AccountId,
    line::webhook,
    platform::{Context, Database, Platform, PlatformError},
    secret::Digest,
    store::{Job, dead_letter, tombstone, tombstone::Tombs},
};

/// Keeps a dead letter where it can be seen. Who is erased between the look and the writing is looked for again.
pub async fn bury<P: Platform>(
    cx: Context<'_, P>,
    database: &Database,
    account: Option<&AccountId>,
    why: (&str, &str),
    body: &str,
) -> Result<(), PlatformError> {
    let mut before = None;
    loop {
        let cleaned = match account {
            Some(account) => cleaned(cx, database, account, body).await?,
            None => Cleaned { body: Some(body.to_owned()), named: Vec::new() },
        };
        // The same as before was kept before.
        let Some(body) = cleaned.body.filter(|body| before.as_ref() != Some(body)) else { return Ok(()) };
        let letter = dead_letter::write(account, why, &body, &cleaned.named, cx.platform.now());
        if cx.platform.one(database, letter).await?.changes > 0 {
            return Ok(());
        }
        before = Some(body);
    }
}

/// What is left of a body without those who were erased.
struct Cleaned {
    body: Option<String>,
    /// The digests of the others whom it names.
    named: Vec<Digest>,
}

/// Cleans a body; one that names nobody costs no store call.
async fn cleaned<P: Platform>(
    cx: Context<'_, P>,
    database: &Database,
    account: &AccountId,
    body: &str,
) -> Result<Cleaned, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        digest: Digest,
    }
    let tombs = Tombs::new(&cx.settings.keys, account);
    let ids = webhook::user_ids(body).into_iter();
    let named: Vec<_> = ids.map(|id| (tombs.of_line_user(&id), id)).collect();
    let mut cleaned = Cleaned { body: Some(body.to_owned()), named: Vec::new() };
    if named.is_empty() {
        return Ok(cleaned);
    }
    let digests: Vec<Digest> = named.iter().flat_map(|(digests, _)| digests.iter().cloned()).collect();
    let known: Vec<Row> = cx.platform.rows(database, tombstone::known(account, &digests)).await?;
    for (digests, id) in named {
        if known.iter().any(|row| digests.contains(&row.digest)) {
            cleaned.body = cleaned.body.and_then(|body| without(&body, id.as_str()));
        } else {
            cleaned.named.extend(digests);
        }
    }
    Ok(cleaned)
}

/// What is left of a dead letter without one LINE user: of a delivery the events of others, whether it lies there as a job or as
/// LINE sent it; of anything else nothing.
#[must_use]
pub fn without(body: &str, line_user_id: &str) -> Option<String> {
    if !body.contains(line_user_id) {
        return Some(body.to_owned());
    }
    match Job::parse(body) {
        Ok(Job::Webhook { account, received_at, signature, body }) => {
            let body = webhook::without(&body, line_user_id)?;
            Some(Job::Webhook { account, received_at, signature, body }.to_text())
        }
        _ => webhook::without(body, line_user_id),
    }
}
