//! The REST API: which room answers each endpoint.

use http::Method;

use super::route::{Endpoint, Route};
use crate::{
    audience, client,
    config::{self, Site},
    customer_event, export, friend, go, import, link, member,
    platform::{Context, Platform},
    relay, replier, report, segment, send, send_settings, signing_keys,
    web::{ApiError, Reply, Request},
    webhook, webhook_endpoint,
};

/// The REST API: an API key of this very account, by the configuration in memory or else by the newest.
pub(super) async fn api<P: Platform>(
    cx: Context<'_, P>,
    site: Site,
    request: &Request,
    route: &Route,
) -> Result<Reply, ApiError> {
    let key = request.bearer().ok_or_else(ApiError::invalid_key)?;
    let site = if site.account.has_api_key(key) {
        site
    } else {
        let fresh = config::reread(cx, &site.account).await?;
        let account = fresh.filter(|fresh| fresh.has_api_key(key)).ok_or_else(ApiError::invalid_key)?;
        Site { account, ..site }
    };
    let account = &*site.account;
    match (route.endpoint, &request.method) {
        (Endpoint::Clients, &Method::POST) => client::post(cx, account, request).await,
        (Endpoint::Clients, _) => Ok(client::list(account)),
        (Endpoint::Client, &Method::PATCH) => client::patch(cx, account, request, &route.id).await,
        (Endpoint::Client, &Method::DELETE) => client::delete(cx, account, &route.id).await,
        (Endpoint::Client, _) => client::show(cx, &site.account, &route.id).await,
        (Endpoint::ClientSecrets, _) => client::post_secret(cx, account, &route.id).await,
        (Endpoint::ClientSecret, _) => client::delete_secret(cx, account, &route.id, &route.secret).await,
        (Endpoint::SigningKeys, _) => Ok(signing_keys::list(cx, account)),
        (Endpoint::SigningKeysRotate, _) => signing_keys::rotate(cx, account, request).await,
        (Endpoint::OutboundWebhook, &Method::PUT) => webhook_endpoint::put(cx, account, request).await,
        (Endpoint::OutboundWebhook, &Method::DELETE) => webhook_endpoint::delete(cx, account).await,
        (Endpoint::OutboundWebhook, _) => webhook_endpoint::show(account),
        (Endpoint::DeadLetters, _) => webhook_endpoint::dead_letters(cx, account, request).await,
        (Endpoint::Replay, _) => webhook_endpoint::replay(cx, account, request).await,
        (Endpoint::Repliers, _) => Ok(replier::list(account)),
        (Endpoint::Replier, &Method::PUT) => replier::put(cx, account, request, &route.id).await,
        (Endpoint::Replier, _) => replier::delete(cx, account, &route.id).await,
        (Endpoint::Relays, &Method::POST) => relay::post(cx, account, request).await,
        (Endpoint::Relays, _) => relay::list(cx, account).await,
        (Endpoint::Relay, &Method::PATCH) => relay::patch(cx, account, request, &route.id).await,
        (Endpoint::Relay, &Method::DELETE) => relay::delete(cx, account, &route.id).await,
        (Endpoint::Relay, _) => relay::show(cx, account, &route.id).await,
        (Endpoint::RelayDeadLetters, _) => relay::dead_letters(cx, account, request, &route.id).await,
        (Endpoint::RelayReplay, _) => relay::replay(cx, account, request, &route.id).await,
        (Endpoint::WebhookSetUp, &Method::POST) => webhook::set_up(cx, &site, request).await,
        (Endpoint::WebhookSetUp, _) => webhook::show_set_up(cx, &site).await,
        (Endpoint::WebhookCounters, _) => webhook::counters(cx, account, request).await,
        (Endpoint::Deliveries, _) => webhook::deliveries(cx, account, request).await,
        (Endpoint::Delivery, _) => webhook::delivery(cx, account, &route.id).await,
        (Endpoint::DeliveriesReplay, _) => webhook::replay(cx, account, request).await,
        (Endpoint::Links, _) => link::find(cx, account, request).await,
        (Endpoint::LinkHistory, _) => link::history(cx, account, request).await,
        (Endpoint::LinkTokens, _) => link::issue_token(cx, account, request).await,
        (Endpoint::AccountLinks, _) => link::start(cx, account, request).await,
        (Endpoint::Link, &Method::PUT) => link::put(cx, &site, request, &route.id).await,
        (Endpoint::Link, &Method::DELETE) => link::delete(cx, &site, &route.id).await,
        (Endpoint::Link, _) => link::by_subject(cx, account, request, &route.id).await,
        (Endpoint::Friend, _) => friend::show(cx, account, &route.id).await,
        _ => customers(cx, &site, request, route).await,
    }
}

