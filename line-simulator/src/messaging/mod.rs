//! The Messaging API: who may call, how often, and which room answers.
//!
//! In: requests below `/v2/bot/`. Out: their answers. Steps, in this order: (1) the path; (2) the channel access
//! token; (3) the rate limit; (4) the retry key, where one may stand; (5) the room. Not here: rich menus,
//! coupons, memberships, groups.

mod account;
mod audience;
mod bots;
pub(crate) mod endpoint;
mod insight;
mod message;
mod narrowcast;
mod recipient;
mod refusal;
mod retry;
mod route;
mod send;
mod statistics;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::id::{ChannelId, is_uuid};
use crate::rate::Verdict;
use crate::reply::{self, Reply};
use crate::request::Request;

pub(crate) use bots::{Area, Bots, TokenKind};
use refusal::Refusal;
use route::{Endpoint, Found};
pub(crate) use statistics::Interest;

/// The message of a 429 by rate.
pub(crate) const RATE_LIMITED: &str = "The API rate limit has been exceeded. Try again later.";
/// The message of a 401 for a token that is none or is over.
pub(crate) const UNAUTHORIZED: &str = "Authentication failed due to the following reason: invalid token. \
    Confirm that the access token in the authorization header is valid.";

const RETRY_KEY: &str = "x-line-retry-key";

/// What a room answers.
pub(crate) type Answered = Result<Reply, Refusal>;

impl Simulator {
    /// The answer, if the path belongs to the Messaging API.
    pub(crate) fn messaging(&mut self, request: &Request) -> Option<Reply> {
        let segments = request.segments();
        let (endpoint, parameter) = match route::find(&request.method, &segments) {
            Found::Nothing => return None,
            Found::OtherMethod => return Some(self.wrong_method(request)),
            Found::Endpoint(endpoint, parameter) => (endpoint, parameter.unwrap_or_default()),
        };
        let answered = self.admit(request, endpoint).and_then(|channel| {
            let retry_key = self.retry_key(&request.headers, endpoint)?;
            self.room(request, endpoint, parameter, &channel, retry_key.as_deref())
        });
        Some(answered.unwrap_or_else(Refusal::into_reply))
    }

    /// The calling channel, once its token and its rate allow the call.
    fn admit(&mut self, request: &Request, endpoint: Endpoint) -> Result<ChannelId, Refusal> {
        let channel = self
            .calling_channel(request)
            .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED))?;
        let verdict = self.buckets.take(&channel, endpoint.name(), endpoint.limit(), self.now);
        if verdict == Verdict::Hammering {
            self.violate(ViolationKind::Hammering, format!("{} beyond 1.5 times its limit", endpoint.name()));
        }
        match verdict {
            Verdict::Pass => Ok(channel),
            Verdict::Refused | Verdict::Hammering => {
                Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED))
            }
        }
    }

    fn calling_channel(&mut self, request: &Request) -> Option<ChannelId> {
        let token = request.bearer()?;
        let Some((channel, _)) = self.memory.bots.channel_token(token, self.now) else {
            if self.memory.logins.tokens.contains_key(token) {
                self.violate(ViolationKind::WrongTokenType, "a user's token on the Messaging API");
            }
            return None;
        };
        if self.memory.config.messaging(&channel).is_none() {
            self.violate(ViolationKind::WrongTokenType, "a Login channel's token on the Messaging API");
            return None;
        }
        Some(channel)
    }

    /// The retry key, which only push, multicast, broadcast and narrowcast take (of what is played here).
    fn retry_key(&mut self, headers: &HeaderMap, endpoint: Endpoint) -> Result<Option<String>, Refusal> {
        let Some(value) = headers.get(RETRY_KEY) else { return Ok(None) };
        let key = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        if !endpoint.takes_retry_key() {
            self.violate(ViolationKind::RetryKeyNotSupported, endpoint.name());
            return Err(Refusal::bad("The retry key is not supported by this API"));
        }
        if !is_uuid(&key) {
            self.violate(ViolationKind::RetryKeyNotUuid, key);
            return Err(Refusal::bad("The value for the 'X-Line-Retry-Key' header is invalid"));
        }
        Ok(Some(key))
    }

    fn room(
        &mut self,
        request: &Request,
        endpoint: Endpoint,
        parameter: &str,
        channel: &ChannelId,
        retry_key: Option<&str>,
    ) -> Answered {
        match endpoint {
            Endpoint::Push | Endpoint::Multicast | Endpoint::Broadcast | Endpoint::Reply => {
                self.send(request, endpoint, channel, retry_key)
            }
            Endpoint::Narrowcast => self.narrowcast(request, channel, retry_key),
            Endpoint::Progress => self.narrowcast_progress(request, channel),
            endpoint if endpoint.is_audience() => self.audience(request, endpoint, parameter, channel),
            Endpoint::Validate => message::check(&json_body(request)?).map(|()| empty_object()),
            Endpoint::Quota => Ok(self.quota(channel)),
            Endpoint::Consumption => Ok(self.consumption(channel)),
            Endpoint::Info => Ok(self.info(channel)),
            Endpoint::Profile => self.bot_profile(channel, parameter),
            Endpoint::Followers => self.followers(request, channel),
            Endpoint::LinkToken => self.link_token(channel, parameter),
            Endpoint::UnitInfo => Ok(self.unit_info(channel)),
            Endpoint::UnitList => self.unit_list(request, channel),
            Endpoint::UnitInsight => self.unit_insight(request, channel),
            Endpoint::FollowerInsight => self.follower_insight(request, channel),
            Endpoint::Delivery => self.delivery_count(request, channel, parameter),
            Endpoint::WebhookGet => self.webhook_endpoint(channel),
            Endpoint::WebhookPut => self.set_webhook_endpoint(request, channel),
            _ => self.test_webhook_endpoint(request, channel),
        }
    }
}

/// The JSON object of the body, or LINE's refusal of what is not one.
fn json_body(request: &Request) -> Result<Value, Refusal> {
    if !request.is_json() {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"));
    }
    request
        .json()
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Refusal::bad("The request body could not be parsed as JSON (line: 1, column: 1)"))
}

fn empty_object() -> Reply {
    reply::ok(&serde_json::json!({}))
}
