//! Who calls `/token`, `/par` or `/revoke`: the client's proof, under the limits against guessing and flooding.

use super::error::EndpointError;
use crate::{
    config::{Client, Site},
    oauth::client_auth::{self, ClientAuthError, UnverifiedClient},
    platform::{Context, Limit, Platform},
    web::{CONNECTING_IP, Request, form::Form},
};

/// A client that has proven itself, with what it sent.
pub(super) struct Proven {
    /// The site, with the configuration that knows the client.
    pub(super) site: Site,
    /// The client.
    pub(super) client: Client,
    /// The parameters.
    pub(super) form: Form,
}

/// (1) A form; (2) the credentials, read; (3) not more requests than a client makes; (4) the credentials, proven by the
/// configuration in memory or else by the newest; (5) whoever guesses is slowed down.
///
/// A failure costs the right client nothing: only failures are counted against it, and it is never locked out.
pub(super) async fn prove<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Proven, EndpointError> {
    // (1)
    let form = Form::of_body(request).map_err(|_| {
        EndpointError::InvalidRequest("send each parameter once, as application/x-www-form-urlencoded")
    })?;
    // (2)
    let unverified = client_auth::read(request, &form).map_err(|error| refused(error, false))?;
    // (3)
    let address = request.header(&CONNECTING_IP).unwrap_or_default();
    let who = format!("{}:{}:{address}", site.account.id, unverified.unverified_id());
    if !cx.platform.allow(Limit::ClientRequests, &who).await {
        return Err(EndpointError::TooMany);
    }
    // (4)
    match verified(cx, site, &unverified).await {
        Ok((site, client)) => Ok(Proven { site, client, form }),
        // (5)
        Err(EndpointError::InvalidClient { .. }) if !cx.platform.allow(Limit::ClientFailures, &who).await => {
            Err(EndpointError::TooMany)
        }
        Err(error) => Err(error),
    }
}

async fn verified<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    unverified: &UnverifiedClient,
) -> Result<(Site, Client), EndpointError> {
    if let Ok(client) = unverified.verify(&site.account) {
        return Ok((site.clone(), client.clone()));
    }
    let fresh = site.afresh(cx).await?;
    let verified = unverified.verify(&fresh.account).cloned();
    verified.map(|client| (fresh, client)).map_err(|error| refused(error, unverified.by_basic))
}

fn refused(error: ClientAuthError, by_basic: bool) -> EndpointError {
    match error {
        ClientAuthError::Malformed(what) => EndpointError::InvalidRequest(what),
        ClientAuthError::Refused => EndpointError::InvalidClient { by_basic },
    }
}
