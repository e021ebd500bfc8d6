//! A type for every id, so that a LINE user id is never taken for a subject, nor a subject for a member.
//!
//! `parse` reads the wire and says what is wrong, `from_random` makes one of ours. Vocabulary: `docs/ARCHITECTURE.md`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An id that came over the wire and does not have its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {form}")]
pub struct MalformedId {
    /// The id's name in the API.
    pub what: &'static str,
    /// The form that it must have.
    pub form: &'static str,
}

/// Declares a text id: its name on the wire, the form it must have, and the check of that form.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $form:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads the id from the wire.
            pub fn parse(text: &str) -> Result<Self, MalformedId> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(MalformedId { what: $what, form: $form }) }
            }

            /// The id as it stands on the wire and in the store.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = MalformedId;

            fn try_from(text: String) -> Result<Self, MalformedId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One Official Account with its Login and its Messaging channel, one host name, one issuer.
    AccountId, "account", "1 to 64 of A-Z a-z 0-9 _ -", |t| token_like(t, 64));
text_id!(
    /// A storefront registered as an OpenID Connect relying party (RFC 6749 section 2.2). Only unreserved characters,
    /// so that no client's encoding bug can bite.
    ClientId, "client_id", "1 to 64 of A-Z a-z 0-9 . _ ~ -", |t| unreserved(t, 64) && t != "." && t != "..");
text_id!(
    /// The shop's customer, named by the shop's own id. In a path, `.` and `..` would name nobody, however they are encoded (URL
    /// Standard, "double-dot URL path segment"): such a member could not be erased.
    MemberId, "member_id", "1 to 255 characters without control characters, and not . or ..",
    |t| !t.is_empty() && t.chars().count() <= 255 && !t.chars().any(char::is_control) && t != "." && t != "..");
text_id!(
    /// A LINE user as LINE names them to every channel of one provider.
    LineUserId, "line_user_id", "U and 32 lower-case hexadecimal digits", line_user_id);
text_id!(
    /// The bot behind an Official Account: `destination` in webhooks, `userId` in `GET /v2/bot/info`.
    BotUserId, "bot_user_id", "U and 32 lower-case hexadecimal digits", line_user_id);
text_id!(
    /// Our stable id for a LINE user within an account: `sub` (OpenID Connect Core section 2). Random, derived from
    /// nothing, equal for all clients of the account, unlinkable across accounts.
    Subject, "sub", "the sub of an ID token", |t| token_like(t, 64));
text_id!(
    /// One login attempt in one browser tab.
    AttemptId, "attempt", "letters and digits", |t| token_like(t, 64));
text_id!(
    /// One auto-login link.
    AutoLoginLinkId, "id", "letters and digits", |t| token_like(t, 64));
text_id!(
    /// The session id that clients see (`sid`, OpenID Connect Front-Channel Logout section 3).
    SessionId, "sid", "letters and digits", |t| token_like(t, 64));
text_id!(
    /// One message to one segment: a UUID, the namespace of its retry keys.
    SendId, "send", "a UUID", |t| Uuid::try_parse(t).is_ok());
text_id!(
    /// A rule that is kept under a name.
    SegmentId, "segment", "the id that POST /v1/segments answered",
    |t| t.strip_prefix("seg_").is_some_and(|rest| token_like(rest, 64)));
text_id!(
    /// What is brought over from another system, in parts.
    ImportId, "import", "the id that POST /v1/imports answered", |t| token_like(t, 64));
text_id!(
    /// A segment as an audience at LINE.
    AudienceId, "audience", "the id that POST /v1/audiences answered", |t| token_like(t, 64));
text_id!(
    /// One message to an audience by LINE's narrowcast.
    NarrowcastId, "narrowcast", "the id that POST /v1/narrowcasts answered", |t| token_like(t, 64));
text_id!(
    /// A further tool that takes LINE's deliveries from us.
    RelayId, "relay", "the id that POST /v1/webhooks/relays answered", |t| token_like(t, 64));

