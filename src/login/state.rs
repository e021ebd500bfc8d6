//! The `state` that goes through LINE: sealed, and only letters and digits, because LINE takes no other.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, AttemptId, AutoLoginLinkId, ClientId},
    secret::{Keys, Purpose, SecretError},
};

/// What `state` says: enough to find the attempt's cookie, or else the way back to the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    #[serde(rename = "t")]
    pub(super) attempt: AttemptId,
    #[serde(rename = "a")]
    pub(super) account: AccountId,
    #[serde(rename = "c")]
    pub(super) client: ClientId,
    /// The page to arrive at, where there is room for it.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    /// There is such a page, and there was no room for it.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_longer_target: bool,
    /// The auto-login link that it began at.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(super) via: Option<AutoLoginLinkId>,
}

/// The longest state, in characters: what LINE takes is not documented, and longer addresses get lost on phones.
const MAX_STATE: usize = 1_000;

impl State {
    /// The state as LINE takes it; without the page to arrive at, where it would be too long with it.
    pub(super) fn seal(&self, keys: &Keys, random: impl Fn() -> [u8; 32]) -> String {
        let seal = |state: &Self| {
            base62(&keys.seal(Purpose::State, &serde_json::to_vec(state).unwrap_or_default(), random()))
        };
        let whole = seal(self);
        if whole.len() <= MAX_STATE {
            return whole;
        }
        seal(&Self { target: None, has_longer_target: true, ..self.clone() })
    }

    /// Opens a state of ours, for this account only.
    pub(super) fn open(keys: &Keys, account: &AccountId, unverified: &str) -> Result<Self, SecretError> {
        let sealed = from_base62(unverified).ok_or(SecretError::Seal)?;
        let plain = keys.open(Purpose::State, &sealed)?;
        let state: Self = serde_json::from_slice(&plain).map_err(|_| SecretError::Seal)?;
        if state.account == *account { Ok(state) } else { Err(SecretError::Seal) }
    }
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits that hold a group of 1 to 16 bytes; all lengths differ, so the last group's length is known from its digits.
const DIGITS_OF: [usize; 16] = [2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22];

/// Bytes as letters and digits, 16 bytes in 22 at a time.
fn base62(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 22 / 16 + 2);
    for group in bytes.chunks(16) {
        let mut number = group.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let width = DIGITS_OF.get(group.len() - 1).copied().unwrap_or_default();
        let mut digits = Vec::with_capacity(width);
        for _ in 0..width {
            let digit = usize::try_from(number % 62).unwrap_or_default();
            digits.push(DIGITS.get(digit).copied().unwrap_or(b'0'));
            number /= 62;
        }
        text.extend(digits.iter().rev().map(|digit| char::from(*digit)));
    }
    text
}

fn from_base62(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for group in text.as_bytes().chunks(22) {
        let length = DIGITS_OF.iter().position(|width| *width == group.len())? + 1;
        let mut number = 0_u128;
        for digit in group {
            let value = DIGITS.iter().position(|known| known == digit)?;
            number = number.checked_mul(62)?.checked_add(u128::try_from(value).ok()?)?;
        }
        let all = number.to_be_bytes();
        let (unused, used) = all.split_at(16 - length);
        if unused.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(used);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", None).unwrap()
    }

    fn state() -> State {
        State {
            attempt: AttemptId::from_random([1; 32]),
            account: AccountId::from_random([2; 32]),
            client: ClientId::parse(&"c".repeat(64)).unwrap(),
            target: None,
            has_longer_target: false,
            via: Some(AutoLoginLinkId::from_random([5; 32])),
        }
    }

    #[test]
    fn bytes_of_every_length_survive_base62() {
        for length in 0..100_usize {
            for fill in [0_u8, 1, 0x7f, 0xff] {
                let bytes = vec![fill; length];
                assert_eq!(from_base62(&base62(&bytes)).unwrap(), bytes);
            }
        }
        for wrong in ["!", "0", "zz", "zzzzzzzzzzzzzzzzzzzzzz", "あ"] {
            assert_eq!(from_base62(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_is_letters_and_digits_and_short_enough_for_line() {
        for (length, kept) in [(0, true), (400, true), (500, false), (1_500, false)] {
            let target = Some(format!("https://shop.example/{}", "a".repeat(length)));
            let state = State { target, ..state() };
            let sealed = state.seal(&keys(), || [3; 32]);
            assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric()));
            assert!(sealed.len() <= 1_000, "{}", sealed.len());
            let opened = State::open(&keys(), &state.account, &sealed).unwrap();
            assert_eq!((opened == state, opened.has_longer_target), (kept, !kept), "{length}");
        }
    }

    #[test]
    fn a_state_of_another_account_or_another_deployment_does_not_open() {
        let sealed = state().seal(&keys(), || [3; 32]);
        assert!(State::open(&keys(), &AccountId::from_random([9; 32]), &sealed).is_err());
        let other = Keys::parse("__________________________________________8", None).unwrap();
        assert!(State::open(&other, &state().account, &sealed).is_err());
        assert!(State::open(&keys(), &state().account, "notours").is_err());
    }
}
