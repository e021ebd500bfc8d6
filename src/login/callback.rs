//! `GET /line/callback`: LINE's answer becomes a session and a code for the storefront.
//!
//! One attempt completes once, however often its callback arrives: the claim of the attempt id is a conditional write,
//! its winner alone exchanges LINE's code (which LINE spends even when the exchange fails), and whoever arrives later
//! with the same cookie receives a fresh code of the same session.

use serde::Deserialize;

use super::{
    CALLBACK_PATH,
    attempt::Attempt,
    count::{self, Count},
    finish::{self, Failure, Finish},
};
use crate::{
    channel,
    config::Site,
    id::{AttemptId, SessionId, Subject},
    line::{
        self, IdToken,
        login::{Callback, Friendship, HeldTokens, LoginError, Tokens},
    },
    oauth::authorization::AuthorizationError,
    platform::{Context, Outcome, Platform, PlatformError},
    store::{
        Statement, click,
        line_user::{self, Evidence, Seen, Shown},
        session::{self, NewSession},
        tally::FriendBox,
    },
    time::{SECOND, UnixMillis},
    web::{Reply, Request, form::Form},
};

/// How long a second arrival waits for the first to finish, in milliseconds.
const WAIT: i64 = 3 * SECOND;

/// How often it looks, in milliseconds.
const POLL: i64 = 200;

/// Completes a login attempt: (1) the state is ours and this browser carries the attempt; (2) LINE's errors leave;
/// (3) the attempt is claimed; (4) the winner completes it at LINE, others wait for the result; (5) a code goes back to
/// the storefront, or the customer is asked what is left to ask.
pub async fn callback<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    form: &Form,
) -> Result<Reply, PlatformError> {
    let callback = Callback::read(form);
    let state = callback.unverified_state.clone().unwrap_or_default();
    let completed = complete(cx, site, request, callback).await;
    finish::answer(cx, site, request, &state, completed)
}

async fn complete<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
    callback: Callback,
) -> Result<Reply, Failure> {
    let state = callback.unverified_state.clone().unwrap_or_default();
    let count = Count::of(cx, site, request, &state);
    // (1)
    let attempt = match finish::carried(cx, site, request, &state).await {
        Ok(attempt) => attempt,
        Err(failure) => return Err(count.unclaimed(&callback, failure).await),
    };
    // (2)
    let code = match &callback.result {
        Ok(code) => code,
        Err(error) => return Err(count.unclaimed(&callback, refused(attempt, *error)).await),
    };
    // (3)
    let is_ours = claim(cx, site, &attempt.id).await?;
    // (4)
    let finish = Finish::new(cx, site, &attempt);
    let outcomes = if is_ours {
        match at_line(cx, site, &attempt, code).await {
            Ok(login) => {
                let counted = count::logged_in(site, request, &attempt, &login.token, cx.platform.now());
                let changed = callback.unverified_changed;
                remember(cx, site, &attempt, &login, changed, counted, &finish).await?
            }
            Err(failure) => {
                give_up(cx, site, &attempt.id, &failure, &count).await;
                return Err(failure);
            }
        }
    } else {
        wait(cx, site, &attempt.id).await?;
        cx.platform.batch(&site.account.database, finish.statements(cx.platform.now())).await?
    };
    // (5)
    finish.leave(cx, request, &state, &outcomes).await
}

/// LINE said no. Only what a fresh start may cure leads to the retry page.
fn refused(attempt: Box<Attempt>, error: LoginError) -> Failure {
    match error {
        LoginError::AccessDenied => {
            Failure::Client(attempt, AuthorizationError::AccessDenied, error.reason())
        }
        LoginError::ServerError | LoginError::Refused => {
            Failure::Client(attempt, AuthorizationError::ServerError, error.reason())
        }
        LoginError::LoginRequired | LoginError::Missing => Failure::Retry(error.reason()),
    }
}

/// Claims the attempt; false if another arrival has.
async fn claim<P: Platform>(cx: Context<'_, P>, site: &Site, id: &AttemptId) -> Result<bool, PlatformError> {
    let insert = Statement::new(
        "INSERT INTO login_attempts (account, attempt, claimed_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (account, attempt) DO NOTHING",
    )
    .bind(&site.account.id)
    .bind(id)
    .bind(cx.platform.now());
    Ok(cx.platform.one(&site.account.database, insert).await?.changes == 1)
}

/// Who logged in, and what is known of the friendship.
struct Login {
    token: IdToken,
    /// LINE's tokens, sealed.
    held: String,
    /// With the time of asking: what LINE's webhooks say of later is newer.
    friendship: Option<(Friendship, UnixMillis)>,
    auth_time: UnixMillis,
}

