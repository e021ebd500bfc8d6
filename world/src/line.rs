//! LINE, played in-process: two Official Accounts of one provider, calls to it, and its webhooks.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use enishi::{
    platform::PlatformError,
    time::UnixMillis,
    web::{Call, Reply, Request},
};
use http::Method;
use line_simulator::{
    Answer as LineAnswer, AssertionKey, Config, FaultKind, LoginChannel, LoginCredential, MessagingChannel,
    TestOutcome, WEBHOOK_TIMEOUT_MS, WebhookDelivery,
};

use serde_json::{Value, json};

use crate::{World, door, outward::no_answer, rsa};

/// Where the settings say that LINE is; the path alone decides which of its hosts is meant.
pub const LINE: &str = "http://line.test";

/// Where LINE is asked to test a webhook endpoint.
const WEBHOOK_TEST: &str = "/v2/bot/channel/webhook/test";

/// One Official Account with its Login and Messaging channel at LINE, and the host name of ours that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineAccount {
    /// The host name that chooses the account.
    pub host: &'static str,
    /// Its issuer, which is also in front of every URL of it.
    pub issuer: &'static str,
    /// The account's name.
    pub name: &'static str,
    /// The LINE Login channel.
    pub login_channel: &'static str,
    /// Its secret.
    pub login_secret: &'static str,
    /// The Messaging API channel.
    pub messaging_channel: &'static str,
    /// Its secret.
    pub messaging_secret: &'static str,
    /// The bot's user id.
    pub bot_user_id: &'static str,
    /// Whether LINE granted the Login channel the e-mail permission.
    pub email_permission: bool,
}

/// The first account.
pub const ACCOUNT: LineAccount = LineAccount {
    host: "localhost",
    issuer: "http://localhost:8787",
    name: "結び茶屋",
    login_channel: "2000000001",
    login_secret: "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    messaging_channel: "2000000002",
    messaging_secret: "5f2d1c3b4a69788796a5b4c3d2e1f00f",
    bot_user_id: "U0000000000000000000000000000b001",
    email_permission: true,
};

/// The second account, of another shop.
pub const OTHER_ACCOUNT: LineAccount = LineAccount {
    host: "other.localhost",
    issuer: "http://other.localhost:8787",
    name: "別の店",
    login_channel: "2000000003",
    login_secret: "ffeeddccbbaa99887766554433221100",
    messaging_channel: "2000000004",
    messaging_secret: "00112233445566778899aabbccddeeff",
    bot_user_id: "U0000000000000000000000000000b002",
    email_permission: false,
};

/// What LINE calls an account's assertion key.
fn assertion_key_id(account: &LineAccount) -> String {
    format!("key-of-channel-{}", account.login_channel)
}

/// How LINE fails by itself.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Trouble {
    /// The probability that a call is answered 500, and nothing was done.
    pub server_errors: f64,
    /// The probability that it is done and never answered.
    pub accepted_without_answer: f64,
}

/// What must never be logged.
pub(crate) const SECRETS: [&str; 4] = [
    ACCOUNT.login_secret,
    ACCOUNT.messaging_secret,
    OTHER_ACCOUNT.login_secret,
    OTHER_ACCOUNT.messaging_secret,
];

/// The channels as LINE has them.
pub(crate) fn channels() -> Config {
    let accounts = [ACCOUNT, OTHER_ACCOUNT];
    Config {
        login_channels: accounts.iter().map(login_channel).collect(),
        messaging_channels: accounts.iter().map(messaging_channel).collect(),
    }
}

fn login_channel(account: &LineAccount) -> LoginChannel {
    LoginChannel {
        channel_id: account.login_channel.into(),
        credential: LoginCredential::ChannelSecret(account.login_secret.to_owned()),
        callback_urls: vec![format!("{}/line/callback", account.issuer)],
        linked_bot: Some(account.messaging_channel.into()),
        certified: false,
        email_permission: account.email_permission,
        name: account.name.to_owned(),
    }
}

