//! Auto-login links: `GET /go/{link}` opens the shop logged in, at the page that the link names. It sets a ticket and
//! leads to the shop's own login start; LINE logs in by itself where it can.
//!
//! A link names a storefront, a page and a campaign, never a person or a token: forwarded, it logs in whoever taps it, or
//! nobody. A sealed link carries all of it and costs no store call; a stored one at most one read of KV while KV has it.
//! Not here: links made and changed (`link.rs`), what a link carries (`carried.rs`), the rest of the login (`login/`).

mod carried;
mod link;
mod wanted;

use http::{StatusCode, header};

pub use link::{delete, list, patch, post, show};

use self::carried::Carried;
use crate::{
    config::{Client, Site},
    id::AutoLoginLinkId,
    platform::{Context, Platform, PlatformError},
    store::{
        CacheKey,
        auto_login_link::{self, Kind, Row},
    },
    ticket::Ticket,
    web::{
        Reply, Request,
        browser::is_preview,
        page::{Language, Page, Text, preview},
    },
};

/// In front of every link.
pub const PATH: &str = "/go/";

/// How long KV keeps a link, in seconds: a change that KV did not hear of ends with it.
const CACHE_SECONDS: u32 = 300;

/// The longest id of a stored link; whatever is longer is sealed.
const MAX_ID: usize = 64;

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
    let Some(carried) = read(cx, site, link).await? else {
        return Ok(dead(site, request, None, Dead::Unknown));
    };
    // (2)
    let client = site.account.client(carried.client.as_str());
    if carried.expires_at.is_some_and(|end| now >= end) || carried.is_revoked {
        return Ok(dead(site, request, client, Dead::Over));
    }
    // (3)
    let site = if site.account.may_lead_to(&carried.client, &carried.target) {
        site
    } else {
        &site.afresh(cx).await?
    };
    let client = site.account.client(carried.client.as_str());
    let Some(client) = client.filter(|client| client.may_lead_to(&carried.target, &site.account.host)) else {
        return Ok(dead(site, request, client, Dead::Astray));
    };
    // (4)
    if is_preview(request) {
        let title = if carried.label.is_empty() { &client.name } else { &carried.label };
        return Ok(preview(title, &client.name).because("preview"));
    }
    // (5)
    let ticket = Ticket {
        account: site.account.id.clone(),
        client: client.id.clone(),
        target: Some(carried.target.clone()),
        link: Some(carried.id.clone()),
        issued_at: now,
    };
    let sealed = ticket.seal(&cx.settings.keys, cx.platform.random());
    let start = client.login_start(&site.issuer, Some(&carried.target), Some(&sealed));
    Ok(Reply::found(&start).with(header::SET_COOKIE, Ticket::cookie(&sealed)))
}

/// What a link carries: in itself, else in KV, else in its row. Only links that lead somewhere are kept in KV.
async fn read<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    link: &str,
) -> Result<Option<Carried>, PlatformError> {
    let (account, keys) = (&site.account, &cx.settings.keys);
    if link.len() > MAX_ID {
        return Ok(Carried::open(keys, &account.id, link));
    }
    let Ok(id) = AutoLoginLinkId::parse(link) else { return Ok(None) };
    let key = CacheKey::AutoLoginLink(account.id.clone(), id.clone());
    // A cache that fails is a cache that has nothing.
    let cached = cx.platform.cached(&key).await.ok().flatten();
    if let Some(carried) = cached.and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(Some(carried));
    }
    let row: Option<Row> =
        cx.platform.one(&account.database, auto_login_link::select(&account.id, &id)).await?.first()?;
    let Some(carried) = row.filter(|row| row.kind == Kind::Stored).map(|row| Carried::of(&account.id, &row))
    else {
        return Ok(None);
    };
    if !carried.is_revoked {
        let text = serde_json::to_string(&carried).unwrap_or_default();
        if let Err(error) = cx.platform.cache(&key, &text, CACHE_SECONDS).await {
            cx.log_failure("auto_login_link_cache", &error);
        }
    }
    Ok(Some(carried))
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
