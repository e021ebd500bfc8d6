//! A word as the JSON that the statements read: see there for the names.

use serde::Serialize;
use serde_json::Value;

use super::Line;
use crate::{
    attribute::Attribute,
    id::{LineUserId, Subject},
    secret::{Digest, hmac_sha256},
    word::Word,
};

/// A line without what it says.
#[derive(Serialize)]
pub(super) struct Slim<'a> {
    n: usize,
    m: &'a str,
    #[serde(skip_serializing_if = "<[Digest]>::is_empty")]
    t: &'a [Digest],
    #[serde(skip_serializing_if = "Option::is_none")]
    u: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Digest]>::is_empty")]
    v: &'a [Digest],
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<Subject>,
}

/// A line as a whole.
#[derive(Serialize)]
pub(super) struct Full<'a> {
    m: &'a str,
    #[serde(skip_serializing_if = "<[Digest]>::is_empty")]
    t: &'a [Digest],
    #[serde(skip_serializing_if = "Option::is_none")]
    u: Option<&'a str>,
    w: i64,
    pub(super) a: Vec<(&'a str, &'static str, Value)>,
    x: bool,
    pub(super) p: &'a [String],
    pub(super) r: Vec<&'a str>,
}

impl<'a> Slim<'a> {
    /// Of a line; a subject that may be needed is drawn from the seed.
    pub(super) fn of(line: &Line<'a>, seed: &[u8; 32]) -> Self {
        let user = line.word.line_user.as_ref();
        let subject = |user: &LineUserId| Subject::from_random(hmac_sha256(seed, user.as_str().as_bytes()));
        Self {
            n: line.number,
            m: line.word.member.as_str(),
            t: line.tombs,
            u: user.map(LineUserId::as_str),
            v: line.user_tombs,
            s: user.map(subject),
        }
    }
}

impl<'a> Full<'a> {
    /// Of a line.
    pub(super) fn of(line: &Line<'a>) -> Self {
        let Word { member, attributes, tags, line_user, as_of } = line.word;
        let attribute = |(name, value): &'a (String, Option<Attribute>)| {
            let kind = value.as_ref().map_or("removed", Attribute::kind);
            (name.as_str(), kind, value.as_ref().map_or_else(|| "".into(), Attribute::json))
        };
        let whole = tags.is_whole.then_some("");
        Self {
            m: member.as_str(),
            t: line.tombs,
            u: line_user.as_ref().map(LineUserId::as_str),
            w: as_of.0,
            a: attributes.iter().map(attribute).collect(),
            x: tags.is_whole,
            p: &tags.add,
            r: whole.into_iter().chain(tags.remove.iter().map(String::as_str)).collect(),
        }
    }
}