/// What a shop says of its customers, whom it writes to, and what goes in and out.
async fn customers<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    route: &Route,
) -> Result<Reply, ApiError> {
    let account = &*site.account;
    match (route.endpoint, &request.method) {
        (Endpoint::Events, _) => customer_event::post(cx, account, request).await,
        (Endpoint::EventTypes, _) => customer_event::list(cx, account, request).await,
        (Endpoint::EventType, &Method::PUT) => customer_event::put(cx, account, request, &route.id).await,
        (Endpoint::EventType, _) => customer_event::show(cx, account, &route.id).await,
        (Endpoint::Members, _) => member::post(cx, account, request).await,
        (Endpoint::MemberEvents, _) => member::events(cx, account, request, &route.id).await,
        (Endpoint::Member, &Method::PUT) => member::put(cx, account, request, &route.id).await,
        (Endpoint::Member, &Method::DELETE) => member::erase(cx, site, &route.id).await,
        (Endpoint::Member, _) => member::show(cx, account, &route.id).await,
        (Endpoint::MemberExport, _) => member::export(cx, account, &route.id).await,
        (Endpoint::AutoLoginLinks, &Method::POST) => go::post(cx, site, request).await,
        (Endpoint::AutoLoginLinks, _) => go::list(cx, site, request).await,
        (Endpoint::AutoLoginLink, &Method::PATCH) => go::patch(cx, site, request, &route.id).await,
        (Endpoint::AutoLoginLink, &Method::DELETE) => go::delete(cx, site, &route.id).await,
        (Endpoint::AutoLoginLink, _) => go::show(cx, site, &route.id).await,
        (Endpoint::AutoLoginReport, _) => report::auto_login(cx, account, request).await,
        (Endpoint::FriendAddReport, _) => report::friend_add(cx, account, request).await,
        (Endpoint::Segments, &Method::POST) => segment::post(cx, account, request).await,
        (Endpoint::Segments, _) => segment::list(cx, account, request).await,
        (Endpoint::SegmentsCount, _) => segment::count(cx, account, request).await,
        (Endpoint::SendSettings, &Method::PUT) => send_settings::put(cx, account, request).await,
        (Endpoint::SendSettings, _) => Ok(send_settings::show(account)),
        (Endpoint::Sends, &Method::POST) => send::create(cx, account, request).await,
        (Endpoint::Sends, _) => send::list(cx, account, request).await,
        (Endpoint::SendTest, _) => send::trial(cx, account, request).await,
        (Endpoint::SendAct, _) => {
            let action = route.pattern.rsplit('/').next().unwrap_or_default();
            send::act(cx, account, request, &route.id, action).await
        }
        (Endpoint::SendRecipients, _) => send::of_send(cx, account, request, &route.id).await,
        (Endpoint::MemberMessages, _) => send::of_member(cx, account, request, &route.id).await,
        (Endpoint::SegmentsMembers, _) => segment::members(cx, account, request).await,
        (Endpoint::Segment, &Method::PATCH) => segment::patch(cx, account, request, &route.id).await,
        (Endpoint::Segment, &Method::DELETE) => segment::delete(cx, account, &route.id).await,
        (Endpoint::Segment, _) => segment::show(cx, account, &route.id).await,
        (Endpoint::Send, _) => send::show(cx, account, &route.id).await,
        (Endpoint::Audiences, &Method::POST) => audience::make(cx, account, request).await,
        (Endpoint::Audiences, _) => audience::audiences(cx, account, request).await,
        (Endpoint::Audience, &Method::DELETE) => audience::delete(cx, account, &route.id).await,
        (Endpoint::Audience, _) => audience::audience(cx, account, &route.id).await,
        (Endpoint::Narrowcasts, &Method::POST) => audience::ask(cx, account, request).await,
        (Endpoint::Narrowcasts, _) => audience::narrowcasts(cx, account, request).await,
        (Endpoint::Narrowcast, _) => audience::narrowcast(cx, account, &route.id).await,
        (Endpoint::Imports, &Method::POST) => import::create(cx, account, request).await,
        (Endpoint::Imports, _) => import::list(cx, account, request).await,
        (Endpoint::Import, _) => import::show(cx, account, request, &route.id).await,
        (Endpoint::ImportPart, _) => import::put_part(cx, account, request, &route.id, &route.part).await,
        (Endpoint::ImportFinish, _) => import::finish(cx, account, request, &route.id).await,
        (Endpoint::Exports, _) => Ok(export::list(site)),
        (Endpoint::Export, _) => export::page(cx, site, request, &route.id).await,
        _ => Err(ApiError::not_found("the path")),
    }
}
