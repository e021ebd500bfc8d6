//! LINE's rate limits: one token bucket per channel and endpoint.
//!
//! In: a limit and the time of a call. Out: whether it passes, and whether the caller hammers. Not here: which
//! endpoint has which limit (`messaging/route.rs`). LINE documents the bucket but not its size: a second's, a
//! minute's or an hour's worth is inferred.

use std::collections::{HashMap, VecDeque};

use crate::id::{ChannelId, UserId};

/// So many calls in so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    calls: u32,
    window: u32,
}

impl Limit {
    pub(crate) const fn per_second(calls: u32) -> Self {
        Self { calls, window: 1_000 }
    }

    pub(crate) const fn per_minute(calls: u32) -> Self {
        Self { calls, window: 60_000 }
    }

    pub(crate) const fn per_hour(calls: u32) -> Self {
        Self { calls, window: 3_600_000 }
    }
}

/// What the bucket says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// 429; LINE tolerates it.
    Refused,
    /// 429, and the caller sent more than 1.5 times the limit within one window.
    Hammering,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: i64,
    window_began: i64,
    calls_in_window: u32,
    /// When the calls of the last window came.
    lately: VecDeque<i64>,
    busiest: usize,
}

/// The buckets of all channels.
#[derive(Debug, Default)]
pub(crate) struct Buckets(HashMap<(ChannelId, &'static str), Bucket>);

impl Buckets {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The most calls that came in any window of each endpoint's limit, refused ones too.
    pub(crate) fn busiest(&self) -> impl Iterator<Item = (&ChannelId, &'static str, usize)> {
        self.0.iter().map(|((channel, endpoint), bucket)| (channel, *endpoint, bucket.busiest))
    }

    /// Counts a call to `endpoint`.
    pub(crate) fn take(
        &mut self,
        channel: &ChannelId,
        endpoint: &'static str,
        limit: Limit,
        now: i64,
    ) -> Verdict {
        let bucket = self.0.entry((channel.clone(), endpoint)).or_insert_with(|| Bucket {
            tokens: f64::from(limit.calls),
            filled_at: now,
            window_began: now,
            calls_in_window: 0,
            lately: VecDeque::new(),
            busiest: 0,
        });
        bucket.refill(limit, now);
        bucket.count(limit, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Verdict::Pass;
        }
        if bucket.calls_in_window > limit.calls + limit.calls / 2 {
            Verdict::Hammering
        } else {
            Verdict::Refused
        }
    }
}

impl Bucket {
    fn refill(&mut self, limit: Limit, now: i64) {
        let passed = u32::try_from((now - self.filled_at).max(0)).unwrap_or(u32::MAX);
        let gained = f64::from(passed) * f64::from(limit.calls) / f64::from(limit.window);
        self.tokens = (self.tokens + gained).min(f64::from(limit.calls));
        self.filled_at = now.max(self.filled_at);
    }

    fn count(&mut self, limit: Limit, now: i64) {
        if now - self.window_began >= i64::from(limit.window) {
            self.window_began = now;
            self.calls_in_window = 0;
        }
        self.calls_in_window += 1;
        self.lately.push_back(now);
        while self.lately.front().is_some_and(|came| now - came >= i64::from(limit.window)) {
            self.lately.pop_front();
        }
        self.busiest = self.busiest.max(self.lately.len());
    }
}

/// Pushes to one user within [`FLOOD_MS`]; the next is refused. LINE's figure is not documented.
const FLOOD_CALLS: usize = 100;
const FLOOD_MS: i64 = 60_000;
/// From so many users on, those who got nothing lately are forgotten.
const FLOODS_SWEPT_AT: usize = 100_000;

/// Pushes that one user got lately.
#[derive(Debug, Default)]
pub(crate) struct Floods(HashMap<(ChannelId, UserId), VecDeque<i64>>);

impl Floods {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a push, unless it is one too many.
    pub(crate) fn floods(&mut self, channel: &ChannelId, user: Option<&UserId>, now: i64) -> bool {
        let Some(user) = user else { return false };
        if self.0.len() >= FLOODS_SWEPT_AT {
            self.0.retain(|_, pushes| pushes.back().is_some_and(|last| now - last < FLOOD_MS));
        }
        let pushes = self.0.entry((channel.clone(), user.clone())).or_default();
        pushes.retain(|push| now - push < FLOOD_MS);
        let floods = pushes.len() >= FLOOD_CALLS;
        if !floods {
            pushes.push_back(now);
        }
        floods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(buckets: &mut Buckets, times: u32, now: i64) -> Vec<Verdict> {
        let channel = ChannelId::from("1");
        (0..times).map(|_| buckets.take(&channel, "multicast", Limit::per_second(200), now)).collect()
    }

    #[test]
    fn the_call_above_the_limit_is_refused_and_a_millisecond_later_still() {
        let mut buckets = Buckets::default();
        assert!(spend(&mut buckets, 200, 0).iter().all(|verdict| *verdict == Verdict::Pass));
        assert_eq!(spend(&mut buckets, 1, 0), [Verdict::Refused]);
        assert_eq!(spend(&mut buckets, 1, 5), [Verdict::Pass]);
        assert_eq!(spend(&mut buckets, 1, 5), [Verdict::Refused]);
    }

    #[test]
    fn only_going_on_at_half_as_much_again_is_hammering() {
        let mut buckets = Buckets::default();
        let verdicts = spend(&mut buckets, 301, 0);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Refused).count(), 100);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Hammering).count(), 1);
    }

    #[test]
    fn the_busiest_second_slides() {
        let mut buckets = Buckets::default();
        spend(&mut buckets, 100, 0);
        spend(&mut buckets, 150, 900);
        spend(&mut buckets, 60, 1_000);
        let busiest: Vec<_> = buckets.busiest().map(|(_, endpoint, calls)| (endpoint, calls)).collect();
        assert_eq!(busiest, [("multicast", 250)]);
    }

    #[test]
    fn an_hourly_limit_may_be_spent_at_once() {
        let mut buckets = Buckets::default();
        let channel = ChannelId::from("1");
        let mut take = |now| buckets.take(&channel, "broadcast", Limit::per_hour(60), now);
        assert!((0..60).all(|_| take(0) == Verdict::Pass));
        assert_eq!(take(59_000), Verdict::Refused);
        assert_eq!(take(61_000), Verdict::Pass);
    }
}
