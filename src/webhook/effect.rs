//! What each event does: one pure table from events to effects, and the few statements that perform them all. Unknown
//! events do nothing.
//!
//! Every effect is guarded by its event's claim: `ON CONFLICT DO NOTHING` on the claim does not stop the statements
//! after it, so a duplicate would apply twice without the guard. However many the events, the statements are few: one for
//! each kind of effect, and one more for each further time that somebody follows or blocks within a batch.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    config::{Account, Reply},
    id::{AccountId, LineUserId, Subject},
    line::webhook::{Event, Kind},
    secret::Digest,
    store::{
        Statement,
        chat_message::{self, Message},
        claim::{self, Claim},
        delivery,
        line_user::{self, Evidence, Seen},
        link_nonce::{self, Answer},
        outbox::{self, Answerable},
        tombstone::Tombs,
    },
    time::UnixMillis,
};

/// Claims that one statement makes of persons who are named beside an event's own: D1 takes 2 MB as one value.
const CLAIMS_AT_ONCE: usize = 3_000;

/// An event that is to be applied, with what its claim needs.
#[derive(Debug)]
pub(super) struct Claimed<'a> {
    /// The event.
    pub(super) event: &'a Event,
    /// When its delivery was acknowledged.
    pub(super) received_at: UnixMillis,
    /// Where in the ledger its delivery lies.
    pub(super) lies: Lies,
    /// Random, so that a second claim of the same event is told from this one.
    pub(super) claim: String,
    /// The subject of its LINE user, if they are seen for the first time.
    pub(super) fresh: Subject,
    /// Of its user's tombstone.
    pub(super) tombs: &'a [Digest],
}

/// Where a delivery lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lies {
    /// It is there.
    At(i64),
    /// It is kept in this batch, as this one of those that are.
    Next(usize),
}

/// What one event does.
enum Effect<'a> {
    /// Nothing.
    None,
    /// The user is a friend, or is none any more.
    Friendship(bool),
    /// A message is kept; one of a group without its text.
    Message { id: &'a str, kind: &'a str, text: Option<&'a str> },
    /// Where a message came again, so that its unsending finds it.
    Edited { id: &'a str },
    /// A message's text is erased.
    Unsend { message_id: &'a str },
    /// A link that was begun in the chat is made, or is not.
    Link { nonce: &'a str, ok: bool },
}

/// The table.
fn effect(kind: &Kind) -> Effect<'_> {
    match kind {
        Kind::Follow { .. } => Effect::Friendship(true),
        Kind::Unfollow => Effect::Friendship(false),
        Kind::Message { id, kind, text } => Effect::Message { id, kind, text: text.as_deref() },
        Kind::MessageEdited { id } => Effect::Edited { id },
        Kind::Unsend { message_id } => Effect::Unsend { message_id },
        Kind::AccountLink { nonce, ok } => Effect::Link { nonce, ok: *ok },
        Kind::Postback
        | Kind::VideoPlayComplete
        | Kind::Beacon
        | Kind::Membership
        | Kind::Join
        | Kind::Leave
        | Kind::MemberJoined
        | Kind::MemberLeft
        | Kind::Module
        | Kind::Activated
        | Kind::Deactivated
        | Kind::BotSuspended
        | Kind::BotResumed
        | Kind::Delivery
        | Kind::Unknown => Effect::None,
    }
}

/// What we answer, if we do, and under which type the rule stands.
fn answer<'a>(account: &'a Account, kind: &Kind) -> Option<(&'static str, &'a Reply)> {
    match kind {
        Kind::Follow { unblocked } => {
            let rule = account.reply_to("follow").filter(|rule| rule.when_unblocked || !unblocked)?;
            Some(("follow", rule))
        }
        _ => None,
    }
}

/// Of which account the events are.
pub(super) struct Of<'a> {
    pub(super) account: &'a Account,
    /// How many deliveries are kept in this batch.
    pub(super) kept: usize,
}

