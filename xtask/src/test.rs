//! `cargo xtask test`: every check and every test, one after the other, and a count at the end.
//!
//! A failing step does not hide the others; only what cannot run without it is left out. Formatting, lints, docs, the
//! build and the size gate are no tests: they add nothing to `passed`, but one to `failed` when they fail.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::build::{SET_UP_STEPS, Workshop, build, set_up};
use crate::counts::{self, Counts};
use crate::process::{command, run, stopped, succeeds, tail};
use crate::progress::Progress;
use crate::project::{Project, read};
use crate::secrets::MasterKey;
use crate::stack::{Claim, Place, Stack};
use crate::{browser, line, size};

/// A part of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting.
    Fmt,
    /// Lints of every crate on this machine.
    Clippy,
    /// Lints of the worker for wasm32.
    ClippyWasm,
    /// Documentation without warnings.
    Doc,
    /// Tests of every crate on this machine.
    Host,
    /// The release build of the worker.
    Wasm,
    /// The size gate of the wasm.
    Size,
    /// The demo shop's own tests.
    Shop,
    /// LINE's own SDK against the stand-in.
    Sdk,
    /// The worker in workerd, with the shop, in a browser.
    E2e,
    /// Many requests at once for what may happen once, in workerd.
    Once,
    /// OpenID Connect clients of others against the worker in workerd.
    Clients,
}

impl Step {
    fn title(self) -> &'static str {
        match self {
            Self::Fmt => "formatting",
            Self::Clippy => "clippy",
            Self::ClippyWasm => "clippy for wasm32",
            Self::Doc => "documentation",
            Self::Host => "host tests",
            Self::Wasm => "wasm build",
            Self::Size => "wasm size",
            Self::Shop => "the demo shop's own tests",
            Self::Sdk => "LINE's SDK against the stand-in",
            Self::E2e => "end-to-end tests in workerd and Chromium",
            Self::Once => "what happens once, in workerd",
            Self::Clients => "real OpenID Connect clients",
        }
    }
}

/// How much is sent where a test can do with less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Enough to see what is broken.
    Small,
    /// What is promised.
    Full,
}

/// Runs the steps, all or some, and prints the count as the last line; says whether tests ran and none failed.
pub(crate) fn test(project: &Project, only: &[Step], figure: Figure) -> Result<bool> {
    let steps: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| only.is_empty() || only.contains(step))
        .collect();
    let mut progress = Progress::new(SET_UP_STEPS + steps.len());
    let workshop = set_up(project, &mut progress)?;
    let mut bench = Bench { project, workshop, figure, built: None, stack: None };
    let mut times = vec![("set-up", progress.seconds(), Counts::default())];
    let mut sum = Counts::default();
    for step in steps {
        progress.step(step.title());
        let since = Instant::now();
        let counts = bench.run(step).unwrap_or_else(|error| {
            eprintln!("      {error:#}");
            Counts::of_check(false)
        });
        if stopped() {
            bail!("stopped");
        }
        times.push((step.title(), since.elapsed().as_secs(), counts));
        sum += counts;
    }
    print_times(&times, progress.seconds());
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum.failed == 0 && (sum.passed > 0 || !only.is_empty()))
}

fn print_times(times: &[(&str, u64, Counts)], total: u64) {
    println!();
    for (title, seconds, Counts { passed, failed }) in times {
        let result = match (passed, failed) {
            (0, 0) => String::new(),
            (0, _) => "failed".to_owned(),
            _ => format!("{passed} passed, {failed} failed"),
        };
        println!("{seconds:6} s  {title:42} {result}");
    }
    println!("{total:6} s  in all\n");
}

struct Bench<'a> {
    project: &'a Project,
    workshop: Workshop,
    figure: Figure,
    built: Option<bool>,
    stack: Option<Stack>,
}

