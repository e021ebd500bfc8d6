//! The server: a listener on 127.0.0.1, a carrier of webhooks, a keeper of the state file.
//!
//! In: the arguments. Out: nothing until a signal ends it; then the state is written once more. Not here: answers
//! (`line_simulator`), and TLS, which loopback does not need.

pub(crate) mod arguments;
mod carrier;
mod keeper;
mod listener;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use line_simulator::{Config, Simulator};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use arguments::Arguments;
use keeper::Keeper;

/// What the tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    simulator: Mutex<Simulator>,
    /// Rung when webhooks wait.
    webhooks: Notify,
}

impl Shared {
    /// The platform; a task that panicked holding it leaves it usable.
    fn simulator(&self) -> MutexGuard<'_, Simulator> {
        self.simulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the carrier if there is something to carry.
    fn ring(&self) {
        if self.simulator().webhooks_waiting() {
            self.webhooks.notify_one();
        }
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    #[error("{0} is not a configuration: {1}")]
    Config(String, serde_json::Error),
    #[error("{0}: {1}")]
    State(String, line_simulator::RestoreError),
    #[error("cannot listen on port {0}: {1}")]
    Listen(u16, std::io::Error),
    #[error("cannot listen for signals: {0}")]
    Signal(std::io::Error),
}

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(arguments: Arguments) -> Result<(), StartError> {
    let config = read_config(&arguments)?;
    let keeper = arguments.state.clone().map(Keeper::new);
    let simulator = match keeper.as_ref().map(Keeper::load).transpose()?.flatten() {
        None => Simulator::new(config, arguments.seed),
        Some(saved) => {
            let shown = arguments.state.unwrap_or_default().display().to_string();
            Simulator::restore(config, &saved).map_err(|error| StartError::State(shown, error))?
        }
    };
    let shared = Arc::new(Shared { simulator: Mutex::new(simulator), webhooks: Notify::new() });

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listen_error = |error| StartError::Listen(arguments.port, error);
    let listener = TcpListener::bind(address).await.map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signal)?;
    println!("line-simulator listening on http://{address}/sim/");

    tokio::select! {
        () = listener::listen(listener, &shared) => {}
        () = carrier::carry(Arc::clone(&shared)) => {}
        () = keeper::keep(keeper.as_ref(), &shared) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if let Some(keeper) = keeper {
        keeper.write(&shared.simulator().save());
    }
    Ok(())
}

fn read_config(arguments: &Arguments) -> Result<Config, StartError> {
    let Some(path) = &arguments.config else { return Ok(Config::default()) };
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| StartError::File(shown.clone(), error))?;
    serde_json::from_slice(&bytes).map_err(|error| StartError::Config(shown, error))
}

/// Unix milliseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
