//! What the Messaging API remembers of its channels: tokens, reply tokens, retry keys, usage, rich-menu areas.
//!
//! In and out: values of the rooms. Not here: the channels themselves (`config.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, UserId};
use crate::messaging::audience::Audiences;
use crate::messaging::narrowcast::Narrowcast;
use crate::messaging::retry::RetryKeys;
use crate::messaging::statistics::Statistics;
use crate::time::japanese_month;

/// The kinds of channel access token that are issued here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TokenKind {
    /// 15 minutes.
    Stateless,
    /// 30 days, 30 alive at most.
    ShortLived,
}

impl TokenKind {
    pub(crate) fn lifetime_s(self) -> i64 {
        match self {
            Self::Stateless => 900,
            Self::ShortLived => 2_592_000,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChannelToken {
    channel_id: ChannelId,
    kind: TokenKind,
    issued_at: i64,
}

impl ChannelToken {
    fn expires_at(&self) -> i64 {
        self.issued_at + self.kind.lifetime_s() * 1_000
    }
}

/// A reply token: one use, one minute; after a redelivery one minute more, 20 minutes at most.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ReplyToken {
    channel_id: ChannelId,
    user: UserId,
    issued_at: i64,
    received_at: i64,
}

const REPLY_WITHIN_MS: i64 = 60_000;
const REPLY_AT_MOST_MS: i64 = 20 * 60_000;

/// A tappable area of the rich menu, for the pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Area {
    pub(crate) label: String,
    pub(crate) uri: String,
}

/// How many messages a channel used in a month, and under which unit names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Months since year 0, Japan time.
    month: i64,
    pub(crate) messages: u64,
    pub(crate) units: BTreeSet<String>,
}

/// A link token: ten minutes, one use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LinkToken {
    pub(crate) channel_id: ChannelId,
    pub(crate) user: UserId,
    pub(crate) expires_at: i64,
}

/// All channels' memory.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bots {
    tokens: HashMap<String, ChannelToken>,
    reply_tokens: HashMap<String, ReplyToken>,
    pub(crate) link_tokens: HashMap<String, LinkToken>,
    pub(crate) retry_keys: RetryKeys,
    usage: HashMap<ChannelId, Usage>,
    pub(crate) statistics: Statistics,
    pub(crate) audiences: Audiences,
    pub(crate) narrowcasts: Vec<Narrowcast>,
    pub(crate) rich_menus: BTreeMap<ChannelId, Vec<Area>>,
}

impl Bots {
    /// Forgets all but the channels' tokens and rich menus.
    pub(crate) fn reset(&mut self) {
        self.reply_tokens.clear();
        self.link_tokens.clear();
        self.retry_keys.clear();
        self.usage.clear();
        self.statistics.clear();
        self.audiences.clear();
        self.narrowcasts.clear();
    }

    pub(crate) fn issue_channel_token(
        &mut self,
        text: &str,
        channel: &ChannelId,
        kind: TokenKind,
        most: usize,
        now: i64,
    ) {
        self.tokens.retain(|_, token| token.expires_at() > now);
        let token = ChannelToken { channel_id: channel.clone(), kind, issued_at: now };
        self.tokens.insert(text.to_owned(), token);
        let same = |token: &ChannelToken| token.channel_id == *channel && token.kind == kind;
        if self.tokens.values().filter(|token| same(token)).count() > most {
            let oldest =
                self.tokens.iter().filter(|(_, token)| same(token)).min_by_key(|(_, token)| token.issued_at);
            let oldest = oldest.map(|(text, _)| text.clone());
            oldest.map(|text| self.tokens.remove(&text));
        }
    }

    /// Whose token it is, if it is alive.
    pub(crate) fn channel_token(&self, text: &str, now: i64) -> Option<(ChannelId, TokenKind)> {
        let token = self.tokens.get(text).filter(|token| token.expires_at() > now)?;
        Some((token.channel_id.clone(), token.kind))
    }

    pub(crate) fn issue_reply_token(&mut self, text: &str, channel: &ChannelId, user: &UserId, now: i64) {
        if self.reply_tokens.len() > 10_000 {
            self.reply_tokens.retain(|_, token| now - token.issued_at <= REPLY_AT_MOST_MS);
        }
        let token =
            ReplyToken { channel_id: channel.clone(), user: user.clone(), issued_at: now, received_at: now };
        self.reply_tokens.insert(text.to_owned(), token);
    }

    /// A redelivery that arrives at `due` gives unused reply tokens another minute.
    pub(crate) fn renew_reply_tokens(&mut self, tokens: &[String], due: i64) {
        for text in tokens {
            if let Some(token) = self.reply_tokens.get_mut(text) {
                token.received_at = due;
            }
        }
    }

    /// Who a reply goes to, if the token is the channel's, unused and young; it stays until it is spent.
    pub(crate) fn reply_token(&self, text: &str, channel: &ChannelId, now: i64) -> Option<UserId> {
        let token = self.reply_tokens.get(text).filter(|token| token.channel_id == *channel)?;
        let young = now - token.received_at <= REPLY_WITHIN_MS && now - token.issued_at <= REPLY_AT_MOST_MS;
        young.then(|| token.user.clone())
    }

    pub(crate) fn spend_reply_token(&mut self, text: &str) {
        self.reply_tokens.remove(text);
    }

    /// The channel's usage in the month of `now`, Japan time.
    pub(crate) fn usage(&mut self, channel: &ChannelId, now: i64) -> &mut Usage {
        let month = japanese_month(now);
        let usage = self.usage.entry(channel.clone()).or_default();
        if usage.month != month {
            *usage = Usage { month, ..Usage::default() };
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thirty_first_short_lived_token_kills_the_oldest() {
        let mut bots = Bots::default();
        let channel = ChannelId::from("1");
        for number in 0..31 {
            bots.issue_channel_token(&number.to_string(), &channel, TokenKind::ShortLived, 30, number);
        }
        assert!(bots.channel_token("0", 40).is_none());
        assert!(bots.channel_token("1", 40).is_some());
    }
}
