//! Relays: further tools that take LINE's deliveries beside us, as LINE sent them. LINE calls one address for each Official
//! Account, so whoever worked with it before works on behind us.
//!
//! A relay is a cursor over the ledger of deliveries (`webhook_deliveries`). `run.rs` sends on what lies after it, one delivery at
//! a time and in sequence, under a lease; `send.rs` is one attempt; `statements.rs` what a run reads and writes; `api.rs` and
//! `letters.rs` are `/v1/webhooks/relays`, `shown.rs` what they show; `sweep.rs` is cron's part. Not here: who writes the ledger and wakes relays (the consumer, by `store::relay`).

mod api;
mod letters;
mod run;
mod send;
mod shown;
mod statements;
mod sweep;

pub use api::{delete, list, patch, post, show};
pub use letters::{dead_letters, replay};
pub use run::{Due, run};
pub use sweep::sweep;
