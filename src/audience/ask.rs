//! `POST /v1/narrowcasts`: checked, LINE's thresholds too, stored, put on the queue.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    audience_job, enqueue, filter, make,
    whom::{self, checked_name},
};
use crate::{
    channel,
    config::Account,
    id::{AudienceId, NarrowcastId},
    line::audience::{self as line, LEAST_REACH, LEAST_RECIPIENTS},
    platform::{Context, Outcome, Platform, PlatformError},
    secret::Digest,
    store::{Job, MAX_INTEGER, Statement},
    time::Day,
    web::{ApiError, Fields, IDEMPOTENCY_KEY, Reply, Request},
};

struct Ask {
    name: String,
    messages: Value,
    audience: Option<String>,
    rule: Option<Value>,
    segment: Option<String>,
    everyone: bool,
    filter: Option<Value>,
    max: Option<i64>,
    notification_disabled: bool,
}

impl Ask {
    fn read(request: &Request) -> Result<Self, ApiError> {
        let mut fields = Fields::of(request)?;
        let asked = Self {
            name: checked_name(fields.need("name")?)?,
            messages: fields.need("messages")?,
            audience: fields.take("audience")?,
            rule: fields.take("rule")?,
            segment: fields.take("segment")?,
            everyone: fields.take("everyone")?.unwrap_or(false),
            filter: fields.take("filter")?,
            max: fields.take("max")?,
            notification_disabled: fields.take("notification_disabled")?.unwrap_or(false),
        };
        fields.end()?;
        if asked.max.is_some_and(|max| !(1..=MAX_INTEGER).contains(&max)) {
            return Err(ApiError::invalid_request("max is a number from 1 on"));
        }
        asked.filter.as_ref().map_or(Ok(()), filter::check)?;
        Ok(asked)
    }
}

#[derive(Deserialize)]
struct Row {
    id: NarrowcastId,
    state: String,
    request_digest: Digest,
}

/// (1) One of the same Idempotency-Key answers, whatever has become of its audience since; else the request is checked, the messages by
/// LINE; (2) the audience is known, or is to be made for this narrowcast alone; (3) LINE's thresholds are checked, as far as they can be
/// now; (4) the narrowcast is stored, or the one of the same key that came in between found, and its job put on the queue.
pub async fn ask<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let (key, digest) = (idempotency_key(request)?, Digest::of(request.bytes()));
    if let Some(key) = key {
        let find = find(account, "idempotency_key", key);
        if let Some(row) = cx.platform.one(&account.database, find).await?.first()? {
            return answer(&row, &digest);
        }
    }
    let asked = Ask::read(request)?;
    let checked = channel::check_messages(cx, account, "narrowcast", &asked.messages).await?;
    if checked.is_personal() {
        return Err(ApiError::invalid_request("a narrowcast says the same to everybody: leave out {{…}}"));
    }
    // (2)
    let own = whom::rule(cx, account, asked.rule.clone(), asked.segment.clone()).await?;
    let made = own.is_some().then(|| AudienceId::from_random(cx.platform.random()));
    let audience = match (&asked.audience, &made, asked.everyone) {
        (Some(id), None, false) => Some(AudienceId::parse(id)?),
        (None, Some(id), false) => Some(id.clone()),
        (None, None, true) => None,
        _ => {
            let words = "a narrowcast has one of audience, rule, segment and everyone: true";
            return Err(ApiError::invalid_request(words));
        }
    };
    if audience.is_none() && asked.max.is_none() {
        let words = "everyone: true needs max, the most recipients: so many messages are reserved for it";
        return Err(ApiError::invalid_request(words));
    }
    // (3)
    if let Some(id) = audience.as_ref().filter(|_| made.is_none()) {
        known(cx, account, id, asked.filter.is_some()).await?;
    }
    if asked.filter.is_some() || audience.is_none() {
        let least = if asked.filter.is_some() { LEAST_REACH } else { LEAST_RECIPIENTS };
        reaches(cx, account, least).await?;
    }
    // (4)
    let (id, now) = (NarrowcastId::from_random(cx.platform.random()), cx.platform.now());
    let insert = Statement::new(
        "INSERT INTO narrowcasts (account, id, name, state, audience, filter, wanted_max, silent, messages, created_at, \
           due_at, idempotency_key, request_digest) \
         VALUES (?1, ?2, ?3, 'waiting', ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
    )
    .bind(&account.id)
    .bind(&id)
    .bind(asked.name.as_str())
    .bind(audience.as_ref().map(AudienceId::as_str))
    .bind(asked.filter.as_ref().map(Value::to_string))
    .bind(asked.max)
    .bind(asked.notification_disabled)
    .bind(checked.json())
    .bind(now)
    .bind(key)
    .bind(&digest);
    let find = match key {
        Some(key) => find(account, "idempotency_key", key),
        None => find(account, "id", id.as_str()),
    };
    let mut statements = vec![insert];
    if let (Some(made), Some(rule)) = (&made, &own) {
        statements.push(make::insert_for(account, made, &asked.name, rule, &id, now));
    }
    statements.push(find);
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let row: Option<Row> = outcomes.last().map(Outcome::first).transpose()?.flatten();
    let row = row.ok_or_else(|| PlatformError::Database("the narrowcast was not stored".to_owned()))?;
    if row.id == id {
        let job = match &made {
            Some(made) => audience_job(account, made),
            None => Job::Narrowcast { account: account.id.clone(), narrowcast: id },
        };
        enqueue(cx, job).await;
    }
    answer(&row, &digest)
}

