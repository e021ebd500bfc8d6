//! Link, friendship, messages received, links opened; and the spans of time that they and events share.

use crate::{
    id::{AutoLoginLinkId, ClientId, SendId},
    rule::{
        CLICKS_KEPT, RECEIPTS_KEPT, RuleError,
        at::{At, Fields},
        condition::{Condition, Instant, Times},
    },
};

/// The bounds of a span of time.
pub(super) const TIMES: [&str; 4] = ["within_days", "older_than_days", "after", "before"];

/// The longest span, in days.
const MAX_DAYS: i64 = 3_650;

/// The ways in which links are made, as their consents say it.
const ROUTES: [&str; 4] = ["shop", "account_link", "member_request", "import"];

/// The ways in which LINE offers to add the Official Account.
const MODES: [&str; 2] = ["normal", "aggressive"];

/// `within_days` and `after` begin a span, `older_than_days` and `before` end it.
pub(super) fn times(fields: &Fields<'_>) -> Result<Times, RuleError> {
    let days = |name: &str| fields.get(name).map(|at| at.whole(1, MAX_DAYS)).transpose();
    let instant = |name: &str| fields.get(name).map(|at| at.instant()).transpose();
    let (within, older) = (days("within_days")?, days("older_than_days")?);
    let (after, before) = (instant("after")?, instant("before")?);
    if within.zip(older).is_some_and(|(within, older)| older >= within) {
        return Err(fields.refused("must have older_than_days below within_days: no time lies between these"));
    }
    if after.zip(before).is_some_and(|(after, before)| before <= after) {
        return Err(fields.refused("must have before later than after: no time lies between these"));
    }
    let both = |days: Option<i64>, at: Option<_>| {
        days.map(Instant::DaysAgo).into_iter().chain(at.map(Instant::At)).collect()
    };
    Ok(Times { after: both(within, after), before: both(older, before) })
}

fn since(fields: &Fields<'_>) -> Result<Times, RuleError> {
    let Some(at) = fields.get("since") else { return Ok(Times::default()) };
    let times = times(&at.fields(&TIMES)?)?;
    if times.is_open() {
        Err(at.refused(format!("must have one of {}", TIMES.join(", "))))
    } else {
        Ok(times)
    }
}

/// `{"linked": false}`, or `linked`, `since` and `route`.
pub(super) fn link(at: &At<'_>) -> Result<Condition, RuleError> {
    let fields = at.fields(&["linked", "since", "route"])?;
    let linked = fields.get("linked").map(|at| at.flag()).transpose()?;
    let route = fields.get("route").map(|at| at.word(&ROUTES)).transpose()?;
    let link = Condition::Link { since: since(&fields)?, route };
    match (linked, fields.named(&["since", "route"]).is_empty()) {
        (None, true) => Err(at.refused("must have one of linked, since, route")),
        (Some(false), false) => Err(at.refused("cannot say since or route of a link that is not there")),
        (Some(false), true) => Ok(link.not()),
        _ => Ok(link),
    }
}

/// `since`, `mode` and `client_id`.
pub(super) fn friendship(at: &At<'_>) -> Result<Condition, RuleError> {
    let fields = at.fields(&["since", "mode", "client_id"])?;
    if fields.named(&["since", "mode", "client_id"]).is_empty() {
        return Err(
            at.refused("must have one of since, mode, client_id: whoever is reached is a friend in any case")
        );
    }
    let mode = fields.get("mode").map(|at| at.word(&MODES)).transpose()?;
    let client = |at: At<'_>| match at.json.as_str().map(ClientId::parse) {
        Some(Ok(id)) => Ok(String::from(id)),
        _ => Err(at.refused("must be a client_id")),
    };
    let client = fields.get("client_id").map(client).transpose()?;
    Ok(Condition::Friendship { since: since(&fields)?, mode, client })
}

/// `within_days`, `send`.
pub(super) fn received(at: &At<'_>) -> Result<Condition, RuleError> {
    let fields = at.fields(&["within_days", "send"])?;
    let send = |at: At<'_>| match at.json.as_str().map(SendId::parse) {
        Some(Ok(id)) => Ok(String::from(id)),
        _ => Err(at.refused("must be the id of a send")),
    };
    let within_days =
        fields.get("within_days").map(|at| kept(&at, RECEIPTS_KEPT, "what was sent")).transpose()?;
    let send = fields.get("send").map(send).transpose()?;
    if within_days.is_none() && send.is_none() {
        return Err(at.refused("must have within_days, or a send"));
    }
    Ok(Condition::Received { within_days, send })
}

/// `within_days`, `link`.
pub(super) fn clicked(at: &At<'_>) -> Result<Condition, RuleError> {
    let fields = at.fields(&["within_days", "link"])?;
    let link = |at: At<'_>| match at.json.as_str().map(AutoLoginLinkId::parse) {
        Some(Ok(id)) => Ok(String::from(id)),
        _ => Err(at.refused("must be the id of an auto-login link")),
    };
    let within_days =
        fields.get("within_days").map(|at| kept(&at, CLICKS_KEPT, "what was opened")).transpose()?;
    let link = fields.get("link").map(link).transpose()?;
    if within_days.is_none() && link.is_none() {
        return Err(at.refused("must have within_days, or a link"));
    }
    Ok(Condition::Clicked { within_days, link })
}

fn kept(at: &At<'_>, days: i64, what: &str) -> Result<i64, RuleError> {
    at.whole(1, days).map_err(|_| {
        at.refused(format!("must be a whole number from 1 to {days}: {what} is known for so many days"))
    })
}
