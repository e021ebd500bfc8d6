//! The seam's native side: each method counts itself, meets its fate, and hands on to the room that plays it.

use enishi::{
    platform::{Database, Limit, LogLine, Outcome, Platform, PlatformError},
    secret::SecretText,
    store::{CacheKey, Job, Statement},
    time::{MINUTE, UnixMillis},
    web::{Answer, Call},
};

use crate::{World, database::Refused, fault::Point, queue, rsa};

/// Statements that D1 runs for one invocation of a Worker on the paid plan.
const MAX_STATEMENTS: u32 = 1_000;

impl Platform for World {
    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    fn random(&self) -> [u8; 32] {
        self.random.borrow_mut().block()
    }

    fn log(&self, line: LogLine<'_>) {
        self.write_log(line);
    }

    async fn fetch(&self, call: Call) -> Result<Answer, PlatformError> {
        self.count(|calls| calls.fetches += 1);
        self.call_server(call).await
    }

    async fn batch(&self, on: &Database, statements: Vec<Statement>) -> Result<Vec<Outcome>, PlatformError> {
        let number = u32::try_from(statements.len()).unwrap_or(u32::MAX);
        self.count(|calls| {
            calls.batches += 1;
            calls.statements += number;
        });
        self.count_statements(number)?;
        self.call(Point::Database, || self.run_batch(on, &statements)).await
    }

    async fn cached(&self, key: &CacheKey) -> Result<Option<String>, PlatformError> {
        self.count(|calls| calls.cache_reads += 1);
        self.call(Point::Cache, || Ok(self.cache.borrow_mut().read(&key.text(), self.now().0))).await
    }

    async fn cache(&self, key: &CacheKey, value: &str, seconds: u32) -> Result<(), PlatformError> {
        self.count(|calls| calls.cache_writes += 1);
        self.call(Point::Cache, || {
            let written = self.cache.borrow_mut().write(&key.text(), value, seconds, self.now().0);
            written.map_err(|why| {
                self.breach(why.clone());
                PlatformError::Cache(why)
            })
        })
        .await
    }

    async fn forget(&self, key: &CacheKey) -> Result<(), PlatformError> {
        self.count(|calls| calls.cache_writes += 1);
        self.call(Point::Cache, || {
            self.cache.borrow_mut().remove(&key.text());
            Ok(())
        })
        .await
    }

    async fn enqueue(&self, jobs: &[Job]) -> Result<(), PlatformError> {
        let requests = queue::requests(jobs).map_err(|why| {
            self.breach(why.clone());
            PlatformError::Queue(why)
        })?;
        for request in requests {
            self.count(|calls| calls.enqueues += 1);
            self.call(Point::Queue, || {
                for (line, text) in request {
                    self.queues.borrow_mut().put(line, &text, self.now().0, &mut self.random.borrow_mut());
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn sleep_until(&self, at: UnixMillis) {
        self.clock.sleep_until(at).await;
    }

    async fn generate_rs256(&self) -> Result<SecretText, PlatformError> {
        let number = self.keys_made.replace(self.keys_made.get() + 1);
        rsa::generate(number).map(SecretText::new).map_err(PlatformError::Crypto)
    }

    async fn sign_rs256(
        &self,
        kid: &str,
        private_jwk: &SecretText,
        input: &[u8],
    ) -> Result<Vec<u8>, PlatformError> {
        self.count(|calls| calls.signatures += 1);
        let key = private_jwk.expose();
        let mut imported = self.imported.borrow_mut();
        match imported.get(kid) {
            Some(known) if known == key => {}
            // The edge would sign with the one that it has imported.
            Some(_) => self.breach(format!("two private keys go by the name {kid}")),
            None if rsa::imports(key) => _ = imported.insert(kid.to_owned(), key.to_owned()),
            None => return Err(PlatformError::Crypto("the key does not import".to_owned())),
        }
        rsa::sign(key, input).map_err(PlatformError::Crypto)
    }

    async fn verify_rs256(
        &self,
        public_jwk: &serde_json::Value,
        input: &[u8],
        signature: &[u8],
    ) -> Result<bool, PlatformError> {
        Ok(rsa::verifies(public_jwk, input, signature))
    }

    async fn allow(&self, limit: Limit, key: &str) -> bool {
        let minute = self.now().0.div_euclid(MINUTE);
        let mut passed = self.passed.borrow_mut();
        passed.retain(|(_, _, of), _| *of == minute);
        let count = passed.entry((limit, key.to_owned(), minute)).or_default();
        *count += 1;
        *count <= limit.per_minute()
    }
}

impl World {
    /// D1 refuses what an invocation asks beyond its limit ("Limits", queries per Worker invocation).
    fn count_statements(&self, number: u32) -> Result<(), PlatformError> {
        let before = self.statements.get();
        let after = before.saturating_add(number);
        self.statements.set(after);
        if after <= MAX_STATEMENTS {
            return Ok(());
        }
        let why = format!("more than {MAX_STATEMENTS} statements in one invocation");
        if before <= MAX_STATEMENTS {
            self.breach(why.clone());
        }
        Err(PlatformError::Database(why))
    }

    fn run_batch(&self, on: &Database, statements: &[Statement]) -> Result<Vec<Outcome>, PlatformError> {
        if *on != Database::default() {
            return Err(PlatformError::Database(format!("no database is bound as {}", on.binding())));
        }
        self.database.borrow_mut().batch(statements).map_err(|refused| match refused {
            Refused::Breach(why) => {
                self.breach(why.clone());
                PlatformError::Database(why)
            }
            Refused::Constraint(why) => PlatformError::Database(why),
        })
    }
}
