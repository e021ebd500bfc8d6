//! Progress on standard error: numbered steps, and what each step costs the first time.

use std::io::Write as _;
use std::time::Instant;

/// Numbers the steps of a command.
#[derive(Debug)]
pub(crate) struct Progress {
    done: usize,
    total: usize,
    since: Instant,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        Self { done: 0, total, since: Instant::now() }
    }

    /// Announces the next step.
    pub(crate) fn step(&mut self, what: &str) {
        self.done += 1;
        say(&format!("[{}/{}] {what}\n", self.done, self.total));
    }

    /// Says how a step that is under way takes its time.
    pub(crate) fn note(what: &str) {
        say(&format!("      {what} …\n"));
    }

    /// Whole seconds since the command began.
    pub(crate) fn seconds(&self) -> u64 {
        self.since.elapsed().as_secs()
    }
}

/// Writes in one piece: wrangler prints each piece that a build command writes on a line of its own.
pub(crate) fn say(text: &str) {
    let _heard = std::io::stderr().write_all(text.as_bytes());
}
