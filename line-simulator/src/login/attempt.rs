//! An authorization request that LINE accepted as well-formed, and what became of it so far.
//!
//! In: the query of `GET /oauth2/v2.1/authorize`. Out: an [`Attempt`], or a refusal: LINE's own error page while
//! client and redirect URI are not proven, else an error at the callback. Not here: the screens (`screen.rs`).

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::id::{ChannelId, UserId};
use crate::request::Parameters;

/// `prompt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Prompt {
    Consent,
    Login,
    None,
}

/// `bot_prompt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BotPrompt {
    Normal,
    Aggressive,
}

/// A login that has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) channel_id: ChannelId,
    pub(crate) redirect_uri: String,
    pub(crate) state: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) code_challenge: Option<String>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) bot_prompt: Option<BotPrompt>,
    pub(crate) max_age: Option<i64>,
    pub(crate) auto_login_off: bool,
    pub(crate) began: i64,
    /// Who logs in, once that is known.
    pub(crate) user: Option<UserId>,
    /// How they proved it.
    pub(crate) amr: String,
    /// When they proved it, Unix milliseconds.
    pub(crate) auth_time: i64,
    /// Whether consent was given and only the friend screen of `aggressive` is left.
    pub(crate) consented: bool,
    /// `friendship_status_changed`, once the option was displayed.
    pub(crate) friendship_changed: Option<bool>,
}

/// Why an authorization request goes no further.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// LINE's 400 page: the callback is not proven, so nobody is sent there.
    Page(&'static str),
    /// An error at the callback.
    Callback { redirect_uri: String, state: Option<String>, error: &'static str, description: String },
}

impl Attempt {
    /// Reads an authorization request in LINE's order: client and callback, then the parameters.
    pub(crate) fn parse(query: &Parameters, config: &Config, now: i64) -> Result<Self, Refusal> {
        let client = query.get("client_id").and_then(|id| config.login(id));
        let channel = client.ok_or(Refusal::Page("Invalid client_id value."))?;
        let redirect_uri = query.get("redirect_uri").unwrap_or_default().to_owned();
        if !channel.callback_urls.iter().any(|registered| is_callback(registered, &redirect_uri)) {
            return Err(Refusal::Page(
                "Invalid redirect_uri value. Check if it is registered in a LINE developers site.",
            ));
        }
        let state = query.get("state").map(str::to_owned);
        Self::parameters(query, channel.channel_id.clone(), &redirect_uri, now)
            .map_err(|(error, description)| Refusal::Callback { redirect_uri, state, error, description })
    }

    fn parameters(
        query: &Parameters,
        channel_id: ChannelId,
        redirect_uri: &str,
        now: i64,
    ) -> Result<Self, (&'static str, String)> {
        if let Some(name) = query.repeated() {
            return Err(invalid(format!("'{name}' is specified more than once.")));
        }
        let state = query.get("state").ok_or_else(|| invalid("'state' is not specified."))?;
        if query.get("response_type") != Some("code") {
            return Err(("UNSUPPORTED_RESPONSE_TYPE", "response_type must be code.".into()));
        }
        if query.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(invalid("only response_mode=query is played here."));
        }
        let flag = |name| match query.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(format!("'{name}' must be true or false."))),
        };
        let (auto_login, ios) = (flag("disable_auto_login")?, flag("disable_ios_auto_login")?);
        flag("switch_amr")?;
        ui_locales(query)?;
        Ok(Self {
            channel_id,
            redirect_uri: redirect_uri.to_owned(),
            state: state.to_owned(),
            scopes: scopes(query)?,
            nonce: query.get("nonce").map(str::to_owned),
            code_challenge: code_challenge(query)?,
            prompt: prompt(query)?,
            bot_prompt: bot_prompt(query)?,
            max_age: max_age(query)?,
            auto_login_off: auto_login || ios || query.get("prompt") == Some("login"),
            began: now,
            user: None,
            amr: String::new(),
            auth_time: 0,
            consented: false,
            friendship_changed: None,
        })
    }

    /// The callback with these parameters added.
    pub(crate) fn callback(&self, parameters: &[(&str, &str)]) -> String {
        callback(&self.redirect_uri, parameters)
    }
}

pub(crate) fn callback(redirect_uri: &str, parameters: &[(&str, &str)]) -> String {
    let mark = if redirect_uri.contains('?') { '&' } else { '?' };
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{redirect_uri}{mark}{query}")
}

/// A registered callback URL, exactly, or with extra query parameters; never a fragment.
fn is_callback(registered: &str, asked: &str) -> bool {
    let mark = if registered.contains('?') { '&' } else { '?' };
    let rest = asked.strip_prefix(registered);
    !asked.contains('#') && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(mark))
}

