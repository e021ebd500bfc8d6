//! Audiences and narrowcasts as their caller (Messaging API reference, "Managing Audience", "Send narrowcast message").

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::messaging::{RETRY_KEY, words};
use crate::{
    platform::LineBases,
    secret::SecretText,
    web::{Answer, Call, form::Form},
};

/// Ids that one call uploads.
pub const MAX_IDS: i64 = 10_000;

/// The longest description of an audience, in characters.
pub const MAX_DESCRIPTION: usize = 120;

/// Recipients that a narrowcast must have in the end, unless they are a list of one's own.
pub const LEAST_RECIPIENTS: i64 = 50;

/// Friends that an account must reach where attributes are used.
pub const LEAST_REACH: i64 = 100;

/// LINE wants uploads to be waited for so long, in milliseconds.
const UPLOAD_DEADLINE: i64 = 30_000;

/// Makes an audience of these ids (JSON, `[{"id": …}]`), or adds them to one.
#[must_use]
pub fn upload(
    bases: &LineBases,
    token: &SecretText,
    group: Option<i64>,
    description: &str,
    ids: &str,
) -> Call {
    let (method, head) = match group {
        Some(id) => (Method::PUT, format!("\"audienceGroupId\":{id}")),
        None => (Method::POST, format!("\"description\":{}", Value::from(description))),
    };
    let body = format!("{{{head},\"audiences\":{ids}}}");
    let url = format!("{}/v2/bot/audienceGroup/upload", bases.api);
    let call = Call::json(url, body.into_bytes()).bearer(token.expose());
    Call { method, deadline: UPLOAD_DEADLINE, ..call }
}

/// Asks how an audience is.
#[must_use]
pub fn get(bases: &LineBases, token: &SecretText, group: i64) -> Call {
    Call::new(Method::GET, format!("{}/v2/bot/audienceGroup/{group}", bases.api)).bearer(token.expose())
}

/// Deletes an audience.
#[must_use]
pub fn delete(bases: &LineBases, token: &SecretText, group: i64) -> Call {
    Call::new(Method::DELETE, format!("{}/v2/bot/audienceGroup/{group}", bases.api)).bearer(token.expose())
}

/// Looks for audiences whose description has a text in it.
#[must_use]
pub fn find(bases: &LineBases, token: &SecretText, description: &str) -> Call {
    let query =
        Form::default().with("page", "1").with("size", "40").with("description", description).encoded();
    Call::new(Method::GET, format!("{}/v2/bot/audienceGroup/list?{query}", bases.api)).bearer(token.expose())
}

/// What LINE answers of an audience.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its id.
    pub audience_group_id: i64,
    /// Its description.
    #[serde(default)]
    pub description: String,
    /// `IN_PROGRESS`, `READY`, `FAILED`, `EXPIRED`, `INACTIVE`, `ACTIVATING`.
    #[serde(default)]
    pub status: String,
    /// How many are in it.
    #[serde(default)]
    pub audience_count: Option<i64>,
    /// Why it failed.
    #[serde(default)]
    pub failed_type: Option<String>,
}

/// One audience with its latest uploads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The audience.
    pub audience_group: Group,
    /// At most 50.
    #[serde(default)]
    pub jobs: Vec<Upload>,
}

/// An upload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// `QUEUED`, `WORKING`, `FINISHED`, `FAILED`.
    #[serde(default)]
    pub job_status: String,
}

/// Audiences that were found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Groups {
    /// A page of them.
    #[serde(default)]
    pub audience_groups: Vec<Group>,
}

/// Whether LINE says that there is no such audience.
#[must_use]
pub fn is_gone(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND
        || (answer.status == StatusCode::BAD_REQUEST && words(answer).contains("AUDIENCE_GROUP_NOT_FOUND"))
}

/// What a narrowcast says. JSON as it was stored, so that each repeat under the same key is the same, byte by byte.
#[derive(Debug)]
pub struct Narrowcast<'a> {
    /// LINE's id of the audience; none: all friends.
    pub group: Option<i64>,
    /// A demographic filter.
    pub filter: Option<&'a str>,
    /// The most recipients.
    pub max: i64,
    /// Whether phones stay silent.
    pub silent: bool,
    /// The messages.
    pub messages: &'a str,
}

