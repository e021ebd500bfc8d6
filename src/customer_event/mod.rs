//! `/v1/events`: what members do in the shop, as the shop tells it; and `/v1/event-types` (`types.rs`).

mod types;

use std::collections::HashMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::types::{list, put, show};
use crate::{
    config::Account,
    event::Event,
    id::MemberId,
    platform::{Context, Outcome, Platform, PlatformError},
    secret::Digest,
    store::{
        applying::Applying,
        event::{Events, Line},
        tombstone::Tombs,
    },
    web::{
        ApiError, Reply, Request,
        lines::{self, Refused},
        object,
    },
};

/// What became of a line that is well formed.
#[derive(Deserialize)]
struct Judged {
    line: usize,
    verdict: String,
    stored: Option<String>,
}

/// `POST /v1/events`: (1) each line is read on its own; (2) one batch judges those that are well formed by what is stored, and puts
/// in what is new, whole or not at all; (3) each line is answered by its index, those that are refused with the field and what to
/// do. The same call again changes nothing, and says so.
pub async fn post<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    request: &Request,
) -> Result<Reply, ApiError> {
    // (1)
    let now = cx.platform.now();
    let mut results: Vec<Value> = Vec::new();
    let mut events = Vec::new();
    for (index, line) in lines::read(request, "events")?.into_iter().enumerate() {
        match Event::parse(line, now) {
            Ok(event) => {
                events.push((index, event));
                results.push(Value::Null);
            }
            Err(refused) => results.push(lines::refused(index, refused)),
        }
    }
    // (2)
    let tombs = Tombs::new(&cx.settings.keys, &account.id);
    let mut of_members: HashMap<&MemberId, Vec<Digest>> = HashMap::new();
    for (_, event) in &events {
        of_members.entry(&event.member).or_insert_with(|| tombs.of_member(&event.member));
    }
    let tombs = |event: &Event| of_members.get(&event.member).map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<Line<'_>> =
        events.iter().map(|(index, event)| Line { number: *index, event, tombs: tombs(event) }).collect();
    let judged: Vec<Judged> = if lines.is_empty() {
        Vec::new()
    } else {
        let events = Events::new(Applying { account: &account.id, now, part: None }, &lines);
        let statements = std::iter::once(events.judge()).chain(events.put()).collect();
        let outcomes = cx.platform.batch(&account.database, statements).await?;
        let judged = outcomes.first().map(Outcome::rows);
        judged.unwrap_or_else(|| Err(PlatformError::Database("a statement has no outcome".to_owned())))?
    };
    // (3)
    let by_index: HashMap<usize, &Event> = events.iter().map(|(index, event)| (*index, event)).collect();
    let mut first: HashMap<&str, &Event> = HashMap::new();
    let (mut accepted, mut repeated) = (0, 0);
    for Judged { line, verdict, stored } in judged {
        let (Some(event), Some(result)) = (by_index.get(&line), results.get_mut(line)) else { continue };
        *result = match verdict.as_str() {
            "accepted" => {
                accepted += 1;
                first.insert(&event.id, event);
                object([("index", line.into()), ("result", "accepted".into())])
            }
            "repeated" => {
                repeated += 1;
                let differs = match stored {
                    Some(stored) => said(event) != stored,
                    None => first.get(event.id.as_str()).is_some_and(|first| first != event),
                };
                let mut result = object([("index", line.into()), ("result", "repeated".into())]);
                if let (true, Some(result)) = (differs, result.as_object_mut()) {
                    result.insert("differs".to_owned(), true.into());
                }
                result
            }
            "occurred_at" => lines::refused(
                line,
                Refused::new(
                    "occurred_at",
                    "is older than events of this type are kept; PUT /v1/event-types/{type} says how long",
                ),
            ),
            _ => lines::refused(line, erased()),
        };
    }
    let refused = results.len() - accepted - repeated;
    let body = json!({ "accepted": accepted, "repeated": repeated, "refused": refused, "results": results });
    Ok(Reply::json(StatusCode::OK, &body))
}

fn erased() -> Refused {
    Refused::new("member_id", "was erased; take the member out of what you send")
}

/// What an event says, as it is compared with what is stored.
fn said(event: &Event) -> String {
    json!([event.member.as_str(), event.kind, event.at.0, event.properties]).to_string()
}
