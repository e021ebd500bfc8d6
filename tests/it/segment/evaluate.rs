//! What a rule means, said a second time and plainly: by going through everybody in memory. It reads the rule's JSON, and
//! shares nothing with the product but the calendar of Japan.

use std::collections::BTreeSet;

use chrono::{Datelike as _, Duration, NaiveDate};
use enishi::time::{DAY, Day, UnixMillis};
use serde_json::{Map, Value};

use super::people::{Event, Member, People, User, is_date, kind};

/// Somebody who is asked about: a LINE user, a member, or both.
struct Who<'a> {
    user: Option<&'a User>,
    member: Option<&'a Member>,
}

/// What a rule comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meant {
    /// The subjects of those who are reached.
    pub(super) reached: BTreeSet<String>,
    pub(super) blocked: i64,
    pub(super) not_friends: i64,
    pub(super) not_linked: i64,
}

/// Goes through an account's people.
pub(super) fn evaluate(people: &People, rule: &Value, now: i64) -> Meant {
    let mut meant = Meant::default();
    let speaks_of_link = speaks_of_link(rule);
    for user in &people.users {
        let member = user.link.as_ref().map(|link| &people.members[link.member]);
        let who = Who { user: Some(user), member };
        if (member.is_none() && !speaks_of_link) || !holds(people, &who, rule, now) {
            continue;
        }
        match user.friend {
            Some(true) => _ = meant.reached.insert(user.sub.clone()),
            Some(false) if user.said_by_event => meant.blocked += 1,
            _ => meant.not_friends += 1,
        }
    }
    if !speaks_of_link {
        let linked: BTreeSet<usize> =
            people.users.iter().filter_map(|u| Some(u.link.as_ref()?.member)).collect();
        let others = people.members.iter().enumerate().filter(|(at, _)| !linked.contains(at));
        let holds = |member| holds(people, &Who { user: None, member: Some(member) }, rule, now);
        meant.not_linked = i64::try_from(others.filter(|(_, member)| holds(member)).count()).unwrap();
    }
    meant
}