fn messaging_channel(account: &LineAccount) -> MessagingChannel {
    MessagingChannel {
        channel_id: account.messaging_channel.into(),
        channel_secret: account.messaging_secret.to_owned(),
        bot_user_id: account.bot_user_id.into(),
        basic_id: "@enishi".to_owned(),
        display_name: account.name.to_owned(),
        webhook_endpoint: Some(format!("{}/line/webhook", account.issuer)),
        webhook_active: true,
        quota: None,
        certified: false,
    }
}

impl World {
    /// Sets how many messages LINE lets the first account send in a month.
    pub fn set_quota(&self, quota: Option<u64>) {
        let mut config = Config { login_channels: Vec::new(), ..channels() };
        if let Some(first) = config.messaging_channels.first_mut() {
            first.quota = quota;
        }
        self.line().upsert_channels(config);
    }

    /// Gives an account's Login channel an assertion key at LINE, in place of its secret; answers the credential as
    /// the operator puts it: LINE's name of the key and the private half as a JWK.
    ///
    /// # Panics
    ///
    /// If no key can be made.
    pub fn give_assertion_key(&self, account: &LineAccount) -> Value {
        let number = usize::from(*account != ACCOUNT);
        let text = rsa::assertion_key(number).expect("OpenSSL makes a key");
        let private: Value = serde_json::from_str(&text).expect("a JWK");
        for name in ["d", "p", "q", "dp", "dq", "qi"] {
            self.overhear(private[name].as_str().unwrap_or_default());
        }
        let public =
            json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "n": private["n"], "e": private["e"] });
        let public_jwk = public.try_into().expect("LINE takes the key");
        let key = AssertionKey { kid: assertion_key_id(account), public_jwk };
        self.give_credential(account, LoginCredential::AssertionKey(key));
        json!({ "kind": "assertion_key", "key_id": assertion_key_id(account), "private_jwk": private })
    }

    /// Gives an account's Login channel its secret again; answers the credential as the operator puts it.
    pub fn give_secret(&self, account: &LineAccount) -> Value {
        self.give_credential(account, LoginCredential::ChannelSecret(account.login_secret.to_owned()));
        json!({ "kind": "secret", "secret": account.login_secret })
    }

    /// What a person does in LINE's console with the first account's webhook: another address or none, in use or not.
    pub fn set_webhook(&self, endpoint: Option<&str>, active: bool) {
        let mut line = self.line();
        let mut config = line.config().clone();
        if let Some(first) = config.messaging_channels.first_mut() {
            first.webhook_endpoint = endpoint.map(str::to_owned);
            first.webhook_active = active;
        }
        line.replace_channels(config);
    }

    fn give_credential(&self, account: &LineAccount, credential: LoginCredential) {
        let channel = LoginChannel { credential, ..login_channel(account) };
        self.line().upsert_channels(Config { login_channels: vec![channel], ..Config::default() });
    }

    /// Carries LINE's webhooks to the product, one after the other; says what each was answered. What takes longer than
    /// LINE waits counts as no answer, and reads 0.
    pub fn deliver_webhooks(&self) -> Vec<u16> {
        let deliveries = self.line().take_webhooks();
        deliveries.into_iter().map(|delivery| self.deliver_webhook(delivery).unwrap_or_default()).collect()
    }

    fn deliver_webhook(&self, delivery: WebhookDelivery) -> Option<u16> {
        self.clock.move_to(UnixMillis(delivery.due));
        let began = self.now();
        let status = self.answer(webhook_request(&delivery)).status.as_u16();
        let took = u64::try_from(self.now() - began).unwrap_or_default();
        let status = Some(status).filter(|_| took <= WEBHOOK_TIMEOUT_MS);
        self.line().webhook_answered(self.now().0, delivery, status);
        status
    }

    /// From now on calls to LINE meet this trouble.
    pub fn disturb_line(&self, trouble: Trouble) {
        self.trouble.set(trouble);
    }

    /// The next call to this path is answered with this status and body, and nothing is done: for what the stand-in
    /// says at another time only. It does not stand among the stand-in's calls.
    pub fn answer_next_call(&self, path: &str, status: http::StatusCode, body: &str) {
        self.answers.borrow_mut().push((path.to_owned(), status, body.to_owned()));
    }

    fn planned_answer(&self, path: &str) -> Option<LineAnswer> {
        let mut answers = self.answers.borrow_mut();
        let place = answers.iter().position(|(planned, ..)| planned == path)?;
        let (_, status, body) = answers.remove(place);
        let mut reply = http::Response::new(body.into_bytes());
        *reply.status_mut() = status;
        Some(LineAnswer::Reply(reply))
    }

    fn trouble(&self, path: &str) {
        let trouble = self.trouble.get();
        let happens = |probability| self.random.borrow_mut().happens(probability);
        let kind = if happens(trouble.server_errors) {
            FaultKind::Status
        } else if happens(trouble.accepted_without_answer) {
            FaultKind::AcceptThenTimeout
        } else {
            return;
        };
        let path = path.to_owned();
        self.line().add_fault(line_simulator::Fault { path, times: 1, kind, status: None, ms: None });
    }

    pub(crate) fn hand_to_line(
        &self,
        call: Call,
        test: Option<TestOutcome>,
    ) -> Result<LineAnswer, PlatformError> {
        let path = path_at_line(&call.url).unwrap_or_default();
        if let Some(answer) = self.planned_answer(path) {
            return Ok(answer);
        }
        self.trouble(path);
        let request = request_to_line(call)?;
        let now = self.now().0;
        Ok(match test {
            Some(outcome) => self.line().handle_webhook_test(now, request, outcome),
            None => self.line().handle(now, request),
        })
    }

    /// LINE's test of a webhook endpoint, where a call asks for one: LINE sends a delivery without events before it
    /// answers, and waits two seconds. Nobody answers at addresses that are not ours.
    pub(crate) async fn carry_webhook_test(&self, call: &Call) -> Option<TestOutcome> {
        let path = path_at_line(&call.url).filter(|path| *path == WEBHOOK_TEST)?;
        if self.answers.borrow().iter().any(|(planned, ..)| planned == path) {
            return None;
        }
        let request = request_to_line(call.clone()).ok()?;
        let began = self.now();
        let delivery = self.line().webhook_test(began.0, &request)?;
        if ![ACCOUNT, OTHER_ACCOUNT].iter().any(|account| delivery.url.starts_with(account.issuer)) {
            return Some(TestOutcome::CouldNotConnect);
        }
        let served: Pin<Box<dyn Future<Output = Reply> + '_>> =
            Box::pin(self.serve(webhook_request(&delivery)));
        let until = began + i64::try_from(WEBHOOK_TIMEOUT_MS).unwrap_or(i64::MAX);
        let (mut served, mut patience) = (pin!(self.invocation(served)), pin!(self.clock.sleep_until(until)));
        Some(
            poll_fn(|context| match served.as_mut().poll(context) {
                Poll::Ready(reply) => {
                    let status = reply.map_or(500, |reply| reply.status.as_u16());
                    Poll::Ready(TestOutcome::Answered(status))
                }
                Poll::Pending => patience.as_mut().poll(context).map(|()| TestOutcome::TimedOut),
            })
            .await,
        )
    }
}

fn request_to_line(call: Call) -> Result<http::Request<Vec<u8>>, PlatformError> {
    let mut request = http::Request::new(call.body);
    *request.method_mut() = call.method;
    *request.uri_mut() = call.url.parse().map_err(|_| no_answer("not a URL"))?;
    *request.headers_mut() = call.headers;
    Ok(request)
}

/// A webhook as a request to us.
#[must_use]
pub fn webhook_request(delivery: &WebhookDelivery) -> Request {
    let mut request = door::request(Method::POST, &delivery.url);
    request.headers.clone_from(&delivery.headers);
    request.body = Some(delivery.body.clone());
    request
}

/// The path of a URL at LINE; none for one elsewhere.
pub(crate) fn path_at_line(url: &str) -> Option<&str> {
    let path = url.strip_prefix(LINE).and_then(|rest| rest.split('?').next())?;
    path.starts_with('/').then_some(path)
}
