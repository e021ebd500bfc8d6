//! The ID link, member ↔ LINE user, at most one each way per account: made by the shop with the subject of a login
//! (`change.rs`), by a pushed request (`provider/`), or from the chat (`chat.rs`); ended by the shop or by the customer
//! (`customer.rs`); looked up from each side, with its history (`look_up.rs`).

mod change;
mod chat;
mod customer;
mod look_up;

pub use change::{delete, put};
pub use chat::{issue_token, start};
pub use customer::{PATH as CUSTOMER_PATH, ask, confirm};
pub use look_up::{by_subject, find, history};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    config::Account,
    id::{LineUserId, MemberId, Subject},
    platform::{Context, Outcome, Platform, PlatformError},
    store::CacheKey,
    time::UnixMillis,
    web::ApiError,
};

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
            consent: parsed(self.consent),
        }
    }
}

/// A stored consent as JSON.
fn parsed(consent: Option<String>) -> Value {
    consent.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// The record of a consent: what the shop says of it (`text`, its version; `at`; whatever else it wants to keep), and the way
/// that the link came about.
fn consent(way: &str, said: Option<Map<String, Value>>, now: UnixMillis) -> Result<String, ApiError> {
    let mut record = said.unwrap_or_default();
    record.insert("way".to_owned(), Value::from(way));
    record.entry("at").or_insert_with(|| Value::from(now.rfc3339()));
    let json = Value::Object(record).to_string();
    if json.len() > MAX_CONSENT {
        return Err(ApiError::invalid_request("consent has at most 2000 bytes"));
    }
    Ok(json)
}

/// The two ends of a link.
#[derive(Debug, Deserialize)]
struct Ends {
    sub: Subject,
    #[serde(rename = "unlinked")]
    member_id: MemberId,
}

/// The links that a batch ended.
fn ended(outcomes: &[Outcome]) -> Result<Vec<Ends>, PlatformError> {
    let mut all = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.rows.contains("\"unlinked\"")) {
        all.extend(outcome.rows::<Ends>()?);
    }
    Ok(all)
}

/// Drops what KV knows of links, for a minute at most where it cannot be reached.
async fn forget<P: Platform>(cx: Context<'_, P>, account: &Account, links: Vec<Ends>) {
    let keys = links.into_iter().flat_map(|Ends { sub, member_id }| {
        [
            CacheKey::LinkBySubject(account.id.clone(), sub),
            CacheKey::LinkByMember(account.id.clone(), member_id),
        ]
    });
    cx.forget(keys).await;
}
