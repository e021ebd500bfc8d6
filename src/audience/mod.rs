//! `/v1/audiences` and `/v1/narrowcasts`: a segment as an audience at LINE, and messages to it, or to all friends, with LINE's own
//! filters (age, gender, area).
//!
//! An audience is uploaded once, page by page, and never added to afterwards; it is deleted at LINE after the narrowcast that used
//! it unless it is kept, and whenever somebody is erased, because LINE has no way to take one person out. Both are rows that say what
//! remains to be done, and when; a job takes a row by moving its `due_at`, and whatever it writes is conditional on that, so that of
//! jobs that come twice one goes on. What a job was lost of, cron finds.
//!
//! `make.rs` audiences by the API, `upload.rs` and `at_line.rs` their job; `ask.rs` narrowcasts by the API, `follow.rs` and
//! `messages.rs` their job; `hold.rs` what both jobs do to their rows; `filter.rs` LINE's filters; `whom.rs` rules and segments; `show.rs` what became of both.

mod ask;
mod at_line;
mod filter;
mod follow;
mod hold;
mod make;
mod messages;
mod show;
mod upload;
mod whom;

use serde::Deserialize;

use crate::{
    config::Account,
    id::{AccountId, AudienceId, NarrowcastId},
    platform::{Context, Database, Platform, PlatformError},
    store::{Job, Statement},
    time::{MINUTE, SECOND},
};

pub use ask::ask;
pub use follow::follow;
pub use make::{delete, make};
pub use show::{audience, audiences, narrowcast, narrowcasts};
pub use upload::upload;

/// How soon a row is looked at again, in milliseconds: cron comes each minute.
const SOON: i64 = 50 * SECOND;

/// The longest name, in characters: with the id it is LINE's description, of 120.
const MAX_NAME: usize = 80;

/// Rows of one tick.
const PER_TICK: i64 = 100;

/// Puts a job on the queue; if the queue refuses, cron does it.
async fn enqueue<P: Platform>(cx: Context<'_, P>, job: Job) {
    if let Err(error) = cx.platform.enqueue(&[job]).await {
        cx.log_failure("audience_enqueue", &error);
    }
}

fn audience_job(account: &Account, id: &AudienceId) -> Job {
    Job::Audience { account: account.id.clone(), audience: id.clone() }
}

/// Cron's part: what is due goes on the queue.
pub async fn sweep<P: Platform>(cx: Context<'_, P>) -> Result<(), PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        account: AccountId,
        audience: Option<AudienceId>,
        narrowcast: Option<NarrowcastId>,
    }
    let due = |sql: &'static str| Statement::new(sql).bind(cx.platform.now()).bind(PER_TICK);
    let statements = vec![
        due("SELECT account, id AS audience, NULL AS narrowcast FROM audiences INDEXED BY audiences_due \
             WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2"),
        due(
            "SELECT account, NULL AS audience, id AS narrowcast FROM narrowcasts INDEXED BY narrowcasts_due \
             WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
        ),
    ];
    let mut jobs = Vec::new();
    for outcome in cx.platform.batch(&Database::default(), statements).await? {
        for Row { account, audience, narrowcast } in outcome.rows::<Row>()? {
            jobs.extend(match (audience, narrowcast) {
                (Some(audience), _) => Some(Job::Audience { account, audience }),
                (None, Some(narrowcast)) => Some(Job::Narrowcast { account, narrowcast }),
                (None, None) => None,
            });
        }
    }
    if jobs.is_empty() { Ok(()) } else { cx.platform.enqueue(&jobs).await }
}

/// How long a narrowcast's progress is waited for before it is asked for again, in milliseconds: one minute, later five.
fn patience(since: i64) -> i64 {
    if since < 10 * MINUTE { SOON } else { 5 * MINUTE }
}
