//! The script API about people: make them, let them act, read what they received.
//!
//! In: JSON bodies, or the forms of the page. Out: JSON values. Not here: faults, channels, webhooks
//! (`settings.rs`).

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Scripted, Wrong, back};
use crate::Simulator;
use crate::login::SESSION_COOKIE;
use crate::people::{AutoLogin, Friendship, NewUser, User, delivered_json};
use crate::reply::{self, Reply};
use crate::request::Request;

/// One `POST /sim/users` makes at most so many.
const MOST_AT_ONCE: usize = 1_000_000;

/// The body of `POST /sim/users`: one user, or `count` of them named by `prefix` and a number.
#[derive(Deserialize)]
#[serde(default)]
struct Wanted {
    name: Option<String>,
    count: Option<usize>,
    prefix: String,
    friend: bool,
    auto_login: AutoLogin,
    email: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            name: None,
            count: None,
            prefix: "user".to_owned(),
            friend: false,
            auto_login: AutoLogin::Off,
            email: None,
        }
    }
}

impl Simulator {
    pub(super) fn list_users(&self, request: &Request) -> Scripted {
        let number = |name: &str| {
            let text = request.query.get(name);
            text.map(str::parse::<usize>).transpose().map_err(|_| Wrong::bad(format!("{name} is a number")))
        };
        let (offset, limit) = (number("offset")?.unwrap_or(0), number("limit")?.unwrap_or(usize::MAX));
        let account = self.account(None).ok();
        let page = self.users().iter().skip(offset).take(limit);
        let users: Vec<Value> = page.map(|user| user_json(user, account.as_deref())).collect();
        Ok(json!({ "users": users, "total": self.users().len() }))
    }

    pub(super) fn make_users(&mut self, request: &Request) -> Scripted {
        let wanted =
            if request.is_form() { form_wanted(request) } else { serde_json::from_value(request.json()?)? };
        let Wanted { name, count, prefix, friend, auto_login, email } = wanted;
        let user = NewUser { name: name.unwrap_or_else(|| prefix.clone()), friend, auto_login, email };
        let Some(count) = count else {
            return Ok(json!({ "userId": self.add_user(user) }));
        };
        if count > MOST_AT_ONCE {
            return Err(Wrong::bad(format!("at most {MOST_AT_ONCE} users at once")));
        }
        let made = (1..=count).map(|number| {
            let user = NewUser { name: format!("{prefix}{number}"), ..user.clone() };
            json!({ "userId": self.add_user(user) })
        });
        Ok(json!({ "users": made.collect::<Vec<_>>() }))
    }

    pub(super) fn list_messages(&self, id: &str) -> Scripted {
        let user = self.user(id).ok_or(crate::DeedError::UnknownUser)?;
        let messages: Vec<Value> = user.chat.iter().map(delivered_json).collect();
        Ok(json!({ "messages": messages }))
    }

    /// A new address, or none for null.
    pub(super) fn change_email(&mut self, request: &Request, id: &str) -> Scripted {
        let email = match request.json()?.get("email") {
            Some(Value::String(email)) => Some(email.clone()),
            Some(Value::Null) => None,
            _ => return Err(Wrong::bad("email is an address or null")),
        };
        self.set_email(id, email)?;
        Ok(json!({}))
    }

    /// `follow`, `unfollow`, `message {text}`, `postback {data, params?}`, `unlink {channel_id?}`.
    pub(super) fn deed(&mut self, request: &Request, id: &str, deed: &str) -> Scripted {
        let body = if request.is_form() { form_json(request) } else { request.json()? };
        let field = |name: &str| body.get(name).and_then(Value::as_str);
        let channel = field("channel_id");
        let now = self.now;
        let event = match deed {
            "follow" => self.follow_account(now, id, channel)?,
            "unfollow" => self.unfollow_account(now, id, channel)?,
            "message" => {
                let text = field("text").ok_or_else(|| Wrong::bad("text is missing"))?;
                Some(self.message_account(now, id, channel, text)?)
            }
            "postback" => Some(self.tap_postback(id, channel, &body)?),
            "unlink" => return self.unlink_by_user(id, channel),
            _ => return Err(Wrong(StatusCode::NOT_FOUND, format!("no deed {deed}"))),
        };
        Ok(json!({ "webhookEventId": event }))
    }

    fn tap_postback(&mut self, id: &str, channel: Option<&str>, body: &Value) -> Result<String, Wrong> {
        let data = body.get("data").and_then(Value::as_str).ok_or_else(|| Wrong::bad("data is missing"))?;
        let mut postback = json!({ "data": data });
        if let (Some(params), Some(object)) = (body.get("params"), postback.as_object_mut()) {
            object.insert("params".into(), params.clone());
        }
        if let Some(text) = body.get("displayText").and_then(Value::as_str) {
            self.say(self.now, id, channel, text)?;
        }
        Ok(self.postback_account(self.now, id, channel, &postback)?)
    }

    /// What a user does in LINE under "Authorized apps"; without a channel, for every Login channel.
    fn unlink_by_user(&mut self, id: &str, channel: Option<&str>) -> Scripted {
        self.user(id).ok_or(crate::DeedError::UnknownUser)?;
        let all = self.config().login_channels.iter().map(|login| login.channel_id.clone());
        let asked: Vec<_> =
            all.filter(|login| channel.is_none_or(|channel| login.as_str() == channel)).collect();
        for channel in asked {
            self.unlink(id, &channel);
        }
        Ok(json!({}))
    }

    /// Sets the cookie that says whose phone the browser is.
    pub(super) fn login_as(&mut self, request: &Request, id: &str) -> Reply {
        let Some(user) = self.user(id) else {
            return reply::message(StatusCode::NOT_FOUND, "no such user");
        };
        let user = user.id.clone();
        let mut reply = if request.is_form() {
            reply::redirect(StatusCode::SEE_OTHER, &back(request))
        } else {
            reply::ok(&json!({}))
        };
        reply::set_cookie(&mut reply, SESSION_COOKIE, &user);
        reply
    }
}

fn user_json(user: &User, account: Option<&str>) -> Value {
    let friendship = account.map(|account| user.friendship(account)).unwrap_or_default();
    json!({
        "userId": user.id,
        "name": user.name,
        "friend": friendship == Friendship::Friend,
        "blocked": friendship == Friendship::Blocked,
        "email": user.email,
        "auto_login": user.auto_login,
        "messages": user.chat.len(),
    })
}

fn form_wanted(request: &Request) -> Wanted {
    let form = request.form();
    let auto_login = match form.get("auto_login") {
        Some("true") => AutoLogin::On,
        Some("fails") => AutoLogin::Fails,
        _ => AutoLogin::Off,
    };
    let text = |name: &str| form.get(name).map(str::to_owned);
    let (name, email) = (text("name"), text("email"));
    Wanted { name, friend: form.get("friend").is_some(), auto_login, email, ..Wanted::default() }
}

fn form_json(request: &Request) -> Value {
    let form = request.form();
    let fields = ["text", "data", "displayText", "channel_id"];
    let named =
        fields.iter().filter_map(|name| form.get(name).map(|value| ((*name).to_owned(), json!(value))));
    Value::Object(named.collect())
}
