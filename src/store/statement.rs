//! One SQL statement with its bound parameters.

use std::borrow::Cow;

use crate::{
    id::{
        AccountId, AttemptId, AudienceId, AutoLoginLinkId, BotUserId, ClientId, ImportId, LineUserId,
        MalformedId, MemberId, NarrowcastId, RelayId, SegmentId, SendId, SessionId, Subject,
    },
    secret::Digest,
    time::UnixMillis,
};

/// Bound parameters that D1 allows in one statement.
pub const MAX_PARAMETERS: usize = 100;

/// The largest integer that D1 keeps exact: its numbers pass through JavaScript's doubles.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A value bound to a placeholder. D1 binds every number as a REAL; a column declared INTEGER turns it back, arithmetic
/// in a statement does not.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// An integer within ±(2^53 − 1).
    Integer(i64),
    /// A number of the shop's.
    Real(f64),
    /// Text.
    Text(String),
}

/// SQL with numbered placeholders (`?1`) and the values bound to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, at most 100 kB.
    pub sql: Cow<'static, str>,
    /// The values of `?1`, `?2`, …; at most [`MAX_PARAMETERS`].
    pub values: Vec<Value>,
}

impl Statement {
    /// A statement whose text is known to the program.
    #[must_use]
    pub fn new(sql: &'static str) -> Self {
        Self { sql: Cow::Borrowed(sql), values: Vec::new() }
    }

    /// A statement whose text the rule compiler built; the caller's values are bound, never written into it.
    #[must_use]
    pub fn compiled(sql: String) -> Self {
        Self { sql: Cow::Owned(sql), values: Vec::new() }
    }

    /// The same for a statement that ends with a condition, if the one before it in the batch changed a row.
    #[must_use]
    pub fn if_changed(self) -> Self {
        Self { sql: Cow::Owned(format!("{} AND changes() > 0", self.sql)), ..self }
    }

    /// Binds the next placeholder to a list as JSON, for `json_each`.
    #[must_use]
    pub fn bind_json(self, list: &(impl serde::Serialize + ?Sized)) -> Self {
        self.bind(serde_json::to_string(list).unwrap_or_default())
    }

    /// Binds the next placeholder.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Integer(i64::from(truth))
    }
}

impl From<UnixMillis> for Value {
    fn from(at: UnixMillis) -> Self {
        Self::Integer(at.0)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! bindable {
    ($($id:ty),+) => {$(
        impl From<&$id> for Value {
            fn from(id: &$id) -> Self {
                Self::Text(id.as_str().to_owned())
            }
        }
    )+};
}

bindable!(
    AccountId,
    AttemptId,
    AudienceId,
    AutoLoginLinkId,
    BotUserId,
    ClientId,
    Digest,
    ImportId,
    LineUserId,
    MemberId,
    NarrowcastId,
    RelayId,
    SegmentId,
    SendId,
    SessionId,
    Subject
);

impl From<MalformedId> for crate::platform::PlatformError {
    /// An id of ours that the store gave back in another form.
    fn from(malformed: MalformedId) -> Self {
        Self::Stored(malformed.to_string())
    }
}
