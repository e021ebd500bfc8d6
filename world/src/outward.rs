//! Calls to other servers: LINE, and the shop's. Each meets its fate on the way, and its answer comes before the
//! deadline or not at all.
//!
//! In: a call of the product's. Out: its answer, as much of it as the product reads. Not here: what LINE (`line.rs`)
//! and the shop (`shop.rs`) do with it. Any other host is a breach.

use enishi::{
    platform::PlatformError,
    web::{ANSWER_HEADERS, Answer, Call},
};
use http::HeaderMap;
use line_simulator::{Answer as Served, TestOutcome};

use crate::{World, call::Outward, line::path_at_line};

impl World {
    /// One call to another server. What comes later than the deadline does not come.
    pub(crate) async fn call_server(&self, call: Call) -> Result<Answer, PlatformError> {
        let sent_at = self.now();
        let deadline = sent_at + call.deadline;
        let target = target(&call.url).to_owned();
        let status_only = call.status_only;
        let to = Outward { target: &target, deadline: call.deadline };
        let test = self.carry_webhook_test(&call).await;
        match self.call_out(to, || self.hand_over(call, test)).await? {
            Served::Reply(_) if self.now() > deadline => Err(no_answer("too late")),
            Served::Reply(reply) => Ok(self.read_answer(reply, status_only)),
            Served::Delayed { reply, ms } => {
                let at = sent_at + i64::try_from(ms).unwrap_or(i64::MAX);
                self.clock.sleep_until(at.min(deadline)).await;
                if at < deadline {
                    Ok(self.read_answer(reply, status_only))
                } else {
                    Err(no_answer("too late"))
                }
            }
            Served::TimedOut => {
                self.clock.sleep_until(deadline).await;
                Err(no_answer("timed out"))
            }
            Served::Dropped => Err(no_answer("dropped")),
        }
    }

    fn hand_over(&self, call: Call, test: Option<TestOutcome>) -> Result<Served, PlatformError> {
        if path_at_line(&call.url).is_some() {
            return self.hand_to_line(call, test);
        }
        self.hand_to_shop(call).ok_or_else(|| no_answer("no such server"))
    }

    fn read_answer(&self, reply: http::Response<Vec<u8>>, status_only: bool) -> Answer {
        let (parts, body) = reply.into_parts();
        self.overhear_json(&body);
        let body = if status_only { Vec::new() } else { body };
        let mut answer = Answer { status: parts.status, headers: HeaderMap::new(), body };
        for name in ANSWER_HEADERS {
            if let Some(value) = parts.headers.get(&name) {
                answer.headers.insert(name, value.clone());
            }
        }
        answer
    }
}

/// What a planned fault names a call by: the path at LINE, the URL without its query elsewhere.
fn target(url: &str) -> &str {
    path_at_line(url).unwrap_or_else(|| url.split('?').next().unwrap_or_default())
}

pub(crate) fn no_answer(why: &str) -> PlatformError {
    PlatformError::NoAnswer(why.to_owned())
}
