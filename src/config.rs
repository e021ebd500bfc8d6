//! An account's configuration: one value in D1, opened once and remembered by the isolate for at most 60 s.
//!
//! One read brings version and value together, so no request makes two. What would be refused because of
//! configuration is read afresh first ([`reread`]), at most once per 5 s. Who writes it: `account.rs`.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    id::{AccountId, BotUserId, ClientId},
    platform::{Context, Database, Platform, PlatformError, SigningKey},
    secret::{Digest, Keys, Purpose, SecretError, SecretText},
    store::Statement,
    time::{MINUTE, SECOND, UnixMillis},
};

/// How long an isolate trusts its copy of an account's configuration.
pub const MAX_AGE: i64 = MINUTE;

/// How often a refusal may cause the configuration to be read afresh.
pub const REREAD_EVERY: i64 = 5 * SECOND;

/// Hosts that an isolate remembers; beyond it, it forgets the unknown ones first.
const MAX_REMEMBERED: usize = 1_000;

/// Plain data that an isolate remembers between requests.
#[derive(Debug, Default)]
pub struct Memory {
    accounts: RefCell<HashMap<String, Remembered>>,
    channel_tokens: RefCell<HashMap<String, (SecretText, UnixMillis)>>,
}

#[derive(Debug, Clone)]
struct Remembered {
    account: Option<Rc<Account>>,
    read_at: UnixMillis,
}

impl Memory {
    /// The Messaging channel's access token, if one is remembered that is still valid at `now`.
    #[must_use]
    pub fn channel_token(&self, account: &Account, now: UnixMillis) -> Option<SecretText> {
        let tokens = self.channel_tokens.borrow();
        tokens
            .get(&account.messaging.channel_id)
            .filter(|(_, until)| now < *until)
            .map(|(token, _)| token.clone())
    }

    /// Remembers a channel access token.
    pub fn remember_channel_token(&self, account: &Account, token: SecretText, until: UnixMillis) {
        self.channel_tokens.borrow_mut().insert(account.messaging.channel_id.clone(), (token, until));
    }

    /// Forgets a channel access token that LINE refused.
    pub fn forget_channel_token(&self, account: &Account) {
        self.channel_tokens.borrow_mut().remove(&account.messaging.channel_id);
    }

    /// Forgets an account's configuration, because this isolate has just written it.
    pub fn forget_account(&self, host: &str) {
        self.accounts.borrow_mut().remove(host);
    }

    /// What was last known of a host's account, however old: for what must be answered while D1 fails and touches no
    /// store itself.
    #[must_use]
    pub fn last_known(&self, host: &str) -> Option<Rc<Account>> {
        self.remembered(host)?.account
    }

    fn remembered(&self, host: &str) -> Option<Remembered> {
        self.accounts.borrow().get(host).cloned()
    }

    fn remembered_id(&self, id: &AccountId) -> Option<Remembered> {
        let accounts = self.accounts.borrow();
        accounts.values().find(|r| r.account.as_ref().is_some_and(|a| a.id == *id)).cloned()
    }

    fn remember(&self, host: &str, account: Option<Rc<Account>>, read_at: UnixMillis) {
        let mut accounts = self.accounts.borrow_mut();
        if accounts.len() >= MAX_REMEMBERED {
            accounts.retain(|_, remembered| remembered.account.is_some());
        }
        if accounts.len() >= MAX_REMEMBERED {
            accounts.clear();
        }
        accounts.insert(host.to_owned(), Remembered { account, read_at });
    }
}

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
    /// The keys that sign ID tokens, the one in use first.
    pub signing_keys: Vec<PublishedKey>,
}

impl Account {
    /// The client of this id.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id.as_str() == id)
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
}

/// What a Login channel proves itself with. Another kind, the assertion key, has its place in the stored form.
#[derive(Debug)]
pub enum Credential {
    /// The channel secret; ID tokens are HS256 under it.
    Secret(SecretText),
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

/// `bot_prompt` of LINE's authorization request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FriendAdd {
    /// A box on the consent screen.
    #[default]
    Normal,
    /// A screen of its own after the consent screen.
    Aggressive,
    /// Nothing is offered.
    Off,
}

/// A storefront registered as an OpenID Connect relying party.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// The shop's name as customers read it.
    pub name: String,
    /// Digests of its secrets: two are valid while one is rotated.
    pub secrets: Vec<Digest>,
    /// The exact redirect URIs.
    pub redirect_uris: Vec<String>,
    /// Where others start a login (OpenID Connect Core section 4).
    pub initiate_login_uri: Option<String>,
    /// Where a customer goes when nothing else is known.
    pub home_uri: String,
    /// Whether a request without a PKCE challenge is refused.
    #[serde(default = "yes")]
    pub require_pkce: bool,
}

impl Client {
    /// Whether the client must send a PKCE challenge: a public client always must (RFC 9700 section 2.1.1).
    #[must_use]
    pub fn must_use_pkce(&self) -> bool {
        self.require_pkce || self.is_public()
    }

    /// Whether the client has no secret (RFC 6749 section 2.1).
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Where a login of this client starts anew: its own login start, else its home page.
    #[must_use]
    pub fn login_start(&self) -> &str {
        self.initiate_login_uri.as_deref().unwrap_or(&self.home_uri)
    }
}

fn yes() -> bool {
    true
}

/// A key that signs ID tokens, with its public half as it is published.
#[derive(Debug)]
pub struct PublishedKey {
    /// The private key.
    pub private: SigningKey,
    /// The public JWK with `kid`, `use` and `alg`.
    pub public_jwk: serde_json::Value,
}

