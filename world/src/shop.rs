//! The shop's servers: addresses that the product is told to call, as for outbound webhooks and back-channel logout.
//!
//! In: base URLs that a test registers, and what their servers answer. Out: every call that reached one, with what it
//! was answered. Not here: what a call must say, and LINE (`line.rs`).

use std::collections::VecDeque;

use enishi::{time::UnixMillis, web::Call};
use http::{HeaderMap, Method, Response, StatusCode};
use line_simulator::Answer as Served;
use url::Url;

use crate::{World, line};

/// What a shop's server does with a call that reached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopOutcome {
    /// It answers at once, with an empty body.
    Status(StatusCode),
    /// It answers so many milliseconds later; the caller may have given up by then.
    Late(StatusCode, u64),
    /// It takes the call, and no answer ever comes.
    Silence,
}

/// A call that reached a shop's server.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopCall {
    /// The method.
    pub method: Method,
    /// The absolute URL as called.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// When it arrived.
    pub at: UnixMillis,
    /// What the server did with it, whether or not the product learnt of it.
    pub outcome: ShopOutcome,
}

/// The servers, and what they do.
#[derive(Debug)]
pub(crate) struct Shop {
    servers: Vec<Url>,
    next: VecDeque<ShopOutcome>,
    at: Vec<(Url, ShopOutcome)>,
    usual: ShopOutcome,
    calls: Vec<ShopCall>,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            next: VecDeque::new(),
            at: Vec::new(),
            usual: ShopOutcome::Status(StatusCode::OK),
            calls: Vec::new(),
        }
    }
}

impl Shop {
    /// Takes a call, if one of the servers is there for it.
    fn take(&mut self, call: Call, now: UnixMillis) -> Option<ShopOutcome> {
        let url = Url::parse(&call.url).ok()?;
        self.servers.iter().find(|base| is_below(&url, base))?;
        let outcome = self.next.pop_front().unwrap_or_else(|| self.outcome_at(&url));
        let Call { method, url, headers, body, .. } = call;
        self.calls.push(ShopCall { method, url, headers, body, at: now, outcome });
        Some(outcome)
    }

    /// What was said last of an address above this one, or of all.
    fn outcome_at(&self, url: &Url) -> ShopOutcome {
        let said = self.at.iter().rev().find(|(base, _)| is_below(url, base));
        said.map_or(self.usual, |(_, outcome)| *outcome)
    }
}

impl ShopOutcome {
    fn served(self) -> Served {
        let reply = |status| {
            let mut reply = Response::new(Vec::new());
            *reply.status_mut() = status;
            reply
        };
        match self {
            Self::Status(status) => Served::Reply(reply(status)),
            Self::Late(status, ms) => Served::Delayed { reply: reply(status), ms },
            Self::Silence => Served::TimedOut,
        }
    }
}

