//! Running what is not a request: queue batches and cron ticks, and the passing of time between them.
//!
//! An invocation that crashes acknowledges nothing: its whole batch comes again.

use std::pin::Pin;

use enishi::{
    app::{self, Disposition},
    store::Queue,
    time::{MINUTE, SECOND, UnixMillis},
};

use crate::{
    World,
    queue::{Line, Message},
};

/// Rounds of deliveries at one time after which queues that feed themselves are given up.
const MAX_ROUNDS: usize = 10_000;

impl World {
    /// Delivers what is due, and what that makes due, until nothing is due any more. Says how many batches it were.
    ///
    /// # Panics
    ///
    /// If the queues feed themselves for ever.
    pub fn run_queues(&self) -> usize {
        self.run_lines(None)
    }

    /// Delivers what is due on one queue, and leaves the others alone.
    ///
    /// # Panics
    ///
    /// If the queue feeds itself for ever.
    pub fn run_queue(&self, queue: Queue) -> usize {
        self.run_lines(Some(queue.into()))
    }

    /// Delivers one batch of one queue; says whether there was one.
    pub fn deliver_batch(&self, queue: Queue) -> bool {
        let batches = self.due_batches(Some(queue.into()), 1);
        self.work_on(batches) > 0
    }

    fn run_lines(&self, of: Option<Line>) -> usize {
        let mut delivered = 0;
        for _ in 0..MAX_ROUNDS {
            let consumers = self.queues.borrow().consumers();
            match self.work_on(self.due_batches(of, consumers)) {
                0 => return delivered,
                batches => delivered += batches,
            }
        }
        panic!("the queues do not come to rest");
    }

    /// Works on batches side by side; says how many they were.
    fn work_on(&self, batches: Vec<Vec<Message>>) -> usize {
        let number = batches.len();
        let ends = self.together(batches.iter().map(|batch| self.consume(batch)));
        for (batch, end) in batches.into_iter().zip(ends) {
            self.dispose(batch, end.unwrap_or_default());
        }
        number
    }

    /// Runs the cron handler.
    pub fn tick(&self) {
        let memory = self.isolate();
        self.run(app::tick(self.context(&memory)));
    }

    /// Lets this much time pass, with a cron tick each minute and every message delivered when it is due, while other
    /// consumers may still be at work.
    pub fn settle(&self, millis: i64) {
        self.settle_beside(millis, async {});
    }

    /// The same beside something that goes on meanwhile.
    pub fn settle_beside(&self, millis: i64, beside: impl Future<Output = ()>) {
        let until = self.now() + millis;
        let consumers = self.queues.borrow().consumers();
        let mut invoked: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = vec![Box::pin(self.tick_until(until))];
        for _ in 0..consumers {
            invoked.push(Box::pin(self.consume_until(until)));
        }
        invoked.push(Box::pin(beside));
        self.together(invoked);
        self.clock.move_to(until);
    }

    async fn tick_until(&self, until: UnixMillis) {
        while self.now() + MINUTE <= until {
            self.clock.sleep_until(self.now() + MINUTE).await;
            let memory = self.isolate();
            self.invocation(app::tick(self.context(&memory))).await;
        }
    }

    async fn consume_until(&self, until: UnixMillis) {
        while let Some(batch) = self.next_batch(until).await {
            let end = self.invocation(self.consume(&batch)).await;
            self.dispose(batch, end.unwrap_or_default());
        }
    }

    /// The next batch, as soon as one is due; `None` once it is `until`.
    async fn next_batch(&self, until: UnixMillis) -> Option<Vec<Message>> {
        loop {
            let due = self.due_batches(None, 1).pop();
            if due.is_some() || self.now() >= until {
                return due;
            }
            let next_due = || self.queues.borrow().next_due().map_or(until, UnixMillis);
            self.clock.sleep(|| next_due().min(until)).await;
        }
    }

    fn due_batches(&self, of: Option<Line>, number: usize) -> Vec<Vec<Message>> {
        let mut queues = self.queues.borrow_mut();
        let mut random = self.random.borrow_mut();
        let now = self.now().0;
        std::iter::from_fn(|| queues.take(of, now, &mut random)).take(number).collect()
    }

    async fn consume(&self, batch: &[Message]) -> Vec<Disposition> {
        let memory = self.isolate();
        let context = self.context(&memory);
        let bodies: Vec<&str> = batch.iter().map(|message| message.text.as_str()).collect();
        match batch.first().map(|message| message.line) {
            Some(Line::Dead) => app::dead(context, &bodies).await,
            _ => app::work(context, &bodies).await,
        }
    }

    /// Does with each message what the consumer said; what it said nothing of comes again.
    fn dispose(&self, batch: Vec<Message>, dispositions: Vec<Disposition>) {
        if !dispositions.is_empty() && dispositions.len() != batch.len() {
            self.breach(format!("{} dispositions for {} messages", dispositions.len(), batch.len()));
        }
        let mut dispositions = dispositions.into_iter();
        for message in batch {
            let due = match dispositions.next() {
                Some(Disposition::Done) => continue,
                Some(Disposition::Retry { seconds }) => i64::from(seconds) * SECOND,
                None => message.line.retry_delay(),
            };
            self.queues.borrow_mut().retry(message, self.now().0 + due);
        }
    }
}
