//! What a user's access token opens: userinfo, profile, friendship; and the end of it, deauthorize.
//!
//! In: `Authorization: Bearer` with a user token, or for deauthorize the Login channel's token. Out: JSON. The texts
//! of refused tokens are inferred. Not here: `/v2/bot/profile`, which is the account's view of a user.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::login::UserToken;
use crate::messaging::TokenKind;
use crate::people::Friendship;
use crate::reply::{self, Reply};
use crate::request::Request;

/// Why a user's token opens nothing.
enum Unaccepted {
    /// Unknown, expired or revoked.
    Token,
    /// Alive, but without the scope.
    Scope,
}

impl Unaccepted {
    fn reply(&self) -> Reply {
        match self {
            Self::Token => reply::message(StatusCode::UNAUTHORIZED, "invalid token"),
            Self::Scope => reply::message(StatusCode::FORBIDDEN, "The access token does not have the scope"),
        }
    }
}

impl Simulator {
    /// The live user token of the request, if it carries the scope.
    fn user_token(&self, request: &Request, scope: &str) -> Result<&UserToken, Unaccepted> {
        let known = request.bearer().and_then(|text| self.memory.logins.tokens.get(text));
        let alive = known.filter(|token| !token.revoked && token.expires_at > self.now);
        let token = alive.ok_or(Unaccepted::Token)?;
        if token.scopes.iter().any(|granted| granted == scope) { Ok(token) } else { Err(Unaccepted::Scope) }
    }

    pub(super) fn userinfo(&self, request: &Request) -> Reply {
        let token = match self.user_token(request, "openid") {
            Ok(token) => token,
            Err(refused) => return refused.reply(),
        };
        let mut body = Map::new();
        body.insert("sub".into(), token.user.as_str().into());
        let with_profile = token.scopes.iter().any(|scope| scope == "profile");
        if let Some(user) = self.memory.people.get(&token.user).filter(|_| with_profile) {
            body.insert("name".into(), user.name.clone().into());
            body.insert("picture".into(), user.picture_url().into());
        }
        reply::ok(&Value::Object(body))
    }

    pub(super) fn profile(&self, request: &Request) -> Reply {
        let user = self.user_token(request, "profile").map(|token| self.memory.people.get(&token.user));
        match user {
            Err(refused) => refused.reply(),
            Ok(None) => Unaccepted::Token.reply(),
            Ok(Some(user)) => reply::ok(&json!({
                "userId": user.id,
                "displayName": user.name,
                "pictureUrl": user.picture_url(),
            })),
        }
    }

    pub(super) fn friendship_status(&self, request: &Request) -> Reply {
        let token = match self.user_token(request, "profile") {
            Ok(token) => token,
            Err(refused) => return refused.reply(),
        };
        let channel = self.memory.config.login(&token.channel_id);
        let Some(linked) = channel.and_then(|channel| channel.linked_bot.as_ref()) else {
            return reply::message(StatusCode::BAD_REQUEST, "There is no login bot linked to this channel.");
        };
        let user = self.memory.people.get(&token.user);
        let friend = user.is_some_and(|user| user.friendship(linked) == Friendship::Friend);
        reply::ok(&json!({ "friendFlag": friend }))
    }

    /// `POST /user/v1/deauthorize`: only a stateless (or v2.1) token of the channel that the user authorized.
    pub(super) fn deauthorize(&mut self, request: &Request) -> Reply {
        let bearer = request.bearer().unwrap_or_default();
        let channel = match self.memory.bots.channel_token(bearer, self.now) {
            Some((channel, TokenKind::Stateless)) if self.memory.config.login(&channel).is_some() => channel,
            _ => {
                let detail = "deauthorize takes a stateless or v2.1 token of the Login channel";
                self.violate(ViolationKind::WrongTokenType, detail);
                return reply::message(StatusCode::UNAUTHORIZED, "invalid token");
            }
        };
        let body = request.json().unwrap_or_default();
        let text = body.get("userAccessToken").and_then(Value::as_str).unwrap_or_default();
        let token = self.memory.logins.tokens.get(text);
        let alive = token.filter(|token| !token.revoked && token.expires_at > self.now);
        let Some(token) = alive.filter(|token| token.channel_id == channel).cloned() else {
            return reply::message(StatusCode::BAD_REQUEST, "invalid token");
        };
        self.unlink(&token.user, &channel);
        reply::empty(StatusCode::NO_CONTENT)
    }

    /// The user's consent ends and with it every token; the user id stays the same.
    pub(crate) fn unlink(&mut self, user: &str, channel: &str) {
        self.memory.logins.end_tokens(user, channel);
        if let Some(user) = self.memory.people.get_mut(user) {
            user.withdraw_consent(channel);
        }
    }
}
