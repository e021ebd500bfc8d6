//! Bad luck on demand: what a caller of D1, KV, a queue, LINE or a shop must expect of every single call.
//!
//! In: faults planned by kind of call, by number or by probability. Out: the fate of each call. A crash ends the whole
//! invocation at that call, as an evicted isolate does: nothing after it runs, no error is seen.

use enishi::{platform::PlatformError, time::MINUTE};

use crate::{World, random::Random};

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A batch of statements.
    Database,
    /// Reading or writing KV.
    Cache,
    /// Putting jobs on a queue.
    Queue,
    /// Calling LINE or a shop's server.
    Fetch,
}

impl Point {
    pub(crate) fn error(self, fault: Fault) -> PlatformError {
        let why = format!("{fault:?} by the world");
        match self {
            Self::Database => PlatformError::Database(why),
            Self::Cache => PlatformError::Cache(why),
            Self::Queue => PlatformError::Queue(why),
            Self::Fetch => PlatformError::NoAnswer(why),
        }
    }
}

/// How late a stalled call happens, in milliseconds: longer than any lease.
pub(crate) const STALL: i64 = 2 * MINUTE;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error, and nothing has happened.
    Refused,
    /// An error, although everything has happened.
    AnswerLost,
    /// It happens two minutes later; a call to another server happens as its caller gives up.
    Stalled,
    /// The invocation ends before it happens.
    CrashBefore,
    /// The invocation ends after it happened.
    CrashAfter,
}

impl Fault {
    /// Every kind, for tests that try each.
    pub const ALL: [Self; 5] =
        [Self::Refused, Self::AnswerLost, Self::Stalled, Self::CrashBefore, Self::CrashAfter];
}

/// Which calls a planned fault waits for.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Kind(Point),
    Server(String),
}

/// What is planned.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: Vec<(Target, Fault)>,
    always: Vec<(Target, Fault)>,
    at: Option<(u64, Fault)>,
    probability: f64,
    calls: u64,
    struck: u64,
}

impl Faults {
    /// The fate of the call that is now made; `server` says where at which, if it goes to one: the path at LINE, a
    /// shop's URL without its query.
    pub(crate) fn meet(&mut self, point: Point, server: Option<&str>, random: &mut Random) -> Option<Fault> {
        self.calls += 1;
        let fate = self.fate(point, server, random);
        self.struck += u64::from(fate.is_some());
        fate
    }

    fn fate(&mut self, point: Point, server: Option<&str>, random: &mut Random) -> Option<Fault> {
        if let Some((_, fault)) = self.at.take_if(|(number, _)| *number == self.calls) {
            return Some(fault);
        }
        let waits = |target: &Target| match target {
            Target::Kind(kind) => *kind == point,
            Target::Server(planned) => server == Some(planned.as_str()),
        };
        if let Some(place) = self.next.iter().position(|(target, _)| waits(target)) {
            return Some(self.next.remove(place).1);
        }
        if let Some((_, fault)) = self.always.iter().find(|(target, _)| waits(target)) {
            return Some(*fault);
        }
        let strikes = random.happens(self.probability);
        strikes.then(|| Fault::ALL.get(random.below(Fault::ALL.len())).copied()).flatten()
    }
}

impl World {
    /// The next `times` calls of this kind meet this fault.
    pub fn fail_next(&self, point: Point, fault: Fault, times: usize) {
        let planned = std::iter::repeat_with(|| (Target::Kind(point), fault)).take(times);
        self.faults.borrow_mut().next.extend(planned);
    }

    /// The next call to this path at LINE, or to this URL (without a query) of a shop, meets this fault.
    pub fn fail_next_call(&self, path: &str, fault: Fault) {
        self.faults.borrow_mut().next.push((Target::Server(path.to_owned()), fault));
    }

    /// From now on every call of this kind meets this fault, until the faults end: an outage.
    pub fn fail_always(&self, point: Point, fault: Fault) {
        self.faults.borrow_mut().always.push((Target::Kind(point), fault));
    }

    /// From now on every call to this path at LINE, or to this URL of a shop, meets this fault, until the faults end.
    pub fn fail_always_call(&self, path: &str, fault: Fault) {
        self.faults.borrow_mut().always.push((Target::Server(path.to_owned()), fault));
    }

    /// The `number`-th call from now, of whatever kind, meets this fault; 1 is the next one.
    pub fn fail_at(&self, number: u64, fault: Fault) {
        let mut faults = self.faults.borrow_mut();
        faults.at = Some((faults.calls + number, fault));
    }

    /// From now on each call fails with this probability, by seed.
    pub fn fail_by_seed(&self, probability: f64) {
        self.faults.borrow_mut().probability = probability;
    }

    /// How many faults have struck since the beginning.
    #[must_use]
    pub fn faults_struck(&self) -> u64 {
        self.faults.borrow().struck
    }

    /// No faults any more; says whether one that was planned has not struck.
    pub fn end_faults(&self) -> bool {
        let mut faults = self.faults.borrow_mut();
        let waiting = faults.at.is_some() || !faults.next.is_empty();
        (faults.at, faults.probability) = (None, 0.0);
        faults.next.clear();
        faults.always.clear();
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_fault_strikes_its_kind_of_call_and_a_numbered_one_any() {
        let mut random = Random::new(1);
        let mut faults = Faults::default();
        faults.next.push((Target::Kind(Point::Queue), Fault::Refused));
        faults.next.push((Target::Server("/a".to_owned()), Fault::AnswerLost));
        assert_eq!(faults.meet(Point::Database, None, &mut random), None);
        assert_eq!(faults.meet(Point::Queue, None, &mut random), Some(Fault::Refused));
        assert_eq!(faults.meet(Point::Queue, None, &mut random), None);
        assert_eq!(faults.meet(Point::Fetch, Some("/b"), &mut random), None);
        assert_eq!(faults.meet(Point::Fetch, Some("/a"), &mut random), Some(Fault::AnswerLost));
        faults.at = Some((7, Fault::CrashAfter));
        assert_eq!(faults.meet(Point::Fetch, None, &mut random), None);
        assert_eq!(faults.meet(Point::Cache, None, &mut random), Some(Fault::CrashAfter));
    }
}
