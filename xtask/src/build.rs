//! The wasm build: worker-build with the tools of `target/tools` and `node_modules`, skipped when nothing changed.
//!
//! In: `src/`, the manifests, the lock file. Out: `build/index.js` and `build/index_bg.wasm`, which wrangler bundles.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::lock::wait;
use crate::node::Node;
use crate::process::run;
use crate::progress::Progress;
use crate::project::{Project, make_folder};
use crate::stamp::{Inputs, Stamp};
use crate::tools::Tools;

/// What the wasm is made of. Migrations and pages can be compiled in.
const SOURCES: [&str; 7] =
    ["src", "migrations", "static", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "package-lock.json"];
const OUTPUTS: [&str; 2] = ["build/index.js", "build/index_bg.wasm"];

/// Everything that the commands need to be there before they start a worker.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) node: Node,
    pub(crate) tools: Tools,
}

/// How many steps [`set_up`] announces.
pub(crate) const SET_UP_STEPS: usize = 2;

/// Installs what is missing, one command at a time.
pub(crate) fn set_up(project: &Project, progress: &mut Progress) -> Result<Workshop> {
    let _alone = wait(&project.path("target/xtask/set-up.lock"))?;
    progress.step("Node and its packages");
    let node = Node::ensure(project)?;
    node.ensure_packages(project)?;
    progress.step("Rust's tools for the worker");
    let tools = Tools::ensure(project, &node)?;
    Ok(Workshop { node, tools })
}

/// Builds the worker; says whether there was anything to do.
pub(crate) fn build(project: &Project, workshop: &Workshop) -> Result<bool> {
    let _alone = wait(&project.path("target/xtask/build.lock"))?;
    let stamp = Stamp::at(project.path("target/xtask/wasm.stamp"));
    // Taken before the build: a source that is saved meanwhile belongs to the next one.
    let sources = sources(project, workshop)?;
    if stamp.holds(&format!("{sources} {}", outputs(project)?)) {
        return Ok(false);
    }
    Progress::note("compiling to wasm (about 2 minutes the first time, then 15 to 30 s)");
    let mut worker_build = workshop.tools.worker_build(project)?;
    run("the wasm build", worker_build.args(["--profile", "wasm"]), &project.log("wasm")?)?;
    stamp.set(&format!("{sources} {}", outputs(project)?))?;
    Ok(true)
}

fn sources(project: &Project, workshop: &Workshop) -> Result<String> {
    let mut inputs = Inputs::default().text("tools", &workshop.tools.versions(project));
    inputs = inputs.text("RUSTFLAGS", &std::env::var("RUSTFLAGS").unwrap_or_default());
    for path in SOURCES {
        inputs = inputs.files(project.root(), path)?;
    }
    Ok(inputs.digest())
}

/// Outputs belong to the stamp, so that a deleted or foreign `build/` is built again.
fn outputs(project: &Project) -> Result<String> {
    let mut inputs = Inputs::default();
    for path in OUTPUTS {
        inputs = inputs.files(project.root(), path)?;
    }
    Ok(inputs.digest())
}

/// Copies the built worker, so that later builds do not touch what uses the copy.
pub(crate) fn copy_to(project: &Project, folder: &Path) -> Result<()> {
    let _alone = wait(&project.path("target/xtask/build.lock"))?;
    make_folder(folder)?;
    for output in OUTPUTS.map(Path::new) {
        let name = output.file_name().context("an output has a name")?;
        std::fs::copy(project.root().join(output), folder.join(name))
            .with_context(|| format!("cannot copy {}", output.display()))?;
    }
    Ok(())
}
