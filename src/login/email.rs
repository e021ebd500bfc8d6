//! Proving an e-mail address, for clients that ask for it: the shop mails a code of six digits, which we hand it by the
//! webhook `email.code_requested`, and the customer repeats it here. Only then is `email_verified` true.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    EMAIL_PATH,
    attempt::Attempt,
    finish::{self, Finish},
};
use crate::{
    config::Site,
    id::{AttemptId, Subject},
    platform::{Context, Outcome, Platform, PlatformError},
    secret::Digest,
    store::{
        Statement,
        outbox::{self, Event},
        session,
    },
    time::{MINUTE, UnixMillis},
    web::{
        Reply, Request,
        form::Form,
        page::{Choice, Field, Page, PageForm, Text},
    },
};

/// How long a mailed code counts, in milliseconds.
const LIFETIME: i64 = 10 * MINUTE;

/// How often one attempt may have a code mailed.
const MAX_MAILED: i64 = 3;

/// How often codes are mailed to one address while the rows of its codes are kept.
const MAX_MAILED_TO_ADDRESS: i64 = 9;

/// How often one code may be tried.
const MAX_TRIES: i64 = 5;

/// Has a code mailed, unless one is under way to this address, and asks for it.
pub(super) async fn ask<P: Platform>(
    cx: Context<'_, P>,
    finish: &Finish<'_>,
    subject: &Subject,
    request: &Request,
    state: &str,
    address: &str,
) -> Result<Reply, PlatformError> {
    let repeated = Form::of_body(request).unwrap_or_default();
    let choice = repeated.value("choice");
    let mailed = mail(cx, finish, subject, request, address, choice == Some("resend")).await?;
    let note = match (choice, &mailed) {
        (Some("verify"), Mailed::Before) => Some(Text {
            ja: "確認コードが正しくないか、期限が切れています。もう一度入力するか、再送してください。",
            en: "The code is not correct, or its time is over. Try again, or have a new one sent.",
        }),
        (Some("verify" | "resend"), Mailed::Now) => Some(Text {
            ja: "新しい確認コードをお送りします。前のコードは使えません。",
            en: "A new code is on its way. The one before does not count any more.",
        }),
        (Some("resend"), Mailed::Before) => Some(Text {
            ja: "これ以上は再送できません。届いたコードを入力するか、確認せずにお進みください。",
            en: "No more codes can be sent. Enter the one that arrived, or go on without.",
        }),
        _ => None,
    };
    Ok(match mailed {
        Mailed::Now | Mailed::Before => page(finish.attempt, request, state, address, note),
        Mailed::TooOften => no_code_page(finish.attempt, request, state),
    })
}

/// Whether this attempt has a code.
enum Mailed {
    /// A new one.
    Now,
    /// One of before.
    Before,
    /// None: the address had too many lately.
    TooOften,
}

/// Draws a code and owes the shop the event, in one batch, unless there were enough. Where a code is under way, a new one
/// takes its place if it is asked for `again`, or if the address has changed since.
async fn mail<P: Platform>(
    cx: Context<'_, P>,
    finish: &Finish<'_>,
    subject: &Subject,
    request: &Request,
    address: &str,
    again: bool,
) -> Result<Mailed, PlatformError> {
    let (account, attempt, now) = (&finish.site.account, finish.attempt, cx.platform.now());
    let code = six_digits(cx.platform.random());
    let keep = Statement::new(
        "INSERT INTO email_codes (account, attempt, email, code_digest, mailed, tries, expires_at) \
         SELECT ?1, ?2, ?3, ?4, 1, 0, ?5 \
         WHERE ?6 AND (SELECT coalesce(sum(mailed), 0) FROM email_codes INDEXED BY email_codes_by_address \
           WHERE account = ?1 AND email = ?3) < ?7 \
         ON CONFLICT (account, attempt) DO UPDATE SET email = excluded.email, code_digest = excluded.code_digest, \
           mailed = mailed + 1, tries = 0, proven = 0, expires_at = excluded.expires_at \
           WHERE mailed < ?6 AND (?8 OR email <> excluded.email)",
    )
    .bind(&account.id)
    .bind(&attempt.id)
    .bind(address)
    .bind(&digest(cx, &attempt.id, &code))
    .bind(now + LIFETIME)
    .bind(MAX_MAILED)
    .bind(MAX_MAILED_TO_ADDRESS)
    .bind(again);
    let data = json!({
        "sub": subject, "client_id": attempt.request.client_id, "email": address, "code": code,
        "expires_at": (now + LIFETIME).rfc3339(), "locale": attempt.language(request).tag(),
    });
    let event = Event {
        account: &account.id,
        kind: "email.code_requested",
        data,
        subject,
        at: now,
        until: now + LIFETIME,
    };
    let randoms = [cx.platform.random(), cx.platform.random()];
    let owe = outbox::webhook(&cx.settings.keys, randoms, &event);
    let look = Statement::new("SELECT 1 AS mailed FROM email_codes WHERE account = ?1 AND attempt = ?2")
        .bind(&account.id)
        .bind(&attempt.id);
    let outcomes = cx.platform.batch(&account.database, vec![keep, owe, look]).await?;
    cx.hand_over(&account.id, &outcomes).await;
    let has_code =
        outcomes.last().map(Outcome::rows::<Value>).transpose()?.is_some_and(|rows| !rows.is_empty());
    Ok(match outcomes.first() {
        Some(kept) if kept.changes > 0 => Mailed::Now,
        _ if has_code => Mailed::Before,
        _ => Mailed::TooOften,
    })
}

