//! From a proven authorization request to LINE: no store call, unless the attempt is too large for a cookie.

use http::header;

use super::{
    CALLBACK_PATH,
    attempt::{Attempt, Manner},
    state::State,
};
use crate::{
    config::Site,
    id::AutoLoginLinkId,
    line::login::{Authorization, authorize_url},
    oauth::{
        authorization::{AuthorizationRequest, Prompt},
        pkce,
    },
    platform::{Context, Platform, PlatformError},
    ticket::Ticket,
    web::{Reply, Request, cookie},
};

/// Starts a login attempt: (0) a ticket of this client says where it shall arrive; (1) fresh id, nonce and PKCE verifier;
/// (2) the sealed cookie; (3) the sealed state; (4) the redirect to LINE. It must be reached by a tap, and is a plain redirect, so that LINE's app may open.
pub async fn start<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    asked: AuthorizationRequest,
) -> Result<Reply, PlatformError> {
    let (platform, keys) = (cx.platform, &cx.settings.keys);
    // (0)
    let (asked, via) = with_ticket(cx, site, request, asked);
    let manner = Manner {
        via,
        auto_login_off: cookie::value(request, cookie::NO_AUTO_LOGIN).is_some(),
        friend_mode: site.account.friend_add_of(&asked.client_id).drawn(platform.random()[0]),
    };
    // (1)
    let randoms = [platform.random(), platform.random(), platform.random()];
    let attempt = Attempt::new(asked, manner, randoms, platform.now());
    let asked = &attempt.request;
    // (2)
    let (cookies, row) = attempt.carry(&site.account, request, keys, || platform.random());
    if let Some(row) = row {
        platform.one(&site.account.database, row).await?;
    }
    // (3)
    let state = State {
        attempt: attempt.id.clone(),
        account: site.account.id.clone(),
        client: asked.client_id.clone(),
        target: asked.target.clone(),
        has_longer_target: false,
        via: attempt.manner.via.clone(),
    };
    // (4)
    let location = authorize_url(
        &cx.settings.line,
        &site.account.login,
        Authorization {
            redirect_uri: &site.url(CALLBACK_PATH),
            state: &state.seal(keys, || platform.random()),
            nonce: &attempt.line_nonce,
            code_challenge: &pkce::challenge(attempt.line_verifier.expose()),
            friend_add: attempt.manner.friend_mode,
            prompt: line_prompt(asked.prompt),
            max_age: attempt.max_age_for_line(),
            disable_auto_login: attempt.manner.auto_login_off,
            email: asked.scope.email && site.account.login.email_permission,
            language: asked.language,
        },
    );
    Ok(cookies.iter().fold(Reply::found(&location), |reply, cookie| reply.with(header::SET_COOKIE, cookie)))
}

/// The request with the page to arrive at, and the link that led here: of the ticket that the shop handed back, else of
/// the shop's own word, else of the ticket in this browser. A ticket of another client does not count, nor a page that is
/// none of the client's (any more).
fn with_ticket<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    mut asked: AuthorizationRequest,
) -> (AuthorizationRequest, Option<AutoLoginLinkId>) {
    let handed = asked.unverified_ticket.take();
    let said = (&asked.client_id, handed.as_deref(), asked.target.as_deref());
    let ticket = Ticket::led(request, said, &cx.settings.keys, &site.account.id, cx.platform.now());
    let (target, via) = ticket.map_or((None, None), |ticket| (ticket.target, ticket.link));
    let target = target.or(asked.target.take());
    asked.target = target.filter(|page| site.account.may_lead_to(&asked.client_id, page));
    (asked, via)
}

/// The one value of `prompt` that LINE is sent.
fn line_prompt(asked: Prompt) -> Option<&'static str> {
    match asked {
        Prompt::Login => Some("login"),
        Prompt::Consent => Some("consent"),
        Prompt::Unspecified | Prompt::None => None,
    }
}
