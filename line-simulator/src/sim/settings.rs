//! The script API about the platform: faults, calls, channels, webhooks, rich-menu areas.
//!
//! In: JSON bodies. Out: JSON values. Not here: people (`api.rs`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Scripted, Wrong};
use crate::Simulator;
use crate::config::Config;
use crate::fault::Fault;
use crate::messaging::{Area, Interest};
use crate::request::Request;

#[derive(Deserialize)]
struct RichMenu {
    #[serde(default)]
    channel_id: Option<String>,
    areas: Vec<Area>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quota {
    channel_id: Option<String>,
    quota: Option<u64>,
    used: Option<u64>,
}

impl Simulator {
    /// `quota` null or absent is no limit; `used` counts what else was sent this month.
    pub(super) fn script_quota(&mut self, request: &Request) -> Scripted {
        let Quota { channel_id, quota, used } = serde_json::from_value(request.json()?)?;
        let channel = self.account(channel_id.as_deref())?;
        self.set_quota(self.now, &channel, quota, used);
        Ok(json!({}))
    }

    /// How many of a hundred open what they get, and tap something in it.
    pub(super) fn set_interest(&mut self, request: &Request) -> Scripted {
        let interest: Interest = serde_json::from_value(request.json()?)?;
        if interest.opens > 100 || interest.clicks > interest.opens {
            return Err(Wrong::bad("opens is at most 100, and clicks at most opens"));
        }
        self.memory.bots.statistics.interest = interest;
        Ok(json!({}))
    }

    /// The most calls that came within any span of an endpoint's limit.
    pub(super) fn list_rates(&self) -> Value {
        let rates = self.buckets.busiest();
        let rates = rates.map(|(channel, endpoint, calls)| json!({ "channelId": channel, "endpoint": endpoint, "calls": calls }));
        json!({ "busiest": rates.collect::<Vec<_>>() })
    }

    /// One fault, or `{"clear": true}` for none.
    pub(super) fn set_faults(&mut self, request: &Request) -> Scripted {
        let body = request.json()?;
        if body.get("clear") == Some(&Value::Bool(true)) {
            self.faults.clear();
        } else {
            let fault: Fault = serde_json::from_value(body)?;
            self.faults.add(fault);
        }
        Ok(json!({}))
    }

    pub(super) fn list_calls(&self) -> Value {
        json!({
            "calls": self.record.calls,
            "violations": self.record.violations,
            "dropped": self.record.dropped,
        })
    }

    pub(super) fn set_channels(&mut self, request: &Request) -> Scripted {
        let config: Config = serde_json::from_value(request.json()?)?;
        self.memory.config.upsert(config);
        Ok(json!({}))
    }

    pub(super) fn list_webhooks(&self) -> Value {
        json!({
            "behaviour": self.webhooks.behaviour,
            "deliveries": self.webhooks.results().collect::<Vec<_>>(),
        })
    }

    /// Members left out keep their value.
    pub(super) fn set_webhooks(&mut self, request: &Request) -> Scripted {
        let body = request.json()?;
        let mut behaviour = self.webhooks.behaviour;
        for (name, flag) in [
            ("redelivery", &mut behaviour.redelivery),
            ("duplicate", &mut behaviour.duplicate),
            ("shuffle", &mut behaviour.shuffle),
        ] {
            match body.get(name) {
                None => {}
                Some(Value::Bool(value)) => *flag = *value,
                Some(_) => return Err(Wrong::bad(format!("{name} is true or false"))),
            }
        }
        self.webhooks.behaviour = behaviour;
        Ok(serde_json::to_value(behaviour)?)
    }

    pub(super) fn set_rich_menu(&mut self, request: &Request) -> Scripted {
        let menu: RichMenu = serde_json::from_value(request.json()?)?;
        let channel = self.account(menu.channel_id.as_deref())?;
        self.memory.bots.rich_menus.insert(channel, menu.areas);
        Ok(json!({}))
    }
}
