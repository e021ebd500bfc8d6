//! The end of a login attempt, once LINE has said who it is: a code for the storefront, or first the customer's word:
//! whether a link may be made (`consent.rs`), whether an address is theirs (`email.rs`).

use http::header;
use serde::Deserialize;
use serde_json::json;

use super::{
    attempt::{self, Attempt, Found},
    consent, email, retry,
    state::State,
};
use crate::{
    config::{Account, Site},
    id::Subject,
    oauth::authorization::AuthorizationError,
    platform::{Context, Outcome, Platform, PlatformError},
    secret::SecretText,
    store::{
        Statement, pushed,
        session::{self, Asked, EmailHold, NewCode, Of},
    },
    time::{SECOND, UnixMillis},
    web::{Reply, Request, cookie, form::Form, passing::onward},
};

/// Why a login did not complete, and by which exit the customer leaves.
pub(super) enum Failure {
    /// The retry page: nothing is proven, or a fresh start may succeed.
    Retry(&'static str),
    /// Back to the storefront with an error.
    Client(Box<Attempt>, AuthorizationError, &'static str),
    /// A store of ours failed.
    Ours(PlatformError),
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        Self::Ours(error)
    }
}

/// The answer of an attempt's step, by its exit.
pub(super) fn answer<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    unverified_state: &str,
    completed: Result<Reply, Failure>,
) -> Result<Reply, PlatformError> {
    match completed {
        Ok(reply) => Ok(reply),
        Err(Failure::Retry(reason)) => Ok(retry::page(cx, site, request, Some(unverified_state), reason)),
        Err(Failure::Client(attempt, error, reason)) => {
            Ok(attempt.request.back.with_error(error, &site.issuer).because(reason))
        }
        Err(Failure::Ours(error)) => Err(error),
    }
}

/// The answer to a form of ours: (1) the attempt, by its sealed state and this browser's cookie, which is also what keeps
/// other sites from answering for the customer; (2) what the form decides; (3) a page that goes on, since a browser would
/// hold the shop's redirects against our form's policy.
pub(super) async fn posted<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    decide: impl AsyncFnOnce(Box<Attempt>, &str, &Form) -> Result<Reply, Failure>,
) -> Result<Reply, PlatformError> {
    let form = Form::of_body(request).unwrap_or_default();
    let state = form.value("state").unwrap_or_default();
    // (1)
    let decided = match carried(cx, site, request, state).await {
        // (2)
        Ok(attempt) => decide(attempt, state, &form).await,
        Err(failure) => Err(failure),
    };
    // (3)
    answer(cx, site, request, state, decided).map(onward)
}

/// The attempt that a state of ours names, if this browser carries it and its time is not over.
pub(super) async fn carried<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    unverified_state: &str,
) -> Result<Box<Attempt>, Failure> {
    #[derive(Deserialize)]
    struct Row {
        sealed: String,
    }
    let keys = &cx.settings.keys;
    let state =
        State::open(keys, &site.account.id, unverified_state).map_err(|_| Failure::Retry("foreign_state"))?;
    let attempt = match attempt::find(request, keys, &state.attempt) {
        Some(Found::Whole(attempt)) => Some(attempt),
        Some(Found::Parked) => {
            let read = Attempt::parked(&site.account, &state.attempt);
            let row: Option<Row> = cx.platform.one(&site.account.database, read).await?.first()?;
            row.and_then(|row| Attempt::unpark(keys, &state.attempt, &row.sealed)).map(Box::new)
        }
        None => return Err(Failure::Retry("no_attempt_cookie")),
    };
    let attempt = attempt
        .filter(|attempt| !attempt.is_over(cx.platform.now()))
        .ok_or(Failure::Retry("attempt_over"))?;
    // What was registered when the attempt began may have been given up since.
    let stands = |account: &Account| {
        let client = account.client(attempt.request.client_id.as_str());
        client.is_some_and(|client| client.may_return_to(&attempt.request.back.redirect_uri))
    };
    if stands(&site.account) || stands(&site.afresh(cx).await?.account) {
        return Ok(attempt);
    }
    Err(Failure::Retry("redirect_uri_gone"))
}

/// What is known of an attempt whose session exists.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Standing {
    subject: Subject,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    email_verified_at: Option<UnixMillis>,
    issued: i64,
    conflict: i64,
}

/// An attempt that is to be finished with a code.
pub(super) struct Finish<'a> {
    pub(super) site: &'a Site,
    pub(super) attempt: &'a Attempt,
    code: SecretText,
    session: SecretText,
    agreed_at: Option<UnixMillis>,
}

impl<'a> Finish<'a> {
    pub(super) fn new<P: Platform>(cx: Context<'_, P>, site: &'a Site, attempt: &'a Attempt) -> Self {
        let code = SecretText::from_random(cx.platform.random());
        let session = session_token(cx, attempt);
        Self { site, attempt, code, session, agreed_at: None }
    }

    /// The customer agreed to the link.
    pub(super) fn agreed(self, at: UnixMillis) -> Self {
        Self { agreed_at: Some(at), ..self }
    }

