//! What each event does: one pure table from events to effects, and the few statements that perform them all. Unknown
//! events do nothing.
//!
//! Every effect is guarded by its event's claim: `ON CONFLICT DO NOTHING` on the claim does not stop the statements
//! after it, so a duplicate would apply twice without the guard. However many the events, the statements are few: one for
//! each kind of effect, and one more for each further time that somebody follows or blocks within a batch.

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    id::{AccountId, LineUserId, Subject},
    line::webhook::{Event, Kind},
    secret::Digest,
    store::{
        Statement,
        line_user::{self, Evidence, Seen},
        link_nonce::{self, Answer},
        tombstone::{STANDS_AGAINST_NONE, Tombs},
    },
    time::UnixMillis,
};

/// An event that is to be applied, with what its claim needs.
#[derive(Debug)]
pub(super) struct Claimed<'a> {
    /// The event.
    pub(super) event: &'a Event,
    /// When its delivery was acknowledged.
    pub(super) received_at: UnixMillis,
    /// Random, so that a second claim of the same event is told from this one.
    pub(super) claim: String,
    /// The subject of its LINE user, if they are seen for the first time.
    pub(super) fresh: Subject,
}

/// What one event does.
enum Effect<'a> {
    /// Nothing.
    None,
    /// The user is a friend, or is none any more.
    Friendship(bool),
    /// A message is kept.
    Message { id: &'a str, kind: &'a str, text: Option<&'a str> },
    /// A message's text is erased.
    Unsend { message_id: &'a str },
    /// A link that was begun in the chat is made, or is not.
    Link { nonce: &'a str, ok: bool },
}

/// The table.
fn effect(kind: &Kind) -> Effect<'_> {
    match kind {
        Kind::Follow => Effect::Friendship(true),
        Kind::Unfollow => Effect::Friendship(false),
        Kind::Message { id, kind, text } => Effect::Message { id, kind, text: text.as_deref() },
        Kind::Unsend { message_id } => Effect::Unsend { message_id },
        Kind::AccountLink { nonce, ok } => Effect::Link { nonce, ok: *ok },
        Kind::Other => Effect::None,
    }
}

/// A claim as its statement reads it.
#[derive(Serialize)]
struct Claim<'a> {
    event_id: &'a str,
    claim: &'a str,
    received_at: UnixMillis,
    at: UnixMillis,
    tombs: Vec<Digest>,
}

/// A message, or the unsending of one, as its statement reads it.
#[derive(Serialize)]
struct Message<'a> {
    event_id: &'a str,
    claim: &'a str,
    line_user_id: &'a LineUserId,
    message_id: &'a str,
    kind: &'a str,
    text: Option<&'a str>,
    at: UnixMillis,
}

/// Of which account the events are.
pub(super) struct Of<'a> {
    pub(super) account: &'a AccountId,
    /// Whether its shop takes events.
    pub(super) takes_events: bool,
    /// Makes the digests of who was erased.
    pub(super) tombs: Tombs<'a>,
}

