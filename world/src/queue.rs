//! Queues: at least once, in any order, later than one thinks.
//!
//! Limits are those of Queues' documentation ("Limits"). Not here: who consumes (`consumer.rs`).

use enishi::{
    store,
    time::{HOUR, SECOND},
};

use crate::{World, random::Random};

/// The largest message, in bytes, less what Queues add themselves.
pub(crate) const MAX_MESSAGE: usize = 128_000 - 100;

/// Messages in one request to a queue.
const MAX_MESSAGES: usize = 100;

/// Bytes in one request to a queue.
const MAX_REQUEST: usize = 256_000;

/// How badly the queues behave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disturbance {
    /// The probability that a message is delivered once more.
    pub duplicates: f64,
    /// How late a message may be, in milliseconds.
    pub late: usize,
    /// Whether messages arrive in any order, in batches of any size.
    pub shuffle: bool,
    /// How many batches are worked on at once.
    pub consumers: usize,
}

impl Disturbance {
    /// At once, once, in order.
    pub const NONE: Self = Self { duplicates: 0.0, late: 0, shuffle: false, consumers: 1 };
}

/// Which consumer a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Webhooks,
    Sends,
    Steps,
    Outbox,
    Relays,
    Dead,
}

impl From<store::Queue> for Line {
    fn from(queue: store::Queue) -> Self {
        match queue {
            store::Queue::Webhooks => Self::Webhooks,
            store::Queue::Sends => Self::Sends,
            store::Queue::Steps => Self::Steps,
            store::Queue::Outbox => Self::Outbox,
            store::Queue::Relays => Self::Relays,
        }
    }
}

impl Line {
    /// `retry_delay` of `wrangler.toml`, in milliseconds.
    pub(crate) fn retry_delay(self) -> i64 {
        match self {
            Self::Webhooks | Self::Sends | Self::Steps | Self::Outbox | Self::Relays => 5 * SECOND,
            Self::Dead => HOUR,
        }
    }

    /// `max_batch_size` and `max_retries` of `wrangler.toml`.
    fn limits(self) -> (usize, u32) {
        match self {
            Self::Webhooks => (100, 100),
            Self::Sends | Self::Outbox => (6, 100),
            Self::Steps | Self::Relays => (1, 100),
            Self::Dead => (50, 100),
        }
    }
}

/// A message that waits.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) line: Line,
    pub(crate) text: String,
    due: i64,
    retries: u32,
}

/// What waits on all queues.
#[derive(Debug)]
pub(crate) struct Queues {
    waiting: Vec<Message>,
    disturbance: Disturbance,
    lost: u32,
}

impl Default for Queues {
    fn default() -> Self {
        Self { waiting: Vec::new(), disturbance: Disturbance::NONE, lost: 0 }
    }
}

impl Queues {
    pub(crate) fn put(&mut self, line: Line, text: &str, now: i64, random: &mut Random) {
        let copies = 1 + usize::from(random.happens(self.disturbance.duplicates));
        for _ in 0..copies {
            let late = i64::try_from(random.below(self.disturbance.late)).unwrap_or_default();
            self.waiting.push(Message { line, text: text.to_owned(), due: now + late, retries: 0 });
        }
    }

    /// Takes the next batch that is due, of this queue or of any.
    pub(crate) fn take(&mut self, of: Option<Line>, now: i64, random: &mut Random) -> Option<Vec<Message>> {
        let is_due = |message: &Message| message.due <= now && of.is_none_or(|line| line == message.line);
        let numbered = self.waiting.iter().enumerate();
        let mut due: Vec<usize> = numbered.filter(|(_, message)| is_due(message)).map(|(at, _)| at).collect();
        if self.disturbance.shuffle {
            random.shuffle(&mut due);
        }
        let line = self.waiting.get(*due.first()?)?.line;
        due.retain(|at| self.waiting.get(*at).is_some_and(|message| message.line == line));
        let (batch, _) = line.limits();
        due.truncate(if self.disturbance.shuffle { 1 + random.below(batch) } else { batch });
        let batch = due.iter().filter_map(|at| self.waiting.get(*at).cloned()).collect();
        due.sort_unstable_by(|one, other| other.cmp(one));
        for at in due {
            self.waiting.remove(at);
        }
        Some(batch)
    }

