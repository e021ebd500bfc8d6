//! What a dead letter of LINE's webhooks is as a job: it may hold a job of ours, a delivery, or one event of a delivery.

use crate::{
    config::Account,
    line::webhook::{Delivery, Event},
    store::Job,
    time::UnixMillis,
};

/// The longest job that goes on the queue, in bytes: a message holds 128 kB.
const MAX_JOB: usize = 120_000;

/// The job; none where nothing could be done with it, by this version of the program at least.
pub(super) fn job(account: &Account, at: UnixMillis, body: &str) -> Option<Job> {
    if let Ok(job) = Job::parse(body) {
        let is_webhook = matches!(job, Job::Webhook { .. } | Job::Delivery { .. });
        return (is_webhook && *job.account() == account.id).then_some(job);
    }
    if is_delivery(body) {
        return Some(webhook(account, at, body.to_owned()));
    }
    Event::read(body)?;
    let destination = &account.messaging.bot_user_id;
    Some(webhook(account, at, format!("{{\"destination\":\"{destination}\",\"events\":[{body}]}}")))
}

/// A delivery with at least one event that can be read.
fn is_delivery(body: &str) -> bool {
    Delivery::read(body)
        .is_some_and(|delivery| delivery.events.iter().any(|event| Event::read(event.get()).is_some()))
}

/// How many events a delivery has.
pub(super) fn events(delivery: &str) -> usize {
    Delivery::read(delivery).map_or(0, |delivery| delivery.events.len())
}

/// Whether a message holds it.
pub(super) fn fits(job: &Job) -> bool {
    job.to_text().len() <= MAX_JOB
}

/// Not as LINE signed it, or nobody knows any more how: without a signature.
fn webhook(account: &Account, received_at: UnixMillis, body: String) -> Job {
    Job::Webhook { account: account.id.clone(), received_at, signature: String::new(), body }
}
