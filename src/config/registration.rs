//! Registering a client: what a caller says of it, checked, becomes a [`Client`]; its secrets are drawn or taken over.

use std::collections::HashSet;

use serde::Deserialize;
use url::Url;

use super::{
    AuthMethod, Client, ClientSecret, EmailVerification, FriendAdd, RefreshTokens, client::yes,
    is_acceptable_target, is_acceptable_uri, origin_of,
};
use crate::{id::ClientId, oauth::SignatureAlgorithm, secret::SecretText, time::UnixMillis};

/// The shortest secret that may be chosen, in characters; a shorter one could be guessed from its digest.
pub const MIN_SECRET: usize = 32;

/// URIs of one kind that a client may register.
const MAX_URIS: usize = 50;

/// A client as it is to be: what is absent takes its default.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Kept where it is given, else drawn.
    pub client_id: Option<ClientId>,
    /// Kept where it is given, else drawn for a client that has none.
    pub client_secret: Option<SecretText>,
    /// The shop's name as customers read it.
    pub name: String,
    /// See [`Client`], as all that follow.
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    initiate_login_uri: Option<String>,
    login_start_template: Option<String>,
    home_uri: Option<String>,
    #[serde(default)]
    target_origins: Vec<String>,
    backchannel_logout_uri: Option<String>,
    token_endpoint_auth_method: Option<AuthMethod>,
    #[serde(default = "yes")]
    require_pkce: bool,
    #[serde(default)]
    id_token_signed_response_alg: SignatureAlgorithm,
    #[serde(default)]
    refresh_tokens: RefreshTokens,
    #[serde(default)]
    email_verification: EmailVerification,
    friend_add: Option<FriendAdd>,
}

/// A client that was registered, with the secret that was drawn for it, to be shown once.
#[derive(Debug)]
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its new secret.
    pub secret: Option<SecretText>,
}

impl Registration {
    /// Says what is wrong, in a sentence that says what to do.
    pub fn check(&self, account_host: &str) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.chars().count() > 100 {
            return Err("name has 1 to 100 characters".to_owned());
        }
        if self.redirect_uris.is_empty() {
            return Err("a client has at least one redirect URI".to_owned());
        }
        let lists = [&self.redirect_uris, &self.post_logout_redirect_uris, &self.target_origins];
        if lists.iter().any(|uris| uris.len() > MAX_URIS) {
            return Err(format!("a client has at most {MAX_URIS} URIs of a kind"));
        }
        let uris = self.redirect_uris.iter().chain(&self.post_logout_redirect_uris);
        for uri in uris.chain(&self.initiate_login_uri).chain(&self.home_uri) {
            if !is_acceptable_uri(uri, account_host) {
                return Err(format!("{uri}: register an https URL without user or fragment, in ASCII"));
            }
        }
        self.check_origins(account_host)?;
        self.check_secret()
    }

    fn check_origins(&self, account_host: &str) -> Result<(), String> {
        for origin in &self.target_origins {
            if !is_acceptable_uri(origin, account_host) || origin_of(origin).as_ref() != Some(origin) {
                return Err(format!(
                    "{origin}: a target origin is an https origin such as https://shop.example"
                ));
            }
        }
        if let Some(uri) = &self.backchannel_logout_uri
            && !is_acceptable_target(uri, account_host)
        {
            return Err(format!("{uri}: we call an https URL with a host name, without user or fragment"));
        }
        let own: HashSet<String> =
            self.redirect_uris.iter().chain(&self.home_uri).filter_map(|uri| origin_of(uri)).collect();
        if let Some(template) = &self.login_start_template {
            let with = |text: &str| template.replace("{target}", text).replace("{target_path}", text);
            let uri = with("t");
            // Whatever stands there, the origin is the shop's: the place lies behind it.
            let is_own = [&uri, &with("/u")]
                .iter()
                .all(|uri| origin_of(uri).is_some_and(|origin| own.contains(&origin)));
            if uri == *template || !is_own || !is_acceptable_uri(&uri, account_host) {
                return Err(format!(
                    "{template}: a login start is a URL of the shop with {{target}} or {{target_path}} in it"
                ));
            }
        }
        Ok(())
    }

    fn check_secret(&self) -> Result<(), String> {
        let Some(secret) = &self.client_secret else { return Ok(()) };
        if self.is_public() {
            return Err("a client with token_endpoint_auth_method none has no secret".to_owned());
        }
        if is_strong(secret) {
            return Ok(());
        }
        Err("client_secret has at least 32 unreserved characters; leave it out to have one drawn".to_owned())
    }

    fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == Some(AuthMethod::None)
    }

    /// The client that replaces `known`, if there is one: its id and its secrets stay.
    pub fn register(
        self,
        known: Option<&Client>,
        random: impl Fn() -> [u8; 32],
        now: UnixMillis,
    ) -> Registered {
        let known_id = known.map(|client| client.id.clone());
        let is_public = self.is_public();
        let home_uri = self.home_uri.unwrap_or_else(|| first_page_of(self.redirect_uris.first()));
        let known_secrets = known.map(|client| client.secrets.clone()).unwrap_or_default();
        let (secrets, secret) = match self.client_secret {
            _ if is_public => (Vec::new(), None),
            Some(given) if known.is_some_and(|client| client.has_secret(given.expose())) => {
                (known_secrets, None)
            }
            Some(given) => (vec![ClientSecret::new(&given, now)], None),
            None if !known_secrets.is_empty() => (known_secrets, None),
            None => {
                let drawn = SecretText::from_random(random());
                (vec![ClientSecret::new(&drawn, now)], Some(drawn))
            }
        };
        let client = Client {
            id: self.client_id.or(known_id).unwrap_or_else(|| ClientId::from_random(random())),
            name: self.name,
            secrets,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            initiate_login_uri: self.initiate_login_uri,
            login_start_template: self.login_start_template,
            home_uri,
            target_origins: self.target_origins,
            backchannel_logout_uri: self.backchannel_logout_uri,
            token_endpoint_auth_method: self.token_endpoint_auth_method,
            require_pkce: self.require_pkce,
            id_token_signed_response_alg: self.id_token_signed_response_alg,
            refresh_tokens: self.refresh_tokens,
            email_verification: self.email_verification,
            friend_add: self.friend_add,
            created_at: known.map_or(now, |client| client.created_at),
        };
        Registered { client, secret }
    }
}

/// Whether a secret has the form of ours: long enough, and of characters that no client can encode wrongly.
#[must_use]
pub fn is_strong(secret: &SecretText) -> bool {
    let text = secret.expose();
    text.len() >= MIN_SECRET
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// The first page of the site of a URI that was checked.
fn first_page_of(uri: Option<&String>) -> String {
    let url = uri.and_then(|uri| Url::parse(uri).ok());
    url.and_then(|url| url.join("/").ok()).map_or_else(String::new, Into::into)
}
