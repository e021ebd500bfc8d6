//! Rules that are true of everyone, or of nobody, by their form alone: such a rule is a slip, and would be an expensive one.
//!
//! `everyone` is always true. `all` is if all of it is, `any` if one of it is, `not` if the inner is never; and the other way
//! round. What stands beside its own opposite in an `any` is always true, in an `all` never.

use super::condition::Condition;

/// What the form says of a condition's truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Always,
    Never,
    Open,
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Open => Self::Open,
        }
    }
}

/// What the form of a condition says.
pub(super) fn truth(condition: &Condition) -> Truth {
    match condition {
        Condition::Everyone { .. } => Truth::Always,
        Condition::Not(inner) => truth(inner).not(),
        Condition::All(inner) => all(inner, Truth::Never),
        Condition::Any(inner) => all(inner, Truth::Always),
        _ => Truth::Open,
    }
}

/// `decisive` if one of them is, or two of them contradict each other; the opposite if all of them are.
fn all(inner: &[Condition], decisive: Truth) -> Truth {
    let truths: Vec<Truth> = inner.iter().map(truth).collect();
    let opposed = |one: &Condition| match one {
        Condition::Not(of) => inner.contains(of),
        _ => false,
    };
    if truths.contains(&decisive) || inner.iter().any(opposed) {
        decisive
    } else if truths.iter().all(|truth| *truth == decisive.not()) {
        decisive.not()
    } else {
        Truth::Open
    }
}