/// What is stored of a code: keyed, because six digits are soon guessed from a plain digest.
fn digest<P>(cx: Context<'_, P>, attempt: &AttemptId, code: &str) -> Digest {
    cx.settings.keys.derived_token("enishi email code v1", &format!("{attempt}:{code}")).digest()
}

fn six_digits(random: [u8; 32]) -> String {
    let number = random.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes)) % 1_000_000;
    format!("{number:06}")
}

fn page(attempt: &Attempt, request: &Request, state: &str, address: &str, note: Option<Text<'_>>) -> Reply {
    let ja = format!("{address} に確認コードをお送りしました。メールに記載の6桁の数字を入力してください。");
    let en = format!("We have sent a code to {address}. Enter the six digits of the mail.");
    let mut paragraphs = vec![Text { ja: &ja, en: &en }];
    paragraphs.extend(note);
    let form = PageForm {
        action: EMAIL_PATH,
        hidden: vec![("state", state)],
        field: Some(Field { name: "code", label: Text { ja: "確認コード", en: "Code" } }),
        choices: vec![
            Choice { value: "verify", label: Text { ja: "確認する", en: "Confirm" } },
            Choice {
                value: "resend", label: Text { ja: "コードを再送する", en: "Send another code" }
            },
            SKIP,
        ],
    };
    shown(attempt, request, paragraphs, form)
}

/// The page where no code is mailed: nobody is to wait for one.
fn no_code_page(attempt: &Attempt, request: &Request, state: &str) -> Reply {
    let text = Text {
        ja: "このメールアドレスには、確認コードを何度もお送りしました。確認せずにお進みいただき、時間をおいてもう一度お試しください。",
        en: "Several codes were sent to this address already. Please go on without, and try again later.",
    };
    let form =
        PageForm { action: EMAIL_PATH, hidden: vec![("state", state)], field: None, choices: vec![SKIP] };
    shown(attempt, request, vec![text], form)
}

const SKIP: Choice<'static> =
    Choice { value: "skip", label: Text { ja: "確認せずに進む", en: "Go on without" } };

fn shown(attempt: &Attempt, request: &Request, paragraphs: Vec<Text<'_>>, form: PageForm<'_>) -> Reply {
    let title = Text { ja: "メールアドレスの確認", en: "Confirm your e-mail address" };
    Page::new(StatusCode::OK, title, paragraphs).form(form).into_reply(attempt.language(request))
}

/// `POST /line/email`: (1) a code that is right verifies the address, if it is still the customer's, and who goes on without
/// is not asked again in this session; (2) the attempt is finished, or the page asks again.
pub async fn email<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    finish::posted(cx, site, request, async |attempt, state, form| {
        let now = cx.platform.now();
        // (1)
        let mut statements = match form.value("choice") {
            Some("verify") => {
                let code = form.value("code").unwrap_or_default();
                prove(site, &attempt.id, &digest(cx, &attempt.id, code.trim()), now)
            }
            Some("skip") => vec![session::waive_email(&site.account.id, &attempt.id)],
            _ => Vec::new(),
        };
        // (2)
        let finish = Finish::new(cx, site, &attempt);
        statements.extend(finish.statements(now));
        let outcomes = cx.platform.batch(&site.account.database, statements).await?;
        finish.leave(cx, request, state, &outcomes).await
    })
    .await
}

/// Tries a code; where it is right, the address that it was mailed to is verified, if it is still the customer's.
fn prove(site: &Site, attempt: &AttemptId, digest: &Digest, now: UnixMillis) -> Vec<Statement> {
    let tried = Statement::new(
        "UPDATE email_codes SET tries = tries + 1, proven = (code_digest = ?3) \
         WHERE account = ?1 AND attempt = ?2 AND proven = 0 AND tries < ?4 AND expires_at > ?5",
    )
    .bind(&site.account.id)
    .bind(attempt)
    .bind(digest)
    .bind(MAX_TRIES)
    .bind(now);
    let verified = Statement::new(
        "UPDATE line_users SET email_verified_at = ?3 WHERE id = \
           (SELECT s.line_user FROM login_attempts t JOIN sessions s ON s.account = ?1 AND s.sid = t.sid \
            WHERE t.account = ?1 AND t.attempt = ?2) \
         AND email = (SELECT email FROM email_codes WHERE account = ?1 AND attempt = ?2 AND proven = 1)",
    )
    .bind(&site.account.id)
    .bind(attempt)
    .bind(now);
    vec![tried, verified]
}
