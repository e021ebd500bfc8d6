//! LINE Login v2.1 as a relying party (LINE Login reference): the authorization request, the exchange of its code, the
//! friendship status, and what came back to `/line/callback`.

use http::Method;
use serde::{Deserialize, Serialize};

use super::assertion;
use crate::{
    config::{FriendMode, LoginChannel},
    platform::LineBases,
    secret::{Keys, Purpose, SecretText},
    time::{MINUTE, SECOND, UnixMillis},
    web::{Call, form::Form, language::Language},
};

/// What one authorization request to LINE says, beside the channel.
#[derive(Debug, Clone, Copy)]
pub struct Authorization<'a> {
    /// Our callback, exactly as it is registered at LINE.
    pub redirect_uri: &'a str,
    /// Only letters and digits: LINE takes no other.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// PKCE S256 challenge (RFC 7636 section 4.2); auto-login from the Yahoo! JAPAN app needs it.
    pub code_challenge: &'a str,
    /// Whether the friend box is shown.
    pub friend_add: FriendMode,
    /// `login` or `consent`, where the client asked for a fresh authentication or consent.
    pub prompt: Option<&'static str>,
    /// The client's `max_age`, in seconds.
    pub max_age: Option<u32>,
    /// Auto-login failed in this browser.
    pub disable_auto_login: bool,
    /// The address is asked for, and the channel may.
    pub email: bool,
    /// The language of LINE's pages (`ui_locales`).
    pub language: Option<Language>,
}

/// The URL of LINE's authorization endpoint. Scope `profile openid` is what name, picture and friendship need; no
/// `prompt` unless the client asked, because `prompt=login` turns auto-login off.
#[must_use]
pub fn authorize_url(bases: &LineBases, channel: &LoginChannel, request: Authorization<'_>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &channel.channel_id)
        .append_pair("redirect_uri", request.redirect_uri)
        .append_pair("state", request.state)
        .append_pair("scope", if request.email { "profile openid email" } else { "profile openid" })
        .append_pair("nonce", request.nonce)
        .append_pair("code_challenge", request.code_challenge)
        .append_pair("code_challenge_method", "S256");
    match request.friend_add {
        FriendMode::Normal => _ = query.append_pair("bot_prompt", "normal"),
        FriendMode::Aggressive => _ = query.append_pair("bot_prompt", "aggressive"),
        FriendMode::Off => {}
    }
    if let Some(prompt) = request.prompt {
        query.append_pair("prompt", prompt);
    }
    if let Some(seconds) = request.max_age {
        query.append_pair("max_age", &seconds.to_string());
    }
    if request.disable_auto_login {
        query.append_pair("disable_auto_login", "true");
    }
    if let Some(language) = request.language {
        query.append_pair("ui_locales", language.tag());
    }
    // LINE documents spaces as %20.
    let query = query.finish().replace('+', "%20");
    format!("{}/oauth2/v2.1/authorize?{query}", bases.access)
}

/// What LINE sent to the callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Our `state`, or a foreign one after a failed auto-login.
    pub unverified_state: Option<String>,
    /// The code, or LINE's error.
    pub result: Result<String, LoginError>,
    /// `friendship_status_changed`, where the friend box was shown; the customer could alter it.
    pub unverified_changed: Option<bool>,
}

/// LINE's error codes at the callback (LINE Login documentation, "Receiving the error response").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginError {
    /// The customer cancelled on the consent screen.
    AccessDenied,
    /// `prompt=none` could not be honoured.
    LoginRequired,
    /// LINE failed.
    ServerError,
    /// Our request was not to LINE's liking: a defect or a wrong configuration.
    Refused,
    /// Neither a code nor an error.
    Missing,
}

impl LoginError {
    /// The stable label that is logged.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::AccessDenied => "line_access_denied",
            Self::LoginRequired => "line_login_required",
            Self::ServerError => "line_server_error",
            Self::Refused => "line_refused_request",
            Self::Missing => "line_callback_without_code",
        }
    }
}

impl Callback {
    /// Reads the query of the callback. Parameters that LINE or a link added are ignored.
    #[must_use]
    pub fn read(form: &Form) -> Self {
        let result = match (form.value("error"), form.value("code")) {
            (Some(error), _) => Err(match error.to_ascii_uppercase().as_str() {
                "ACCESS_DENIED" => LoginError::AccessDenied,
                "LOGIN_REQUIRED" | "INTERACTION_REQUIRED" => LoginError::LoginRequired,
                "SERVER_ERROR" => LoginError::ServerError,
                _ => LoginError::Refused,
            }),
            (None, Some(code)) => Ok(code.to_owned()),
            (None, None) => Err(LoginError::Missing),
        };
        let unverified_changed = match form.value("friendship_status_changed") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        Self { unverified_state: form.value("state").map(str::to_owned), result, unverified_changed }
    }
}