    /// Puts a message back, or among the dead letters after its last retry.
    pub(crate) fn retry(&mut self, mut message: Message, due: i64) {
        let (_, max_retries) = message.line.limits();
        message.due = due;
        message.retries += 1;
        if message.retries > max_retries {
            self.lost += u32::from(message.line == Line::Dead);
            if message.line == Line::Dead {
                return;
            }
            message = Message { line: Line::Dead, retries: 0, ..message };
        }
        self.waiting.push(message);
    }

    pub(crate) fn consumers(&self) -> usize {
        self.disturbance.consumers.max(1)
    }

    pub(crate) fn next_due(&self) -> Option<i64> {
        self.waiting.iter().map(|message| message.due).min()
    }
}

/// Splits jobs as the producers' requests are limited: per queue, at most 100 messages and 256 kB.
pub(crate) fn requests(jobs: &[store::Job]) -> Result<Vec<Vec<(Line, String)>>, String> {
    let mut requests: Vec<Vec<(Line, String)>> = Vec::new();
    for job in jobs {
        let (line, text) = (Line::from(job.queue()), job.to_text());
        if text.len() > MAX_MESSAGE {
            return Err(format!("a queue message of {} bytes", text.len()));
        }
        let room = |request: &&mut Vec<(Line, String)>| {
            let bytes: usize = request.iter().map(|(_, text)| text.len()).sum();
            let same = request.first().is_some_and(|(first, _)| *first == line);
            same && request.len() < MAX_MESSAGES && bytes + text.len() <= MAX_REQUEST
        };
        match requests.iter_mut().find(room) {
            Some(request) => request.push((line, text)),
            None => requests.push(vec![(line, text)]),
        }
    }
    Ok(requests)
}

impl World {
    /// From now on queues behave like this.
    pub fn disturb_queues(&self, disturbance: Disturbance) {
        self.queues.borrow_mut().disturbance = disturbance;
    }

    /// The bodies that wait on all queues.
    #[must_use]
    pub fn queued(&self) -> Vec<String> {
        self.queues.borrow().waiting.iter().map(|message| message.text.clone()).collect()
    }

    /// How many dead letters were never taken: a loss.
    #[must_use]
    pub fn lost_messages(&self) -> u32 {
        self.queues.borrow().lost
    }

    /// Delivers everything that waits once more.
    pub fn duplicate_queued(&self) {
        let mut queues = self.queues.borrow_mut();
        let copies = queues.waiting.clone();
        queues.waiting.extend(copies);
    }
}

#[cfg(test)]
mod tests {
    use enishi::id::{AccountId, SendId};

    use super::*;

    fn deliver(chunk: i64) -> store::Job {
        let account = AccountId::parse("a").unwrap();
        store::Job::Deliver { account, send: SendId::from_random([1; 32]), chunk }
    }

    #[test]
    fn a_request_holds_a_hundred_messages_of_one_queue() {
        let mut jobs: Vec<_> = (0..201).map(deliver).collect();
        let account = AccountId::parse("a").unwrap();
        jobs.push(store::Job::Delivery { account, seq: 1 });
        let lengths: Vec<_> = requests(&jobs).unwrap().iter().map(Vec::len).collect();
        assert_eq!(lengths, [100, 100, 1, 1]);
    }

    #[test]
    fn a_message_that_is_too_large_is_refused() {
        let account = AccountId::parse("a").unwrap();
        let job = store::Job::Outbox { account, id: "x".repeat(128_000) };
        assert!(requests(&[job]).is_err());
    }

    #[test]
    fn after_its_last_retry_a_message_is_a_dead_letter() {
        let mut queues = Queues::default();
        let mut random = Random::new(1);
        queues.put(Line::Webhooks, "x", 0, &mut random);
        for _ in 0..101 {
            let message = queues.take(None, 0, &mut random).unwrap().remove(0);
            assert_eq!(message.line, Line::Webhooks);
            queues.retry(message, 0);
        }
        assert_eq!(queues.take(None, 0, &mut random).unwrap()[0].line, Line::Dead);
    }
}
