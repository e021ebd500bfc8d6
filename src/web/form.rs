//! Parameters of a query or a form body. OAuth forbids to send one twice (RFC 6749 section 3.1).

use std::collections::HashMap;

use http::header;

use super::Request;

/// The parameters, each at most once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form(HashMap<String, String>);

/// Why parameters could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A parameter was sent more than once.
    #[error("the parameter {0} was sent more than once")]
    Repeated(String),
    /// The body is not a form.
    #[error("the body must be application/x-www-form-urlencoded")]
    NotAForm,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded` text.
    pub fn parse(text: &[u8]) -> Result<Self, FormError> {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if fields.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(FormError::Repeated(name.into_owned()));
            }
        }
        Ok(Self(fields))
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

    /// A parameter; sent without a value it counts as not sent (RFC 6749 section 3.1).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
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
}
