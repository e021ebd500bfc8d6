//! `POST /token` (RFC 6749 section 3.2): a code becomes an access token and an ID token, once.

use std::rc::Rc;

use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    config::{self, Account, Client, Site},
    id::{SessionId, Subject},
    oauth::{
        Authentication, IdTokenClaims, KnownProfile, Scope, client_auth,
        client_auth::{ClientAuthError, UnverifiedClient},
        pkce, signing_input,
    },
    platform::{Context, Platform, PlatformError},
    secret::{Digest, SecretText},
    store::Statement,
    time::{HOUR, SECOND, UnixMillis},
    web::{Reply, Request, form::Form},
};

/// How long an access token is valid, in milliseconds.
const LIFETIME: i64 = HOUR;

/// An error of the token endpoint (RFC 6749 section 5.2).
#[derive(Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Malformed; says what.
    InvalidRequest(&'static str),
    /// Unknown client or wrong secret.
    InvalidClient {
        /// Whether the credentials came by HTTP Basic.
        by_basic: bool,
    },
    /// The code is unknown, spent, expired, or bound to something else.
    InvalidGrant,
    /// Not `authorization_code`.
    UnsupportedGrantType,
    /// A store or the signer failed; nothing was handed out.
    Ours(PlatformError),
}

impl From<PlatformError> for TokenError {
    fn from(error: PlatformError) -> Self {
        Self::Ours(error)
    }
}

impl TokenError {
    fn into_reply(self) -> Reply {
        let (status, error, description) = match &self {
            Self::InvalidRequest(what) => (StatusCode::BAD_REQUEST, "invalid_request", *what),
            Self::InvalidClient { .. } => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "unknown client or wrong credentials")
            }
            Self::InvalidGrant => (
                StatusCode::BAD_REQUEST,
                "invalid_grant",
                "the code is not valid for this client and request",
            ),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "grant_type must be authorization_code")
            }
            Self::Ours(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a moment")
            }
        };
        let reply = Reply::json(status, &json!({ "error": error, "error_description": description }))
            .with(header::PRAGMA, "no-cache");
        match self {
            Self::InvalidClient { by_basic: true } => {
                reply.with(header::WWW_AUTHENTICATE, "Basic realm=\"enishi\"").because(error)
            }
            Self::Ours(ours) => reply.with(header::RETRY_AFTER, "1").because(ours.reason()),
            _ => reply.because(error),
        }
    }
}

/// Answers a token request.
pub async fn token<P: Platform>(cx: Context<'_, P>, site: &Site, request: &Request) -> Reply {
    match exchange(cx, site, request).await {
        Ok(answer) => Reply::json(StatusCode::OK, &answer).with(header::PRAGMA, "no-cache"),
        Err(error) => {
            if let TokenError::Ours(cause) = &error {
                cx.log_failure("token", cause);
            }
            error.into_reply()
        }
    }
}

/// The answer of a successful exchange (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
#[derive(Serialize)]
struct Answer {
    access_token: SecretText,
    token_type: &'static str,
    expires_in: i64,
    id_token: String,
    scope: String,
}

/// (1) A form; (2) the client proves itself; (3) the grant is known; (4) the code is spent, once and only for this
/// client, redirect URI and verifier, in one batch with the access token; (5) the ID token is signed.
async fn exchange<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Answer, TokenError> {
    // (1)
    let form = Form::of_body(request).map_err(|_| {
        TokenError::InvalidRequest("send each parameter once, as application/x-www-form-urlencoded")
    })?;
    // (2)
    let unverified = client_auth::read(request, &form).map_err(|error| refused(error, false))?;
    let (account, client) = verified(cx, site, &unverified).await?;
    // (3)
    match form.value("grant_type") {
        Some("authorization_code") => {}
        Some(_) => return Err(TokenError::UnsupportedGrantType),
        None => return Err(TokenError::InvalidRequest("grant_type is missing")),
    }
    // (4)
    let access_token = SecretText::from_random(cx.platform.random());
    let grant = redeem(cx, &account, &client, &form, &access_token).await?;
    // (5)
    let id_token = sign(cx, site, &account, &client, &grant, &access_token).await?;
    Ok(Answer {
        access_token,
        token_type: "Bearer",
        expires_in: LIFETIME / SECOND,
        id_token,
        scope: Scope::parse(&grant.scope).text(),
    })
}

/// The client, by the configuration in memory or else by the newest.
async fn verified<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    unverified: &UnverifiedClient,
) -> Result<(Rc<Account>, Client), TokenError> {
    let refused = |error| refused(error, unverified.by_basic);
    if let Ok(client) = unverified.verify(&site.account) {
        return Ok((Rc::clone(&site.account), client.clone()));
    }
    let fresh = config::reread(cx, &site.account).await?.unwrap_or_else(|| Rc::clone(&site.account));
    let client = unverified.verify(&fresh).map_err(refused)?.clone();
    Ok((fresh, client))
}