fn invalid(description: impl Into<String>) -> (&'static str, String) {
    ("INVALID_REQUEST", description.into())
}

fn scopes(query: &Parameters) -> Result<Vec<String>, (&'static str, String)> {
    let scopes: Vec<String> = query
        .get("scope")
        .unwrap_or_default()
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .map(Into::into)
        .collect();
    let has = |name: &str| scopes.iter().any(|scope| scope == name);
    let known = scopes.iter().all(|scope| matches!(scope.as_str(), "profile" | "openid" | "email"));
    if known && (has("profile") || has("openid")) && (!has("email") || has("openid")) {
        Ok(scopes)
    } else {
        Err(("INVALID_SCOPE", "The requested scope is invalid.".into()))
    }
}

fn code_challenge(query: &Parameters) -> Result<Option<String>, (&'static str, String)> {
    match (query.get("code_challenge"), query.get("code_challenge_method")) {
        (None, None) => Ok(None),
        (Some(challenge), Some("S256")) if is_challenge(challenge) => Ok(Some(challenge.to_owned())),
        (Some(_), Some("S256")) => Err(invalid("'code_challenge' is not a SHA-256 in Base64url.")),
        _ => Err(invalid("'code_challenge_method' must be S256 and come with 'code_challenge'.")),
    }
}

fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn prompt(query: &Parameters) -> Result<Option<Prompt>, (&'static str, String)> {
    match query.get("prompt") {
        None => Ok(None),
        Some("consent") => Ok(Some(Prompt::Consent)),
        Some("login") => Ok(Some(Prompt::Login)),
        Some("none") => Ok(Some(Prompt::None)),
        Some(_) => Err(invalid("'prompt' must be consent, login or none.")),
    }
}

fn bot_prompt(query: &Parameters) -> Result<Option<BotPrompt>, (&'static str, String)> {
    match query.get("bot_prompt") {
        None => Ok(None),
        Some("normal") => Ok(Some(BotPrompt::Normal)),
        Some("aggressive") => Ok(Some(BotPrompt::Aggressive)),
        Some(_) => Err(invalid("'bot_prompt' must be normal or aggressive.")),
    }
}

/// Language tags, most wanted first; which of them LINE speaks is its own affair, so that any tag will do.
fn ui_locales(query: &Parameters) -> Result<(), (&'static str, String)> {
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_tag = |tag: &str| tag.split('-').all(is_subtag);
    match query.get("ui_locales") {
        Some(tags) if !tags.split(' ').all(is_tag) => {
            Err(invalid("'ui_locales' must be BCP 47 language tags, separated by spaces."))
        }
        _ => Ok(()),
    }
}

fn max_age(query: &Parameters) -> Result<Option<i64>, (&'static str, String)> {
    let Some(text) = query.get("max_age") else { return Ok(None) };
    match text.parse() {
        Ok(seconds) if (0..=i64::from(u32::MAX)).contains(&seconds) => Ok(Some(seconds)),
        _ => Err(invalid("'max_age' must be a number of seconds.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_registered_exactly_or_with_extra_query_parameters() {
        let registered = "https://app.example.com/line/callback";
        assert!(is_callback(registered, registered));
        assert!(is_callback(registered, "https://app.example.com/line/callback?next=1"));
        assert!(!is_callback(registered, "https://app.example.com/line/callback/"));
        assert!(!is_callback(registered, "https://app.example.com/line/callback2"));
        assert!(!is_callback(registered, "https://app.example.com/line/callback?a=1#x"));
        assert!(!is_callback(registered, "https://app.example.com//line/callback"));
        assert!(is_callback("https://a.example/cb?x=1", "https://a.example/cb?x=1&y=2"));
        assert!(!is_callback("https://a.example/cb?x=1", "https://a.example/cb?x=12"));
    }

    #[test]
    fn ui_locales_are_language_tags_separated_by_spaces() {
        let accepted = |tags: &str| ui_locales(&Parameters::parse(tags.as_bytes())).is_ok();
        assert!(accepted(""));
        assert!(accepted("ui_locales=ja%20en-US%20zh-Hant-TW"));
        assert!(accepted("ui_locales=tlh"), "a language that LINE does not speak is no error");
        assert!(!accepted("ui_locales=ja,en;q=0.5"));
        assert!(!accepted("ui_locales=ja_JP"));
    }

    #[test]
    fn scope_needs_profile_or_openid_and_email_needs_openid() {
        let scope = |text: &str| scopes(&Parameters::parse(format!("scope={text}").as_bytes())).is_ok();
        assert!(scope("profile%20openid"));
        assert!(scope("openid%20email"));
        assert!(!scope("email"));
        assert!(!scope("profile%20email"));
        assert!(!scope(""));
        assert!(!scope("profile%20admin"));
    }
}
