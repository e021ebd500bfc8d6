//! Rows of `SQLite` as the JSON that D1 answers.

use rusqlite::{Row, types::ValueRef};
use serde_json::{Map, Value};

/// The largest integer that is exact in JavaScript.
pub(crate) const MAX_INTEGER: i64 = (1 << 53) - 1;

/// One row as an object of column names and values.
pub(crate) fn object(row: &Row<'_>, columns: &[String]) -> Result<Value, String> {
    let mut object = Map::new();
    for (at, column) in columns.iter().enumerate() {
        let value = row.get_ref(at).map_err(|error| error.to_string())?;
        if object.insert(column.clone(), json(value)?).is_some() {
            return Err(format!("two columns are called {column}; D1 would answer only one of them"));
        }
    }
    Ok(Value::Object(object))
}

fn json(value: ValueRef<'_>) -> Result<Value, String> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) if is_exact(number) => Ok(number.into()),
        ValueRef::Integer(number) => Err(format!("{number} is beyond 2^53 and would be rounded")),
        ValueRef::Real(number) => Ok(whole(number).map_or_else(|| number.into(), Value::from)),
        ValueRef::Text(text) => Ok(String::from_utf8_lossy(text).into()),
        ValueRef::Blob(_) => Err("a blob comes back as an array of numbers".to_owned()),
    }
}

/// Whether a JavaScript number keeps it.
pub(crate) fn is_exact(number: i64) -> bool {
    (-MAX_INTEGER..=MAX_INTEGER).contains(&number)
}

/// The integer that a number without a fraction becomes: D1 knows no other.
pub(crate) fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact in a double")]
    let limit = MAX_INTEGER as f64;
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is within 2^53")]
    (number.fract() == 0.0 && number.abs() <= limit).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_javascript() {
        assert_eq!(json(ValueRef::Real(5.0)), Ok(5.into()));
        assert_eq!(json(ValueRef::Real(5.5)), Ok(5.5.into()));
        assert!(json(ValueRef::Integer(MAX_INTEGER)).is_ok());
        assert!(json(ValueRef::Integer(MAX_INTEGER + 1)).is_err());
    }
}
