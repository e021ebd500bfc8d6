//! The Rust tools: the wasm target, worker-build and the wasm-bindgen CLI of `Cargo.lock`, cargo-deny, cargo-fuzz.
//!
//! They come from the crate registry and stay in `target/tools`. They are built without optimisation: that halves the
//! time to the first run, and none of them is what a build waits for.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::node::{Node, esbuild};
use crate::process::{answer, command, on_path, run, succeeds};
use crate::progress::Progress;
use crate::project::{Project, read, remove};

const WORKER_BUILD: &str = "0.8.7";
const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";
/// Where the tools are compiled; removed once they are installed.
const SCRATCH: &str = "target/tools/build";
const TARGET: &str = "wasm32-unknown-unknown";

/// What a wasm build needs beside cargo.
#[derive(Debug)]
pub(crate) struct Tools {
    node: Node,
    wasm_bindgen: String,
}

impl Tools {
    /// Installs what is missing.
    pub(crate) fn ensure(project: &Project, node: &Node) -> Result<Self> {
        ensure_target(project)?;
        let wasm_bindgen = locked_version(&read(&project.path("Cargo.lock"))?, "wasm-bindgen")
            .context("Cargo.lock names no wasm-bindgen")?;
        install(project, &Tool { crate_name: "worker-build", version: WORKER_BUILD, bin: "worker-build" })?;
        let cli = Tool { crate_name: "wasm-bindgen-cli", version: &wasm_bindgen, bin: "wasm-bindgen" };
        install(project, &cli)?;
        remove(&project.path(SCRATCH))?;
        Ok(Self { node: node.clone(), wasm_bindgen })
    }

    /// The worker-build command, told where its helpers are, so that it downloads nothing.
    pub(crate) fn worker_build(&self, project: &Project) -> Result<Command> {
        let mut command = command(bin(project, "worker-build"), project.root());
        self.lend(project, &mut command)?;
        Ok(command)
    }

    /// Names the tools in a command's environment.
    pub(crate) fn lend(&self, project: &Project, command: &mut Command) -> Result<()> {
        self.node.put_first(command);
        command.env("WORKER_BUILD_BIN", bin(project, "worker-build"));
        command.env("WASM_BINDGEN_BIN", bin(project, "wasm-bindgen"));
        command.env("WASM_OPT_BIN", project.path("node_modules/.bin/wasm-opt"));
        command.env("ESBUILD_BIN", project.path(esbuild()?));
        Ok(())
    }

    /// The versions that a build's result depends on.
    pub(crate) fn versions(&self, project: &Project) -> String {
        let rustc = answer("rustc", &["--version"], project.root()).unwrap_or_default();
        format!("worker-build {WORKER_BUILD}, wasm-bindgen {}, {rustc}", self.wasm_bindgen)
    }
}

/// cargo-deny, installed on first use.
pub(crate) fn cargo_deny(project: &Project) -> Result<Command> {
    install(project, &Tool { crate_name: "cargo-deny", version: CARGO_DENY, bin: "cargo-deny" })?;
    remove(&project.path(SCRATCH))?;
    Ok(command(bin(project, "cargo-deny"), project.root()))
}

/// cargo-fuzz, installed on first use.
pub(crate) fn cargo_fuzz(project: &Project) -> Result<Command> {
    install(project, &Tool { crate_name: "cargo-fuzz", version: CARGO_FUZZ, bin: "cargo-fuzz" })?;
    remove(&project.path(SCRATCH))?;
    Ok(command(bin(project, "cargo-fuzz"), project.root()))
}

struct Tool<'a> {
    crate_name: &'a str,
    version: &'a str,
    bin: &'a str,
}

fn bin(project: &Project, name: &str) -> PathBuf {
    project.path("target/tools/bin").join(name)
}

fn install(project: &Project, tool: &Tool<'_>) -> Result<()> {
    let installed = read(&project.path("target/tools/.crates.toml")).unwrap_or_default();
    if is_installed(&installed, tool.crate_name, tool.version) && bin(project, tool.bin).is_file() {
        return Ok(());
    }
    ensure_openssl(project)?;
    Progress::note(&format!(
        "installing {} {} into target/tools (about 2 minutes)",
        tool.crate_name, tool.version
    ));
    let log = project.log(tool.crate_name)?;
    // A registry mirror can lack a crate of a brand-new lock file; then the newest compatible ones serve.
    if !succeeds(tool.crate_name, cargo_install(project, tool).arg("--locked"), &log)? {
        let name = format!("cargo install {}", tool.crate_name);
        run(&name, &mut cargo_install(project, tool), &log)?;
    }
    Ok(())
}

fn cargo_install(project: &Project, tool: &Tool<'_>) -> Command {
    let mut cargo = command("cargo", project.root());
    cargo.args(["install", tool.crate_name, "--version", tool.version, "--bin", tool.bin]);
    cargo.args(["--debug", "--force", "--root", "target/tools", "--target-dir", SCRATCH]);
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
    cargo
}

fn ensure_target(project: &Project) -> Result<()> {
    let here = |folder: String| PathBuf::from(folder).is_dir();
    let library = || answer("rustc", &["--print", "target-libdir", "--target", TARGET], project.root());
    if library().is_some_and(here) {
        return Ok(());
    }
    if on_path(&["rustup"]).is_none() {
        bail!(
            "the Rust target {TARGET} is missing: install rustup (https://rustup.rs), or the target by hand"
        );
    }
    Progress::note(&format!("adding the Rust target {TARGET}"));
    let mut rustup = command("rustup", project.root());
    run("rustup target add", rustup.args(["target", "add", TARGET]), &project.log("rustup")?)
}

/// worker-build links OpenSSL, which on Linux is found through pkg-config.
fn ensure_openssl(project: &Project) -> Result<()> {
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    if on_path(&["pkg-config"]).is_none() {
        bail!("pkg-config is missing: install it (Debian: apt-get install pkg-config libssl-dev)");
    }
    if answer("pkg-config", &["--exists", "openssl"], project.root()).is_none() {
        bail!("the OpenSSL headers are missing: install them (Debian: apt-get install libssl-dev)");
    }
    Ok(())
}

/// Whether cargo's list of installed crates has this version.
fn is_installed(list: &str, name: &str, version: &str) -> bool {
    let wanted = format!("\"{name} {version} (");
    list.lines().any(|line| line.starts_with(&wanted))
}

/// The version of a package in a `Cargo.lock`.
fn locked_version(lock: &str, name: &str) -> Option<String> {
    let wanted = format!("name = \"{name}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_the_version_of_one_package() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.1\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }

    #[test]
    fn an_older_version_is_not_the_one_wanted() {
        let list = "[v1]\n\"worker-build 0.8.7 (registry+x)\" = [\"worker-build\"]\n";
        assert!(is_installed(list, "worker-build", "0.8.7"));
        assert!(!is_installed(list, "worker-build", "0.8.8"));
        assert!(!is_installed(list, "worker", "0.8.7"));
    }
}
