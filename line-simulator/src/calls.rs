//! The record of what was asked of LINE, and of what would have broken its rules.
//!
//! In: each call with its answer, each breach. Out: the lists behind `GET /sim/calls`. Not here: the rules.

use serde::Serialize;

use crate::id::ChannelId;
use crate::reply::Reply;
use crate::request::Request;

/// The record keeps at most this many calls; the oldest go first, a thousand at a time.
pub const CALLS_KEPT: usize = 20_000;
const CALLS_FORGOTTEN_AT_ONCE: usize = 1_000;

/// One call to LINE and what it was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// The call's place in the order of arrival, from 1.
    pub number: u64,
    /// When it arrived, Unix milliseconds.
    pub at: i64,
    /// The HTTP method.
    pub method: String,
    /// The path, which also says which of LINE's hosts was meant.
    pub path: String,
    /// The query string as sent.
    pub query: String,
    /// Name and value of each header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The status answered; none when a fault kept the answer back.
    pub status: Option<u16>,
    /// The body answered; pages are left out.
    pub answer: String,
    /// The kind of fault that was applied, if any.
    pub fault: Option<&'static str>,
}

/// A call that LINE accepted, with everybody whom it named: the stand-in's own count, whatever the caller was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The number of the call.
    pub call: u64,
    /// When, Unix milliseconds.
    pub at: i64,
    /// The channel that called.
    pub channel_id: ChannelId,
    /// `reply`, `push`, `multicast` or `broadcast`.
    pub method: &'static str,
    /// Places of the named users in the order in which they were made, those too who were silently passed over.
    pub named: Vec<usize>,
}

/// A breach of LINE's rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    /// The number of the call that broke the rule.
    pub call: u64,
    /// When, Unix milliseconds.
    pub at: i64,
    /// Which rule.
    pub kind: ViolationKind,
    /// The facts.
    pub detail: String,
}

/// The rules that the stand-in watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViolationKind {
    /// A path or a method that LINE does not have, or that the stand-in does not play.
    UnknownEndpoint,
    /// A channel that is not registered, or a redirect URI that is not.
    UnregisteredRedirect,
    /// An authorization parameter with a value that LINE does not document.
    AuthorizeParameter,
    /// A `state` with characters other than letters and digits.
    StateNotAlphanumeric,
    /// An authorization code presented a second time.
    CodeReused,
    /// The dead code of a failed auto login was presented.
    DeadCodeExchanged,
    /// Token parameters in the query string.
    TokenParametersInQuery,
    /// The token endpoint called with another method than POST.
    TokenByGet,
    /// A client assertion that proves no channel.
    ClientAssertion,
    /// A token of the wrong kind.
    WrongTokenType,
    /// A retry key that is not a UUID.
    RetryKeyNotUuid,
    /// A retry key on an endpoint that takes none.
    RetryKeyNotSupported,
    /// A retry key used again with another body.
    RetryKeyBodyChanged,
    /// More than 500 recipients in one multicast.
    TooManyRecipients,
    /// A recipient id that the provider does not know.
    UnknownRecipient,
    /// A message that LINE would refuse.
    InvalidMessage,
    /// An audience that LINE would refuse.
    InvalidAudience,
    /// Calls that went on at more than 1.5 times the rate limit.
    Hammering,
}

/// The calls and violations since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) calls: Vec<Call>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) accepted: Vec<Accepted>,
    /// Calls that were forgotten to keep the record small.
    pub(crate) dropped: u64,
    number: u64,
}

impl Record {
    /// Numbers the call that is now being answered.
    pub(crate) fn begin(&mut self) {
        self.number += 1;
    }

    pub(crate) fn violate(&mut self, at: i64, kind: ViolationKind, detail: impl Into<String>) {
        self.violations.push(Violation { call: self.number, at, kind, detail: detail.into() });
    }

    pub(crate) fn accept(&mut self, at: i64, channel_id: ChannelId, method: &'static str, named: Vec<usize>) {
        self.accepted.push(Accepted { call: self.number, at, channel_id, method, named });
    }

    pub(crate) fn end(
        &mut self,
        at: i64,
        request: Request,
        reply: Option<&Reply>,
        fault: Option<&'static str>,
    ) {
        if self.calls.len() >= CALLS_KEPT {
            self.calls.drain(..CALLS_FORGOTTEN_AT_ONCE);
            self.dropped += CALLS_FORGOTTEN_AT_ONCE as u64;
        }
        self.calls.push(Call {
            number: self.number,
            at,
            method: request.method.to_string(),
            headers: readable_headers(&request),
            path: request.path,
            query: request.query_text,
            body: into_text(request.body),
            status: reply.map(|reply| reply.status().as_u16()),
            answer: reply.map(readable_answer).unwrap_or_default(),
            fault,
        });
    }
}

fn readable_headers(request: &Request) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    request.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn into_text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn readable_answer(reply: &Reply) -> String {
    let media = reply.headers().get(http::header::CONTENT_TYPE);
    if media.is_some_and(|media| media.as_bytes().starts_with(b"text/html")) {
        return String::new();
    }
    String::from_utf8_lossy(reply.body()).into_owned()
}
