//! The platform on Workers: D1, KV, Queues, fetch, WebCrypto.

use std::time::Duration;

use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderValue, StatusCode};
use js_sys::Reflect;
use wasm_bindgen::JsValue;
use worker::{
    AbortController, Date, Delay, Env, Fetch, Headers, Method, QueueContentType, RawMessageBuilder, Request,
    RequestInit, RequestRedirect,
};

use super::{d1, rs256};
use crate::{
    batch::groups,
    platform::{Database, Limit, LogLine, Outcome, Platform, PlatformError},
    secret::SecretText,
    store::{CacheKey, Job, Queue, Statement},
    time::UnixMillis,
    web::{ANSWER_HEADERS, Answer, Call},
};

/// The KV binding.
const KV: &str = "KV";

/// Messages that one `sendBatch` takes.
const MAX_MESSAGES: usize = 100;

/// Bytes of bodies that are put in one `sendBatch`; Queues take 256 kB with what they add to each message.
const MAX_BATCH_BYTES: usize = 200_000;

/// Bytes that Queues add to each message.
const METADATA: usize = 100;

/// The platform of one invocation.
pub(super) struct Edge {
    env: Env,
}

impl Edge {
    pub(super) fn new(env: Env) -> Self {
        Self { env }
    }
}

/// A var or a secret.
pub(super) fn env_text(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string()).filter(|text| !text.is_empty())
}

fn js_error(error: &JsValue) -> String {
    error.as_string().unwrap_or_else(|| {
        let message = Reflect::get(error, &JsValue::from_str("message")).ok();
        message.and_then(|message| message.as_string()).unwrap_or_else(|| "unknown".to_owned())
    })
}

impl Platform for Edge {
    fn now(&self) -> UnixMillis {
        #[expect(clippy::disallowed_methods, reason = "this is the platform")]
        let now = Date::now();
        UnixMillis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }

    fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        rs256::fill_random(&mut bytes);
        bytes
    }

    fn log(&self, line: LogLine<'_>) {
        worker::console_log!("{line}");
    }

    async fn fetch(&self, call: Call) -> Result<Answer, PlatformError> {
        let controller = AbortController::default();
        let signal = controller.signal();
        let deadline = Duration::from_millis(u64::try_from(call.deadline).unwrap_or_default());
        let no_answer = |e: worker::Error| PlatformError::NoAnswer(e.to_string());
        let request = outgoing(&call).map_err(no_answer)?;
        let asked = async {
            let mut response = Fetch::Request(request).send_with_signal(&signal).await?;
            let mut headers = HeaderMap::new();
            for name in ANSWER_HEADERS {
                let value = response.headers().get(name.as_str())?;
                if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                    headers.insert(name, value);
                }
            }
            let status = StatusCode::from_u16(response.status_code()).unwrap_or(StatusCode::BAD_GATEWAY);
            let body = if call.status_only { Vec::new() } else { response.bytes().await? };
            Ok::<_, worker::Error>(Answer { status, headers, body })
        };
        match select(Box::pin(asked), Delay::from(deadline)).await {
            Either::Left((answer, _)) => {
                // A body that nobody reads would hold one of the six connections.
                if call.status_only {
                    controller.abort();
                }
                answer.map_err(no_answer)
            }
            Either::Right(((), _)) => {
                controller.abort();
                Err(PlatformError::NoAnswer("no answer in time".to_owned()))
            }
        }
    }

    async fn batch(&self, on: &Database, statements: Vec<Statement>) -> Result<Vec<Outcome>, PlatformError> {
        let database = self.env.d1(on.binding()).map_err(|e| PlatformError::Database(e.to_string()))?;
        d1::batch(database.as_ref(), &statements).await.map_err(|e| PlatformError::Database(js_error(&e)))
    }

    async fn cached(&self, key: &CacheKey) -> Result<Option<String>, PlatformError> {
        let kv = self.env.kv(KV).map_err(|e| PlatformError::Cache(e.to_string()))?;
        kv.get(&key.text()).text().await.map_err(|e| PlatformError::Cache(e.to_string()))
    }

    async fn cache(&self, key: &CacheKey, value: &str, seconds: u32) -> Result<(), PlatformError> {
        let kv = self.env.kv(KV).map_err(|e| PlatformError::Cache(e.to_string()))?;
        let put = kv.put(&key.text(), value).map_err(|e| PlatformError::Cache(e.to_string()))?;
        put.expiration_ttl(u64::from(seconds))
            .execute()
            .await
            .map_err(|e| PlatformError::Cache(e.to_string()))
    }

    async fn forget(&self, key: &CacheKey) -> Result<(), PlatformError> {
        let kv = self.env.kv(KV).map_err(|e| PlatformError::Cache(e.to_string()))?;
        kv.delete(&key.text()).await.map_err(|e| PlatformError::Cache(e.to_string()))
    }

    async fn enqueue(&self, jobs: &[Job]) -> Result<(), PlatformError> {
        for (queue, binding) in [
            (Queue::Webhooks, "WEBHOOKS"),
            (Queue::Sends, "SENDS"),
            (Queue::Steps, "STEPS"),
            (Queue::Outbox, "OUTBOX"),
            (Queue::Relays, "RELAYS"),
        ] {
            let bodies: Vec<String> =
                jobs.iter().filter(|job| job.queue() == queue).map(Job::to_text).collect();
            for some in groups(&bodies, MAX_MESSAGES, MAX_BATCH_BYTES, |body| body.len() + METADATA) {
                self.enqueue_on(binding, some).await?;
            }
        }
        Ok(())
    }

    async fn sleep_until(&self, at: UnixMillis) {
        let wait = at - self.now();
        if wait > 0 {
            Delay::from(Duration::from_millis(u64::try_from(wait).unwrap_or_default())).await;
        }
    }

    async fn generate_rs256(&self) -> Result<SecretText, PlatformError> {
        rs256::generate().await.map_err(|e| PlatformError::Crypto(js_error(&e)))
    }

    async fn sign_rs256(
        &self,
        kid: &str,
        private_jwk: &SecretText,
        input: &[u8],
    ) -> Result<Vec<u8>, PlatformError> {
        rs256::sign(kid, private_jwk, input).await.map_err(|e| PlatformError::Crypto(js_error(&e)))
    }

    async fn verify_rs256(
        &self,
        public_jwk: &serde_json::Value,
        input: &[u8],
        signature: &[u8],
    ) -> Result<bool, PlatformError> {
        let verified = rs256::verify(&public_jwk.to_string(), input, signature).await;
        verified.map_err(|e| PlatformError::Crypto(js_error(&e)))
    }

    async fn allow(&self, limit: Limit, key: &str) -> bool {
        match self.env.rate_limiter(limit.binding()) {
            // A limiter that fails slows nobody down: it guards against floods, not against guessing right.
            Ok(limiter) => limiter.limit(key.to_owned()).await.map_or(true, |outcome| outcome.success),
            Err(_) => true,
        }
    }
}

impl Edge {
    async fn enqueue_on(&self, binding: &str, bodies: &[String]) -> Result<(), PlatformError> {
        let refused = |e: worker::Error| PlatformError::Queue(e.to_string());
        let queue = self.env.queue(binding).map_err(refused)?;
        let message = |body: &String| {
            RawMessageBuilder::new(JsValue::from_str(body)).build_with_content_type(QueueContentType::Text)
        };
        match bodies {
            [] => Ok(()),
            [one] => queue.send_raw(message(one)).await.map_err(refused),
            many => queue.send_raw_batch(many.iter().map(message)).await.map_err(refused),
        }
    }
}

fn outgoing(call: &Call) -> worker::Result<Request> {
    let headers = Headers::new();
    for (name, value) in &call.headers {
        headers.set(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(call.method.as_str().to_owned()))
        .with_headers(headers)
        .with_redirect(RequestRedirect::Manual);
    if !call.body.is_empty() {
        init.with_body(Some(js_sys::Uint8Array::from(call.body.as_slice()).into()));
    }
    Request::new_with_init(&call.url, &init)
}