/// Whether a URL is the base or below it: the same origin, and the base's path or more segments.
fn is_below(url: &Url, base: &Url) -> bool {
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'));
    url.origin() == base.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl World {
    /// Puts a server of a shop at this http or https URL and everything below it. It answers 200 until told otherwise.
    ///
    /// # Panics
    ///
    /// If it is no such URL, or LINE's.
    pub fn shop_server(&self, base_url: &str) {
        let base = parsed(base_url);
        assert!(line::path_at_line(base.as_str()).is_none(), "{base_url} is LINE");
        self.shop.borrow_mut().servers.push(base);
    }

    /// What the shop's servers do with every call from now on, whatever was said before.
    pub fn answer_shop_calls_with(&self, outcome: ShopOutcome) {
        let mut shop = self.shop.borrow_mut();
        (shop.usual, shop.next, shop.at) = (outcome, VecDeque::new(), Vec::new());
    }

    /// What they do from now on with calls to this URL and below it; other calls go on as they were.
    ///
    /// # Panics
    ///
    /// If it is no http or https URL.
    pub fn answer_shop_calls_at(&self, url: &str, outcome: ShopOutcome) {
        self.shop.borrow_mut().at.push((parsed(url), outcome));
    }

    /// What they do with the next call, wherever it goes; said twice, with the next two.
    pub fn answer_next_shop_call_with(&self, outcome: ShopOutcome) {
        self.shop.borrow_mut().next.push_back(outcome);
    }

    /// The calls that reached the shop's servers, oldest first.
    #[must_use]
    pub fn shop_calls(&self) -> Vec<ShopCall> {
        self.shop.borrow().calls.clone()
    }

    /// Hands a call to the shop's server that it is for. There being none is a breach, and so is a secret that is not
    /// the shop's business.
    pub(crate) fn hand_to_shop(&self, call: Call) -> Option<Served> {
        self.overhear_call(&call);
        let url = call.url.clone();
        let secret = tells_a_channel_secret(&call);
        let taken = self.shop.borrow_mut().take(call, self.now());
        if taken.is_none() {
            self.breach(format!("a call to {url}"));
        } else if secret {
            self.breach(format!("a call to {url} tells a channel secret"));
        }
        taken.map(ShopOutcome::served)
    }
}

fn tells_a_channel_secret(call: &Call) -> bool {
    let headers = call.headers.values().map(http::HeaderValue::as_bytes);
    let texts: Vec<_> =
        headers.chain([call.url.as_bytes(), &call.body]).map(String::from_utf8_lossy).collect();
    line::SECRETS.iter().any(|secret| texts.iter().any(|text| text.contains(secret)))
}

fn parsed(url: &str) -> Url {
    let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    assert!(matches!(url.scheme(), "http" | "https"), "{url} is neither http nor https");
    url
}

#[cfg(test)]
mod tests {
    use enishi::platform::{Platform as _, PlatformError};

    use super::*;
    use crate::{BEGIN, Fault, LINE, Point};

    const HOOKS: &str = "https://shop.example/hooks";

    fn shop() -> World {
        let world = World::new(1);
        world.shop_server(HOOKS);
        world
    }

    fn post(url: &str, body: &str) -> Call {
        Call { body: body.as_bytes().to_vec(), ..Call::new(Method::POST, url.to_owned()) }
    }

    /// What a call is answered; none for no answer.
    fn call(world: &World, url: &str) -> Option<u16> {
        let answered = world.run(world.fetch(post(url, "{}"))).expect("nothing crashes");
        match answered {
            Ok(answer) => Some(answer.status.as_u16()),
            Err(PlatformError::NoAnswer(_)) => None,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_to_a_registered_server_is_recorded_and_answered_200() {
        let world = shop();
        world.advance(5);
        let mut sent = post("https://shop.example/hooks/line?x=1", "{\"a\":1}");
        sent.headers.insert("webhook-id", "m1".parse().unwrap());
        let answer = world.run(world.fetch(sent)).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        let [taken] = world.shop_calls().try_into().unwrap();
        assert_eq!((taken.method, taken.url.as_str()), (Method::POST, "https://shop.example/hooks/line?x=1"));
        assert_eq!((taken.headers["webhook-id"].as_bytes(), &*taken.body), (&b"m1"[..], &b"{\"a\":1}"[..]));
        assert_eq!((taken.at, taken.outcome), (BEGIN + 5, ShopOutcome::Status(StatusCode::OK)));
        assert_eq!(world.calls().fetches, 1);
        assert_eq!(world.breaches(), Vec::<String>::new());
    }

    #[test]
    fn a_call_to_any_other_address_is_a_breach() {
        let world = shop();
        let others = [
            "https://shop.example/",
            "https://shop.example/hooks2",
            "http://shop.example/hooks",
            "https://shop.example.evil.example/hooks",
            "https://shop.example@evil.example/hooks",
            "http://line.test.evil.example/hooks",
            "not a URL",
        ];
        for url in others {
            assert_eq!(call(&world, url), None, "{url}");
        }
        assert_eq!(world.breaches().len(), others.len(), "{:?}", world.breaches());
        assert_eq!(world.shop_calls(), []);
    }

    #[test]
    fn what_was_said_of_the_next_call_goes_before_the_address_and_that_before_all() {
        let world = shop();
        let (gone, broken) = (StatusCode::GONE, StatusCode::BAD_GATEWAY);
        world.answer_shop_calls_with(ShopOutcome::Status(broken));
        world.answer_shop_calls_at("https://shop.example/hooks/old", ShopOutcome::Status(gone));
        world.answer_next_shop_call_with(ShopOutcome::Silence);
        let answers = ["/old", "/old/one", "/new"].map(|path| call(&world, &format!("{HOOKS}{path}")));
        assert_eq!(answers, [None, Some(410), Some(502)]);
        world.answer_shop_calls_with(ShopOutcome::Status(StatusCode::NO_CONTENT));
        assert_eq!(call(&world, "https://shop.example/hooks/old"), Some(204));
        assert_eq!(world.shop_calls().len(), 4);
    }

    #[test]
    fn silence_and_a_late_answer_last_until_the_deadline() {
        for (outcome, took, answer) in [
            (ShopOutcome::Silence, 3_000, None),
            (ShopOutcome::Late(StatusCode::OK, 60_000), 3_000, None),
            (ShopOutcome::Late(StatusCode::OK, 200), 200, Some(StatusCode::OK)),
        ] {
            let world = shop();
            world.answer_shop_calls_with(outcome);
            let answered = world.run(world.fetch(Call { deadline: 3_000, ..post(HOOKS, "") })).unwrap();
            assert_eq!(answered.ok().map(|answer| answer.status), answer);
            assert_eq!(world.now() - BEGIN, took, "{outcome:?}");
            assert_eq!(world.shop_calls()[0].at, BEGIN);
        }
    }

    #[test]
    fn faults_meet_calls_to_a_shop_as_they_meet_those_to_line() {
        let world = shop();
        world.fail_next(Point::Fetch, Fault::Refused, 1);
        assert_eq!((call(&world, HOOKS), world.shop_calls().len()), (None, 0));
        world.fail_next(Point::Fetch, Fault::AnswerLost, 1);
        assert_eq!((call(&world, HOOKS), world.shop_calls().len()), (None, 1));
        world.fail_next_call(HOOKS, Fault::Stalled);
        assert!(call(&world, &format!("{LINE}/oauth2/v2.1/revoke")).is_some());
        assert_eq!((call(&world, &format!("{HOOKS}?x=1")), world.shop_calls().len()), (None, 2));
        assert_eq!(call(&world, HOOKS), Some(200));
        for (fault, reached) in [(Fault::CrashBefore, 3), (Fault::CrashAfter, 4)] {
            world.fail_next(Point::Fetch, fault, 1);
            assert!(world.run(world.fetch(post(HOOKS, ""))).is_none());
            assert_eq!(world.shop_calls().len(), reached);
        }
        assert_eq!((world.faults_struck(), world.breaches()), (5, Vec::new()));
    }

    #[test]
    fn what_the_shop_is_told_must_not_be_logged_and_channel_secrets_not_told() {
        let world = shop();
        world.run(world.fetch(post(HOOKS, "logout_token=a.signed.token"))).unwrap().unwrap();
        let mut told = post(HOOKS, "");
        told.headers.insert("authorization", "Bearer key-of-the-hook".parse().unwrap());
        world.run(world.fetch(told)).unwrap().unwrap();
        for why in ["sent", "sent a.signed.token", "with key-of-the-hook"] {
            world.log(&serde_json::json!({ "why": why }).to_string());
        }
        assert_eq!(world.indiscreet_lines(&[]).len(), 2);
        assert_eq!(world.breaches(), Vec::<String>::new());
        world.run(world.fetch(post(HOOKS, line::SECRETS[0]))).unwrap().unwrap();
        assert_eq!(world.breaches(), [format!("a call to {HOOKS} tells a channel secret")]);
    }
}