fn refused(error: ClientAuthError, by_basic: bool) -> TokenError {
    match error {
        ClientAuthError::Malformed(what) => TokenError::InvalidRequest(what),
        ClientAuthError::Refused => TokenError::InvalidClient { by_basic },
    }
}

/// What a code stood for.
#[derive(Deserialize)]
struct Grant {
    nonce: Option<String>,
    scope: String,
    sid: SessionId,
    auth_time: UnixMillis,
    amr: String,
    subject: Subject,
    #[serde(flatten)]
    profile: KnownProfile,
}

/// One batch: the code is marked as spent by this very request if everything it is bound to is repeated; only then the
/// access token exists and the grant is read. A code that somebody else has spent ends what that somebody received.
async fn redeem<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    client: &Client,
    form: &Form,
    access_token: &SecretText,
) -> Result<Grant, TokenError> {
    let code = form.value("code").ok_or(TokenError::InvalidRequest("code is missing"))?;
    let redirect_uri =
        form.value("redirect_uri").ok_or(TokenError::InvalidRequest("redirect_uri is missing"))?;
    let verifier = form.value("code_verifier");
    if verifier.is_some_and(|verifier| !pkce::is_verifier(verifier)) {
        return Err(TokenError::InvalidGrant);
    }
    let (now, digest, spender) =
        (cx.platform.now(), Digest::of(code.as_bytes()), crate::id::short(cx.platform.random()));
    let spend = Statement::new(
        "UPDATE codes SET spent_by = ?3 WHERE account = ?1 AND digest = ?2 AND spent_by IS NULL AND expires_at > ?4 \
           AND client_id = ?5 AND redirect_uri = ?6 AND code_challenge IS ?7 \
           AND EXISTS (SELECT 1 FROM sessions s WHERE s.account = ?1 AND s.sid = codes.sid \
                       AND s.ended_at IS NULL AND s.expires_at > ?4)",
    )
    .bind(&account.id)
    .bind(&digest)
    .bind(spender.as_str())
    .bind(now)
    .bind(&client.id)
    .bind(redirect_uri)
    .bind(verifier.map(pkce::challenge));
    let issue = Statement::new(
        "INSERT INTO access_tokens (account, digest, code_digest, client_id, scope, sid, expires_at) \
         SELECT account, ?4, digest, client_id, scope, sid, ?5 FROM codes \
         WHERE account = ?1 AND digest = ?2 AND spent_by = ?3",
    )
    .bind(&account.id)
    .bind(&digest)
    .bind(spender.as_str())
    .bind(&access_token.digest())
    .bind(now + LIFETIME);
    let revoke = Statement::new(
        "UPDATE access_tokens INDEXED BY access_tokens_by_code SET revoked_at = ?4 WHERE account = ?1 AND code_digest = ?2 AND revoked_at IS NULL \
           AND EXISTS (SELECT 1 FROM codes WHERE account = ?1 AND digest = ?2 AND client_id = ?5 \
                       AND spent_by IS NOT NULL AND spent_by <> ?3)",
    )
    .bind(&account.id)
    .bind(&digest)
    .bind(spender.as_str())
    .bind(now)
    .bind(&client.id);
    let read = Statement::new(
        "SELECT c.nonce, c.scope, c.sid, s.auth_time, s.amr, u.subject, u.name, u.picture, u.friend, l.member_id \
         FROM codes c JOIN sessions s ON s.account = c.account AND s.sid = c.sid \
         JOIN line_users u ON u.id = s.line_user \
         LEFT JOIN links l ON l.account = c.account AND l.line_user = u.id \
         WHERE c.account = ?1 AND c.digest = ?2 AND c.spent_by = ?3",
    )
    .bind(&account.id)
    .bind(&digest)
    .bind(spender.as_str());
    let outcomes = cx.platform.batch(&account.database, vec![spend, issue, revoke, read]).await?;
    let grant = outcomes.last().map(crate::platform::Outcome::first::<Grant>).transpose()?.flatten();
    grant.ok_or(TokenError::InvalidGrant)
}

async fn sign<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    account: &Account,
    client: &Client,
    grant: &Grant,
    access_token: &SecretText,
) -> Result<String, PlatformError> {
    let key = account
        .signing_keys
        .first()
        .ok_or_else(|| PlatformError::Crypto("the account has no signing key".to_owned()))?;
    let methods: Vec<String> = serde_json::from_str(&grant.amr).unwrap_or_default();
    let authentication = Authentication {
        subject: &grant.subject,
        session: &grant.sid,
        at: grant.auth_time,
        methods: &methods,
    };
    let profile = grant.profile.shown(Scope::parse(&grant.scope));
    let claims = IdTokenClaims::new(
        &site.issuer,
        client.id.as_str(),
        authentication,
        grant.nonce.as_deref(),
        access_token,
        &profile,
        cx.platform.now(),
    );
    let input = signing_input(&key.private.kid, &claims);
    let signature = cx.platform.sign_rs256(&key.private, input.as_bytes()).await?;
    Ok(crate::oauth::signed(input, &signature))
}
