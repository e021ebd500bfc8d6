//! `/authorize` (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2).

use std::rc::Rc;

use http::{Method, StatusCode};

use crate::{
    config::{self, Client, Site},
    oauth::authorization::{self, AuthorizationError, AuthorizationRequest, Prompt, Refusal},
    platform::{Context, Platform, PlatformError},
    secret::SecretText,
    store::session::{self, CodeFor, NewCode},
    time::{SECOND, UnixMillis},
    web::{
        Reply, Request, cookie,
        form::Form,
        page::{Language, Page, Text},
    },
};

/// What is to be done with an authorization request.
pub enum Step {
    /// It is answered.
    Answered(Reply),
    /// The customer has to log in at LINE.
    Login(Site, Box<Client>, Box<AuthorizationRequest>),
}

/// Judges the request: (1) a POST continues as GET, because a cross-site POST carries no `Lax` session cookie;
/// (2) the request is read, with the configuration afresh before anything is refused for it; (3) a session of this
/// browser answers with a code; (4) without one, `prompt=none` is refused, everything else logs in.
///
/// Without a session cookie and with warm configuration no store is touched.
pub async fn authorize<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Step, PlatformError> {
    // (1)
    if request.method == Method::POST {
        return Ok(Step::Answered(as_get(site, request)));
    }
    // (2)
    let Ok(form) = Form::parse(request.query.as_bytes()) else {
        return Ok(Step::Answered(page(request, "repeated_parameter")));
    };
    let (site, read) = read(cx, site, &form).await?;
    let asked = match read {
        Ok(asked) => asked,
        Err(refusal) => return Ok(Step::Answered(refused(&site, request, refusal))),
    };
    // (3)
    if let Some(reply) = from_session(cx, &site, request, &asked).await? {
        return Ok(Step::Answered(reply));
    }
    // (4)
    if asked.prompt == Prompt::None {
        let refusal = Refusal::Redirect(asked.back, AuthorizationError::LoginRequired);
        return Ok(Step::Answered(refused(&site, request, refusal)));
    }
    let client = site.account.client(&asked.client_id).cloned();
    match client {
        Some(client) => Ok(Step::Login(site, Box::new(client), Box::new(asked))),
        None => Ok(Step::Answered(refused(&site, request, Refusal::UnknownClient))),
    }
}

/// Reads the request; what the remembered configuration would refuse is read again with the newest.
async fn read<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    form: &Form,
) -> Result<(Site, Result<AuthorizationRequest, Refusal>), PlatformError> {
    let first = authorization::read(form, &site.account);
    if !matches!(first, Err(Refusal::UnknownClient | Refusal::UnknownRedirectUri)) {
        return Ok((site.clone(), first));
    }
    match config::reread(cx, &site.account).await? {
        Some(fresh) if !Rc::ptr_eq(&fresh, &site.account) => {
            let site = Site { account: fresh, issuer: site.issuer.clone() };
            let second = authorization::read(form, &site.account);
            Ok((site, second))
        }
        _ => Ok((site.clone(), first)),
    }
}

/// A code of the session in this browser, if it has one that is fresh enough: one statement, which makes the code only
/// if the session lives.
async fn from_session<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    asked: &AuthorizationRequest,
) -> Result<Option<Reply>, PlatformError> {
    let Some(token) = cookie::value(request, cookie::SESSION).filter(|_| asked.prompt != Prompt::Login)
    else {
        return Ok(None);
    };
    let now = cx.platform.now();
    let not_before = asked.max_age.map_or(UnixMillis(0), |max| now + -(i64::from(max) * SECOND));
    let code = SecretText::from_random(cx.platform.random());
    let new = NewCode {
        code: &code,
        client_id: &asked.client_id,
        redirect_uri: &asked.back.redirect_uri,
        code_challenge: asked.code_challenge.as_deref(),
        nonce: asked.nonce.as_deref(),
        scope: asked.scope,
    };
    let token = SecretText::new(token.to_owned());
    let session = CodeFor::Cookie { token: &token, not_before };
    let statement = session::issue_code(&site.account.id, &new, &session, now);
    let made = cx.platform.one(&site.account.database, statement).await?.changes;
    Ok((made == 1).then(|| Reply::found(&asked.back.with_code(code.expose(), &site.issuer))))
}

fn as_get(site: &Site, request: &Request) -> Reply {
    match Form::of_body(request) {
        Ok(form) => Reply::see_other(&format!("{}?{}", site.url("/authorize"), form.encoded())),
        Err(_) => page(request, "not_a_form"),
    }
}

fn refused(site: &Site, request: &Request, refusal: Refusal) -> Reply {
    match refusal {
        Refusal::UnknownClient => page(request, "unknown_client"),
        Refusal::UnknownRedirectUri => page(request, "unknown_redirect_uri"),
        Refusal::Redirect(back, error) => {
            Reply::found(&back.with_error(error, &site.issuer)).because(error.code())
        }
    }
}

/// Nothing is proven, so nothing is redirected: an open redirector would lend our name to anyone.
fn page(request: &Request, reason: &'static str) -> Reply {
    Page {
        status: StatusCode::BAD_REQUEST,
        title: Text { ja: "ログインを開始できませんでした", en: "We could not start your login" },
        paragraphs: vec![
            Text {
                ja: "ショップからのリクエストに誤りがあります。お手数ですが、ショップに戻ってもう一度お試しください。",
                en: "The shop's request was not correct. Please go back to the shop and try again.",
            },
            Text {
                ja: "ショップの担当者の方へ:クライアントIDとリダイレクトURIが登録内容と一致しているかご確認ください。",
                en: "For the shop's engineer: check that client_id and redirect_uri are exactly as registered.",
            },
        ],
        button: None,
        detail: Some(reason),
    }
    .into_reply(Language::of(request))
    .because(reason)
}
