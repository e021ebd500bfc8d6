//! The size gate of the wasm: what every fresh isolate has to load and compile.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::progress::Progress;

/// The largest wasm that may be shipped, in bytes, compressed as Cloudflare does. Of what there is, P-256 for ES256 is the
/// largest single part.
const LIMIT: usize = 1_200_000;

/// Whether the wasm may be shipped; tells its size.
pub(crate) fn fits(path: &Path) -> Result<bool> {
    let wasm = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let packed = gzip_size(&wasm)?;
    Progress::note(&format!("{} bytes, {packed} in gzip of at most {LIMIT}", wasm.len()));
    Ok(packed < LIMIT)
}

fn gzip_size(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).context("cannot compress")?;
    Ok(encoder.finish().context("cannot compress")?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_makes_repetition_small() -> Result<()> {
        let packed = gzip_size(&vec![7; 100_000])?;
        assert!(packed > 0 && packed < 1_000);
        Ok(())
    }
}
