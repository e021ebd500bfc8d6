//! Who a narrowcast is for: recipient objects over audiences and earlier narrowcasts, and demographic filters.
//!
//! In: the objects of a request. Out: LINE's refusal, or whether a user is meant. What LINE estimates of people follows here from
//! the digits of their user id; one in ten is unknown, and drops out of a filter. Not here: thresholds and quota.

use serde_json::Value;

use crate::Simulator;
use crate::id::{ChannelId, UserId};
use crate::messaging::refusal::{Problem, Refusal};
use crate::people::User;

/// Audience and redelivery objects of a request, and filter objects.
const MOST_OBJECTS: usize = 10;

const AGES: [&str; 12] = [
    "age_15", "age_20", "age_25", "age_30", "age_35", "age_40", "age_45", "age_50", "age_55", "age_60",
    "age_65", "age_70",
];
const PERIODS: [&str; 5] = ["day_7", "day_30", "day_90", "day_180", "day_365"];

/// Two hexadecimal digits of a user id.
pub(super) fn byte(user: &UserId, place: usize) -> u64 {
    let digits = user.as_str().get(1 + 2 * place..3 + 2 * place);
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

fn wrong(property: &str, message: impl Into<String>) -> Refusal {
    Refusal::problems(vec![Problem { property: property.to_owned(), message: message.into() }])
}

/// The one of `and`, `or` and `not` that an operator has.
fn operator<'a>(node: &'a Value, at: &str) -> Result<(&'static str, Vec<&'a Value>), Refusal> {
    let mut found = ["and", "or", "not"].into_iter().filter_map(|name| Some((name, node.get(name)?)));
    let one = found.next().filter(|_| found.next().is_none());
    let (name, value) = one.ok_or_else(|| wrong(at, "must have exactly one of and, or, not"))?;
    let parts: Vec<&Value> = match (name, value) {
        ("not", value @ Value::Object(_)) => vec![value],
        ("not", _) => Vec::new(),
        (_, value) => value.as_array().into_iter().flatten().collect(),
    };
    if parts.is_empty() { Err(wrong(&format!("{at}.{name}"), "may not be empty")) } else { Ok((name, parts)) }
}

fn decided(name: &str, parts: &[&Value], is_meant: &dyn Fn(&Value) -> bool) -> bool {
    match name {
        "and" => parts.iter().all(|part| is_meant(part)),
        "or" => parts.iter().any(|part| is_meant(part)),
        _ => !parts.iter().any(|part| is_meant(part)),
    }
}

impl Simulator {
    /// Refuses recipients that LINE refuses; lists the audiences that are meant.
    pub(super) fn check_recipient(
        &self,
        node: &Value,
        channel: &ChannelId,
        audiences: &mut Vec<u64>,
        objects: &mut usize,
    ) -> Result<(), Refusal> {
        match node.get("type").and_then(Value::as_str) {
            Some("operator") => {
                let (_, parts) = operator(node, "recipient")?;
                return parts
                    .iter()
                    .try_for_each(|part| self.check_recipient(part, channel, audiences, objects));
            }
            Some("audience") => {
                let id = node.get("audienceGroupId").and_then(Value::as_u64).unwrap_or_default();
                let audience = self.memory.bots.audiences.of(channel, id);
                if audience.is_none_or(|audience| audience.status(self.now) != "READY") {
                    return Err(Refusal::bad(format!("Invalid audience group id: {id}")));
                }
                audiences.push(id);
            }
            Some("redelivery") => {
                let id = node.get("requestId").and_then(Value::as_str).unwrap_or_default();
                if !self.is_redeliverable(channel, id) {
                    return Err(Refusal::bad(format!("Invalid request id: {id}")));
                }
            }
            _ => return Err(wrong("recipient.type", "must be one of audience, redelivery, operator")),
        }
        *objects += 1;
        if *objects > MOST_OBJECTS { Err(wrong("recipient", "has more than 10 objects")) } else { Ok(()) }
    }

