//! `POST /token` (RFC 6749 section 3.2): a code, a refresh token, or a LIFF ID token becomes tokens of ours. The client
//! proves itself, one batch decides and reads, and only what that batch made is signed and told.

use http::{StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{
    error::EndpointError,
    liff,
    prove::{Proven, prove},
};
use crate::{
    config::{Client, RefreshTokens, SigningKey, Site, signing_key},
    id::{SessionId, Subject},
    oauth::{Authentication, IdTokenClaims, KnownProfile, Scope, metadata, pkce},
    platform::{Context, Outcome, Platform, PlatformError},
    secret::{Digest, SecretText},
    store::grant::{ACCESS_LIFETIME, Fresh, Redemption, Refresh},
    time::{SECOND, UnixMillis},
    web::{Reply, Request},
};

/// Answers a token request.
pub async fn token<P: Platform>(cx: Context<'_, P>, site: &Site, request: &Request) -> Reply {
    match exchange(cx, site, request).await {
        Ok(answer) => Reply::json(StatusCode::OK, &answer).with(header::PRAGMA, "no-cache"),
        Err(error) => error.into_reply(cx, "token"),
    }
}

/// The answer of a success (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3, RFC 8693 section 2.2.1).
#[derive(Serialize)]
struct Answer {
    access_token: SecretText,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<SecretText>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// What was granted, as the store reads it back.
#[derive(Debug, Deserialize)]
pub(super) struct Grant {
    nonce: Option<String>,
    scope: Scope,
    expires_at: UnixMillis,
    sid: SessionId,
    auth_time: UnixMillis,
    amr: String,
    subject: Subject,
    #[serde(flatten)]
    profile: KnownProfile,
}

/// What a grant type came to.
pub(super) struct Granted {
    pub(super) grant: Grant,
    pub(super) access_token: SecretText,
    pub(super) refresh_token: Option<SecretText>,
    pub(super) issued_token_type: Option<&'static str>,
}

/// (1) The client proves itself; (2) there is a key to sign with, before anything is spent; (3) the grant is spent, once;
/// (4) the ID token is signed, where the scope has `openid`.
async fn exchange<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Answer, EndpointError> {
    // (1)
    let proven = prove(cx, site, request).await?;
    // (2)
    let key = key(&proven, cx.platform.now())?;
    // (3)
    let [code, refresh, trade] = metadata::GRANT_TYPES;
    let granted = match proven.form.value("grant_type") {
        Some(grant) if grant == code => redeem(cx, &proven).await?,
        Some(grant) if grant == refresh => renew(cx, &proven).await?,
        Some(grant) if grant == trade => liff::trade(cx, &proven).await?,
        Some(_) => return Err(EndpointError::UnsupportedGrantType),
        None => return Err(EndpointError::InvalidRequest("grant_type is missing")),
    };
    // (4)
    let id_token =
        if granted.grant.scope.openid { Some(id_token(cx, &proven, key, &granted).await?) } else { None };
    Ok(Answer {
        access_token: granted.access_token,
        token_type: "Bearer",
        expires_in: ACCESS_LIFETIME.min(granted.grant.expires_at - cx.platform.now()) / SECOND,
        id_token,
        refresh_token: granted.refresh_token,
        scope: granted.grant.scope.text(),
        issued_token_type: granted.issued_token_type,
    })
}

/// The key that signs for this client now.
fn key(proven: &Proven, now: UnixMillis) -> Result<&SigningKey, EndpointError> {
    let (keys, algorithm) = (&proven.site.account.signing_keys, proven.client.id_token_signed_response_alg);
    signing_key::in_use(keys, algorithm, now).ok_or_else(|| {
        let next = keys.iter().filter(|key| key.algorithm == algorithm).map(|key| key.use_from).min();
        match next {
            Some(next) => EndpointError::NoKeyYet(next - now),
            None => PlatformError::Crypto(format!("the account has no {} key", algorithm.name())).into(),
        }
    })
}

/// Tokens and ids that become valid if a grant is made.
pub(super) fn fresh<P: Platform>(cx: Context<'_, P>) -> Fresh {
    Fresh {
        grant: crate::id::short(cx.platform.random()),
        link: crate::id::short(cx.platform.random()),
        access_token: SecretText::from_random(cx.platform.random()),
        refresh_token: SecretText::from_random(cx.platform.random()),
    }
}

/// Whether a client receives refresh tokens without asking.
pub(super) fn always_refresh(client: &Client) -> bool {
    client.refresh_tokens == RefreshTokens::Always
}

/// What became valid; the refresh token only where the grant has one.
pub(super) fn granted(client: &Client, grant: Grant, fresh: Fresh) -> Granted {
    let offline = grant.scope.offline_access || always_refresh(client);
    Granted {
        grant,
        access_token: fresh.access_token,
        refresh_token: offline.then_some(fresh.refresh_token),
        issued_token_type: None,
    }
}

/// `authorization_code` (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
async fn redeem<P: Platform>(cx: Context<'_, P>, proven: &Proven) -> Result<Granted, EndpointError> {
    let Proven { site, client, form } = proven;
    let refused = EndpointError::InvalidGrant("the code is not valid for this client and request");
    let code = form.value("code").ok_or(EndpointError::InvalidRequest("code is missing"))?;
    let verifier = form.value("code_verifier");
    if verifier.is_some_and(|verifier| !pkce::is_verifier(verifier)) {
        return Err(refused);
    }
    let fresh = fresh(cx);
    let redemption = Redemption {
        account: &site.account.id,
        client: &client.id,
        code: Digest::of(code.as_bytes()),
        redirect_uri: form
            .value("redirect_uri")
            .ok_or(EndpointError::InvalidRequest("redirect_uri is missing"))?,
        challenge: verifier.map(pkce::challenge),
        always_refresh: always_refresh(client),
        takes_events: site.account.takes_events(),
        fresh: &fresh,
    };
    let (database, now) = (&site.account.database, cx.platform.now());
    let outcomes = cx.platform.batch(database, redemption.statements(now)).await?;
    cx.hand_over(&site.account.id, &outcomes).await;
    let Some(grant) = last::<Grant>(&outcomes)? else {
        cx.platform.one(database, redemption.reuse(now)).await?;
        return Err(refused);
    };
    Ok(granted(client, grant, fresh))
}

/// `refresh_token` (RFC 6749 section 6). The successor is derived from what is presented, so that a repeat within the
/// grace receives the same and forks nothing.
async fn renew<P: Platform>(cx: Context<'_, P>, proven: &Proven) -> Result<Granted, EndpointError> {
    #[derive(Deserialize)]
    struct Row {
        covered: i64,
        issued: i64,
        #[serde(flatten)]
        grant: Grant,
    }
    let Proven { site, client, form } = proven;
    let refused = EndpointError::InvalidGrant("the refresh token is not valid for this client");
    let presented =
        form.value("refresh_token").ok_or(EndpointError::InvalidRequest("refresh_token is missing"))?;
    let scope = form.value("scope").map(Scope::parse);
    if scope == Some(Scope::default()) {
        return Err(EndpointError::InvalidScope);
    }
    let successor = cx.settings.keys.derived_token("enishi refresh token v1", presented);
    let access_token = SecretText::from_random(cx.platform.random());
    let refresh = Refresh {
        account: &site.account.id,
        client: &client.id,
        client_since: client.created_at,
        token: Digest::of(presented.as_bytes()),
        successor: successor.digest(),
        scope,
        access_token: &access_token,
    };
    let (database, now) = (&site.account.database, cx.platform.now());
    let outcomes = cx.platform.batch(database, refresh.statements(now)).await?;
    let row: Row = last(&outcomes)?.ok_or_else(|| refused.clone())?;
    match (row.issued, row.covered) {
        (1, _) => Ok(Granted {
            grant: row.grant,
            access_token,
            refresh_token: Some(successor),
            issued_token_type: None,
        }),
        (_, 0) => Err(EndpointError::InvalidScope),
        _ => {
            cx.platform.one(database, refresh.reuse(now)).await?;
            Err(refused)
        }
    }
}

/// What the last statement of a batch read.
pub(super) fn last<T: serde::de::DeserializeOwned>(outcomes: &[Outcome]) -> Result<Option<T>, PlatformError> {
    outcomes.last().map(Outcome::first).transpose().map(Option::flatten)
}

async fn id_token<P: Platform>(
    cx: Context<'_, P>,
    proven: &Proven,
    key: &SigningKey,
    granted: &Granted,
) -> Result<String, PlatformError> {
    let (grant, client) = (&granted.grant, &proven.client);
    let methods: Vec<String> = serde_json::from_str(&grant.amr).unwrap_or_default();
    let authentication = Authentication {
        subject: &grant.subject,
        session: &grant.sid,
        at: grant.auth_time,
        methods: &methods,
    };
    let profile = grant.profile.clone().shown(grant.scope, client.email_verification);
    let claims = IdTokenClaims::new(
        &proven.site.issuer,
        client.id.as_str(),
        authentication,
        grant.nonce.as_deref(),
        &granted.access_token,
        &profile,
        cx.platform.now(),
    );
    key.sign(cx, "JWT", &claims).await
}