/// Ids that we draw: 192 random bits.
macro_rules! drawn {
    ($($name:ident),+) => {$(
        impl $name {
            /// Draws a new id of 192 random bits.
            #[must_use]
            pub fn from_random(random: [u8; 32]) -> Self {
                Self(short(random))
            }
        }
    )+};
}

drawn!(
    AccountId,
    AttemptId,
    AudienceId,
    AutoLoginLinkId,
    ClientId,
    ImportId,
    NarrowcastId,
    RelayId,
    SessionId,
    Subject
);

impl SegmentId {
    /// Draws a new id of 192 random bits.
    #[must_use]
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(format!("seg_{}", short(random)))
    }
}

impl SendId {
    /// Draws a new send id: a version 4 UUID (RFC 9562 section 5.4).
    #[must_use]
    pub fn from_random(random: [u8; 32]) -> Self {
        let bytes = random.first_chunk::<16>().unwrap_or(&[0; 16]);
        Self(uuid::Builder::from_random_bytes(*bytes).into_uuid().to_string())
    }

    /// The retry key of one chunk in one generation: UUIDv5 of send, chunk and generation (`X-Line-Retry-Key`).
    /// Derived, so that no crash can lose it; a new generation exists only after a definite refusal.
    #[must_use]
    pub fn retry_key(&self, chunk: i64, generation: i64) -> String {
        let namespace = Uuid::try_parse(&self.0).unwrap_or(Uuid::nil());
        Uuid::new_v5(&namespace, format!("{chunk}:{generation}").as_bytes()).to_string()
    }

    /// The retry key of one person's own message: UUIDv5 of send, chunk, generation and subject.
    #[must_use]
    pub fn personal_key(&self, chunk: i64, generation: i64, subject: &str) -> String {
        let namespace = Uuid::try_parse(&self.0).unwrap_or(Uuid::nil());
        Uuid::new_v5(&namespace, format!("{chunk}:{generation}:{subject}").as_bytes()).to_string()
    }
}

/// The UUID under which LINE takes one thing once, however often it is asked: of the account, and what it is called there.
#[must_use]
pub fn retry_key(account: &AccountId, name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{account} {name}").as_bytes()).to_string()
}

/// 192 of the random bits as 32 characters of base64url.
#[must_use]
pub fn short(random: [u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(random.first_chunk::<24>().unwrap_or(&[0; 24]))
}

fn token_like(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn unreserved(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
}

fn line_user_id(text: &str) -> bool {
    text.len() == 33
        && text
            .strip_prefix('U')
            .is_some_and(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_user_id_is_u_and_32_lower_case_hex_digits() {
        assert!(LineUserId::parse("Uabcdefabcdefabcdefabcdefabcdefab").is_ok());
        for wrong in [
            "",
            "U",
            "uabcdefabcdefabcdefabcdefabcdefab",
            "UABCDEFABCDEFABCDEFABCDEFABCDEFAB",
            "Uabcdefabcdefabcdefabcdefabcdefa",
            "C0123456789abcdef0123456789abcdef",
        ] {
            assert!(LineUserId::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_retry_key_is_a_uuid_that_differs_by_chunk_and_generation_and_never_by_call() {
        let send = SendId::from_random([7; 32]);
        assert!(Uuid::try_parse(&send.retry_key(0, 0)).is_ok());
        assert_eq!(send.retry_key(0, 0), send.retry_key(0, 0));
        assert_ne!(send.retry_key(0, 0), send.retry_key(1, 0));
        assert_ne!(send.retry_key(0, 0), send.retry_key(0, 1));
        assert_ne!(send.retry_key(1, 0), SendId::from_random([8; 32]).retry_key(1, 0));
    }

    #[test]
    fn a_member_id_is_whatever_the_shop_says_short_of_control_characters() {
        assert!(MemberId::parse("会員 00-123").is_ok());
        assert!(MemberId::parse("").is_err());
        assert!(MemberId::parse("a\nb").is_err());
        assert!(
            MemberId::parse(".").is_err() && MemberId::parse("..").is_err() && MemberId::parse("...").is_ok()
        );
        assert!(MemberId::parse(&"あ".repeat(256)).is_err());
    }
}
