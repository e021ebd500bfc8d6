//! An account's configuration: one value in D1, opened once and remembered by the isolate for at most 60 s.
//!
//! One read brings version and value together, so no request makes two. What would be refused because of
//! configuration is read afresh first ([`reread`]), at most once per 5 s. Changes go through a [`Draft`].

mod client;
mod draft;
mod friend_add;
mod memory;
mod registration;
mod replier;
mod sending;
pub mod signing_key;
mod stored;
mod uri;

use std::rc::Rc;

pub use client::{
    AuthMethod, Client, ClientSecret, EmailVerification, MAX_CLIENTS, MAX_SECRETS, RefreshTokens,
};
pub use draft::Draft;
pub use friend_add::{FriendAdd, FriendMode};
pub use memory::Memory;
pub use registration::{Registered, Registration, is_strong};
pub use replier::{REPLYABLE, Replier, Repliers, Reply};
pub use sending::{FrequencyCap, Quiet, QuietHours, RECEIPTS_KEPT, Sending, minute_of_day};
use serde::Deserialize;
pub use signing_key::{SigningKey, StoredSigningKey};
pub use stored::{StoredAccount, StoredCredential, StoredLogin, StoredMessaging, StoredWebhookEndpoint};
pub use uri::{MAX_PAGE, is_acceptable_page, is_acceptable_target, is_acceptable_uri, is_local, origin_of};

use crate::{
    id::{AccountId, BotUserId, ClientId},
    platform::{Context, Database, Platform, PlatformError},
    secret::{Digest, SecretText},
    store::{Statement, ending::Ending, session::EmailHold},
    time::{MINUTE, SECOND, UnixMillis},
};

/// How long an isolate trusts its copy of an account's configuration.
pub const MAX_AGE: i64 = MINUTE;

/// How often a refusal may cause the configuration to be read afresh.
pub const REREAD_EVERY: i64 = 5 * SECOND;

/// One Official Account with its channels and clients, secrets opened.
#[derive(Debug)]
pub struct Account {
    /// Our id; every row of the account carries it.
    pub id: AccountId,
    /// The host name that selects the account, without a port.
    pub host: String,
    /// The account's name as customers read it.
    pub name: String,
    /// The D1 binding that holds the account's rows.
    pub database: Database,
    /// The LINE Login channel.
    pub login: LoginChannel,
    /// The Messaging API channel.
    pub messaging: MessagingChannel,
    /// Whether and how login offers to add the Official Account as a friend.
    pub friend_add: FriendAdd,
    /// The storefronts.
    pub clients: Vec<Client>,
    /// Digests of the account's API keys.
    pub api_keys: Vec<Digest>,
    /// The keys that sign ID tokens, the newest first.
    pub signing_keys: Vec<SigningKey>,
    /// Where the shop takes our webhooks.
    pub webhook_endpoint: Option<WebhookEndpoint>,
    /// Who answers LINE's events.
    pub repliers: Repliers,
    /// How it sends.
    pub sending: Sending,
}

