//! The life of a node's agent: started, asked, killed, and started again.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Account, NAME, Node, PATIENCE};
use crate::error::{Error, Result};
use crate::wait;

/// What must be asked again is asked this often.
const PACE: Duration = Duration::from_millis(20);

impl Node {
    /// Starts the agent with this in its environment, and waits until it says that it is this node.
    pub fn start_agent(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        self.agent = Some(self.spawn_agent(environment)?);
        self.until_agent("answer", |node| {
            let said = node.run(Account::Root, &["-c", "status"])?;
            Ok(said.code == Some(0) && said.stdout.starts_with(&format!("Node: {NAME} ")))
        })
    }

    /// Starts the agent and waits for its socket, without sending it a line.
    pub fn start_agent_unasked(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        self.agent = Some(self.spawn_agent(environment)?);
        self.until_agent("listen", |node| {
            Ok(node.enter("test").args(["-S", "/run/pact/agent.sock"]).status()?.success())
        })
    }

    fn until_agent(&mut self, does: &str, did: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !did(self)? {
            self.interrupt.check()?;
            let has_ended = self.agent.as_mut().is_none_or(|agent| !matches!(agent.try_wait(), Ok(None)));
            if has_ended {
                return Err(Error::failed(format!("the agent ended: {}", self.agent_log())));
            }
            if Instant::now() > deadline {
                return Err(Error::failed(format!("the agent does not {does}: {}", self.agent_log())));
            }
            wait::for_exit(self.agent_pid(), PACE)?;
        }
        Ok(())
    }

    /// Starts an agent that must end by itself; what it said.
    pub fn failing_agent(&self) -> Result<String> {
        let mut agent = self.spawn_agent(&[])?;
        let ended = wait::for_exit(agent.id(), PATIENCE)?;
        // Also where it goes on: nobody else would end it.
        let _gone = agent.kill();
        if ended && !agent.wait()?.success() {
            return Ok(self.agent_log());
        }
        Err(Error::failed(format!("the agent did not refuse to start: {}", self.agent_log())))
    }

    fn spawn_agent(&self, environment: &[(&str, &str)]) -> Result<Child> {
        let log = File::options().create(true).append(true).open(self.path("agent.log"))?;
        let mut command = Command::new("setpriv");
        // SIGKILL leaves this process no way out; then the kernel ends the agent.
        command.args(["--pdeathsig", "TERM"]).args(self.namespace.enter());
        command.arg(self.path("bin/pact-agent")).arg("--config").arg(self.path("etc/agent.toml"));
        command.envs(environment.iter().copied());
        // A group of its own: Ctrl-C at the prompt is not for the agent.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command.spawn()?)
    }

    /// Its process id; 0 where none runs.
    pub fn agent_pid(&self) -> u32 {
        self.agent.as_ref().map_or(0, Child::id)
    }

    /// What the agents of this node said so far.
    pub fn agent_log(&self) -> String {
        std::fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }

    /// kill -9, as a power cut would.
    pub fn kill_agent(&mut self) -> Result<()> {
        self.signal_agent(Signal::KILL);
        self.agent_ended()
    }

    /// Waits until the agent has ended, however.
    pub fn agent_ended(&mut self) -> Result<()> {
        let Some(agent) = self.agent.as_mut() else { return Ok(()) };
        if !wait::for_exit(agent.id(), PATIENCE)? {
            return Err(Error::failed(format!("the agent goes on: {}", self.agent_log())));
        }
        agent.wait()?;
        self.agent = None;
        Ok(())
    }

    /// In order if it can, and in any case.
    pub(super) fn end_agent(&mut self) {
        self.signal_agent(Signal::TERM);
        if self.agent_ended().is_err() {
            self.signal_agent(Signal::KILL);
            let _status = self.agent.take().map(|mut agent| agent.wait());
        }
    }

    fn signal_agent(&self, signal: Signal) {
        if let Some(agent) = &self.agent {
            // It may have ended by itself, which is what is wanted.
            let _gone = kill_process(Pid::from_child(agent), signal);
        }
    }
}

/// Whether the directory holds the programs that a node is made from.
pub(super) fn are_built(built: &Path) -> Result<()> {
    for program in ["pact", "pact-agent"] {
        if !built.join(program).exists() {
            let what = format!("{} is missing: run `cargo xtask test`, which builds it", built.join(program).display());
            return Err(Error::failed(what));
        }
    }
    Ok(())
}
