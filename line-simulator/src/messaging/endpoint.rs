//! The channel's webhook endpoint: set, get, test.
//!
//! In: an address. Out: LINE's answers. A pure library cannot call the endpoint, so a server delivers the test
//! itself: [`Simulator::webhook_test`] composes it and [`Simulator::handle_webhook_test`] answers with its outcome.
//! Plain http to a loopback host is taken besides https, because the stand-in serves tests on one machine.

use http::StatusCode;
use serde_json::{Value, json};
use url::{Host, Url};

use crate::id::ChannelId;
use crate::messaging::refusal::Refusal;
use crate::messaging::{Answered, empty_object, json_body};
use crate::reply;
use crate::request::Request;
use crate::time::iso;
use crate::webhook::WebhookDelivery;
use crate::{Answer, Simulator};

const PATH: &str = "/v2/bot/channel/webhook/test";
const MAX_LENGTH: usize = 500;

/// What the call of a test delivery came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestOutcome {
    /// The endpoint answered with this status.
    Answered(u16),
    /// No answer within two seconds.
    TimedOut,
    /// No connection.
    CouldNotConnect,
}

impl Simulator {
    pub(super) fn webhook_endpoint(&self, channel: &ChannelId) -> Answered {
        let channel = self.memory.config.messaging(channel);
        let registered = channel.and_then(|channel| Some((channel, channel.webhook_endpoint.as_ref()?)));
        registered
            .map(|(channel, endpoint)| {
                reply::ok(&json!({ "endpoint": endpoint, "active": channel.webhook_active }))
            })
            .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Webhook endpoint not found"))
    }

    pub(super) fn set_webhook_endpoint(&mut self, request: &Request, channel: &ChannelId) -> Answered {
        let body = json_body(request)?;
        let endpoint = body.get("endpoint").and_then(Value::as_str).unwrap_or_default();
        if !is_endpoint(endpoint) {
            return Err(Refusal::bad("Invalid webhook endpoint URL"));
        }
        if let Some(channel) = self.memory.config.messaging_mut(channel) {
            channel.webhook_endpoint = Some(endpoint.to_owned());
        }
        Ok(empty_object())
    }

    /// The signed delivery without events that this request asks for; none if the request is no test, or if it
    /// will be refused.
    pub fn webhook_test(&mut self, now: i64, request: &http::Request<Vec<u8>>) -> Option<WebhookDelivery> {
        if request.uri().path() != PATH || request.method() != http::Method::POST {
            return None;
        }
        let request = Request::new(request.clone());
        let (channel, _) = self.memory.bots.channel_token(request.bearer()?, now)?;
        self.compose_test(&request, &channel, now).ok()
    }

    /// [`Simulator::handle`], for a test whose delivery was carried out.
    pub fn handle_webhook_test(
        &mut self,
        now: i64,
        request: http::Request<Vec<u8>>,
        outcome: TestOutcome,
    ) -> Answer {
        self.test_outcome = Some(outcome);
        let answer = self.handle(now, request);
        self.test_outcome = None;
        answer
    }

    fn compose_test(
        &mut self,
        request: &Request,
        channel: &ChannelId,
        now: i64,
    ) -> Result<WebhookDelivery, Refusal> {
        let body = if request.body.is_empty() { json!({}) } else { json_body(request)? };
        let not_found = || Refusal::new(StatusCode::NOT_FOUND, "Webhook endpoint not found");
        let channel = self.memory.config.messaging(channel).ok_or_else(not_found)?;
        let asked = body.get("endpoint").and_then(Value::as_str);
        let url = asked.or(channel.webhook_endpoint.as_deref()).ok_or_else(not_found)?;
        if !is_endpoint(url) {
            return Err(Refusal::bad("Invalid webhook endpoint URL"));
        }
        Ok(self.webhooks.compose(channel, url, Vec::new(), now))
    }

    /// Without an outcome the delivery is queued with the others and counted as answered.
    pub(super) fn test_webhook_endpoint(&mut self, request: &Request, channel: &ChannelId) -> Answered {
        let delivery = self.compose_test(request, channel, self.now)?;
        let outcome = self.test_outcome.unwrap_or_else(|| {
            self.webhooks.push(delivery);
            TestOutcome::Answered(200)
        });
        let (success, status, reason, detail) = match outcome {
            TestOutcome::Answered(status @ 200..=299) => (true, i32::from(status), "OK", status.to_string()),
            TestOutcome::Answered(status) => {
                (false, i32::from(status), "ERROR_STATUS_CODE", status.to_string())
            }
            TestOutcome::TimedOut => (false, 0, "REQUEST_TIMEOUT", "Request timeout".to_owned()),
            TestOutcome::CouldNotConnect => (false, 0, "COULD_NOT_CONNECT", "Connection refused".to_owned()),
        };
        Ok(reply::ok(&json!({
            "success": success,
            "timestamp": iso(self.now),
            "statusCode": status,
            "reason": reason,
            "detail": detail,
        })))
    }
}

fn is_endpoint(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    text.chars().count() <= MAX_LENGTH && (url.scheme() == "https" || (url.scheme() == "http" && loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_https_or_loopback() {
        assert!(is_endpoint("https://shop.example/line/webhook"));
        assert!(is_endpoint("http://localhost:8787/line/webhook"));
        assert!(is_endpoint("http://demo.localhost:8787/line/webhook"));
        assert!(!is_endpoint("http://shop.example/line/webhook"));
        assert!(!is_endpoint("ftp://localhost/"));
        assert!(!is_endpoint(&format!("https://shop.example/{}", "a".repeat(500))));
    }
}
