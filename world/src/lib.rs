//! The native platform: everything that Workers give the product, in one process, on one thread, under the test's
//! hand.
//!
//! In: a seed, requests, queue deliveries, cron ticks, faults on demand. Out: what the product answered, what it asked
//! of the world ([`Calls`]), and every rule of production that it broke ([`World::breaches`]). The same seed and the
//! same steps give the same run, to the order in which concurrent requests proceed.
//!
//! | asked of the platform | played by |
//! |---|---|
//! | D1 | `SQLite` in memory with the real migrations and D1's limits (`database.rs`, `plan.rs`) |
//! | KV | a map whose readers see up to 60 s into the past, absence included (`cache.rs`) |
//! | Queues | lists delivered late, twice or shuffled when asked (`queue.rs`, `consumer.rs`) |
//! | LINE | the crate `line-simulator`, called in-process (`line.rs`) |
//! | the shop's servers | addresses that a test registers, with a record of each call (`shop.rs`) |
//! | clock | moved by hand; a sleep moves it once nobody has anything else to do (`executor.rs`) |
//! | randomness | SHA-256 of the seed and a counter (`random.rs`) |
//! | `WebCrypto` | OpenSSL (`rsa.rs`) |
//! | bad luck | errors, stalls and crashes at any call, by number or by seed (`fault.rs`, `call.rs`) |
//!
//! The world is stricter than production, so that a test shows what production would show only under load: it refuses
//! more than 100 bound parameters, integers beyond 2^53, statements that scan a table, more than 1,000 statements in one
//! invocation, queue messages above the limit, calls to any host but LINE's and the registered shop's, and log lines
//! that name a LINE user. Where D1 and `SQLite` differ it does as D1 does: every bound number is a double.
//!
//! ```
//! use enishi_world::World;
//!
//! let world = World::new(1);
//! let reply = world.get("http://localhost:8787/healthz");
//! assert_eq!(reply.status, 200);
//! assert_eq!(world.breaches(), Vec::<String>::new());
//! ```
//!
//! Not here: what a shop or a browser does (`tests/it/support/`), and time-outs of the product's own code.

#![warn(missing_docs)]

mod cache;
mod call;
mod calls;
mod consumer;
mod database;
mod door;
mod executor;
mod fault;
mod json;
mod line;
mod log;
mod outward;
mod plan;
mod platform;
mod queue;
mod random;
mod rsa;
mod shop;

use std::{
    cell::{Cell, RefCell, RefMut},
    collections::{HashMap, HashSet},
    rc::Rc,
};

use enishi::{
    config::Memory,
    platform::{Context, Limit, LineBases, Settings},
    secret::Keys,
    time::UnixMillis,
};
use line_simulator::Simulator;

pub use cache::STALENESS;
pub use calls::Calls;
pub use door::request;
pub use fault::{Fault, Point};
pub use line::{ACCOUNT, LINE, LineAccount, OTHER_ACCOUNT, Trouble, webhook_request};
pub use line_simulator;
pub use queue::Disturbance;
pub use rsa::verifies as verifies_rs256;
pub use shop::{ShopCall, ShopOutcome};

/// When every world begins: 2026-01-05T03:00:00Z, a Monday noon in Tokyo.
pub const BEGIN: UnixMillis = UnixMillis(1_767_582_000_000);

/// The master key of every world.
pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// One deployment of the product and the world around it.
#[derive(Debug)]
pub struct World {
    settings: Settings,
    isolate: RefCell<Rc<Memory>>,
    clock: executor::Clock,
    random: RefCell<random::Random>,
    database: RefCell<database::Database>,
    cache: RefCell<cache::Cache>,
    queues: RefCell<queue::Queues>,
    line: RefCell<Simulator>,
    trouble: Cell<line::Trouble>,
    answers: RefCell<Vec<(String, http::StatusCode, String)>>,
    shop: RefCell<shop::Shop>,
    faults: RefCell<fault::Faults>,
    calls: Cell<Calls>,
    statements: Cell<u32>,
    log: RefCell<Vec<serde_json::Value>>,
    secrets: RefCell<HashSet<String>>,
    breaches: RefCell<Vec<String>>,
    keys_made: Cell<usize>,
    imported: RefCell<HashMap<String, String>>,
    passed: RefCell<HashMap<(Limit, String, i64), u32>>,
}

impl World {
    /// A fresh deployment with empty stores, beside a LINE with two Official Accounts and nobody in it.
    ///
    /// # Panics
    ///
    /// If the migrations cannot be read or applied.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            settings: settings(),
            isolate: RefCell::default(),
            clock: executor::Clock::new(BEGIN),
            random: RefCell::new(random::Random::new(seed)),
            database: RefCell::new(database::Database::new()),
            cache: RefCell::default(),
            queues: RefCell::default(),
            line: RefCell::new(Simulator::new(line::channels(), seed)),
            trouble: Cell::default(),
            answers: RefCell::default(),
            shop: RefCell::default(),
            faults: RefCell::default(),
            calls: Cell::default(),
            statements: Cell::default(),
            log: RefCell::default(),
            secrets: RefCell::default(),
            breaches: RefCell::default(),
            keys_made: Cell::new(0),
            imported: RefCell::default(),
            passed: RefCell::default(),
        }
    }

    /// What rooms are called with. `memory` is the isolate's.
    #[must_use]
    pub fn context<'a>(&'a self, memory: &'a Memory) -> Context<'a, Self> {
        Context { platform: self, memory, settings: &self.settings }
    }

    /// The deployment's keys and addresses.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The isolate's memory as the next invocation finds it.
    #[must_use]
    pub fn isolate(&self) -> Rc<Memory> {
        Rc::clone(&self.isolate.borrow())
    }

    /// Evicts the isolate: the next invocation starts with an empty memory.
    pub fn evict_isolate(&self) {
        *self.isolate.borrow_mut() = Rc::default();
    }

    /// LINE and the people on it. Not to be held across anything that may call LINE.
    #[must_use]
    pub fn line(&self) -> RefMut<'_, Simulator> {
        self.line.borrow_mut()
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Moves the clock forward.
    pub fn advance(&self, millis: i64) {
        self.clock.move_to(self.clock.now() + millis.max(0));
    }

    /// A number below `bound` from the world's seed, for tests that choose at random.
    pub fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    /// The rules of production that the product broke so far, in words.
    #[must_use]
    pub fn breaches(&self) -> Vec<String> {
        self.breaches.borrow().clone()
    }

    /// The log lines so far.
    #[must_use]
    pub fn log_lines(&self) -> Vec<serde_json::Value> {
        self.log.borrow().clone()
    }

    fn breach(&self, what: String) {
        self.breaches.borrow_mut().push(what);
    }
}

fn settings() -> Settings {
    let base = || LINE.to_owned();
    Settings {
        keys: Keys::parse(MASTER_KEY, None).expect("the key is 32 bytes"),
        line: LineBases { access: base(), api: base(), api_data: base() },
    }
}
