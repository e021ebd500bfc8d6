//! From a proven authorization request to LINE: no store call, unless the attempt is too large for a cookie.

use http::header;

use super::{CALLBACK_PATH, attempt::Attempt, state::State};
use crate::{
    config::Site,
    line::login::{Authorization, authorize_url},
    oauth::{
        authorization::{AuthorizationRequest, Prompt},
        pkce,
    },
    platform::{Context, Platform, PlatformError},
    web::{Reply, Request, cookie},
};

/// Starts a login attempt: (1) fresh id, nonce and PKCE verifier; (2) the sealed cookie; (3) the sealed state;
/// (4) the redirect to LINE. It must be reached by a tap, and is a plain redirect, so that LINE's app may open.
pub async fn start<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    asked: AuthorizationRequest,
) -> Result<Reply, PlatformError> {
    let (platform, keys) = (cx.platform, &cx.settings.keys);
    // (1)
    let randoms = [platform.random(), platform.random(), platform.random()];
    let attempt = Attempt::new(asked, randoms, platform.now());
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
    };
    // (4)
    let location = authorize_url(
        &cx.settings.line,
        &site.account.login,
        Authorization {
            redirect_uri: &site.url(CALLBACK_PATH),
            state: &state.seal(keys, platform.random()),
            nonce: &attempt.line_nonce,
            code_challenge: &pkce::challenge(attempt.line_verifier.expose()),
            friend_add: site.account.friend_add,
            prompt: line_prompt(asked.prompt),
            max_age: attempt.max_age_for_line(),
            disable_auto_login: cookie::value(request, cookie::NO_AUTO_LOGIN).is_some(),
            email: asked.scope.email && site.account.login.email_permission,
            language: asked.language,
        },
    );
    Ok(cookies.iter().fold(Reply::found(&location), |reply, cookie| reply.with(header::SET_COOKIE, cookie)))
}

/// The one value of `prompt` that LINE is sent.
fn line_prompt(asked: Prompt) -> Option<&'static str> {
    match asked {
        Prompt::Login => Some("login"),
        Prompt::Consent => Some("consent"),
        Prompt::Unspecified | Prompt::None => None,
    }
}
