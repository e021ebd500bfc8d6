//! `/v1/members`: the shop's customers; what the shop says of them (`say.rs`), what we know of one (`show.rs`), and the end of it
//! (`erase.rs`).

mod erase;
mod say;
mod show;

pub use erase::erase;
pub use say::{post, put};
pub use show::{events, export, show};
