//! The stored form of an account's configuration: secrets are sealed or digests.

use serde::{Deserialize, Serialize};

use super::{
    Account, Client, Credential, FriendAdd, LoginChannel, MessagingChannel, Repliers, Sending, SigningKey,
    StoredSigningKey, WebhookEndpoint,
};
use crate::{
    id::{AccountId, BotUserId},
    platform::Database,
    secret::{Digest, Keys, Purpose, SecretError},
    time::UnixMillis,
};

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
    /// Signing keys, the newest first.
    pub signing_keys: Vec<StoredSigningKey>,
    /// The shop's endpoint for our webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_endpoint: Option<StoredWebhookEndpoint>,
    /// Who answers LINE's events.
    #[serde(default, skip_serializing_if = "Repliers::is_empty")]
    pub repliers: Repliers,
    /// How it sends.
    #[serde(default, skip_serializing_if = "Sending::is_default")]
    pub sending: Sending,
}

/// The stored form of a Login channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredLogin {
    /// LINE's channel id.
    pub channel_id: String,
    /// The sealed credential.
    pub credential: StoredCredential,
    /// Whether LINE granted the channel the e-mail permission.
    #[serde(default)]
    pub email_permission: bool,
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
    /// The sealed private key.
    AssertionKey {
        /// What LINE calls it.
        key_id: String,
        /// The sealed JWK.
        sealed_private_jwk: String,
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

/// The stored form of the shop's endpoint for our webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredWebhookEndpoint {
    /// Where they go.
    pub url: String,
    /// The sealed secret.
    pub sealed_secret: String,
}

impl StoredAccount {
    pub(super) fn open(
        self,
        id: AccountId,
        host: String,
        keys: &Keys,
        now: UnixMillis,
    ) -> Result<Account, SecretError> {
        let open = |sealed: &str| keys.open_text(Purpose::Configuration, sealed);
        Ok(Account {
            login: LoginChannel {
                credential: self.login.credential.open(keys)?,
                channel_id: self.login.channel_id,
                email_permission: self.login.email_permission,
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
                .filter(|key| key.is_published(now))
                .map(|key| key.open(keys))
                .collect::<Result<_, _>>()?,
            webhook_endpoint: self.webhook_endpoint.map(|endpoint| endpoint.open(keys)).transpose()?,
            id,
            host,
            name: self.name,
            database: self.database,
            friend_add: self.friend_add,
            clients: self.clients,
            api_keys: self.api_keys,
            repliers: self.repliers,
            sending: self.sending,
        })
    }
}

impl StoredCredential {
    /// `kind`, as it is stored and put.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "secret",
            Self::AssertionKey { .. } => "assertion_key",
        }
    }

    fn open(self, keys: &Keys) -> Result<Credential, SecretError> {
        let open = |sealed: &str| keys.open_text(Purpose::Configuration, sealed);
        Ok(match self {
            Self::Secret { sealed } => Credential::Secret(open(&sealed)?),
            Self::AssertionKey { key_id, sealed_private_jwk } => {
                Credential::AssertionKey { key_id, private_jwk: open(&sealed_private_jwk)? }
            }
        })
    }
}

impl StoredSigningKey {
    /// Whether it is still published at `now`; afterwards nobody needs it.
    pub(super) fn is_published(&self, now: UnixMillis) -> bool {
        self.publish_until.is_none_or(|until| now < until)
    }

    fn open(self, keys: &Keys) -> Result<SigningKey, SecretError> {
        Ok(SigningKey {
            private: keys.open_text(Purpose::SigningKey, &self.sealed_private)?,
            kid: self.kid,
            algorithm: self.algorithm,
            public_jwk: self.public_jwk,
            use_from: self.use_from,
            publish_until: self.publish_until,
        })
    }
}

impl StoredWebhookEndpoint {
    fn open(self, keys: &Keys) -> Result<WebhookEndpoint, SecretError> {
        Ok(WebhookEndpoint {
            secret: keys.open_text(Purpose::Configuration, &self.sealed_secret)?,
            url: self.url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::signing_key, oauth::SignatureAlgorithm, secret::SecretText};

    #[test]
    fn an_account_that_was_stored_before_keys_and_secrets_had_dates_still_opens() {
        let keys = Keys::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", None).unwrap();
        let secret = SecretText::new("client-secret".into());
        let stored = serde_json::json!({
            "name": "縁日和",
            "login": {
                "channel_id": "1",
                "credential": { "kind": "secret", "sealed": keys.seal_text(Purpose::Configuration, "a", [1; 32]) },
            },
            "messaging": {
                "channel_id": "2", "sealed_secret": keys.seal_text(Purpose::Configuration, "b", [2; 32]),
                "bot_user_id": "U0123456789abcdef0123456789abcdef",
            },
            "clients": [{
                "id": "shop", "name": "shop", "secrets": [secret.digest()], "initiate_login_uri": null,
                "redirect_uris": ["https://shop.example/callback"], "home_uri": "https://shop.example/",
                "require_pkce": true,
            }],
            "api_keys": [],
            "signing_keys": [{
                "kid": "k", "public_jwk": {},
                "sealed_private_jwk": keys.seal_text(Purpose::SigningKey, "{}", [3; 32]),
            }],
        });
        let stored: StoredAccount = serde_json::from_value(stored).unwrap();
        let now = UnixMillis(1_767_582_000_000);
        let account =
            stored.open(AccountId::parse("a").unwrap(), "line.shop.example".into(), &keys, now).unwrap();
        assert!(account.client("shop").unwrap().has_secret(secret.expose()));
        let key = signing_key::in_use(&account.signing_keys, SignatureAlgorithm::Rs256, now).unwrap();
        assert_eq!(key.private.expose(), "{}");
    }

    #[test]
    fn an_assertion_key_is_stored_sealed_and_opens_and_a_secret_is_stored_as_ever() {
        let keys = Keys::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", None).unwrap();
        let sealed_private_jwk = keys.seal_text(Purpose::Configuration, r#"{"kty":"RSA"}"#, [1; 32]);
        let stored = StoredCredential::AssertionKey { key_id: "k".into(), sealed_private_jwk };
        let text = serde_json::to_string(&stored).unwrap();
        assert!(text.contains(r#""kind":"assertion_key""#) && !text.contains("RSA"), "{text}");
        let again: StoredCredential = serde_json::from_str(&text).unwrap();
        let Credential::AssertionKey { key_id, private_jwk } = again.open(&keys).unwrap() else {
            panic!("{text}")
        };
        assert_eq!((key_id.as_str(), private_jwk.expose()), ("k", r#"{"kty":"RSA"}"#));
        let secret = StoredCredential::Secret { sealed: "v1.s".into() };
        assert_eq!(serde_json::to_string(&secret).unwrap(), r#"{"kind":"secret","sealed":"v1.s"}"#);
    }
}
