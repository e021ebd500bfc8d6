//! One call to the world: it gives way before and after it happens, and meets its fate on the way.

use enishi::platform::PlatformError;

use crate::{
    World,
    fault::{Fault, Point, STALL},
};

/// Where a call to another server goes, and how long its answer is waited for, in milliseconds.
pub(crate) struct Outward<'a> {
    pub(crate) target: &'a str,
    pub(crate) deadline: i64,
}

impl World {
    /// One call to D1, KV or a queue.
    pub(crate) async fn call<T>(
        &self,
        point: Point,
        act: impl FnOnce() -> Result<T, PlatformError>,
    ) -> Result<T, PlatformError> {
        self.meet(point, None, act).await
    }

    /// One call to another server.
    pub(crate) async fn call_out<T>(
        &self,
        to: Outward<'_>,
        act: impl FnOnce() -> Result<T, PlatformError>,
    ) -> Result<T, PlatformError> {
        self.meet(Point::Fetch, Some(to), act).await
    }

    async fn meet<T>(
        &self,
        point: Point,
        to: Option<Outward<'_>>,
        act: impl FnOnce() -> Result<T, PlatformError>,
    ) -> Result<T, PlatformError> {
        self.clock.live().await;
        let target = to.as_ref().map(|to| to.target);
        let fate = self.faults.borrow_mut().meet(point, target, &mut self.random.borrow_mut());
        self.clock.give_way().await;
        self.clock.live().await;
        match fate {
            Some(Fault::Refused) => return Err(point.error(Fault::Refused)),
            Some(Fault::CrashBefore) => self.clock.crash().await,
            Some(Fault::Stalled) => {
                let patience = to.as_ref().map_or(STALL, |to| to.deadline);
                self.clock.sleep_until(self.now() + patience).await;
            }
            _ => {}
        }
        let done = act();
        if fate == Some(Fault::CrashAfter) {
            self.clock.crash().await;
        }
        self.clock.give_way().await;
        match fate {
            Some(Fault::AnswerLost) => Err(point.error(Fault::AnswerLost)),
            Some(Fault::Stalled) if to.is_some() => Err(point.error(Fault::Stalled)),
            _ => done,
        }
    }
}
