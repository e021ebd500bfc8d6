//! The few HTTP calls that the commands make: is it up, store an account, tick the clock.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use ureq::Agent;

fn agent(patience: Duration) -> Agent {
    let config = Agent::config_builder().timeout_global(Some(patience)).http_status_as_error(false);
    config.max_redirects(0).max_redirects_will_error(false).build().into()
}

/// The status that an address answers with; `None` while nothing answers.
pub(crate) fn status(url: &str, patience: Duration) -> Option<u16> {
    let reply = agent(patience).get(url).call().ok()?;
    Some(reply.status().as_u16())
}

/// Sends JSON with a bearer token; anything but a success is an error that shows the answer.
pub(crate) fn put(url: &str, token: &str, body: &Value) -> Result<Value> {
    let request = agent(Duration::from_secs(30)).put(url).header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {token}"));
    let mut reply = request.send(body.to_string()).with_context(|| format!("cannot reach {url}"))?;
    let status = reply.status();
    let text = reply.body_mut().read_to_string().unwrap_or_default();
    if !status.is_success() {
        bail!("PUT {url} answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("PUT {url} answered no JSON: {text}"))
}
