//! The worker under `wrangler dev`: migrations into local D1, then the server.
//!
//! Secrets go in by file, never by argument. The session gets a registry of its own, so that two stacks on one machine
//! do not hand each other their queues.

use std::process::Command;

use anyhow::Result;

use crate::node::Node;
use crate::process::{Group, run};
use crate::project::Project;
use crate::stack::Place;
use crate::stamp::{Inputs, Stamp};

const WRANGLER: &str = "node_modules/wrangler/bin/wrangler.js";
/// Tells `cargo xtask build`, which wrangler calls, that the build is there and stays as it is.
pub(crate) const PREBUILT: &str = "ENISHI_PREBUILT";

/// Applies the migrations, unless this state has them.
pub(crate) fn migrate(project: &Project, node: &Node, place: &Place) -> Result<()> {
    let digest = Inputs::default().files(project.root(), "migrations")?.digest();
    let stamp = Stamp::at(place.state("state/migrations.stamp"));
    if stamp.holds(&digest) {
        return Ok(());
    }
    let mut wrangler = wrangler(project, node, place);
    wrangler.args(["d1", "migrations", "apply", "DB", "--local", "--persist-to"]).arg(place.state("state"));
    run("the D1 migrations", wrangler.env("CI", "1"), &place.output("migrations.log"))?;
    stamp.set(&digest)
}

/// Starts the worker, pointed at the stand-in instead of LINE.
pub(crate) fn start(project: &Project, node: &Node, place: &Place) -> Result<Group> {
    let mut wrangler = wrangler(project, node, place);
    wrangler.args(["dev", "--port", &place.ports().edge.to_string(), "--inspector-port", "0"]);
    wrangler.args(["--show-interactive-dev-session=false", "--env-file"]).arg(place.env_file());
    wrangler.arg("--persist-to").arg(place.state("state"));
    for name in ["LINE_ACCESS_BASE", "LINE_API_BASE", "LINE_API_DATA_BASE"] {
        wrangler.args(["--var", &format!("{name}:{}", place.line())]);
    }
    if !place.rebuilds() {
        wrangler.env(PREBUILT, "1");
    }
    Group::start("the worker", &mut wrangler, &place.output("edge.log"))
}

fn wrangler(project: &Project, node: &Node, place: &Place) -> Command {
    let mut wrangler = node.script(project, WRANGLER);
    wrangler.env("WRANGLER_SEND_METRICS", "false").env("WRANGLER_HIDE_BANNER", "true");
    wrangler.env("WRANGLER_REGISTRY_PATH", place.state("registry"));
    wrangler.env("WRANGLER_LOG_PATH", place.output("wrangler"));
    wrangler.env("CLOUDFLARE_CF_FETCH_ENABLED", "false").env("NO_COLOR", "1").env_remove("FORCE_COLOR");
    wrangler
}
