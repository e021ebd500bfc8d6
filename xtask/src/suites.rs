//! The thin commands: `prove`, `bench` and `audit` hand over to cargo, Node and cargo-deny.

use anyhow::Result;

use crate::build::{SET_UP_STEPS, build, set_up};
use crate::line;
use crate::process::{command, show};
use crate::progress::Progress;
use crate::project::{Project, read};
use crate::test::{Figure, Step, test};
use crate::tools::cargo_deny;

/// The suite that is no matter of seeds: `tests/once` in workerd.
const WORKERD: &str = "workerd";

/// Runs the randomised suites, all or one, with many seeds, in release; and what happens once on D1 in workerd. Says
/// whether all is well.
///
/// The suites are the tests of `tests/it` that are named `prove_<suite>_…`; they print their figures themselves.
pub(crate) fn prove(project: &Project, suite: Option<&str>, seeds: Option<u64>) -> Result<bool> {
    if suite != Some(WORKERD) {
        by_seeds(project, suite, seeds)?;
    }
    if suite.is_some_and(|suite| suite != WORKERD) {
        return Ok(true);
    }
    let well = test(project, &[Step::Once], Figure::Full)?;
    let log = read(&project.log("once")?)?;
    log.lines().filter(|line| line.contains(" in workerd: ")).for_each(|figures| println!("{figures}"));
    Ok(well)
}

fn by_seeds(project: &Project, suite: Option<&str>, seeds: Option<u64>) -> Result<()> {
    let filter = format!("::prove_{}", suite.unwrap_or_default());
    let mut cargo = command("cargo", project.root());
    cargo.args(["test", "--release", "--package", "enishi", "--test", "it", &filter]);
    cargo.args(["--", "--nocapture", "--test-threads=1"]).env("ENISHI_PROVE", "1");
    if let Some(seeds) = seeds {
        cargo.env("ENISHI_SEEDS", seeds.to_string());
    }
    show("the proof", &mut cargo)
}

/// What a benchmark measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Measured {
    /// What requests cost, beside floors and a rival.
    #[default]
    Requests,
    /// Sends of three sizes, from the request until they are done, against the LINE stand-in.
    Sends,
    /// Rules over accounts of three sizes.
    Segments,
}

/// Builds the worker and measures it; the measurements go to standard output.
pub(crate) fn bench(project: &Project, what: Measured, json: bool) -> Result<()> {
    let mut progress = Progress::new(SET_UP_STEPS + 2);
    let workshop = set_up(project, &mut progress)?;
    progress.step("the worker");
    build(project, &workshop)?;
    progress.step("the benchmark");
    let mut node = workshop.node.script(
        project,
        match what {
            Measured::Requests => "bench/bench.mjs",
            Measured::Sends => "bench/sends.mjs",
            Measured::Segments => "bench/segments.mjs",
        },
    );
    if what == Measured::Sends {
        node.env("ENISHI_LINE", line::optimized_binary(project)?);
    }
    if json {
        node.arg("--json");
    }
    workshop.tools.lend(project, &mut node)?;
    show("the benchmark", node.env("ENISHI_BUILD", project.path("build")))
}

/// Checks licences, bans and sources of every dependency by `deny.toml`.
pub(crate) fn audit(project: &Project) -> Result<()> {
    let mut deny = cargo_deny(project)?;
    show("the audit", deny.args(["--workspace", "check", "bans", "licenses", "sources"]))
}