fn speaks_of_link(rule: &Value) -> bool {
    match rule {
        Value::Object(fields) if fields.contains_key("all") => {
            list(&fields["all"]).iter().any(speaks_of_link)
        }
        Value::Object(fields) if fields.contains_key("any") => {
            list(&fields["any"]).iter().any(speaks_of_link)
        }
        Value::Object(fields) if fields.contains_key("not") => speaks_of_link(&fields["not"]),
        _ => rule.get("link").is_some() || rule.get("unlinked") == Some(&Value::Bool(true)),
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn holds(people: &People, who: &Who<'_>, rule: &Value, now: i64) -> bool {
    let (head, inner) = [
        "all",
        "any",
        "not",
        "everyone",
        "attribute",
        "tag",
        "event",
        "link",
        "friendship",
        "received",
        "clicked",
        "members",
    ]
    .into_iter()
    .find_map(|head| Some((head, rule.get(head)?)))
    .unwrap();
    let user = who.user;
    match head {
        "all" => list(inner).iter().all(|rule| holds(people, who, rule, now)),
        "any" => list(inner).iter().any(|rule| holds(people, who, rule, now)),
        "not" => !holds(people, who, inner, now),
        "everyone" => true,
        "attribute" => {
            let value = who.member.and_then(|member| member.attributes.get(inner.as_str().unwrap()));
            passes(value, rule.as_object().unwrap(), now)
        }
        "tag" => who.member.is_some_and(|member| member.tags.iter().any(|tag| inner == tag)),
        "event" => who
            .member
            .map_or_else(|| happened(&[], inner, now), |member| happened(&member.events, inner, now)),
        "link" => {
            let link = user.and_then(|user| user.link.as_ref());
            let linked = inner.get("linked").is_none_or(|linked| linked == true);
            match link {
                None => !linked,
                Some(link) => {
                    linked
                        && inner.get("since").is_none_or(|since| within(link.at, since, now))
                        && inner
                            .get("route")
                            .is_none_or(|route| link.way.as_ref().is_some_and(|way| route == way))
                }
            }
        }
        "friendship" => {
            user.is_some_and(|user| {
                inner
                    .get("since")
                    .is_none_or(|since| user.friend_since.is_some_and(|at| within(at, since, now)))
                    && inner
                        .get("mode")
                        .is_none_or(|mode| user.added_mode.as_ref().is_some_and(|known| mode == known))
                    && inner
                        .get("client_id")
                        .is_none_or(|id| user.added_client.as_ref().is_some_and(|known| id == known))
            }) || user.is_none() && inner.as_object().unwrap().is_empty()
        }
        "received" => user.is_some_and(|user| {
            user.receipts.iter().any(|(at, send, outcome)| {
                *outcome == 1
                    && *at >= now - inner.get("within_days").map_or(90, whole) * DAY
                    && inner.get("send").is_none_or(|id| *id == people.sends[*send])
            })
        }),
        "clicked" => user.is_some_and(|user| {
            user.clicks.iter().any(|(at, link)| {
                *at >= now - inner.get("within_days").map_or(365, whole) * DAY
                    && inner.get("link").is_none_or(|id| id == link)
            })
        }),
        _ => who.member.is_some_and(|member| list(inner).iter().any(|id| *id == member.member_id)),
    }
}

fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn instant(value: &Value) -> i64 {
    let text = value.as_str().unwrap();
    Day::parse(text).map_or_else(|| UnixMillis::parse_rfc3339(text).unwrap(), Day::begins).0
}

fn within(at: i64, times: &Value, now: i64) -> bool {
    times.get("within_days").is_none_or(|days| at >= now - whole(days) * DAY)
        && times.get("older_than_days").is_none_or(|days| at < now - whole(days) * DAY)
        && times.get("after").is_none_or(|after| at >= instant(after))
        && times.get("before").is_none_or(|before| at < instant(before))
}

/// Whether a value, an attribute's or a property's, passes the test beside it.
fn passes(value: Option<&Value>, test: &Map<String, Value>, now: i64) -> bool {
    let value = value.filter(|value| !value.is_null());
    if let Some(present) = test.get("present") {
        return value.is_some() == (present == true);
    }
    let Some(value) = value else { return false };
    if let Some(wanted) = test.get("equals") {
        return same(value, wanted);
    }
    if let Some(wanted) = test.get("in") {
        return list(wanted).iter().any(|wanted| same(value, wanted));
    }
    if let Some(wanted) = test.get("contains") {
        return value.as_array().is_some_and(|items| items.iter().any(|item| same(item, wanted)));
    }
    if let Some(tests) = test.get("any").and_then(Value::as_object) {
        let passes_all = |object: &Map<String, Value>| {
            tests.iter().all(|(name, test)| passes(object.get(name), test.as_object().unwrap(), now))
        };
        return value
            .as_array()
            .is_some_and(|items| items.iter().filter_map(Value::as_object).any(passes_all));
    }
    if let Some(days) = test.get("anniversary") {
        let day = |name| days.get(name).map_or(0, whole);
        return value
            .as_str()
            .filter(|text| is_date(text))
            .is_some_and(|text| celebrates(text, day("from"), day("to"), now));
    }
    in_range(value, test)
}

/// Numbers are equal as numbers; everything else only to its own kind.
fn same(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Number(one), Value::Number(other)) => {
            (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() == 0.0
        }
        (Value::Array(_) | Value::Object(_), _) => false,
        _ => value == wanted,
    }
}

fn in_range(value: &Value, bounds: &Map<String, Value>) -> bool {
    ["gt", "gte", "lt", "lte"].into_iter().all(|name| {
        let Some(bound) = bounds.get(name) else { return true };
        let order = match (value, bound) {
            (Value::Number(value), Value::Number(bound)) => {
                value.as_f64().unwrap().partial_cmp(&bound.as_f64().unwrap())
            }
            (Value::String(value), Value::String(bound)) if kind(&Value::String(value.clone())) == "date" => {
                Some(value.cmp(bound))
            }
            _ => None,
        };
        order.is_some_and(|order| match name {
            "gt" => order.is_gt(),
            "gte" => order.is_ge(),
            "lt" => order.is_lt(),
            _ => order.is_le(),
        })
    })
}

/// Whether the day is celebrated from so many days from today to so many: in each of the years around it.
fn celebrates(text: &str, from: i64, to: i64, now: i64) -> bool {
    let born = NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    let today = NaiveDate::parse_from_str(&Day::of(UnixMillis(now)).to_string(), "%Y-%m-%d").unwrap();
    (today.year() - 1..=today.year() + 1).any(|year| {
        let day = NaiveDate::from_ymd_opt(year, born.month(), born.day());
        let day = day.unwrap_or_else(|| NaiveDate::from_ymd_opt(year, 2, 28).unwrap());
        (today + Duration::days(from)..=today + Duration::days(to)).contains(&day)
    })
}

fn happened(events: &[Event], wanted: &Value, now: i64) -> bool {
    let passes_all = |event: &Event| {
        let tests = wanted.get("properties").and_then(Value::as_object);
        tests.is_none_or(|tests| {
            tests
                .iter()
                .all(|(name, test)| passes(event.properties.get(name), test.as_object().unwrap(), now))
        })
    };
    let of_type: Vec<&Event> =
        events.iter().filter(|event| wanted["type"] == event.kind && passes_all(event)).collect();
    let span: Vec<&&Event> = of_type.iter().filter(|event| within(event.at, wanted, now)).collect();
    let measured = |number: f64, bounds: &Value| {
        let bounds = bounds.as_object().unwrap();
        let number = serde_json::json!(number);
        bounds.get("equals").is_none_or(|wanted| same(&number, wanted)) && in_range(&number, bounds)
    };
    let property = |measure: &Value| measure["property"].as_str().unwrap().to_owned();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    if let Some(sum) = wanted.get("sum") {
        let name = property(sum);
        let numbers = span.iter().filter_map(|event| event.properties.get(&name)?.as_f64());
        measured(numbers.sum(), sum)
    } else if let Some(distinct) = wanted.get("distinct") {
        let name = property(distinct);
        let values =
            span.iter().filter_map(|event| event.properties.get(&name).filter(|value| !value.is_null()));
        let said =
            |value: &Value| value.as_f64().map_or_else(|| value.to_string(), |number| number.to_string());
        measured(values.map(said).collect::<BTreeSet<_>>().len() as f64, distinct)
    } else if let Some(first) = wanted.get("first") {
        of_type.iter().map(|event| event.at).min().is_some_and(|at| within(at, first, now))
    } else if let Some(last) = wanted.get("last") {
        of_type.iter().map(|event| event.at).max().is_some_and(|at| within(at, last, now))
    } else {
        let count = span.len() as f64;
        wanted.get("count").map_or(count >= 1.0, |bounds| measured(count, bounds))
    }
}
