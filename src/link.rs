//! `/v1/links`: the ID link, member ↔ subject, at most one each way per account.
//!
//! A taken member or subject is 409 with the reason, unless the call says `replace`; then the old link is in the
//! history. Looking up reads KV first, where only found links are kept; `Cache-Control: no-cache` reads D1, and so does
//! everything that decides (`/token`, sends).

use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::Account,
    id::{AccountId, LineUserId, MemberId, Subject},
    platform::{Context, Outcome, Platform, PlatformError},
    store::{CacheKey, Statement, session},
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
    look_up(cx, account, request, &key, select(&account.id, Some(&subject), None)).await
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
    look_up(cx, account, request, &key, select(&account.id, None, Some(&member))).await
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
    account: &Account,
    request: &Request,
    sub: &str,
) -> Result<Reply, ApiError> {
    let subject = Subject::parse(sub)?;
    let Put { member_id, replace, consent } = request.json()?;
    let consent = (!consent.is_null()).then(|| consent.to_string());
    if consent.as_ref().is_some_and(|json| json.len() > MAX_CONSENT) {
        return Err(ApiError::invalid_request("consent has at most 2000 bytes"));
    }
    let link_id = crate::id::short(cx.platform.random());
    let wanted = Wanted { account: &account.id, subject: &subject, member: &member_id, link_id: &link_id };
    let mut statements = if replace { wanted.displace(cx.platform.now()) } else { Vec::new() };
    statements.push(wanted.insert(consent.as_deref(), cx.platform.now()));
    statements.push(select(&account.id, Some(&subject), None));
    statements.push(select(&account.id, None, Some(&member_id)));
    statements.push(subject_exists(&account.id, &subject));
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
    for outcome in displaced {
        changed.extend(outcome.rows::<Ends>()?);
    }
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

struct Wanted<'a> {
    account: &'a AccountId,
    subject: &'a Subject,
    member: &'a MemberId,
    link_id: &'a str,
}

/// The links that stand in the way of `?2 ↔ ?3`, other than itself.
const IN_THE_WAY: &str = "account = ?1 AND (member_id = ?3) <> (line_user = \
    (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2)) \
    AND EXISTS (SELECT 1 FROM line_users WHERE account = ?1 AND subject = ?2)";

impl Wanted<'_> {
    /// Moves what stands in the way to the history, if the subject exists, and ends the sessions of who was linked.
    fn displace(&self, now: UnixMillis) -> Vec<Statement> {
        let in_the_way =
            |sql: String| Statement::compiled(sql).bind(self.account).bind(self.subject).bind(self.member);
        ["line_user = (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2)", "member_id = ?3"]
            .into_iter()
            .flat_map(|one| {
                [
                    in_the_way(session::end_of(
                        &format!("SELECT line_user FROM links WHERE {one} AND {IN_THE_WAY}"),
                        "?4",
                    ))
                    .bind(now),
                    in_the_way(format!(
                        "INSERT INTO link_history (account, link_id, line_user, member_id, linked_at, consent, ended_at, ended_by) \
                         SELECT account, link_id, line_user, member_id, linked_at, consent, ?4, 'replaced' \
                         FROM links WHERE {one} AND {IN_THE_WAY}"
                    ))
                    .bind(now),
                    in_the_way(format!(
                        "DELETE FROM links WHERE {one} AND {IN_THE_WAY} RETURNING member_id, \
                         (SELECT u.subject FROM line_users u WHERE u.id = links.line_user) AS sub"
                    )),
                ]
            })
            .collect()
    }

    /// Makes the link, unless one side is taken; a link that is there takes the newer consent.
    fn insert(&self, consent: Option<&str>, now: UnixMillis) -> Statement {
        Statement::new(
            "INSERT INTO links (account, line_user, member_id, link_id, linked_at, consent) \
             SELECT ?1, id, ?3, ?4, ?5, ?6 FROM line_users WHERE account = ?1 AND subject = ?2 \
             ON CONFLICT (account, line_user) DO UPDATE SET consent = excluded.consent \
               WHERE member_id = excluded.member_id AND excluded.consent IS NOT NULL \
             ON CONFLICT DO NOTHING",
        )
        .bind(self.account)
        .bind(self.subject)
        .bind(self.member)
        .bind(self.link_id)
        .bind(now)
        .bind(consent)
    }
}

/// `DELETE /v1/links/{sub}`: the link goes to the history, and the customer's sessions and tokens end with it.
pub async fn delete<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    sub: &str,
) -> Result<Reply, ApiError> {
    let subject = Subject::parse(sub)?;
    let now = cx.platform.now();
    let one = "account = ?1 AND line_user = (SELECT id FROM line_users WHERE account = ?1 AND subject = ?2)";
    let statements = vec![
        Statement::compiled(format!(
            "INSERT INTO link_history (account, link_id, line_user, member_id, linked_at, consent, ended_at, ended_by) \
             SELECT account, link_id, line_user, member_id, linked_at, consent, ?3, 'unlinked' FROM links WHERE {one}"
        ))
        .bind(&account.id)
        .bind(&subject)
        .bind(now),
        Statement::compiled(format!("DELETE FROM links WHERE {one} RETURNING member_id, ?2 AS sub"))
            .bind(&account.id)
            .bind(&subject),
        session::end_all(&account.id, &subject, now),
    ];
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let ended: Option<Ends> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
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

/// Reads the link of a subject, or of a member.
fn select(account: &AccountId, subject: Option<&Subject>, member: Option<&MemberId>) -> Statement {
    let columns = "SELECT u.subject AS sub, l.member_id, u.line_user_id, l.linked_at, l.consent, l.link_id";
    let (from, id) = match (subject, member) {
        (Some(subject), _) => (
            "FROM line_users u JOIN links l ON l.account = u.account AND l.line_user = u.id \
             WHERE u.account = ?1 AND u.subject = ?2",
            subject.as_str(),
        ),
        (None, member) => (
            "FROM links l JOIN line_users u ON u.id = l.line_user WHERE l.account = ?1 AND l.member_id = ?2",
            member.map_or("", MemberId::as_str),
        ),
    };
    Statement::compiled(format!("{columns} {from}")).bind(account).bind(id)
}

fn subject_exists(account: &AccountId, subject: &Subject) -> Statement {
    Statement::new("SELECT 1 AS known FROM line_users WHERE account = ?1 AND subject = ?2")
        .bind(account)
        .bind(subject)
}