impl Narrowcast<'_> {
    /// The call. `limit.max` is always there: without it the whole reach is reserved of the month's quota.
    #[must_use]
    pub fn call(&self, bases: &LineBases, token: &SecretText, retry_key: &str) -> Call {
        let group = self.group.map_or(String::new(), |id| {
            format!(",\"recipient\":{{\"type\":\"audience\",\"audienceGroupId\":{id}}}")
        });
        let filter =
            self.filter.map_or(String::new(), |filter| format!(",\"filter\":{{\"demographic\":{filter}}}"));
        let silent = if self.silent { ",\"notificationDisabled\":true" } else { "" };
        let (messages, max) = (self.messages, self.max);
        let body = format!("{{\"messages\":{messages}{group}{filter},\"limit\":{{\"max\":{max}}}{silent}}}");
        Call::json(format!("{}/v2/bot/message/narrowcast", bases.api), body.into_bytes())
            .bearer(token.expose())
            .with(RETRY_KEY, retry_key)
    }
}

/// Asks how far a narrowcast is.
#[must_use]
pub fn progress(bases: &LineBases, token: &SecretText, request_id: &str) -> Call {
    let query = Form::default().with("requestId", request_id).encoded();
    let url = format!("{}/v2/bot/message/progress/narrowcast?{query}", bases.api);
    Call::new(Method::GET, url).bearer(token.expose())
}

/// How far it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// `waiting`, `sending`, `succeeded`, `failed`.
    pub phase: String,
    /// How many got it, did not get it, and were to get it.
    #[serde(default)]
    pub success_count: Option<i64>,
    /// See there.
    #[serde(default)]
    pub failure_count: Option<i64>,
    /// See there.
    #[serde(default)]
    pub target_count: Option<i64>,
    /// Why it failed, in LINE's words.
    #[serde(default)]
    pub failed_description: Option<String>,
    /// 1 internal, 2 too few recipients, 3 conflicting retry, 4 an audience too small, 5 cancelled for want of quota.
    #[serde(default)]
    pub error_code: Option<i64>,
}

impl Progress {
    /// Where LINE said nothing.
    #[must_use]
    pub fn none() -> Self {
        let (phase, failed_description) = (String::new(), None);
        let (success_count, failure_count, target_count) = (None, None, None);
        Self { phase, success_count, failure_count, target_count, failed_description, error_code: None }
    }
}

/// Asks how many friends an account had on a day (`yyyyMMdd`).
#[must_use]
pub fn followers(bases: &LineBases, token: &SecretText, date: &str) -> Call {
    Call::new(Method::GET, format!("{}/v2/bot/insight/followers?date={date}", bases.api))
        .bearer(token.expose())
}

/// How many there were.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Followers {
    /// `ready` where the figures are there.
    pub status: String,
    /// How many can be reached by attributes.
    #[serde(default)]
    pub targeted_reaches: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrowcast_always_has_a_limit_and_repeats_byte_by_byte() {
        let narrowcast = Narrowcast {
            group: Some(5),
            filter: Some(r#"{"type":"gender","oneOf":["female"]}"#),
            max: 70,
            silent: true,
            messages: "[]",
        };
        let call = || narrowcast.call(&LineBases::default(), &SecretText::new("t".into()), "k");
        assert_eq!(call(), call());
        let body: Value = serde_json::from_slice(&call().body).unwrap();
        assert_eq!(body["recipient"]["audienceGroupId"], 5);
        assert_eq!(body["filter"]["demographic"]["oneOf"][0], "female");
        assert_eq!((&body["limit"]["max"], &body["notificationDisabled"]), (&70.into(), &true.into()));
    }

    #[test]
    fn an_audience_is_made_and_then_added_to() {
        let call = |group| {
            upload(&LineBases::default(), &SecretText::new("t".into()), group, "秋\"", r#"[{"id":"U1"}]"#)
        };
        let body = |call: &Call| serde_json::from_slice::<Value>(&call.body).unwrap();
        assert_eq!(
            (call(None).method, body(&call(None))["description"].as_str()),
            (Method::POST, Some("秋\""))
        );
        assert_eq!(
            (call(Some(5)).method, body(&call(Some(5)))["audienceGroupId"].as_i64()),
            (Method::PUT, Some(5))
        );
    }
}
