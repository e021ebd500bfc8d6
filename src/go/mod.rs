//! Auto-login links: `GET /go/{link}` opens the shop logged in, at the page that the link names. It sets a ticket and
//! leads to the shop's own login start; LINE logs in by itself where it can.
//!
//! A link names a storefront, a page and a campaign, never a person or a token: forwarded, it logs in whoever taps it, or
//! nobody. A sealed link carries all of it and costs no store call; a stored one at most one read of KV while KV has it.
//! Not here: links made and changed (`link.rs`), what a link carries (`ticket.rs`), the rest of the login (`login/`).

mod link;
mod wanted;

use http::{StatusCode, header};
use serde_json::Value;

pub use link::{delete, list, patch, post, show};

use crate::{
    config::{Client, Site},
    id::{AccountId, AutoLoginLinkId},
    platform::{Context, Platform, PlatformError},
    store::{
        CacheKey,
        auto_login_link::{self, Row},
    },
    ticket::Ticket,
    web::{
        Reply, Request,
        browser::is_preview,
        form::with_query,
        page::{Language, Page, Text, preview},
    },
};

/// In front of every link.
pub const PATH: &str = "/go/";

/// How long KV keeps a link, in seconds: a change that KV did not hear of ends with it.
const CACHE_SECONDS: u32 = 300;

/// The longest id of a stored link; whatever is longer is sealed.
const MAX_ID: usize = 64;

/// The longest address of a sealed link, in characters: LINE's limit for `uri` (Messaging API reference, "URI action").
const MAX_ADDRESS: usize = 1_000;

/// Why a link leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dead {
    /// It was never made here, or was altered.
    Unknown,
    /// Its time is over, or it was revoked.
    Over,
    /// Its page is none of the storefront's any more, or the storefront is gone.
    Astray,
}

/// Opens a link: (1) what it carries; (2) its time is not over; (3) its page is one of the client's now, by the newest
/// configuration before it is refused; (4) a robot that previews it is shown its title, and that is all; (5) a ticket for
/// this browser, and on to the shop's login start.
pub async fn go<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    link: &str,
) -> Result<Reply, PlatformError> {
    let now = cx.platform.now();
    // (1)
    let Some(link) = read(cx, site, link).await? else {
        return Ok(dead(site, request, None, Dead::Unknown));
    };
    // (2)
    if link.is_over(now) {
        return Ok(dead(site, request, site.account.client(link.client.as_str()), Dead::Over));
    }
    // (3)
    let leads =
        |site: &Site| link.target.as_ref().is_some_and(|page| site.account.may_lead_to(&link.client, page));
    let site = if leads(site) { site } else { &site.afresh(cx).await? };
    let client = site.account.client(link.client.as_str());
    let Some(client) = client.filter(|_| leads(site)) else {
        return Ok(dead(site, request, client, Dead::Astray));
    };
    // (4)
    if is_preview(request) {
        let title = if link.label.is_empty() { &client.name } else { &link.label };
        return Ok(preview(title, &client.name).because("preview"));
    }
    // (5)
    let ticket = link.from(now);
    let sealed = ticket.seal(&cx.settings.keys, cx.platform.random());
    let start = client.login_start(&site.issuer, ticket.target.as_deref(), Some(&sealed));
    Ok(Reply::found(&start).with(header::SET_COOKIE, Ticket::cookie(&sealed)))
}

/// What a link carries: in itself, else in KV, else in its row. Only links that lead somewhere are kept in KV.
async fn read<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    link: &str,
) -> Result<Option<Ticket>, PlatformError> {
    let (account, keys) = (&site.account, &cx.settings.keys);
    if link.len() > MAX_ID {
        return Ok(Ticket::open_link(keys, &account.id, link));
    }
    let Ok(id) = AutoLoginLinkId::parse(link) else { return Ok(None) };
    let key = CacheKey::AutoLoginLink(account.id.clone(), id.clone());
    // A cache that fails is a cache that has nothing.
    let cached = cx.platform.cached(&key).await.ok().flatten();
    if let Some(ticket) = cached.and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(Some(ticket));
    }
    let select = auto_login_link::select(&account.id, &id);
    let row: Option<Row> = cx.platform.one(&account.database, select).await?.first()?;
    let Some(row) = row.filter(|row| row.sealed.is_none()) else { return Ok(None) };
    let ticket = ticket_of(&account.id, &row);
    if !ticket.is_over(cx.platform.now()) {
        let text = serde_json::to_string(&ticket).unwrap_or_default();
        if let Err(error) = cx.platform.cache(&key, &text, CACHE_SECONDS).await {
            cx.log_failure("auto_login_link_cache", &error);
        }
    }
    Ok(Some(ticket))
}

/// What a link carries, by its row; a revoked one was over when it was revoked.
fn ticket_of(account: &AccountId, row: &Row) -> Ticket {
    Ticket {
        account: account.clone(),
        client: row.client_id.clone(),
        target: Some(page_of(&row.target, &row.context)),
        link: Some(row.id.clone()),
        label: row.label.clone(),
        until: row.revoked_at.or(row.expires_at),
    }
}

/// The address of a link.
fn address(issuer: &str, link: &str) -> String {
    format!("{issuer}{PATH}{link}")
}

/// A page with the context parameters in its query; `context` is a JSON object of texts.
fn page_of(target: &str, context: &str) -> String {
    let context: Value = serde_json::from_str(context).unwrap_or_default();
    let fields = context.as_object().into_iter().flatten();
    let parameters: Vec<(&str, &str)> =
        fields.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    if parameters.is_empty() { target.to_owned() } else { with_query(target, &parameters) }
}

/// A page with the way back to the shop, and no other: what a link says that is not ours is believed in nothing.
fn dead(site: &Site, request: &Request, client: Option<&Client>, why: Dead) -> Reply {
    let (status, reason, ja, en) = match why {
        Dead::Unknown => (
            StatusCode::NOT_FOUND,
            "link_unknown",
            "リンクが正しくありません。アドレスをご確認のうえ、ショップに戻ってお試しください。",
            "This link is not correct. Please check the address, or go back to the shop.",
        ),
        Dead::Over => (
            StatusCode::GONE,
            "link_over",
            "このリンクの有効期限は終了しました。ショップに戻ってお試しください。",
            "This link has expired. Please go back to the shop.",
        ),
        Dead::Astray => (
            StatusCode::GONE,
            "link_astray",
            "このリンクの行き先は、現在ご利用いただけません。ショップに戻ってお試しください。",
            "The page of this link is not available any more. Please go back to the shop.",
        ),
    };
    let title = Text { ja: "リンクを開けませんでした", en: "We could not open this link" };
    let page = Page::new(status, title, vec![Text { ja, en }]).detail(reason);
    page.way_back(site.account.home_of(client)).into_reply(Language::of(request)).because(reason)
}