impl Bench<'_> {
    fn run(&mut self, step: Step) -> Result<Counts> {
        match step {
            Step::Fmt => {
                self.check("fmt", &mut self.cargo(&["fmt", "--all", "--check", "--", "--color", "never"]))
            }
            Step::Clippy => {
                let lint = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
                self.check("clippy", &mut self.cargo(&lint))
            }
            Step::ClippyWasm => {
                let lint = ["clippy", "--package", "enishi", "--lib", "--target", "wasm32-unknown-unknown"];
                self.check("clippy-wasm", self.cargo(&lint).args(["--", "-D", "warnings"]))
            }
            Step::Doc => {
                let mut doc = self.cargo(&["doc", "--workspace", "--no-deps"]);
                self.check("doc", doc.env("RUSTDOCFLAGS", "-D warnings"))
            }
            Step::Host => self.host(),
            Step::Wasm => self.wasm(),
            Step::Size => self.size(),
            Step::Shop => self.shop(),
            Step::Sdk => self.sdk(),
            Step::E2e => self.e2e(),
            Step::Once => self.once(),
            Step::Clients => self.clients(),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = command("cargo", self.project.root());
        cargo.args(arguments);
        cargo
    }

    fn check(&self, name: &str, command: &mut Command) -> Result<Counts> {
        let log = self.project.log(name)?;
        let succeeded = succeeds(name, command, &log)?;
        show_failure(succeeded, &log);
        Ok(Counts::of_check(succeeded))
    }

    fn host(&self) -> Result<Counts> {
        let mut cargo = self.cargo(&["test", "--workspace", "--no-fail-fast"]);
        self.tests("host", &mut cargo, counts::cargo)
    }

    fn tests(&self, name: &str, command: &mut Command, count: fn(&str) -> Counts) -> Result<Counts> {
        let log = self.project.log(name)?;
        let succeeded = succeeds(name, command, &log)?;
        show_failure(succeeded, &log);
        Ok(count(&read(&log)?).of_tests(succeeded))
    }

    fn wasm(&mut self) -> Result<Counts> {
        self.ensure_built()?;
        Ok(Counts::default())
    }

    /// Builds once per run; a failed build is not tried again.
    fn ensure_built(&mut self) -> Result<()> {
        if self.built.is_none() {
            self.built = Some(false);
            build(self.project, &self.workshop)?;
            self.built = Some(true);
        }
        if self.built == Some(false) {
            bail!("left out: there is no wasm");
        }
        Ok(())
    }

    fn size(&mut self) -> Result<Counts> {
        self.ensure_built()?;
        Ok(Counts::of_check(size::fits(&self.project.path("build/index_bg.wasm"))?))
    }

    fn shop(&self) -> Result<Counts> {
        self.tests("shop", &mut self.node_test("examples/storefront/test")?, counts::node)
    }

    fn sdk(&self) -> Result<Counts> {
        let binary = line::binary(self.project)?;
        let mut node = self.node_test("tests/line-bot-sdk")?;
        self.tests("sdk", node.env("LINE_SIMULATOR_BIN", binary), counts::node)
    }

    fn e2e(&mut self) -> Result<Counts> {
        self.ensure_built()?;
        let chromium = browser::ensure(self.project)?;
        self.on_the_stack("e2e", |node| node.env("CHROMIUM", chromium))
    }

    fn once(&mut self) -> Result<Counts> {
        self.ensure_built()?;
        let full = self.figure == Figure::Full;
        self.on_the_stack("once", |node| if full { node.env("ENISHI_PROVE", "1") } else { node })
    }

    /// After the browser's tests, since this step replaces the keys that the shop has seen.
    fn clients(&mut self) -> Result<Counts> {
        self.ensure_built()?;
        let log = self.project.log("relying-party")?;
        run("the build of the Rust client", &mut self.cargo(&["build", "--package", "relying-party"]), &log)?;
        // Cargo puts it beside this command, which is of the same profile.
        let this = std::env::current_exe().context("this command has no place")?;
        let binary = this.with_file_name("relying-party");
        self.on_the_stack("clients", |node| node.env("RELYING_PARTY_BIN", binary))
    }

    /// The tests of a folder of `tests/` against the running stack.
    fn on_the_stack(
        &mut self,
        name: &str,
        with: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Counts> {
        let mut node = self.node_test(&format!("tests/{name}"))?;
        let place = self.stack()?.place();
        node.env("ENISHI_DEMO", place.output("demo.json"));
        node.env("ENISHI_OPERATOR_KEY", MasterKey::from_file(place.env_file())?.operator_key()?);
        let counts = self.tests(name, with(&mut node), counts::node)?;
        if counts.failed > 0 {
            eprintln!("      the logs of the worker, the stand-in and the shop are in target/test/");
        }
        let up = self.stack()?.check();
        if up.is_err() {
            self.stack = None;
        }
        up.map(|()| counts)
    }

    /// The running stack: started with fresh state by the first step that needs it.
    fn stack(&mut self) -> Result<&mut Stack> {
        let stack = if let Some(stack) = self.stack.take() {
            stack
        } else {
            let line = line::binary(self.project)?;
            let claim = Claim::of(Place::test(self.project)?)?;
            claim.wipe()?;
            crate::project::remove(claim.place().env_file())?;
            Stack::start(self.project, &self.workshop, &line, claim)?
        };
        Ok(self.stack.insert(stack))
    }

    /// Node's test runner on the test files of a folder.
    fn node_test(&self, folder: &str) -> Result<Command> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.project.path(folder)).with_context(|| format!("no {folder}"))? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".test.mjs") {
                files.push(path);
            }
        }
        if files.is_empty() {
            bail!("{folder} has no *.test.mjs");
        }
        files.sort();
        let mut node = self.workshop.node.command(self.project);
        // One file at a time: they share the stack, and the machine may have two cores.
        node.args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
            .args(files)
            .env("NO_COLOR", "1")
            .env_remove("FORCE_COLOR");
        Ok(node)
    }
}

fn show_failure(succeeded: bool, log: &Path) {
    if !succeeded {
        let output = tail(log, 2_000);
        let lines: Vec<&str> = output.lines().filter(|line| !is_cargo_progress(line)).collect();
        let last = lines.get(lines.len().saturating_sub(150)..).unwrap_or_default();
        eprintln!("{}\n      all of the output is in {}", last.join("\n"), log.display());
    }
}

/// Cargo's lines about work that went well.
fn is_cargo_progress(line: &str) -> bool {
    let word = line.trim_start().split(' ').next().unwrap_or_default();
    line.starts_with("   ")
        && matches!(word, "Compiling" | "Checking" | "Documenting" | "Running" | "Finished")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compilers_message_is_not_progress() {
        assert!(is_cargo_progress("    Checking serde v1.0.229"));
        assert!(!is_cargo_progress("error: usage of wildcard import"));
        assert!(!is_cargo_progress(" --> src/lib.rs:4:9"));
    }
}
