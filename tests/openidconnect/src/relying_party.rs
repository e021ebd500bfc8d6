//! What a shop does with `openidconnect`: discovery, start and end of a login, refresh, logout.
//!
//! The crate leaves to its application what is here beside the calls: `state` and `iss` of the answer are compared,
//! `at_hash` is checked, a refreshed ID token belongs to the same customer, and where no known key fits a signature,
//! discovery happens again, since the crate keeps the keys that it found then.

use std::error::Error;
use std::str::FromStr as _;

use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreTokenResponse,
};
use openidconnect::url::Url;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndSessionUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl,
    LogoutRequest, Nonce, NonceVerifier, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    SignatureVerificationError, SigningError, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use ureq::Agent;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the shop was told when it was registered at the provider.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Registration {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect_uri: RedirectUrl,
}

/// What a login asks for, beside `openid`.
#[derive(Debug, Deserialize)]
pub(crate) struct Wishes {
    scopes: Vec<Scope>,
    prompt: Option<CoreAuthPrompt>,
}

/// A login under way: where the browser goes, and what the shop keeps meanwhile.
#[derive(Debug, Serialize)]
pub(crate) struct Started {
    url: Url,
    login: Login,
}

/// What the shop's session keeps between start and end of a login.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// The tokens of a customer, whose ID token has been verified.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tokens {
    sub: String,
    nonce: Option<Nonce>,
    access_token: String,
    refresh_token: Option<RefreshToken>,
    id_token: String,
}

