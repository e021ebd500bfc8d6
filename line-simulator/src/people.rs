//! The simulated people: who they are, whose friends they are, what they consented to, what they received.
//!
//! In: new users and changes of mind. Out: users by id, in the order they were made. Not here: the webhooks that a
//! change of mind causes (`event.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::id::{ChannelId, UserId};
use crate::random::Random;

/// What auto login does on the phone of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum AutoLogin {
    /// LINE signs in by itself; in JSON `true`.
    On,
    /// A browser where auto login is never possible, such as on a PC; in JSON `false`.
    #[default]
    Off,
    /// LINE opens, and comes back with a dead code and a foreign state; in JSON `"fails"`.
    Fails,
}

impl TryFrom<Value> for AutoLogin {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::Bool(true) => Ok(Self::On),
            Value::Bool(false) => Ok(Self::Off),
            Value::String(text) if text == "fails" => Ok(Self::Fails),
            _ => Err("auto_login is true, false or \"fails\""),
        }
    }
}

impl From<AutoLogin> for Value {
    fn from(auto_login: AutoLogin) -> Self {
        match auto_login {
            AutoLogin::On => Self::Bool(true),
            AutoLogin::Off => Self::Bool(false),
            AutoLogin::Fails => json!("fails"),
        }
    }
}

/// A user about to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewUser {
    /// The display name.
    pub name: String,
    /// Whether the user is a friend of the first account from the start; no `follow` event is sent for it.
    pub friend: bool,
    /// What auto login does on this user's phone.
    pub auto_login: AutoLogin,
    /// The address that the `email` scope hands out.
    pub email: Option<String>,
}

/// How a user stands to a LINE Official Account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Friendship {
    /// Never added it.
    #[default]
    Stranger,
    /// Added it and does not block it.
    Friend,
    /// Blocks it.
    Blocked,
}

/// A message that reached a user's chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The message id.
    pub id: u64,
    /// The channel that sent it.
    pub channel_id: ChannelId,
    /// When, Unix milliseconds.
    pub at: i64,
    /// `reply`, `push`, `multicast` or `broadcast`.
    pub method: Arc<str>,
    /// The `x-line-request-id` of the request that was accepted.
    pub request_id: Arc<str>,
    /// The message object as it was sent, shared by all who received it.
    pub message: Arc<Value>,
}

/// A message that a user wrote to an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// When, Unix milliseconds.
    pub at: i64,
    /// The channel of the account.
    pub channel_id: ChannelId,
    /// The text, or the label of what was tapped.
    pub text: String,
}

/// A simulated person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The id, the same in every channel of the provider.
    pub id: UserId,
    /// The display name.
    pub name: String,
    /// What auto login does on this user's phone.
    pub auto_login: AutoLogin,
    /// The e-mail address, if any; [`crate::Simulator::set_email`] changes it.
    pub email: Option<String>,
    /// Messages received, oldest first.
    pub chat: Vec<Delivered>,
    /// Messages written, oldest first.
    pub said: Vec<Said>,
    friendships: Vec<(ChannelId, Friendship)>,
    consents: Vec<(ChannelId, Vec<String>)>,
    /// When the user last proved who they are, Unix milliseconds.
    pub(crate) authenticated_at: i64,
}

impl User {
    /// How the user stands to the account of a Messaging API channel.
    #[must_use]
    pub fn friendship(&self, channel: &str) -> Friendship {
        self.friendships
            .iter()
            .find(|(id, _)| id.as_str() == channel)
            .map(|(_, state)| *state)
            .unwrap_or_default()
    }

    pub(crate) fn set_friendship(&mut self, channel: &ChannelId, state: Friendship) {
        self.friendships.retain(|(id, _)| id != channel);
        self.friendships.push((channel.clone(), state));
    }

    /// Whether every one of the scopes was granted to the Login channel before.
    #[must_use]
    pub fn consented(&self, channel: &str, scopes: &[String]) -> bool {
        let granted = self.consents.iter().find(|(id, _)| id.as_str() == channel);
        granted.is_some_and(|(_, granted)| scopes.iter().all(|scope| granted.contains(scope)))
    }

