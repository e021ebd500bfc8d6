//! `/logout` (OpenID Connect RP-Initiated Logout 1.0): the storefront sends its customer here, and they come back without a
//! session. Clients that registered for back-channel logout are told.
//!
//! Whoever shows an ID token of ours speaks for its session. Without one the customer is asked, so that no page of
//! somebody else's can log anyone out.

use http::{Method, StatusCode, header};
use serde_json::Value;

use super::hint::{self, Hint};
use crate::{
    config::{Client, Site},
    oauth::HintClaims,
    platform::{Context, Outcome, Platform, PlatformError},
    secret::{Digest, SecretText},
    store::{ending::Whose, session},
    web::{
        MAX_URL, Reply, Request, cookie,
        form::{Form, with_query},
        page::{Choice, Language, Page, PageForm, Text},
        passing::onward,
    },
};

/// Where storefronts send their customers.
pub const PATH: &str = "/logout";

/// Where the confirmation posts its answer.
pub const CONFIRM_PATH: &str = "/logout/confirm";

/// The longest `state` that is returned, in bytes.
const MAX_STATE: usize = crate::oauth::authorization::MAX_ECHOED;

/// What the storefront asks for.
struct Asked<'a> {
    /// Named by `client_id`, or by the hint.
    client: Option<&'a Client>,
    /// Registered for that client, character by character.
    back: Option<String>,
    /// Whether another address was asked for than a registered one.
    strays: bool,
    language: Language,
}

impl<'a> Asked<'a> {
    fn read(site: &'a Site, request: &Request, form: &Form, hint: Option<&HintClaims>) -> Self {
        let client = hint.map(|hint| hint.aud.as_str()).or_else(|| form.value("client_id"));
        let client = client.and_then(|id| site.account.client(id));
        let wanted = form.value("post_logout_redirect_uri");
        let registered = wanted.filter(|uri| client.is_some_and(|client| client.may_log_out_to(uri)));
        let state = form.value("state").filter(|state| state.len() <= MAX_STATE);
        let back = registered.map(|uri| match state {
            Some(state) => with_query(uri, &[("state", state)]),
            None => uri.to_owned(),
        });
        let language = form.value("ui_locales").and_then(Language::named);
        Self {
            client,
            strays: wanted.is_some() && back.is_none(),
            back,
            language: language.unwrap_or_else(|| Language::of(request)),
        }
    }
}

/// Ends a session: (1) the parameters, of a GET or a POST; (2) the hint, which must be ours and, if the client is named as
/// well, that client's; (3) with it, its session ends, and the browser's if it is the same customer's, and the browser
/// goes back where it is registered; (4) without it, the customer is asked; a POST without a session continues as GET for
/// that, because another site's form carries no `Lax` cookie.
pub async fn logout<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    // (1)
    let form = if request.method == Method::POST { Form::of_body(request) } else { Form::of_query(request) };
    let Ok(form) = form else { return Ok(refused(site, request, "malformed_request")) };
    // (2)
    let hint = match form.value("id_token_hint") {
        Some(text) => hint::verify(cx, site, text).await?,
        None => Hint::Unknowable,
    };
    let hint = match hint {
        Hint::Forged => return Ok(refused(site, request, "id_token_hint_refused")),
        Hint::Unknowable => None,
        Hint::Verified(hint) => Some(hint.claims),
    };
    let named = form.value("client_id");
    if hint.as_ref().zip(named).is_some_and(|(hint, named)| hint.aud != named) {
        return Ok(refused(site, request, "client_id_differs"));
    }
    let site = &knowing(cx, site, &form, hint.as_ref()).await?;
    let asked = Asked::read(site, request, &form, hint.as_ref());
    match hint {
        // (3)
        Some(hint) => {
            let cookie = cookie::value(request, cookie::SESSION).map(|token| Digest::of(token.as_bytes()));
            let whose = Whose::Session { sid: &hint.sid, subject: &hint.sub, cookie };
            let browser_is_out = end(cx, site, request, whose).await?;
            let reply = match &asked.back {
                Some(back) if request.method == Method::POST => Reply::see_other(back),
                Some(back) => Reply::found(back),
                None => done(site, &asked),
            };
            Ok(if browser_is_out { forgetting(reply) } else { reply })
        }
        // (4)
        None => Ok(match cookie::value(request, cookie::SESSION) {
            Some(session) => ask(&asked, &form, &confirmation(cx, session)),
            None if request.method == Method::POST => as_get(site, request, &form),
            None => done(site, &asked),
        }),
    }
}

/// What is carried along to the confirmation, where it is judged again.
fn carried(form: &Form) -> Vec<(&str, &str)> {
    let names = ["client_id", "post_logout_redirect_uri", "state", "ui_locales"];
    names.into_iter().filter_map(|name| Some((name, form.value(name)?))).collect()
}

fn as_get(site: &Site, request: &Request, form: &Form) -> Reply {
    let url = with_query(&site.url(PATH), &carried(form));
    if url.len() <= MAX_URL { Reply::see_other(&url) } else { refused(site, request, "too_long") }
}

/// What the confirmation's form carries, so that it is known as the one that this very session was shown: the shop's other
/// pages may be of the same site, and `Lax` lets their forms pass.
fn confirmation<P>(cx: Context<'_, P>, session: &str) -> SecretText {
    cx.settings.keys.derived_token("enishi logout confirmation v1", session)
}

