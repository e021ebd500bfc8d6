//! Child processes: each in a process group of its own, which ends with its guard.
//!
//! A group is signalled as a whole, because wrangler starts workerd and cargo starts rustc. Only groups that this
//! command made are ever signalled. Children get no standard input, so nothing waits for a key.

use std::fs::File;
use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::progress::say;

/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long a child may take to end by itself after it was asked to.
const GRACE: Duration = Duration::from_secs(6);
/// How often a long step says that it is alive where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(30);

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C, SIGTERM and SIGHUP set a flag that every wait in this file looks at.
pub(crate) fn listen_for_stop() -> Result<()> {
    ctrlc::set_handler(|| STOPPED.store(true, Ordering::SeqCst)).context("cannot listen for ctrl-C")
}

/// Whether the person asked to stop.
pub(crate) fn stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

/// A program to run from a folder, without cargo's variables about `xtask` itself.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// A running process group; dropping it ends the group.
#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    child: Child,
    log: Option<PathBuf>,
}

impl Group {
    /// Starts a command whose output goes to a log file.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let twin = file.try_clone().context("cannot share a log file")?;
        Self::spawn(name, command.stdout(file).stderr(twin), Some(log.to_owned()))
    }

    fn spawn(name: &str, command: &mut Command, log: Option<PathBuf>) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// What the process is, for people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The last lines that it wrote.
    pub(crate) fn tail(&self) -> String {
        self.log.as_deref().map(|log| tail(log, 40)).unwrap_or_default()
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot watch {}", self.name))
    }

    /// Asks the group to end, without waiting for it.
    pub(crate) fn ask_to_end(&self) {
        self.signal(Signal::SIGTERM);
    }

    fn signal(&self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // A group that is gone already is what was wanted.
            let _gone = killpg(Pid::from_raw(id), signal);
        }
    }

    /// Waits for the end, showing life on long steps; an interrupted wait ends the group.
    fn wait(&mut self) -> Result<ExitStatus> {
        let mut life = Life::new();
        loop {
            if let Some(status) = self.ended()? {
                life.clear();
                return Ok(status);
            }
            if stopped() {
                bail!("stopped");
            }
            life.show(self.log.as_deref());
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !matches!(self.ended(), Ok(Some(_))) {
            self.ask_to_end();
            let asked = Instant::now();
            while asked.elapsed() < GRACE && matches!(self.ended(), Ok(None)) {
                std::thread::sleep(POLL);
            }
        }
        self.signal(Signal::SIGKILL);
        let _reaped = self.child.wait();
    }
}

/// Shows that a step goes on: one rewritten line on a terminal, a line now and then elsewhere.
struct Life {
    since: Instant,
    shown: Instant,
    terminal: bool,
}

impl Life {
    fn new() -> Self {
        let now = Instant::now();
        Self { since: now, shown: now, terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, log: Option<&Path>) {
        let pause = if self.terminal { Duration::from_secs(1) } else { HEARTBEAT };
        if log.is_none() || self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.since.elapsed().as_secs();
        let last: String = log.map(|log| tail(log, 1)).unwrap_or_default().trim().chars().take(80).collect();
        let (start, end) = if self.terminal { ("\r\x1b[2K", "") } else { ("", "\n") };
        say(&format!("{start}      {seconds} s  {last}{end}"));
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }
}

/// The last lines of a file; nothing where it cannot be read.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let Ok(bytes) = std::fs::read(path) else { return String::new() };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

/// Runs a command to its end with its output in a log file; says whether it succeeded.
pub(crate) fn succeeds(name: &str, command: &mut Command, log: &Path) -> Result<bool> {
    Ok(Group::start(name, command, log)?.wait()?.success())
}

/// Runs a command to its end with its output in a log file, whose tail is shown when it fails.
pub(crate) fn run(name: &str, command: &mut Command, log: &Path) -> Result<()> {
    if succeeds(name, command, log)? {
        return Ok(());
    }
    eprintln!("{}", tail(log, 60));
    bail!("{name} failed; all of its output is in {}", log.display());
}

/// Runs a command to its end with its output on this terminal.
pub(crate) fn show(name: &str, command: &mut Command) -> Result<()> {
    let status = Group::spawn(name, command, None)?.wait()?;
    if !status.success() {
        bail!("{name} failed");
    }
    Ok(())
}

/// What a short command prints; `None` where it is absent or fails.
pub(crate) fn answer(
    program: impl AsRef<std::ffi::OsStr>,
    arguments: &[&str],
    folder: &Path,
) -> Option<String> {
    let output = command(program, folder).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first of these programs that is on `PATH`.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{}-{name}.log", std::process::id()))
    }

    #[test]
    fn a_dropped_group_takes_its_children_along() -> Result<()> {
        let log = log("group");
        let mut sh = command("sh", Path::new("/"));
        let group = Group::start("sh", sh.args(["-c", "sleep 60 & echo $!; wait"]), &log)?;
        let started = Instant::now();
        while tail(&log, 1).is_empty() && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(POLL);
        }
        let grandchild: i32 = tail(&log, 1).parse()?;
        drop(group);
        while is_alive(grandchild) && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(POLL);
        }
        assert!(!is_alive(grandchild));
        std::fs::remove_file(log)?;
        Ok(())
    }

    /// Asks with signal 0; a dead process whose parent has not looked yet (a zombie) counts as dead.
    fn is_alive(id: i32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        nix::sys::signal::kill(Pid::from_raw(id), None).is_ok() && !state.contains(") Z ")
    }

    #[test]
    fn a_failing_command_is_seen_and_its_output_kept() -> Result<()> {
        let log = log("fails");
        let mut sh = command("sh", Path::new("/"));
        assert!(!succeeds("sh", sh.args(["-c", "echo one; echo two; exit 3"]), &log)?);
        assert_eq!(tail(&log, 1), "two");
        std::fs::remove_file(log)?;
        Ok(())
    }
}
