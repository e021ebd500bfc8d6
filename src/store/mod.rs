//! The cellar: SQL statements, cache keys and queue jobs as values. No I/O here; the platform performs them.
//!
//! What several rooms change in one batch is a function in here that returns statements. Tables: `docs/STORAGE.md`.

pub mod applying;
pub mod audience;
pub mod audit;
pub mod auto_login_link;
pub mod brought;
mod cache;
pub mod chat_message;
pub mod claim;
pub mod click;
pub mod dead_letter;
pub mod delivery;
pub mod delivery_shown;
pub mod ending;
pub mod erasure;
pub mod event;
pub mod grant;
pub mod insight;
mod job;
pub mod line_user;
pub mod link;
pub mod link_nonce;
pub mod outbox;
pub mod person;
pub mod pushed;
pub mod relay;
pub mod segment;
pub mod session;
pub(crate) mod shown;
mod statement;
pub mod sweep;
pub mod tally;
pub mod tombstone;
pub mod webhook_count;
pub mod word;

pub use cache::CacheKey;
pub use job::{Disposition, Job, Queue};
pub use statement::{MAX_INTEGER, MAX_PARAMETERS, Statement, Value};
