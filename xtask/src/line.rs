//! The LINE stand-in: its binary, and the channels that it is told of.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::process::{Group, command, run};
use crate::project::{Project, write_private};
use crate::secrets::DemoSecrets;
use crate::stack::Place;

pub(crate) const LOGIN_CHANNEL: &str = "1650000001";
pub(crate) const MESSAGING_CHANNEL: &str = "1650000002";

/// Builds the stand-in and returns its binary.
pub(crate) fn binary(project: &Project) -> Result<PathBuf> {
    built(project, &[])
}

/// The same, made fast, for those who have a million users in it.
pub(crate) fn optimized_binary(project: &Project) -> Result<PathBuf> {
    built(project, &["--release"])
}

fn built(project: &Project, profile: &[&str]) -> Result<PathBuf> {
    let log = project.log("line-simulator")?;
    let mut cargo = command("cargo", project.root());
    cargo.args(["build", "--package", "line-simulator", "--bin", "line-simulator"]).args(profile);
    run("the build of the LINE stand-in", cargo.args(["--message-format", "json-render-diagnostics"]), &log)?;
    let file = std::fs::File::open(&log).context("the build left no log")?;
    let lines = std::io::BufReader::new(file).lines().map_while(Result::ok);
    lines.filter_map(|line| executable(&line)).last().context("cargo names no binary of the LINE stand-in")
}

/// The binary that a line of cargo's messages announces.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    Some(message.get("executable")?.as_str()?.into())
}

/// Starts the stand-in with one login and one messaging channel, linked to each other.
pub(crate) fn start(project: &Project, place: &Place, binary: &Path, secrets: &DemoSecrets) -> Result<Group> {
    let config = place.output("line.json");
    write_private(&config, &channels(place, secrets).to_string())?;
    let mut line = command(binary, project.root());
    line.args(["--port", &place.ports().line.to_string(), "--config"]).arg(config);
    line.arg("--state").arg(place.state("line-simulator.json"));
    Group::start("the LINE stand-in", &mut line, &place.output("line.log"))
}

fn channels(place: &Place, secrets: &DemoSecrets) -> Value {
    let edge = place.edge();
    json!({
        "login_channels": [{
            "channel_id": LOGIN_CHANNEL,
            "channel_secret": secrets.login_channel_secret,
            "callback_urls": [format!("{edge}/line/callback")],
            "linked_bot": MESSAGING_CHANNEL,
            "certified": true,
            "email_permission": true,
            "name": "Enishi demo",
        }],
        "messaging_channels": [{
            "channel_id": MESSAGING_CHANNEL,
            "channel_secret": secrets.messaging_channel_secret,
            "bot_user_id": secrets.bot_user_id,
            "basic_id": "@enishi-demo",
            "display_name": "縁日和",
            "webhook_endpoint": format!("{edge}/line/webhook"),
            "quota": null,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_about_a_binary_name_one() {
        let artifact = r#"{"reason":"compiler-artifact","executable":"/t/line-simulator"}"#;
        assert_eq!(executable(artifact), Some("/t/line-simulator".into()));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable("   Compiling line-simulator"), None);
    }
}
