//! The way back of a customer whose login failed: what is still known of where they came from.

use super::{
    attempt::{self, Found},
    state::State,
};
use crate::{
    config::Site,
    id::{AutoLoginLinkId, ClientId},
    platform::{Context, Platform},
    ticket::Ticket,
    web::Request,
};

/// Where a customer whose login failed came from, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct WayBack {
    /// The storefront.
    pub(super) client: Option<ClientId>,
    /// The page that they were on their way to.
    pub(super) target: Option<String>,
    /// The link that they began at.
    pub(super) via: Option<AutoLoginLinkId>,
    /// There was such a page and it is not known any more, or nothing at all is known.
    pub(super) target_is_lost: bool,
    /// Whether the attempt began without auto-login, where this browser carries it.
    pub(super) auto_login_off: Option<bool>,
}

impl WayBack {
    /// Nothing of ours comes back in the URL of a failed auto-login, so the way back is, in this order: a `state` of ours,
    /// with the attempt that it names if this browser carries it; the newest attempt or ticket in this browser.
    pub(super) fn find<P: Platform>(
        cx: Context<'_, P>,
        site: &Site,
        request: &Request,
        unverified_state: Option<&str>,
    ) -> Self {
        let (keys, account, now) = (&cx.settings.keys, &site.account.id, cx.platform.now());
        let state = unverified_state.and_then(|state| State::open(keys, account, state).ok());
        if let Some(state) = state {
            let (carried, auto_login_off) = match attempt::find(request, keys, &state.attempt) {
                Some(Found::Whole(attempt)) => (attempt.request.target, Some(attempt.manner.auto_login_off)),
                _ => (None, None),
            };
            let target = carried.or(state.target);
            let target_is_lost = target.is_none() && state.has_longer_target;
            let client = Some(state.client);
            return Self { client, target, via: state.via, target_is_lost, auto_login_off };
        }
        // A cookie of another account is not sent to this host, and its seal would not make it this one's client.
        let attempt = attempt::newest(request, keys);
        let attempt =
            attempt.filter(|attempt| site.account.client(attempt.request.client_id.as_str()).is_some());
        let ticket = Ticket::carried(request, keys, account, now);
        let attempt_is_newer =
            |ticket: &Ticket| attempt.as_ref().is_some_and(|attempt| attempt.started_at >= ticket.made_at());
        if let Some(ticket) = ticket.filter(|ticket| !attempt_is_newer(ticket)) {
            let (client, via) = (Some(ticket.client), ticket.link);
            return Self { client, target: ticket.target, via, ..Self::default() };
        }
        match attempt {
            Some(attempt) => Self {
                client: Some(attempt.request.client_id),
                target: attempt.request.target,
                via: attempt.manner.via,
                target_is_lost: false,
                auto_login_off: Some(attempt.manner.auto_login_off),
            },
            None => Self { target_is_lost: true, ..Self::default() },
        }
    }
}
