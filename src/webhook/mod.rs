//! LINE's webhooks: acknowledged at the door once they are durable, applied by the queue's consumer.
//!
//! LINE allows one webhook address per Official Account, so what we lose is lost for the shop. `receive.rs` is the
//! door, `effect.rs` the table of what each event does, `apply.rs` the consumer.

mod apply;
mod effect;
mod receive;

pub use apply::{Body, Received, apply, apply_at_last, drain_inbox, give_up};
pub use receive::receive;
