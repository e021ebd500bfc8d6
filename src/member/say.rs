//! `PUT /v1/members/{member_id}` and `POST /v1/members`: what the shop says of its members.

use std::collections::HashMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    config::Account,
    id::MemberId,
    platform::{Context, Platform, PlatformError},
    store::{
        applying::Applying,
        tombstone::Tombs,
        word::{Line, Words},
    },
    web::{
        ApiError, Reply, Request,
        lines::{self, Refused},
        object,
    },
    word::Word,
};

/// What became of a line that is well formed.
#[derive(Deserialize)]
struct Judged {
    line: usize,
    verdict: String,
}

/// `PUT /v1/members/{member_id}`: makes the member, unless it is known, also one who was erased: this is the shop's word on this
/// very person. What is named is set as far as it is newer; what is not named stays, so that two systems of a shop do not erase each
/// other's.
pub async fn put<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
    member_id: &str,
) -> Result<Reply, ApiError> {
    let member = MemberId::parse(member_id)?;
    let word = Word::parse(request.json()?, Some(member.clone()), cx.platform.now())?;
    let judged = apply(cx, account, &[(0, word)], false).await?;
    match judged.first().map(|judged| judged.verdict.as_str()) {
        Some("accepted") => Ok(Reply::json(StatusCode::OK, &json!({ "member_id": member }))),
        Some(link @ ("linked" | "already_linked")) => {
            Ok(Reply::json(StatusCode::OK, &json!({ "member_id": member, "link": link })))
        }
        Some(reason) => {
            let (error, Refused { says, .. }) = refusal(reason);
            Err(ApiError::conflict(error, format!("line_user_id: {says}")))
        }
        None => Err(PlatformError::Database("a statement has no outcome".to_owned()).into()),
    }
}

/// `POST /v1/members`: (1) each line is read on its own; (2) one batch applies those that are well formed, whole or not at all;
/// (3) each is answered by its index. The same again changes nothing more.
pub async fn post<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let now = cx.platform.now();
    let mut results: Vec<Value> = Vec::new();
    let mut words = Vec::new();
    let mut named: HashMap<MemberId, usize> = HashMap::new();
    for (index, line) in lines::read(request, "members")?.into_iter().enumerate() {
        let word =
            Word::parse(line, None, now).and_then(|word| match named.insert(word.member.clone(), index) {
                None => Ok(word),
                Some(before) => {
                    let says = format!(
                        "line {before} of this call names the member too; send the second in another call"
                    );
                    Err(Refused::new("member_id", says))
                }
            });
        match word {
            Ok(word) => {
                words.push((index, word));
                results.push(Value::Null);
            }
            Err(refused) => results.push(lines::refused(index, refused)),
        }
    }
    // (2)
    let judged = if words.is_empty() { Vec::new() } else { apply(cx, account, &words, true).await? };
    // (3)
    let mut accepted = 0;
    for Judged { line, verdict } in judged {
        let Some(result) = results.get_mut(line) else { continue };
        *result = match verdict.as_str() {
            "accepted" => object([("index", line.into()), ("result", "accepted".into())]),
            link @ ("linked" | "already_linked") => {
                object([("index", line.into()), ("result", "accepted".into()), ("link", link.into())])
            }
            reason => {
                let (error, refused) = refusal(reason);
                let mut refused = lines::refused(line, refused);
                let more = Map::from_iter([("error".to_owned(), error.into())]);
                refused.as_object_mut().into_iter().for_each(|shown| shown.extend(more.clone()));
                refused
            }
        };
        accepted += usize::from(result.get("result").is_some_and(|result| result == "accepted"));
    }
    let refused = results.len() - accepted;
    Ok(Reply::json(StatusCode::OK, &json!({ "accepted": accepted, "refused": refused, "results": results })))
}

async fn apply<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    words: &[(usize, Word)],
    heeds_tombs: bool,
) -> Result<Vec<Judged>, ApiError> {
    let tombs = Tombs::new(&cx.settings.keys, &account.id);
    let digests = |(_, word): &(usize, Word)| {
        let member = if heeds_tombs { tombs.of_member(&word.member) } else { Vec::new() };
        let user = word.line_user.as_ref().map(|user| tombs.of_line_user(user));
        (member, user.unwrap_or_default())
    };
    let digests: Vec<_> = words.iter().map(digests).collect();
    let lines: Vec<Line<'_>> = words
        .iter()
        .zip(&digests)
        .map(|((number, word), (tombs, user_tombs))| Line { number: *number, word, tombs, user_tombs })
        .collect();
    let applying = Applying { account: &account.id, now: cx.platform.now(), part: None };
    let words = Words::new(applying, &lines, cx.platform.random());
    let statements = words.apply().into_iter().chain([words.judge()]).collect();
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    match outcomes.last() {
        Some(judged) => Ok(judged.rows()?),
        None => Err(PlatformError::Database("a statement has no outcome".to_owned()).into()),
    }
}

/// Why a line that is well formed is refused: the error's name, the field, and what to do.
fn refusal(reason: &str) -> (&'static str, Refused) {
    let user = |error, says: &str| (error, Refused::new("line_user_id", says));
    match reason {
        "member_is_linked" => user(
            "member_is_linked",
            "the member is linked to another LINE user, whose link stays; PUT /v1/links/{sub} replaces it with replace: true",
        ),
        "subject_is_linked" => user(
            "subject_is_linked",
            "the LINE user is linked to another member, whose link stays; PUT /v1/links/{sub} replaces it with replace: true",
        ),
        "line_user_erased" => user("erased", "was erased; take it out of what you send"),
        _ => ("erased", Refused::new("member_id", "was erased; take the member out of what you send")),
    }
}
