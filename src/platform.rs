//! The seam: what the product asks of the world around it, as one trait whose arguments and answers are data.
//!
//! There are two implementations: Workers (`edge/platform.rs`) and the native `World` for tests (`world/`). Rooms are
//! written against this trait and never name a binding. Not here: what statements, keys and jobs mean (`store/`).

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    config::Memory,
    id::AccountId,
    secret::{Keys, SecretText},
    store::{CacheKey, Job, Statement, outbox, relay},
    time::UnixMillis,
    web,
};

/// Ours, not the caller's: a store, a queue or LINE could not be reached or did not do its part. Retryable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// D1 refused a statement or could not be reached.
    #[error("the database failed: {0}")]
    Database(String),
    /// KV could not be reached.
    #[error("the cache failed: {0}")]
    Cache(String),
    /// The queue refused jobs.
    #[error("the queue failed: {0}")]
    Queue(String),
    /// No answer from another server: time-out, dropped connection, unreachable. What the server did is unknown.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// A key could not be made or used.
    #[error("cryptography failed: {0}")]
    Crypto(String),
    /// A stored value is not what this version of the program stores.
    #[error("a stored value cannot be read: {0}")]
    Stored(String),
}

impl PlatformError {
    /// The stable label that is logged.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Database(_) => "database",
            Self::Cache(_) => "cache",
            Self::Queue(_) => "queue",
            Self::NoAnswer(_) => "no_answer",
            Self::Crypto(_) => "crypto",
            Self::Stored(_) => "stored_value",
        }
    }
}

/// The name of a D1 binding; an account's configuration says which one holds its rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Database(String);

impl Default for Database {
    /// The database that also holds the accounts.
    fn default() -> Self {
        Self("DB".to_owned())
    }
}

impl Database {
    /// The binding's name in `wrangler.toml`.
    #[must_use]
    pub fn binding(&self) -> &str {
        &self.0
    }
}

/// What one statement of a batch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Rows inserted, updated or deleted (`meta.changes`).
    pub changes: u64,
    /// The rows it returned, as a JSON array of objects.
    pub rows: String,
}

impl Outcome {
    /// The rows that the statement returned.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, PlatformError> {
        serde_json::from_str(&self.rows).map_err(|e| PlatformError::Stored(e.to_string()))
    }

    /// The first row that the statement returned.
    pub fn first<T: DeserializeOwned>(&self) -> Result<Option<T>, PlatformError> {
        Ok(self.rows()?.into_iter().next())
    }
}

/// A limit against abuse at the door. It is counted where the request arrives, so that it is rough, and costs no store
/// call (Workers rate limiting binding).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Requests of one client from one address at `/token`, `/par` and `/revoke`.
    ClientRequests,
    /// Failed authentications of one client from one address; also callbacks of LINE's from one address that bring nothing
    /// of ours along, as far as they are counted.
    ClientFailures,
}

impl Limit {
    /// The binding in `wrangler.toml`.
    #[must_use]
    pub fn binding(self) -> &'static str {
        match self {
            Self::ClientRequests => "CLIENT_REQUESTS",
            Self::ClientFailures => "CLIENT_FAILURES",
        }
    }

    /// How many pass in a minute.
    #[must_use]
    pub fn per_minute(self) -> u32 {
        match self {
            Self::ClientRequests => 6_000,
            Self::ClientFailures => 10,
        }
    }
}

/// One line of the log: a JSON object as text. Ids of ours only: never LINE user ids, tokens, names or addresses.
pub type LogLine<'a> = &'a str;

/// What the product asks of the world around it.
#[expect(async_fn_in_trait, reason = "a worker has one thread, so nobody needs these futures to be Send")]
pub trait Platform {
    /// The time now.
    fn now(&self) -> UnixMillis;

    /// 256 bits from a cryptographic generator.
    fn random(&self) -> [u8; 32];

