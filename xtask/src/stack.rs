//! The three processes: the LINE stand-in, the worker and the demo shop, in a place of their own.
//!
//! In: a built worker and a stand-in. Out: a [`Stack`] whose parts all answer, and `demo.json` for scripts. Dropping
//! it ends the processes. `run` and `test` use different places, so both can be up.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::account::{Account, Client, Credential};
use crate::build::Workshop;
use crate::edge::Edge;
use crate::process::{Group, stopped};
use crate::project::{Project, make_folder, remove, write_private};
use crate::secrets::{DemoSecrets, MasterKey};
use crate::{http, line, lock};

/// How long a process may take until it answers.
const PATIENCE: Duration = Duration::from_mins(2);
const CLIENT_ID: &str = "storefront";
/// The demo account's host: a host has no port.
const HOST: &str = "localhost";
/// What the local state consists of; `--fresh` removes it. `.dev.vars` may hold variables of yours and stays.
const STATE: [&str; 5] =
    ["state", "registry", "line-simulator.json", "storefront.json", "enishi-demo-secrets.json"];

/// The ports of the three processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) edge: u16,
    pub(crate) line: u16,
    pub(crate) shop: u16,
}

/// Where a stack lives: ports, state, logs, secrets.
#[derive(Debug)]
pub(crate) struct Place {
    ports: Ports,
    state: PathBuf,
    output: PathBuf,
    env_file: PathBuf,
    live: bool,
}

impl Place {
    /// The place of `cargo xtask run`: fixed ports, state that stays.
    pub(crate) fn run(project: &Project) -> Result<Self> {
        let ports = Ports {
            edge: port("EDGE_PORT", 8787)?,
            line: port("LINE_PORT", 8788)?,
            shop: port("SHOP_PORT", 8789)?,
        };
        let place = Self {
            ports,
            state: project.path(".wrangler"),
            output: project.path("target/run"),
            env_file: project.path(".dev.vars"),
            live: true,
        };
        place.make()
    }

    /// The place of the end-to-end tests: free ports; [`Claim::wipe`] makes its state fresh.
    pub(crate) fn test(project: &Project) -> Result<Self> {
        let place = Self {
            ports: free_ports()?,
            state: project.path("target/test/state"),
            output: project.path("target/test"),
            env_file: project.path("target/test/state/dev.vars"),
            live: false,
        };
        place.make()
    }

    fn make(self) -> Result<Self> {
        make_folder(&self.state)?;
        make_folder(&self.output)?;
        Ok(self)
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    /// A path in the state that outlives the processes.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// A path for logs and for files that others read.
    pub(crate) fn output(&self, name: &str) -> PathBuf {
        self.output.join(name)
    }

    pub(crate) fn env_file(&self) -> &Path {
        &self.env_file
    }

    /// Whether saved sources are built and loaded while the worker runs.
    pub(crate) fn live(&self) -> bool {
        self.live
    }

    pub(crate) fn edge(&self) -> String {
        format!("http://localhost:{}", self.ports.edge)
    }

    // Another site than the worker, as in life: cookies ignore ports, but not host names.
    pub(crate) fn line(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.line)
    }

    pub(crate) fn shop(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.shop)
    }
}

/// A place that no other command uses while this is held.
#[derive(Debug)]
pub(crate) struct Claim {
    place: Place,
    _lock: File,
}

impl Claim {
    /// Claims a place and makes sure that its ports are free. What stays up is not waited for.
    pub(crate) fn of(place: Place) -> Result<Self> {
        let path = place.output("lock");
        let lock = if place.live {
            lock::take(&path)?.context("`cargo xtask run` is up here already: stop it first")?
        } else {
            lock::wait(&path)?
        };
        let Ports { edge, line, shop } = place.ports;
        for (port, name) in [(edge, "EDGE_PORT"), (line, "LINE_PORT"), (shop, "SHOP_PORT")] {
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
                bail!("port {port} is in use: stop what uses it, or set {name}");
            }
        }
        Ok(Self { place, _lock: lock })
    }

    /// Removes all state.
    pub(crate) fn wipe(&self) -> Result<()> {
        STATE.iter().try_for_each(|name| remove(&self.place.state(name)))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

/// The running processes. Fields drop in order: processes first, then the claim.
#[derive(Debug)]
pub(crate) struct Stack {
    processes: Processes,
    claim: Claim,
}

impl Stack {
    /// Starts everything and waits until it answers.
    pub(crate) fn start(project: &Project, workshop: &Workshop, line: &Path, claim: Claim) -> Result<Self> {
        let place = claim.place();
        let sealed = place.state("state/v3/d1").is_dir();
        let operator_key = MasterKey::ensure(&place.env_file, sealed)?.operator_key()?;
        let secrets = DemoSecrets::ensure(&place.state("enishi-demo-secrets.json"))?;
        let edge = Edge::prepare(project, &workshop.node, place)?;

        let mut processes = Processes::default();
        let line = line::start(project, place, line, &secrets)?;
        processes.add(line, &format!("{}/sim/users", place.line()))?;
        edge.migrate()?;
        processes.add(edge.start()?, &format!("{}/healthz", place.edge()))?;
        let answer = store_demo_account(place, &operator_key, &secrets)?;
        let demo = serde_json::to_string_pretty(&demo(place, &secrets, &answer))?;
        write_private(&place.output("demo.json"), &format!("{demo}\n"))?;
        processes.add(start_shop(project, workshop, place)?, &place.shop())?;
        Ok(Self { processes, claim })
    }

    pub(crate) fn place(&self) -> &Place {
        self.claim.place()
    }

    /// Fails as soon as one of the processes has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.processes.check()
    }
}

