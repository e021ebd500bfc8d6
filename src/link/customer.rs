//! The customer's own control: who is logged in sees the link and can end it, with LINE's notice beside it (LINE Login,
//! "Development guidelines").

use http::{StatusCode, header};
use serde::Deserialize;

use super::{ended, forget};
use crate::{
    config::Site,
    id::Subject,
    platform::{Context, Platform, PlatformError},
    secret::{Digest, SecretText},
    store::{
        link::{self, EndedBy},
        session,
    },
    time::UnixMillis,
    web::{
        Reply, Request, cookie,
        form::Form,
        page::{Choice, Language, Page, PageForm, Text},
    },
};

/// Where the control is.
pub const PATH: &str = "/line/unlink";

/// Who is logged in in this browser.
#[derive(Debug, Deserialize)]
struct Customer {
    sub: Subject,
    name: Option<String>,
    linked_at: Option<UnixMillis>,
}

async fn customer<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Option<Customer>, PlatformError> {
    let Some(token) = cookie::value(request, cookie::SESSION) else { return Ok(None) };
    let read = session::customer(&site.account.id, &Digest::of(token.as_bytes()), cx.platform.now());
    cx.platform.one(&site.account.database, read).await?.first()
}

/// What the form carries, so that it is known as the one that this very session was shown: the shop's other pages may be of the
/// same site, and `Lax` lets their forms pass.
fn confirmation<P>(cx: Context<'_, P>, request: &Request) -> SecretText {
    let session = cookie::value(request, cookie::SESSION).unwrap_or_default();
    cx.settings.keys.derived_token("enishi unlink confirmation v1", session)
}

/// `GET /line/unlink`: the control, or why there is none.
pub async fn ask<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    Ok(match customer(cx, site, request).await? {
        None => nobody(site, request),
        Some(Customer { linked_at: None, .. }) => not_linked(site, request),
        Some(customer) => control(site, request, &customer, &confirmation(cx, request)),
    })
}

/// `POST /line/unlink`: (1) the form is the one that this session was shown; a second tap finds the session ended with the
/// link, and is told the same as the first; (2) whoever keeps the link goes home; (3) the link ends, with this session and all
/// others of the customer.
pub async fn confirm<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    let form = Form::of_body(request).unwrap_or_default();
    // (1)
    if !confirmation(cx, request).digest().is_of(form.value("confirmation").unwrap_or_default()) {
        return Ok(nobody(site, request).because("form_of_another_session"));
    }
    let unlinks = form.value("choice") == Some("unlink");
    let Some(customer) = customer(cx, site, request).await? else {
        let is_done = unlinks && has_unlinked(cx, site, request).await?;
        return Ok(if is_done { logged_out(site, request) } else { nobody(site, request) });
    };
    // (2)
    if !unlinks {
        return Ok(kept(site, request));
    }
    // (3)
    let account = &*site.account;
    let statements = link::end(&customer.sub, EndedBy::Customer, &site.ending(cx.platform.now()));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    cx.hand_over(&account.id, &outcomes).await;
    let ended = ended(&outcomes)?;
    // Without one, somebody ended it in between, and the session with it.
    if ended.is_empty() && customer.linked_at.is_none() {
        return Ok(not_linked(site, request));
    }
    forget(cx, account, ended).await;
    Ok(logged_out(site, request))
}

/// Whether the session of this browser has ended, and its customer is not linked.
async fn has_unlinked<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<bool, PlatformError> {
    let token = cookie::value(request, cookie::SESSION).unwrap_or_default();
    let read = session::customer_of_before(&site.account.id, &Digest::of(token.as_bytes()));
    let customer: Option<Customer> = cx.platform.one(&site.account.database, read).await?.first()?;
    Ok(customer.is_some_and(|customer| customer.linked_at.is_none()))
}

const TITLE: Text<'static> = Text { ja: "LINEアカウントの連携", en: "Your LINE account" };

/// Of logins it promises no more than our session: whether a shop ends its own as well is the shop's matter.
fn control(site: &Site, request: &Request, customer: &Customer, confirmation: &SecretText) -> Reply {
    let (shop, name) = (&site.account.name, customer.name.as_deref().unwrap_or("LINE"));
    let what_ja = format!("LINEアカウント「{name}」は、{shop}の会員と連携しています。");
    let what_en = format!("The LINE account “{name}” is tied to a member of {shop}.");
    let then = Text {
        ja: "連携を解除すると、LINEによるログインが終了し、会員向けのお知らせはLINEに届かなくなります。友だち追加はそのまま残ります。",
        en: "If you untie it, your login with LINE ends, and messages for this shop's members no longer come to LINE. The shop's account stays your friend.",
    };
    let notice = Text {
        ja: "解除すると、LINEヤフー株式会社に連携の終了が通知され、LINEログインでこのショップに与えた許可も取り消されます。",
        en: "LY Corporation is informed that the tie has ended, and the permission that you gave this shop by LINE Login is withdrawn.",
    };
    let form = PageForm {
        action: PATH,
        hidden: vec![("confirmation", confirmation.expose())],
        field: None,
        choices: vec![
            Choice { value: "unlink", label: Text { ja: "連携を解除する", en: "Untie" } },
            Choice { value: "keep", label: Text { ja: "連携したままにする", en: "Keep the tie" } },
        ],
    };
    let paragraphs = vec![Text { ja: &what_ja, en: &what_en }, then, notice];
    Page::new(StatusCode::OK, TITLE, paragraphs).form(form).into_reply(Language::of(request))
}

/// A page without a control, with the way back to the shop.
fn said(site: &Site, request: &Request, status: StatusCode, title: Text<'_>, text: Text<'_>) -> Reply {
    let page = Page::new(status, title, vec![text]).way_back(site.account.home_of(None));
    page.into_reply(Language::of(request))
}

fn nobody(site: &Site, request: &Request) -> Reply {
    let text = Text {
        ja: "連携を確認・解除するには、ショップでLINEログインをしてから、このページをもう一度開いてください。",
        en: "To see or end the tie, log in to the shop with LINE, then open this page again.",
    };
    said(site, request, StatusCode::UNAUTHORIZED, TITLE, text).because("no_session")
}

fn not_linked(site: &Site, request: &Request) -> Reply {
    let text = Text {
        ja: "お使いのLINEアカウントは、どの会員とも連携していません。",
        en: "Your LINE account is not tied to any member.",
    };
    said(site, request, StatusCode::OK, TITLE, text)
}

fn kept(site: &Site, request: &Request) -> Reply {
    let text = Text { ja: "連携はそのままです。", en: "The tie stays as it is." };
    said(site, request, StatusCode::OK, TITLE, text)
}

fn logged_out(site: &Site, request: &Request) -> Reply {
    let title = Text { ja: "連携を解除しました", en: "The tie has ended" };
    let text = Text {
        ja: "LINEによるログインは終了しました。ふたたび連携するには、ショップでもう一度LINEログインをしてください。",
        en: "Your login with LINE has ended. To tie your account again, log in to the shop with LINE once more.",
    };
    let page = said(site, request, StatusCode::OK, title, text);
    page.with(header::SET_COOKIE, cookie::clear(cookie::SESSION))
}
