//! A place in a rule's JSON, so that every refusal names it: `all[1].event.count.gte`.

use serde_json::{Map, Value};

use super::{RuleError, Scalar};
use crate::{
    attribute::{MAX_NAME, MAX_TEXT, check_name},
    event::check_type,
    store::MAX_INTEGER,
    time::{Day, UnixMillis},
    web::repeated,
};

/// A value and where it stands.
pub(super) struct At<'a> {
    pub(super) json: &'a Value,
    path: String,
}

/// The fields of an object, all of them known.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> At<'a> {
    /// The rule as a whole.
    pub(super) fn root(json: &'a Value) -> Self {
        Self { json, path: String::new() }
    }

    /// Refuses what stands here; `problem` continues the sentence that the path begins.
    pub(super) fn refused(&self, problem: impl Into<String>) -> RuleError {
        refused(&self.path, problem)
    }

    /// The fields of an object that has no others than these.
    pub(super) fn fields(&self, known: &[&str]) -> Result<Fields<'a>, RuleError> {
        let fields = self.any_fields()?;
        match fields.map.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(fields),
            Some(name) => {
                let path = inner(&self.path, name);
                Err(refused(&path, format!("is not known here; known are {}", known.join(", "))))
            }
        }
    }

    /// The fields of an object, whatever their names.
    pub(super) fn any_fields(&self) -> Result<Fields<'a>, RuleError> {
        let map = self.json.as_object().ok_or_else(|| self.refused("must be an object"))?;
        Ok(Fields { map, path: self.path.clone() })
    }

    /// The elements of an array that has 1 to `max`.
    pub(super) fn items(&self, max: usize) -> Result<Vec<Self>, RuleError> {
        let array = self.json.as_array().filter(|array| (1..=max).contains(&array.len()));
        let array = array.ok_or_else(|| self.refused(format!("must be an array of 1 to {max}")))?;
        Ok(array
            .iter()
            .enumerate()
            .map(|(index, json)| At { json, path: format!("{}[{index}]", self.path) })
            .collect())
    }

    /// The name of an attribute or a tag.
    pub(super) fn name(&self) -> Result<String, RuleError> {
        let name = self.json.as_str().filter(|name| check_name(name).is_ok());
        let name = name.ok_or_else(|| {
            self.refused(format!(
                "must be a text of 1 to {MAX_NAME} characters, none of them a control character"
            ))
        });
        name.map(str::to_owned)
    }

    /// The name of a type of events: of another there never is one, so that `not` of it would be true of everyone.
    pub(super) fn kind(&self) -> Result<String, RuleError> {
        let kind = self.json.as_str().unwrap_or_default();
        check_type(kind).map_err(|says| self.refused(says))?;
        Ok(kind.to_owned())
    }

    /// One of these words.
    pub(super) fn word(&self, words: &[&'static str]) -> Result<&'static str, RuleError> {
        let said = self.json.as_str().unwrap_or_default();
        let word = words.iter().find(|word| **word == said).copied();
        word.ok_or_else(|| self.refused(format!("must be one of {}", words.join(", "))))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Result<bool, RuleError> {
        self.json.as_bool().ok_or_else(|| self.refused("must be true or false"))
    }

    /// A whole number within these bounds.
    pub(super) fn whole(&self, low: i64, high: i64) -> Result<i64, RuleError> {
        let number = self.json.as_i64().filter(|number| (low..=high).contains(number));
        number.ok_or_else(|| self.refused(format!("must be a whole number from {low} to {high}")))
    }

    /// A number that is exact.
    pub(super) fn number(&self) -> Result<f64, RuleError> {
        let too_large = |whole: i64| whole.unsigned_abs() > MAX_INTEGER.unsigned_abs();
        let inexact =
            self.json.as_i64().is_some_and(too_large) || self.json.is_u64() && self.json.as_i64().is_none();
        match self.json.as_f64().filter(|number| number.is_finite() && !inexact) {
            Some(number) => Ok(number),
            None => Err(self.refused("must be a number; whole ones within ±(2^53 − 1)")),
        }
    }

    /// A text, a number, `true` or `false`, as attributes and properties have them.
    pub(super) fn scalar(&self) -> Result<Scalar, RuleError> {
        match self.json {
            Value::Bool(truth) => Ok(Scalar::Boolean(*truth)),
            Value::Number(_) => self.number().map(Scalar::Number),
            Value::String(text) if text.chars().count() > MAX_TEXT || text.contains('\0') => {
                Err(self.refused(format!("must be a text of at most {MAX_TEXT} characters, without U+0000")))
            }
            Value::String(text) => Ok(Scalar::Text(text.clone())),
            _ => Err(self.refused("must be a text, a number, true or false")),
        }
    }

    /// An instant by RFC 3339, or a date: its midnight in Japan.
    pub(super) fn instant(&self) -> Result<UnixMillis, RuleError> {
        let text = self.json.as_str().unwrap_or_default();
        let at = UnixMillis::parse_rfc3339(text).or_else(|| Day::parse(text).map(Day::begins));
        let at = at.filter(|at| (0..=MAX_INTEGER).contains(&at.0));
        at.ok_or_else(|| {
            self.refused("must be a date, YYYY-MM-DD, or a time by RFC 3339 with its offset, from 1970 on")
        })
    }
}

impl<'a> Fields<'a> {
    /// The field of this name, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<At<'a>> {
        self.map.get(name).map(|json| At { json, path: inner(&self.path, name) })
    }

    /// All fields with their names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, At<'a>)> {
        self.map.iter().map(|(name, json)| (name.as_str(), At { json, path: inner(&self.path, name) }))
    }

    /// Which of these names are there.
    pub(super) fn named<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        names.iter().copied().filter(|name| self.map.contains_key(*name)).collect()
    }

    /// Refuses the object; `problem` continues the sentence that the path begins.
    pub(super) fn refused(&self, problem: impl Into<String>) -> RuleError {
        refused(&self.path, problem)
    }
}

fn inner(path: &str, name: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{}", repeated(name))
}

fn refused(path: &str, problem: impl Into<String>) -> RuleError {
    let path = if path.is_empty() { "rule".to_owned() } else { path.to_owned() };
    RuleError { path, problem: problem.into() }
}