/// Processes that end together.
#[derive(Debug, Default)]
struct Processes(Vec<Group>);

impl Processes {
    /// Adds a process and waits until its address answers with success.
    fn add(&mut self, process: Group, url: &str) -> Result<()> {
        let name = process.name().to_owned();
        self.0.push(process);
        let since = Instant::now();
        let mut last = None;
        while since.elapsed() < PATIENCE {
            if stopped() {
                bail!("stopped");
            }
            self.check()?;
            last = http::status(url, Duration::from_secs(5));
            if last.is_some_and(|status| status < 400) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("{}", self.0.last().map(Group::tail).unwrap_or_default());
        let seen = last.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
        bail!("{name} is not up after {} s: {seen} at {url}", PATIENCE.as_secs());
    }

    fn check(&mut self) -> Result<()> {
        for process in &mut self.0 {
            if let Some(status) = process.ended()? {
                eprintln!("{}", process.tail());
                bail!("{} ended by itself ({status})", process.name());
            }
        }
        Ok(())
    }
}

impl Drop for Processes {
    // Ask all before waiting for one, so that they end at the same time.
    fn drop(&mut self) {
        self.0.iter().for_each(Group::ask_to_end);
    }
}

fn store_demo_account(place: &Place, operator_key: &str, secrets: &DemoSecrets) -> Result<Value> {
    let shop = place.shop();
    let account = Account {
        name: "縁日和",
        login_channel: line::LOGIN_CHANNEL,
        credential: Credential::Secret(&secrets.login_channel_secret),
        email_permission: true,
        messaging_channel: (line::MESSAGING_CHANNEL, &secrets.messaging_channel_secret),
        bot_user_id: &secrets.bot_user_id,
        friend_add: "normal",
        client: Client {
            id: Some(CLIENT_ID),
            secret: Some(&secrets.client_secret),
            name: "縁日和 オンラインショップ",
            redirect_uris: vec![redirect_uri(place)],
            post_logout_redirect_uris: vec![format!("{shop}/")],
            initiate_login_uri: Some(format!("{shop}/login/line")),
            home_uri: Some(format!("{shop}/")),
        },
        api_key: Some(&secrets.api_key),
    };
    account.store(&place.edge(), operator_key, HOST).context("the demo account cannot be stored")
}

fn redirect_uri(place: &Place) -> String {
    format!("{}/callback", place.shop())
}

/// What scripts, tests and the shop read.
fn demo(place: &Place, secrets: &DemoSecrets, answer: &Value) -> Value {
    let issuer = answer.get("issuer").and_then(Value::as_str).map_or_else(|| place.edge(), str::to_owned);
    json!({
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": secrets.client_secret,
        "redirect_uri": redirect_uri(place),
        "api_key": secrets.api_key,
        "line_simulator": place.line(),
        "storefront": place.shop(),
        "messaging_channel_secret": secrets.messaging_channel_secret,
        "bot_user_id": secrets.bot_user_id,
        "messaging_channel_id": line::MESSAGING_CHANNEL,
        "login_channel_id": line::LOGIN_CHANNEL,
    })
}

fn start_shop(project: &Project, workshop: &Workshop, place: &Place) -> Result<Group> {
    let mut shop = workshop.node.script(project, "examples/storefront/server.mjs");
    shop.env("STOREFRONT_CONFIG", place.output("demo.json"));
    shop.env("STOREFRONT_STATE", place.state("storefront.json"));
    shop.env("SHOP_PORT", place.ports.shop.to_string());
    Group::start("the demo shop", &mut shop, &place.output("shop.log"))
}

/// A port from the environment.
fn port(variable: &str, default: u16) -> Result<u16> {
    match std::env::var(variable) {
        Ok(text) => parse_port(&text).with_context(|| format!("{variable} must be a port, not {text:?}")),
        Err(_) => Ok(default),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|port| *port > 0)
}

/// Three different ports that are free now.
fn free_ports() -> Result<Ports> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free");
    // All are held until each is known, so that they differ.
    let (edge, line, shop) = (bind()?, bind()?, bind()?);
    let port = |listener: &TcpListener| Ok::<_, anyhow::Error>(listener.local_addr()?.port());
    Ok(Ports { edge: port(&edge)?, line: port(&line)?, shop: port(&shop)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_positive_number() {
        assert_eq!(parse_port(" 18787 "), Some(18787));
        assert_eq!(parse_port("0"), None);
        assert_eq!(parse_port("70000"), None);
        assert_eq!(parse_port("http"), None);
    }

    #[test]
    fn free_ports_differ() -> Result<()> {
        let Ports { edge, line, shop } = free_ports()?;
        assert!(edge != line && line != shop && edge != shop);
        Ok(())
    }
}
