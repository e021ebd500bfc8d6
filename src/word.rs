//! What the shop says of a member at some time: attributes, tags, and which LINE user they are.
//!
//! In: JSON of one member. Out: the word, or the field that is wrong and what to do. Words may come late: each attribute and each
//! tag is as the newest word on it says (`store/word.rs`).

use serde_json::{Map, Value};

use crate::{
    attribute::{Attribute, check_name},
    event::{checked_member, checked_time},
    id::{LineUserId, MemberId},
    time::UnixMillis,
    web::{
        lines::{Refused, fields, nothing_more, optional, text},
        repeated,
    },
};

/// Attributes that one word names.
pub const MAX_ATTRIBUTES: usize = 100;

/// Tags that one word names.
pub const MAX_TAGS: usize = 100;

/// A word that is well formed.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// Of whom.
    pub member: MemberId,
    /// Attributes by name; nothing removes one.
    pub attributes: Vec<(String, Option<Attribute>)>,
    /// Tags.
    pub tags: Tags,
    /// The LINE user to whom the member is linked elsewhere.
    pub line_user: Option<LineUserId>,
    /// When it was so.
    pub as_of: UnixMillis,
}

/// What is said of tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags {
    /// Whether those that are added are all that there are.
    pub is_whole: bool,
    /// Those that are there.
    pub add: Vec<String>,
    /// Those that are not.
    pub remove: Vec<String>,
}

impl Word {
    /// Reads one word; of whom it is, is said by `member` or else in it.
    pub fn parse(json: Value, member: Option<MemberId>, now: UnixMillis) -> Result<Self, Refused> {
        let mut fields = fields(json)?;
        let known = if member.is_some() { "" } else { "member_id, " };
        let member = match member {
            Some(member) => member,
            None => checked_member(&text(&mut fields, "member_id")?)?,
        };
        let attributes = match fields.remove("attributes") {
            None => Vec::new(),
            Some(Value::Object(attributes)) => checked_attributes(attributes)?,
            Some(_) => return Err(Refused::new("attributes", "must be an object of names and values")),
        };
        let tags = fields.remove("tags").map(Tags::parse).transpose()?.unwrap_or_default();
        let line_user = optional(&mut fields, "line_user_id")?.map(|user| {
            LineUserId::parse(&user).map_err(|e| Refused::new("line_user_id", format!("must be {}", e.form)))
        });
        let line_user = line_user.transpose()?;
        let as_of = optional(&mut fields, "as_of")?.map(|at| checked_time("as_of", &at, now));
        let as_of = as_of.transpose()?.unwrap_or(now);
        nothing_more(&fields, &format!("{known}attributes, tags, line_user_id, as_of"))?;
        Ok(Self { member, attributes, tags, line_user, as_of })
    }
}

fn checked_attributes(said: Map<String, Value>) -> Result<Vec<(String, Option<Attribute>)>, Refused> {
    if said.len() > MAX_ATTRIBUTES {
        return Err(Refused::new("attributes", format!("are at most {MAX_ATTRIBUTES} in one call")));
    }
    said.into_iter()
        .map(|(name, value)| {
            let refused = |name: &str, error: crate::attribute::AttributeError| {
                Refused::new(format!("attributes.{}", repeated(name)), error.to_string())
            };
            check_name(&name).map_err(|error| refused(&name, error))?;
            let value = match value {
                Value::Null => None,
                value => Some(Attribute::parse(value).map_err(|error| refused(&name, error))?),
            };
            Ok((name, value))
        })
        .collect()
}

impl Tags {
    fn parse(json: Value) -> Result<Self, Refused> {
        let tags = match json {
            list @ Value::Array(_) => Self { is_whole: true, add: names("tags", list)?, remove: Vec::new() },
            Value::Object(mut changes) => {
                let mut taken = |name: &str| match changes.remove(name) {
                    None => Ok(Vec::new()),
                    Some(list) => names(&format!("tags.{name}"), list),
                };
                let (add, remove) = (taken("add")?, taken("remove")?);
                nothing_more(&changes, "add, remove").map_err(|refused| refused.within("tags"))?;
                if let Some(both) = add.iter().find(|tag| remove.contains(tag)) {
                    return Err(Refused::new("tags", format!("{both} is both added and removed")));
                }
                Self { is_whole: false, add, remove }
            }
            _ => {
                return Err(Refused::new(
                    "tags",
                    "must be the list of all tags, or {\"add\": […], \"remove\": […]}",
                ));
            }
        };
        Ok(tags)
    }
}

fn names(field: &str, list: Value) -> Result<Vec<String>, Refused> {
    let refused = || Refused::new(field, format!("must be a list of at most {MAX_TAGS} tags"));
    let Value::Array(list) = list else { return Err(refused()) };
    if list.len() > MAX_TAGS {
        return Err(refused());
    }
    list.into_iter()
        .enumerate()
        .map(|(at, tag)| match tag {
            Value::String(tag) if check_name(&tag).is_ok() => Ok(tag),
            _ => Err(Refused::new(
                format!("{field}[{at}]"),
                "must be text of 1 to 64 characters, none of them a control character",
            )),
        })
        .collect()
}