    /// Whether the address holds the code back: LINE was asked for it; a link is not delayed for it.
    fn email_hold(&self) -> EmailHold {
        let hold = self.site.account.email_hold(&self.attempt.request.client_id);
        EmailHold { asked: false, settled: hold.settled && self.attempt.request.link.is_none() }
    }

    /// The code, unless the customer's word is missing; the pushed request spent with it; how things stand.
    pub(super) fn statements(&self, now: UnixMillis) -> Vec<Statement> {
        let (account, request) = (&self.site.account.id, &self.attempt.request);
        let mut statements = Vec::with_capacity(3);
        if request.link.is_none() || self.agreed_at.is_some() {
            let link = request.link.as_ref().zip(self.agreed_at).map(|(link, at)| {
                let consent =
                    json!({ "way": "member_request", "text": consent::TEXT_VERSION, "at": at.rfc3339() });
                json!({ "member_id": link.member_id, "consent": consent }).to_string()
            });
            let new = NewCode {
                code: &self.code,
                asked: Asked::Request(request),
                of: Of::Attempt(&self.attempt.id),
                link,
                email: self.email_hold(),
            };
            statements.push(session::issue_code(account, &new, now));
            if let Some(pushed) = &request.pushed {
                statements.push(pushed::spend(account, &pushed.digest, self.attempt.id.as_str(), &self.code));
            }
        }
        statements.push(self.standing(now));
        statements
    }

    fn standing(&self, now: UnixMillis) -> Statement {
        let member = self.attempt.request.link.as_ref().map(|link| link.member_id.as_str().to_owned());
        Statement::new(
            "SELECT u.subject, u.name, u.email, u.email_verified_at, \
               EXISTS (SELECT 1 FROM codes c WHERE c.account = ?1 AND c.digest = ?4) AS issued, \
               EXISTS (SELECT 1 FROM links l WHERE l.account = ?1 AND l.line_user = u.id AND l.member_id <> ?5) \
               OR EXISTS (SELECT 1 FROM links l WHERE l.account = ?1 AND l.member_id = ?5 AND l.line_user <> u.id) \
               AS conflict \
             FROM login_attempts t JOIN sessions s ON s.account = ?1 AND s.sid = t.sid \
             JOIN line_users u ON u.id = s.line_user \
             WHERE t.account = ?1 AND t.attempt = ?2 AND s.ended_at IS NULL AND s.expires_at > ?3",
        )
        .bind(&self.site.account.id)
        .bind(&self.attempt.id)
        .bind(now)
        .bind(&self.code.digest())
        .bind(member)
    }

    /// Leaves by what the statements, which stood last in their batch, brought: (1) the code; (2) the client expected
    /// somebody else; (3) the link that is asked for cannot be, or is not agreed to yet; (4) the address is to be proven.
    pub(super) async fn leave<P: Platform>(
        &self,
        cx: Context<'_, P>,
        request: &Request,
        state: &str,
        outcomes: &[Outcome],
    ) -> Result<Reply, Failure> {
        let standing: Option<Standing> = outcomes.last().map(Outcome::first).transpose()?.flatten();
        let standing = standing.ok_or(Failure::Retry("session_ended"))?;
        let client = |error, reason| Err(Failure::Client(Box::new(self.attempt.clone()), error, reason));
        // (1)
        if standing.issued == 1 {
            return Ok(self.hand_back());
        }
        // (2)
        let asked = &self.attempt.request;
        if asked.subject.as_ref().is_some_and(|expected| *expected != standing.subject) {
            return client(AuthorizationError::LoginRequired, "other_customer");
        }
        // (3)
        if let Some(link) = &asked.link {
            if standing.conflict == 1 {
                return client(AuthorizationError::LinkConflict, "link_conflict");
            }
            if self.agreed_at.is_none() {
                return Ok(self.with_session(consent::page(self, request, state, link, &standing)));
            }
        }
        // (4)
        match &standing.email {
            Some(address) if self.email_hold().settled && standing.email_verified_at.is_none() => {
                let page = email::ask(cx, self, &standing.subject, request, state, address).await?;
                Ok(self.with_session(page))
            }
            _ => Err(Failure::Retry("request_spent")),
        }
    }

    /// The code for the storefront, and the session's cookie for this browser. What led here has served.
    fn hand_back(&self) -> Reply {
        let code = self.attempt.request.back.with_code(self.code.expose(), &self.site.issuer);
        let reply = self.with_session(code).with(header::SET_COOKIE, cookie::clear(cookie::NO_AUTO_LOGIN));
        reply.with(header::SET_COOKIE, cookie::clear(cookie::TICKET))
    }

    fn with_session(&self, reply: Reply) -> Reply {
        let session = cookie::set(cookie::SESSION, self.session.expose(), session::LIFETIME / SECOND);
        reply.with(header::SET_COOKIE, session)
    }
}

/// The session token of an attempt: derived, so that every arrival of the same attempt sets the same cookie.
pub(super) fn session_token<P>(cx: Context<'_, P>, attempt: &Attempt) -> SecretText {
    cx.settings.keys.derived_token("enishi session token v1", attempt.line_verifier.expose())
}
