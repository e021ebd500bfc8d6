//! What customers wrote, by whom it is of. Of a group or room nothing is kept but in which delivery it lies, under no user (0).

use serde::Serialize;

use super::{Statement, delivery};
use crate::{
    id::{AccountId, LineUserId},
    time::UnixMillis,
};

/// A message, the edition of one, or the unsending of one, as its statement reads it.
#[derive(Debug, Clone, Serialize)]
pub struct Message<'a> {
    /// `webhookEventId`.
    pub event_id: &'a str,
    /// The token of the event's claim, without which it does not count.
    pub claim: &'a str,
    /// Whose, in a one-to-one chat.
    pub line_user_id: Option<&'a LineUserId>,
    /// The row's name: LINE's id of the message, with `/` and its event's id for an edition.
    pub message_id: String,
    /// LINE's id of the message.
    pub of: &'a str,
    /// `text`, `image`, …, `edited`, `unsent`.
    pub kind: &'a str,
    /// The text, of a one-to-one chat.
    pub text: Option<&'a str>,
    /// When.
    pub at: UnixMillis,
    /// Where its delivery lies, if it was kept before.
    pub delivery: Option<i64>,
    /// Which of those that were kept in this batch its delivery is.
    pub place: Option<usize>,
}

/// SQL: the rows of messages that were claimed, with their user.
const CLAIMED: &str = "json_each(?2) m LEFT JOIN line_users u ON u.account = ?1 AND u.line_user_id = m.value ->> 'line_user_id' \
    WHERE EXISTS (SELECT 1 FROM webhook_events w WHERE w.account = ?1 \
      AND w.webhook_event_id = m.value ->> 'event_id' AND w.claimed_by = m.value ->> 'claim') \
    AND (u.id IS NOT NULL OR m.value ->> 'line_user_id' IS NULL)";

/// (1) Keeps messages, unless their unsending came first; (2) erases the text of those that are unsent, and leaves a tombstone
/// for those that arrive later; (3) takes both out of the deliveries. `kept` deliveries were kept before in this batch.
#[must_use]
pub fn statements(
    account: &AccountId,
    messages: &[Message<'_>],
    unsends: &[Message<'_>],
    kept: usize,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    // (1)
    if !messages.is_empty() {
        let keep = Statement::compiled(format!(
            "INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at, delivery) \
             SELECT ?1, m.value ->> 'message_id', coalesce(u.id, 0), m.value ->> 'kind', m.value ->> 'text', m.value ->> 'at', \
               {} FROM {CLAIMED} \
             ON CONFLICT (account, line_user, message_id) DO UPDATE SET delivery = excluded.delivery WHERE delivery IS NULL",
            delivery::place_behind("m", "?3")
        ));
        statements.push(keep.bind(account).bind_json(messages).bind(i64::try_from(kept).unwrap_or(i64::MAX)));
    }
    // (2)
    if !unsends.is_empty() {
        let erase = Statement::compiled(format!(
            "INSERT INTO chat_messages (account, message_id, line_user, kind, text, sent_at, unsent) \
             SELECT ?1, m.value ->> 'message_id', coalesce(u.id, 0), m.value ->> 'kind', NULL, m.value ->> 'at', 1 \
             FROM {CLAIMED} ON CONFLICT (account, line_user, message_id) DO UPDATE SET text = NULL, unsent = 1"
        ));
        statements.push(erase.bind(account).bind_json(unsends));
    }
    // (3)
    if !(messages.is_empty() && unsends.is_empty()) {
        let all: Vec<&Message<'_>> = messages.iter().chain(unsends).collect();
        statements.push(delivery::blank(account, &all));
    }
    statements
}
