//! What is left of dead letters, jobs that nobody could read, once somebody is erased.

use crate::{line::webhook, store::Job};

/// What is left of a dead letter without one LINE user: of a delivery the events of others, whether it lies there as a job or as
/// LINE sent it; of anything else nothing.
#[must_use]
pub fn without(body: &str, line_user_id: &str) -> Option<String> {
    if !body.contains(line_user_id) {
        return Some(body.to_owned());
    }
    match Job::parse(body) {
        Ok(Job::Webhook { account, received_at, signature, body }) => {
            let body = webhook::without(&body, line_user_id)?;
            Some(Job::Webhook { account, received_at, signature, body }.to_text())
        }
        _ => webhook::without(body, line_user_id),
    }
}
