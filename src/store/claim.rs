//! Claims of webhook events: whoever makes one applies the event, in the same batch.

use std::borrow::Cow;

use serde::Serialize;

use super::{Statement, delivery, tombstone::STANDS_AGAINST_NONE};
use crate::{
    id::{AccountId, LineUserId},
    secret::Digest,
    time::UnixMillis,
};

/// A claim as its statement reads it.
#[derive(Debug, Clone, Serialize)]
pub struct Claim<'a> {
    /// `webhookEventId`.
    pub event_id: Cow<'a, str>,
    /// The token of this attempt.
    pub claim: &'a str,
    /// When the delivery was acknowledged.
    pub received_at: UnixMillis,
    /// When it happened.
    pub at: UnixMillis,
    /// Of the person's tombstone.
    pub tombs: Cow<'a, [Digest]>,
    /// Whom it names.
    pub line_user_id: Option<&'a LineUserId>,
    /// Where its delivery lies, if it was kept before.
    pub delivery: Option<i64>,
    /// Which of those that are kept in this batch its delivery is.
    pub place: Option<usize>,
}

/// Claims events that nobody claimed. Their deliveries are kept behind it in the same batch.
#[must_use]
pub fn claim(account: &AccountId, claims: &[Claim<'_>]) -> Statement {
    Statement::compiled(format!(
        "INSERT INTO webhook_events (account, webhook_event_id, claimed_by, received_at, delivery, line_user_id) \
         SELECT ?1, e.value ->> 'event_id', e.value ->> 'claim', e.value ->> 'received_at', {}, e.value ->> 'line_user_id' \
         FROM json_each(?2) e WHERE {STANDS_AGAINST_NONE} ON CONFLICT (account, webhook_event_id) DO NOTHING",
        delivery::place_before("e")
    ))
    .bind(account)
    .bind_json(claims)
}
