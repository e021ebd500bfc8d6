//! `/v1/sends`: messages to a segment or to named members, nobody missed, nobody messaged twice.
//!
//! A send is a row, expanded page by page into chunks of at most 500 recipients; each chunk is a row with one retry
//! key. Rows are their own outbox: whatever is open and due is put on the queue again by cron, and every step is a
//! conditional write, so that a job delivered twice changes nothing. States: `docs/ARCHITECTURE.md`.
//!
//! `create.rs`, `wanted.rs` the request; `act.rs` start, pause, resume, cancel, retry; `advance.rs` a send moves on: quota,
//! pages (`page.rs`), what may be delivered (`release.rs`); `deliver.rs` the consumer: `claim.rs` (`filter.rs`, `rest.rs`), the calls, `settle.rs`,
//! `personal/` messages of one's own;
//! `show.rs`, `recipients.rs` what became of it; `trial.rs` tests; `sweep.rs` cron's part.

mod act;
mod advance;
mod audience;
mod claim;
mod create;
mod deliver;
mod filter;
mod outcome;
mod page;
mod personal;
mod rate;
mod recipients;
mod release;
mod rest;
mod settle;
mod show;
mod sweep;
mod trial;
mod wanted;

use crate::line::messaging::{MAX_RECIPIENTS, MULTICASTS_PER_SECOND, PUSHES_PER_SECOND};

pub use act::act;
pub use advance::advance;
pub use create::create;
pub use deliver::{Due, deliver};
pub use personal::deliver_personal;
pub use recipients::{of_member, of_send};
pub use show::{list, show};
pub use sweep::sweep;
pub use trial::trial;

/// The state as the API shows it: a send that is paused on its way says so, and whether LINE may still have something of it
/// whose outcome nobody knows.
const SHOWN_STATE: &str = "CASE WHEN s.paused IS NOT NULL AND s.state IN ('scheduled', 'expanding', 'sending') THEN \
     CASE WHEN EXISTS (SELECT 1 FROM chunks w INDEXED BY chunks_under_way WHERE w.account = s.account AND w.send = s.id \
       AND w.state = 'open' AND w.first_attempt_at IS NOT NULL) THEN 'pausing' ELSE 'paused' END ELSE s.state END AS state";

/// How a send is cut into chunks, and how many of them are put on the queue ahead: two seconds' worth of LINE's rate, so that
/// a small account never waits behind a large one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Recipients of one chunk.
    chunk: i64,
    /// Chunks on their way.
    ahead: i64,
}

/// The same for everybody, by multicast.
const MULTICAST: Cut = Cut { chunk: MAX_RECIPIENTS, ahead: 2 * MULTICASTS_PER_SECOND };

/// Personal messages, by push.
const PERSONAL: Cut = Cut { chunk: 100, ahead: 2 * PUSHES_PER_SECOND / 100 };

/// Recipients of one page: selecting a segment again for every chunk would cost more than packing 200 of them.
const PAGE: i64 = 100_000;
