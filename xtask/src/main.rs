//! Enishi's own commands, called as `cargo xtask …`. Each does the set-up that it needs.

mod account;
mod browser;
mod build;
mod counts;
mod edge;
mod fuzz;
mod http;
mod line;
mod lock;
mod node;
mod process;
mod progress;
mod project;
mod run;
mod secrets;
mod size;
mod stack;
mod stamp;
mod suites;
mod test;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::progress::Progress;
use crate::project::Project;

/// Enishi's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs the worker, the LINE stand-in and the demo shop until ctrl-C.
    ///
    /// `EDGE_PORT`, `LINE_PORT` and `SHOP_PORT` choose other ports than 8787, 8788 and 8789.
    Run {
        /// Forgets the state of earlier runs first.
        #[arg(long)]
        fresh: bool,
    },
    /// Checks and tests everything.
    Test {
        /// Only this step; may be repeated.
        #[arg(long, value_enum)]
        only: Vec<test::Step>,
    },
    /// Builds the worker to wasm, unless nothing changed.
    Build,
    /// Runs the randomised suites with many seeds, in release.
    Prove {
        /// Only the suite of this name: `audiences`, `browsers`, `bytes`, `codes`, `deliveries`, `erasures`, `events`, `forgeries`,
        /// `friendships`, `imports`, `links`, `logins`, `model`, `outages`, `pages`, `refreshes`, `relays`, `segments`,
        /// `sends`, `webhooks`, or `workerd`.
        suite: Option<String>,
        /// How many seeds.
        #[arg(long)]
        seeds: Option<u64>,
    },
    /// Measures the worker: what requests cost, or else sends or segments as they grow.
    Bench {
        /// What is measured.
        #[arg(value_enum, default_value_t)]
        what: suites::Measured,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Changes what outsiders send at random, and checks what becomes of it.
    ///
    /// Installs Rust's nightly by rustup and cargo-fuzz into `target/tools` where they are missing.
    Fuzz {
        /// Only this target: `signature`, `delivery`, `job`, `form`, `csv`, `uri`, `instant`, `message`, `event` or `rule`.
        target: Option<String>,
        /// How long each.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Checks licences, bans and sources of the dependencies.
    Audit,
    /// Manages accounts of a running worker.
    #[command(subcommand)]
    Account(AccountTask),
}

#[derive(Debug, Subcommand)]
enum AccountTask {
    /// Adds an account, or changes the one of that host.
    ///
    /// Secrets come by option, by variable (`LOGIN_CHANNEL_SECRET`, `MESSAGING_CHANNEL_SECRET`, `CLIENT_SECRET`,
    /// `API_KEY`, `MASTER_KEY`) or, for the channels, from standard input, one per line.
    Add(Box<account::Add>),
}

fn main() -> ExitCode {
    match process::listen_for_stop().and_then(|()| perform(Cli::parse().command)) {
        Ok(true) => ExitCode::SUCCESS,
        // `test` ends on its count, not on an error.
        Ok(false) => ExitCode::FAILURE,
        Err(_) if process::stopped() => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does the task; says whether all is well.
fn perform(task: Task) -> Result<bool> {
    let project = Project::find()?;
    match task {
        Task::Run { fresh } => run::run(&project, fresh)?,
        Task::Test { only } => return test::test(&project, &only, test::Figure::Small),
        Task::Build => build_only(&project)?,
        Task::Prove { suite, seeds } => return suites::prove(&project, suite.as_deref(), seeds),
        Task::Bench { what, json } => suites::bench(&project, what, json)?,
        Task::Fuzz { target, seconds } => fuzz::fuzz(&project, target.as_deref(), seconds)?,
        Task::Audit => suites::audit(&project)?,
        Task::Account(AccountTask::Add(options)) => account::add(&project, &options)?,
    }
    Ok(true)
}

/// Also wrangler's build command: at the start of `dev`, when a source changes, and before a deploy.
fn build_only(project: &Project) -> Result<()> {
    let mut progress = Progress::new(build::SET_UP_STEPS + 1);
    let workshop = build::set_up(project, &mut progress)?;
    progress.step("the worker");
    if !build::build(project, &workshop)? {
        Progress::note("nothing changed");
    }
    Ok(())
}
