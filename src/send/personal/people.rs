//! What is known of each person of a chunk.

use serde::Deserialize;

use crate::{
    id::LineUserId,
    line::messaging::{self, Verdict},
    message::{MessageError, Messages, Values},
    platform::PlatformError,
    send::{
        claim::Chunk,
        filter::MAX_FACTS,
        outcome::{ACCEPTED, REFUSED, UNFIT, UNKNOWN, UNRESOLVED},
    },
};

/// Somebody, as the claim froze them: an array of four.
#[derive(Debug, Deserialize)]
pub(super) struct Person {
    /// `line_users.id`.
    id: i64,
    /// LINE's name.
    pub(super) line_user_id: LineUserId,
    /// Ours.
    pub(super) subject: String,
    /// What the messages are filled from, unless it is more than [`MAX_FACTS`].
    values: Option<Values>,
}

/// What is known of one person's push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// LINE has nothing.
    Open,
    /// LINE may have it.
    Unknown,
    /// One of `outcome`.
    Settled(i64),
}

/// Of what LINE may have, in `chunks.outcomes`.
const MAY_HAVE: i64 = 0;

/// What an attempt of a whole chunk came to.
pub(super) struct Attempted {
    pub(super) people: Vec<Person>,
    pub(super) fates: Vec<Fate>,
    /// LINE's words, or what was wrong with the messages of somebody.
    pub(super) reason: Option<String>,
    /// Why it ended before everybody was asked for.
    pub(super) stopped: Option<Verdict>,
}

impl Attempted {
    /// As it stands before an attempt.
    pub(super) fn before(chunk: &Chunk, is_repeat: bool) -> Result<Self, PlatformError> {
        let stored = |error: serde_json::Error| PlatformError::Stored(format!("recipients: {error}"));
        let people: Vec<Person> =
            serde_json::from_str(chunk.recipients.as_deref().unwrap_or("[]")).map_err(stored)?;
        let before: Vec<Option<i64>> =
            chunk.outcomes.as_deref().map_or(Ok(Vec::new()), serde_json::from_str).map_err(stored)?;
        let fate = |place: usize| match before.get(place).copied().flatten() {
            None if is_repeat && before.is_empty() => Fate::Unknown,
            None => Fate::Open,
            Some(MAY_HAVE) => Fate::Unknown,
            Some(code) => Fate::Settled(code),
        };
        let fates = (0..people.len()).map(fate).collect();
        Ok(Self { people, fates, reason: None, stopped: None })
    }

    /// What nobody knows stays unknown.
    pub(super) fn give_up(&mut self) {
        for fate in self.fates.iter_mut().filter(|fate| **fate == Fate::Unknown) {
            *fate = Fate::Settled(UNRESOLVED);
        }
        self.reason = Some("outcome_unknown".to_owned());
    }

    /// Those of this fate, by their places, each with their messages.
    pub(super) fn asked(
        &mut self,
        fate: Fate,
        messages: &Result<Messages, MessageError>,
    ) -> Vec<(usize, String)> {
        let places: Vec<usize> =
            (0..self.fates.len()).filter(|place| self.fates.get(*place) == Some(&fate)).collect();
        places.into_iter().filter_map(|place| Some((place, self.filled(place, messages)?))).collect()
    }

    /// Somebody's messages; whoever cannot have them is settled, unless LINE may have them already.
    fn filled(&mut self, place: usize, messages: &Result<Messages, MessageError>) -> Option<String> {
        let person = self.people.get(place)?;
        let filled = match (messages, &person.values) {
            (Ok(messages), Some(values)) => messages.fill(values).map_err(|error| error.to_string()),
            (Err(error), _) => Err(error.to_string()),
            (_, None) => {
                Err(format!("the attributes that it is filled from have more than {MAX_FACTS} bytes"))
            }
        };
        match filled {
            Ok(text) => Some(text),
            Err(reason) => {
                let fate = self.fates.get_mut(place)?;
                if *fate == Fate::Open {
                    *fate = Fate::Settled(UNFIT);
                    self.reason = Some(reason);
                }
                None
            }
        }
    }

    /// While an earlier attempt may have been accepted, nothing but LINE's acceptance settles anybody.
    pub(super) fn judge(&mut self, place: usize, verdict: Verdict) {
        let Some(fate) = self.fates.get_mut(place) else { return };
        let may_have = *fate == Fate::Unknown;
        match verdict {
            Verdict::Accepted { .. } => *fate = Fate::Settled(ACCEPTED),
            Verdict::Unknown => *fate = Fate::Unknown,
            Verdict::TokenRefused | Verdict::TooFast | Verdict::MonthlyLimit => self.stopped = Some(verdict),
            Verdict::Refused(_) | Verdict::UnknownRecipient(_) if may_have => {}
            Verdict::UnknownRecipient(_) => *fate = Fate::Settled(UNKNOWN),
            Verdict::Refused(words) if words.starts_with(messaging::UNREACHABLE) => {
                *fate = Fate::Settled(UNKNOWN);
            }
            Verdict::Refused(words) => {
                *fate = Fate::Settled(REFUSED);
                self.reason = Some(words);
            }
        }
    }

    pub(super) fn settled(&self) -> Vec<(i64, i64)> {
        let fates = self.people.iter().zip(&self.fates);
        fates
            .filter_map(|(person, fate)| match fate {
                Fate::Settled(code) => Some((person.id, *code)),
                Fate::Open | Fate::Unknown => None,
            })
            .collect()
    }

    pub(super) fn outcomes(&self) -> String {
        let code = |fate: &Fate| match fate {
            Fate::Open => None,
            Fate::Unknown => Some(MAY_HAVE),
            Fate::Settled(code) => Some(*code),
        };
        let outcomes: Vec<Option<i64>> = self.fates.iter().map(code).collect();
        serde_json::to_string(&outcomes).unwrap_or_default()
    }
}
