//! Running the product's futures on one thread, side by side, in an order that follows from the seed.
//!
//! Whoever waits gives way to the others, so that whatever may interleave in production does so here. Time stands still while anybody can go on; when everybody sleeps, it moves to the first who wakes.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use enishi::time::UnixMillis;

use crate::World;

/// Rounds after which a future that never ends is given up.
const MAX_ROUNDS: u32 = 2_000_000;

/// The time, and what the futures of one round said of themselves.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Cell<i64>,
    stirred: Cell<bool>,
    wakes_at: Cell<Option<i64>>,
    crashed: Cell<bool>,
}

impl Clock {
    pub(crate) fn new(begin: UnixMillis) -> Self {
        Self {
            now: Cell::new(begin.0),
            stirred: Cell::default(),
            wakes_at: Cell::default(),
            crashed: Cell::default(),
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(self.now.get())
    }

    pub(crate) fn move_to(&self, at: UnixMillis) {
        self.now.set(self.now.get().max(at.0));
    }

    /// Lets the others go on.
    pub(crate) async fn give_way(&self) {
        let mut gave_way = false;
        poll_fn(|context| {
            if gave_way {
                return Poll::Ready(());
            }
            gave_way = true;
            self.stirred.set(true);
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Sleeps until it is `at`.
    pub(crate) async fn sleep_until(&self, at: UnixMillis) {
        self.sleep(|| at).await;
    }

    /// Sleeps until a time that others may bring nearer meanwhile.
    pub(crate) async fn sleep(&self, wakes_at: impl Fn() -> UnixMillis) {
        poll_fn(|context| {
            let at = wakes_at();
            if self.now() >= at {
                return Poll::Ready(());
            }
            let first = self.wakes_at.get().map_or(at.0, |other| other.min(at.0));
            self.wakes_at.set(Some(first));
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Ends the invocation: its future is dropped where it stands.
    pub(crate) async fn crash(&self) {
        self.crashed.set(true);
        self.stirred.set(true);
        pending::<()>().await;
    }

    /// After an invocation crashed, what it began side by side does not go on either.
    pub(crate) async fn live(&self) {
        if self.crashed.get() {
            pending::<()>().await;
        }
    }
}

/// An invocation under way, or what became of it; `None` if it crashed.
enum Task<'a, T> {
    Running(Pin<Box<dyn Future<Output = Option<T>> + 'a>>),
    Done(Option<T>),
}

impl World {
    /// Runs one future to its end; `None` if it crashed.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.together([future]).pop().flatten()
    }

    /// Runs futures side by side until each is done or has crashed, in an order that follows from the seed.
    ///
    /// # Panics
    ///
    /// If they wait for something that cannot come.
    pub fn together<T>(&self, futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<Option<T>> {
        let mut tasks: Vec<Task<'_, T>> =
            futures.into_iter().map(|future| Task::Running(Box::pin(self.invocation(future)))).collect();
        let mut patient = false;
        for _ in 0..MAX_ROUNDS {
            let running = running(&tasks);
            if running.is_empty() {
                return tasks.into_iter().map(Task::outcome).collect();
            }
            let skipped = self.round(&mut tasks, running, patient);
            patient = skipped && !self.clock.stirred.get();
            if !self.clock.stirred.get() && !skipped {
                let at = self.clock.wakes_at.get().expect("a future waits for nothing that the world does");
                self.clock.move_to(UnixMillis(at));
            }
        }
        panic!("the futures do not come to an end");
    }

    /// Polls the running tasks once in random order; an impatient round passes over some. Says whether it did.
    fn round<T>(&self, tasks: &mut [Task<'_, T>], mut running: Vec<usize>, patient: bool) -> bool {
        self.clock.stirred.set(false);
        self.clock.wakes_at.set(None);
        if running.len() > 1 {
            self.random.borrow_mut().shuffle(&mut running);
        }
        let alone = running.len() == 1;
        let mut skipped = false;
        for at in running {
            if !patient && !alone && self.random.borrow_mut().below(4) == 0 {
                skipped = true;
            } else if let Some(task) = tasks.get_mut(at) {
                self.poll(task);
            }
        }
        skipped
    }

    fn poll<T>(&self, task: &mut Task<'_, T>) {
        let Task::Running(future) = task else { return };
        if let Poll::Ready(end) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.clock.stirred.set(true);
            *task = Task::Done(end);
        }
    }

    /// One invocation: a crash ends it where it stands, and nobody else; its statements are its own. `None` if it
    /// crashed.
    pub(crate) async fn invocation<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = Box::pin(future);
        let mut statements = 0;
        poll_fn(|context| {
            let outside = self.statements.replace(statements);
            let polled = future.as_mut().poll(context);
            statements = self.statements.replace(outside);
            if self.clock.crashed.take() { Poll::Ready(None) } else { polled.map(Some) }
        })
        .await
    }
}

fn running<T>(tasks: &[Task<'_, T>]) -> Vec<usize> {
    let numbered = tasks.iter().enumerate();
    numbered.filter(|(_, task)| matches!(task, Task::Running(_))).map(|(at, _)| at).collect()
}

impl<T> Task<'_, T> {
    fn outcome(self) -> Option<T> {
        match self {
            Self::Done(end) => end,
            Self::Running(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::{Fault, Point};

    #[test]
    fn time_moves_only_when_everybody_sleeps_and_then_to_the_first_who_wakes() {
        let world = World::new(1);
        let order = RefCell::new(Vec::new());
        let sleeper = |name, millis| {
            let (world, order) = (&world, &order);
            async move {
                world.clock.sleep_until(crate::BEGIN + millis).await;
                order.borrow_mut().push((name, world.now() - crate::BEGIN));
            }
        };
        world.together([sleeper("late", 30), sleeper("early", 10), sleeper("late", 30)]);
        assert_eq!(*order.borrow(), [("early", 10), ("late", 30), ("late", 30)]);
    }

    #[test]
    fn another_seed_is_another_order() {
        let order = |seed| {
            let world = World::new(seed);
            let order = RefCell::new(Vec::new());
            let future = |name: u32| {
                let (world, order) = (&world, &order);
                async move {
                    world.clock.give_way().await;
                    order.borrow_mut().push(name);
                }
            };
            world.together((0..9).map(future));
            order.into_inner()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn a_crash_ends_one_invocation_and_no_other() {
        let world = World::new(1);
        world.fail_next(Point::Cache, Fault::CrashAfter, 1);
        let call = |number: u32| {
            let world = &world;
            async move { world.call(Point::Cache, || Ok(number)).await.unwrap() }
        };
        let ends = world.together([call(1), call(2)]);
        assert_eq!(ends.iter().filter(|end| end.is_none()).count(), 1);
    }
}
