//! The worker under `wrangler dev`: migrations into local D1, then the server.
//!
//! Secrets go in by file, never by argument. The session gets a registry of its own, so that two stacks on one machine
//! do not hand each other their queues. `run` uses `wrangler.toml` as it is: saved sources are built and loaded. The
//! tests use a copy of the build and a configuration made from `wrangler.toml`, which nobody changes under them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::build::copy_to;
use crate::node::Node;
use crate::process::{Group, run};
use crate::project::{Project, read, write};
use crate::stack::Place;
use crate::stamp::{Inputs, Stamp};

const WRANGLER: &str = "node_modules/wrangler/bin/wrangler.js";
const CONFIG: &str = "wrangler.toml";

/// A worker that can be started.
#[derive(Debug)]
pub(crate) struct Edge<'a> {
    project: &'a Project,
    node: &'a Node,
    place: &'a Place,
    config: PathBuf,
}

impl<'a> Edge<'a> {
    /// The worker as it is in the working copy, or a copy of it.
    pub(crate) fn prepare(project: &'a Project, node: &'a Node, place: &'a Place) -> Result<Self> {
        let mut config = project.path(CONFIG);
        if !place.live() {
            let build = place.output("build");
            copy_to(project, &build)?;
            let copied = copied_config(&read(&config)?, project.root(), &build)?;
            config = place.output("wrangler.json");
            write(&config, &copied.to_string())?;
        }
        Ok(Self { project, node, place, config })
    }

    /// Applies the migrations, unless this state has them.
    pub(crate) fn migrate(&self) -> Result<()> {
        let digest = Inputs::default().files(self.project.root(), "migrations")?.digest();
        let stamp = Stamp::at(self.place.state("state/migrations.stamp"));
        if stamp.holds(&digest) {
            return Ok(());
        }
        let mut wrangler = self.wrangler(&["d1", "migrations", "apply", "DB", "--local"]);
        run("the D1 migrations", wrangler.env("CI", "1"), &self.place.output("migrations.log"))?;
        stamp.set(&digest)
    }

    /// Starts the worker, pointed at the stand-in instead of LINE.
    pub(crate) fn start(&self) -> Result<Group> {
        let port = self.place.ports().edge.to_string();
        let mut wrangler = self.wrangler(&["dev", "--port", &port, "--inspector-port", "0"]);
        wrangler.args(["--show-interactive-dev-session=false", "--env-file"]).arg(self.place.env_file());
        for name in ["LINE_ACCESS_BASE", "LINE_API_BASE", "LINE_API_DATA_BASE"] {
            wrangler.args(["--var", &format!("{name}:{}", self.place.line())]);
        }
        Group::start("the worker", &mut wrangler, &self.place.output("edge.log"))
    }

    fn wrangler(&self, arguments: &[&str]) -> Command {
        let mut wrangler = self.node.script(self.project, WRANGLER);
        wrangler.args(arguments).arg("--config").arg(&self.config);
        wrangler.arg("--persist-to").arg(self.place.state("state"));
        wrangler.env("WRANGLER_SEND_METRICS", "false").env("WRANGLER_HIDE_BANNER", "true");
        wrangler.env("WRANGLER_REGISTRY_PATH", self.place.state("registry"));
        wrangler.env("WRANGLER_LOG_PATH", self.place.output("wrangler"));
        wrangler.env("CLOUDFLARE_CF_FETCH_ENABLED", "false").env("NO_COLOR", "1").env_remove("FORCE_COLOR");
        wrangler
    }
}

/// The configuration for a copied build: no build command, and whole paths, because it lies elsewhere.
fn copied_config(config: &str, root: &Path, build: &Path) -> Result<Value> {
    let mut config: Value = toml::from_str(config).with_context(|| format!("{CONFIG} is no TOML"))?;
    if let Some(table) = config.as_object_mut() {
        table.remove("build");
        table.insert("main".to_owned(), json!(build.join("index.js")));
    }
    whole(config.pointer_mut("/assets/directory"), root);
    let databases = config.get_mut("d1_databases").and_then(Value::as_array_mut);
    for database in databases.into_iter().flatten() {
        whole(database.get_mut("migrations_dir"), root);
    }
    Ok(config)
}

fn whole(path: Option<&mut Value>, root: &Path) {
    if let Some(path) = path {
        let joined = path.as_str().map(|text| root.join(text));
        *path = json!(joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_build_has_no_command_and_whole_paths() -> Result<()> {
        let toml = "name = \"x\"\nmain = \"build/index.js\"\n[assets]\ndirectory = \"static\"\n\
                    [[d1_databases]]\nbinding = \"DB\"\nmigrations_dir = \"migrations\"\n\
                    [build]\ncommand = \"make\"\n";
        let expected = json!({
            "name": "x",
            "main": "/copy/index.js",
            "assets": { "directory": "/root/static" },
            "d1_databases": [{ "binding": "DB", "migrations_dir": "/root/migrations" }],
        });
        assert_eq!(copied_config(toml, Path::new("/root"), Path::new("/copy"))?, expected);
        Ok(())
    }
}
