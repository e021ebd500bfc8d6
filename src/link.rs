//! `/v1/links`: the ID link, member ↔ subject, at most one each way per account.
//!
//! A taken member or subject is 409 with the reason, unless the call says `replace`; then the old link is in the
//! history. Looking up reads KV first, where only found links are kept; `Cache-Control: no-cache` reads D1, and so does
//! everything that decides (`/token`, sends).

use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::{Account, Site},
    id::{LineUserId, MemberId, Subject},
    platform::{Context, Outcome, Platform, PlatformError},
    store::{
        CacheKey, Statement,
        link::{self, Wanted},
    },
    time::UnixMillis,
    web::{ApiError, Reply, Request, form::Form},
};

/// How long KV keeps a link, in seconds; the least that KV takes.
const CACHE_SECONDS: u32 = 60;

/// The longest consent record, in bytes of JSON.
const MAX_CONSENT: usize = 2_000;

/// A link as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Link {
    sub: Subject,
    member_id: MemberId,
    line_user_id: LineUserId,
    linked_at: String,
    consent: Value,
}

#[derive(Deserialize)]
struct Row {
    sub: Subject,
    member_id: MemberId,
    line_user_id: LineUserId,
    linked_at: UnixMillis,
    consent: Option<String>,
    link_id: String,
}

impl Row {
    fn shown(self) -> Link {
        Link {
            sub: self.sub,
            member_id: self.member_id,
            line_user_id: self.line_user_id,
            linked_at: self.linked_at.rfc3339(),
            consent: self.consent.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        }
    }
}

/// `GET /v1/links/{sub}`.
pub async fn by_subject<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    sub: &str,
) -> Result<Reply, ApiError> {
    let subject = Subject::parse(sub)?;
    let key = CacheKey::LinkBySubject(account.id.clone(), subject.clone());
    look_up(cx, account, request, &key, link::select(&account.id, Some(&subject), None)).await
}

/// `GET /v1/links?member_id=`.
pub async fn by_member<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    let form = Form::parse(request.query.as_bytes()).map_err(|e| ApiError::invalid_request(e.to_string()))?;
    let member = form.value("member_id").ok_or_else(|| ApiError::invalid_request("member_id is missing"))?;
    let member = MemberId::parse(member)?;
    let key = CacheKey::LinkByMember(account.id.clone(), member.clone());
    look_up(cx, account, request, &key, link::select(&account.id, None, Some(&member))).await
}

async fn look_up<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    key: &CacheKey,
    statement: Statement,
) -> Result<Reply, ApiError> {
    let fresh = request.header(&header::CACHE_CONTROL).is_some_and(|value| value.contains("no-cache"));
    if !fresh {
        // A cache that fails is a cache that has nothing.
        let cached = cx.platform.cached(key).await.ok().flatten();
        if let Some(link) = cached.and_then(|text| serde_json::from_str::<Link>(&text).ok()) {
            return Ok(Reply::json(StatusCode::OK, &link));
        }
    }
    let row: Option<Row> = cx.platform.one(&account.database, statement).await?.first()?;
    let link = row.ok_or_else(|| ApiError::not_found("the link"))?.shown();
    let text = serde_json::to_string(&link).unwrap_or_default();
    if let Err(error) = cx.platform.cache(key, &text, CACHE_SECONDS).await {
        cx.log_failure("link_cache", &error);
    }
    Ok(Reply::json(StatusCode::OK, &link))
}

/// The body of `PUT /v1/links/{sub}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    member_id: MemberId,
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    consent: Value,
}

/// `PUT /v1/links/{sub}`: 201 for a new link, 200 for one that was there.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    sub: &str,
) -> Result<Reply, ApiError> {
    let account = &*site.account;
    let subject = Subject::parse(sub)?;
    let Put { member_id, replace, consent } = request.json()?;
    let consent = (!consent.is_null()).then(|| consent.to_string());
    if consent.as_ref().is_some_and(|json| json.len() > MAX_CONSENT) {
        return Err(ApiError::invalid_request("consent has at most 2000 bytes"));
    }
    let link_id = crate::id::short(cx.platform.random());
    let wanted = Wanted { account: &account.id, subject: &subject, member: &member_id, link_id: &link_id };
    let ending = site.ending(cx.platform.now());
    let mut statements = if replace { wanted.displace(&ending) } else { Vec::new() };
    statements.push(wanted.insert(consent.as_deref(), ending.now));
    statements.push(link::select(&account.id, Some(&subject), None));
    statements.push(link::select(&account.id, None, Some(&member_id)));
    statements.push(link::subject_exists(&account.id, &subject));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let [displaced @ .., _, of_subject, of_member, known] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    if known.rows::<Value>()?.is_empty() {
        return Err(ApiError::not_found("the subject"));
    }
    let (of_subject, of_member): (Option<Row>, Option<Row>) = (of_subject.first()?, of_member.first()?);
    let link = agreed(of_subject, of_member, &subject, &member_id)?;
    let status = if link.link_id == link_id { StatusCode::CREATED } else { StatusCode::OK };
    let mut changed = vec![Ends { sub: subject, member_id }];
    for outcome in displaced.iter().filter(|outcome| outcome.rows.contains("\"sub\"")) {
        changed.extend(outcome.rows::<Ends>()?);
    }
    cx.hand_over(&account.id, &outcomes).await;
    forget(cx, account, &changed).await;
    Ok(Reply::json(status, &link.shown()))
}

/// The one link of both, or which of them is taken.
fn agreed(
    of_subject: Option<Row>,
    of_member: Option<Row>,
    subject: &Subject,
    member: &MemberId,
) -> Result<Row, ApiError> {
    match (of_subject, of_member) {
        (Some(row), _) if row.member_id == *member => Ok(row),
        (Some(_), _) => Err(ApiError::conflict(
            "subject_is_linked",
            "this LINE user is linked to another member; unlink it first, or send replace: true",
        )),
        (None, Some(row)) if row.sub != *subject => Err(ApiError::conflict(
            "member_is_linked",
            "this member is linked to another LINE user; unlink it first, or send replace: true",
        )),
        _ => Err(PlatformError::Database("the link was neither made nor refused".to_owned()).into()),
    }
}

/// `DELETE /v1/links/{sub}`: the link goes to the history, and the customer's sessions and tokens end with it.
pub async fn delete<P: Platform>(cx: Context<'_, P>, site: &Site, sub: &str) -> Result<Reply, ApiError> {
    let account = &*site.account;
    let subject = Subject::parse(sub)?;
    let ending = site.ending(cx.platform.now());
    let statements = link::end(&subject, &ending);
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let ended: Option<Ends> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
    cx.hand_over(&account.id, &outcomes).await;
    forget(cx, account, &[ended.ok_or_else(|| ApiError::not_found("the link"))?]).await;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

/// The two ends of a link.
#[derive(Deserialize)]
struct Ends {
    sub: Subject,
    member_id: MemberId,
}

/// Drops what KV knows of links. If KV cannot be reached, it forgets by itself within a minute.
async fn forget<P: Platform>(cx: Context<'_, P>, account: &Account, links: &[Ends]) {
    for Ends { sub, member_id } in links {
        let keys = [
            CacheKey::LinkBySubject(account.id.clone(), sub.clone()),
            CacheKey::LinkByMember(account.id.clone(), member_id.clone()),
        ];
        for key in &keys {
            if let Err(error) = cx.platform.forget(key).await {
                cx.log_failure("link_cache", &error);
            }
        }
    }
}
