//! Parameters of a query or a form body. OAuth forbids to send one twice (RFC 6749 section 3.1).

use http::header;
use url::Url;

use super::{ApiError, Request};

/// Parameters that are read; no request of the protocols comes near it.
const MAX_FIELDS: usize = 100;

/// The parameters in their order, each at most once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form(Vec<(String, String)>);

/// Why parameters could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A parameter was sent more than once, or there are too many.
    #[error("the parameter {0} was sent more than once, or there are too many")]
    Repeated(String),
    /// The body is not a form.
    #[error("the body must be application/x-www-form-urlencoded")]
    NotAForm,
}

impl From<FormError> for ApiError {
    fn from(error: FormError) -> Self {
        Self::invalid_request(error.to_string())
    }
}

impl Form {
    /// Reads `application/x-www-form-urlencoded` text.
    pub fn parse(text: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(text) {
            if form.0.len() >= MAX_FIELDS || form.0.iter().any(|(known, _)| *known == name) {
                return Err(FormError::Repeated(name.into_owned()));
            }
            form.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(form)
    }

    /// Reads the query of a request.
    pub fn of_query(request: &Request) -> Result<Self, FormError> {
        Self::parse(request.query.as_bytes())
    }

    /// Reads the body of a request, whose content type must say that it is a form.
    pub fn of_body(request: &Request) -> Result<Self, FormError> {
        let content_type = request.header(&header::CONTENT_TYPE).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(FormError::NotAForm);
        }
        Self::parse(request.bytes())
    }

    /// The parameters as a query, percent-encoded afresh.
    #[must_use]
    pub fn encoded(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// The parameters with one more, or with another value of one.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(known, _)| known != name).cloned();
        Self(others.chain([(name.to_owned(), value.to_owned())]).collect())
    }

    /// A parameter; sent without a value it counts as not sent (RFC 6749 section 3.1).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// `limit`: how many rows of a list are asked for.
    pub fn limit(&self, usual: i64, most: i64) -> Result<i64, ApiError> {
        let limit = self.value("limit").map_or(Some(usual), |text| text.parse().ok());
        limit
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| ApiError::invalid_request(format!("limit is a number from 1 to {most}")))
    }
}

/// A URL with parameters appended to its query, its own query untouched (RFC 6749 section 3.1.2).
#[must_use]
pub fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    match Url::parse(uri) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(parameters);
            url.into()
        }
        Err(_) => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_sent_twice_is_refused_and_an_empty_one_counts_as_not_sent() {
        let form = Form::parse(b"a=1&b=&c=%E3%81%82+%2B").unwrap();
        assert_eq!((form.value("a"), form.value("b"), form.value("c")), (Some("1"), None, Some("あ +")));
        assert_eq!(Form::parse(b"a=1&a=1"), Err(FormError::Repeated("a".into())));
    }

    #[test]
    fn a_registered_query_stays_and_parameters_follow_it() {
        let uri = with_query("https://shop.example/admin?action=login", &[("code", "a b"), ("state", "s&t")]);
        assert_eq!(uri, "https://shop.example/admin?action=login&code=a+b&state=s%26t");
    }
}
