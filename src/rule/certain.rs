//! Rules that are true of everyone, or of nobody, by their form alone: such a rule is a slip, and would be an expensive one.
//!
//! `everyone` is always true. `all` is if all of it is, `any` if one of it is, `not` if the inner is never; and the other way
//! round. What is true, or not, whichever way one part of it goes is so always: an `any` of something and its opposite.

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

/// What the form of a condition says: by its parts, or else whichever way a part of it goes.
pub(super) fn truth(condition: &Condition) -> Truth {
    let by_parts = match condition {
        Condition::Everyone { .. } => Truth::Always,
        Condition::Not(inner) => truth(inner).not(),
        Condition::All(inner) => all(inner, Truth::Never, &truth),
        Condition::Any(inner) => all(inner, Truth::Always, &truth),
        _ => Truth::Open,
    };
    if by_parts != Truth::Open {
        return by_parts;
    }
    let mut parts = Vec::new();
    split(condition, &mut parts);
    let either_way = |part: &Condition| {
        let [one, other] = [Truth::Always, Truth::Never].map(|supposed| given(condition, part, supposed));
        (one == other && one != Truth::Open).then_some(one)
    };
    parts.into_iter().find_map(either_way).unwrap_or(Truth::Open)
}

/// The parts that may stand beside their own opposites: what is not made of others, and what is within a `not`.
fn split<'a>(condition: &'a Condition, parts: &mut Vec<&'a Condition>) {
    match condition {
        Condition::All(inner) | Condition::Any(inner) => inner.iter().for_each(|inner| split(inner, parts)),
        Condition::Not(inner) => {
            if matches!(**inner, Condition::All(_) | Condition::Any(_)) {
                parts.push(inner);
            }
            split(inner, parts);
        }
        leaf => parts.push(leaf),
    }
}

/// What the form says if this part is true, or is not, wherever it stands.
fn given(condition: &Condition, part: &Condition, supposed: Truth) -> Truth {
    let inner_truth = |inner: &Condition| given(inner, part, supposed);
    match condition {
        _ if condition == part => supposed,
        Condition::Everyone { .. } => Truth::Always,
        Condition::Not(inner) => inner_truth(inner).not(),
        Condition::All(inner) => all(inner, Truth::Never, &inner_truth),
        Condition::Any(inner) => all(inner, Truth::Always, &inner_truth),
        _ => Truth::Open,
    }
}

/// `decisive` if one of them is; the opposite if all of them are.
fn all(inner: &[Condition], decisive: Truth, truth: &dyn Fn(&Condition) -> Truth) -> Truth {
    let mut truths = inner.iter().map(truth);
    let mut is_open = false;
    if truths.any(|truth| {
        is_open |= truth == Truth::Open;
        truth == decisive
    }) {
        decisive
    } else if is_open {
        Truth::Open
    } else {
        decisive.not()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::rule::Rule;

    #[test]
    fn whoever_is_meant_by_a_condition_and_by_its_opposite_is_everybody_however_deep_the_two_lie() {
        let [a, b] = ["a", "b"].map(|tag| json!({ "tag": tag }));
        let not = |rule: &Value| json!({ "not": rule });
        let both = json!({ "all": [a, b] });
        for rule in [
            json!({ "any": [a, not(&a)] }),
            json!({ "any": [b, { "any": [a, { "all": [not(&a)] }] }] }),
            json!({ "any": [{ "all": [a] }, not(&a)] }),
            json!({ "any": [both, not(&both)] }),
            json!({ "any": [a, b, not(&both)] }),
            json!({ "any": [b, not(&json!({ "all": [a, not(&a)] }))] }),
            not(&json!({ "all": [a, { "any": [not(&a)] }] })),
            json!({ "all": [{ "any": [a, not(&a)] }, { "any": [b, not(&b)] }] }),
        ] {
            let refused =
                |rule: Value| Rule::parse(rule).map_or_else(|error| error.problem, |_| String::new());
            assert!(refused(rule.clone()).contains("everyone"), "{rule}");
            assert!(refused(not(&rule)).contains("nobody"), "{rule}");
        }
        for rule in [
            both.clone(),
            json!({ "any": [a, b, not(&json!({ "any": [a, b, { "tag": "c" }] }))] }),
            json!({ "all": [{ "any": [a, not(&b)] }, { "any": [b, not(&a)] }] }),
            json!({ "any": [{ "all": [a, not(&b)] }, { "all": [b, not(&a)] }] }),
        ] {
            assert!(Rule::parse(rule.clone()).is_ok(), "{rule}");
        }
    }
}
