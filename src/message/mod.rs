//! LINE message objects: checked against LINE's limits, and filled in for one person.
//!
//! In: the JSON of 1 to 5 message objects. Out: JSON that LINE takes, or what is wrong with which property. Pure: what only LINE
//! knows is left to its validate endpoint (`channel::check_messages`).
//!
//! Placeholders are `{{name}}` and `{{name|fall-back}}` (`placeholder.rs`); where they may stand is in `fill.rs`.

mod action;
mod check;
mod component;
mod count;
mod fill;
mod flex;
mod imagemap;
mod path;
mod placeholder;
mod schema;
mod template;
mod text_v2;

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::{Map, Value};

use self::{path::Path, placeholder::shown};

/// A person's attributes by name: text, number, boolean, date (`YYYY-MM-DD`) or list.
pub type Values = Map<String, Value>;

/// Messages that LINE takes, as far as can be known here.
#[derive(Debug, Clone, PartialEq)]
pub struct Messages {
    /// As they were given.
    given: Value,
    /// The attributes that they speak of.
    placeholders: BTreeSet<String>,
}

/// What is wrong with messages: a property, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property} {problem}")]
pub struct MessageError {
    property: String,
    problem: Cow<'static, str>,
    missing: bool,
}

impl MessageError {
    fn wrong(path: &Path<'_>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { property: path.to_string(), problem: problem.into(), missing: false }
    }

    fn missing(path: &Path<'_>, name: &str) -> Self {
        let problem = format!(
            "speaks of {name}, which this person has not; write {{{{{name}|…}}}} with what to say then"
        );
        Self { property: path.to_string(), problem: problem.into(), missing: true }
    }

    /// The property, as in `messages[0].contents.body.contents[2].text`.
    #[must_use]
    pub fn property(&self) -> &str {
        &self.property
    }

    /// A stable label, for the record of why somebody gets nothing.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        if self.missing { "attribute_missing" } else { "message_invalid" }
    }
}

/// What stands for an attribute without a fall-back where nobody in particular is spoken to.
const SOMETHING: &str = "a";

impl Messages {
    /// Reads messages, and refuses what LINE would refuse: (1) placeholders are well-formed and where they may stand; (2) with
    /// fall-backs in their places, LINE's limits are kept.
    pub fn parse(given: Value) -> Result<Self, MessageError> {
        let mut placeholders = BTreeSet::new();
        // (1)
        let sample = fill::filled(&given, &Path::messages(), &mut |name, fall_back, _| {
            placeholders.insert(name.to_owned());
            Some(fall_back.unwrap_or(SOMETHING).to_owned())
        })?;
        // (2)
        checked(&sample)?;
        Ok(Self { given, placeholders })
    }

    /// The attributes that are spoken of, each once, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.placeholders.iter().map(String::as_str)
    }

    /// Whether they differ from person to person.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        !self.placeholders.is_empty()
    }

    /// The JSON as it was given, which [`Self::parse`] reads as the same again. What is not personal goes to LINE so.
    #[must_use]
    pub fn json(&self) -> String {
        self.given.to_string()
    }

    /// One person's messages as JSON: every placeholder substituted, LINE's limits checked again. An error is this person's: an
    /// attribute that is missing and has no fall-back, or a value that makes a property too long.
    pub fn fill(&self, values: &Values) -> Result<String, MessageError> {
        if !self.is_personal() {
            return Ok(self.json());
        }
        let filled = fill::filled(&self.given, &Path::messages(), &mut |name, fall_back, reader| {
            shown(values, name, reader).or_else(|| fall_back.map(str::to_owned))
        })?;
        checked(&filled)?;
        Ok(filled.to_string())
    }

    /// What LINE is asked about: nobody's in particular, with fall-backs filled in.
    #[must_use]
    pub fn sample(&self) -> Value {
        let mut fall_back =
            |_: &str, fall_back: Option<&str>, _| Some(fall_back.unwrap_or(SOMETHING).to_owned());
        fill::filled(&self.given, &Path::messages(), &mut fall_back).unwrap_or_default()
    }
}

fn checked(messages: &Value) -> Result<(), MessageError> {
    check::check(messages, schema::MESSAGES, true, &Path::messages())
}

#[cfg(test)]
mod tests;
