//! A node of its own on this machine: the built agent in a mount namespace, with accounts that exist nowhere else.
//!
//! **Invariant:** nothing outside the namespace, one temporary directory and the processes started here is touched;
//! dropping the node ends all of it, and so does the end of this process, however it comes.

mod account;
mod agent;
mod build;
mod files;
mod namespace;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub use account::Account;
pub(crate) use build::Build;
pub(crate) use files::{BELOW, without};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use namespace::Namespace;

/// The name that the node has in the example's configuration.
pub const NAME: &str = "node042";
/// A node that takes longer is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a node is made from.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'s> {
    /// The directory of `pact` and `pact-agent`.
    pub built: &'s Path,
    /// The directory of program schemas.
    pub programs: &'s Path,
    /// What is added to the example's configuration of the agent, as TOML.
    pub agent: &'s str,
    /// What is added to the example's policy, as TOML.
    pub policy: &'s str,
}

/// A node.
pub struct Node {
    agent: Option<Child>,
    namespace: Namespace,
    /// After the namespace, whose end removes it too.
    place: TempDir,
    interrupt: Interrupt,
}

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// On standard output.
    pub stdout: String,
    /// On standard error.
    pub stderr: String,
    /// Its status; none where a signal ended it.
    pub code: Option<i32>,
}

impl Node {
    /// Makes the node and waits until its agent answers.
    pub fn start(setup: &Setup<'_>, interrupt: &Interrupt) -> Result<Self> {
        let mut node = Self::prepare(setup, interrupt)?;
        node.start_agent(&[])?;
        Ok(node)
    }

    /// Makes the node; its agent is not started.
    pub fn prepare(setup: &Setup<'_>, interrupt: &Interrupt) -> Result<Self> {
        agent::are_built(setup.built)?;
        let place = files::write(setup)?;
        let namespace = Namespace::hold(place.path())?;
        Ok(Self { agent: None, namespace, place, interrupt: interrupt.clone() })
    }

    /// A path in the node's directory: `bin`, `etc`, `spool`, a home for each account.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A program inside the namespace, as root and with this process's environment; not started yet.
    pub fn enter(&self, program: &str) -> Command {
        let [enter, namespace] = self.namespace.enter();
        let mut command = Command::new(enter);
        command.arg(namespace).arg(program);
        command
    }

    /// A program as an account of the node, with nothing of this process's environment; not started yet.
    pub fn program(&self, account: Account, words: &[&str]) -> Command {
        let [enter, namespace] = self.namespace.enter();
        let mut command = Command::new(enter);
        self.as_account(command.arg(namespace), account, words);
        command
    }

    /// The same, with a terminal of its own: whatever its standard input is.
    pub fn program_on_terminal(&self, account: Account, words: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        self.as_account(command.arg("--ctty").args(self.namespace.enter()), account, words);
        command
    }

    /// `pact` as an account; not started yet.
    pub fn pact(&self, account: Account, words: &[&str]) -> Command {
        self.program(account, &[&[self.shell().as_str()], words].concat())
    }

    /// The same, with a terminal of its own.
    pub fn pact_on_terminal(&self, account: Account, words: &[&str]) -> Command {
        self.program_on_terminal(account, &[&[self.shell().as_str()], words].concat())
    }

    /// The path of `pact`, which is every person's login shell.
    pub fn shell(&self) -> String {
        self.path("bin/pact").to_string_lossy().into_owned()
    }

    fn as_account(&self, command: &mut Command, account: Account, words: &[&str]) {
        let (uid, gid) = account.ids();
        command.arg("setpriv").arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
        command.args(words).env_clear().current_dir("/");
        command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command.env("HOME", self.path(account.name())).env("USER", account.name());
    }

    /// `pact` as an account, to its end, with nothing to read.
    pub fn run(&self, account: Account, words: &[&str]) -> Result<Said> {
        Ok(self.pact(account, words).stdin(Stdio::null()).output()?.into())
    }

    /// What is on record, oldest first, as `log` shows it.
    pub fn records(&self) -> Result<Vec<String>> {
        let said = self.run(Account::Root, &["log", "-n", "1000"])?;
        if said.code != Some(0) {
            return Err(Error::failed(format!("the records cannot be read: {said:?}")));
        }
        Ok(said.stdout.lines().rev().map(str::to_owned).collect())
    }

    /// The number of the last record, as `status` says it.
    pub fn last_record(&self) -> Result<u64> {
        let said = self.run(Account::Root, &["status"])?;
        let number = |row: &str| row.strip_prefix("Records:")?.split_ascii_whitespace().next()?.parse().ok();
        said.stdout.lines().find_map(number).ok_or_else(|| Error::failed(format!("no number of records: {said:?}")))
    }

    /// The record up to which the agent has written down that the journal has them: 0 where it has written nothing.
    pub fn acknowledged(&self) -> u64 {
        self.number("spool/acknowledged")
    }

    /// How many times the head of the spool was written.
    pub fn head_writes(&self) -> u64 {
        self.number("spool/head")
    }

    /// The number in a small file of the spool as the agent sees it; 0 where it is not there yet.
    fn number(&self, name: &str) -> u64 {
        let file = format!("/proc/{}/root{}", self.agent_pid(), self.path(name).display());
        let bytes = std::fs::read(file).unwrap_or_default();
        bytes.get(16..24).and_then(|number| number.try_into().ok()).map_or(0, u64::from_be_bytes)
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end_agent();
    }
}