/// The statements of these events: the claims, and the effects that they guard. What somebody did before they were erased
/// is not claimed, and so has no effect.
#[must_use]
pub(super) fn statements(of: &Of<'_>, events: &[Claimed<'_>], now: UnixMillis) -> Vec<Statement> {
    let account = of.account;
    let (mut claims, mut seen, mut links) = (Vec::new(), Vec::new(), Vec::new());
    let mut friendships: HashMap<&LineUserId, Vec<Evidence<'_>>> = HashMap::new();
    let (mut messages, mut unsends) = (Vec::new(), Vec::new());
    for Claimed { event, claim, fresh, received_at } in events {
        let tombs = event.user.as_ref().map(|user| of.tombs.of_line_user(user)).unwrap_or_default();
        claims.push(Claim {
            event_id: &event.id,
            claim,
            received_at: *received_at,
            at: event.at,
            tombs: tombs.clone(),
        });
        if let Effect::Link { nonce, ok } = effect(&event.kind) {
            links.push(Answer {
                event_id: &event.id,
                claim,
                digest: Digest::of(nonce.as_bytes()),
                line_user_id: event.user.as_ref().filter(|_| ok),
                link_id: fresh_link(claim),
                at: event.at,
            });
        }
        let Some(user) = &event.user else { continue };
        let about = |message_id, kind, text| Message {
            event_id: &event.id,
            claim,
            line_user_id: user,
            message_id,
            kind,
            text,
            at: event.at,
        };
        match effect(&event.kind) {
            Effect::None => continue,
            Effect::Link { .. } => {}
            Effect::Friendship(friend) => friendships.entry(user).or_default().push(Evidence {
                line_user_id: user,
                friend,
                at: event.at,
                when: event.at.rfc3339(),
                event_id: &event.id,
                claim: Some(claim),
            }),
            Effect::Message { id, kind, text } => messages.push(about(id, kind, text)),
            Effect::Unsend { message_id } => unsends.push(about(message_id, "unsent", None)),
        }
        seen.push(Seen { line_user_id: user, subject: fresh.clone(), at: event.at, tombs });
    }
    let mut statements = vec![claim(account, &claims)];
    if !seen.is_empty() {
        statements.push(line_user::seen(account, &seen, now));
    }
    for round in in_rounds(friendships) {
        for friend in [true, false] {
            if of.takes_events && round.iter().any(|evidence| evidence.friend == friend) {
                statements.push(line_user::friendship_events(account, friend, &round, now));
            }
        }
        statements.push(line_user::friendships(account, &round));
    }
    if !links.is_empty() {
        statements.extend(link_nonce::settle(account, &links, of.takes_events, now));
    }
    if !messages.is_empty() {
        statements.push(keep(account, &messages));
    }
    if !unsends.is_empty() {
        statements.push(erase(account, &unsends));
    }
    statements
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

fn claim(account: &AccountId, claims: &[Claim<'_>]) -> Statement {
    Statement::compiled(format!(
        "INSERT INTO webhook_events (account, webhook_event_id, claimed_by, received_at) \
         SELECT ?1, e.value ->> 'event_id', e.value ->> 'claim', e.value ->> 'received_at' FROM json_each(?2) e \
         WHERE {STANDS_AGAINST_NONE} \
         ON CONFLICT (account, webhook_event_id) DO NOTHING"
    ))
    .bind(account)
    .bind_json(claims)
}

/// Keeps messages, unless their unsending came first.
fn keep(account: &AccountId, messages: &[Message<'_>]) -> Statement {
    Statement::new(
        "INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at) \
         SELECT ?1, m.value ->> 'message_id', u.id, m.value ->> 'kind', m.value ->> 'text', m.value ->> 'at' \
         FROM json_each(?2) m CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = m.value ->> 'line_user_id' \
         WHERE EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
           AND w.webhook_event_id = m.value ->> 'event_id' AND w.claimed_by = m.value ->> 'claim') \
         ON CONFLICT (account, message_id) DO NOTHING",
    )
    .bind(account)
    .bind_json(messages)
}

/// Erases the text of messages, and leaves a tombstone for those that arrive later.
fn erase(account: &AccountId, unsends: &[Message<'_>]) -> Statement {
    Statement::new(
        "INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at, unsent) \
         SELECT ?1, m.value ->> 'message_id', u.id, m.value ->> 'kind', NULL, m.value ->> 'at', 1 \
         FROM json_each(?2) m CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = m.value ->> 'line_user_id' \
         WHERE EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
           AND w.webhook_event_id = m.value ->> 'event_id' AND w.claimed_by = m.value ->> 'claim') \
         ON CONFLICT (account, message_id) DO UPDATE SET text = NULL, unsent = 1",
    )
    .bind(account)
    .bind_json(unsends)
}
