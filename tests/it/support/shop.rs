//! A shop's backend: an OIDC relying party that checks everything it is told.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use enishi::{
    oauth::{es256, pkce},
    web::Reply,
};
use enishi_world::{LineAccount, World, request, verifies_rs256};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use super::json_body;

/// One storefront and its keys.
pub(crate) struct Shop {
    pub(crate) line: LineAccount,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) redirect_uri: String,
    pub(crate) home_uri: String,
    pub(crate) api_key: String,
}

/// A login that the shop has begun.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

impl Login {
    /// With one more parameter in the authorization request.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let mut url = Url::parse(&self.url).unwrap();
        url.query_pairs_mut().append_pair(name, value);
        self.url = url.into();
        self
    }

    /// With another value of a parameter, or without it.
    pub(crate) fn but(mut self, name: &str, value: Option<&str>) -> Self {
        let mut url = Url::parse(&self.url).unwrap();
        let kept: Vec<_> = url.query_pairs().into_owned().filter(|(known, _)| known != name).collect();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(value.map(|value| (name, value)));
        self.url = url.into();
        self
    }
}

impl Shop {
    pub(crate) fn of(line: LineAccount, mark: &str) -> Self {
        Self {
            line,
            client_id: format!("storefront-{mark}"),
            client_secret: format!("client-secret-of-the-storefront-{mark}"),
            redirect_uri: format!("http://127.0.0.1:8789/{mark}/callback"),
            home_uri: format!("http://127.0.0.1:8789/{mark}/"),
            api_key: format!("api-key-of-the-shop-behind-storefront-{mark}"),
        }
    }

    /// The body of `PUT /v1/accounts/{host}`.
    pub(crate) fn account_body(&self) -> Value {
        json!({
            "name": self.line.name,
            "login_channel": {
                "channel_id": self.line.login_channel,
                "credential": { "kind": "secret", "secret": self.line.login_secret },
                "email_permission": self.line.email_permission,
            },
            "messaging_channel": {
                "channel_id": self.line.messaging_channel,
                "secret": self.line.messaging_secret,
                "bot_user_id": self.line.bot_user_id,
            },
            "friend_add": "normal",
            "clients": [{
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "name": self.line.name,
                "redirect_uris": [self.redirect_uri],
                "initiate_login_uri": format!("{}login", self.home_uri),
                "home_uri": self.home_uri,
            }],
            "api_key": self.api_key,
        })
    }

