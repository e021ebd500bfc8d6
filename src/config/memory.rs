//! What an isolate remembers between requests: accounts, channel access tokens, LINE's public keys. Plain data only.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde_json::Value;

use super::{Account, REREAD_EVERY};
use crate::{
    id::AccountId,
    quota::Standing,
    secret::SecretText,
    time::{HOUR, UnixMillis},
};

/// How long LINE's public keys are trusted, in milliseconds.
const LINE_KEYS_MAX_AGE: i64 = HOUR;

/// Hosts that an isolate remembers; beyond it, it forgets the unknown ones first.
const MAX_REMEMBERED: usize = 1_000;

/// Plain data that an isolate remembers between requests.
#[derive(Debug, Default)]
pub struct Memory {
    accounts: RefCell<HashMap<String, Remembered>>,
    channel_tokens: RefCell<HashMap<String, (SecretText, UnixMillis)>>,
    line_keys: RefCell<(Vec<Value>, UnixMillis)>,
    quotas: RefCell<HashMap<String, (Standing, UnixMillis)>>,
    refusals: RefCell<HashMap<AccountId, Refusals>>,
}

/// Deliveries that the door refused and nobody wrote down yet, by reason.
#[derive(Debug, Default)]
struct Refusals {
    counts: Vec<(&'static str, i64)>,
    written_at: UnixMillis,
}

#[derive(Debug, Clone)]
pub(super) struct Remembered {
    pub(super) account: Option<Rc<Account>>,
    pub(super) read_at: UnixMillis,
}

impl Memory {
    /// The access token of a channel, if one is remembered that is still valid at `now`.
    #[must_use]
    pub fn channel_token(&self, channel_id: &str, now: UnixMillis) -> Option<SecretText> {
        let tokens = self.channel_tokens.borrow();
        tokens.get(channel_id).filter(|(_, until)| now < *until).map(|(token, _)| token.clone())
    }

    /// Remembers a channel access token.
    pub fn remember_channel_token(&self, channel_id: &str, token: SecretText, until: UnixMillis) {
        self.channel_tokens.borrow_mut().insert(channel_id.to_owned(), (token, until));
    }

    /// Forgets a channel access token that LINE refused.
    pub fn forget_channel_token(&self, channel_id: &str) {
        self.channel_tokens.borrow_mut().remove(channel_id);
    }

    /// How a channel's month stands, if that is to be believed still at `now`.
    #[must_use]
    pub fn quota(&self, channel_id: &str, now: UnixMillis) -> Option<Standing> {
        let quotas = self.quotas.borrow();
        quotas.get(channel_id).filter(|(_, until)| now < *until).map(|(quota, _)| *quota)
    }

    /// Remembers how a channel's month stands.
    pub fn remember_quota(&self, channel_id: &str, quota: Standing, until: UnixMillis) {
        self.quotas.borrow_mut().insert(channel_id.to_owned(), (quota, until));
    }

    /// LINE's public key of this name, as it was read last. None is to be asked for again: none was read, or not lately
    /// and there was none of this name.
    #[must_use]
    pub fn line_key(&self, kid: &str, now: UnixMillis) -> Option<Option<Value>> {
        let keys = self.line_keys.borrow();
        let (keys, read_at) = &*keys;
        let key = keys.iter().find(|key| key.get("kid").and_then(Value::as_str) == Some(kid)).cloned();
        let trusted = if key.is_some() { LINE_KEYS_MAX_AGE } else { REREAD_EVERY };
        (now - *read_at < trusted).then_some(key)
    }

    /// Remembers LINE's public keys.
    pub fn remember_line_keys(&self, keys: Vec<Value>, now: UnixMillis) {
        *self.line_keys.borrow_mut() = (keys, now);
    }

    /// Counts a refused delivery; answers what is to be written down, once enough time has passed since the last time.
    pub fn refused(
        &self,
        account: &AccountId,
        reason: &'static str,
        now: UnixMillis,
    ) -> Option<Vec<(&'static str, i64)>> {
        let mut refusals = self.refusals.borrow_mut();
        let Refusals { counts, written_at } = refusals.entry(account.clone()).or_default();
        match counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((reason, 1)),
        }
        (now - *written_at >= REREAD_EVERY).then(|| {
            *written_at = now;
            std::mem::take(counts)
        })
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

    pub(super) fn remembered(&self, host: &str) -> Option<Remembered> {
        self.accounts.borrow().get(host).cloned()
    }

    pub(super) fn remembered_id(&self, id: &AccountId) -> Option<Remembered> {
        let accounts = self.accounts.borrow();
        accounts.values().find(|r| r.account.as_ref().is_some_and(|a| a.id == *id)).cloned()
    }

    pub(super) fn remember(&self, host: &str, account: Option<Rc<Account>>, read_at: UnixMillis) {
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