impl Account {
    /// The client of this id.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id.as_str() == id)
    }

    /// Where a customer goes when nothing else is known: the home page of this client, or of the account's first.
    #[must_use]
    pub fn home_of<'a>(&'a self, client: Option<&'a Client>) -> Option<&'a str> {
        client.or_else(|| self.clients.first()).map(|client| client.home_uri.as_str())
    }

    /// Whether this client's links and logins may lead to a page.
    #[must_use]
    pub fn may_lead_to(&self, client: &ClientId, target: &str) -> bool {
        let client = self.client(client.as_str());
        client.is_some_and(|client| client.may_lead_to(target, &self.host))
    }

    /// How this client's logins offer to add the Official Account as a friend.
    #[must_use]
    pub fn friend_add_of(&self, client: &ClientId) -> FriendAdd {
        self.client(client.as_str()).and_then(|client| client.friend_add).unwrap_or(self.friend_add)
    }

    /// What must be settled about an e-mail address before this client's customer has a code.
    #[must_use]
    pub fn email_hold(&self, client: &ClientId) -> EmailHold {
        let client = self.client(client.as_str());
        let by_code = client.is_some_and(|client| client.email_verification == EmailVerification::Code);
        EmailHold { asked: self.login.email_permission, settled: by_code && self.webhook_endpoint.is_some() }
    }

    /// The clients that are told when a session ends.
    #[must_use]
    pub fn backchannel_clients(&self) -> Vec<&str> {
        let told = self.clients.iter().filter(|client| client.backchannel_logout_uri.is_some());
        told.map(|client| client.id.as_str()).collect()
    }

    /// What we answer to events of this type, if we do.
    #[must_use]
    pub fn reply_to(&self, event: &str) -> Option<&Reply> {
        match self.repliers.get(event)? {
            Replier::Enishi(reply) => Some(reply),
            Replier::Relay { .. } => None,
        }
    }

    /// Whether the shop takes our events.
    #[must_use]
    pub fn takes_events(&self) -> bool {
        self.webhook_endpoint.is_some()
    }

    /// Whether a page of this origin may call us: only those of registered public clients (RFC 9700 section 2.6).
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.clients.iter().any(|client| client.browser_origins().contains(origin))
    }

    /// Whether `key` is one of the account's API keys.
    #[must_use]
    pub fn has_api_key(&self, key: &str) -> bool {
        self.api_keys.iter().any(|digest| digest.is_of(key))
    }
}

/// The LINE Login channel of an account.
#[derive(Debug)]
pub struct LoginChannel {
    /// LINE's channel id: `client_id` in LINE's authorization request and `aud` in its ID tokens.
    pub channel_id: String,
    /// What the channel proves itself with; the ID token's algorithm follows it.
    pub credential: Credential,
    /// Whether LINE granted the channel the e-mail permission: only then is the address asked for.
    pub email_permission: bool,
}

/// The shop's endpoint for our webhooks (Standard Webhooks).
#[derive(Debug)]
pub struct WebhookEndpoint {
    /// Where they go.
    pub url: String,
    /// Signs them: base64 after `whsec_`.
    pub secret: SecretText,
}

impl WebhookEndpoint {
    /// In front of a secret, as Standard Webhooks writes it.
    pub const SECRET_PREFIX: &'static str = "whsec_";
}

/// What a Login channel proves itself with.
#[derive(Debug)]
pub enum Credential {
    /// The channel secret; ID tokens are HS256 under it.
    Secret(SecretText),
    /// The private half of a key that is registered at LINE; ID tokens are ES256 under LINE's keys.
    AssertionKey {
        /// What LINE calls the key: `kid` of the assertions.
        key_id: String,
        /// The RSA key as a JWK (`line::assertion`).
        private_jwk: SecretText,
    },
}

/// The Messaging API channel of an account.
#[derive(Debug)]
pub struct MessagingChannel {
    /// LINE's channel id.
    pub channel_id: String,
    /// Signs webhooks and obtains channel access tokens.
    pub secret: SecretText,
    /// Still accepted on webhooks while the operator rotates the secret.
    pub previous_secret: Option<SecretText>,
    /// `destination` of the account's webhooks.
    pub bot_user_id: BotUserId,
}

#[derive(Deserialize)]
struct AccountRow {
    id: AccountId,
    host: String,
    config: String,
}

/// The account of a host name, from memory or else from D1. `None` is an unknown host.
pub async fn account_by_host<P: Platform>(
    cx: Context<'_, P>,
    host: &str,
) -> Result<Option<Rc<Account>>, PlatformError> {
    let now = cx.platform.now();
    if let Some(known) = cx.memory.remembered(host) {
        let trusted = if known.account.is_some() { MAX_AGE } else { REREAD_EVERY };
        if now - known.read_at < trusted {
            return Ok(known.account);
        }
    }
    read(cx, host).await
}

