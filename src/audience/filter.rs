//! LINE's demographic filters: checked before LINE sees them, each fault with its place. LINE estimates what they speak of.

use serde_json::Value;

use crate::web::ApiError;

/// Filter objects of one narrowcast.
const MOST: usize = 10;

/// Operators within operators; LINE names no bound.
const DEEPEST: usize = 16;

const AGES: &[&str] = &[
    "age_15", "age_20", "age_25", "age_30", "age_35", "age_40", "age_45", "age_50", "age_55", "age_60",
    "age_65", "age_70",
];
const PERIODS: &[&str] = &["day_7", "day_30", "day_90", "day_180", "day_365"];

/// Checks a filter.
pub(super) fn check(filter: &Value) -> Result<(), ApiError> {
    let mut objects = 0;
    node(filter, "filter", 0, &mut objects)?;
    if objects > MOST {
        return Err(wrong("filter", &format!("has {objects} conditions; LINE takes {MOST}")));
    }
    Ok(())
}

fn wrong(at: &str, words: &str) -> ApiError {
    ApiError::invalid_request(format!("{at} {words}"))
}

fn node(filter: &Value, at: &str, depth: usize, objects: &mut usize) -> Result<(), ApiError> {
    *objects += 1;
    let only = |names: &[&str]| match filter.as_object() {
        None => Err(wrong(at, "must be an object with a type")),
        Some(fields) => match fields.keys().find(|name| *name != "type" && !names.contains(&name.as_str())) {
            Some(name) => Err(wrong(&format!("{at}.{name:.40}"), "is nothing that LINE knows here")),
            None => Ok(()),
        },
    };
    match filter.get("type").and_then(Value::as_str).unwrap_or_default() {
        "gender" => {
            only(&["oneOf"]).and_then(|()| one_of(filter, at, |word| matches!(word, "male" | "female")))
        }
        "appType" => {
            only(&["oneOf"]).and_then(|()| one_of(filter, at, |word| matches!(word, "ios" | "android")))
        }
        "area" => only(&["oneOf"]).and_then(|()| one_of(filter, at, is_area)),
        "age" => only(&["gte", "lt"]).and_then(|()| span(filter, at, AGES)),
        "subscriptionPeriod" => only(&["gte", "lt"]).and_then(|()| span(filter, at, PERIODS)),
        "operator" => {
            *objects -= 1;
            only(&["and", "or", "not"])?;
            operator(filter, at, depth, objects)
        }
        _ => Err(wrong(
            &format!("{at}.type"),
            "must be one of gender, age, appType, area, subscriptionPeriod, operator",
        )),
    }
}

fn operator(filter: &Value, at: &str, depth: usize, objects: &mut usize) -> Result<(), ApiError> {
    let parts: Vec<(&str, &Value)> =
        ["and", "or", "not"].iter().filter_map(|name| Some((*name, filter.get(name)?))).collect();
    let &[(name, value)] = parts.as_slice() else {
        return Err(wrong(at, "must have exactly one of and, or, not"));
    };
    if depth >= DEEPEST {
        return Err(wrong(at, "lies too deep; say it with fewer operators"));
    }
    match value {
        Value::Object(_) if name == "not" => node(value, &format!("{at}.not"), depth + 1, objects),
        Value::Array(items) if name != "not" && !items.is_empty() => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| node(item, &format!("{at}.{name}[{index}]"), depth + 1, objects)),
        _ => {
            let words = if name == "not" {
                "must be one filter"
            } else {
                "must be a list of filters, not an empty one"
            };
            Err(wrong(&format!("{at}.{name}"), words))
        }
    }
}

fn one_of(filter: &Value, at: &str, is_known: fn(&str) -> bool) -> Result<(), ApiError> {
    let words = filter.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if words.is_empty() {
        return Err(wrong(&format!("{at}.oneOf"), "must be a list, not an empty one"));
    }
    match words.iter().position(|word| !word.as_str().is_some_and(is_known)) {
        None => Ok(()),
        Some(index) => Err(wrong(&format!("{at}.oneOf[{index}]"), "is none of LINE's words for it")),
    }
}