/// At LINE: (a) exchanges the code, once; (b) verifies the ID token; (c) holds what the client asked of the
/// authentication's age against it, for the URL that went through the browser may have lost it; (d) asks for the
/// friendship, which nobody's query parameter is believed about. A login does not fail because (d) did.
async fn at_line<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    attempt: &Attempt,
    code: &str,
) -> Result<Login, Failure> {
    let (bases, channel) = (&cx.settings.line, &site.account.login);
    let failed = |reason| Failure::Client(Box::new(attempt.clone()), AuthorizationError::ServerError, reason);
    // (a)
    let redirect_uri = site.url(CALLBACK_PATH);
    let proof = channel::login_proof(cx, &site.account).await.map_err(|error| {
        cx.log_failure("login_proof", &error);
        Failure::Retry("line_channel_unproven")
    })?;
    let verifier = attempt.line_verifier.expose();
    let exchange = line::login::exchange(bases, channel, &proof, code, &redirect_uri, verifier);
    let answer = cx.platform.fetch(exchange).await.map_err(|_| Failure::Retry("line_exchange_unanswered"))?;
    if !answer.status.is_success() {
        return Err(Failure::Retry("line_exchange_refused"));
    }
    let tokens: Tokens = answer.json().ok_or_else(|| failed("line_exchange_unreadable"))?;
    // (b)
    let (id_token, nonce) = (&tokens.unverified_id_token, &attempt.line_nonce);
    let judged = channel::login_id_token(cx, &site.account, id_token, nonce).await.map_err(|error| {
        cx.log_failure("line_keys", &error);
        Failure::Retry("line_keys_unavailable")
    })?;
    let token = judged.map_err(|error| failed(error.reason()))?;
    // (c)
    let asked_at = cx.platform.now();
    let auth_time = match token.auth_time {
        Some(auth_time) if auth_time + line::LEEWAY >= attempt.not_before() => auth_time,
        None if attempt.max_age_for_line().is_none() => asked_at,
        _ => {
            let error = AuthorizationError::LoginRequired;
            return Err(Failure::Client(Box::new(attempt.clone()), error, "authentication_too_old"));
        }
    };
    // (d)
    let asked = cx.platform.fetch(line::login::friendship(bases, &tokens.access_token)).await;
    let friendship = asked.ok().filter(|answer| answer.status.is_success()).and_then(|answer| answer.json());
    let held = HeldTokens::seal(&tokens, &cx.settings.keys, cx.platform.random(), asked_at);
    Ok(Login { token, held, friendship: friendship.map(|friendship| (friendship, asked_at)), auth_time })
}

/// Batch 2: user, friendship and session, into the claim's row, and what finishes the attempt.
async fn remember<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    attempt: &Attempt,
    login: &Login,
    unverified_changed: Option<bool>,
    counted: Statement,
    finish: &Finish<'_>,
) -> Result<Vec<Outcome>, PlatformError> {
    let (account, now) = (&site.account.id, cx.platform.now());
    let who = &login.token.line_user_id;
    let sid = SessionId::from_random(cx.platform.random());
    let fresh = Subject::from_random(cx.platform.random());
    let asked_for_email = attempt.request.scope.email && site.account.login.email_permission;
    let shown = Shown {
        name: login.token.name.as_deref(),
        picture: login.token.picture.as_deref(),
        email: asked_for_email.then_some(login.token.email.as_deref()),
    };
    let mut statements = vec![
        line_user::seen(account, &[Seen::now(who, fresh, now)], now),
        line_user::profile(account, who, shown),
        line_user::hold_tokens(account, who, &login.held),
    ];
    let friend_box = FriendBox {
        account,
        line_user_id: who,
        client: &attempt.request.client_id,
        mode: attempt.manner.friend_mode,
        friend: login.friendship.map(|(friendship, _)| friendship.friend_flag),
        unverified_changed,
        started_at: attempt.started_at,
    };
    statements.extend(friend_box.statements(now));
    if let Some((Friendship { friend_flag: friend }, at)) = login.friendship {
        let evidence =
            Evidence { line_user_id: who, friend, at, when: at.rfc3339(), event_id: "", claim: None };
        statements.push(line_user::friendships(account, &[evidence]));
    }
    let token = finish::session_token(cx, attempt);
    let session = NewSession {
        sid: &sid,
        token: &token,
        line_user_id: who,
        auth_time: login.auth_time,
        methods: &login.token.amr,
        email_asked: asked_for_email,
    };
    statements.push(session::begin(account, &session, now));
    statements.push(
        Statement::new("UPDATE login_attempts SET sid = ?3 WHERE account = ?1 AND attempt = ?2")
            .bind(account)
            .bind(&attempt.id)
            .bind(&sid),
    );
    statements.push(counted);
    if let Some(link) = &attempt.manner.via {
        statements.push(click::insert(account, who, link, now));
    }
    statements.extend(finish.statements(now));
    cx.platform.batch(&site.account.database, statements).await
}

/// Tells those who wait that this attempt will not complete, and counts it. Without it they wait in vain, and no longer
/// than they would: the customer's page does not fail for it.
async fn give_up<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    attempt: &AttemptId,
    failure: &Failure,
    count: &Count<'_, P>,
) {
    let (Failure::Retry(reason) | Failure::Client(_, _, reason)) = failure else { return };
    let statement =
        Statement::new("UPDATE login_attempts SET failed = ?3 WHERE account = ?1 AND attempt = ?2")
            .bind(&site.account.id)
            .bind(attempt)
            .bind(*reason);
    let statements = [statement].into_iter().chain(count.failed(reason)).collect();
    if let Err(error) = cx.platform.batch(&site.account.database, statements).await {
        cx.log_failure("login_failed", &error);
    }
}

/// Waits until the attempt's winner has its session.
async fn wait<P: Platform>(cx: Context<'_, P>, site: &Site, attempt: &AttemptId) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Row {
        sid: Option<String>,
        failed: Option<String>,
    }
    let until = cx.platform.now() + WAIT;
    loop {
        let look =
            Statement::new("SELECT sid, failed FROM login_attempts WHERE account = ?1 AND attempt = ?2")
                .bind(&site.account.id)
                .bind(attempt);
        let row: Option<Row> = cx.platform.one(&site.account.database, look).await?.first()?;
        match row {
            Some(Row { sid: Some(_), .. }) => return Ok(()),
            Some(Row { failed: Some(_), .. }) => return Err(Failure::Retry("attempt_failed")),
            _ if cx.platform.now() >= until => return Err(Failure::Retry("attempt_pending")),
            _ => cx.platform.sleep_until(cx.platform.now() + POLL).await,
        }
    }
}
