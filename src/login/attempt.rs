//! A login attempt: what must be remembered between `/authorize` and `/line/callback`, sealed in a cookie of this
//! browser. Browsers drop cookies above 4,096 bytes without a word, so a larger attempt waits in a row instead.

use serde::{Deserialize, Serialize};

use crate::{
    config::{Account, FriendMode},
    id::{AttemptId, AutoLoginLinkId},
    oauth::authorization::{AuthorizationRequest, Prompt},
    secret::{Keys, Purpose, SecretText},
    store::Statement,
    time::{MINUTE, SECOND, UnixMillis},
    web::{Request, cookie, language::Language},
};

/// How long an attempt may take, in milliseconds: LINE's code lives 10 minutes, and customers hesitate.
pub(super) const LIFETIME: i64 = 15 * MINUTE;

/// The longest cookie value that is set, in bytes.
const MAX_COOKIE: usize = 3_800;

/// Attempts that one browser may have under way.
const MAX_TABS: usize = 5;

/// Everything that the callback needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) request: AuthorizationRequest,
    pub(super) line_nonce: String,
    pub(super) line_verifier: SecretText,
    pub(super) started_at: UnixMillis,
    /// How it begins, for what is counted of it.
    #[serde(rename = "m", default)]
    pub(super) manner: Manner,
}

/// How an attempt begins.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Manner {
    /// The auto-login link that it began at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) via: Option<AutoLoginLinkId>,
    /// LINE is asked not to try auto-login.
    pub(super) auto_login_off: bool,
    /// How the friend box is offered.
    pub(super) friend_mode: FriendMode,
}

/// An attempt in its cookie, or the name of the row that holds it.
#[derive(Debug, Serialize, Deserialize)]
enum Carried {
    #[serde(rename = "a")]
    Whole(Box<Attempt>),
    #[serde(rename = "p")]
    Parked(AttemptId),
    #[serde(rename = "q")]
    ParkedPushed(AttemptId, String),
}

/// What the cookie of an attempt said.
#[derive(Debug)]
pub(super) enum Found {
    /// The attempt.
    Whole(Box<Attempt>),
    /// The attempt is in the row of this id.
    Parked,
}

impl Attempt {
    /// An attempt to satisfy `request`, with fresh nonce and verifier for LINE.
    pub(super) fn new(
        request: AuthorizationRequest,
        manner: Manner,
        randoms: [[u8; 32]; 3],
        now: UnixMillis,
    ) -> Self {
        let [id, nonce, verifier] = randoms;
        Self {
            id: AttemptId::from_random(id),
            request,
            line_nonce: crate::id::short(nonce),
            line_verifier: SecretText::from_random(verifier),
            started_at: now,
            manner,
        }
    }

    /// The `max_age` to ask LINE for, in seconds: the client's, or for `prompt=login` one that makes LINE say when it
    /// authenticated. Where it is asked for, the ID token must say so.
    pub(super) fn max_age_for_line(&self) -> Option<u32> {
        self.request
            .max_age
            .or_else(|| self.prompts_login().then(|| u32::try_from(LIFETIME / SECOND).unwrap_or(u32::MAX)))
    }

    /// The oldest authentication that the client accepts.
    pub(super) fn not_before(&self) -> UnixMillis {
        let by_max_age = self.request.max_age.map(|max_age| self.started_at + -(i64::from(max_age) * SECOND));
        let by_prompt = self.prompts_login().then_some(self.started_at);
        by_max_age.max(by_prompt).unwrap_or(UnixMillis(0))
    }

    fn prompts_login(&self) -> bool {
        self.request.prompt == Prompt::Login
    }

    /// The language of our pages: the client's word, else the browser's.
    pub(super) fn language(&self, request: &Request) -> Language {
        self.request.language.unwrap_or_else(|| Language::of(request))
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self, now: UnixMillis) -> bool {
        now - self.started_at > LIFETIME
    }