/// What the channel shows of its credential in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The channel secret.
    Secret(SecretText),
    /// A client assertion, signed and fresh (`assertion.rs`).
    Assertion(SecretText),
}

impl Proof {
    /// The fields of a form that prove the channel, beside `client_id`.
    fn fields(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Secret(secret) => vec![("client_secret", secret.expose())],
            Self::Assertion(signed) => vec![
                ("client_assertion_type", assertion::ASSERTION_TYPE),
                ("client_assertion", signed.expose()),
            ],
        }
    }
}

/// Exchanges LINE's code. To be called once: LINE spends the code even when the exchange fails.
#[must_use]
pub fn exchange(
    bases: &LineBases,
    channel: &LoginChannel,
    proof: &Proof,
    code: &str,
    redirect_uri: &str,
    verifier: &str,
) -> Call {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier),
        ("client_id", &channel.channel_id),
    ];
    fields.extend(proof.fields());
    Call::form(format!("{}/oauth2/v2.1/token", bases.api), &fields)
}

/// What the exchange answers.
#[derive(Debug, Deserialize)]
pub struct Tokens {
    /// For the friendship status; valid 30 days.
    pub access_token: SecretText,
    /// Its lifetime in seconds; LINE may lose it like every other member that is not needed.
    #[serde(default)]
    pub expires_in: Option<i64>,
    /// Draws further access tokens for 90 days after the login.
    #[serde(default)]
    pub refresh_token: Option<SecretText>,
    /// To be verified before it is believed.
    #[serde(rename = "id_token")]
    pub unverified_id_token: String,
}

/// How long a user's access token counts if LINE does not say, in seconds: less than the 30 days of its reference.
const ACCESS_LIFETIME: i64 = 7 * 24 * 3_600;

/// LINE's tokens of a user, as they are held for the one use that they have here: telling LINE of an unlinking.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldTokens {
    /// Alive until `access_until`.
    pub access_token: SecretText,
    /// With a margin.
    pub access_until: UnixMillis,
    /// Draws further ones.
    pub refresh_token: Option<SecretText>,
}

impl HeldTokens {
    /// What an exchange at `now` gave, sealed.
    #[must_use]
    pub fn seal(tokens: &Tokens, keys: &Keys, random: [u8; 32], now: UnixMillis) -> String {
        let lifetime = tokens.expires_in.unwrap_or(ACCESS_LIFETIME).saturating_mul(SECOND);
        let held = Self {
            access_token: tokens.access_token.clone(),
            access_until: now + (lifetime - MINUTE),
            refresh_token: tokens.refresh_token.clone(),
        };
        keys.seal_text(Purpose::LineTokens, &serde_json::to_string(&held).unwrap_or_default(), random)
    }

    /// Opens them; none if they were sealed under a key that is gone.
    #[must_use]
    pub fn open(keys: &Keys, sealed: &str) -> Option<Self> {
        serde_json::from_str(keys.open_text(Purpose::LineTokens, sealed).ok()?.expose()).ok()
    }
}

/// Draws another access token of the user. LINE answers the same refresh token again, which lives no longer for it;
/// 400 `invalid_grant` once it is over, or the user has ended the authorization.
#[must_use]
pub fn refresh(bases: &LineBases, channel: &LoginChannel, proof: &Proof, refresh_token: &SecretText) -> Call {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.expose()),
        ("client_id", &channel.channel_id),
    ];
    fields.extend(proof.fields());
    Call::form(format!("{}/oauth2/v2.1/token", bases.api), &fields)
}

/// What a refresh answers.
#[derive(Debug, Deserialize)]
pub struct Refreshed {
    /// The user's new access token.
    pub access_token: SecretText,
    /// Its lifetime in seconds.
    #[serde(default)]
    pub expires_in: Option<i64>,
}

/// Asks for a stateless channel access token of the Login channel: 15 minutes, any number of them. An assertion says
/// itself which channel's it is.
#[must_use]
pub fn channel_token(bases: &LineBases, channel: &LoginChannel, proof: &Proof) -> Call {
    let mut fields = vec![("grant_type", "client_credentials")];
    if matches!(proof, Proof::Secret(_)) {
        fields.push(("client_id", &channel.channel_id));
    }
    fields.extend(proof.fields());
    Call::form(format!("{}/oauth2/v3/token", bases.api), &fields)
}

/// Ends the authorization that the user of this access token gave the Login channel: 204. LINE takes only a stateless
/// token of that very channel (or a v2.1 one), and a user's token that is alive; 400 `invalid token` if the authorization
/// is over already.
#[must_use]
pub fn deauthorize(bases: &LineBases, channel_token: &SecretText, user_access_token: &SecretText) -> Call {
    let body = serde_json::json!({ "userAccessToken": user_access_token.expose() }).to_string();
    Call::json(format!("{}/user/v1/deauthorize", bases.api), body.into_bytes()).bearer(channel_token.expose())
}

