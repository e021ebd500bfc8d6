//! `cargo xtask fuzz`: what outsiders send, changed at random by libFuzzer, through the checks in `fuzz/checks`.
//!
//! Needs nightly and cargo-fuzz, and installs what is missing: nightly by rustup beside the toolchains that are there,
//! cargo-fuzz into `target/tools`. What the fuzzers find on the way stays in `target/fuzz`; the committed corpus is only
//! read. The checks need no memory checker, because neither they nor the product have unsafe code: so no sanitizer, and
//! several times the executions.

use anyhow::{Result, bail};

use crate::process::{answer, command, on_path, run, show, stopped};
use crate::progress::Progress;
use crate::project::{Project, make_folder, read};
use crate::tools::cargo_fuzz;

const NIGHTLY: &str = "nightly";

/// Runs one target, or each in turn, for so many seconds.
pub(crate) fn fuzz(project: &Project, target: Option<&str>, seconds: u64) -> Result<()> {
    let manifest = read(&project.path("fuzz/Cargo.toml"))?;
    let all = targets(&manifest);
    let chosen: Vec<&str> = match target {
        None => all,
        Some(target) if all.contains(&target) => vec![target],
        Some(target) => bail!("there is no target {target}; there are {}", all.join(", ")),
    };
    ensure_nightly(project)?;
    let mut failed = Vec::new();
    for target in chosen {
        Progress::note(&format!("fuzzing {target} for {seconds} s"));
        let found = format!("target/fuzz/corpus/{target}");
        make_folder(&project.path(&found))?;
        let mut fuzzer = cargo_fuzz(project)?;
        fuzzer.env("RUSTUP_TOOLCHAIN", NIGHTLY).env_remove("CARGO").env_remove("RUSTC");
        // As its profile says, and not as cargo-fuzz would have it.
        fuzzer.args(["run", "--release", "--sanitizer", "none", "--target-dir", "target/fuzz/build", target]);
        fuzzer.args([&found, &format!("fuzz/corpus/{target}"), "--"]);
        fuzzer.arg(format!("-max_total_time={seconds}"));
        fuzzer.args(["-dict=fuzz/dictionary.txt", "-timeout=10", "-print_final_stats=1"]);
        let outcome = show(&format!("fuzzing {target}"), &mut fuzzer);
        if stopped() {
            return outcome;
        }
        if let Err(error) = outcome {
            eprintln!("{error:#}");
            failed.push(target);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        "a check failed in {}: what did it lies in fuzz/artifacts; put it into fuzz/corpus with its mend",
        failed.join(", ")
    )
}

/// The names of the binaries in a manifest.
fn targets(manifest: &str) -> Vec<&str> {
    let bins = manifest.split("[[bin]]").skip(1);
    bins.filter_map(|bin| bin.split_once("name = \"")?.1.split('"').next()).collect()
}

fn ensure_nightly(project: &Project) -> Result<()> {
    if on_path(&["rustup"]).is_none() {
        bail!("fuzzing needs Rust's nightly: install rustup (https://rustup.rs)");
    }
    let installed = answer("rustup", &["toolchain", "list"], project.root()).unwrap_or_default();
    if installed.lines().any(|toolchain| toolchain.starts_with("nightly-") && !is_dated(toolchain)) {
        return Ok(());
    }
    Progress::note(
        "installing Rust's nightly by rustup, beside the toolchains that are there (about 200 MB)",
    );
    let mut rustup = command("rustup", project.root());
    rustup.args(["toolchain", "install", NIGHTLY, "--profile", "minimal"]);
    run("rustup toolchain install", &mut rustup, &project.log("rustup")?)
}

/// Whether a toolchain is the nightly of one day, as `nightly-2026-05-19-x86_64-unknown-linux-gnu`.
fn is_dated(toolchain: &str) -> bool {
    toolchain.trim_start_matches("nightly-").starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_binaries_of_the_manifest() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        assert_eq!(
            targets(manifest),
            ["signature", "delivery", "job", "form", "csv", "uri", "instant", "message", "event", "rule"]
        );
        assert!(is_dated("nightly-2026-05-19-x86_64-unknown-linux-gnu"));
        assert!(!is_dated("nightly-x86_64-unknown-linux-gnu (override)"));
    }
}
