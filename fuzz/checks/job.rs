//! Jobs (`store::Job`): what is read of a queue message is written so that it is read as the same, and stays so.
//!
//! Input: the message.

use enishi::store::Job;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(job) = Job::parse(text) else { return };
    let written = job.to_text();
    let again = Job::parse(&written).expect("what was written is read");
    assert_eq!(again, job);
    assert_eq!(again.to_text(), written);
    assert_eq!((again.queue(), again.account()), (job.queue(), job.account()));
}
