//! What a rule consists of, once it is read.

use super::Scalar;
use crate::time::{DAY, UnixMillis};

/// A condition on a LINE user and the member who is linked to them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Always holds; `unlinked`: also of friends who are linked to nobody.
    Everyone { unlinked: bool },
    /// The member has this attribute, and it passes.
    Attribute { name: String, test: Test },
    /// The member has this tag.
    Tag(String),
    /// What the member did.
    Event(Event),
    /// The LINE user is linked: since, and made in this way.
    Link { since: Times, route: Option<&'static str> },
    /// Friend since, and added by a login in this mode, of this client.
    Friendship { since: Times, mode: Option<&'static str>, client: Option<String> },
    /// LINE accepted a message for them: within days, of a send.
    Received { within_days: Option<i64>, send: Option<String> },
    /// They logged in by an auto-login link: within days, a certain one.
    Clicked { within_days: Option<i64>, link: Option<String> },
    /// One of these members, by the shop's ids.
    Members(Vec<String>),
}

impl Condition {
    /// The opposite.
    pub(super) fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Whether the link itself is spoken of: then friends who are not linked can belong.
    pub(super) fn speaks_of_link(&self) -> bool {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().any(Self::speaks_of_link),
            Self::Not(inner) => inner.speaks_of_link(),
            Self::Everyone { unlinked } => *unlinked,
            Self::Link { .. } => true,
            _ => false,
        }
    }

    /// Sends that are named.
    pub(super) fn sends<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().for_each(|inner| inner.sends(into)),
            Self::Not(inner) => inner.sends(into),
            Self::Received { send: Some(send), .. } => into.push(send),
            _ => {}
        }
    }
}

/// What is asked of a value: an attribute's, or an event's property.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// It is this.
    Equals(Scalar),
    /// It is one of these: all texts, or all numbers.
    In(Vec<Scalar>),
    /// It lies between: numbers, or dates.
    Range(Range),
    /// It is there, or is not.
    Present(bool),
    /// A date whose day of the year is at most so many days from today, by the clocks of Japan.
    Anniversary { from: i64, to: i64 },
    /// A list that has this element: text or number.
    Contains(Scalar),
}

/// What is asked of an event's property.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Property {
    /// Of its value.
    Value(Test),
    /// A list, one of whose objects has these properties.
    Any(Vec<(String, Test)>),
}

/// Bounds; at least one is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    pub(super) low: Option<Edge>,
    pub(super) high: Option<Edge>,
}

/// A bound, and whether it belongs to the range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edge {
    pub(super) value: Scalar,
    pub(super) included: bool,
}

impl Range {
    /// Whether the number 0 lies in it.
    pub(super) fn has_zero(&self) -> bool {
        let above = |edge: &Edge| matches!(edge.value, Scalar::Number(low) if low < 0.0 || low <= 0.0 && edge.included);
        let below = |edge: &Edge| matches!(edge.value, Scalar::Number(high) if high > 0.0 || high >= 0.0 && edge.included);
        self.low.as_ref().is_none_or(above) && self.high.as_ref().is_none_or(below)
    }
}

/// A span of time that ends before `before`; either bound may be missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Times {
    pub(super) after: Vec<Instant>,
    pub(super) before: Vec<Instant>,
}

/// A point of time, or so many days before the rule is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Instant {
    At(UnixMillis),
    DaysAgo(i64),
}

impl Instant {
    fn resolve(self, now: UnixMillis) -> i64 {
        match self {
            Self::At(at) => at.0,
            Self::DaysAgo(days) => (now + -days * DAY).0,
        }
    }
}

impl Times {
    /// The first instant of the span, and the first after it.
    pub(super) fn bounds(&self, now: UnixMillis) -> (Option<i64>, Option<i64>) {
        let resolved =
            |instants: &[Instant]| -> Vec<i64> { instants.iter().map(|at| at.resolve(now)).collect() };
        (resolved(&self.after).into_iter().max(), resolved(&self.before).into_iter().min())
    }

    pub(super) fn is_open(&self) -> bool {
        self.after.is_empty() && self.before.is_empty()
    }
}

/// What is asked of a member's events of one type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) times: Times,
    pub(super) properties: Vec<(String, Property)>,
    pub(super) measure: Measure,
}

/// What is measured of the events that pass, and what it must be. Of no events, count, sum and distinct are 0, and there is
/// no first and no last.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Measure {
    /// How many there are: at least 1, at most.
    Count { low: i64, high: Option<i64> },
    /// The sum of a property where it is a number.
    Sum(String, Range),
    /// How many different values of a property there are: at least 1, at most.
    Distinct { property: String, low: i64, high: Option<i64> },
    /// When the first of them was.
    First(Times),
    /// When the last of them was.
    Last(Times),
}
