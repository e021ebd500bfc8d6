//! What LINE counts of what was sent: by day and method, and by unit, with what people made of it.
//!
//! In: every accepted call. Out: figures. People here open and tap by fixed percentages (`POST /sim/insight`): half of what they
//! will ever do on the day itself, the rest evenly over the 14 days in which LINE's figures move. Not here: the endpoints
//! (`insight.rs`).

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::ChannelId;

/// LINE's figures move for so many days after a send.
const MOVING_DAYS: i64 = 14;

/// How many of a hundred who got a message open it, and tap something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interest {
    pub(crate) opens: u64,
    pub(crate) clicks: u64,
}

impl Default for Interest {
    fn default() -> Self {
        Self { opens: 60, clicks: 10 }
    }
}

/// One message object, as far as figures go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bubble {
    /// Whether it plays.
    pub(crate) is_media: bool,
    /// Where its taps lead, each once.
    pub(crate) urls: Vec<String>,
}

impl Bubble {
    fn of(message: &Value) -> Self {
        let kind = message.get("type").and_then(Value::as_str);
        let mut urls = Vec::new();
        collect_urls(message, &mut urls);
        Self { is_media: matches!(kind, Some("video" | "audio")), urls }
    }
}

fn collect_urls(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_urls(item, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| matches!(name.as_str(), "uri" | "linkUri")) {
                    Some(url) if !found.iter().any(|known| known == url) => found.push(url.to_owned()),
                    Some(_) => {}
                    None => collect_urls(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Equal messages of one day.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// Days since 1970-01-01 in Japan.
    pub(crate) day: i64,
    pub(crate) reached: u64,
    pub(crate) bubbles: Vec<Bubble>,
}

impl Sent {
    /// Who opened it and who tapped something, until a day.
    pub(crate) fn seen(&self, interest: Interest, today: i64) -> (u64, u64) {
        let age = u64::try_from((today - self.day).clamp(0, MOVING_DAYS)).unwrap_or_default();
        let half = MOVING_DAYS.unsigned_abs();
        let share = |percent: u64| self.reached * percent * (half + age) / (half * 200);
        (share(interest.opens), share(interest.clicks))
    }
}

/// All channels' figures.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Statistics {
    days: HashMap<ChannelId, BTreeMap<String, BTreeMap<i64, u64>>>,
    units: HashMap<ChannelId, BTreeMap<String, Vec<Sent>>>,
    pub(crate) interest: Interest,
}

impl Statistics {
    /// Forgets what was sent; how interested people are stays.
    pub(crate) fn clear(&mut self) {
        self.days.clear();
        self.units.clear();
    }

    /// Counts an accepted call.
    pub(crate) fn sent(
        &mut self,
        channel: &ChannelId,
        method: &str,
        unit: Option<String>,
        day: i64,
        reached: usize,
        messages: &[Value],
    ) {
        let reached = reached as u64;
        let days = self.days.entry(channel.clone()).or_default().entry(method.to_owned()).or_default();
        *days.entry(day).or_default() += reached;
        let Some(unit) = unit else { return };
        let bubbles: Vec<Bubble> = messages.iter().map(Bubble::of).collect();
        let sent = self.units.entry(channel.clone()).or_default().entry(unit).or_default();
        match sent.iter_mut().find(|sent| sent.day == day && sent.bubbles == bubbles) {
            Some(same) => same.reached += reached,
            None => sent.push(Sent { day, reached, bubbles }),
        }
    }

    /// How many were reached by a method on a day.
    pub(crate) fn on(&self, channel: &ChannelId, method: &str, day: i64) -> u64 {
        let days = self.days.get(channel).and_then(|methods| methods.get(method));
        days.and_then(|days| days.get(&day)).copied().unwrap_or_default()
    }

    /// What was sent under a unit in a span of days.
    pub(crate) fn under<'a>(
        &'a self,
        channel: &ChannelId,
        unit: &str,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = &'a Sent> {
        let sent = self.units.get(channel).and_then(|units| units.get(unit));
        sent.into_iter().flatten().filter(move |sent| (from..=to).contains(&sent.day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_seen_on_the_day_itself_and_all_after_a_fortnight() {
        let sent = Sent { day: 100, reached: 1_000, bubbles: Vec::new() };
        let seen = |today| sent.seen(Interest::default(), today);
        assert_eq!(
            [seen(100), seen(107), seen(114), seen(400)],
            [(300, 50), (450, 75), (600, 100), (600, 100)]
        );
    }
}
