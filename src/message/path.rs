//! Where something stands in the messages, as LINE writes it: `messages[0].contents.body.contents[2].text`.
//!
//! A place is a chain over the stack: nothing is written until something is wrong there.

use std::fmt;

/// A place, and through which it is reached.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The whole.
    pub(super) fn messages() -> Self {
        Self { before: None, step: Step::Name("messages") }
    }

    /// A property of what stands here.
    pub(super) fn name(&'a self, name: &'a str) -> Self {
        Self { before: Some(self), step: Step::Name(name) }
    }

    /// An item of the list that stands here.
    pub(super) fn item(&'a self, index: usize) -> Self {
        Self { before: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.before {
            before.fmt(f)?;
        }
        match (self.step, self.before) {
            (Step::Name(name), None) => f.write_str(name),
            // Names that LINE does not know may be of any length.
            (Step::Name(name), Some(_)) => write!(f, ".{name:.64}"),
            (Step::Index(index), _) => write!(f, "[{index}]"),
        }
    }
}
