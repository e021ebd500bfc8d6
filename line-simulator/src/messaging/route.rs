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
    Narrowcast,
    Progress,
    AudienceUpload,
    AudienceAdd,
    AudienceClick,
    AudienceImp,
    AudienceGet,
    AudienceDelete,
    AudienceRename,
    AudienceList,
    Validate,
    Quota,
    Consumption,
    UnitInfo,
    UnitList,
    UnitInsight,
    FollowerInsight,
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
        ["message", "narrowcast"] => post(E::Narrowcast),
        ["message", "progress", "narrowcast"] => get(E::Progress),
        ["audienceGroup", "upload"] if method == Method::PUT => (Method::PUT, E::AudienceAdd, None),
        ["audienceGroup", "upload"] => post(E::AudienceUpload),
        ["audienceGroup", "click"] => post(E::AudienceClick),
        ["audienceGroup", "imp"] => post(E::AudienceImp),
        ["audienceGroup", "list"] => get(E::AudienceList),
        ["audienceGroup", id, "updateDescription"] => (Method::PUT, E::AudienceRename, Some(*id)),
        ["audienceGroup", id] if method == Method::DELETE => (Method::DELETE, E::AudienceDelete, Some(*id)),
        ["audienceGroup", id] => (Method::GET, E::AudienceGet, Some(*id)),
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
        ["insight", "followers"] => get(E::FollowerInsight),
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
            Self::Narrowcast => "narrowcast",
            Self::Progress => "progress/narrowcast",
            Self::AudienceUpload => "POST audienceGroup/upload",
            Self::AudienceAdd => "PUT audienceGroup/upload",
            Self::AudienceClick => "audienceGroup/click",
            Self::AudienceImp => "audienceGroup/imp",
            Self::AudienceGet => "GET audienceGroup",
            Self::AudienceDelete => "DELETE audienceGroup",
            Self::AudienceRename => "audienceGroup/updateDescription",
            Self::AudienceList => "audienceGroup/list",
            Self::Validate => "validate",
            Self::Quota => "quota",
            Self::Consumption => "consumption",
            Self::UnitInfo => "aggregation/info",
            Self::UnitList => "aggregation/list",
            Self::UnitInsight => "insight/message/event/aggregation",
            Self::FollowerInsight => "insight/followers",
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
            Self::Broadcast
            | Self::Narrowcast
            | Self::WebhookTest
            | Self::UnitInsight
            | Self::FollowerInsight => Limit::per_hour(60),
            endpoint if endpoint.is_audience() => Limit::per_minute(60),
            Self::WebhookGet | Self::WebhookPut => Limit::per_minute(1_000),
            _ => Limit::per_second(2_000),
        }
    }

    pub(crate) fn takes_retry_key(self) -> bool {
        matches!(self, Self::Push | Self::Multicast | Self::Broadcast | Self::Narrowcast)
    }

    pub(crate) fn is_audience(self) -> bool {
        matches!(
            self,
            Self::AudienceUpload
                | Self::AudienceAdd
                | Self::AudienceClick
                | Self::AudienceImp
                | Self::AudienceGet
                | Self::AudienceDelete
                | Self::AudienceRename
                | Self::AudienceList
        )
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
