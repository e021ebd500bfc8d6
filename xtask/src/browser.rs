//! A Chromium for the browser tests: found, or installed from Debian's packages where this command may do that.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::process::{answer, command, on_path, run};
use crate::progress::Progress;
use crate::project::Project;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const ON_MACOS: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
// The fonts make Japanese pages, and pictures of them, readable.
const PACKAGES: [&str; 2] = ["chromium", "fonts-noto-cjk"];

/// Finds or installs a browser.
pub(crate) fn ensure(project: &Project) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM").map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        bail!("CHROMIUM names {}, which is not there", path.display());
    }
    if let Some(path) = find() {
        return Ok(path);
    }
    if !may_install(project) {
        bail!(
            "the browser tests need Chromium: apt-get install chromium fonts-noto-cjk, or set CHROMIUM to one"
        );
    }
    install(project)?;
    find().context("Debian's chromium was installed, but is not on PATH: set CHROMIUM")
}

fn find() -> Option<PathBuf> {
    let on_macos = || ON_MACOS.iter().map(PathBuf::from).find(|path| path.is_file());
    on_path(&NAMES).or_else(on_macos)
}

/// Root on Debian itself: elsewhere `chromium` can be a package that only points at another installer.
fn may_install(project: &Project) -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    is_debian(&release) && answer("id", &["-u"], project.root()).as_deref() == Some("0")
}

fn is_debian(release: &str) -> bool {
    release.lines().any(|line| line == "ID=debian") && Path::new("/usr/bin/apt-get").is_file()
}

fn install(project: &Project) -> Result<()> {
    Progress::note("installing Chromium from Debian's packages (about 2 minutes)");
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get", project.root());
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run("apt-get update", &mut apt(&["update"]), &project.log("apt-update")?)?;
    let mut install = apt(&["install", "-y", "--no-install-recommends"]);
    run("apt-get install chromium", install.args(PACKAGES), &project.log("apt-install")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_children_are_not_debian() {
        assert!(!is_debian("ID=ubuntu\nID_LIKE=debian\n"));
    }
}
