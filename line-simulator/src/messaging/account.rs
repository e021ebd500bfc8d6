//! What an account may ask about itself and its users: info, quota, profiles, followers, link tokens.
//!
//! In: a channel and perhaps a user id. Out: JSON, or LINE's refusal. Not here: groups, rooms, memberships.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::Simulator;
use crate::id::{ChannelId, is_user_id};
use crate::messaging::Answered;
use crate::messaging::bots::LinkToken;
use crate::messaging::refusal::Refusal;
use crate::people::Friendship;
use crate::reply::{self, Reply};
use crate::request::Request;

const LINK_TOKEN_MS: i64 = 10 * 60_000;

impl Simulator {
    pub(super) fn info(&self, channel: &ChannelId) -> Reply {
        let Some(channel) = self.memory.config.messaging(channel) else {
            return reply::message(StatusCode::NOT_FOUND, "Not found");
        };
        reply::ok(&json!({
            "userId": channel.bot_user_id,
            "basicId": channel.basic_id,
            "displayName": channel.display_name,
            "chatMode": "bot",
            "markAsReadMode": "auto",
        }))
    }

    pub(super) fn quota(&self, channel: &ChannelId) -> Reply {
        let quota = self.memory.config.messaging(channel).and_then(|channel| channel.quota);
        reply::ok(&match quota {
            None => json!({ "type": "none" }),
            Some(value) => json!({ "type": "limited", "value": value }),
        })
    }

    /// LINE calls its figure approximate; here it is exact.
    pub(super) fn consumption(&mut self, channel: &ChannelId) -> Reply {
        let used = self.memory.bots.usage(channel, self.now).messages;
        reply::ok(&json!({ "totalUsage": used }))
    }

    /// 200 for friends, and for others who wrote within seven days; 404 for everybody else.
    pub(super) fn bot_profile(&self, channel: &ChannelId, id: &str) -> Answered {
        if !is_user_id(id) {
            return Err(Refusal::bad("The value for the 'userId' parameter is invalid"));
        }
        let user = self.memory.people.get(id).filter(|user| match user.friendship(channel) {
            Friendship::Friend => true,
            Friendship::Stranger => user.wrote_within_a_week(channel, self.now),
            Friendship::Blocked => false,
        });
        let user = user.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Not found"))?;
        Ok(reply::ok(&json!({
            "userId": user.id,
            "displayName": user.name,
            "pictureUrl": user.picture_url(),
            "language": "ja",
        })))
    }

    /// Verified accounts only; `start` is the opaque place to go on from.
    pub(super) fn followers(&self, request: &Request, channel: &ChannelId) -> Answered {
        if !self.memory.config.messaging(channel).is_some_and(|channel| channel.certified) {
            let text = "Access to this API is not available for your account";
            return Err(Refusal::new(StatusCode::FORBIDDEN, text));
        }
        let number = |name: &str, otherwise: usize| match request.query.get(name) {
            None => Ok(otherwise),
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| Refusal::bad(format!("The value for the '{name}' parameter is invalid"))),
        };
        let (start, limit) = (number("start", 0)?, number("limit", 300)?);
        if !(1..=1_000).contains(&limit) {
            return Err(Refusal::bad("The value for the 'limit' parameter is invalid"));
        }
        let users = self.users();
        let page = users.iter().skip(start).take(limit);
        let ids =
            page.filter(|user| user.friendship(channel) == Friendship::Friend).map(|user| json!(user.id));
        let mut body = Map::new();
        body.insert("userIds".into(), Value::Array(ids.collect()));
        if start.saturating_add(limit) < users.len() {
            body.insert("next".into(), (start + limit).to_string().into());
        }
        Ok(reply::ok(&Value::Object(body)))
    }

    pub(super) fn link_token(&mut self, channel: &ChannelId, id: &str) -> Answered {
        if !is_user_id(id) {
            return Err(Refusal::bad("The value for the 'userId' parameter is invalid"));
        }
        let friend = self.memory.people.get(id).filter(|user| user.friendship(channel) == Friendship::Friend);
        let user = friend.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Not found"))?.id.clone();
        let now = self.now;
        self.memory.bots.link_tokens.retain(|_, token| token.expires_at > now);
        let text = self.memory.random.alphanumeric(32);
        let kept = LinkToken { channel_id: channel.clone(), user, expires_at: now + LINK_TOKEN_MS };
        self.memory.bots.link_tokens.insert(text.clone(), kept);
        Ok(reply::ok(&json!({ "linkToken": text })))
    }
}