fn find(account: &Account, by: &str, value: &str) -> Statement {
    Statement::compiled(format!(
        "SELECT id, state, request_digest FROM narrowcasts WHERE account = ?1 AND {by} = ?2"
    ))
    .bind(&account.id)
    .bind(value)
}

/// What is answered to whoever asked for this.
fn answer(row: &Row, digest: &Digest) -> Result<Reply, ApiError> {
    if row.request_digest != *digest {
        let description = "this Idempotency-Key was used for another narrowcast; draw a new one for each";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", description));
    }
    Ok(Reply::json(StatusCode::ACCEPTED, &json!({ "id": row.id, "state": row.state })))
}

/// The audience is there, or will be; with a filter it has as many as LINE wants.
async fn known<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    id: &AudienceId,
    is_filtered: bool,
) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Audience {
        state: String,
        uploaded: i64,
    }
    let read = Statement::new("SELECT state, uploaded FROM audiences WHERE account = ?1 AND id = ?2");
    let read = read.bind(&account.id).bind(id);
    let audience: Option<Audience> = cx.platform.one(&account.database, read).await?.first()?;
    let audience = audience.ok_or_else(|| ApiError::not_found("the audience"))?;
    match audience.state.as_str() {
        "ready" if is_filtered && audience.uploaded < LEAST_RECIPIENTS => Err(too_few_recipients()),
        "uploading" | "waiting" | "ready" => Ok(()),
        state => {
            let words = format!("the audience is {state}; make another");
            Err(ApiError::conflict("audience_not_usable", words))
        }
    }
}

fn too_few_recipients() -> ApiError {
    let words =
        format!("with a filter LINE sends to {LEAST_RECIPIENTS} people or more; the audience has fewer");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "too_few_recipients", words)
}

/// LINE says of yesterday how many friends can be reached by attributes; where it does not say, it will judge itself.
async fn reaches<P: Platform>(cx: Context<'_, P>, account: &Account, least: i64) -> Result<(), ApiError> {
    let token = channel::token(cx, account).await?;
    let yesterday = Day::of(cx.platform.now()).before(1).to_string().replace('-', "");
    let answer = cx.platform.fetch(line::followers(&cx.settings.line, &token, &yesterday)).await?;
    let followers = answer.json::<line::Followers>().filter(|_| answer.status.is_success());
    let reach =
        followers.filter(|followers| followers.status == "ready").and_then(|one| one.targeted_reaches);
    match reach {
        Some(reach) if reach < least => {
            let words =
                format!("LINE wants a reach of {least} for this, and says that the account's is {reach}");
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "too_few_friends", words))
        }
        _ => Ok(()),
    }
}

/// The longest Idempotency-Key, in bytes.
const MAX_KEY: usize = 255;

fn idempotency_key(request: &Request) -> Result<Option<&str>, ApiError> {
    let Some(sent) = request.headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = sent.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()));
    let words = "Idempotency-Key has 1 to 255 ASCII characters";
    key.map(Some).ok_or_else(|| ApiError::invalid_request(words))
}
