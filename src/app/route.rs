//! Which paths exist, by which methods, and which endpoint each is.

use std::sync::OnceLock;

use http::Method;

use crate::{link, login, provider};

/// The endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Health,
    Discovery,
    Jwks,
    Authorize,
    Par,
    Token,
    Userinfo,
    Revoke,
    Logout,
    LogoutConfirm,
    LineCallback,
    LineConsent,
    LineEmail,
    LineRetry,
    LineUnlink,
    Go,
    LineWebhook,
    Accounts,
    Account,
    Clients,
    Client,
    ClientSecrets,
    ClientSecret,
    SigningKeys,
    SigningKeysRotate,
    OutboundWebhook,
    DeadLetters,
    Replay,
    Repliers,
    Replier,
    Relays,
    Relay,
    RelayDeadLetters,
    RelayReplay,
    WebhookSetUp,
    WebhookCounters,
    Deliveries,
    Delivery,
    DeliveriesReplay,
    AutoLoginLinks,
    AutoLoginLink,
    AutoLoginReport,
    FriendAddReport,
    Link,
    Links,
    LinkHistory,
    LinkTokens,
    AccountLinks,
    Friend,
    Events,
    EventTypes,
    EventType,
    Members,
    Member,
    MemberEvents,
    MemberExport,
    Segments,
    Segment,
    SegmentsCount,
    SendSettings,
    SegmentsMembers,
    Sends,
    Send,
    SendTest,
    SendAct,
    SendRecipients,
    MemberMessages,
    Audiences,
    Audience,
    Narrowcasts,
    Narrowcast,
    Imports,
    Import,
    ImportPart,
    ImportFinish,
    Exports,
    Export,
}

impl Endpoint {
    /// Whether it is answered from the configuration alone, at most with a queue.
    pub(super) fn touches_no_store(self) -> bool {
        matches!(self, Self::Discovery | Self::Jwks | Self::LineWebhook)
    }

    /// Whether pages of registered public clients may call it from their own origin.
    pub(super) fn is_cross_origin(self) -> bool {
        matches!(self, Self::Discovery | Self::Jwks | Self::Token | Self::Userinfo | Self::Revoke)
    }
}

