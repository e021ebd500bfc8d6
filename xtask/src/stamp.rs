//! Stamps: a digest of what a step depends on, kept beside its result, so that an unchanged step is skipped.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::project::{read, write};

/// Collects the inputs of a step.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    hash: Sha256,
}

impl Inputs {
    /// Adds a named text, such as a tool's version.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.add(name, value.as_bytes());
        self
    }

    /// Adds a file, or every file below a folder; absent counts as a state of its own.
    pub(crate) fn files(mut self, root: &Path, relative: &str) -> Result<Self> {
        let mut found = Vec::new();
        collect(&root.join(relative), &mut found)?;
        found.sort();
        self.add(relative, &found.len().to_be_bytes());
        for path in found {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            self.add(&name, &bytes);
        }
        Ok(self)
    }

    /// The digest as hexadecimal text.
    pub(crate) fn digest(self) -> String {
        hex(&self.hash.finalize())
    }

    // Lengths go in first, so that no two lists of parts look alike.
    fn add(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.hash.update(part.len().to_be_bytes());
            self.hash.update(part);
        }
    }
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
        for entry in entries {
            collect(&entry.context("cannot list a folder")?.path(), found)?;
        }
    } else if path.is_file() {
        found.push(path.to_owned());
    }
    Ok(())
}

/// Bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// A digest on disk.
#[derive(Debug)]
pub(crate) struct Stamp {
    path: PathBuf,
}

impl Stamp {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether the step was last done with this digest.
    pub(crate) fn holds(&self, digest: &str) -> bool {
        read(&self.path).is_ok_and(|text| text == digest)
    }

    /// Remembers the digest.
    pub(crate) fn set(&self, digest: &str) -> Result<()> {
        write(&self.path, digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_follows_names_contents_and_absence() -> Result<()> {
        let root = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        let digest = || Ok::<_, anyhow::Error>(Inputs::default().files(&root, "src")?.digest());
        let absent = digest()?;
        write(&root.join("src/deep/a.rs"), "one")?;
        let one = digest()?;
        assert_ne!(absent, one);
        assert_eq!(one, digest()?);
        write(&root.join("src/deep/a.rs"), "two")?;
        assert_ne!(one, digest()?);
        write(&root.join("src/deep/a.rs"), "one")?;
        assert_eq!(one, digest()?);
        std::fs::rename(root.join("src/deep/a.rs"), root.join("src/deep/b.rs"))?;
        assert_ne!(one, digest()?);
        crate::project::remove(&root)
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let one = Inputs::default().text("ab", "c").digest();
        let other = Inputs::default().text("a", "bc").digest();
        assert_ne!(one, other);
    }

    #[test]
    fn a_stamp_holds_only_what_was_set() -> Result<()> {
        let path = std::env::temp_dir().join(format!("xtask-stamp-file-{}", std::process::id()));
        let stamp = Stamp::at(path.clone());
        assert!(!stamp.holds("x"));
        stamp.set("x")?;
        assert!(stamp.holds("x"));
        assert!(!stamp.holds("y"));
        crate::project::remove(&path)
    }
}
