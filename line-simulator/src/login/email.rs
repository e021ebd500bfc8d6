//! The `email` scope: the one permission that a user may refuse and log in all the same.
//!
//! In: a login and the box on its consent screen. Out: whether the box is offered, what is remembered, and the scopes
//! that the login ends with. It takes four things for a token to carry the address: the scope, the channel's
//! permission, the user's consent, and an address. Not here: the screen (`screen.rs`, `page.rs`).

use super::Attempt;
use crate::event::DeedError;
use crate::{Simulator, User};

const EMAIL: &str = "email";

impl Simulator {
    /// Changes a user's address; none takes it away. The consent screen asks for a changed one anew.
    pub fn set_email(&mut self, user: &str, email: Option<String>) -> Result<(), DeedError> {
        let user = self.memory.people.get_mut(user).ok_or(DeedError::UnknownUser)?;
        if user.email != email {
            user.email = email;
            user.withdraw_scope_everywhere(EMAIL);
        }
        Ok(())
    }

    /// The address that the consent screen speaks of. Without the channel's permission or an address it is silent.
    pub(super) fn offered_email(&self, attempt: &Attempt) -> Option<&str> {
        let permitted =
            self.memory.config.login(&attempt.channel_id).is_some_and(|channel| channel.email_permission);
        let asked = permitted && attempt.scopes.iter().any(|scope| scope == EMAIL);
        self.user_of(attempt).filter(|_| asked)?.email.as_deref()
    }

    /// Whether the user consented before to all that this login can offer them.
    pub(super) fn remembers_consent(&self, attempt: &Attempt) -> bool {
        let offered = self.offered_email(attempt).is_some();
        let scopes = scopes(attempt, offered);
        self.user_of(attempt).is_some_and(|user| user.consented(&attempt.channel_id, &scopes))
    }

    /// Remembers what the user allowed on the consent screen; a box left unchecked takes back what it once allowed.
    pub(super) fn remember_consent(&mut self, attempt: &Attempt, email_checked: bool) {
        let offered = self.offered_email(attempt).is_some();
        let allowed = scopes(attempt, offered && email_checked);
        let Some(user) = attempt.user.as_ref().and_then(|user| self.memory.people.get_mut(user)) else {
            return;
        };
        user.consent(&attempt.channel_id, &allowed);
        if offered && !email_checked {
            user.withdraw_scope(&attempt.channel_id, EMAIL);
        }
    }

    /// The scopes that a login ends with.
    pub(super) fn granted_scopes(&self, attempt: &Attempt) -> Vec<String> {
        let consented = |user: &User| user.consented(&attempt.channel_id, &[EMAIL.to_owned()]);
        let granted = self.offered_email(attempt).is_some() && self.user_of(attempt).is_some_and(consented);
        scopes(attempt, granted)
    }

    fn user_of(&self, attempt: &Attempt) -> Option<&User> {
        attempt.user.as_ref().and_then(|user| self.memory.people.get(user))
    }
}

/// The scopes asked for, with or without `email`.
fn scopes(attempt: &Attempt, with_email: bool) -> Vec<String> {
    attempt.scopes.iter().filter(|scope| with_email || *scope != EMAIL).cloned().collect()
}
