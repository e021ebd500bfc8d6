//! A ticket says where a login that is about to begin shall arrive. An auto-login link is one: a sealed link carries it in
//! its address, KV keeps that of a stored link. Opening a link, or pressing the retry page's button, makes one for ten
//! minutes, which this browser carries in a cookie and the shop hands back in `login_hint`; the login attempt takes it in.
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

/// How long a ticket of a browser counts, in milliseconds.
const LIFETIME: i64 = 10 * MINUTE;

/// The longest sealed ticket that is read, in bytes: a cookie holds no more.
pub const MAX_SEALED: usize = 4_000;

/// In front of every sealed ticket.
pub const PREFIX: &str = "v1.";

/// Where a login shall arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// A ticket of another account does not count.
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
    /// What people call the link; a browser's ticket does without.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// When it is over.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
}

impl Ticket {
    /// The ticket of a browser from `now` on.
    #[must_use]
    pub fn from(mut self, now: UnixMillis) -> Self {
        self.label = String::new();
        self.until = Some(now + LIFETIME);
        self
    }

    /// When the ticket of a browser was made.
    #[must_use]
    pub fn made_at(&self) -> UnixMillis {
        self.until.unwrap_or_default() + -LIFETIME
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self, now: UnixMillis) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// The ticket of a browser as it travels.
    #[must_use]
    pub fn seal(&self, keys: &Keys, random: [u8; 32]) -> String {
        self.seal_as(Purpose::Ticket, keys, random)
    }

    /// The address of a link, behind `/go/`.
    #[must_use]
    pub fn seal_link(&self, keys: &Keys, random: [u8; 32]) -> String {
        self.seal_as(Purpose::AutoLoginLink, keys, random)
    }

    fn seal_as(&self, purpose: Purpose, keys: &Keys, random: [u8; 32]) -> String {
        keys.seal_text(purpose, &serde_json::to_string(self).unwrap_or_default(), random)
    }

    /// Opens a browser's ticket of this account, whose time is not over.
    #[must_use]
    pub fn open(keys: &Keys, account: &AccountId, unverified: &str, now: UnixMillis) -> Option<Self> {
        let ticket = Self::open_as(Purpose::Ticket, keys, account, unverified);
        ticket.filter(|ticket| ticket.until.is_some() && !ticket.is_over(now))
    }

    /// Opens the address of a link of this account, whether or not its time is over.
    #[must_use]
    pub fn open_link(keys: &Keys, account: &AccountId, unverified: &str) -> Option<Self> {
        Self::open_as(Purpose::AutoLoginLink, keys, account, unverified)
    }

    fn open_as(purpose: Purpose, keys: &Keys, account: &AccountId, unverified: &str) -> Option<Self> {
        let plain = keys.open_text(purpose, unverified).ok()?;
        let ticket: Self = serde_json::from_str(plain.expose()).ok()?;
        (ticket.account == *account).then_some(ticket)
    }

    /// The ticket that this browser carries.
    #[must_use]
    pub fn carried(request: &Request, keys: &Keys, account: &AccountId, now: UnixMillis) -> Option<Self> {
        Self::open(keys, account, cookie::value(request, cookie::TICKET)?, now)
    }

    /// The ticket that led to an authorization request of this client: the one that the shop handed back, else the one in this
    /// browser, unless the shop wants another page. A ticket of another client does not count.
    #[must_use]
    pub fn led(
        request: &Request,
        (client, handed, target): (&ClientId, Option<&str>, Option<&str>),
        keys: &Keys,
        account: &AccountId,
        now: UnixMillis,
    ) -> Option<Self> {
        let ours = |ticket: &Self| ticket.client == *client;
        let handed = handed.and_then(|hint| Self::open(keys, account, hint, now)).filter(ours);
        handed.or_else(|| {
            let carried = Self::carried(request, keys, account, now).filter(ours);
            carried.filter(|ticket| target.is_none() || target == ticket.target.as_deref())
        })
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
            label: String::new(),
            until: None,
        };
        let ticket = ticket.from(UnixMillis(0));
        assert_eq!(ticket.made_at(), UnixMillis(0));
        let sealed = ticket.seal(&keys, [4; 32]);
        assert!(sealed.starts_with(PREFIX) && sealed.len() <= MAX_SEALED, "{}", sealed.len());
        assert_eq!(Ticket::open(&keys, &account, &sealed, UnixMillis(LIFETIME - 1)), Some(ticket.clone()));
        assert_eq!(Ticket::open(&keys, &account, &sealed, UnixMillis(LIFETIME)), None);
        assert_eq!(Ticket::open(&keys, &AccountId::from_random([9; 32]), &sealed, UnixMillis(0)), None);
        for purpose in [Purpose::Attempt, Purpose::State, Purpose::AutoLoginLink] {
            assert!(keys.open_text(purpose, &sealed).is_err());
        }
        let link = ticket.seal_link(&keys, [5; 32]);
        assert_eq!(Ticket::open(&keys, &account, &link, UnixMillis(0)), None);
        assert_eq!(Ticket::open_link(&keys, &account, &link), Some(ticket));
        assert_eq!(Ticket::open_link(&keys, &account, &sealed), None);
    }
}
