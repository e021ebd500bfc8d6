//! Local secrets, made once and kept in files that git ignores, and the operator's key.
//!
//! Every text is random and made of unreserved characters, so that it needs no quoting anywhere.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::project::{read, write_private};
use crate::stamp::hex;

/// What binds the operator's key to its purpose; the worker uses the same words.
const OPERATOR_INFO: &[u8] = b"enishi operator api key v1";
const MASTER_KEY: &str = "MASTER_KEY";

/// The 32 bytes that every key of a deployment comes from. Does not print.
pub(crate) struct MasterKey([u8; 32]);

impl MasterKey {
    /// Reads `MASTER_KEY` from an environment file.
    pub(crate) fn from_file(path: &Path) -> Result<Self> {
        let text = read(path)?;
        let value =
            variable(&text, MASTER_KEY).with_context(|| format!("{} has no {MASTER_KEY}", path.display()))?;
        Self::parse(value).with_context(|| format!("{MASTER_KEY} in {} is not a key", path.display()))
    }

    /// Reads the key, or makes one and appends it to the file. `sealed` says whether data under an older key exists.
    pub(crate) fn ensure(path: &Path, sealed: bool) -> Result<Self> {
        let text = read(path).unwrap_or_default();
        if variable(&text, MASTER_KEY).is_some() {
            return Self::from_file(path);
        }
        if sealed {
            bail!(
                "{} has no {MASTER_KEY}, but there is data sealed with one: put it back, or use --fresh",
                path.display()
            );
        }
        let break_before = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let line = format!("{MASTER_KEY}={}\n", URL_SAFE_NO_PAD.encode(random::<32>()?));
        write_private(path, &format!("{text}{break_before}{line}"))?;
        Self::from_file(path)
    }

    /// Base64url without padding.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).context("it must be base64url without padding")?;
        let bytes = <[u8; 32]>::try_from(bytes).ok().context("it must hold 32 bytes")?;
        Ok(Self(bytes))
    }

    /// The bearer token that may call `/v1/accounts`.
    pub(crate) fn operator_key(&self) -> Result<String> {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(OPERATOR_INFO, &mut key)
            .ok()
            .context("32 bytes are more than HKDF gives")?;
        Ok(format!("enishi_op_{}", URL_SAFE_NO_PAD.encode(key)))
    }
}

/// What the demo account and the LINE stand-in share.
#[derive(Serialize, Deserialize)]
pub(crate) struct DemoSecrets {
    pub(crate) login_channel_secret: String,
    pub(crate) messaging_channel_secret: String,
    pub(crate) bot_user_id: String,
    pub(crate) client_secret: String,
    pub(crate) api_key: String,
}

impl DemoSecrets {
    /// Reads the file, or makes it.
    pub(crate) fn ensure(path: &Path) -> Result<Self> {
        if path.is_file() {
            let text = read(path)?;
            return serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged: use --fresh", path.display()));
        }
        let made = Self::random()?;
        write_private(path, &format!("{}\n", serde_json::to_string_pretty(&made)?))?;
        Ok(made)
    }

    fn random() -> Result<Self> {
        Ok(Self {
            login_channel_secret: hex(&random::<16>()?),
            messaging_channel_secret: hex(&random::<16>()?),
            bot_user_id: format!("U{}", hex(&random::<16>()?)),
            client_secret: URL_SAFE_NO_PAD.encode(random::<32>()?),
            api_key: format!("enishi_key_{}", URL_SAFE_NO_PAD.encode(random::<32>()?)),
        })
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok().context("the system gives no randomness")?;
    Ok(bytes)
}

/// The value of a variable in the text of an environment file.
fn variable<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shared with the worker's tests: both sides must find the same key.
    #[test]
    fn the_operator_key_of_a_known_master_key() -> Result<()> {
        // The bytes 0, 1, … 31.
        let master = MasterKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")?;
        assert_eq!(master.operator_key()?, "enishi_op_EbvKs_EjNoFAiWSugfxUBuCMVZe2WJhdCVBurZ_hTmQ");
        Ok(())
    }

    #[test]
    fn a_master_key_has_32_bytes() {
        assert!(MasterKey::parse(&URL_SAFE_NO_PAD.encode([7; 31])).is_err());
        assert!(MasterKey::parse("not base64url!").is_err());
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let text = "# a comment\nOLD_MASTER_KEY=a\nMASTER_KEY = \"b\"\n";
        assert_eq!(variable(text, "MASTER_KEY"), Some("b"));
        assert_eq!(variable(text, "KEY"), None);
    }

    #[test]
    fn a_made_key_is_kept_beside_what_was_there() -> Result<()> {
        let path = std::env::temp_dir().join(format!("xtask-vars-{}", std::process::id()));
        crate::project::write(&path, "OTHER=1")?;
        assert!(MasterKey::ensure(&path, true).is_err());
        let made = MasterKey::ensure(&path, false)?.operator_key()?;
        assert_eq!(MasterKey::ensure(&path, true)?.operator_key()?, made);
        assert_eq!(variable(&read(&path)?, "OTHER"), Some("1"));
        crate::project::remove(&path)
    }

    #[test]
    fn demo_secrets_need_no_quoting() -> Result<()> {
        let made = DemoSecrets::random()?;
        assert_eq!(made.login_channel_secret.len(), 32);
        assert_eq!(made.bot_user_id.len(), 33);
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        assert!(plain(&made.client_secret) && plain(&made.api_key));
        Ok(())
    }
}
