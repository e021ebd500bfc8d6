//! The error body of the Messaging API: `{"message", "details"?: [{"message", "property"}]}`.
//!
//! In: what is wrong. Out: LINE's words for it. Not here: the checks.

use http::StatusCode;
use serde_json::{Value, json};

use crate::reply::{self, Reply};

/// One thing wrong with a property of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) property: String,
    pub(crate) message: String,
}

/// A refused call; nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    details: Vec<Problem>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), details: Vec::new() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A property of the body that LINE names without details.
    pub(crate) fn property(name: &str) -> Self {
        Self::bad(format!("The property, {name}, in the request body is invalid (line: -, column: -)"))
    }

    /// Limits that properties exceed.
    pub(crate) fn problems(details: Vec<Problem>) -> Self {
        Self::worded(format!("The request body has {} error(s)", details.len()), details)
    }

    /// 400 with details.
    pub(crate) fn worded(message: impl Into<String>, details: Vec<Problem>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), details }
    }

    /// Faults within the contents of one message.
    pub(crate) fn message_contents(index: usize, details: Vec<Problem>) -> Self {
        let message = format!("A message (messages[{index}]) in the request body is invalid");
        Self { status: StatusCode::BAD_REQUEST, message, details }
    }

    pub(crate) fn into_reply(self) -> Reply {
        let mut body = json!({ "message": self.message });
        let details: Vec<Value> = self
            .details
            .into_iter()
            .map(|Problem { property, message }| match property.as_str() {
                "" => json!({ "message": message }),
                property => json!({ "message": message, "property": property }),
            })
            .collect();
        if let Some(object) = body.as_object_mut().filter(|_| !details.is_empty()) {
            object.insert("details".into(), details.into());
        }
        reply::json(self.status, &body)
    }
}
