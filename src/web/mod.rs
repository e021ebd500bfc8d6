//! HTTP as values: the request that came in, the reply that goes out, and the calls that we make to others.
//!
//! Out of scope: where bytes come from (`edge/`), what a path means (`app.rs`).

pub mod browser;
pub mod cookie;
mod error;
mod fields;
pub mod form;
pub mod keyset;
pub mod language;
pub mod lines;
pub mod page;
pub mod passing;

pub use error::ApiError;
pub use fields::Fields;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

/// The largest request body that is read, in bytes. D1 takes 2,000,000 in a row, and a delivery of LINE's is kept whole, with
/// some columns beside it.
pub const MAX_BODY: usize = 1_990_000;

/// The longest address that a browser is sent to here, in bytes: Cloudflare takes 16 kB, and answers a longer one itself.
pub const MAX_URL: usize = 16_000;

/// The request headers that the product reads. A platform passes on these and no others: each costs a call across
/// the JavaScript border.
pub const HEADERS_READ: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::IF_NONE_MATCH,
    header::ORIGIN,
    header::USER_AGENT,
    CONNECTING_IP,
    IDEMPOTENCY_KEY,
    LINE_SIGNATURE,
];

/// The caller's address as Cloudflare saw it; nobody else can set it.
pub const CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");

/// LINE's signature over the raw webhook body; its case on the wire varies, so it is read without case.
pub const LINE_SIGNATURE: HeaderName = HeaderName::from_static("x-line-signature");

/// The caller's name for one request that may be repeated (IETF draft `idempotency-key-header`).
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Host and, where it is not the default, port.
    pub authority: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query without `?`, still percent-encoded.
    pub query: String,
    /// Those of [`HEADERS_READ`] that were sent.
    pub headers: HeaderMap,
    /// The body; `None` if it is larger than [`MAX_BODY`].
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// The host name without a port, in lower case.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host);
        host.to_ascii_lowercase()
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The credentials of `Authorization: Bearer` (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(&header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The body, or nothing where it was too large.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// The body as the JSON that the endpoint takes.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(self.bytes()).map_err(|e| ApiError::invalid_request(format!("the body: {e}")))
    }
}

/// A reply that goes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Why it is not what the caller hoped for: a stable label, logged once in the hall; a page shows it at its foot.
    pub reason: Option<&'static str>,
}

impl Reply {
    /// An empty reply.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new(), reason: None }
    }

    /// JSON that nobody may keep.
    #[must_use]
    pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Self {
        let mut reply = Self::new(status)
            .with(header::CONTENT_TYPE, "application/json")
            .with(header::CACHE_CONTROL, "no-store");
        reply.body = serde_json::to_vec(value).unwrap_or_default();
        reply
    }

    /// A redirect that always continues with GET, also after POST (RFC 9700 section 4.12).
    #[must_use]
    pub fn see_other(location: &str) -> Self {
        Self::redirect(StatusCode::SEE_OTHER, location)
    }

    /// A redirect of a GET request.
    #[must_use]
    pub fn found(location: &str) -> Self {
        Self::redirect(StatusCode::FOUND, location)
    }

    fn redirect(status: StatusCode, location: &str) -> Self {
        Self::new(status)
            .with(header::LOCATION, location)
            .with(header::CACHE_CONTROL, "no-store")
            .with(header::REFERRER_POLICY, "no-referrer")
    }

    /// With one more header. A value that cannot be a header is left out: all of ours are ASCII.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.append(name, value);
        }
        self
    }

    /// With the label under which the hall logs it.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }
}

/// How much of what a caller sent an error repeats, in characters.
const MAX_REPEATED: usize = 80;

/// A name that a caller sent, as an error repeats it: its beginning, and `""` in place of nothing.
#[must_use]
pub fn repeated(name: &str) -> String {
    if name.is_empty() { "\"\"".to_owned() } else { name.chars().take(MAX_REPEATED).collect() }
}

/// A JSON object of these fields. Each `json!` writes its insertions out, which for many fields is much wasm.
#[must_use]
pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fn filled(fields: &mut dyn Iterator<Item = (&str, Value)>) -> Value {
        let mut object = Map::new();
        for (name, value) in fields {
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }
    filled(&mut fields.into_iter())
}

/// A call to another server.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// How long to wait for the answer, in milliseconds.
    pub deadline: i64,
    /// Whether the status is all that is wanted: the answer's body is neither waited for nor read, however long it is.
    pub status_only: bool,
}

/// How long a call to LINE or to a shop may take, in milliseconds.
pub const DEADLINE: i64 = 10_000;

impl Call {
    /// A call without a body.
    #[must_use]
    pub fn new(method: Method, url: String) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            deadline: DEADLINE,
            status_only: false,
        }
    }

    /// A form, as OAuth's token endpoints take it.
    #[must_use]
    pub fn form(url: String, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut call = Self::new(Method::POST, url);
        call.body = body.into_bytes();
        call.with(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    /// JSON by POST.
    #[must_use]
    pub fn json(url: String, body: Vec<u8>) -> Self {
        let mut call = Self::new(Method::POST, url);
        call.body = body;
        call.with(header::CONTENT_TYPE, "application/json")
    }

    /// Asks for the status alone.
    #[must_use]
    pub fn for_status(self) -> Self {
        Self { status_only: true, ..self }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with(header::AUTHORIZATION, &format!("Bearer {token}"))
    }
}

/// Another server's answer; any status is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Those of [`ANSWER_HEADERS`] that were sent.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer headers that the product reads.
pub const ANSWER_HEADERS: [HeaderName; 2] = [LINE_REQUEST_ID, LINE_ACCEPTED_REQUEST_ID];

/// LINE's name for one request.
pub const LINE_REQUEST_ID: HeaderName = HeaderName::from_static("x-line-request-id");

/// LINE's name for the earlier request that was accepted under the same retry key.
pub const LINE_ACCEPTED_REQUEST_ID: HeaderName = HeaderName::from_static("x-line-accepted-request-id");

impl Answer {
    /// The body as JSON, if it is the JSON that was expected.
    #[must_use]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}