    pub(crate) fn consent(&mut self, channel: &ChannelId, scopes: &[String]) {
        let mut granted = scopes.to_vec();
        if let Some((_, before)) = self.consents.iter().find(|(id, _)| id == channel) {
            granted.extend(before.iter().filter(|scope| !scopes.contains(scope)).cloned());
        }
        self.withdraw_consent(channel);
        self.consents.push((channel.clone(), granted));
    }

    pub(crate) fn withdraw_scope(&mut self, channel: &str, scope: &str) {
        let theirs = self.consents.iter_mut().filter(|(id, _)| id.as_str() == channel);
        theirs.for_each(|(_, granted)| granted.retain(|one| one != scope));
    }

    pub(crate) fn withdraw_scope_everywhere(&mut self, scope: &str) {
        self.consents.iter_mut().for_each(|(_, granted)| granted.retain(|one| one != scope));
    }

    pub(crate) fn withdraw_consent(&mut self, channel: &str) {
        self.consents.retain(|(id, _)| id.as_str() != channel);
    }

    /// Whether the user wrote to the account within the last seven days, so that a push reaches a non-friend.
    pub(crate) fn wrote_within_a_week(&self, channel: &str, now: i64) -> bool {
        let week = 7 * 24 * 3_600_000;
        self.said.iter().rev().any(|said| said.channel_id.as_str() == channel && now - said.at <= week)
    }

    /// Where this user's picture would be.
    #[must_use]
    pub fn picture_url(&self) -> String {
        format!("https://profile.line-scdn.net/{}", self.id.as_str().to_lowercase())
    }
}

/// Everybody.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<User>", into = "Vec<User>")]
pub(crate) struct People {
    users: Vec<User>,
    places: HashMap<UserId, usize>,
}

impl Clone for People {
    fn clone(&self) -> Self {
        self.users.clone().into()
    }
}

impl From<People> for Vec<User> {
    fn from(people: People) -> Self {
        people.users
    }
}

impl From<Vec<User>> for People {
    fn from(mut users: Vec<User>) -> Self {
        share_messages(&mut users);
        let places = users.iter().enumerate().map(|(place, user)| (user.id.clone(), place)).collect();
        Self { users, places }
    }
}

/// Lets equal messages be one value again, as they were before they were written down.
fn share_messages(users: &mut [User]) {
    let mut known: HashMap<String, Arc<Value>> = HashMap::new();
    for delivered in users.iter_mut().flat_map(|user| user.chat.iter_mut()) {
        let text = delivered.message.to_string();
        delivered.message = known.entry(text).or_insert_with(|| delivered.message.clone()).clone();
    }
}

impl People {
    pub(crate) fn all(&self) -> &[User] {
        &self.users
    }

    pub(crate) fn clear(&mut self) {
        self.users.clear();
        self.places.clear();
    }

    pub(crate) fn get(&self, id: &str) -> Option<&User> {
        self.places.get(id).and_then(|place| self.users.get(*place))
    }

    /// The place in the order in which users were made.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut User> {
        self.places.get(id).and_then(|place| self.users.get_mut(*place))
    }

    pub(crate) fn add(&mut self, new: NewUser, account: Option<&ChannelId>, random: &mut Random) -> UserId {
        let id = random.user_id();
        let friend = account.filter(|_| new.friend);
        let user = User {
            id: id.clone(),
            name: new.name,
            auto_login: new.auto_login,
            email: new.email,
            chat: Vec::new(),
            said: Vec::new(),
            friendships: friend.map(|channel| (channel.clone(), Friendship::Friend)).into_iter().collect(),
            consents: Vec::new(),
            authenticated_at: 0,
        };
        self.places.insert(id.clone(), self.users.len());
        self.users.push(user);
        id
    }
}

/// A delivered message as scripts read it: LINE's message object with a member `delivery` beside its own.
pub(crate) fn delivered_json(delivered: &Delivered) -> Value {
    let mut object = delivered.message.as_object().cloned().unwrap_or_else(Map::new);
    let delivery = json!({
        "id": delivered.id.to_string(),
        "timestamp": delivered.at,
        "channelId": delivered.channel_id,
        "method": delivered.method,
        "requestId": delivered.request_id,
    });
    object.insert("delivery".to_owned(), delivery);
    Value::Object(object)
}
