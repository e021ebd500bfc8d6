//! Locks between commands: files under `target/` that one command at a time holds. The system frees them at its end.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::stopped;
use crate::progress::Progress;
use crate::project::make_folder;

/// Takes the lock; `None` while another command holds it.
pub(crate) fn take(path: &Path) -> Result<Option<File>> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(file.try_lock().is_ok().then_some(file))
}

/// Takes the lock, after another command if need be.
pub(crate) fn wait(path: &Path) -> Result<File> {
    if let Some(file) = take(path)? {
        return Ok(file);
    }
    Progress::note("waiting for another `cargo xtask`");
    while !stopped() {
        if let Some(file) = take(path)? {
            return Ok(file);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("stopped");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_freed() -> Result<()> {
        let path = std::env::temp_dir().join(format!("xtask-lock-{}", std::process::id()));
        let held = take(&path)?;
        assert!(held.is_some());
        assert!(take(&path)?.is_none());
        drop(held);
        assert!(wait(&path).is_ok());
        crate::project::remove(&path)
    }
}
