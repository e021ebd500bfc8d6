//! The fields of a JSON object, taken one by one, so that an error names the field.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ApiError, Request};

/// What is left of them.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// The body of a request.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        match request.json()? {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(ApiError::invalid_request("the body is a JSON object")),
        }
    }

    /// One of them, if it is there; null is there, and says what null says.
    pub fn said<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| ApiError::invalid_request(format!("{name}: {error}")))
    }

    /// One of them, if it is there and not null.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        Ok(self.said::<Option<T>>(name)?.flatten())
    }

    /// One that must be there.
    pub fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ApiError> {
        self.take(name)?.ok_or_else(|| Self::missing(name))
    }

    /// One that must be there, be it null.
    pub fn need_said<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ApiError> {
        self.said(name)?.ok_or_else(|| Self::missing(name))
    }

    fn missing(name: &str) -> ApiError {
        ApiError::invalid_request(format!("{name} is missing"))
    }

    /// No other field is there.
    pub fn end(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::invalid_request(format!(
                "{} is no field of this request",
                super::repeated(name)
            ))),
        }
    }
}
