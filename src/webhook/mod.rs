//! LINE's webhooks: acknowledged at the door once they are durable, applied by the queue's consumer.
//!
//! LINE allows one webhook address per Official Account, so what we lose is lost for the shop. `receive.rs` is the
//! door, `apply.rs` the consumer, `item.rs` the deliveries that it has in hand, `effect.rs` the table of what each event does.

mod apply;
mod counters;
mod effect;
mod item;
mod receive;
mod replay;
mod setup;
mod show;

pub use apply::{apply, apply_at_last, drain};
pub use counters::counters;
pub use item::{Body, Received};
pub use receive::receive;
pub use replay::replay;
pub use setup::{set_up, show as show_set_up};
pub use show::{deliveries, delivery};
