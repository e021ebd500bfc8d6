//! Walking a JSON value and noting what is wrong with it, each note with the path to its property.
//!
//! In: nodes and limits. Out: problems in LINE's words. Not here: which property has which limit.

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation as _;
use url::Url;

use crate::messaging::refusal::Problem;

/// LINE's limit for a URL.
const MAX_URL: usize = 2_000;

/// A place in the body; the value may be absent.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    path: String,
    /// Paths of contents are pointers (`/contents/0/text`), others are properties (`messages[0].text`).
    pointer: bool,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value: Some(value), path: String::new(), pointer: false }
    }

    /// The same value, with paths that are pointers from `path` on.
    pub(super) fn rooted(&self, path: &str) -> Self {
        Self { value: self.value, path: path.to_owned(), pointer: true }
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let path = match (self.pointer, self.path.is_empty()) {
            (true, _) => format!("{}/{name}", self.path),
            (false, true) => name.to_owned(),
            (false, false) => format!("{}.{name}", self.path),
        };
        let value = self.value.and_then(|value| value.get(name)).filter(|value| !value.is_null());
        Self { value, path, pointer: self.pointer }
    }

    pub(super) fn items(&self) -> Vec<Self> {
        let items = self.value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let path = |index: usize| {
            if self.pointer { format!("{}/{index}", self.path) } else { format!("{}[{index}]", self.path) }
        };
        let node = |(index, value)| Self { value: Some(value), path: path(index), pointer: self.pointer };
        items.iter().enumerate().map(node).collect()
    }

    pub(super) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    pub(super) fn value(&self) -> Option<&'a Value> {
        self.value
    }

    pub(super) fn str(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    pub(super) fn number(&self) -> Option<f64> {
        self.value.and_then(Value::as_f64)
    }

    /// The size of the value as compact JSON.
    pub(super) fn json_size(&self) -> usize {
        self.value.map_or(0, |value| value.to_string().len())
    }
}

pub(super) fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

pub(super) fn graphemes(text: &str) -> usize {
    text.graphemes(true).count()
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) problems: Vec<Problem>,
}

impl Check {
    pub(super) fn problem(&mut self, node: &Node<'_>, message: impl Into<String>) {
        self.problems.push(Problem { property: node.path.clone(), message: message.into() });
    }

    /// A required text of `least` to `most` UTF-16 code units.
    pub(super) fn text(&mut self, node: &Node<'_>, least: usize, most: usize) {
        self.measured(node, least, most, utf16);
    }

    /// A required text of 1 to `most` grapheme clusters.
    pub(super) fn graphemes(&mut self, node: &Node<'_>, most: usize) {
        self.measured(node, 1, most, graphemes);
    }

    /// LINE counts a lower bound of 1 as "may not be empty" and speaks of lengths from 0.
    fn measured(&mut self, node: &Node<'_>, least: usize, most: usize, measure: fn(&str) -> usize) {
        match node.str().map(measure) {
            None if node.is_absent() && least == 0 => {}
            None if node.is_absent() => self.problem(node, "May not be empty"),
            None => self.problem(node, "Must be a string"),
            Some(0) if least > 0 => self.problem(node, "May not be empty"),
            Some(length) if length > most => {
                self.problem(node, format!("Length must be between 0 and {most}"));
            }
            Some(_) => {}
        }
    }

    pub(super) fn text_if_any(&mut self, node: &Node<'_>, most: usize) {
        self.text(node, 0, most);
    }

    pub(super) fn graphemes_if_any(&mut self, node: &Node<'_>, most: usize) {
        self.measured(node, 0, most, graphemes);
    }

    /// An array of `least` to `most` items; its items.
    pub(super) fn array<'a>(&mut self, node: &Node<'a>, least: usize, most: usize) -> Vec<Node<'a>> {
        let items = node.items();
        if node.is_absent() && least > 0 {
            self.problem(node, "May not be empty");
        } else if !(least..=most).contains(&items.len()) {
            self.problem(node, format!("Size must be between {least} and {most}"));
        }
        items
    }

    /// One of the values; the value, or an empty text.
    pub(super) fn one_of<'a>(&mut self, node: &Node<'a>, values: &[&str]) -> &'a str {
        let value = node.str().filter(|value| values.contains(value));
        if value.is_none() {
            self.problem(node, format!("Must be one of the following values: [{}]", values.join(", ")));
        }
        value.unwrap_or_default()
    }

    /// A required https URL of at most 2,000 characters.
    pub(super) fn url(&mut self, node: &Node<'_>) {
        self.address(node, MAX_URL, &["https"]);
    }

    pub(super) fn url_if_any(&mut self, node: &Node<'_>) {
        if !node.is_absent() {
            self.url(node);
        }
    }

    /// A required address with one of the schemes.
    pub(super) fn address(&mut self, node: &Node<'_>, most: usize, schemes: &[&str]) {
        let before = self.problems.len();
        self.text(node, 1, most);
        let url = node.str().and_then(|text| Url::parse(text).ok());
        if self.problems.len() == before && !url.is_some_and(|url| schemes.contains(&url.scheme())) {
            self.problem(node, "invalid uri scheme");
        }
    }

    /// A required number within bounds.
    pub(super) fn number(&mut self, node: &Node<'_>, least: f64, most: f64) {
        if !node.number().is_some_and(|number| (least..=most).contains(&number)) {
            self.problem(node, format!("Must be between {least} and {most}"));
        }
    }
}
