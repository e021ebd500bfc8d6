//! The paths of the Messaging API that are played, with LINE's rate limit of each.
//!
//! In: method and path. Out: the endpoint and the id in its path. Not here: what the endpoints do.

use http::Method;

use crate::rate::Limit;

/// An endpoint; LINE counts its rate per method and path pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Reply,
    Push,
    Multicast,
    Broadcast,
    Validate,
    Quota,
    Consumption,
    UnitInfo,
    UnitList,
    UnitInsight,
    /// Counts of one method's messages; the method is in the path.
    Delivery,
    Info,
    Profile,
    Followers,
    LinkToken,
    WebhookGet,
    WebhookPut,
    WebhookTest,
}

/// What a path turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Nothing,
    OtherMethod,
    Endpoint(Endpoint, Option<&'a str>),
}

pub(crate) fn find<'a>(method: &Method, segments: &[&'a str]) -> Found<'a> {
    use Endpoint as E;
    let get = |endpoint| (Method::GET, endpoint, None);
    let post = |endpoint| (Method::POST, endpoint, None);
    let ["v2", "bot", rest @ ..] = segments else { return Found::Nothing };
    let (expected, endpoint, parameter) = match rest {
        ["message", "reply"] => post(E::Reply),
        ["message", "push"] => post(E::Push),
        ["message", "multicast"] => post(E::Multicast),
        ["message", "broadcast"] => post(E::Broadcast),
        ["message", "validate", "reply" | "push" | "multicast" | "narrowcast" | "broadcast"] => {
            post(E::Validate)
        }
        ["message", "quota"] => get(E::Quota),
        ["message", "quota", "consumption"] => get(E::Consumption),
        ["message", "aggregation", "info"] => get(E::UnitInfo),
        ["message", "aggregation", "list"] => get(E::UnitList),
        ["message", "delivery", method @ ("reply" | "push" | "multicast" | "broadcast")] => {
            (Method::GET, E::Delivery, Some(*method))
        }
        ["insight", "message", "event", "aggregation"] => get(E::UnitInsight),
        ["info"] => get(E::Info),
        ["profile", user] => (Method::GET, E::Profile, Some(*user)),
        ["followers", "ids"] => get(E::Followers),
        ["user", user, "linkToken"] => (Method::POST, E::LinkToken, Some(*user)),
        ["channel", "webhook", "endpoint"] if method == Method::PUT => (Method::PUT, E::WebhookPut, None),
        ["channel", "webhook", "endpoint"] => get(E::WebhookGet),
        ["channel", "webhook", "test"] => post(E::WebhookTest),
        _ => return Found::Nothing,
    };
    if expected == *method { Found::Endpoint(endpoint, parameter) } else { Found::OtherMethod }
}

impl Endpoint {
    /// The endpoint's name, as in its path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Push => "push",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Validate => "validate",
            Self::Quota => "quota",
            Self::Consumption => "consumption",
            Self::UnitInfo => "aggregation/info",
            Self::UnitList => "aggregation/list",
            Self::UnitInsight => "insight/message/event/aggregation",
            Self::Delivery => "message/delivery",
            Self::Info => "info",
            Self::Profile => "profile",
            Self::Followers => "followers/ids",
            Self::LinkToken => "linkToken",
            Self::WebhookGet => "GET webhook/endpoint",
            Self::WebhookPut => "PUT webhook/endpoint",
            Self::WebhookTest => "webhook/test",
        }
    }

    /// LINE's limit per channel.
    pub(crate) fn limit(self) -> Limit {
        match self {
            Self::Multicast => Limit::per_second(200),
            Self::Broadcast | Self::WebhookTest | Self::UnitInsight => Limit::per_hour(60),
            Self::WebhookGet | Self::WebhookPut => Limit::per_minute(1_000),
            _ => Limit::per_second(2_000),
        }
    }

    pub(crate) fn takes_retry_key(self) -> bool {
        matches!(self, Self::Push | Self::Multicast | Self::Broadcast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_with_the_id_in_it() {
        let found = find(&Method::GET, &["v2", "bot", "profile", "U1"]);
        assert_eq!(found, Found::Endpoint(Endpoint::Profile, Some("U1")));
        assert_eq!(find(&Method::GET, &["v2", "bot", "message", "push"]), Found::OtherMethod);
        assert_eq!(find(&Method::POST, &["v2", "bot", "richmenu"]), Found::Nothing);
    }
}