/// `POST /logout/confirm`: the customer's own word: (1) whoever stays goes home; (2) without a session there is nothing to
/// end; (3) the form is the one that this session was shown; (4) it ends.
pub async fn confirm<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    let form = Form::of_body(request).unwrap_or_default();
    let site = &knowing(cx, site, &form, None).await?;
    let asked = Asked::read(site, request, &form, None);
    // (1)
    if form.value("choice") == Some("stay") {
        return Ok(stayed(site, &asked));
    }
    // (2)
    let Some(session) = cookie::value(request, cookie::SESSION) else { return Ok(done(site, &asked)) };
    // (3)
    let shown = form.value("confirmation").unwrap_or_default();
    if !confirmation(cx, session).digest().is_of(shown) {
        return Ok(refused(site, request, "form_of_another_session"));
    }
    // (4)
    let session = Whose::Cookie(Digest::of(session.as_bytes()));
    end(cx, site, request, session).await?;
    Ok(forgetting(match &asked.back {
        Some(back) => onward(Reply::found(back)),
        None => done(site, &asked),
    }))
}

/// The site by the configuration in memory if that knows client and address, or else by the newest.
async fn knowing<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    form: &Form,
    hint: Option<&HintClaims>,
) -> Result<Site, PlatformError> {
    let named = hint.map(|hint| hint.aud.as_str()).or_else(|| form.value("client_id"));
    let client = named.and_then(|id| site.account.client(id));
    let wanted = form.value("post_logout_redirect_uri");
    let knows =
        named.is_none() || client.is_some_and(|client| wanted.is_none_or(|uri| client.may_log_out_to(uri)));
    if knows { Ok(site.clone()) } else { site.afresh(cx).await }
}

/// Ends sessions with their grants, and tells who is to be told; answers whether this browser showed a session and has no
/// live one left. A form of another site shows none, and must not have the browser forget its own.
async fn end<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    whose: Whose<'_>,
) -> Result<bool, PlatformError> {
    let account = &site.account;
    let now = cx.platform.now();
    let mut statements = site.ending(now).of(whose);
    let cookie = cookie::value(request, cookie::SESSION).unwrap_or_default();
    statements.push(session::lives(&account.id, &Digest::of(cookie.as_bytes()), now));
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    cx.hand_over(&account.id, &outcomes).await;
    let lives: Vec<Value> = outcomes.last().map(Outcome::rows).transpose()?.unwrap_or_default();
    Ok(!cookie.is_empty() && lives.is_empty())
}

fn forgetting(reply: Reply) -> Reply {
    reply.with(header::SET_COOKIE, cookie::clear(cookie::SESSION))
}

/// The confirmation (section 2).
fn ask(asked: &Asked<'_>, form: &Form, confirmation: &SecretText) -> Reply {
    let hidden = carried(form).into_iter().chain([("confirmation", confirmation.expose())]).collect();
    let form = PageForm {
        action: CONFIRM_PATH,
        hidden,
        field: None,
        choices: vec![
            Choice { value: "leave", label: Text { ja: "ログアウトする", en: "Log out" } },
            Choice { value: "stay", label: Text { ja: "ログアウトしない", en: "Stay logged in" } },
        ],
    };
    let title = Text { ja: "ログアウトしますか", en: "Log out?" };
    let text = Text {
        ja: "このブラウザでのログインを終了します。",
        en: "This ends your login in this browser.",
    };
    Page::new(StatusCode::OK, title, vec![text]).form(form).into_reply(asked.language)
}

/// The end without a way back by itself. An address that is not registered is not gone to, and its engineer is told.
fn done(site: &Site, asked: &Asked<'_>) -> Reply {
    let title = Text { ja: "ログアウトしました", en: "You are logged out" };
    let text = Text {
        ja: "このページは閉じていただいてかまいません。", en: "You may close this page."
    };
    let engineer = Text {
        ja: "ショップの担当者の方へ:post_logout_redirect_uriが登録されていないか、client_idかid_token_hintがありません。",
        en: "For the shop's engineer: post_logout_redirect_uri is not registered, or client_id and id_token_hint are missing.",
    };
    let mut paragraphs = vec![text];
    paragraphs.extend(asked.strays.then_some(engineer));
    let status = if asked.strays { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = Page::new(status, title, paragraphs);
    let page = if asked.strays { page.detail("unregistered_post_logout_redirect_uri") } else { page };
    let back = asked.back.as_deref().or_else(|| site.account.home_of(asked.client));
    let reply = page.way_back(back).into_reply(asked.language);
    if asked.strays { reply.because("unregistered_post_logout_redirect_uri") } else { reply }
}

fn stayed(site: &Site, asked: &Asked<'_>) -> Reply {
    let title = Text { ja: "ログインしたままです", en: "You are still logged in" };
    // Not to the address for after a logout: the shop would take its customer for gone.
    let page = Page::new(StatusCode::OK, title, Vec::new());
    page.way_back(site.account.home_of(asked.client)).into_reply(asked.language)
}

/// The request is not to be trusted: nothing ends, nobody is sent anywhere.
fn refused(site: &Site, request: &Request, reason: &'static str) -> Reply {
    let title = Text { ja: "ログアウトできませんでした", en: "We could not log you out" };
    let text = Text {
        ja: "ショップからのリクエストに誤りがあります。お手数ですが、ショップに戻ってもう一度お試しください。",
        en: "The shop's request was not correct. Please go back to the shop and try again.",
    };
    let page = Page::new(StatusCode::BAD_REQUEST, title, vec![text]).detail(reason);
    let page = page.way_back(site.account.home_of(None));
    page.into_reply(Language::of(request)).because(reason)
}
