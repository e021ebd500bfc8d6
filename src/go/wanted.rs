//! A link as a caller wants it, checked: its page is one of the client's, its end lies ahead, and it names nobody.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::page_of;
use crate::{
    config::{Account, MAX_PAGE},
    id::{ClientId, LineUserId},
    time::{DAY, SECOND, UnixMillis},
    web::ApiError,
};

/// How long a sealed link may live, and does where nothing is said, in milliseconds: nothing calls it back.
const MAX_SEALED: i64 = 30 * DAY;

/// The longest label and campaign, in characters.
const MAX_NAME: usize = 100;

/// Context parameters of one link, and the longest name and value in characters.
const MAX_CONTEXT: (usize, usize, usize) = (10, 40, 200);

/// A link as it is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(rename = "type")]
    kind: Option<String>,
    pub(super) client_id: ClientId,
    target: String,
    #[serde(default)]
    pub(super) label: String,
    #[serde(default)]
    pub(super) campaign: String,
    #[serde(default)]
    context: Map<String, Value>,
    expires_at: Option<String>,
    expires_in: Option<i64>,
}

impl Wanted {
    /// When it is to end, by either way to say so.
    pub(super) fn end(&self, now: UnixMillis) -> Result<Option<UnixMillis>, ApiError> {
        let end = match (&self.expires_at, self.expires_in) {
            (Some(_), Some(_)) => return Err(refused("say either expires_at or expires_in")),
            (Some(text), None) => Some(
                UnixMillis::parse_rfc3339(text)
                    .ok_or_else(|| refused("expires_at must be a time such as 2026-01-05T12:00:00+09:00"))?,
            ),
            // Ten years, so that the sum stays a date.
            (None, Some(seconds)) if !(1..=315_360_000).contains(&seconds) => {
                return Err(refused("expires_in must be 1 to 315360000 seconds"));
            }
            (None, Some(seconds)) => Some(now + seconds * SECOND),
            (None, None) => None,
        };
        if end.is_some_and(|end| end <= now) {
            return Err(refused("expires_at must lie ahead"));
        }
        match (self.is_sealed()?, end) {
            (false, end) => Ok(end),
            (true, None) => Ok(Some(now + MAX_SEALED)),
            (true, Some(end)) if end - now <= MAX_SEALED => Ok(Some(end)),
            (true, Some(_)) => Err(refused(
                "a sealed link lives at most 30 days, since it cannot be revoked; make it stored",
            )),
        }
    }

    /// Whether it carries everything in its address, or is looked up.
    pub(super) fn is_sealed(&self) -> Result<bool, ApiError> {
        match self.kind.as_deref() {
            None | Some("stored") => Ok(false),
            Some("sealed") => Ok(true),
            Some(_) => Err(refused("type must be stored or sealed")),
        }
    }

    /// Says what is wrong with everything but the page and the end.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let is_name = |text: &str| text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control);
        if !is_name(&self.label) || !is_name(&self.campaign) {
            return Err(refused(
                "label and campaign have at most 100 characters, none of them control characters",
            ));
        }
        let (number, name_length, value_length) = MAX_CONTEXT;
        let is_parameter = |(name, value): (&String, &Value)| {
            let is_value =
                |value: &str| value.chars().count() <= value_length && !value.chars().any(char::is_control);
            (1..=name_length).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && value.as_str().is_some_and(is_value)
        };
        if self.context.len() > number || !self.context.iter().all(is_parameter) {
            return Err(refused(
                "context has at most 10 parameters, with names of A-Z a-z 0-9 _ and texts of at most 200 characters",
            ));
        }
        Ok(())
    }

    /// The page as it is stored: ASCII, absolute, one of the client's, naming nobody.
    pub(super) fn page(&self, account: &Account) -> Result<String, ApiError> {
        let client = account
            .client(self.client_id.as_str())
            .ok_or_else(|| refused("client_id is none of this account's"))?;
        let is_plain = !self.target.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
        let parsed = Url::parse(&self.target).ok().filter(|_| is_plain);
        let Some(url) = parsed.filter(|url| client.may_lead_to(url.as_str(), &account.host)) else {
            return Err(refused(format!(
                "target must be an absolute https URL of at most {MAX_PAGE} bytes, without a user, at an origin of the \
                 client's: that of a redirect URI, of initiate_login_uri or home_uri, or one of target_origins"
            )));
        };
        if let Some((taken, _)) = url.query_pairs().find(|(name, _)| self.context.contains_key(&**name)) {
            return Err(refused(format!("the parameter {taken} stands in target and in context")));
        }
        let mut in_context = self.context.values().filter_map(Value::as_str);
        if url.query_pairs().any(|(_, value)| names_somebody(&value)) || in_context.any(names_somebody) {
            return Err(refused(
                "a link goes from hand to hand: it must not hold a LINE user id or a token, in target or in context",
            ));
        }
        let page = page_of(url.as_str(), &self.context_json());
        if !client.may_lead_to(&page, &account.host) {
            return Err(refused(format!("target with its context must be at most {MAX_PAGE} bytes")));
        }
        Ok(url.into())
    }

    pub(super) fn context_json(&self) -> String {
        serde_json::to_string(&self.context).unwrap_or_default()
    }
}

/// Whether a value is somebody's id at LINE, or has the form of a JWT.
fn names_somebody(value: &str) -> bool {
    let is_jwt = value.starts_with("eyJ") && value.split('.').count() == 3;
    is_jwt || LineUserId::parse(value).is_ok()
}

pub(super) fn refused(description: impl Into<String>) -> ApiError {
    ApiError::invalid_request(description)
}
