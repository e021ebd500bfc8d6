//! `DELETE /v1/members/{member_id}`: a person is erased, the member and the LINE user who is linked.

use http::StatusCode;
use serde::Deserialize;

use crate::{
    config::Site,
    dead_letters,
    id::{LineUserId, MemberId, Subject},
    platform::{Context, Platform, PlatformError},
    store::{
        CacheKey,
        erasure::{self, Person},
        tombstone::Tombs,
    },
    web::{ApiError, Reply},
};

/// How often it begins again because the member was linked to somebody else meanwhile.
const ROUNDS: usize = 3;

#[derive(Deserialize)]
struct Linked {
    line_user_id: LineUserId,
    sub: Subject,
}

#[derive(Deserialize)]
struct Letter {
    id: String,
    body: String,
}

#[derive(Deserialize)]
struct Known {
    is_here: i64,
    was_here: i64,
}

/// Who is to be erased, as it was read.
struct Found {
    linked: Option<Linked>,
    letters: Vec<Letter>,
    known: Option<Known>,
}

/// (1) Who is it? (2) Everything goes in one batch, with a tombstone and an entry in the audit log; (3) who is told is told, KV
/// forgets, and so do dead letters that came between (1) and (2). A repeat finds nothing and is answered alike: 204.
pub async fn erase<P: Platform>(cx: Context<'_, P>, site: &Site, member_id: &str) -> Result<Reply, ApiError> {
    let account = &*site.account;
    let member = MemberId::parse(member_id)?;
    let tombs = Tombs::new(&cx.settings.keys, &account.id);
    for _ in 0..ROUNDS {
        // (1)
        let found = look(cx, site, &member, &tombs).await?;
        match found.known {
            Some(Known { is_here: 1, .. }) => {}
            Some(Known { was_here: 1, .. }) => return Ok(Reply::new(StatusCode::NO_CONTENT)),
            _ => return Err(ApiError::not_found("the member")),
        }
        // (2)
        let line_user_id = found.linked.as_ref().map(|linked| &linked.line_user_id);
        let mut digests = tombs.of_member(&member);
        digests.extend(line_user_id.map(|id| tombs.of_line_user(id)).unwrap_or_default());
        let person = Person {
            member: &member,
            line_user_id,
            tombs: &digests,
            name: &crate::id::short(cx.platform.random()),
            letters: &cleaned(found.letters, line_user_id),
        };
        let statements = erasure::erase(&person, &site.ending(cx.platform.now()));
        let outcomes = cx.platform.batch(&account.database, statements).await?;
        // (3)
        cx.hand_over(&account.id, &outcomes).await;
        let by_subject = found
            .linked
            .as_ref()
            .map(|linked| CacheKey::LinkBySubject(account.id.clone(), linked.sub.clone()));
        cx.forget([CacheKey::LinkByMember(account.id.clone(), member.clone())].into_iter().chain(by_subject))
            .await;
        let [.., letters, still] = outcomes.as_slice() else {
            return Err(PlatformError::Database("a statement has no outcome".to_owned()).into());
        };
        let (letters, still): (Vec<Letter>, Vec<serde_json::Value>) = (letters.rows()?, still.rows()?);
        if !letters.is_empty() {
            let left = erasure::of_letters(&cleaned(letters, line_user_id));
            cx.platform.batch(&account.database, left).await?;
        }
        if still.is_empty() {
            return Ok(Reply::new(StatusCode::NO_CONTENT));
        }
    }
    Err(PlatformError::Database("the member is linked again and again".to_owned()).into())
}

/// What is left of each letter without this LINE user.
fn cleaned(letters: Vec<Letter>, line_user_id: Option<&LineUserId>) -> Vec<(String, Option<String>)> {
    let left = |letter: Letter| {
        let left = line_user_id.and_then(|id| dead_letters::without(&letter.body, id.as_str()));
        (letter.id, left)
    };
    letters.into_iter().map(left).collect()
}

async fn look<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    member: &MemberId,
    tombs: &Tombs<'_>,
) -> Result<Found, PlatformError> {
    let account = &site.account;
    let read = erasure::look(&account.id, member, &tombs.of_member(member));
    let outcomes = cx.platform.batch(&account.database, read).await?;
    let [linked, letters, known] = outcomes.as_slice() else {
        return Err(PlatformError::Database("a statement has no outcome".to_owned()));
    };
    Ok(Found { linked: linked.first()?, letters: letters.rows()?, known: known.first()? })
}
