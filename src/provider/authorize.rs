//! `/authorize` (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2, RFC 9126 section 4).

use http::{Method, StatusCode, header};
use serde::Deserialize;

use super::{hint, par::REQUEST_URI};
use crate::{
    config::{Client, Site},
    id::ClientId,
    oauth::authorization::{
        self, AuthorizationError, AuthorizationRequest, Channel, Prompt, Pushed, Refusal,
    },
    platform::{Context, Outcome, Platform, PlatformError},
    secret::{Digest, SecretText},
    store::{
        Statement, click, pushed,
        session::{self, Asked, NewCode, Of},
    },
    ticket::Ticket,
    web::{
        MAX_URL, Reply, Request, cookie,
        form::Form,
        page::{Language, Page, Text},
    },
};

/// What is to be done with an authorization request.
pub enum Step {
    /// It is answered.
    Answered(Reply),
    /// The customer has to log in at LINE.
    Login(Site, Box<AuthorizationRequest>),
}

impl Step {
    fn refused(site: &Site, request: &Request, refusal: Refusal) -> Self {
        Self::Answered(match refusal {
            Refusal::UnknownClient => page(site, request, None, "unknown_client"),
            Refusal::UnknownRedirectUri(client) => page(site, request, Some(&client), "unknown_redirect_uri"),
            Refusal::Redirect(back, error) => back.with_error(error, &site.issuer).because(error.code()),
        })
    }

    /// A session's answer; a ticket that led here has served.
    fn with_code(site: &Site, request: &Request, asked: &AuthorizationRequest, code: &SecretText) -> Self {
        let reply = asked.back.with_code(code.expose(), &site.issuer);
        Self::Answered(match cookie::value(request, cookie::TICKET) {
            Some(_) => reply.with(header::SET_COOKIE, cookie::clear(cookie::TICKET)),
            None => reply,
        })
    }

    fn client_error(
        site: &Site,
        request: &Request,
        asked: AuthorizationRequest,
        error: AuthorizationError,
    ) -> Self {
        Self::refused(site, request, Refusal::Redirect(asked.back, error))
    }
}

/// Judges the request: (1) a POST continues as GET, because a cross-site POST carries no `Lax` session cookie; (2) a
/// `request_uri` of ours stands for the request that was pushed; (3) any other request is read, with the configuration
/// afresh before anything is refused for it; (4) a session of this browser answers with a code, which is a click of the link that
/// led here; (5) without one,
/// `prompt=none` is refused, everything else logs in.
///
/// `openers` are the names under which this browser has opened pushed requests. Without a session cookie and with warm
/// configuration no store is touched; with one, or to open a pushed request, one batch.
pub async fn authorize<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    openers: Vec<String>,
) -> Result<Step, PlatformError> {
    // (1)
    if request.method == Method::POST {
        return Ok(Step::Answered(as_get(site, request)));
    }
    let Ok(form) = Form::of_query(request) else {
        return Ok(Step::Answered(page(site, request, None, "repeated_parameter")));
    };
    // (2)
    if let Some(name) = form.value("request_uri").filter(|uri| uri.starts_with(REQUEST_URI)) {
        return open(cx, site, request, &form, name, openers).await;
    }
    // (3)
    let (site, read) = read(cx, site, &form).await?;
    let asked = match read {
        Ok(asked) => asked,
        Err(refusal) => return Ok(Step::refused(&site, request, refusal)),
    };
    let asked = match hint::expected(cx, &site, asked.unverified_hint.as_deref()).await? {
        Ok(subject) => AuthorizationRequest { subject, ..asked },
        Err(error) => return Ok(Step::client_error(&site, request, asked, error)),
    };
    // (4)
    let session = cookie::value(request, cookie::SESSION)
        .filter(|_| !matches!(asked.prompt, Prompt::Login | Prompt::Consent));
    if let Some(token) = session {
        let code = SecretText::from_random(cx.platform.random());
        let mut statements =
            vec![of_session(cx, &site, &code, Asked::Request(&asked), token, &asked.client_id)];
        let said = (&asked.client_id, asked.unverified_ticket.as_deref(), asked.target.as_deref());
        let ticket = Ticket::led(request, said, &cx.settings.keys, &site.account.id, cx.platform.now());
        if let Some(link) = ticket.and_then(|ticket| ticket.link) {
            statements.push(click::by_code(&site.account.id, &code, &link, cx.platform.now()));
        }
        let outcomes = cx.platform.batch(&site.account.database, statements).await?;
        if outcomes.first().is_some_and(|made| made.changes == 1) {
            return Ok(Step::with_code(&site, request, &asked, &code));
        }
    }
    // (5)
    if asked.prompt == Prompt::None {
        return Ok(Step::client_error(&site, request, asked, AuthorizationError::LoginRequired));
    }
    Ok(Step::Login(site, Box::new(asked)))
}

/// Reads the request; what the remembered configuration would refuse is read again with the newest.
async fn read<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    form: &Form,
) -> Result<(Site, Result<AuthorizationRequest, Refusal>), PlatformError> {
    let first = authorization::read(form, &site.account, Channel::Browser);
    if !matches!(first, Err(Refusal::UnknownClient | Refusal::UnknownRedirectUri(_))) {
        return Ok((site.clone(), first));
    }
    let site = site.afresh(cx).await?;
    let second = authorization::read(form, &site.account, Channel::Browser);
    Ok((site, second))
}