/// Asks whether the user of this access token is a friend of the linked Official Account.
#[must_use]
pub fn friendship(bases: &LineBases, user_access_token: &SecretText) -> Call {
    Call::new(Method::GET, format!("{}/friendship/v1/status", bases.api)).bearer(user_access_token.expose())
}

/// The keys of LIFF's ID tokens (LINE's `jwks_uri`).
#[must_use]
pub fn certs(bases: &LineBases) -> Call {
    Call::new(Method::GET, format!("{}/oauth2/v2.1/certs", bases.api))
}

/// Friend and not blocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Friendship {
    /// LINE's word for it.
    #[serde(rename = "friendFlag")]
    pub friend_flag: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> LoginChannel {
        LoginChannel {
            channel_id: "1234567890".into(),
            credential: crate::config::Credential::Secret(SecretText::new("s".into())),
            email_permission: false,
        }
    }

    fn request(friend_add: FriendMode) -> Authorization<'static> {
        Authorization {
            redirect_uri: "https://app.example.com/line/callback",
            state: "9f8e7d6c",
            nonce: "n",
            code_challenge: "BSCQwo_m8Wf0fpjmwkIKmPAJ1A7tiuRSNDnXzODS7QI",
            friend_add,
            prompt: None,
            max_age: None,
            disable_auto_login: false,
            email: false,
            language: None,
        }
    }

    #[test]
    fn the_authorization_request_asks_for_profile_and_openid_with_pkce_and_leaves_auto_login_on() {
        let url = authorize_url(&LineBases::default(), &channel(), request(FriendMode::Normal));
        assert!(url.starts_with(
            "https://access.line.me/oauth2/v2.1/authorize?response_type=code&client_id=1234567890"
        ));
        assert!(url.contains("&scope=profile%20openid&"));
        assert!(url.contains("&bot_prompt=normal"));
        assert!(!url.contains("&prompt=") && !url.contains("disable_auto_login") && !url.contains("max_age"));
        let off = authorize_url(&LineBases::default(), &channel(), request(FriendMode::Off));
        assert!(!off.contains("bot_prompt"));
    }

    #[test]
    fn an_error_wins_over_a_code_and_its_case_does_not_matter() {
        let read = |query: &str| Callback::read(&Form::parse(query.as_bytes()).unwrap()).result;
        assert_eq!(read("error=access_denied&state=a"), Err(LoginError::AccessDenied));
        assert_eq!(read("error=INTERACTION_REQUIRED&code=x"), Err(LoginError::LoginRequired));
        assert_eq!(read("state=a"), Err(LoginError::Missing));
        assert_eq!(read("code=c&friendship_status_changed=true"), Ok("c".into()));
    }

    #[test]
    fn a_refresh_and_the_end_of_an_authorization_are_asked_as_line_documents_them() {
        let (bases, text) = (LineBases::default(), |text: &str| SecretText::new(text.into()));
        let call = refresh(&bases, &channel(), &Proof::Secret(text("s")), &text("r"));
        assert_eq!(call.url, "https://api.line.me/oauth2/v2.1/token");
        let expected = "grant_type=refresh_token&refresh_token=r&client_id=1234567890&client_secret=s";
        assert_eq!(String::from_utf8_lossy(&call.body), expected);
        let call = deauthorize(&bases, &text("channel"), &text("user"));
        assert_eq!(
            (&call.method, call.url.as_str()),
            (&Method::POST, "https://api.line.me/user/v1/deauthorize")
        );
        assert_eq!(call.headers["authorization"], "Bearer channel");
        assert_eq!(call.body, br#"{"userAccessToken":"user"}"#);
    }

    #[test]
    fn a_channel_without_a_secret_proves_itself_by_an_assertion() {
        let (bases, proof) = (LineBases::default(), Proof::Assertion(SecretText::new("a.b.c".into())));
        let asserted = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                        &client_assertion=a.b.c";
        let body = |call: Call| String::from_utf8(call.body).unwrap();
        let exchanged = body(exchange(&bases, &channel(), &proof, "c", "https://a.example/", "v"));
        assert!(exchanged.ends_with(&format!("&client_id=1234567890&{asserted}")), "{exchanged}");
        let token = body(channel_token(&bases, &channel(), &proof));
        assert_eq!(token, format!("grant_type=client_credentials&{asserted}"));
    }

    #[test]
    fn tokens_are_read_whether_or_not_line_says_how_long_they_live() {
        let read = |text: &str| serde_json::from_str::<Tokens>(text).unwrap();
        let whole = read(r#"{"access_token":"a","id_token":"i","expires_in":2592000,"refresh_token":"r"}"#);
        assert_eq!((whole.expires_in, whole.refresh_token.unwrap().expose()), (Some(2_592_000), "r"));
        let least = read(r#"{"access_token":"a","id_token":"i","new":{}}"#);
        assert!(least.expires_in.is_none() && least.refresh_token.is_none());
    }
}