    /// The `Set-Cookie` headers that bind the attempt to this browser, the oldest of too many removed, and the row to
    /// write where the attempt is too large for a cookie.
    pub(super) fn carry(
        &self,
        account: &Account,
        request: &Request,
        keys: &Keys,
        random: impl Fn() -> [u8; 32],
    ) -> (Vec<String>, Option<Statement>) {
        let seal = |carried: &Carried| {
            keys.seal_text(Purpose::Attempt, &serde_json::to_string(carried).unwrap_or_default(), random())
        };
        let whole = seal(&Carried::Whole(Box::new(self.clone())));
        let (value, row) = if whole.len() <= MAX_COOKIE {
            (whole, None)
        } else {
            let carried = match &self.request.pushed {
                Some(pushed) => Carried::ParkedPushed(self.id.clone(), pushed.opener.clone()),
                None => Carried::Parked(self.id.clone()),
            };
            (seal(&carried), Some(self.park(account, &whole)))
        };
        let mut cookies = vec![cookie::set(&name(&self.id), &value, LIFETIME / SECOND)];
        let under_way: Vec<&str> = attempts(request).map(|(name, _)| name).collect();
        let too_many = (under_way.len() + 1).saturating_sub(MAX_TABS);
        cookies.extend(under_way.iter().take(too_many).map(|name| cookie::clear(name)));
        (cookies, row)
    }

    fn park(&self, account: &Account, sealed: &str) -> Statement {
        Statement::new(
            "INSERT INTO parked_attempts (account, attempt, sealed, created_at) VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(&account.id)
        .bind(&self.id)
        .bind(sealed)
        .bind(self.started_at)
    }

    /// Opens the sealed attempt of a row.
    pub(super) fn unpark(keys: &Keys, id: &AttemptId, sealed: &str) -> Option<Self> {
        match open(keys, sealed)? {
            Carried::Whole(attempt) if attempt.id == *id => Some(*attempt),
            _ => None,
        }
    }

    /// Reads the row of a parked attempt.
    pub(super) fn parked(account: &Account, id: &AttemptId) -> Statement {
        Statement::new("SELECT sealed FROM parked_attempts WHERE account = ?1 AND attempt = ?2")
            .bind(&account.id)
            .bind(id)
    }
}

/// The attempt of this id, if this browser carries it.
pub(super) fn find(request: &Request, keys: &Keys, id: &AttemptId) -> Option<Found> {
    let value = cookie::value(request, &name(id))?;
    match open(keys, value)? {
        Carried::Whole(attempt) if attempt.id == *id => Some(Found::Whole(attempt)),
        Carried::Parked(parked) | Carried::ParkedPushed(parked, _) if parked == *id => Some(Found::Parked),
        _ => None,
    }
}

/// The newest attempt in this browser: the way back when LINE returned a foreign `state`.
pub(super) fn newest(request: &Request, keys: &Keys) -> Option<Box<Attempt>> {
    whole(request, keys).max_by_key(|attempt| attempt.started_at)
}

/// The names under which this browser has opened pushed requests.
pub(super) fn openers(request: &Request, keys: &Keys) -> Vec<String> {
    let carried = attempts(request).filter_map(|(_, value)| open(keys, value));
    let opener = |carried| match carried {
        Carried::Whole(attempt) => Some(attempt.request.pushed?.opener),
        Carried::ParkedPushed(_, opener) => Some(opener),
        Carried::Parked(_) => None,
    };
    carried.filter_map(opener).collect()
}

/// The attempts that this browser carries whole.
fn whole(request: &Request, keys: &Keys) -> impl Iterator<Item = Box<Attempt>> {
    let carried = attempts(request).filter_map(|(_, value)| open(keys, value));
    carried.filter_map(|carried| match carried {
        Carried::Whole(attempt) => Some(attempt),
        Carried::Parked(_) | Carried::ParkedPushed(..) => None,
    })
}

fn attempts(request: &Request) -> impl Iterator<Item = (&str, &str)> {
    cookie::all(request).filter(|(name, _)| name.starts_with(cookie::ATTEMPT_PREFIX))
}

fn open(keys: &Keys, value: &str) -> Option<Carried> {
    serde_json::from_str(keys.open_text(Purpose::Attempt, value).ok()?.expose()).ok()
}

fn name(id: &AttemptId) -> String {
    format!("{}{id}", cookie::ATTEMPT_PREFIX)
}
