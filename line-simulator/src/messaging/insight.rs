//! What an account may ask about what it sent: counts by day, unit names of the month, figures by unit.
//!
//! In: a channel and a query. Out: JSON, or LINE's refusal. Figures below 20 are null, as at LINE. Not here: how the figures
//! come about (`statistics.rs`), and the other endpoints of insight.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Simulator;
use crate::id::ChannelId;
use crate::messaging::Answered;
use crate::messaging::refusal::Refusal;
use crate::messaging::send::is_unit;
use crate::people::Friendship;
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::time::{japanese_day, parse_date};

/// Before this day LINE has no counts: 2018-03-31.
const FIRST_COUNT: &str = "20180331";
/// A span of figures is 31 days at most.
const MOST_DAYS: i64 = 30;
/// Smaller figures are kept back.
const SHOWN_FROM: u64 = 20;

impl Simulator {
    pub(super) fn unit_info(&mut self, channel: &ChannelId) -> Reply {
        let units = self.memory.bots.usage(channel, self.now).units.len();
        reply::ok(&json!({ "numOfCustomAggregationUnits": units }))
    }

    /// The month's unit names; `start` is the opaque place to go on from.
    pub(super) fn unit_list(&mut self, request: &Request, channel: &ChannelId) -> Answered {
        let limit = match request.query.get("limit").map(str::parse::<usize>) {
            None => 100,
            Some(Ok(limit @ 1..=100)) => limit,
            Some(_) => return Err(Refusal::bad("The value for the 'limit' parameter is invalid")),
        };
        let units = &self.memory.bots.usage(channel, self.now).units;
        let start = match request.query.get("start") {
            None => 0,
            Some(start) => start
                .strip_prefix("unit")
                .and_then(|place| place.parse().ok())
                .filter(|place| *place < units.len())
                .ok_or_else(|| Refusal::bad("Invalid start param"))?,
        };
        let page: Vec<&String> = units.iter().skip(start).take(limit).collect();
        let mut body = Map::new();
        body.insert("customAggregationUnits".into(), json!(page));
        if start + limit < units.len() {
            body.insert("next".into(), format!("unit{}", start + limit).into());
        }
        Ok(reply::ok(&Value::Object(body)))
    }

    /// Messages by a method on a day: ready the day after.
    pub(super) fn delivery_count(&self, request: &Request, channel: &ChannelId, method: &str) -> Answered {
        let day = date(request, "date")?;
        let body = if Some(day) < parse_date(FIRST_COUNT) {
            json!({ "status": "out_of_service" })
        } else if day >= japanese_day(self.now) {
            json!({ "status": "unready" })
        } else {
            json!({ "status": "ready", "success": self.memory.bots.statistics.on(channel, method, day) })
        };
        Ok(reply::ok(&body))
    }

    /// Friends by a day that is over; those of now, because what was is not remembered.
    pub(super) fn follower_insight(&self, request: &Request, channel: &ChannelId) -> Answered {
        if date(request, "date")? >= japanese_day(self.now) {
            return Ok(reply::ok(&json!({ "status": "unready" })));
        }
        let count =
            |state: Friendship| self.users().iter().filter(|user| user.friendship(channel) == state).count();
        let (friends, blocks) = (count(Friendship::Friend), count(Friendship::Blocked));
        Ok(reply::ok(&json!({
            "status": "ready", "followers": friends + blocks, "targetedReaches": friends, "blocks": blocks,
        })))
    }

    pub(super) fn unit_insight(&self, request: &Request, channel: &ChannelId) -> Answered {
        let unit = request.query.get("customAggregationUnit").filter(|unit| is_unit(unit));
        let unit = unit.ok_or_else(|| refused("customAggregationUnit"))?;
        let (from, to) = (date(request, "from")?, date(request, "to")?);
        if !(from..=from + MOST_DAYS).contains(&to) {
            return Err(refused("to"));
        }
        let statistics = &self.memory.bots.statistics;
        let mut figures = Figures::default();
        for sent in statistics.under(channel, unit, from, to) {
            let (opened, tapped) = sent.seen(statistics.interest, japanese_day(self.now));
            figures.add(&sent.bubbles, opened, tapped);
        }
        Ok(reply::ok(&figures.json()))
    }
}

fn refused(parameter: &str) -> Refusal {
    Refusal::bad(format!("The value for the '{parameter}' parameter is invalid"))
}

fn date(request: &Request, name: &str) -> Result<i64, Refusal> {
    request.query.get(name).and_then(parse_date).ok_or_else(|| refused(name))
}

/// The figures of a unit; those of other contents mix by the place of the bubble.
#[derive(Default)]
struct Figures {
    opened: u64,
    tapped: u64,
    played: u64,
    bubbles: BTreeMap<usize, (u64, u64)>,
    taps: BTreeMap<(usize, String), u64>,
}

impl Figures {
    fn add(&mut self, bubbles: &[super::statistics::Bubble], opened: u64, tapped: u64) {
        self.opened += opened;
        let urls: usize = bubbles.iter().map(|bubble| bubble.urls.len()).sum();
        self.tapped += if urls == 0 { 0 } else { tapped };
        self.played += if bubbles.iter().any(|bubble| bubble.is_media) { opened / 2 } else { 0 };
        for (place, bubble) in bubbles.iter().enumerate() {
            let (seen, played) = self.bubbles.entry(place + 1).or_default();
            *seen += opened;
            *played += if bubble.is_media { opened / 2 } else { 0 };
            for url in &bubble.urls {
                *self.taps.entry((place + 1, url.clone())).or_default() += tapped / urls as u64;
            }
        }
    }

    fn json(&self) -> Value {
        let shown = |figure: u64| if figure < SHOWN_FROM { Value::Null } else { figure.into() };
        let messages: Vec<Value> = self
            .bubbles
            .iter()
            .map(|(seq, (seen, played))| {
                json!({
                    "seq": seq,
                    "impression": shown(seen + seen / 5), "uniqueImpression": shown(*seen),
                    "mediaPlayed": shown(*played), "uniqueMediaPlayed": shown(*played),
                    "mediaPlayed25Percent": shown(played / 2), "mediaPlayed50Percent": shown(played / 3),
                    "mediaPlayed75Percent": shown(played / 4), "mediaPlayed100Percent": shown(played / 5),
                    "uniqueMediaPlayed25Percent": shown(played / 2), "uniqueMediaPlayed50Percent": shown(played / 3),
                    "uniqueMediaPlayed75Percent": shown(played / 4), "uniqueMediaPlayed100Percent": shown(played / 5),
                })
            })
            .collect();
        let clicks: Vec<Value> = self
            .taps
            .iter()
            .map(|((seq, url), taps)| {
                json!({ "seq": seq, "url": url, "click": shown(taps + taps / 10), "uniqueClick": shown(*taps), "uniqueClickOfRequest": shown(*taps) })
            })
            .collect();
        json!({
            "overview": {
                "uniqueImpression": shown(self.opened), "uniqueClick": shown(self.tapped),
                "uniqueMediaPlayed": shown(self.played), "uniqueMediaPlayed100Percent": shown(self.played / 5),
            },
            "messages": messages,
            "clicks": clicks,
        })
    }
}
