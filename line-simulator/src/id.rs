//! The identifiers that LINE hands out, as values that cannot be confused with each other.
//!
//! In: text from the wire or the configuration. Out: cheap clones of it. Not here: how new ones are drawn
//! (`random.rs`).

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as LINE writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A LINE user id, `^U[0-9a-f]{32}$`: one per person and provider.
    UserId
}
id! {
    /// A channel id, as digits.
    ChannelId
}

/// Whether the text has the shape of a user id.
pub(crate) fn is_user_id(text: &str) -> bool {
    text.strip_prefix('U').is_some_and(|hex| {
        hex.len() == 32 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether the text is a UUID in its hexadecimal form with dashes, as the retry key must be.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_a_capital_u_and_32_lower_case_hex_digits() {
        assert!(is_user_id("U8e742f61d673b39c7fff3cecb7536ef0"));
        assert!(!is_user_id("U8E742F61D673B39C7FFF3CECB7536EF0"));
        assert!(!is_user_id("C8e742f61d673b39c7fff3cecb7536ef0"));
        assert!(!is_user_id("U8e742f61"));
    }

    #[test]
    fn a_retry_key_needs_its_dashes() {
        assert!(is_uuid("123e4567-e89b-12d3-a456-426655440001"));
        assert!(!is_uuid("123e4567e89b12d3a456426655440001"));
        assert!(!is_uuid("123e4567-e89b-12d3-a456-42665544000g"));
    }
}
