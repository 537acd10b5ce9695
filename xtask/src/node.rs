//! A node of its own on this machine: the built agent in a mount namespace, with accounts that exist nowhere else.
//!
//! **Invariant:** nothing outside the namespace, one temporary directory and the processes started here is touched;
//! dropping the node ends all of it, and so does the end of this process, however it comes.

mod files;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::run::cargo;
use crate::wait;

/// The name that the node has in the example's configuration.
pub(crate) const NAME: &str = "node042";
/// A node that takes longer is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// An account of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// ops of the vCluster.
    Alice,
    /// A viewer.
    Bob,
    /// The superuser.
    Root,
}

impl Account {
    pub(crate) const PERSONS: [Self; 2] = [Self::Alice, Self::Bob];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Root => "root",
        }
    }

    /// By its name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::PERSONS.into_iter().find(|account| account.name() == name)
    }

    fn ids(self) -> (u32, u32) {
        match self {
            Self::Alice => (61_001, files::GROUP),
            Self::Bob => (61_002, files::GROUP),
            Self::Root => (0, 0),
        }
    }
}

/// How the programs of the node are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// Quickly.
    Debug,
    /// As they are released.
    Release,
}

impl Build {
    /// Builds `pact` and `pact-agent`; where they are then.
    pub(crate) fn make(self) -> Result<PathBuf> {
        let mut words = vec!["build", "--package", "pact-agent", "--package", "pact-shell"];
        let (folder, flag) = match self {
            Self::Debug => ("debug", None),
            Self::Release => ("release", Some("--release")),
        };
        words.extend(flag);
        cargo(&words)?;
        let me = std::env::current_exe()?;
        let target = me.parent().and_then(Path::parent);
        target
            .map(|target| target.join(folder))
            .ok_or_else(|| Error::failed("this program lies in no target directory"))
    }
}

/// A node whose agent serves.
pub(crate) struct Node {
    place: TempDir,
    /// Holds the namespace open; ends when its standard input does.
    holder: Child,
    agent: Option<Child>,
}

impl Node {
    /// Makes the node from built programs and a directory of program schemas, and waits until its agent answers.
    pub(crate) fn start(built: &Path, programs: &Path, interrupt: &Interrupt) -> Result<Self> {
        let place = files::write(built, programs)?;
        let holder = hold_namespace(place.path())?;
        let mut node = Self { place, holder, agent: None };
        node.start_agent(interrupt)?;
        Ok(node)
    }

    /// A path in the node's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A program as an account of the node, with nothing of this process's environment; not started yet.
    pub(crate) fn program(&self, account: Account, words: &[&str]) -> Command {
        self.behind(&[], account, words)
    }

    /// The same, with a terminal of its own: whatever its standard input is.
    pub(crate) fn program_on_terminal(&self, account: Account, words: &[&str]) -> Command {
        self.behind(&["setsid", "--ctty"], account, words)
    }

    /// `pact` with its words.
    pub(crate) fn pact<'w>(&self, words: &[&'w str]) -> Vec<std::borrow::Cow<'w, str>> {
        let pact = self.path("bin/pact").to_string_lossy().into_owned();
        std::iter::once(pact.into()).chain(words.iter().map(|word| (*word).into())).collect()
    }

    fn behind(&self, first: &[&str], account: Account, words: &[&str]) -> Command {
        let (uid, gid) = account.ids();
        let enter = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        let become_account = [format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()];
        let all: Vec<&str> = first
            .iter()
            .copied()
            .chain(["nsenter", &enter, "setpriv"])
            .chain(become_account.iter().map(String::as_str))
            .chain(words.iter().copied())
            .collect();
        let mut command = Command::new(all.first().copied().unwrap_or("nsenter"));
        command.args(&all[1..]).env_clear().current_dir("/");
        command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command.env("HOME", self.path(account.name())).env("USER", account.name());
        command
    }

    fn start_agent(&mut self, interrupt: &Interrupt) -> Result<()> {
        let log = std::fs::File::create(self.path("agent.log"))?;
        let mut command = Command::new("setpriv");
        // SIGKILL leaves this process no way out; then the kernel ends the agent.
        command.args(["--pdeathsig", "TERM", "nsenter"]).arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        command.arg(self.path("bin/pact-agent")).arg("--config").arg(self.path("etc/agent.toml"));
        // A group of its own: Ctrl-C at the prompt is not for the agent.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let agent = self.agent.insert(command.spawn()?);
        let (pid, deadline) = (agent.id(), Instant::now() + PATIENCE);
        while !self.answers()? {
            interrupt.check()?;
            let has_ended = self.agent.as_mut().is_none_or(|agent| !matches!(agent.try_wait(), Ok(None)));
            if has_ended {
                return Err(Error::failed(format!("the agent ended: {}", self.agent_log())));
            }
            if Instant::now() > deadline {
                return Err(Error::failed(format!("the agent does not answer: {}", self.agent_log())));
            }
            wait::for_exit(pid, Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Whether the agent says that it is this node.
    fn answers(&self) -> Result<bool> {
        let pact = self.pact(&["-c", "status"]);
        let words: Vec<&str> = pact.iter().map(AsRef::as_ref).collect();
        let output = self.program(Account::Root, &words).stdin(Stdio::null()).output()?;
        Ok(output.status.success() && output.stdout.starts_with(format!("Node: {NAME} ").as_bytes()))
    }

    #[cfg(test)]
    pub(crate) fn agent_pid(&self) -> u32 {
        self.agent.as_ref().map_or(0, Child::id)
    }

    /// What the agent said on its way.
    fn agent_log(&self) -> String {
        std::fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            // It may have ended by itself, which is what is wanted.
            let _gone = kill_process(Pid::from_child(&agent), Signal::TERM);
            if !wait::for_exit(agent.id(), PATIENCE).unwrap_or(false) {
                let _gone = agent.kill();
            }
            let _status = agent.wait();
        }
        drop(self.holder.stdin.take());
        let _status = self.holder.wait();
    }
}

/// A process in a mount namespace of its own, with the accounts in place and a fresh /run.
///
/// It removes the node's directory when it ends, for a parent that was killed and cannot.
fn hold_namespace(place: &Path) -> Result<Child> {
    let script = "mount -t tmpfs -o mode=755 tmpfs /run && mount --bind \"$1/passwd\" /etc/passwd \
                  && mount --bind \"$1/group\" /etc/group && echo ready && cat && rm -rf \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "slave", "sh", "-c", script, "sh"]).arg(place).process_group(0);
    let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut ready = String::new();
    if let Some(stdout) = holder.stdout.as_mut() {
        BufReader::new(stdout).read_line(&mut ready)?;
    }
    if ready == "ready\n" {
        return Ok(holder);
    }
    let mut why = String::new();
    if let Some(mut stderr) = holder.stderr.take() {
        stderr.read_to_string(&mut why)?;
    }
    holder.wait()?;
    Err(Error::failed(format!("a mount namespace cannot be made here: {}", why.trim())))
}