/// Which paths exist, and by which methods. HEAD is answered wherever GET is.
const ROUTES: &[(&str, Endpoint, &[Method])] = &[
    ("/healthz", Endpoint::Health, &[Method::GET]),
    ("/.well-known/openid-configuration", Endpoint::Discovery, &[Method::GET]),
    ("/.well-known/oauth-authorization-server", Endpoint::Discovery, &[Method::GET]),
    ("/jwks.json", Endpoint::Jwks, &[Method::GET]),
    ("/authorize", Endpoint::Authorize, &[Method::GET, Method::POST]),
    ("/par", Endpoint::Par, &[Method::POST]),
    ("/token", Endpoint::Token, &[Method::POST]),
    ("/userinfo", Endpoint::Userinfo, &[Method::GET, Method::POST]),
    ("/revoke", Endpoint::Revoke, &[Method::POST]),
    (provider::LOGOUT_PATH, Endpoint::Logout, &[Method::GET, Method::POST]),
    (provider::CONFIRM_PATH, Endpoint::LogoutConfirm, &[Method::POST]),
    (login::CALLBACK_PATH, Endpoint::LineCallback, &[Method::GET]),
    (login::CONSENT_PATH, Endpoint::LineConsent, &[Method::POST]),
    (login::EMAIL_PATH, Endpoint::LineEmail, &[Method::POST]),
    (login::RETRY_PATH, Endpoint::LineRetry, &[Method::GET]),
    (link::CUSTOMER_PATH, Endpoint::LineUnlink, &[Method::GET, Method::POST]),
    ("/go/{id}", Endpoint::Go, &[Method::GET]),
    ("/line/webhook", Endpoint::LineWebhook, &[Method::POST]),
    ("/v1/accounts", Endpoint::Accounts, &[Method::GET]),
    ("/v1/accounts/{id}", Endpoint::Account, &[Method::PUT]),
    ("/v1/clients", Endpoint::Clients, &[Method::GET, Method::POST]),
    ("/v1/clients/{id}", Endpoint::Client, &[Method::GET, Method::PATCH, Method::DELETE]),
    ("/v1/clients/{id}/secrets", Endpoint::ClientSecrets, &[Method::POST]),
    ("/v1/clients/{id}/secrets/{secret}", Endpoint::ClientSecret, &[Method::DELETE]),
    ("/v1/signing-keys", Endpoint::SigningKeys, &[Method::GET]),
    ("/v1/signing-keys/rotate", Endpoint::SigningKeysRotate, &[Method::POST]),
    ("/v1/webhook-endpoint", Endpoint::OutboundWebhook, &[Method::GET, Method::PUT, Method::DELETE]),
    ("/v1/webhook-endpoint/dead-letters", Endpoint::DeadLetters, &[Method::GET]),
    ("/v1/webhook-endpoint/replay", Endpoint::Replay, &[Method::POST]),
    ("/v1/webhooks/repliers", Endpoint::Repliers, &[Method::GET]),
    ("/v1/webhooks/repliers/{id}", Endpoint::Replier, &[Method::PUT, Method::DELETE]),
    ("/v1/webhooks/relays", Endpoint::Relays, &[Method::GET, Method::POST]),
    ("/v1/webhooks/relays/{id}", Endpoint::Relay, &[Method::GET, Method::PATCH, Method::DELETE]),
    ("/v1/webhooks/relays/{id}/dead-letters", Endpoint::RelayDeadLetters, &[Method::GET]),
    ("/v1/webhooks/relays/{id}/dead-letters/replay", Endpoint::RelayReplay, &[Method::POST]),
    ("/v1/webhooks/setup", Endpoint::WebhookSetUp, &[Method::GET, Method::POST]),
    ("/v1/webhooks/counters", Endpoint::WebhookCounters, &[Method::GET]),
    ("/v1/webhooks/deliveries", Endpoint::Deliveries, &[Method::GET]),
    ("/v1/webhooks/deliveries/{id}", Endpoint::Delivery, &[Method::GET]),
    ("/v1/webhooks/replay", Endpoint::DeliveriesReplay, &[Method::POST]),
    ("/v1/auto-login-links", Endpoint::AutoLoginLinks, &[Method::GET, Method::POST]),
    ("/v1/auto-login-links/{id}", Endpoint::AutoLoginLink, &[Method::GET, Method::PATCH, Method::DELETE]),
    ("/v1/reports/auto-login", Endpoint::AutoLoginReport, &[Method::GET]),
    ("/v1/reports/friend-add", Endpoint::FriendAddReport, &[Method::GET]),
    ("/v1/links", Endpoint::Links, &[Method::GET]),
    ("/v1/links/{id}", Endpoint::Link, &[Method::GET, Method::PUT, Method::DELETE]),
    ("/v1/link-history", Endpoint::LinkHistory, &[Method::GET]),
    ("/v1/link-tokens", Endpoint::LinkTokens, &[Method::POST]),
    ("/v1/account-links", Endpoint::AccountLinks, &[Method::POST]),
    ("/v1/friends/{id}", Endpoint::Friend, &[Method::GET]),
    ("/v1/events", Endpoint::Events, &[Method::POST]),
    ("/v1/event-types", Endpoint::EventTypes, &[Method::GET]),
    ("/v1/event-types/{id}", Endpoint::EventType, &[Method::GET, Method::PUT]),
    ("/v1/members", Endpoint::Members, &[Method::POST]),
    ("/v1/members/{id}/events", Endpoint::MemberEvents, &[Method::GET]),
    ("/v1/members/{id}", Endpoint::Member, &[Method::GET, Method::PUT, Method::DELETE]),
    ("/v1/members/{id}/export", Endpoint::MemberExport, &[Method::GET]),
    ("/v1/segments", Endpoint::Segments, &[Method::GET, Method::POST]),
    ("/v1/segments/count", Endpoint::SegmentsCount, &[Method::POST]),
    ("/v1/segments/members", Endpoint::SegmentsMembers, &[Method::POST]),
    ("/v1/segments/{id}", Endpoint::Segment, &[Method::GET, Method::PATCH, Method::DELETE]),
    ("/v1/members/{id}/messages", Endpoint::MemberMessages, &[Method::GET]),
    ("/v1/send-settings", Endpoint::SendSettings, &[Method::GET, Method::PUT]),
    ("/v1/sends", Endpoint::Sends, &[Method::GET, Method::POST]),
    ("/v1/sends/test", Endpoint::SendTest, &[Method::POST]),
    ("/v1/sends/{id}", Endpoint::Send, &[Method::GET]),
    ("/v1/sends/{id}/recipients", Endpoint::SendRecipients, &[Method::GET]),
    ("/v1/sends/{id}/start", Endpoint::SendAct, &[Method::POST]),
    ("/v1/sends/{id}/pause", Endpoint::SendAct, &[Method::POST]),
    ("/v1/sends/{id}/resume", Endpoint::SendAct, &[Method::POST]),
    ("/v1/sends/{id}/cancel", Endpoint::SendAct, &[Method::POST]),
    ("/v1/sends/{id}/retry", Endpoint::SendAct, &[Method::POST]),
    ("/v1/audiences", Endpoint::Audiences, &[Method::GET, Method::POST]),
    ("/v1/audiences/{id}", Endpoint::Audience, &[Method::GET, Method::DELETE]),
    ("/v1/narrowcasts", Endpoint::Narrowcasts, &[Method::GET, Method::POST]),
    ("/v1/narrowcasts/{id}", Endpoint::Narrowcast, &[Method::GET]),
    ("/v1/imports", Endpoint::Imports, &[Method::GET, Method::POST]),
    ("/v1/imports/{id}", Endpoint::Import, &[Method::GET]),
    ("/v1/imports/{id}/parts/{part}", Endpoint::ImportPart, &[Method::PUT]),
    ("/v1/imports/{id}/finish", Endpoint::ImportFinish, &[Method::POST]),
    ("/v1/exports", Endpoint::Exports, &[Method::GET]),
    ("/v1/exports/{id}", Endpoint::Export, &[Method::GET]),
];

