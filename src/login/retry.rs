//! The retry page: where auto-login failed, the customer meets one page with one button that starts again, through the
//! shop, without auto-login in this browser, and leads to the page that they were on their way to. Retrying with auto-login
//! would fail the same way for ever.
//!
//! The button sets the cookie, not the page's landing, so that a stray visit changes nothing; and the button's answer
//! checks that the cookie stuck, so that a browser without cookies is told instead of sent round in circles. Whoever
//! fails without auto-login too is told what else may help.

use http::{StatusCode, header};

use super::way_back::WayBack;
use crate::{
    config::{Client, Site},
    id::ClientId,
    platform::{Context, Platform, PlatformError},
    store::tally::{Login, Outcome, When},
    ticket::Ticket,
    time::{MINUTE, SECOND},
    web::{
        Reply, Request,
        browser::{Browser, is_preview},
        cookie,
        form::{Form, with_query},
        page::{Button, Language, Page, Text},
    },
};

/// How long the button's cookie lasts, in milliseconds.
const COOKIE_LIFETIME: i64 = 10 * MINUTE;

/// Where the button leads.
pub const RETRY_PATH: &str = "/line/retry";

/// LINE's own page on logins that fail (LINE Login documentation, "How to handle auto login failure").
const HELP: Text<'static> = Text {
    ja: "https://help.line.me/line/ios/sp?lang=ja&contentId=20020693",
    en: "https://help.line.me/line/ios/sp?lang=en&contentId=20020693",
};

/// The address of the button.
fn href<P: Platform>(cx: Context<'_, P>, site: &Site, way: &WayBack) -> String {
    let ticket = way.client.as_ref().zip(way.via.as_ref()).map(|(client, link)| {
        let ticket = Ticket {
            account: site.account.id.clone(),
            client: client.clone(),
            target: None,
            link: Some(link.clone()),
            label: String::new(),
            until: None,
        };
        ticket.from(cx.platform.now()).seal(&cx.settings.keys, cx.platform.random())
    });
    here(site, way.client.as_ref(), way.target.as_deref(), ticket.as_deref(), false)
}

fn here(
    site: &Site,
    client: Option<&ClientId>,
    target: Option<&str>,
    ticket: Option<&str>,
    checked: bool,
) -> String {
    let client = client.map(|client| ("client_id", client.as_str()));
    let target = target.map(|target| ("target", target));
    let ticket = ticket.map(|ticket| ("ticket", ticket));
    let checked = checked.then_some(("checked", "1"));
    let parameters: Vec<_> = client.into_iter().chain(target).chain(ticket).chain(checked).collect();
    if parameters.is_empty() { site.url(RETRY_PATH) } else { with_query(&site.url(RETRY_PATH), &parameters) }
}

/// The page itself; where the way back is not known, its button leads to the account's first client.
pub(super) fn page<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    unverified_state: Option<&str>,
    reason: &'static str,
) -> Reply {
    let href = href(cx, site, &WayBack::find(cx, site, request, unverified_state));
    let title =
        Text { ja: "ログインを完了できませんでした", en: "We could not complete your login" };
    let failed_again = cookie::value(request, cookie::NO_AUTO_LOGIN).is_some();
    let paragraphs = if failed_again { vec![OTHER_BROWSER, COOKIES] } else { vec![ONCE_MORE, PRIVATELY] };
    let again =
        Button { label: Text { ja: "もう一度ログインする", en: "Log in again" }, href: &href };
    let language = Language::of(request);
    let page = Page::new(StatusCode::BAD_REQUEST, title, paragraphs).button(again).detail(reason);
    let help =
        Button { label: Text { ja: "LINEのヘルプ", en: "LINE's help" }, href: language.pick(HELP) };
    let page = if failed_again { page.help(help) } else { page };
    page.into_reply(language).because(reason)
}

const ONCE_MORE: Text<'static> = Text {
    ja: "お使いのブラウザではLINEの自動ログインを利用できなかった可能性があります。下のボタンからもう一度お試しください。",
    en: "LINE's automatic login may not be available in this browser. Please try again with the button below.",
};

const PRIVATELY: Text<'static> = Text {
    ja: "プライベートブラウズをお使いの場合は、通常のブラウザ(SafariやChrome)で開き直すとログインできることがあります。",
    en: "If you are browsing privately, opening the shop in your usual browser (Safari or Chrome) may help.",
};

const OTHER_BROWSER: Text<'static> = Text {
    ja: "自動ログインを使わなくても、このブラウザではログインできませんでした。端末の標準のブラウザ(SafariやChrome)でショップを開き、ログインを始めたのと同じブラウザで最後まで進めてください。",
    en: "The login did not work in this browser without automatic login either. Open the shop in your phone's own browser (Safari or Chrome), and finish the login in the browser in which you began it.",
};

