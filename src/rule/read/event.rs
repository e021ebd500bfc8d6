//! `{"event": {…}}`: what a member did.

use super::{
    people::{TIMES, times},
    value,
};
use crate::{
    event::{BUILT_IN, Form},
    rule::{
        RuleError,
        at::{At, Fields},
        condition::{Condition, Event, Measure},
    },
};

/// The largest count.
const MAX_COUNT: i64 = 1_000_000_000;

/// What can be measured.
const MEASURES: [&str; 5] = ["count", "sum", "distinct", "first", "last"];

/// The bounds of a count, and of a sum.
const NUMBERS: [&str; 5] = ["gt", "gte", "lt", "lte", "equals"];

/// A condition, and what it costs: 4, or 12 where properties are read.
pub(super) fn event(at: &At<'_>) -> Result<(Condition, i64), RuleError> {
    let known: Vec<&str> = ["type", "properties"].iter().chain(&TIMES).chain(&MEASURES).copied().collect();
    let fields = at.fields(&known)?;
    let kind = fields.get("type").ok_or_else(|| at.refused("must have the type of the events"))?.kind()?;
    let times = times(&fields)?;
    let properties = fields.get("properties").map_or(Ok(Vec::new()), |at| value::properties(&at))?;
    let (measure, negated) = match fields.named(&MEASURES).as_slice() {
        [] => (Measure::Count { low: 1, high: None }, false),
        [name] => match fields.get(name) {
            Some(inner) => measure(name, &inner)?,
            None => return Err(at.refused("must have a measure")),
        },
        several => {
            return Err(
                at.refused(format!("has {}: make conditions of their own of them", several.join(" and ")))
            );
        }
    };
    if let (Measure::Sum(property, range), Some(inner)) = (&measure, fields.get("sum"))
        && range.high.is_none()
        && range.has_zero()
        && is_never_below_0(&kind, property)
    {
        return Err(inner.refused(format!("is true of everyone: {property} of {kind} is never below 0")));
    }
    if matches!(measure, Measure::First(_) | Measure::Last(_)) && !times.is_open() {
        return Err(
            at.refused("looks at all events of the type for first and last: say within those when they were")
        );
    }
    let reads = !properties.is_empty() || matches!(measure, Measure::Sum(..) | Measure::Distinct { .. });
    let condition = Condition::Event(Event { kind, times, properties, measure });
    Ok((if negated { condition.not() } else { condition }, if reads { 12 } else { 4 }))
}

/// A measure, and whether the opposite of it is meant.
fn measure(name: &str, at: &At<'_>) -> Result<(Measure, bool), RuleError> {
    match name {
        "count" => {
            let fields = at.fields(&NUMBERS)?;
            Ok(match count(&fields)? {
                Count::Within(low, high) => (Measure::Count { low, high }, false),
                Count::AtMost(most) => (Measure::Count { low: most + 1, high: None }, true),
            })
        }
        "sum" => {
            let fields = with_property(at)?;
            Ok((Measure::Sum(property_of(at, &fields)?, value::numbers(&fields)?), false))
        }
        "distinct" => {
            let fields = with_property(at)?;
            let property = property_of(at, &fields)?;
            Ok(match count(&fields)? {
                Count::Within(low, high) => (Measure::Distinct { property, low, high }, false),
                Count::AtMost(most) => (Measure::Distinct { property, low: most + 1, high: None }, true),
            })
        }
        _ => {
            let times = times(&at.fields(&TIMES)?)?;
            if times.is_open() {
                return Err(at.refused(format!("must have one of {}", TIMES.join(", "))));
            }
            Ok((if name == "first" { Measure::First(times) } else { Measure::Last(times) }, false))
        }
    }
}

/// Whether no event of a type that is built in is taken with less in this property.
fn is_never_below_0(kind: &str, property: &str) -> bool {
    let built_in = BUILT_IN.iter().find(|built_in| built_in.name == kind);
    let mut known = built_in.into_iter().flat_map(|built_in| built_in.properties);
    known.any(|known| known.name == property && known.form == Form::Amount)
}

fn with_property<'a>(at: &At<'a>) -> Result<Fields<'a>, RuleError> {
    let known: Vec<&str> = ["property"].iter().chain(&NUMBERS).copied().collect();
    at.fields(&known)
}

fn property_of(at: &At<'_>, fields: &Fields<'_>) -> Result<String, RuleError> {
    let property =
        fields.get("property").ok_or_else(|| at.refused("must have the property that is measured"))?;
    value::property_name(&property, property.json.as_str().unwrap_or_default())
}

/// What a count must be.
enum Count {
    /// From at least 1.
    Within(i64, Option<i64>),
    /// So many, or fewer, or none.
    AtMost(i64),
}

fn count(fields: &Fields<'_>) -> Result<Count, RuleError> {
    let whole = |name: &str| fields.get(name).map(|at| at.whole(0, MAX_COUNT)).transpose();
    for [one, other] in [["gt", "gte"], ["lt", "lte"]] {
        if fields.named(&[one, other]).len() > 1 {
            return Err(fields.refused(format!("must not have both {one} and {other}")));
        }
    }
    let equals = whole("equals")?;
    let low = whole("gte")?.or(whole("gt")?.map(|above| above + 1));
    let high = whole("lte")?.or(whole("lt")?.map(|below| below - 1));
    let (low, high) = match (equals, low, high) {
        (Some(exactly), None, None) => (exactly, Some(exactly)),
        (Some(_), ..) => return Err(fields.refused("must have no other bounds beside equals")),
        (None, None, None) => return Err(fields.refused(format!("must have one of {}", NUMBERS.join(", ")))),
        (None, low, high) => (low.unwrap_or(0), high),
    };
    match (low, high) {
        (low, Some(high)) if high < low => {
            Err(fields.refused("must have its lower bound below the upper one: no count lies between these"))
        }
        (0, None) => Err(fields.refused("is true of everyone: every count is at least 0")),
        (0, Some(high)) => Ok(Count::AtMost(high)),
        (low, high) => Ok(Count::Within(low, high)),
    }
}
