//! From JSON to conditions. Whatever is refused names its place and says what to do.

mod event;
mod people;
mod value;

use super::{
    ERASED, MAX_CONDITIONS, MAX_COST, MAX_DEPTH, MAX_LISTS, MAX_MEMBERS, RuleError, at::At,
    condition::Condition,
};
use crate::id::MemberId;

/// What a condition begins with: one of these names.
const HEADS: [&str; 12] = [
    "all",
    "any",
    "not",
    "everyone",
    "attribute",
    "tag",
    "event",
    "link",
    "friendship",
    "received",
    "clicked",
    "members",
];

/// Reads a rule, and counts what it asks for.
#[derive(Default)]
pub(super) struct Reader {
    conditions: usize,
    lists: usize,
    cost: i64,
}

impl Reader {
    /// Reads a condition that lies under `depth` others.
    pub(super) fn condition(&mut self, at: &At<'_>, depth: usize) -> Result<Condition, RuleError> {
        let fields = at.any_fields()?;
        let head = match fields.named(&HEADS).as_slice() {
            [head] => *head,
            [] => return Err(at.refused(format!("must have one of {}", HEADS.join(", ")))),
            several => {
                return Err(at.refused(format!(
                    "has {}: put each into an object of its own, within all",
                    several.join(" and ")
                )));
            }
        };
        let Some(inner) = fields.get(head) else { return Err(at.refused("must have a condition")) };
        if matches!(head, "all" | "any" | "not") {
            at.fields(&[head])?;
            if depth >= MAX_DEPTH {
                return Err(inner.refused(format!(
                    "lies too deep: at most {MAX_DEPTH} of all, any and not within each other"
                )));
            }
        }
        let condition = match head {
            "all" => Condition::All(self.conditions(&inner, depth)?),
            "any" => Condition::Any(self.conditions(&inner, depth)?),
            "not" => self.condition(&inner, depth + 1)?.not(),
            _ => {
                let (condition, cost) = leaf(head, at, &inner)?;
                self.conditions += 1;
                self.lists += usize::from(head == "members");
                self.cost += cost;
                condition
            }
        };
        if self.conditions > MAX_CONDITIONS {
            return Err(at.refused(format!("is one condition too many: a rule has at most {MAX_CONDITIONS}")));
        }
        if self.lists > MAX_LISTS {
            return Err(
                at.refused(format!("is one list of members too many: a rule has at most {MAX_LISTS}"))
            );
        }
        if self.cost > MAX_COST {
            return Err(at.refused(format!(
                "makes the rule too expensive: at most {MAX_COST} points, of which events take 4, or 12 with their properties, \
                 and other conditions 1"
            )));
        }
        Ok(condition)
    }

    fn conditions(&mut self, at: &At<'_>, depth: usize) -> Result<Vec<Condition>, RuleError> {
        at.items(MAX_CONDITIONS)?.iter().map(|item| self.condition(item, depth + 1)).collect()
    }
}

/// A condition that has no others in it, and what it costs.
fn leaf(head: &str, at: &At<'_>, inner: &At<'_>) -> Result<(Condition, i64), RuleError> {
    if head == "attribute" {
        return Ok((value::attribute(at, inner)?, 1));
    }
    if head == "everyone" {
        return Ok((everyone(at, inner)?, 0));
    }
    at.fields(&[head])?;
    match head {
        "tag" => Ok((Condition::Tag(inner.name()?), 1)),
        "event" => event::event(inner),
        "link" => Ok((people::link(inner)?, 1)),
        "friendship" => Ok((people::friendship(inner)?, 1)),
        "received" => Ok((people::received(inner)?, 1)),
        "clicked" => Ok((people::clicked(inner)?, 1)),
        _ => Ok((members(inner)?, 1)),
    }
}

/// `{"everyone": true}`, and `"unlinked": true` beside it.
fn everyone(at: &At<'_>, inner: &At<'_>) -> Result<Condition, RuleError> {
    let fields = at.fields(&["everyone", "unlinked"])?;
    if !inner.flag()? {
        return Err(inner.refused("can only be true; nobody is reached by no rule at all"));
    }
    let unlinked = fields.get("unlinked").map(|at| at.flag()).transpose()?.unwrap_or_default();
    Ok(Condition::Everyone { unlinked })
}

/// Each once, so that an erasure finds them all. The word for those who were erased is nobody, even if a shop calls somebody so.
fn members(at: &At<'_>) -> Result<Condition, RuleError> {
    let mut ids: Vec<String> = Vec::new();
    for item in at.items(MAX_MEMBERS)? {
        let id = item.json.as_str().and_then(|text| MemberId::parse(text).ok()).map(String::from);
        let id = id.ok_or_else(|| {
            item.refused("must be a member_id: 1 to 255 characters without control characters")
        })?;
        if ids.contains(&id) {
            return Err(item.refused("stands in this list before: say each member once"));
        }
        if id != ERASED {
            ids.push(id);
        }
    }
    Ok(Condition::Members(ids))
}
