//! The screens of a login and the forms they post: log in, continue, consent, add the friend.
//!
//! In: `GET /sim/authorize/{attempt}` and its forms. Out: a page, or a 303 to the next screen or the callback. These
//! paths are the stand-in's own; LINE's screens have no documented form. Not here: the HTML (`page.rs`).

use http::{Method, StatusCode};

use crate::Simulator;
use crate::id::UserId;
use crate::login::attempt::{Attempt, BotPrompt};
use crate::login::authorize::error_at_callback;
use crate::login::{SESSION_COOKIE, page};
use crate::people::{Friendship, NewUser};
use crate::reply::{self, Reply};
use crate::request::{Parameters, Request};

/// A page lists at most so many users, those made last; others log in by script.
const USERS_LISTED: usize = 50;

impl Simulator {
    pub(crate) fn authorize_screen(&mut self, request: &Request, id: &str, form: Option<&str>) -> Reply {
        let Some(attempt) = self.memory.logins.attempts.get(id).cloned() else {
            return reply::html(StatusCode::NOT_FOUND, page::refusal("This login is over. Start again."));
        };
        match (form, request.method == Method::POST) {
            (None, false) => self.screen(id, &attempt),
            (Some(form), true) => {
                let reply = self.submit(id, attempt, form, &request.form());
                see_other(reply)
            }
            _ => reply::empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn screen(&self, id: &str, attempt: &Attempt) -> Reply {
        let service = self.memory.config.login(&attempt.channel_id).map(|channel| channel.name.as_str());
        let service = service.filter(|name| !name.is_empty()).unwrap_or("LINE Login");
        let user = attempt.user.as_ref().and_then(|user| self.memory.people.get(user));
        let html = match user {
            None => page::log_in(id, service, self.memory.people.all().iter().rev().take(USERS_LISTED)),
            Some(user) if attempt.amr.is_empty() => page::continue_as(id, service, user),
            Some(user) if !attempt.consented => {
                let boxes =
                    page::Boxes { email: self.offered_email(attempt), friend: self.friend_box(attempt) };
                page::consent(id, service, user, &attempt.scopes, &boxes)
            }
            Some(user) => {
                let friendship = self.friendship_of(attempt).unwrap_or_default();
                page::friend(id, &self.account_name(attempt), user, friendship)
            }
        };
        reply::html(StatusCode::OK, html)
    }

    /// The friend line of the consent screen: only for `bot_prompt=normal` and a linked account.
    fn friend_box(&self, attempt: &Attempt) -> Option<page::FriendBox> {
        if attempt.bot_prompt != Some(BotPrompt::Normal) {
            return None;
        }
        let friendship = self.friendship_of(attempt)?;
        let certified =
            self.memory.config.login(&attempt.channel_id).is_some_and(|channel| channel.certified);
        Some(page::FriendBox { account: self.account_name(attempt), friendship, checked: certified })
    }

    fn account_name(&self, attempt: &Attempt) -> String {
        let config = &self.memory.config;
        let linked = config.login(&attempt.channel_id).and_then(|channel| channel.linked_bot.as_ref());
        linked
            .and_then(|id| config.messaging(id))
            .map(|account| account.display_name.clone())
            .unwrap_or_default()
    }

    fn submit(&mut self, id: &str, attempt: Attempt, form: &str, fields: &Parameters) -> Reply {
        match (form, &attempt.user) {
            ("login", _) => self.submit_login(id, attempt, fields),
            ("continue", Some(user)) if attempt.amr.is_empty() => {
                let user = user.clone();
                self.submit_continue(id, attempt, &user, fields)
            }
            ("consent", Some(_)) if !attempt.amr.is_empty() && !attempt.consented => {
                self.submit_consent(id, attempt, fields)
            }
            ("friend", Some(_)) if attempt.consented => self.submit_friend(id, attempt, fields),
            _ => reply::html(StatusCode::BAD_REQUEST, page::refusal("This form is not on the screen now.")),
        }
    }

    fn submit_login(&mut self, id: &str, mut attempt: Attempt, fields: &Parameters) -> Reply {
        let known =
            fields.get("user_id").and_then(|id| self.memory.people.get(id)).map(|user| user.id.clone());
        let new = fields.get("name").filter(|_| fields.get("user_id").is_none());
        let user = known.or_else(|| new.map(|name| self.new_user(name, fields.get("email"))));
        let Some(user) = user else {
            return reply::html(StatusCode::BAD_REQUEST, page::refusal("Choose a user or give a name."));
        };
        self.memory.logins.attempts.remove(id);
        self.authenticated(&mut attempt, &user, "pwd", true);
        let mut reply = self.after_authentication(attempt);
        reply::set_cookie(&mut reply, SESSION_COOKIE, &user);
        reply
    }

    fn new_user(&mut self, name: &str, email: Option<&str>) -> UserId {
        let email = email.map(str::to_owned);
        self.add_user(NewUser { name: name.to_owned(), email, ..NewUser::default() })
    }

    fn submit_continue(
        &mut self,
        id: &str,
        mut attempt: Attempt,
        user: &UserId,
        fields: &Parameters,
    ) -> Reply {
        self.memory.logins.attempts.remove(id);
        if fields.get("decision") == Some("other") {
            attempt.user = None;
            return self.show(attempt);
        }
        self.authenticated(&mut attempt, user, "linesso", false);
        self.after_authentication(attempt)
    }

    fn submit_consent(&mut self, id: &str, mut attempt: Attempt, fields: &Parameters) -> Reply {
        self.memory.logins.attempts.remove(id);
        if fields.get("decision") != Some("allow") {
            return error_at_callback(&attempt, "ACCESS_DENIED", "The resource owner denied the request.");
        }
        attempt.consented = true;
        self.remember_consent(&attempt, fields.get("email") == Some("true"));
        if self.friend_box(&attempt).is_some() {
            let adds = fields.get("friend").is_some();
            attempt.friendship_changed = Some(adds && self.befriend(&attempt));
        }
        self.after_authentication(attempt)
    }

    fn submit_friend(&mut self, id: &str, mut attempt: Attempt, fields: &Parameters) -> Reply {
        self.memory.logins.attempts.remove(id);
        let adds = fields.get("decision") == Some("allow");
        attempt.friendship_changed = Some(adds && self.befriend(&attempt));
        self.after_authentication(attempt)
    }

    /// Adds or unblocks the linked account; whether that changed anything.
    fn befriend(&mut self, attempt: &Attempt) -> bool {
        let changes = self.friendship_of(attempt).is_some_and(|friendship| friendship != Friendship::Friend);
        let linked = self.memory.config.login(&attempt.channel_id).and_then(|login| login.linked_bot.clone());
        let Some(user) = attempt.user.as_ref() else { return false };
        changes && self.follow_account(self.now, user, linked.as_deref()).is_ok_and(|event| event.is_some())
    }
}

/// Forms answer 303, so that the browser goes on with GET.
fn see_other(mut reply: Reply) -> Reply {
    if reply.status() == StatusCode::FOUND {
        *reply.status_mut() = StatusCode::SEE_OTHER;
    }
    reply
}
