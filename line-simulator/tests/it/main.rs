//! The stand-in asked as LINE would be, through its pure library.

mod assertion;
mod email;
mod insight;
mod journey;
mod liff;
mod load;
mod login;
mod messaging;
mod narrowcast;
mod script;
mod webhooks;

use http::{Request, Response};
use line_simulator::{Answer, Config, NewUser, Simulator, UserId};
use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_767_225_600_000;
pub(crate) const CALLBACK: &str = "https://shop.example/line/callback";

pub(crate) fn config(certified: bool, quota: Option<u64>) -> Config {
    serde_json::from_value(json!({
        "login_channels": [{
            "channel_id": "1234567890", "channel_secret": "1234567890abcdefghij1234567890ab",
            "callback_urls": [CALLBACK], "linked_bot": "2000000001", "certified": certified,
            "email_permission": true, "name": "Demo shop",
        }],
        "messaging_channels": [{
            "channel_id": "2000000001", "channel_secret": "5f2d1c3b4a69788796a5b4c3d2e1f00f",
            "bot_user_id": "U0123456789abcdef0123456789abcdef", "basic_id": "@demo", "display_name": "Demo",
            "webhook_endpoint": "https://shop.example/line/webhook", "quota": quota, "certified": certified,
        }],
    }))
    .unwrap()
}

/// A platform and the time on it.
pub(crate) struct Line {
    pub(crate) sim: Simulator,
    pub(crate) now: i64,
    /// The cookie of the simulated browser.
    pub(crate) cookie: Option<String>,
    token: String,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::with(config(false, None))
    }

    pub(crate) fn with(config: Config) -> Self {
        let mut line = Self { sim: Simulator::new(config, 1), now: NOW, cookie: None, token: String::new() };
        line.token = line.stateless_token("2000000001", "5f2d1c3b4a69788796a5b4c3d2e1f00f");
        line
    }

    /// Takes a new channel token, as the last one is over after 15 minutes.
    pub(crate) fn renew(&mut self) {
        self.token = self.stateless_token("2000000001", "5f2d1c3b4a69788796a5b4c3d2e1f00f");
    }

    pub(crate) fn friend(&mut self, name: &str) -> UserId {
        self.sim.add_user(NewUser { name: name.into(), friend: true, ..NewUser::default() })
    }

    pub(crate) fn stateless_token(&mut self, id: &str, secret: &str) -> String {
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        body_of(&self.form("/oauth2/v3/token", &body))["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn answer(&mut self, request: Request<Vec<u8>>) -> Answer {
        self.sim.handle(self.now, request)
    }

    pub(crate) fn send(&mut self, mut request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert("cookie", cookie.parse().unwrap());
        }
        let Answer::Reply(reply) = self.answer(request) else { panic!("no reply") };
        if let Some(cookie) = reply.headers().get("set-cookie") {
            self.cookie = Some(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        reply
    }

    pub(crate) fn get(&mut self, path: &str) -> Response<Vec<u8>> {
        self.send(Request::get(format!("https://line.example{path}")).body(Vec::new()).unwrap())
    }

    pub(crate) fn form(&mut self, path: &str, body: &str) -> Response<Vec<u8>> {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(body.as_bytes().to_vec()).unwrap())
    }

    pub(crate) fn json(&mut self, path: &str, body: &Value) -> Response<Vec<u8>> {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(body.to_string().into_bytes()).unwrap())
    }

    /// A call of the Messaging API with the channel's token.
    pub(crate) fn call(&mut self, path: &str, body: &Value) -> Response<Vec<u8>> {
        let request = self.api(path, body);
        self.send(request)
    }

    pub(crate) fn call_with_key(&mut self, path: &str, body: &Value, key: &str) -> Response<Vec<u8>> {
        let mut request = self.api(path, body);
        request.headers_mut().insert("x-line-retry-key", key.parse().unwrap());
        self.send(request)
    }

    /// The same by another method.
    pub(crate) fn call_by(&mut self, method: &str, path: &str, body: &Value) -> Response<Vec<u8>> {
        let mut request = self.api(path, body);
        *request.method_mut() = method.parse().unwrap();
        self.send(request)
    }

    pub(crate) fn api(&self, path: &str, body: &Value) -> Request<Vec<u8>> {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {}", self.token));
        request.body(body.to_string().into_bytes()).unwrap()
    }

    pub(crate) fn read(&mut self, path: &str) -> Response<Vec<u8>> {
        let token = self.token.clone();
        self.read_as(path, &token)
    }

    pub(crate) fn read_as(&mut self, path: &str, token: &str) -> Response<Vec<u8>> {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Vec::new()).unwrap())
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.sim
            .violations()
            .iter()
            .map(|violation| serde_json::to_value(violation.kind).unwrap().as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) fn body_of(reply: &Response<Vec<u8>>) -> Value {
    serde_json::from_slice(reply.body()).unwrap_or_default()
}

pub(crate) fn header<'a>(reply: &'a Response<Vec<u8>>, name: &str) -> &'a str {
    reply.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

pub(crate) fn text(text: &str) -> Value {
    json!([{ "type": "text", "text": text }])
}