    /// Whether a user is among the recipients.
    pub(super) fn is_recipient(&self, node: &Value, channel: &ChannelId, user: &User) -> bool {
        match node.get("type").and_then(Value::as_str) {
            Some("operator") => operator(node, "").is_ok_and(|(name, parts)| {
                decided(name, &parts, &|part| self.is_recipient(part, channel, user))
            }),
            Some("audience") => {
                let id = node.get("audienceGroupId").and_then(Value::as_u64).unwrap_or_default();
                let audience = self.memory.bots.audiences.of(channel, id);
                audience.is_some_and(|audience| audience.has(&user.id, self.now))
            }
            _ => {
                let id = node.get("requestId").and_then(Value::as_str).unwrap_or_default();
                user.chat.iter().any(|message| *message.request_id == *id)
            }
        }
    }
}

/// Refuses filters that LINE refuses.
pub(super) fn check_filter(node: &Value, objects: &mut usize) -> Result<(), Refusal> {
    let at = "filter.demographic";
    let kind = node.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "operator" => return operator(node, at)?.1.iter().try_for_each(|part| check_filter(part, objects)),
        "gender" => one_of(node, &|value| matches!(value, "male" | "female"))?,
        "appType" => one_of(node, &|value| matches!(value, "ios" | "android"))?,
        "area" => one_of(node, &is_area)?,
        "age" => span(node, &AGES)?,
        "subscriptionPeriod" => span(node, &PERIODS)?,
        _ => return Err(wrong("filter.demographic.type", "is none that LINE knows")),
    }
    *objects += 1;
    if *objects > MOST_OBJECTS { Err(wrong(at, "has more than 10 objects")) } else { Ok(()) }
}

fn is_area(value: &str) -> bool {
    let number = |prefix: &str, most: u32| {
        let digits = value.strip_prefix(prefix).filter(|digits| digits.len() == 2);
        digits.and_then(|digits| digits.parse().ok()).is_some_and(|number: u32| (1..=most).contains(&number))
    };
    number("jp_", 47) || number("tw_", 22) || number("th_", 8)
}

fn one_of(node: &Value, is_known: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    let values = node.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let all_known = values.iter().all(|value| value.as_str().is_some_and(is_known));
    if values.is_empty() || !all_known {
        Err(wrong("filter.demographic.oneOf", "is invalid"))
    } else {
        Ok(())
    }
}

fn span(node: &Value, known: &[&str]) -> Result<(), Refusal> {
    let place = |name: &str| match node.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(|value| known.iter().position(|one| *one == value))
            .map(Some)
            .ok_or_else(|| wrong(&format!("filter.demographic.{name}"), "is invalid")),
    };
    match (place("gte")?, place("lt")?) {
        (None, None) => Err(wrong("filter.demographic", "must have gte or lt")),
        (Some(from), Some(to)) if from >= to => Err(wrong("filter.demographic.lt", "must be above gte")),
        _ => Ok(()),
    }
}

/// Whether a user passes a filter that was checked.
pub(super) fn passes(node: &Value, user: &UserId) -> bool {
    let listed = |value: &str| {
        node.get("oneOf")
            .and_then(Value::as_array)
            .is_some_and(|values| values.iter().any(|one| one == value))
    };
    let within = |known: &[&str], place: usize| {
        let bound = |name: &str| {
            let value = node.get(name).and_then(Value::as_str)?;
            known.iter().position(|one| *one == value)
        };
        bound("gte").is_none_or(|from| place >= from) && bound("lt").is_none_or(|to| place < to)
    };
    let is_unknown = |place: usize| byte(user, place) % 10 == 9;
    let number = |place: usize, of: u64| usize::try_from(byte(user, place) % of).unwrap_or_default();
    match node.get("type").and_then(Value::as_str).unwrap_or_default() {
        "operator" => {
            operator(node, "").is_ok_and(|(name, parts)| decided(name, &parts, &|part| passes(part, user)))
        }
        "gender" => !is_unknown(0) && listed(if byte(user, 1).is_multiple_of(2) { "male" } else { "female" }),
        "appType" => listed(if byte(user, 2).is_multiple_of(2) { "ios" } else { "android" }),
        "area" => !is_unknown(3) && listed(&format!("jp_{:02}", 1 + byte(user, 4) % 47)),
        "age" => !is_unknown(5) && within(&AGES, number(6, AGES.len() as u64)),
        _ => !is_unknown(7) && within(&PERIODS, number(8, PERIODS.len() as u64)),
    }
}