    /// Writes one log line.
    fn log(&self, line: LogLine<'_>);

    /// Calls another server and waits at most the call's deadline. Any status is an answer.
    async fn fetch(&self, call: web::Call) -> Result<web::Answer, PlatformError>;

    /// Runs statements as one transaction, in order; if one fails, none has happened.
    async fn batch(&self, on: &Database, statements: Vec<Statement>) -> Result<Vec<Outcome>, PlatformError>;

    /// Reads a value that may be up to 60 s stale.
    async fn cached(&self, key: &CacheKey) -> Result<Option<String>, PlatformError>;

    /// Keeps a value for at least 60 s.
    async fn cache(&self, key: &CacheKey, value: &str, seconds: u32) -> Result<(), PlatformError>;

    /// Drops a cached value; elsewhere it may be seen for up to 60 s more.
    async fn forget(&self, key: &CacheKey) -> Result<(), PlatformError>;

    /// Puts jobs on their queues; each is delivered at least once, in any order.
    async fn enqueue(&self, jobs: &[Job]) -> Result<(), PlatformError>;

    /// Waits until a rate slot starts.
    async fn sleep_until(&self, at: UnixMillis);

    /// Makes an RSA 2048 key for RS256; answers the private key as a JWK.
    async fn generate_rs256(&self) -> Result<SecretText, PlatformError>;

    /// Signs with RSASSA-PKCS1-v1_5 and SHA-256 (RFC 7518 section 3.3). The key is a private JWK; `kid` names it to
    /// whoever keeps it imported.
    async fn sign_rs256(
        &self,
        kid: &str,
        private_jwk: &SecretText,
        input: &[u8],
    ) -> Result<Vec<u8>, PlatformError>;

    /// Whether a signature is that of `input` under a public JWK.
    async fn verify_rs256(
        &self,
        public_jwk: &serde_json::Value,
        input: &[u8],
        signature: &[u8],
    ) -> Result<bool, PlatformError>;

    /// Whether one more may pass under a limit; `key` is whose. A limit that cannot be asked lets pass.
    async fn allow(&self, limit: Limit, key: &str) -> bool;

    /// Runs one statement and answers its rows.
    async fn rows<T: DeserializeOwned>(
        &self,
        on: &Database,
        statement: Statement,
    ) -> Result<Vec<T>, PlatformError> {
        self.one(on, statement).await?.rows()
    }

    /// Runs one statement.
    async fn one(&self, on: &Database, statement: Statement) -> Result<Outcome, PlatformError> {
        let outcomes = self.batch(on, vec![statement]).await?;
        outcomes.into_iter().next().ok_or_else(|| PlatformError::Database("no outcome".to_owned()))
    }
}

/// What is set at deploy: the master key and where LINE is.
#[derive(Debug)]
pub struct Settings {
    /// The keys derived from `MASTER_KEY`.
    pub keys: Keys,
    /// Where LINE is reached.
    pub line: LineBases,
}

/// The base URLs of LINE, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineBases {
    /// `https://access.line.me`: pages in the browser.
    pub access: String,
    /// `https://api.line.me`: the APIs.
    pub api: String,
    /// `https://api-data.line.me`: content and images.
    pub api_data: String,
}

impl Default for LineBases {
    fn default() -> Self {
        Self {
            access: "https://access.line.me".to_owned(),
            api: "https://api.line.me".to_owned(),
            api_data: "https://api-data.line.me".to_owned(),
        }
    }
}

impl LineBases {
    /// Whether these are LINE's own servers, and no stand-in.
    #[must_use]
    pub fn are_lines_own(&self) -> bool {
        *self == Self::default()
    }
}

/// What a room works with: the platform, the isolate's memory, and the deployment's settings.
pub struct Context<'a, P> {
    /// The world around.
    pub platform: &'a P,
    /// Plain data that this isolate remembers.
    pub memory: &'a Memory,
    /// Keys and addresses of this deployment.
    pub settings: &'a Settings,
}

impl<P> Clone for Context<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Context<'_, P> {}

impl<P: Platform> Context<'_, P> {
    /// Enqueues what a batch came to owe the shop, and calls the relays that it woke; what the queue refuses, cron finds.
    pub(crate) async fn hand_over(&self, account: &AccountId, outcomes: &[Outcome]) {
        let mut jobs = outbox::owed(account, outcomes);
        jobs.extend(relay::woken(account, outcomes));
        if jobs.is_empty() {
            return;
        }
        if let Err(error) = self.platform.enqueue(&jobs).await {
            self.log_failure("hand_over", &error);
        }
    }

    /// Drops what KV knows under these keys. If KV cannot be reached, its copies end by themselves, within their seconds.
    pub(crate) async fn forget(&self, keys: impl IntoIterator<Item = CacheKey>) {
        for key in keys {
            if let Err(error) = self.platform.forget(&key).await {
                self.log_failure("cache_forget", &error);
            }
        }
    }

    /// Logs a failure of ours where it is handled.
    pub(crate) fn log_failure(&self, what: &'static str, error: &PlatformError) {
        let line = serde_json::json!({ "event": what, "reason": error.reason(), "error": error.to_string() });
        self.platform.log(&line.to_string());
    }
}
