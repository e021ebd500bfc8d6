//! `PUT` and `DELETE /v1/links/{sub}`: a taken member or subject is 409 with the reason, unless the call says `replace`; then
//! the old link is in the history.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Ends, Row, consent, ended, forget};
use crate::{
    config::Site,
    id::{MemberId, Subject},
    platform::{Context, Platform, PlatformError},
    store::link::{self, EndedBy, Side, Wanted},
    web::{ApiError, Reply, Request},
};

/// The body of `PUT /v1/links/{sub}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    member_id: MemberId,
    #[serde(default)]
    replace: bool,
    consent: Option<Map<String, Value>>,
}

/// `PUT /v1/links/{sub}`: 201 for a new link, 200 for one that was there. It is for a customer who has logged in, so that the
/// subject is known: that is the proof of the LINE side, as the shop's own session is of the member's.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    sub: &str,
) -> Result<Reply, ApiError> {
    let account = &*site.account;
    let subject = Subject::parse(sub)?;
    let Put { member_id, replace, consent: said } = request.json()?;
    let link_id = crate::id::short(cx.platform.random());
    let wanted = Wanted { account: &account.id, subject: &subject, member: &member_id, link_id: &link_id };
    let ending = site.ending(cx.platform.now());
    let is_newer = said.is_some();
    let consent = consent("shop", said, ending.now)?;
    let mut statements = if replace { wanted.displace(&ending) } else { Vec::new() };
    statements.push(wanted.insert(&consent, is_newer, ending.now));
    if ending.takes_events {
        statements.push(link::made(&account.id, &member_id, &link_id, ending.now));
    }
    statements.push(link::select(&account.id, Side::Subject(&subject)));
    statements.push(link::select(&account.id, Side::Member(&member_id)));
    statements.push(link::subject_exists(&account.id, &subject));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    let [before @ .., of_subject, of_member, known] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
    };
    if known.rows::<Value>()?.is_empty() {
        return Err(ApiError::not_found("the subject"));
    }
    let (of_subject, of_member): (Option<Row>, Option<Row>) = (of_subject.first()?, of_member.first()?);
    let link = agreed(of_subject, of_member, &subject, &member_id)?;
    let status = if link.link_id == link_id { StatusCode::CREATED } else { StatusCode::OK };
    let mut changed = vec![Ends { sub: subject, member_id }];
    changed.extend(ended(before)?);
    cx.hand_over(&account.id, &outcomes).await;
    forget(cx, account, changed).await;
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

/// `DELETE /v1/links/{sub}`: the link goes to the history, the customer's sessions and tokens end with it, and LINE is told
/// where it gave us a token to tell it with.
pub async fn delete<P: Platform>(cx: Context<'_, P>, site: &Site, sub: &str) -> Result<Reply, ApiError> {
    let account = &*site.account;
    let subject = Subject::parse(sub)?;
    let statements = link::end(&subject, EndedBy::Unlinked, &site.ending(cx.platform.now()));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    cx.hand_over(&account.id, &outcomes).await;
    let ended = ended(&outcomes)?;
    if ended.is_empty() {
        return Err(ApiError::not_found("the link"));
    }
    forget(cx, account, ended).await;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}
