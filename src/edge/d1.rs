//! D1 through its JavaScript interface: the crate `worker` hands rows over field by field, which costs more than one
//! JSON text, and does not let its results be reached otherwise.

use js_sys::{Array, Function, JSON, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::{
    platform::Outcome,
    store::{Statement, Value},
};

/// Runs statements as one transaction.
pub(super) async fn batch(database: &JsValue, statements: &[Statement]) -> Result<Vec<Outcome>, JsValue> {
    let prepared = Array::new();
    for statement in statements {
        let values: Array = statement.values.iter().map(bound).collect();
        let one = method(database, "prepare")?.call1(database, &JsValue::from_str(&statement.sql))?;
        prepared.push(&method(&one, "bind")?.apply(&one, &values)?);
    }
    let answered = method(database, "batch")?.call1(database, &prepared)?;
    let results: Array = JsFuture::from(answered.unchecked_into::<Promise>()).await?.unchecked_into();
    results.iter().map(|result| outcome(&result)).collect()
}

fn method(object: &JsValue, name: &str) -> Result<Function, JsValue> {
    Reflect::get(object, &JsValue::from_str(name))?.dyn_into()
}

#[expect(clippy::cast_precision_loss, reason = "integers are within 2^53, as the store's values promise")]
fn bound(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Real(number) => JsValue::from_f64(*number),
        Value::Text(text) => JsValue::from_str(text),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of rows is a whole number from 0"
)]
fn outcome(result: &JsValue) -> Result<Outcome, JsValue> {
    let field = |object: &JsValue, name: &str| Reflect::get(object, &JsValue::from_str(name));
    let rows = field(result, "results")?;
    let rows = if rows.is_array() { JSON::stringify(&rows)?.into() } else { "[]".to_owned() };
    let changes = field(&field(result, "meta")?, "changes")?.as_f64().unwrap_or_default();
    Ok(Outcome { changes: changes as u64, rows })
}