/// A path that exists, with the ids in it, if it has any.
pub(super) struct Route {
    pub(super) pattern: &'static str,
    pub(super) endpoint: Endpoint,
    methods: &'static [Method],
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) part: String,
}

impl Route {
    pub(super) fn find(path: &str) -> Option<Self> {
        static ROUTER: OnceLock<matchit::Router<usize>> = OnceLock::new();
        let router = ROUTER.get_or_init(|| {
            let mut router = matchit::Router::new();
            for (index, (pattern, ..)) in ROUTES.iter().enumerate() {
                // The patterns are constants, and a test shows that each is found.
                let _ = router.insert(*pattern, index);
            }
            router
        });
        let found = router.at(path).ok()?;
        let (pattern, endpoint, methods) = ROUTES.get(*found.value)?;
        let named = |name| percent_decoded(found.params.get(name).unwrap_or_default());
        let (id, secret, part) = (named("id")?, named("secret")?, named("part")?);
        Some(Self { pattern, endpoint: *endpoint, methods, id, secret, part })
    }

    pub(super) fn takes(&self, method: &Method) -> bool {
        self.methods.contains(method)
            || (*method == Method::HEAD && self.methods.contains(&Method::GET))
            || (*method == Method::OPTIONS && self.endpoint.is_cross_origin())
    }

    pub(super) fn allowed(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if self.methods.contains(&Method::GET) {
            names.push("HEAD");
        }
        if self.endpoint.is_cross_origin() {
            names.push("OPTIONS");
        }
        names.join(", ")
    }
}

/// `None` if the decoded bytes are no text.
fn percent_decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for (pattern, endpoint, _) in ROUTES {
            let path = pattern.replace("{id}", "a%20b").replace("{secret}", "c").replace("{part}", "1");
            let route = Route::find(&path).unwrap();
            assert_eq!(route.endpoint, *endpoint);
            assert_eq!(route.id, if pattern.contains("{id}") { "a b" } else { "" });
        }
        for path in ["/", "/nothing", "/v1/links/a/b", "/v1/links/", "/healthz/"] {
            assert!(Route::find(path).is_none(), "{path}");
        }
    }
}
