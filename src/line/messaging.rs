//! The Messaging API as its caller (Messaging API reference): channel access tokens, validation, multicast, and the
//! verdict over each answer.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::MessagingChannel,
    id::LineUserId,
    platform::LineBases,
    secret::SecretText,
    web::{Answer, Call, LINE_ACCEPTED_REQUEST_ID, LINE_REQUEST_ID},
};

/// Recipients that one multicast takes.
pub const MAX_RECIPIENTS: i64 = 500;

/// Message objects that one request takes.
pub const MAX_MESSAGES: usize = 5;

/// LINE's limit for multicast, in calls per second and channel.
pub const MULTICASTS_PER_SECOND: i64 = 200;

/// LINE's limit for push, in calls per second and channel.
pub const PUSHES_PER_SECOND: i64 = 2_000;

/// Names one request, so that its repeats are accepted once (LINE: "Retry API requests").
pub const RETRY_KEY: http::HeaderName = http::HeaderName::from_static("x-line-retry-key");

/// Asks for a stateless channel access token: 15 minutes, any number of them.
#[must_use]
pub fn channel_token(bases: &LineBases, channel: &MessagingChannel) -> Call {
    Call::form(
        format!("{}/oauth2/v3/token", bases.api),
        &[
            ("grant_type", "client_credentials"),
            ("client_id", &channel.channel_id),
            ("client_secret", channel.secret.expose()),
        ],
    )
}

/// What the token endpoint answers.
#[derive(Debug, Deserialize)]
pub struct ChannelToken {
    /// The token.
    pub access_token: SecretText,
    /// Its lifetime in seconds.
    pub expires_in: i64,
}

/// How long LINE's link tokens are valid, in seconds.
pub const LINK_TOKEN_LIFETIME: i64 = 600;

/// Asks for a link token of a friend, which begins the account-link flow; once only.
#[must_use]
pub fn link_token(bases: &LineBases, token: &SecretText, line_user_id: &LineUserId) -> Call {
    Call::new(Method::POST, format!("{}/v2/bot/user/{line_user_id}/linkToken", bases.api))
        .bearer(token.expose())
}

/// What it answers.
#[derive(Debug, Deserialize)]
pub struct LinkToken {
    /// The token.
    #[serde(rename = "linkToken")]
    pub link_token: String,
}

/// Asks LINE whether it would take these messages by `multicast` or `reply`; sends nothing, costs nothing.
#[must_use]
pub fn validate(bases: &LineBases, token: &SecretText, by: &str, messages: &Value) -> Call {
    let body = serde_json::json!({ "messages": messages }).to_string();
    Call::json(format!("{}/v2/bot/message/validate/{by}", bases.api), body.into_bytes())
        .bearer(token.expose())
}

/// Asks how many messages the plan allows in a month.
#[must_use]
pub fn quota(bases: &LineBases, token: &SecretText) -> Call {
    Call::new(Method::GET, format!("{}/v2/bot/message/quota", bases.api)).bearer(token.expose())
}

/// Asks how many of them were used this month; LINE calls its figure approximate.
#[must_use]
pub fn consumption(bases: &LineBases, token: &SecretText) -> Call {
    Call::new(Method::GET, format!("{}/v2/bot/message/quota/consumption", bases.api)).bearer(token.expose())
}

/// Answers an event: free of charge, once for each token, and within a minute of its delivery.
#[must_use]
pub fn reply(bases: &LineBases, token: &SecretText, reply_token: &str, messages: &Value) -> Call {
    let body = serde_json::json!({ "replyToken": reply_token, "messages": messages }).to_string();
    Call::json(format!("{}/v2/bot/message/reply", bases.api), body.into_bytes()).bearer(token.expose())
}

