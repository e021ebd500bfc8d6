//! `/v1/sends`: one message to one segment, nobody missed, nobody messaged twice.
//!
//! A send is a row, expanded page by page into chunks of at most 500 recipients; each chunk is a row with one retry
//! key. Rows are their own outbox: whatever is open and due is put on the queue again by cron, and every step is a
//! conditional write, so that a job delivered twice changes nothing. States: `docs/ARCHITECTURE.md`.

mod create;
mod deliver;
mod expand;
mod show;
mod sweep;

/// The state as the API shows it: a send that is paused on its way says so.
const SHOWN_STATE: &str = "CASE WHEN paused IS NOT NULL AND state IN ('expanding', 'sending') THEN 'paused' ELSE state END AS state";

pub use create::create;
pub use deliver::{Due, deliver};
pub use expand::expand;
pub use show::show;
pub use sweep::sweep;
