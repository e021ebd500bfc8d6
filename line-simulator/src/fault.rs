//! Faults on demand: what the network and LINE's machines do to a caller now and then.
//!
//! In: `POST /sim/faults` or [`crate::Simulator::add_fault`]. Out: for each call, the fault it meets. Not here: how
//! a server holds or closes a connection; that is its own affair.

use serde::{Deserialize, Serialize};

/// A fault for the next calls to a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The path, exactly; a `*` at its end matches any rest.
    pub path: String,
    /// How many calls meet it.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens.
    pub kind: FaultKind,
    /// The status of [`FaultKind::Status`]; 500 if left out.
    #[serde(default)]
    pub status: Option<u16>,
    /// The delay of [`FaultKind::Latency`] in milliseconds; 1,000 if left out.
    #[serde(default)]
    pub ms: Option<u64>,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Answered with a status; nothing was done.
    Status,
    /// Done, and answered late.
    Latency,
    /// Done, and never answered.
    AcceptThenTimeout,
    /// The connection closes; nothing was done.
    Drop,
}

impl FaultKind {
    /// The kind as the script API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Latency => "latency",
            Self::AcceptThenTimeout => "accept_then_timeout",
            Self::Drop => "drop",
        }
    }
}

fn once() -> u32 {
    1
}

/// The faults still to come, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that a call to `path` meets; it counts as used.
    pub(crate) fn meet(&mut self, path: &str) -> Option<Fault> {
        let fault = self.0.iter_mut().find(|fault| fault.times > 0 && matches(&fault.path, path))?;
        fault.times -= 1;
        let met = fault.clone();
        self.0.retain(|fault| fault.times > 0);
        Some(met)
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_as_many_calls_as_it_says() {
        let mut faults = Faults::default();
        let path = "/v2/bot/message/*".to_owned();
        faults.add(Fault { path, times: 2, kind: FaultKind::Drop, status: None, ms: None });
        assert!(faults.meet("/oauth2/v2.1/token").is_none());
        assert!(faults.meet("/v2/bot/message/push").is_some());
        assert!(faults.meet("/v2/bot/message/multicast").is_some());
        assert!(faults.meet("/v2/bot/message/push").is_none());
    }
}