/// Sends messages to one user.
#[must_use]
pub fn push(
    bases: &LineBases,
    token: &SecretText,
    to: &LineUserId,
    messages: &Value,
    retry_key: &str,
) -> Call {
    let body = serde_json::json!({ "to": to, "messages": messages }).to_string();
    Call::json(format!("{}/v2/bot/message/push", bases.api), body.into_bytes())
        .bearer(token.expose())
        .with(RETRY_KEY, retry_key)
}

/// What LINE says of a push to somebody whom the channel does not know.
pub const UNREACHABLE: &str = "Failed to send messages";

/// Sends messages to one user, as [`multicast`] does to many.
#[must_use]
pub fn push_text(
    bases: &LineBases,
    token: &SecretText,
    to: &LineUserId,
    messages: &str,
    with_each: &str,
    retry_key: &str,
) -> Call {
    let body = format!("{{\"to\":\"{to}\",\"messages\":{messages}{with_each}}}");
    Call::json(format!("{}/v2/bot/message/push", bases.api), body.into_bytes())
        .bearer(token.expose())
        .with(RETRY_KEY, retry_key)
}

/// Sends messages to at most [`MAX_RECIPIENTS`] users. `to` and `messages` are JSON as it was stored, `with_each` what follows
/// them, so that each repeat under the same key is the same, byte by byte.
#[must_use]
pub fn multicast(
    bases: &LineBases,
    token: &SecretText,
    to: &str,
    messages: &str,
    with_each: &str,
    retry_key: &str,
) -> Call {
    let body = format!("{{\"to\":{to},\"messages\":{messages}{with_each}}}");
    Call::json(format!("{}/v2/bot/message/multicast", bases.api), body.into_bytes())
        .bearer(token.expose())
        .with(RETRY_KEY, retry_key)
}

/// What an answer to a multicast means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// LINE has it, now (2xx) or since an earlier attempt (409).
    Accepted {
        /// LINE's name for the request that was accepted.
        request_id: Option<String>,
    },
    /// LINE may have it or not: the same key again, later.
    Unknown,
    /// The channel token is not valid: a new token, the same key.
    TokenRefused,
    /// Too fast: the same key again, later.
    TooFast,
    /// The month's messages are used up: the send pauses.
    MonthlyLimit,
    /// One recipient is unknown to the channel: without it, under a new key.
    UnknownRecipient(usize),
    /// LINE will never take it; in LINE's words.
    Refused(String),
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
    #[serde(default)]
    details: Vec<ErrorDetail>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    message: String,
    #[serde(default)]
    property: String,
}

/// Judges an answer; no answer is [`Verdict::Unknown`].
#[must_use]
pub fn verdict(answer: &Answer) -> Verdict {
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match answer.status {
        StatusCode::CONFLICT => Verdict::Accepted { request_id: header(LINE_ACCEPTED_REQUEST_ID) },
        status if status.is_success() => Verdict::Accepted { request_id: header(LINE_REQUEST_ID) },
        status if status.is_server_error() => Verdict::Unknown,
        StatusCode::REQUEST_TIMEOUT => Verdict::Unknown,
        StatusCode::UNAUTHORIZED => Verdict::TokenRefused,
        StatusCode::TOO_MANY_REQUESTS if words(answer).contains("monthly limit") => Verdict::MonthlyLimit,
        StatusCode::TOO_MANY_REQUESTS => Verdict::TooFast,
        StatusCode::BAD_REQUEST => match unknown_recipient(&words(answer)) {
            Some(index) => Verdict::UnknownRecipient(index),
            None => Verdict::Refused(words(answer)),
        },
        _ => Verdict::Refused(words(answer)),
    }
}

/// What the token endpoint answers instead (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct TokenError {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// How much of LINE's words is kept, in characters: it is stored with what it refused, and must never be what fails that.
const MAX_WORDS: usize = 1_000;

/// LINE's words, with the details that say where.
#[must_use]
pub fn words(answer: &Answer) -> String {
    let mut words = all_words(answer);
    if let Some((end, _)) = words.char_indices().nth(MAX_WORDS) {
        words.truncate(end);
    }
    words
}