/// The account of an id, for jobs, which know no host.
pub async fn account_by_id<P: Platform>(
    cx: Context<'_, P>,
    id: &AccountId,
) -> Result<Option<Rc<Account>>, PlatformError> {
    let now = cx.platform.now();
    if let Some(known) = cx.memory.remembered_id(id).filter(|known| now - known.read_at < MAX_AGE) {
        return Ok(known.account);
    }
    let statement = Statement::new("SELECT id, host, config FROM accounts WHERE id = ?1").bind(id);
    let rows: Vec<AccountRow> = cx.platform.rows(&Database::default(), statement).await?;
    let account = rows.into_iter().next().map(|row| open(cx, row)).transpose()?;
    if let Some(account) = &account {
        cx.memory.remember(&account.host, Some(Rc::clone(account)), now);
    }
    Ok(account)
}

/// The configuration read afresh, unless that was done within the last 5 s: to be asked before anything is refused
/// because of configuration.
pub async fn reread<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
) -> Result<Option<Rc<Account>>, PlatformError> {
    let now = cx.platform.now();
    match cx.memory.remembered(&account.host) {
        Some(known) if now - known.read_at < REREAD_EVERY => Ok(known.account),
        _ => read(cx, &account.host).await,
    }
}

/// The configuration read afresh in any case; none if the account is gone. For what cannot be made good: most refusals can
/// wait for [`reread`].
pub async fn newest<P: Platform>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
) -> Result<Option<Rc<Account>>, PlatformError> {
    read(cx, &account.host).await
}

/// What `look` finds in the configuration in memory, or else in the newest.
pub async fn find<P: Platform, T>(
    cx: Context<'_, P>,
    account: &Rc<Account>,
    look: impl Fn(&Account) -> Option<T>,
) -> Result<Option<T>, PlatformError> {
    match look(account) {
        Some(found) => Ok(Some(found)),
        None => Ok(reread(cx, account).await?.and_then(|fresh| look(&fresh))),
    }
}

async fn read<P: Platform>(cx: Context<'_, P>, host: &str) -> Result<Option<Rc<Account>>, PlatformError> {
    let now = cx.platform.now();
    let statement = Statement::new("SELECT id, host, config FROM accounts WHERE host = ?1").bind(host);
    let rows: Vec<AccountRow> = cx.platform.rows(&Database::default(), statement).await?;
    let account = rows.into_iter().next().map(|row| open(cx, row)).transpose()?;
    cx.memory.remember(host, account.clone(), now);
    Ok(account)
}

fn open<P: Platform>(cx: Context<'_, P>, row: AccountRow) -> Result<Rc<Account>, PlatformError> {
    let stored: StoredAccount =
        serde_json::from_str(&row.config).map_err(|e| PlatformError::Stored(format!("account: {e}")))?;
    stored
        .open(row.id, row.host, &cx.settings.keys, cx.platform.now())
        .map(Rc::new)
        .map_err(|e| PlatformError::Stored(e.to_string()))
}

/// An account as one request sees it: with the issuer that its authority makes.
#[derive(Debug, Clone)]
pub struct Site {
    /// The account.
    pub account: Rc<Account>,
    /// `iss`: `https://{host}`, or `http://{host}:{port}` on this machine.
    pub issuer: String,
}

impl Site {
    /// The site that `authority` (host and, where it is not the default, port) addresses.
    #[must_use]
    pub fn new(account: Rc<Account>, authority: &str) -> Self {
        let issuer = if is_local(&account.host) {
            format!("http://{authority}")
        } else {
            format!("https://{}", account.host)
        };
        Self { account, issuer }
    }

    /// The same site with the newest configuration.
    pub async fn afresh<P: Platform>(&self, cx: Context<'_, P>) -> Result<Self, PlatformError> {
        let account = reread(cx, &self.account).await?.unwrap_or_else(|| Rc::clone(&self.account));
        Ok(Self { account, issuer: self.issuer.clone() })
    }

    /// What ends sessions of this account as of `now`.
    #[must_use]
    pub fn ending(&self, now: UnixMillis) -> Ending<'_> {
        let told = self.account.backchannel_clients();
        let takes_events = self.account.takes_events();
        Ending { account: &self.account.id, issuer: &self.issuer, told, takes_events, now }
    }

    /// A URL of ours.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}
