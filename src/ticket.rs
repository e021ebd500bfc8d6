//! A ticket says where a login that is about to begin shall arrive: made by an auto-login link or by the retry page's
//! button, carried by this browser's cookie and, through the shop, by `login_hint`; folded into the login attempt.
//!
//! It names a client, a page and a link, never a person: whoever holds it can have a login arrive at that page of that
//! shop, and nothing else.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, AutoLoginLinkId, ClientId},
    secret::{Keys, Purpose},
    time::{MINUTE, SECOND, UnixMillis},
    web::{Request, cookie},
};

/// How long a ticket counts, in milliseconds.
const LIFETIME: i64 = 10 * MINUTE;

/// The longest sealed ticket that is read, in bytes: a cookie holds no more.
pub const MAX_SEALED: usize = 4_000;

/// In front of every sealed ticket.
pub const PREFIX: &str = "v1.";

/// Where a login shall arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Ours alone: a ticket of another account does not count.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Whose login.
    #[serde(rename = "c")]
    pub client: ClientId,
    /// The page to arrive at, checked when the ticket was made.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The link that it began at, for reports.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub link: Option<AutoLoginLinkId>,
    /// When it was made.
    #[serde(rename = "i")]
    pub issued_at: UnixMillis,
}

impl Ticket {
    /// The ticket as it travels.
    #[must_use]
    pub fn seal(&self, keys: &Keys, random: [u8; 32]) -> String {
        keys.seal_text(Purpose::Ticket, &serde_json::to_string(self).unwrap_or_default(), random)
    }

    /// Opens a ticket of ours, of this account, whose time is not over.
    #[must_use]
    pub fn open(keys: &Keys, account: &AccountId, unverified: &str, now: UnixMillis) -> Option<Self> {
        let plain = keys.open_text(Purpose::Ticket, unverified).ok()?;
        let ticket: Self = serde_json::from_str(plain.expose()).ok()?;
        (ticket.account == *account && now - ticket.issued_at <= LIFETIME).then_some(ticket)
    }

    /// The ticket that this browser carries.
    #[must_use]
    pub fn carried(request: &Request, keys: &Keys, account: &AccountId, now: UnixMillis) -> Option<Self> {
        Self::open(keys, account, cookie::value(request, cookie::TICKET)?, now)
    }

    /// The `Set-Cookie` header of a sealed ticket.
    #[must_use]
    pub fn cookie(sealed: &str) -> String {
        cookie::set(cookie::TICKET, sealed, LIFETIME / SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_for_its_account_for_ten_minutes_and_is_no_state_or_link() {
        let keys = Keys::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", None).unwrap();
        let account = AccountId::from_random([2; 32]);
        let ticket = Ticket {
            account: account.clone(),
            client: ClientId::parse("shop").unwrap(),
            target: Some(format!("https://shop.example/{}", "a".repeat(1_500))),
            link: Some(AutoLoginLinkId::from_random([3; 32])),
            issued_at: UnixMillis(0),
        };
        let sealed = ticket.seal(&keys, [4; 32]);
        assert!(sealed.starts_with(PREFIX) && sealed.len() <= MAX_SEALED, "{}", sealed.len());
        assert_eq!(Ticket::open(&keys, &account, &sealed, UnixMillis(LIFETIME)), Some(ticket));
        assert_eq!(Ticket::open(&keys, &account, &sealed, UnixMillis(LIFETIME + 1)), None);
        assert_eq!(Ticket::open(&keys, &AccountId::from_random([9; 32]), &sealed, UnixMillis(0)), None);
        for purpose in [Purpose::Attempt, Purpose::State, Purpose::AutoLoginLink] {
            assert!(keys.open_text(purpose, &sealed).is_err());
        }
    }
}
