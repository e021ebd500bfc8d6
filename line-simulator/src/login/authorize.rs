//! `GET /oauth2/v2.1/authorize`: which screen, if any, stands between the browser and the callback.
//!
//! In: the authorization request and the cookie that says whose phone this is. Out: a redirect to the callback, or
//! to the next screen. Steps, as LINE takes them: (1) read the request; (2) auto login where this phone can, which
//! wins over the session; (3) the session, "continue as …"; (4) the log-in form; (5) consent, unless remembered;
//! (6) the friend option. Not here: the screens themselves (`screen.rs`).

use http::StatusCode;

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::id::UserId;
use crate::login::attempt::{Attempt, BotPrompt, Prompt, Refusal, callback};
use crate::login::code::Code;
use crate::login::{SESSION_COOKIE, page};
use crate::people::{AutoLogin, Friendship};
use crate::reply::{self, Reply};
use crate::request::Request;

/// Attempts whose screens nobody finished are forgotten after so long.
const ATTEMPT_LIFETIME_MS: i64 = 60 * 60_000;

impl Simulator {
    pub(super) fn authorize(&mut self, request: &Request) -> Reply {
        let state = request.query.get("state").unwrap_or_default();
        if !state.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.violate(ViolationKind::StateNotAlphanumeric, format!("state {state}"));
        }
        match Attempt::parse(&request.query, &self.memory.config, self.now) {
            Err(refusal) => self.refuse_authorization(refusal),
            Ok(attempt) => {
                let holder = request.cookie(SESSION_COOKIE).and_then(|id| self.memory.people.get(id));
                let holder = holder.map(|user| (user.id.clone(), user.auto_login));
                self.begin(attempt, holder)
            }
        }
    }

    fn refuse_authorization(&mut self, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::Page(text) => {
                self.violate(ViolationKind::UnregisteredRedirect, text);
                reply::html(StatusCode::BAD_REQUEST, page::refusal(text))
            }
            Refusal::Callback { redirect_uri, state, error, description } => {
                self.violate(ViolationKind::AuthorizeParameter, format!("{error}: {description}"));
                let mut parameters = vec![("error", error), ("error_description", description.as_str())];
                parameters.extend(state.as_deref().map(|state| ("state", state)));
                reply::redirect(StatusCode::FOUND, &callback(&redirect_uri, &parameters))
            }
        }
    }

    fn begin(&mut self, mut attempt: Attempt, holder: Option<(UserId, AutoLogin)>) -> Reply {
        match holder {
            Some((user, AutoLogin::On)) if !attempt.auto_login_off => {
                self.authenticated(&mut attempt, &user, "lineautologin", true);
                if attempt.prompt == Some(Prompt::None) && self.wants_consent(&attempt) {
                    return error_at_callback(&attempt, "INTERACTION_REQUIRED", "consent is required");
                }
                self.after_authentication(attempt)
            }
            Some((_, AutoLogin::Fails)) if !attempt.auto_login_off => self.failed_auto_login(&attempt),
            _ if attempt.prompt == Some(Prompt::None) => {
                error_at_callback(&attempt, "LOGIN_REQUIRED", "auto login is not possible")
            }
            Some((user, _)) if self.session_serves(&attempt, &user) => {
                attempt.user = Some(user);
                self.show(attempt)
            }
            _ => self.show(attempt),
        }
    }

    /// LINE calls back with a code that is invalid and a state that is not the client's.
    fn failed_auto_login(&mut self, attempt: &Attempt) -> Reply {
        let code = self.memory.random.alphanumeric(20);
        let state = self.memory.random.alphanumeric(32);
        self.memory.logins.codes.insert(code.clone(), Code::dead(self.now));
        let location = attempt.callback(&[("code", &code), ("state", &state)]);
        reply::redirect(StatusCode::FOUND, &location)
    }

    /// Whether the browser's session is enough: not after `prompt=login`, and not when older than `max_age`.
    fn session_serves(&self, attempt: &Attempt, user: &str) -> bool {
        let authenticated_at = self.memory.people.get(user).map_or(0, |user| user.authenticated_at);
        let young = attempt.max_age.is_none_or(|seconds| self.now - authenticated_at <= seconds * 1_000);
        attempt.prompt != Some(Prompt::Login) && young
    }

    /// Notes who logs in and how; `fresh` when they proved it just now.
    pub(super) fn authenticated(&mut self, attempt: &mut Attempt, user: &UserId, amr: &str, fresh: bool) {
        let now = self.now;
        if let Some(user) = self.memory.people.get_mut(user) {
            if fresh {
                user.authenticated_at = now;
            }
            attempt.auth_time = user.authenticated_at;
        }
        attempt.user = Some(user.clone());
        amr.clone_into(&mut attempt.amr);
    }

    pub(super) fn wants_consent(&self, attempt: &Attempt) -> bool {
        !attempt.consented && (attempt.prompt == Some(Prompt::Consent) || !self.remembers_consent(attempt))
    }

    /// Goes on once the user is known: to the consent screen, the friend screen or the callback.
    pub(super) fn after_authentication(&mut self, attempt: Attempt) -> Reply {
        let friend_screen = attempt.consented
            && attempt.friendship_changed.is_none()
            && attempt.bot_prompt == Some(BotPrompt::Aggressive)
            && self.friendship_of(&attempt).is_some();
        if self.wants_consent(&attempt) || friend_screen { self.show(attempt) } else { self.finish(attempt) }
    }

    /// How the user stands to the account linked to the Login channel, if one is.
    pub(super) fn friendship_of(&self, attempt: &Attempt) -> Option<Friendship> {
        let linked = self.memory.config.login(&attempt.channel_id)?.linked_bot.as_ref()?;
        let user = self.memory.people.get(attempt.user.as_ref()?)?;
        Some(user.friendship(linked))
    }

    /// Keeps the attempt and sends the browser to its screen.
    pub(super) fn show(&mut self, attempt: Attempt) -> Reply {
        let now = self.now;
        self.memory.logins.attempts.retain(|_, attempt| now - attempt.began < ATTEMPT_LIFETIME_MS);
        let id = self.memory.random.alphanumeric(24);
        self.memory.logins.attempts.insert(id.clone(), attempt);
        reply::redirect(StatusCode::FOUND, &format!("/sim/authorize/{id}"))
    }

    /// Issues the code and calls back.
    fn finish(&mut self, mut attempt: Attempt) -> Reply {
        attempt.scopes = self.granted_scopes(&attempt);
        let code = self.memory.random.alphanumeric(20);
        let changed = attempt.friendship_changed.map(|changed| if changed { "true" } else { "false" });
        let mut parameters = vec![("code", code.as_str()), ("state", attempt.state.as_str())];
        parameters.extend(changed.map(|changed| ("friendship_status_changed", changed)));
        let location = attempt.callback(&parameters);
        self.memory.logins.codes.insert(code, Code::new(attempt, self.now));
        reply::redirect(StatusCode::FOUND, &location)
    }
}

pub(super) fn error_at_callback(attempt: &Attempt, error: &str, description: &str) -> Reply {
    let parameters =
        [("error", error), ("error_description", description), ("state", attempt.state.as_str())];
    reply::redirect(StatusCode::FOUND, &attempt.callback(&parameters))
}