const COOKIES: Text<'static> = Text {
    ja: "プライベートブラウズを終了し、ブラウザの設定でCookieを許可してから、もう一度お試しください。",
    en: "Leave private browsing and allow cookies in the browser's settings, then try again.",
};

/// `GET /line/retry`: (1) the storefront and the page to arrive at, if it is one of that storefront's, by the newest
/// configuration where the one in memory would drop either; (2) the cookies, and back here; (3) with the cookie, on to the
/// shop's login start; (4) without it, says that cookies are off.
pub async fn retry<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    form: &Form,
) -> Result<Reply, PlatformError> {
    let asked = form.value("target");
    let named = |site: &Site| {
        let named = form.value("client_id").and_then(|id| site.account.client(id));
        named.or_else(|| site.account.clients.first()).cloned()
    };
    // (1)
    let leads = |site: &Site, target: &str| {
        named(site).is_some_and(|client| client.may_lead_to(target, &site.account.host))
    };
    let knows = |id: &str| site.account.client(id).is_some();
    let drops_client = !form.value("client_id").is_none_or(knows);
    let drops_target = !asked.is_none_or(|target| leads(site, target));
    let site = if drops_client || drops_target { &site.afresh(cx).await? } else { site };
    let Some(client) = named(site) else {
        return Ok(no_cookies(site, request, None).because("no_client"));
    };
    let target = asked.filter(|target| leads(site, target));
    let (keys, now) = (&cx.settings.keys, cx.platform.now());
    let handed = form.value("ticket").and_then(|sealed| Ticket::open(keys, &site.account.id, sealed, now));
    let ticket = Ticket {
        account: site.account.id.clone(),
        client: client.id.clone(),
        target: target.map(str::to_owned),
        link: handed.filter(|handed| handed.client == client.id).and_then(|handed| handed.link),
        label: String::new(),
        until: None,
    };
    let ticket = ticket.from(now);
    let sealed = ticket.seal(keys, cx.platform.random());
    if form.value("checked").is_none() {
        // (2)
        let here = here(site, Some(&client.id), target, ticket.link.is_some().then_some(&*sealed), true);
        let cookie = cookie::set(cookie::NO_AUTO_LOGIN, "1", COOKIE_LIFETIME / SECOND);
        let reply = Reply::found(&here).with(header::SET_COOKIE, cookie);
        return Ok(match target {
            Some(_) => reply.with(header::SET_COOKIE, Ticket::cookie(&sealed)),
            None => reply,
        });
    }
    let lost = asked.is_some() && target.is_none();
    let (outcome, reply) = if cookie::value(request, cookie::NO_AUTO_LOGIN).is_some() {
        // (3)
        let hint = target.map(|_| sealed.as_str());
        ((Outcome::RetryPressed, ""), Reply::found(&client.login_start(&site.issuer, target, hint)))
    } else {
        // (4)
        ((Outcome::RetryFailed, "cookies_off"), no_cookies(site, request, Some(&client)))
    };
    count(cx, site, request, &ticket, [Some(outcome), lost.then_some((Outcome::TargetLost, ""))]).await;
    Ok(reply)
}

/// Counts what the button came to; a counter that fails does not keep the customer from going on.
async fn count<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    of: &Ticket,
    outcomes: [Option<(Outcome, &'static str)>; 2],
) {
    if is_preview(request) {
        return;
    }
    let login = Login {
        account: &site.account.id,
        client: Some(&of.client),
        link: of.link.as_ref(),
        browser: Browser::of(request),
        at: of.made_at(),
    };
    let statements =
        outcomes.into_iter().flatten().map(|(outcome, reason)| login.count(When::Always, outcome, reason));
    if let Err(error) = cx.platform.batch(&site.account.database, statements.collect()).await {
        cx.log_failure("retry_count", &error);
    }
}

fn no_cookies(site: &Site, request: &Request, client: Option<&Client>) -> Reply {
    let title = Text { ja: "Cookieを有効にしてください", en: "Please allow cookies" };
    let paragraphs = vec![Text {
        ja: "このブラウザではCookieが無効になっているため、ログインできません。ブラウザの設定でCookieを有効にするか、通常のブラウザ(SafariやChrome)でショップを開き直してください。",
        en: "This browser does not keep cookies, so we cannot log you in. Allow cookies in its settings, or open the shop in your usual browser (Safari or Chrome).",
    }];
    let page = Page::new(StatusCode::BAD_REQUEST, title, paragraphs);
    let page = page.way_back(site.account.home_of(client));
    page.into_reply(Language::of(request)).because("cookies_off")
}