/// What the events of a batch do.
#[derive(Default)]
struct Effects<'a> {
    seen: Vec<Seen<'a>>,
    friendships: HashMap<&'a LineUserId, Vec<Evidence<'a>>>,
    messages: Vec<Message<'a>>,
    unsends: Vec<Message<'a>>,
    links: Vec<Answer<'a>>,
    answers: Vec<Answerable<'a>>,
}

/// The claims of these events, as the first statement of their batch. What somebody did before they were erased is not claimed,
/// and so has no effect.
#[must_use]
pub(super) fn claims(account: &AccountId, events: &[Claimed<'_>]) -> Statement {
    let claims: Vec<Claim<'_>> = events.iter().map(Claimed::main).collect();
    claim::claim(account, &claims)
}

/// Who else is named by these events, as claims beside theirs, so that they are found; seldom anybody.
#[must_use]
pub(super) fn others(account: &AccountId, events: &[Claimed<'_>], tombs: &Tombs<'_>) -> Vec<Statement> {
    let others: Vec<Claim<'_>> = events.iter().flat_map(|claimed| claimed.others(tombs)).collect();
    others.chunks(CLAIMS_AT_ONCE).map(|some| claim::claim(account, some)).collect()
}

/// Takes messages that were unsent out of the deliveries in which these events lie, whoever claimed them.
#[must_use]
pub(super) fn blank<'a>(account: &AccountId, events: impl Iterator<Item = &'a Event>) -> Option<Statement> {
    let messages: Vec<Message<'_>> = events
        .filter_map(|event| match effect(&event.kind) {
            Effect::Message { id, kind, .. } => Some((event, id, kind)),
            Effect::Edited { id } => Some((event, id, "edited")),
            _ => None,
        })
        .map(|(event, id, kind)| Message {
            event_id: &event.id,
            claim: "",
            line_user_id: event.user.as_ref(),
            message_id: id.to_owned(),
            of: id,
            kind,
            text: None,
            at: event.at,
            delivery: None,
            place: None,
        })
        .collect();
    let all: Vec<&Message<'_>> = messages.iter().collect();
    (!all.is_empty()).then(|| delivery::blank(account, &all))
}

/// The statements of these events, behind their claims and the deliveries that were kept.
#[must_use]
pub(super) fn statements(of: &Of<'_>, events: &[Claimed<'_>], now: UnixMillis) -> Vec<Statement> {
    let (account, takes_events) = (&of.account.id, of.account.takes_events());
    let Effects { seen, friendships, messages, unsends, links, answers } = effects(of.account, events);
    let mut statements = Vec::new();
    if !seen.is_empty() {
        statements.push(line_user::seen(account, &seen, now));
    }
    for round in in_rounds(friendships) {
        for friend in [true, false] {
            if takes_events && round.iter().any(|evidence| evidence.friend == friend) {
                statements.push(line_user::friendship_events(account, friend, &round, now));
            }
        }
        statements.push(line_user::friendships(account, &round));
    }
    if !links.is_empty() {
        statements.extend(link_nonce::settle(account, &links, takes_events, now));
    }
    statements.extend(chat_message::statements(account, &messages, &unsends, of.kept));
    if !answers.is_empty() {
        statements.push(outbox::replies(account, &answers));
    }
    statements
}

