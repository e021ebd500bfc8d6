//! What people do in LINE, and the webhook events that follow from it.
//!
//! In: a user and a deed. Out: the changed friendship or chat, and a queued webhook. Not here: how webhooks travel
//! (`webhook.rs`), and messages from the account (`messaging/send.rs`).

use serde_json::{Map, Value, json};

use crate::Simulator;
use crate::id::ChannelId;
use crate::people::{Friendship, Said};

/// Why a deed could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeedError {
    /// No user of that id.
    #[error("no such user")]
    UnknownUser,
    /// No Messaging API channel of that id, or none at all.
    #[error("no such messaging channel")]
    UnknownChannel,
}

impl Simulator {
    /// The user adds the first account as a friend, or unblocks it: a `follow` event.
    /// Returns the `webhookEventId`; none if the user was a friend already.
    pub fn follow(&mut self, now: i64, user: &str) -> Result<Option<String>, DeedError> {
        self.follow_account(now, user, None)
    }

    /// The user blocks the first account: an `unfollow` event.
    pub fn unfollow(&mut self, now: i64, user: &str) -> Result<Option<String>, DeedError> {
        self.unfollow_account(now, user, None)
    }

    /// The user writes to the first account: a `message` event with a text.
    pub fn send_message(&mut self, now: i64, user: &str, text: &str) -> Result<String, DeedError> {
        self.message_account(now, user, None, text)
    }

    /// The user taps something with postback data: a `postback` event.
    pub fn send_postback(&mut self, now: i64, user: &str, data: &str) -> Result<String, DeedError> {
        self.postback_account(now, user, None, &json!({ "data": data }))
    }

    pub(crate) fn follow_account(
        &mut self,
        now: i64,
        user: &str,
        channel: Option<&str>,
    ) -> Result<Option<String>, DeedError> {
        let before = self.friendship_set(user, channel, Friendship::Friend)?;
        let unblocked = match before {
            Friendship::Friend => return Ok(None),
            Friendship::Stranger => false,
            Friendship::Blocked => true,
        };
        let own = json!({ "follow": { "isUnblocked": unblocked } });
        self.emit(now, Some(user), channel, "follow", own, true).map(Some)
    }

    pub(crate) fn unfollow_account(
        &mut self,
        now: i64,
        user: &str,
        channel: Option<&str>,
    ) -> Result<Option<String>, DeedError> {
        if self.friendship_set(user, channel, Friendship::Blocked)? == Friendship::Blocked {
            return Ok(None);
        }
        self.emit(now, Some(user), channel, "unfollow", json!({}), false).map(Some)
    }

    pub(crate) fn message_account(
        &mut self,
        now: i64,
        user: &str,
        channel: Option<&str>,
        text: &str,
    ) -> Result<String, DeedError> {
        self.say(now, user, channel, text)?;
        let id = self.memory.next_message_id().to_string();
        let quote_token = self.memory.random.opaque();
        let message = json!({ "type": "text", "id": id, "quoteToken": quote_token, "text": text });
        self.emit(now, Some(user), channel, "message", json!({ "message": message }), true)
    }

    pub(crate) fn postback_account(
        &mut self,
        now: i64,
        user: &str,
        channel: Option<&str>,
        postback: &Value,
    ) -> Result<String, DeedError> {
        self.emit(now, Some(user), channel, "postback", json!({ "postback": postback }), true)
    }

    /// Queues one event for the channel, of a user if there is one; says its `webhookEventId`.
    pub(crate) fn emit(
        &mut self,
        now: i64,
        user: Option<&str>,
        channel: Option<&str>,
        kind: &str,
        own: Value,
        replyable: bool,
    ) -> Result<String, DeedError> {
        let channel_id = self.account(channel)?;
        let known = user.map(|id| self.memory.people.get(id).ok_or(DeedError::UnknownUser)).transpose()?;
        let user = known.map(|user| user.id.clone());
        let id = self.memory.random.ulid(now);
        let mut event = Map::new();
        if let Value::Object(own) = own {
            event.extend(own);
        }
        if let Some(user) = &user {
            event.insert("source".into(), json!({ "type": "user", "userId": user }));
        }
        if let Some(user) = user.filter(|_| replyable) {
            let token = self.memory.random.hex(32);
            self.memory.bots.issue_reply_token(&token, &channel_id, &user, now);
            event.insert("replyToken".into(), token.into());
        }
        event.insert("type".into(), kind.into());
        event.insert("mode".into(), "active".into());
        event.insert("timestamp".into(), now.into());
        event.insert("webhookEventId".into(), id.clone().into());
        event.insert("deliveryContext".into(), json!({ "isRedelivery": false }));
        let channel = self.memory.config.messaging(&channel_id).ok_or(DeedError::UnknownChannel)?;
        self.webhooks.queue(channel, vec![Value::Object(event)], now);
        Ok(id)
    }

    /// The channel named, or the first.
    pub(crate) fn account(&self, channel: Option<&str>) -> Result<ChannelId, DeedError> {
        let config = &self.memory.config;
        let found = channel.map_or_else(|| config.messaging_channels.first(), |id| config.messaging(id));
        found.map(|channel| channel.channel_id.clone()).ok_or(DeedError::UnknownChannel)
    }

    fn friendship_set(
        &mut self,
        user: &str,
        channel: Option<&str>,
        state: Friendship,
    ) -> Result<Friendship, DeedError> {
        let channel = self.account(channel)?;
        let user = self.memory.people.get_mut(user).ok_or(DeedError::UnknownUser)?;
        let before = user.friendship(&channel);
        user.set_friendship(&channel, state);
        Ok(before)
    }

    pub(crate) fn say(
        &mut self,
        now: i64,
        user: &str,
        channel: Option<&str>,
        text: &str,
    ) -> Result<(), DeedError> {
        let channel_id = self.account(channel)?;
        let user = self.memory.people.get_mut(user).ok_or(DeedError::UnknownUser)?;
        user.said.push(Said { at: now, channel_id, text: text.to_owned() });
        Ok(())
    }
}