/// Why there is no customer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("not JSON as expected")]
    Command(#[source] serde_json::Error),
    #[error("discovery comes first")]
    NotDiscovered,
    #[error("discovery failed: {0}")]
    Discovery(String),
    #[error("the provider answered {0}")]
    Provider(String),
    #[error("the answer's {0} is not the expected one")]
    Answer(&'static str),
    #[error("there is no {0}")]
    Missing(&'static str),
    #[error("the tokens did not come: {0}")]
    Token(String),
    #[error("the ID token is not believed")]
    Claims(#[from] ClaimsVerificationError),
    #[error("the ID token's key is not found")]
    Key(#[from] SignatureVerificationError),
    #[error("the access token cannot be hashed")]
    Hash(#[from] SigningError),
    #[error("not an address")]
    Url(#[from] openidconnect::url::ParseError),
}

impl Failure {
    /// One word that the tests compare: the provider's error code, or what the shop refused.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Provider(code) => code,
            Self::Answer(parameter) => parameter,
            Self::Claims(ClaimsVerificationError::InvalidNonce(_)) => "nonce",
            Self::Claims(ClaimsVerificationError::InvalidSubject(_)) => "sub",
            _ => "other",
        }
    }
}

/// A shop that knows its provider.
pub(crate) struct RelyingParty {
    registration: Registration,
    agent: Agent,
    client: Client,
    end_session: EndSessionUrl,
}

impl RelyingParty {
    /// Reads the provider's metadata and its keys.
    pub(crate) fn discover(registration: Registration) -> Result<Self, Failure> {
        // Redirects are not followed, as the crate demands: they would lead a server of the shop anywhere.
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent: Agent = config.max_redirects_will_error(false).build().into();
        let (client, end_session) = discovered(&registration, &agent)?;
        Ok(Self { registration, agent, client, end_session })
    }

    /// Begins a login, with PKCE.
    pub(crate) fn start(&self, wishes: Wishes) -> Started {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let code = CoreAuthenticationFlow::AuthorizationCode;
        let mut request = self.client.authorize_url(code, CsrfToken::new_random, Nonce::new_random);
        request = request.add_scopes(wishes.scopes).set_pkce_challenge(challenge);
        if let Some(prompt) = wishes.prompt {
            request = request.add_prompt(prompt);
        }
        let (url, state, nonce) = request.url();
        Started { url, login: Login { state, nonce, verifier } }
    }

    /// Ends a login: the answer at the redirect URI, the tokens, the ID token.
    pub(crate) fn finish(&mut self, callback: &Url, login: Login) -> Result<Tokens, Failure> {
        let parameter = |name| callback.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
        if parameter("state").as_deref() != Some(login.state.secret()) {
            return Err(Failure::Answer("state"));
        }
        if parameter("iss").as_deref() != Some(self.registration.issuer.as_str()) {
            return Err(Failure::Answer("iss"));
        }
        if let Some(code) = parameter("error") {
            return Err(Failure::Provider(code.into_owned()));
        }
        let code = parameter("code").ok_or(Failure::Missing("code"))?;
        let request = self.client.exchange_code(AuthorizationCode::new(code.into_owned()));
        let request = request.map_err(|_| Failure::Missing("token endpoint"))?;
        let answer = request.set_pkce_verifier(login.verifier).request(&|request| send(&self.agent, request));
        self.verified(&answer.map_err(|error| refused(&error))?, &login.nonce)
    }

    /// Trades a refresh token; the ID token that comes along must be of the same customer and login (OpenID Connect
    /// Core section 12.2).
    pub(crate) fn refresh(&mut self, tokens: &Tokens) -> Result<Tokens, Failure> {
        let refresh_token = tokens.refresh_token.as_ref().ok_or(Failure::Missing("refresh token"))?;
        let request = self.client.exchange_refresh_token(refresh_token);
        let request = request.map_err(|_| Failure::Missing("token endpoint"))?;
        let answer = request.request(&|request| send(&self.agent, request));
        let same_or_absent = |nonce: Option<&Nonce>| match (nonce, &tokens.nonce) {
            (Some(nonce), Some(first)) => first.verify(Some(nonce)),
            (Some(_), None) => Err("there was none at the login".to_owned()),
            (None, _) => Ok(()),
        };
        let refreshed = self.verified(&answer.map_err(|error| refused(&error))?, same_or_absent)?;
        if refreshed.sub != tokens.sub {
            return Err(ClaimsVerificationError::InvalidSubject("another customer's".to_owned()).into());
        }
        Ok(refreshed)
    }

    /// Where the browser ends its session at the provider and comes back from.
    pub(crate) fn logout_url(
        &self,
        tokens: &Tokens,
        post_logout_redirect_uri: String,
        state: String,
    ) -> Result<Url, Failure> {
        let id_token = CoreIdToken::from_str(&tokens.id_token).map_err(Failure::Command)?;
        let back = PostLogoutRedirectUrl::new(post_logout_redirect_uri)?;
        let request = LogoutRequest::from(self.end_session.clone()).set_id_token_hint(&id_token);
        Ok(request.set_post_logout_redirect_uri(back).set_state(CsrfToken::new(state)).http_get_url())
    }

    fn verified(
        &mut self,
        answer: &CoreTokenResponse,
        nonce: impl NonceVerifier + Copy,
    ) -> Result<Tokens, Failure> {
        let id_token = answer.id_token().ok_or(Failure::Missing("ID token"))?;
        let mut claims = id_token.claims(&self.client.id_token_verifier(), nonce);
        if is_of_unknown_key(&claims) {
            (self.client, self.end_session) = discovered(&self.registration, &self.agent)?;
            claims = id_token.claims(&self.client.id_token_verifier(), nonce);
        }
        let claims = claims?;
        let verifier = self.client.id_token_verifier();
        let (algorithm, key) = (id_token.signing_alg()?, id_token.signing_key(&verifier)?);
        let hash = AccessTokenHash::from_token(answer.access_token(), algorithm, key)?;
        if claims.access_token_hash().is_some_and(|expected| *expected != hash) {
            return Err(Failure::Answer("at_hash"));
        }
        Ok(Tokens {
            sub: claims.subject().to_string(),
            nonce: claims.nonce().cloned(),
            access_token: answer.access_token().secret().clone(),
            refresh_token: answer.refresh_token().cloned(),
            id_token: id_token.to_string(),
        })
    }
}

fn discovered(registration: &Registration, agent: &Agent) -> Result<(Client, EndSessionUrl), Failure> {
    let metadata =
        ProviderMetadataWithLogout::discover(&registration.issuer, &|request| send(agent, request))
            .map_err(|error| Failure::Discovery(with_causes(&error)))?;
    let end_session = metadata.additional_metadata().end_session_endpoint.clone();
    let end_session = end_session.ok_or(Failure::Missing("end session endpoint"))?;
    let Registration { client_id, client_secret, redirect_uri, .. } = registration.clone();
    let client = CoreClient::from_provider_metadata(metadata, client_id, Some(client_secret));
    Ok((client.set_redirect_uri(redirect_uri), end_session))
}

/// One call with ureq, as the crate wants it.
fn send(agent: &Agent, request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
    let (parts, mut body) = agent.run(request)?.into_parts();
    Ok(HttpResponse::from_parts(parts, body.read_to_vec()?))
}

fn is_of_unknown_key<T>(claims: &Result<T, ClaimsVerificationError>) -> bool {
    use ClaimsVerificationError::SignatureVerification;
    matches!(claims, Err(SignatureVerification(SignatureVerificationError::NoMatchingKey)))
}

/// The provider's error code, where there is one.
fn refused(error: &openidconnect::core::CoreRequestTokenError<ureq::Error>) -> Failure {
    match error {
        RequestTokenError::ServerResponse(response) => Failure::Provider(response.error().to_string()),
        other => Failure::Token(with_causes(other)),
    }
}

/// An error's message with those of its causes, which the crate keeps apart.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