fn effects<'a>(account: &Account, events: &'a [Claimed<'a>]) -> Effects<'a> {
    let mut effects = Effects::default();
    for claimed in events {
        let Claimed { event, claim, .. } = claimed;
        let user = event.user.as_ref();
        match effect(&event.kind) {
            Effect::None => continue,
            Effect::Link { nonce, ok } => effects.links.push(Answer {
                event_id: &event.id,
                claim,
                digest: Digest::of(nonce.as_bytes()),
                line_user_id: user.filter(|_| ok),
                link_id: fresh_link(claim),
                at: event.at,
            }),
            Effect::Friendship(friend) => {
                if let Some(user) = user {
                    effects.friendships.entry(user).or_default().push(Evidence {
                        line_user_id: user,
                        friend,
                        at: event.at,
                        when: event.at.rfc3339(),
                        event_id: &event.id,
                        claim: Some(claim),
                    });
                }
            }
            Effect::Message { id, kind, text } => {
                effects.messages.push(claimed.message(id.to_owned(), id, kind, text));
            }
            Effect::Edited { id } => {
                effects.messages.push(claimed.message(format!("{id}/{}", event.id), id, "edited", None));
            }
            Effect::Unsend { message_id } => {
                effects.unsends.push(claimed.message(message_id.to_owned(), message_id, "unsent", None));
            }
        }
        effects.answers.extend(claimed.answerable(account));
        if let Some(user) = user {
            let (subject, tombs) = (claimed.fresh.clone(), claimed.tombs.to_vec());
            effects.seen.push(Seen { line_user_id: user, subject, at: event.at, tombs });
        }
    }
    effects
}

impl<'a> Claimed<'a> {
    fn main(&'a self) -> Claim<'a> {
        let (delivery, place) = self.lies.as_numbers();
        Claim {
            event_id: Cow::Borrowed(&self.event.id),
            claim: &self.claim,
            received_at: self.received_at,
            at: self.event.at,
            tombs: Cow::Borrowed(self.tombs),
            line_user_id: self.event.user.as_ref(),
            delivery,
            place,
        }
    }

    fn others(&'a self, tombs: &Tombs<'_>) -> Vec<Claim<'a>> {
        let others = self.event.named.iter().filter(|named| Some(*named) != self.event.user.as_ref());
        let claim = |(number, other): (usize, &'a LineUserId)| Claim {
            event_id: Cow::Owned(format!("{}/{number}", self.event.id)),
            tombs: Cow::Owned(tombs.of_line_user(other)),
            line_user_id: Some(other),
            ..self.main()
        };
        others.enumerate().map(claim).collect()
    }

    /// What is owed to whoever caused it, if its type is one that we answer.
    fn answerable(&'a self, account: &Account) -> Option<Answerable<'a>> {
        let (name, rule) = answer(account, &self.event.kind)?;
        let lifetime = if rule.push_when_late { outbox::PUSH_LIFETIME } else { outbox::REPLY_LIFETIME };
        Some(Answerable {
            event_id: &self.event.id,
            claim: &self.claim,
            line_user_id: self.event.user.as_ref()?,
            received_at: self.received_at,
            expires_at: self.received_at + lifetime,
            event: name,
            token: self.event.reply_token.as_deref()?,
        })
    }

    fn message(
        &'a self,
        message_id: String,
        of: &'a str,
        kind: &'a str,
        text: Option<&'a str>,
    ) -> Message<'a> {
        let (delivery, place) = self.lies.as_numbers();
        Message {
            event_id: &self.event.id,
            claim: &self.claim,
            line_user_id: self.event.user.as_ref(),
            message_id,
            of,
            kind,
            // Of a chat with several persons nothing is kept but where it lies.
            text: text.filter(|_| self.event.user.is_some()),
            at: self.event.at,
            delivery,
            place,
        }
    }
}

impl Lies {
    /// The place in the ledger, or the number among those that are kept.
    fn as_numbers(self) -> (Option<i64>, Option<usize>) {
        match self {
            Self::At(seq) => (Some(seq), None),
            Self::Next(place) => (None, Some(place)),
        }
    }
}

/// Each user's evidence in the order of its time, one of each user in a round: a statement changes a row once, and
/// users who toggle within one batch are few.
fn in_rounds<'a>(friendships: HashMap<&'a LineUserId, Vec<Evidence<'a>>>) -> Vec<Vec<Evidence<'a>>> {
    let mut rounds: Vec<Vec<Evidence<'a>>> = Vec::new();
    for mut of_user in friendships.into_values() {
        of_user.sort_by_key(|evidence| (evidence.at, evidence.event_id));
        for (number, evidence) in of_user.into_iter().enumerate() {
            match rounds.get_mut(number) {
                Some(round) => round.push(evidence),
                None => rounds.push(vec![evidence]),
            }
        }
    }
    rounds
}

/// The id of a link that an event makes: as random as its claim.
fn fresh_link(claim: &str) -> String {
    Digest::of(claim.as_bytes()).as_str().chars().take(32).collect()
}
