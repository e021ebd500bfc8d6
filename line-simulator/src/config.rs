//! The channels of the one provider that the stand-in plays, as the configuration file writes them.
//!
//! In: JSON. Out: the channels by id. Not here: what happens in a channel (tokens, quota, friendships).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::id::{ChannelId, UserId};
use crate::login::RsaPublicKey;

/// All channels; the body of `POST /sim/channels` has the same shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// LINE Login channels.
    pub login_channels: Vec<LoginChannel>,
    /// Messaging API channels, one per LINE Official Account.
    pub messaging_channels: Vec<MessagingChannel>,
}

/// A LINE Login channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoginChannel {
    /// The channel id.
    pub channel_id: ChannelId,
    /// What it proves itself with: member `channel_secret` or member `assertion_key`, never both.
    #[serde(flatten, deserialize_with = "one_credential")]
    pub credential: LoginCredential,
    /// The registered callback URLs, at most 400 at LINE.
    #[serde(default)]
    pub callback_urls: Vec<String>,
    /// The Messaging API channel whose account is the linked LINE Official Account.
    #[serde(default)]
    pub linked_bot: Option<ChannelId>,
    /// Whether the provider is certified: only then is the friend box of `bot_prompt=normal` checked beforehand.
    #[serde(default)]
    pub certified: bool,
    /// Whether the application for the e-mail permission was granted (console, OpenID Connect, "Applied"). Without
    /// it the `email` scope is asked in vain.
    #[serde(default)]
    pub email_permission: bool,
    /// What the consent page calls the service.
    #[serde(default)]
    pub name: String,
}

/// What a LINE Login channel proves itself with; the algorithm of its web ID tokens follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginCredential {
    /// The secret: the client's password and the HS256 key of its ID tokens.
    ChannelSecret(String),
    /// An assertion signing key, and no secret: its ID tokens are ES256 (inferred, not documented by LINE).
    AssertionKey(AssertionKey),
}

impl LoginCredential {
    pub(crate) fn secret(&self) -> Option<&str> {
        match self {
            Self::ChannelSecret(secret) => Some(secret),
            Self::AssertionKey(_) => None,
        }
    }
}

/// An assertion signing key, as far as LINE has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssertionKey {
    /// What the console calls it.
    pub kid: String,
    /// The public half, an RSA-2048 JWK without `kid`.
    pub public_jwk: RsaPublicKey,
}

/// One of the two members, and not both.
fn one_credential<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LoginCredential, D::Error> {
    #[derive(Deserialize)]
    struct Members {
        channel_secret: Option<String>,
        assertion_key: Option<AssertionKey>,
    }
    match Members::deserialize(deserializer)? {
        Members { channel_secret: Some(secret), assertion_key: None } => {
            Ok(LoginCredential::ChannelSecret(secret))
        }
        Members { channel_secret: None, assertion_key: Some(key) } => Ok(LoginCredential::AssertionKey(key)),
        _ => Err(D::Error::custom("a Login channel has either channel_secret or assertion_key")),
    }
}

/// A Messaging API channel and the LINE Official Account behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessagingChannel {
    /// The channel id.
    pub channel_id: ChannelId,
    /// The secret: signs webhooks and obtains channel access tokens.
    pub channel_secret: String,
    /// The account's own user id, the `destination` of webhooks.
    pub bot_user_id: UserId,
    /// The account's basic id, such as `@demo`.
    #[serde(default)]
    pub basic_id: String,
    /// The account's name.
    #[serde(default)]
    pub display_name: String,
    /// Where webhooks go; none means that events are lost, as at LINE.
    #[serde(default)]
    pub webhook_endpoint: Option<String>,
    /// "Use webhook" of the console: while it is off, events are lost.
    #[serde(default = "switched_on")]
    pub webhook_active: bool,
    /// Messages per month (Japan time), recipients counted; none means no limit.
    #[serde(default)]
    pub quota: Option<u64>,
    /// Whether the account is verified: only then may it list its followers.
    #[serde(default)]
    pub certified: bool,
}

fn switched_on() -> bool {
    true
}

impl Config {
    pub(crate) fn login(&self, id: &str) -> Option<&LoginChannel> {
        self.login_channels.iter().find(|channel| channel.channel_id.as_str() == id)
    }

    pub(crate) fn messaging(&self, id: &str) -> Option<&MessagingChannel> {
        self.messaging_channels.iter().find(|channel| channel.channel_id.as_str() == id)
    }

    pub(crate) fn messaging_mut(&mut self, id: &str) -> Option<&mut MessagingChannel> {
        self.messaging_channels.iter_mut().find(|channel| channel.channel_id.as_str() == id)
    }

    /// The secret of a channel of either kind, if it has one.
    pub(crate) fn secret(&self, id: &str) -> Option<(&ChannelId, &str)> {
        let login =
            self.login(id).and_then(|channel| Some((&channel.channel_id, channel.credential.secret()?)));
        login.or_else(|| {
            self.messaging(id).map(|channel| (&channel.channel_id, channel.channel_secret.as_str()))
        })
    }

    /// Adds channels, replacing those of the same id. A webhook endpoint set by API survives a file without one.
    pub(crate) fn upsert(&mut self, newer: Self) {
        for channel in newer.login_channels {
            self.login_channels.retain(|old| old.channel_id != channel.channel_id);
            self.login_channels.push(channel);
        }
        for mut channel in newer.messaging_channels {
            let old = self.messaging(&channel.channel_id);
            let endpoint = old.and_then(|old| old.webhook_endpoint.clone());
            channel.webhook_endpoint = channel.webhook_endpoint.or(endpoint);
            self.messaging_channels.retain(|old| old.channel_id != channel.channel_id);
            self.messaging_channels.push(channel);
        }
    }
}
