//! The credential of a Login channel as the operator puts it: checked, and sealed for the store.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::StoredCredential,
    line::assertion,
    platform::{Context, Platform},
    secret::{Purpose, SecretText},
    web::ApiError,
};

/// The longest name of an assertion key, in characters.
const MAX_KEY_ID: usize = 200;

/// `login_channel.credential`.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Credential {
    /// The channel secret.
    Secret { secret: SecretText },
    /// The private half of a key whose public half is registered at LINE, by the name that LINE gave it.
    AssertionKey { key_id: String, private_jwk: Value },
}

impl Credential {
    /// A Login channel's credential as it is stored. A private key is believed once it has signed something that its public
    /// half verifies: its numbers may be in order one by one and not belong together.
    pub(super) async fn sealed<P: Platform>(&self, cx: Context<'_, P>) -> Result<StoredCredential, ApiError> {
        let seal = |secret: &SecretText| {
            cx.settings.keys.seal_text(Purpose::Configuration, secret.expose(), cx.platform.random())
        };
        let (key_id, private_jwk) = match self {
            Self::Secret { secret } if secret.expose().is_empty() => {
                return Err(ApiError::invalid_request("the Login channel's secret is empty"));
            }
            Self::Secret { secret } => return Ok(StoredCredential::Secret { sealed: seal(secret) }),
            Self::AssertionKey { key_id, private_jwk } => (key_id, private_jwk),
        };
        if !(1..=MAX_KEY_ID).contains(&key_id.len()) || !key_id.bytes().all(|b| b.is_ascii_graphic()) {
            let why = "key_id is what the LINE Developers console shows beside the registered key, up to 200 characters";
            return Err(ApiError::invalid_request(why));
        }
        let key = assertion::private_jwk(private_jwk).map_err(ApiError::invalid_request)?;
        let probe = b"no assertion: a text to see whether the key signs";
        let signature = cx.platform.sign_rs256(&assertion::import_name(&key), &key, probe).await;
        let signs = match signature {
            Ok(signature) => {
                let public = assertion::public_jwk(&key);
                cx.platform.verify_rs256(&public, probe, &signature).await.unwrap_or(false)
            }
            Err(_) => false,
        };
        if !signs {
            let why = "private_jwk does not sign: its numbers are not those of one RSA key";
            return Err(ApiError::invalid_request(why));
        }
        Ok(StoredCredential::AssertionKey { key_id: key_id.clone(), sealed_private_jwk: seal(&key) })
    }
}
