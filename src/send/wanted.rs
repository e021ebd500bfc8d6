//! What `POST /v1/sends` asks for, checked field by field; an error names the field.

use std::collections::BTreeSet;

use serde_json::Value;

use super::audience::{Audience, MAX_MEMBERS};
use crate::{
    config::{Account, FrequencyCap, QuietHours, RECEIPTS_KEPT},
    id::MemberId,
    rule::Rule,
    time::{DAY, HOUR, UnixMillis},
    web::{ApiError, Fields, Request},
};

/// The longest name, in characters.
const MAX_NAME: usize = 200;

/// How far ahead a send may be scheduled, in milliseconds.
const MAX_AHEAD: i64 = 366 * DAY;

/// A send that is to be made.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) audience: Audience,
    pub(super) messages: Value,
    pub(super) state: &'static str,
    pub(super) scheduled_at: Option<UnixMillis>,
    /// JSON of its own quiet hours, or `null` for none; none is the account's.
    pub(super) quiet: Option<String>,
    /// Likewise of its own frequency cap, which is `cap`.
    pub(super) capped: Option<String>,
    pub(super) cap: Option<FrequencyCap>,
    pub(super) recent_within: Option<i64>,
    pub(super) budget: Option<i64>,
    pub(super) with_each: String,
    pub(super) unit: Option<String>,
}

impl Wanted {
    pub(super) fn read(account: &Account, request: &Request, now: UnixMillis) -> Result<Self, ApiError> {
        let mut fields = Fields::of(request)?;
        let name: String = fields.said("name")?.unwrap_or_default();
        if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(ApiError::invalid_request("name has at most 200 characters, none of them controls"));
        }
        let audience = audience(&mut fields)?;
        let messages = fields.need_said("messages")?;
        let draft = fields.said("draft")?.unwrap_or(false);
        let scheduled_at = schedule(&mut fields, now)?;
        let state = match scheduled_at {
            _ if draft => "draft",
            Some(at) if at > now => "scheduled",
            _ => "expanding",
        };
        let own_quiet: Option<Option<QuietHours>> = fields.said("quiet_hours")?;
        let own_cap: Option<Option<FrequencyCap>> = fields.said("frequency_cap")?;
        let quiet_check = own_quiet.iter().flatten().try_for_each(QuietHours::check);
        let cap_check = own_cap.iter().flatten().try_for_each(FrequencyCap::check);
        quiet_check.and(cap_check).map_err(ApiError::invalid_request)?;
        let recent_within = hours(fields.said("exclude_received_within_hours")?)?;
        let budget = budget(&mut fields, account)?;
        let unit: Option<String> = fields.said("custom_aggregation_unit")?;
        let silent: bool = fields.said("notification_disabled")?.unwrap_or(false);
        fields.end()?;
        Ok(Self {
            name,
            audience,
            messages,
            state,
            scheduled_at,
            quiet: own_quiet.map(|quiet| serde_json::to_string(&quiet).unwrap_or_default()),
            capped: own_cap.map(|cap| serde_json::to_string(&cap).unwrap_or_default()),
            cap: own_cap.flatten(),
            recent_within,
            budget,
            with_each: with_each(unit.as_deref(), silent)?,
            unit,
        })
    }
}

fn audience(fields: &mut Fields) -> Result<Audience, ApiError> {
    let rule: Option<Value> = fields.said("rule")?;
    let segment: Option<String> = fields.said("segment")?;
    let members: Option<Vec<String>> = fields.said("members")?;
    match (rule, segment, members) {
        (Some(rule), None, None) => {
            Rule::parse(rule.clone())?;
            Ok(Audience::Rule(rule))
        }
        (None, Some(segment), None) => Ok(Audience::Segment(segment)),
        (None, None, Some(members)) => {
            if !(1..=MAX_MEMBERS).contains(&members.len()) {
                return Err(ApiError::invalid_request("members names 1 to 10,000 members"));
            }
            let parse = |(place, id): (usize, &String)| {
                MemberId::parse(id)
                    .map_err(|error| ApiError::invalid_request(format!("members[{place}]: {error}")))
            };
            // Each once: an erasure takes one out.
            let members: BTreeSet<MemberId> =
                members.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
            Ok(Audience::Members(members.into_iter().collect()))
        }
        _ => Err(ApiError::invalid_request("a send has one of rule, segment and members")),
    }
}

fn schedule(fields: &mut Fields, now: UnixMillis) -> Result<Option<UnixMillis>, ApiError> {
    let Some(text) = fields.said::<String>("schedule")? else { return Ok(None) };
    let at = UnixMillis::parse_rfc3339(&text).ok_or_else(|| {
        ApiError::invalid_request("schedule is a time in RFC 3339, such as 2026-12-01T10:00:00+09:00")
    })?;
    if at - now > MAX_AHEAD {
        return Err(ApiError::invalid_request("schedule lies at most a year ahead"));
    }
    Ok(Some(at))
}

fn hours(hours: Option<i64>) -> Result<Option<i64>, ApiError> {
    match hours {
        Some(hours) if !(1..=24 * RECEIPTS_KEPT).contains(&hours) => {
            Err(ApiError::invalid_request("exclude_received_within_hours is a number from 1 to 2,160"))
        }
        hours => Ok(hours.map(|hours| hours * HOUR)),
    }
}

/// `{"messages": 1000}`, or `{"yen": 3000}` where a message has a price.
fn budget(fields: &mut Fields, account: &Account) -> Result<Option<i64>, ApiError> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    enum Budget {
        Messages(i64),
        Yen(f64),
    }
    let budget = match fields.said::<Option<Budget>>("budget")?.flatten() {
        None => return Ok(None),
        Some(Budget::Messages(messages)) => Some(messages),
        Some(Budget::Yen(yen)) => Some(account.sending.messages_for(yen).ok_or_else(|| {
            ApiError::invalid_request("budget in yen needs price_per_message in /v1/send-settings")
        })?),
    };
    match budget {
        Some(messages) if !(1..=1_000_000_000).contains(&messages) => {
            Err(ApiError::invalid_request("budget pays for 1 to 1,000,000,000 messages"))
        }
        budget => Ok(budget),
    }
}

/// What follows the messages in the body of each call.
pub(super) fn with_each(unit: Option<&str>, silent: bool) -> Result<String, ApiError> {
    let mut with_each = String::new();
    if let Some(unit) = unit {
        let fits = (1..=30).contains(&unit.len())
            && unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !fits {
            return Err(ApiError::invalid_request("custom_aggregation_unit is 1 to 30 of A-Z a-z 0-9 _"));
        }
        with_each = format!(",\"customAggregationUnits\":[\"{unit}\"]");
    }
    if silent {
        with_each.push_str(",\"notificationDisabled\":true");
    }
    Ok(with_each)
}