/// The stored form: secrets are sealed or digests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredAccount {
    /// The account's name.
    pub name: String,
    /// The D1 binding.
    #[serde(default)]
    pub database: Database,
    /// The Login channel.
    pub login: StoredLogin,
    /// The Messaging channel.
    pub messaging: StoredMessaging,
    /// Friend-add at login.
    #[serde(default)]
    pub friend_add: FriendAdd,
    /// The storefronts.
    pub clients: Vec<Client>,
    /// Digests of API keys.
    pub api_keys: Vec<Digest>,
    /// Signing keys, the one in use first.
    pub signing_keys: Vec<StoredSigningKey>,
}

/// The stored form of a Login channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredLogin {
    /// LINE's channel id.
    pub channel_id: String,
    /// The sealed credential.
    pub credential: StoredCredential,
}

/// The stored form of a credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StoredCredential {
    /// The sealed channel secret.
    Secret {
        /// The seal.
        sealed: String,
    },
}

/// The stored form of a Messaging channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredMessaging {
    /// LINE's channel id.
    pub channel_id: String,
    /// The sealed channel secret.
    pub sealed_secret: String,
    /// The sealed previous secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_previous_secret: Option<String>,
    /// The bot's user id.
    pub bot_user_id: BotUserId,
}

/// The stored form of a signing key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredSigningKey {
    /// `kid`.
    pub kid: String,
    /// The public JWK.
    pub public_jwk: serde_json::Value,
    /// The sealed private JWK.
    pub sealed_private_jwk: String,
}

impl StoredAccount {
    fn open(self, id: AccountId, host: String, keys: &Keys) -> Result<Account, SecretError> {
        let open = |sealed: &str| keys.open_text(Purpose::Configuration, sealed);
        let StoredCredential::Secret { sealed } = &self.login.credential;
        Ok(Account {
            login: LoginChannel {
                credential: Credential::Secret(open(sealed)?),
                channel_id: self.login.channel_id,
            },
            messaging: MessagingChannel {
                secret: open(&self.messaging.sealed_secret)?,
                previous_secret: self.messaging.sealed_previous_secret.as_deref().map(open).transpose()?,
                channel_id: self.messaging.channel_id,
                bot_user_id: self.messaging.bot_user_id,
            },
            signing_keys: self
                .signing_keys
                .into_iter()
                .map(|key| key.open(keys))
                .collect::<Result<_, _>>()?,
            id,
            host,
            name: self.name,
            database: self.database,
            friend_add: self.friend_add,
            clients: self.clients,
            api_keys: self.api_keys,
        })
    }
}

impl StoredSigningKey {
    fn open(self, keys: &Keys) -> Result<PublishedKey, SecretError> {
        let private_jwk = keys.open_text(Purpose::SigningKey, &self.sealed_private_jwk)?;
        Ok(PublishedKey { private: SigningKey { kid: self.kid, private_jwk }, public_jwk: self.public_jwk })
    }
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

async fn read<P: Platform>(cx: Context<'_, P>, host: &str) -> Result<Option<Rc<Account>>, PlatformError> {
    let now = cx.platform.now();
    let statement = Statement::new("SELECT id, host, config FROM accounts WHERE host = ?1").bind(host);
    let rows: Vec<AccountRow> = cx.platform.rows(&Database::default(), statement).await?;
    let account = rows.into_iter().next().map(|row| open(cx, row)).transpose()?;
    cx.memory.remember(host, account.clone(), now);
    Ok(account)
}

fn open<P>(cx: Context<'_, P>, row: AccountRow) -> Result<Rc<Account>, PlatformError> {
    let stored: StoredAccount =
        serde_json::from_str(&row.config).map_err(|e| PlatformError::Stored(format!("account: {e}")))?;
    stored
        .open(row.id, row.host, &cx.settings.keys)
        .map(Rc::new)
        .map_err(|e| PlatformError::Stored(e.to_string()))
}

/// Whether this host name is this machine: only here are `http` and a stand-in for LINE accepted, because a deployed
/// worker pointed at a stand-in would let anyone in as anyone.
#[must_use]
pub fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
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

    /// A URL of ours.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

/// Whether a shop's URL may be registered: https, or http on this machine for a local account; no fragment, no user.
#[must_use]
pub fn is_acceptable_uri(uri: &str, account_host: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let host = url.host_str().unwrap_or_default();
    let scheme_is_fine = match url.scheme() {
        "https" => true,
        "http" => is_local(account_host) && (is_local(host) || host == "127.0.0.1"),
        _ => false,
    };
    scheme_is_fine
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !host.is_empty()
        && !host.contains('*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_accepted_only_on_this_machine_and_only_for_a_local_account() {
        assert!(is_acceptable_uri("https://shop.example.jp/callback?x=1", "line.example.jp"));
        assert!(is_acceptable_uri("http://127.0.0.1:8789/callback", "localhost"));
        for (uri, host) in [
            ("http://shop.example.jp/callback", "localhost"),
            ("http://127.0.0.1:8789/callback", "line.example.jp"),
            ("https://shop.example.jp/callback#f", "line.example.jp"),
            ("https://user@shop.example.jp/callback", "line.example.jp"),
            ("https://*.example.jp/callback", "line.example.jp"),
            ("javascript:alert(1)", "localhost"),
            ("/callback", "localhost"),
        ] {
            assert!(!is_acceptable_uri(uri, host), "{uri} for {host}");
        }
    }
}
