//! What each event does: one pure table from events to statements. Unknown events do nothing.
//!
//! Every effect is guarded by the event's claim: `ON CONFLICT DO NOTHING` on the claim does not stop the statements
//! after it, so a duplicate would apply twice without the guard.

use crate::{
    id::{AccountId, LineUserId, Subject},
    line::webhook::{Event, Kind},
    store::{
        Statement,
        line_user::{self, Claim, Evidence},
    },
    time::UnixMillis,
};

/// The statements of one claimed event. `fresh` becomes the subject of a LINE user who is seen for the first time.
#[must_use]
pub(super) fn of(
    account: &AccountId,
    event: &Event,
    claim: &Claim,
    fresh: &Subject,
    now: UnixMillis,
) -> Vec<Statement> {
    let Some(user) = &event.user else { return Vec::new() };
    let effect = match &event.kind {
        Kind::Follow => friendship(account, user, event, claim, true),
        Kind::Unfollow => friendship(account, user, event, claim, false),
        Kind::Message { id, kind, text } => message(account, user, event, claim, (id, kind, text.as_deref())),
        Kind::Unsend { message_id } => unsend(account, user, event, claim, message_id),
        Kind::Other => return Vec::new(),
    };
    vec![line_user::seen(account, user, fresh, now), effect]
}

fn friendship(
    account: &AccountId,
    user: &LineUserId,
    event: &Event,
    claim: &Claim,
    friend: bool,
) -> Statement {
    line_user::friendship(account, user, Evidence { friend, at: event.at, claim: Some(claim) })
}

/// Keeps a message (its id, kind and text), unless its unsending came first.
fn message(
    account: &AccountId,
    user: &LineUserId,
    event: &Event,
    claim: &Claim,
    (id, kind, text): (&str, &str, Option<&str>),
) -> Statement {
    Statement::new(
        "INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at) \
         SELECT ?1, ?3, id, ?4, ?5, ?6 FROM line_users WHERE account = ?1 AND line_user_id = ?2 \
           AND EXISTS (SELECT 1 FROM webhook_events \
               WHERE account = ?1 AND webhook_event_id = ?7 AND claimed_by = ?8) \
         ON CONFLICT (account, message_id) DO NOTHING",
    )
    .bind(account)
    .bind(user)
    .bind(id)
    .bind(kind)
    .bind(text)
    .bind(event.at)
    .bind(claim.event_id.as_str())
    .bind(claim.token.as_str())
}

/// Erases the text of a message, and leaves a tombstone for one that arrives later.
fn unsend(
    account: &AccountId,
    user: &LineUserId,
    event: &Event,
    claim: &Claim,
    message_id: &str,
) -> Statement {
    Statement::new(
        "INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at, unsent) \
         SELECT ?1, ?3, id, 'unsent', NULL, ?4, 1 FROM line_users WHERE account = ?1 AND line_user_id = ?2 \
           AND EXISTS (SELECT 1 FROM webhook_events \
               WHERE account = ?1 AND webhook_event_id = ?5 AND claimed_by = ?6) \
         ON CONFLICT (account, message_id) DO UPDATE SET text = NULL, unsent = 1",
    )
    .bind(account)
    .bind(user)
    .bind(message_id)
    .bind(event.at)
    .bind(claim.event_id.as_str())
    .bind(claim.token.as_str())
}
