//! What any properties must be, and what those of the built-in types must be besides.

use serde_json::{Map, Value};

use super::types::{BUILT_IN, Property};
use crate::web::{lines::Refused, repeated};

/// Properties of one event as JSON, in bytes.
const MAX_BYTES: usize = 10_000;

/// How deep lists and objects may lie in each other, the properties themselves counted.
const MAX_DEPTH: usize = 5;

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// Checks the properties of an event of this type.
pub(super) fn check(kind: &str, properties: &Map<String, Value>) -> Result<(), Refused> {
    if let Some(built_in) = BUILT_IN.iter().find(|built_in| built_in.name == kind) {
        check_all(built_in.properties, properties)?;
    }
    check_object(properties, 1)?;
    let length = serde_json::to_vec(properties).map_or(usize::MAX, |json| json.len());
    if length > MAX_BYTES {
        let says = format!("have {length} bytes as JSON; at most {MAX_BYTES} are taken, so send less of it");
        return Err(Refused::new("", says));
    }
    Ok(())
}

/// Checks those that are known; null counts as not said, but where the property is needed.
pub(super) fn check_all(known: &[Property], said: &Map<String, Value>) -> Result<(), Refused> {
    known.iter().try_for_each(|Property { name, form, is_needed }| match said.get(*name) {
        None if *is_needed => Err(Refused::new(*name, "is missing")),
        None => Ok(()),
        Some(Value::Null) if !*is_needed => Ok(()),
        Some(value) => form.check(value).map_err(|refused| refused.within(name)),
    })
}

fn check_object(object: &Map<String, Value>, depth: usize) -> Result<(), Refused> {
    object.iter().try_for_each(|(name, value)| {
        let is_name = (1..=MAX_NAME).contains(&name.chars().count())
            && !name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'));
        if !is_name {
            let says = "a property's name has 1 to 64 characters, and no quotation marks, backslashes or control characters";
            return Err(Refused::new(repeated(name), says));
        }
        check_value(value, depth).map_err(|refused| refused.within(name))
    })
}

fn check_value(value: &Value, depth: usize) -> Result<(), Refused> {
    match value {
        Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => {
            Err(Refused::new("", "lies too deep: lists and objects may lie in each other 5 deep"))
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| {
            check_value(item, depth + 1).map_err(|refused| refused.within(&format!("[{at}]")))
        }),
        Value::Object(object) => check_object(object, depth + 1),
        Value::String(text) if text.contains('\0') => Err(Refused::new("", "must not hold U+0000")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field_of(kind: &str, properties: &Value) -> String {
        check(kind, properties.as_object().unwrap()).map_or_else(|refused| refused.field, |()| "-".to_owned())
    }

    #[test]
    fn a_refusal_names_the_property_by_its_path() {
        for (kind, properties, field) in [
            ("purchase", json!({ "order_id": "1", "amount": 1200, "note": { "gift": true } }), "-"),
            ("purchase", json!({ "order_id": 1, "amount": 1200 }), "order_id"),
            ("purchase", json!({ "order_id": "1" }), "amount"),
            ("purchase", json!({ "order_id": "1", "amount": -1 }), "amount"),
            ("purchase", json!({ "order_id": "1", "amount": 1, "currency": "yen" }), "currency"),
            ("purchase", json!({ "order_id": "1", "amount": 1, "items": null }), "-"),
            ("cart_updated", json!({ "items": null }), "items"),
            ("cart_updated", json!({ "items": [] }), "-"),
            ("cart_updated", json!({ "items": [{ "product_id": "1" }, {}] }), "items[1].product_id"),
            ("points_expiring", json!({ "points": 1, "expires_at": "2026-02-30" }), "expires_at"),
            ("my.own", json!({}), "-"),
            ("my.own", json!({ "a": [[[[1]]]] }), "-"),
            ("my.own", json!({ "a": [[[[[1]]]]] }), "a[0][0][0][0]"),
            ("my.own", json!({ "a": { "b": [{ "c\"": 1 }] } }), "a.b[0].c\""),
            ("my.own", json!({ "a": ["b\0"] }), "a[0]"),
            ("my.own", json!({ "a": "x".repeat(10_000) }), ""),
        ] {
            assert_eq!(field_of(kind, &properties), field, "{kind} {properties}");
        }
    }
}
