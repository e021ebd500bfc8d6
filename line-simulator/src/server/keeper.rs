//! The state file: read at the start, written a moment after each change and at the end.
//!
//! In: a path and the platform. Out: a file that is always whole, because it is written beside and renamed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Shared, StartError};

/// Changes are gathered for so long before they are written.
const GATHERED: Duration = Duration::from_millis(500);
/// With many users writing takes its time: at most one part in so many of it is spent writing.
const PATIENCE: u32 = 20;

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct Keeper(PathBuf);

impl Keeper {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What was saved; none if there is no file yet.
    pub(crate) fn load(&self) -> Result<Option<Vec<u8>>, StartError> {
        match std::fs::read(&self.0) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StartError::File(self.0.display().to_string(), error)),
        }
    }

    /// Writes the file; a failure is told and the server goes on.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut beside = self.0.clone().into_os_string();
        beside.push(".new");
        let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, &self.0));
        if let Err(error) = written {
            eprintln!("line-simulator: {}: {error}", self.0.display());
        }
    }
}

/// Writes whenever something changed; without a file, waits for ever.
pub(crate) async fn keep(keeper: Option<&Keeper>, shared: &Shared) {
    let Some(keeper) = keeper else { return std::future::pending().await };
    let mut written = shared.simulator().revision();
    let mut pause = GATHERED;
    loop {
        tokio::time::sleep(pause).await;
        let began = Instant::now();
        let (revision, bytes) = {
            let simulator = shared.simulator();
            let revision = simulator.revision();
            (revision, (revision != written).then(|| simulator.save()))
        };
        if let Some(bytes) = bytes {
            keeper.write(&bytes);
            written = revision;
            pause = GATHERED.max(began.elapsed() * PATIENCE);
        }
    }
}
