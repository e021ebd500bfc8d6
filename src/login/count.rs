//! What is counted of logins, by day, storefront, link and kind of browser. One attempt counts once: the winner's claim
//! carries the count of a login that completes or fails at LINE; a callback that claims nothing leaves a mark of its own,
//! so that its reload counts for nothing. A counter that fails never fails the page.

use super::{CALLBACK_PATH, attempt::Attempt, finish::Failure, state::State, way_back::WayBack};
use crate::{
    config::Site,
    line::{
        IdToken,
        login::{Callback, LoginError},
    },
    platform::{Context, Limit, Platform},
    secret::Digest,
    store::{
        Statement,
        tally::{self, Outcome, When},
    },
    time::UnixMillis,
    web::{
        CONNECTING_IP, Request,
        browser::{Browser, is_preview},
        cookie,
    },
};

/// In front of the mark of a callback that claimed no attempt; no attempt's id begins with it.
const MARK: char = '~';

/// The count of a login that did not complete.
pub(super) struct Count<'a, P> {
    cx: Context<'a, P>,
    site: &'a Site,
    request: &'a Request,
    unverified_state: &'a str,
}

impl<'a, P: Platform> Count<'a, P> {
    pub(super) fn of(
        cx: Context<'a, P>,
        site: &'a Site,
        request: &'a Request,
        unverified_state: &'a str,
    ) -> Self {
        Self { cx, site, request, unverified_state }
    }

    /// The statements that count a failure for this reason, in the batch of whoever claimed the attempt.
    pub(super) fn failed(&self, reason: &'static str) -> Vec<Statement> {
        let way = self.way_back();
        self.counts(&way, When::Always, self.kind(&way), reason)
    }

    /// Counts a callback that claimed no attempt, once however often it comes; hands the failure on.
    pub(super) async fn unclaimed(&self, callback: &Callback, failure: Failure) -> Failure {
        let (Failure::Retry(reason) | Failure::Client(_, _, reason)) = failure else { return failure };
        let way = self.way_back();
        let is_cancelled =
            matches!(failure, Failure::Client(..)) && callback.result == Err(LoginError::AccessDenied);
        let (outcome, reason) =
            if is_cancelled { (Outcome::Cancelled, "") } else { (self.kind(&way), reason) };
        let is_nothing = callback.result == Err(LoginError::Missing) || is_preview(self.request);
        if is_nothing || (way.client.is_none() && self.is_flood().await) {
            return failure;
        }
        let mut statements = vec![self.claim(callback)];
        statements.extend(self.counts(&way, When::IfChanged, outcome, reason));
        if let Err(error) = self.cx.platform.batch(&self.site.account.database, statements).await {
            self.cx.log_failure("login_count", &error);
        }
        failure
    }

    fn way_back(&self) -> WayBack {
        WayBack::find(self.cx, self.site, self.request, Some(self.unverified_state))
    }

    /// Whether an address sends more callbacks that bring nothing of ours along than people do: anybody can make them up,
    /// and each would be a row.
    async fn is_flood(&self) -> bool {
        let address = self.request.header(&CONNECTING_IP).unwrap_or_default();
        let who = format!("{}:{CALLBACK_PATH}:{address}", self.site.account.id);
        !self.cx.platform.allow(Limit::ClientFailures, &who).await
    }

    /// The mark of this callback: of the attempt that its state names, else of what LINE sent.
    fn claim(&self, callback: &Callback) -> Statement {
        let state = State::open(&self.cx.settings.keys, &self.site.account.id, self.unverified_state);
        let mark = if let Ok(state) = state {
            format!("{MARK}{}", state.attempt)
        } else {
            let code = callback.result.as_deref().unwrap_or_default();
            let sent = format!("{}\n{code}", self.unverified_state);
            format!("{MARK}{}", Digest::of(sent.as_bytes()).as_str())
        };
        Statement::new(
            "INSERT INTO login_attempts (account, attempt, claimed_at, failed) VALUES (?1, ?2, ?3, 'counted') \
             ON CONFLICT (account, attempt) DO NOTHING",
        )
        .bind(&self.site.account.id)
        .bind(mark)
        .bind(self.cx.platform.now())
    }

    /// Whether it is auto-login that failed, or the login after it.
    fn kind(&self, way: &WayBack) -> Outcome {
        let pressed = || cookie::value(self.request, cookie::NO_AUTO_LOGIN).is_some();
        if way.auto_login_off.unwrap_or_else(pressed) { Outcome::RetryFailed } else { Outcome::Failed }
    }

    /// The outcome, and beside a failure that the page is lost.
    fn counts(&self, way: &WayBack, when: When, outcome: Outcome, reason: &'static str) -> Vec<Statement> {
        let login = tally::Login {
            account: &self.site.account.id,
            client: way.client.as_ref(),
            link: way.via.as_ref(),
            browser: Browser::of(self.request),
            at: self.cx.platform.now(),
        };
        let is_lost = outcome != Outcome::Cancelled && way.target_is_lost;
        let lost = is_lost.then(|| login.count(when, Outcome::TargetLost, ""));
        [login.count(when, outcome, reason)].into_iter().chain(lost).collect()
    }
}

/// The count of a login that completed: LINE says how it authenticated.
pub(super) fn logged_in(
    site: &Site,
    request: &Request,
    attempt: &Attempt,
    token: &IdToken,
    at: UnixMillis,
) -> Statement {
    let outcome = if attempt.manner.auto_login_off {
        Outcome::RetriedOk
    } else if token.amr.iter().any(|method| method == "lineautologin") {
        Outcome::AutoLogin
    } else {
        Outcome::Asked
    };
    let login = tally::Login {
        account: &site.account.id,
        client: Some(&attempt.request.client_id),
        link: attempt.manner.via.as_ref(),
        browser: Browser::of(request),
        at,
    };
    login.count(When::Always, outcome, "")
}