/// A prefecture of Japan, or a region of Taiwan or Thailand.
fn is_area(word: &str) -> bool {
    let is_number = |prefix: &str, most: u32| {
        let digits = word.strip_prefix(prefix).filter(|digits| digits.len() == 2);
        let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        number.and_then(|number| number.parse().ok()).is_some_and(|number: u32| (1..=most).contains(&number))
    };
    is_number("jp_", 47) || is_number("tw_", 22) || is_number("th_", 8)
}

fn span(filter: &Value, at: &str, known: &[&str]) -> Result<(), ApiError> {
    let bound = |name: &str| match filter.get(name) {
        None => Ok(None),
        Some(value) => {
            let place = value.as_str().and_then(|word| known.iter().position(|one| *one == word));
            let words = || wrong(&format!("{at}.{name}"), &format!("must be one of {}", known.join(", ")));
            place.map(Some).ok_or_else(words)
        }
    };
    match (bound("gte")?, bound("lt")?) {
        (None, None) => Err(wrong(at, "must have gte, lt or both")),
        (Some(from), Some(to)) if from >= to => Err(wrong(&format!("{at}.lt"), "must be above gte")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_filters_pass() {
        let all = json!({ "type": "operator", "or": [
            { "type": "gender", "oneOf": ["male"] },
            { "type": "age", "gte": "age_20", "lt": "age_25" },
            { "type": "operator", "not": { "type": "appType", "oneOf": ["ios", "android"] } },
            { "type": "area", "oneOf": ["jp_01", "jp_47", "tw_22", "th_08"] },
            { "type": "subscriptionPeriod", "lt": "day_365" },
        ] });
        assert_eq!(check(&all), Ok(()));
    }

    #[test]
    fn each_fault_is_named_by_its_place() {
        let deep = (0..20).fold(
            json!({ "type": "gender", "oneOf": ["male"] }),
            |inner, _| json!({ "type": "operator", "not": inner }),
        );
        let many =
            json!({ "type": "operator", "or": vec![json!({ "type": "gender", "oneOf": ["male"] }); 11] });
        for (filter, place) in [
            (json!(1), "filter.type"),
            (json!({}), "filter.type"),
            (json!({ "type": "gender" }), "filter.oneOf"),
            (json!({ "type": "gender", "oneOf": [] }), "filter.oneOf"),
            (json!({ "type": "gender", "oneOf": ["male", "other"] }), "filter.oneOf[1]"),
            (json!({ "type": "gender", "oneOf": ["male"], "gte": "age_20" }), "filter.gte"),
            (json!({ "type": "area", "oneOf": ["jp_48"] }), "filter.oneOf[0]"),
            (json!({ "type": "area", "oneOf": ["jp_+1"] }), "filter.oneOf[0]"),
            (json!({ "type": "age" }), "filter"),
            (json!({ "type": "age", "gte": "age_17" }), "filter.gte"),
            (json!({ "type": "age", "gte": "age_40", "lt": "age_40" }), "filter.lt"),
            (json!({ "type": "operator" }), "filter"),
            (json!({ "type": "operator", "and": [], "or": [] }), "filter"),
            (json!({ "type": "operator", "and": [] }), "filter.and"),
            (json!({ "type": "operator", "not": [] }), "filter.not"),
            (json!({ "type": "operator", "and": [{ "type": "x" }] }), "filter.and[0].type"),
            (many, "filter"),
            (deep, "filter.not.not.not.not.not.not.not.not.not.not.not.not.not.not.not.not"),
        ] {
            let refused = check(&filter).expect_err(&filter.to_string());
            assert_eq!(refused.description().split(' ').next(), Some(place), "{filter}");
        }
    }
}