    /// Begins a login: `mark` makes state, nonce and verifier differ from those of other logins.
    pub(crate) fn begin(&self, mark: &str) -> Login {
        let state = format!("state {mark} & ü");
        let nonce = format!("nonce-{mark}");
        let verifier = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("verifier {mark}")));
        let mut url = Url::parse(&format!("{}/authorize", self.line.issuer)).unwrap();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", "openid profile")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &pkce::challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
        Login { url: url.into(), state, nonce, verifier }
    }

    /// The shop's login start by OpenID Connect Core section 4, reached at this address: the login that it begins, and the
    /// page that it keeps for afterwards. It hands `login_hint` back to us.
    pub(crate) fn started(&self, start: &str, mark: &str) -> (Login, Option<String>) {
        assert!(start.starts_with(&format!("{}login?", self.home_uri)), "{start}");
        let asked = super::query(start);
        assert_eq!(asked("iss").as_deref(), Some(self.line.issuer), "{start}");
        let login = self.begin(mark);
        let login = match asked("login_hint") {
            Some(hint) => login.with("login_hint", &hint),
            None => login,
        };
        (login, asked("target_link_uri"))
    }

    /// The code that came back to the redirect URI, after `state` and `iss` were checked.
    pub(crate) fn code(&self, login: &Login, location: &str) -> String {
        let back = self.answer(login, location);
        assert_eq!(back("error"), None, "{location}");
        back("code").expect("a code")
    }

    /// The parameters that came back to the redirect URI.
    pub(crate) fn answer(&self, login: &Login, location: &str) -> impl Fn(&str) -> Option<String> {
        assert!(location.starts_with(&self.redirect_uri), "{location}");
        let read = super::query(location);
        assert_eq!(read("state").as_deref(), Some(login.state.as_str()));
        assert_eq!(read("iss").as_deref(), Some(self.line.issuer));
        read
    }

    /// `POST /token` with HTTP Basic.
    pub(crate) fn redeem(&self, world: &World, login: &Login, code: &str) -> Reply {
        world.answer(self.token_request(code, &login.verifier))
    }

    /// The token request itself.
    pub(crate) fn token_request(&self, code: &str, verifier: &str) -> enishi::web::Request {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        self.request("/token", &fields)
    }

    pub(crate) fn token_request_with(
        &self,
        secret: &str,
        redirect_uri: &str,
        code: &str,
        verifier: &str,
    ) -> enishi::web::Request {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut request = form(&format!("{}/token", self.line.issuer), &fields);
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{secret}", self.client_id)));
        request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic).unwrap());
        request
    }

    /// `POST` to an endpoint of the provider with HTTP Basic, or as a public client.
    pub(crate) fn call(&self, world: &World, path: &str, fields: &[(&str, &str)]) -> Reply {
        world.answer(self.request(path, fields))
    }

    /// The request of such a call.
    pub(crate) fn request(&self, path: &str, fields: &[(&str, &str)]) -> enishi::web::Request {
        let url = format!("{}{path}", self.line.issuer);
        if self.client_secret.is_empty() {
            let fields: Vec<_> = fields.iter().copied().chain([("client_id", &*self.client_id)]).collect();
            return form(&url, &fields);
        }
        let mut request = form(&url, fields);
        let basic =
            format!("Basic {}", STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret)));
        request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic).unwrap());
        request
    }

    /// `POST /token` with a refresh token.
    pub(crate) fn refresh(&self, world: &World, refresh_token: &str) -> Reply {
        self.call(world, "/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    /// Pushes a login's parameters and more; answers the reply of `/par`.
    pub(crate) fn push(&self, world: &World, login: &Login, more: &[(&str, &str)]) -> Reply {
        let url = Url::parse(&login.url).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = pairs.chain(more.iter().copied()).collect();
        self.call(world, "/par", &fields)
    }

    /// The address at which the browser opens a request that was pushed.
    pub(crate) fn opening(&self, pushed: &Reply) -> String {
        let body = json_body(pushed);
        assert_eq!(pushed.status, 201, "{body}");
        let mut url = Url::parse(&format!("{}/authorize", self.line.issuer)).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("request_uri", body["request_uri"].as_str().unwrap());
        url.into()
    }

    /// `GET /logout` with these parameters, as an address.
    pub(crate) fn logout_url(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&format!("{}/logout", self.line.issuer)).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        url.into()
    }

    /// Redeems a code and believes the ID token only after every check (OIDC Core section 3.1.3.7).
    pub(crate) fn claims(&self, world: &World, login: &Login, code: &str) -> Value {
        let reply = self.redeem(world, login, code);
        let tokens = json_body(&reply);
        assert_eq!(reply.status, 200, "{tokens}");
        self.verified(world, login, &tokens)
    }

    /// The claims of an ID token beside its access token, of the login that asked for it.
    pub(crate) fn verified(&self, world: &World, login: &Login, tokens: &Value) -> Value {
        let claims = self.signed(world, tokens["id_token"].as_str().expect("an ID token"));
        assert_eq!(claims["nonce"], login.nonce.as_str());
        let hash = Sha256::digest(tokens["access_token"].as_str().unwrap());
        assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash[..16]));
        claims
    }

    /// The claims of a token that the issuer signed for this client, under a key that is published now.
    pub(crate) fn signed(&self, world: &World, token: &str) -> Value {
        let (input, signature) = token.rsplit_once('.').unwrap();
        let (head, claims) = (header_of(token), claims_of(token));
        let keys = json_body(&world.get(&format!("{}/jwks.json", self.line.issuer)));
        let key =
            keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"]).expect("its key");
        assert!(key.get("d").is_none(), "a private key is published");
        assert_eq!(head["alg"], key["alg"]);
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let is_signed = match head["alg"].as_str() {
            Some("RS256") => verifies_rs256(key, input.as_bytes(), &signature),
            _ => es256::verifies(key, input.as_bytes(), &signature),
        };
        assert!(is_signed, "{head}");
        assert_eq!(claims["iss"], self.line.issuer);
        assert_eq!(claims["aud"], self.client_id.as_str());
        let now = world.now().seconds();
        assert!(claims["exp"].as_i64().unwrap() > now && claims["iat"].as_i64().unwrap() <= now);
        claims
    }

    /// The request of a call by the shop's backend.
    pub(crate) fn api_request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> enishi::web::Request {
        super::stage::keyed(method, &format!("{}{path}", self.line.issuer), &self.api_key, body, &[])
    }

    /// `GET /userinfo`.
    pub(crate) fn userinfo(&self, world: &World, access_token: &str) -> Reply {
        let mut request = request(Method::GET, &format!("{}/userinfo", self.line.issuer));
        let bearer = format!("Bearer {access_token}");
        request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
        world.answer(request)
    }
}

/// The header of a JWT, unverified.
pub(crate) fn header_of(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a JWT, unverified.
pub(crate) fn claims_of(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, at: usize) -> Value {
    let text = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// A form by POST.
pub(crate) fn form(url: &str, fields: &[(&str, &str)]) -> enishi::web::Request {
    let mut request = request(Method::POST, url);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    request.body = Some(body.into_bytes());
    request
}