/// The statement that makes a code if a live session satisfies what is asked.
fn of_session<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    code: &SecretText,
    asked: Asked<'_>,
    token: &str,
    client: &ClientId,
) -> Statement {
    let token = SecretText::new(token.to_owned());
    let email = site.account.email_hold(client);
    let new = NewCode { code, asked, of: Of::Cookie(&token), link: None, email };
    session::issue_code(&site.account.id, &new, cx.platform.now())
}

/// Opens a pushed request, in one batch: (a) it is this client's, in time, and no other browser has opened it; (b) a
/// session of this browser answers with a code, which spends it; (c) otherwise as any request, with the name under which
/// this browser opened it. Parameters beside `client_id` and `request_uri` do not count (RFC 9126 section 4).
async fn open<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    form: &Form,
    name: &str,
    mut openers: Vec<String>,
) -> Result<Step, PlatformError> {
    #[derive(Deserialize)]
    struct Row {
        request: String,
        opened_by: String,
    }
    // (a)
    let Ok(client_id) = ClientId::parse(form.value("client_id").unwrap_or_default()) else {
        return Ok(Step::refused(site, request, Refusal::UnknownClient));
    };
    let digest = Digest::of(name.as_bytes());
    openers.push(crate::id::short(cx.platform.random()));
    let (account, now) = (&site.account.id, cx.platform.now());
    let mut statements = vec![pushed::open(account, &digest, &client_id, &openers, now)];
    // (b)
    let code = SecretText::from_random(cx.platform.random());
    let session = cookie::value(request, cookie::SESSION);
    if let Some(token) = session {
        let asked = Asked::Pushed { digest: &digest, openers: &openers };
        statements.push(of_session(cx, site, &code, asked, token, &client_id));
        statements.push(pushed::spend(account, &digest, "session", &code));
    }
    let outcomes = cx.platform.batch(&site.account.database, statements).await?;
    let opened: Option<Row> = outcomes.first().map(Outcome::first).transpose()?.flatten();
    let Some(Row { request: json, opened_by }) = opened else {
        return Ok(Step::Answered(page(
            site,
            request,
            site.account.client(client_id.as_str()),
            "request_uri_over",
        )));
    };
    let asked: AuthorizationRequest =
        serde_json::from_str(&json).map_err(|e| PlatformError::Stored(format!("pushed request: {e}")))?;
    let site = match site.account.client(client_id.as_str()) {
        Some(_) => site.clone(),
        None => site.afresh(cx).await?,
    };
    let Some(client) = site.account.client(client_id.as_str()) else {
        return Ok(Step::refused(&site, request, Refusal::UnknownClient));
    };
    if !client.may_return_to(&asked.back.redirect_uri) {
        return Ok(Step::refused(&site, request, Refusal::UnknownRedirectUri(Box::new(client.clone()))));
    }
    if outcomes.get(1).is_some_and(|made| made.changes == 1) {
        return Ok(Step::with_code(&site, request, &asked, &code));
    }
    // (c)
    if asked.prompt == Prompt::None {
        return Ok(Step::client_error(&site, request, asked, AuthorizationError::LoginRequired));
    }
    let pushed = Some(Pushed { digest, opener: opened_by });
    Ok(Step::Login(site, Box::new(AuthorizationRequest { pushed, ..asked })))
}

fn as_get(site: &Site, request: &Request) -> Reply {
    match Form::of_body(request) {
        Ok(form) => {
            let url = format!("{}?{}", site.url("/authorize"), form.encoded());
            if url.len() > MAX_URL {
                return page(site, request, None, "too_long");
            }
            Reply::see_other(&url)
        }
        Err(_) => page(site, request, None, "not_a_form"),
    }
}

/// Nothing is proven, so nothing is redirected: an open redirector would lend our name to anyone. The way back is the
/// registered home page of the client, or of the account's first.
fn page(site: &Site, request: &Request, client: Option<&Client>, reason: &'static str) -> Reply {
    let (ja, en) = match reason {
        "request_uri_over" => (
            "このリンクは期限が切れているか、すでに使われています。ショップに戻って、もう一度お試しください。",
            "This link has expired or was used before. Please go back to the shop and try again.",
        ),
        _ => (
            "ショップからのリクエストに誤りがあります。お手数ですが、ショップに戻ってもう一度お試しください。",
            "The shop's request was not correct. Please go back to the shop and try again.",
        ),
    };
    let engineer = Text {
        ja: "ショップの担当者の方へ:クライアントIDとリダイレクトURIが登録内容と一致しているかご確認ください。",
        en: "For the shop's engineer: check that client_id and redirect_uri are exactly as registered.",
    };
    let mut paragraphs = vec![Text { ja, en }];
    paragraphs.extend((reason != "request_uri_over").then_some(engineer));
    let title =
        Text { ja: "ログインを開始できませんでした", en: "We could not start your login" };
    let page = Page::new(StatusCode::BAD_REQUEST, title, paragraphs).detail(reason);
    let page = page.way_back(site.account.home_of(client));
    page.into_reply(Language::of(request)).because(reason)
}