fn all_words(answer: &Answer) -> String {
    if let Some(TokenError { error, error_description }) = answer.json() {
        return format!("{error} ({error_description})");
    }
    let Some(error) = answer.json::<ErrorBody>() else { return format!("HTTP {}", answer.status.as_u16()) };
    let details: Vec<String> =
        error.details.iter().map(|detail| format!("{}: {}", detail.property, detail.message)).collect();
    if details.is_empty() { error.message } else { format!("{} ({})", error.message, details.join("; ")) }
}

/// The index in `The property, to[1], in the request body is invalid`; LINE quotes the names of some properties.
fn unknown_recipient(words: &str) -> Option<usize> {
    let property = words.strip_prefix("The property, ")?.trim_start_matches('\'');
    let (index, _) = property.strip_prefix("to[")?.split_once(']')?;
    index.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(LINE_REQUEST_ID, HeaderValue::from_static("this"));
        if status == 409 {
            headers.insert(LINE_ACCEPTED_REQUEST_ID, HeaderValue::from_static("earlier"));
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn each_answer_of_line_has_its_verdict() {
        let judge = |status, body| verdict(&answer(status, body));
        assert_eq!(judge(200, "{}"), Verdict::Accepted { request_id: Some("this".into()) });
        let conflict = r#"{"message":"The retry key is already accepted"}"#;
        assert_eq!(judge(409, conflict), Verdict::Accepted { request_id: Some("earlier".into()) });
        assert_eq!(judge(500, ""), Verdict::Unknown);
        assert_eq!(judge(503, ""), Verdict::Unknown);
        assert_eq!(judge(401, r#"{"message":"Authentication failed"}"#), Verdict::TokenRefused);
        let fast = r#"{"message":"The API rate limit has been exceeded. Try again later."}"#;
        assert_eq!(judge(429, fast), Verdict::TooFast);
        assert_eq!(
            judge(429, r#"{"message":"You have reached your monthly limit."}"#),
            Verdict::MonthlyLimit
        );
        let unknown =
            r#"{"message":"The property, to[1], in the request body is invalid (line: -, column: -)"}"#;
        assert_eq!(judge(400, unknown), Verdict::UnknownRecipient(1));
        let [quoted, nobody] = ["'to[1]'", "'to'"].map(|to| unknown.replace("to[1]", to));
        assert_eq!(judge(400, &quoted), Verdict::UnknownRecipient(1));
        assert!(matches!(judge(400, &nobody), Verdict::Refused(words) if words.contains("'to'")));
        let wrong = r#"{"message":"A message (messages[0]) in the request body is invalid","details":[{"message":"Length must be between 0 and 5000","property":"messages[0].text"}]}"#;
        assert!(matches!(judge(400, wrong), Verdict::Refused(words) if words.contains("messages[0].text")));
        assert!(matches!(judge(403, "not json"), Verdict::Refused(words) if words == "HTTP 403"));
        let client = r#"{"error":"invalid_client","error_description":"invalid client_secret"}"#;
        assert_eq!(words(&answer(400, client)), "invalid_client (invalid client_secret)");
        let endless = format!(r#"{{"message":"{}"}}"#, "あ".repeat(1_000_000));
        assert!(matches!(judge(400, &endless), Verdict::Refused(words) if words == "あ".repeat(1_000)));
    }

    #[test]
    fn repeats_of_a_multicast_are_the_same_byte_by_byte() {
        let call = || {
            let token = SecretText::new("t".into());
            let (to, messages) = (r#"["U1","U2"]"#, r#"[{"type":"text"}]"#);
            multicast(&LineBases::default(), &token, to, messages, r#","notificationDisabled":true"#, "k")
        };
        assert_eq!(call(), call());
        assert_eq!(
            call().body,
            br#"{"to":["U1","U2"],"messages":[{"type":"text"}],"notificationDisabled":true}"#
        );
    }
}
