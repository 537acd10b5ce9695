//! A node for tests, of the binaries of this build: what cannot be done fails the test.

use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pact_xtask::interrupt::Interrupt;
use pact_xtask::node::{self, Setup};
pub(crate) use pact_xtask::node::{Account, Said};

/// No condition in these tests takes longer on a machine that is not broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The example's reserve is written out at the start; what takes time for nothing is small here.
const AGENT: &str = "spool_reserve_bytes = 1048576";

/// A node of the test.
pub(crate) struct Node(node::Node);

impl Node {
    /// A node whose agent serves.
    pub(crate) fn start() -> Self {
        let mut node = Self::prepare("");
        node.start_agent(&[]);
        node
    }

    /// A node without an agent; `policy` is added to the example's.
    pub(crate) fn prepare(policy: &str) -> Self {
        Self::prepare_with("", policy)
    }

    /// The same, and `agent` is added to the configuration of its agent.
    pub(crate) fn prepare_with(agent: &str, policy: &str) -> Self {
        let built = Path::new(env!("CARGO_BIN_EXE_pact")).parent().unwrap();
        let programs = pact_xtask::root().join("examples/programs");
        let setup = Setup { built, programs: &programs, agent: &format!("{AGENT}\n{agent}"), policy };
        Self(node::Node::prepare(&setup, &Interrupt::default()).unwrap())
    }

    /// A node whose agent serves, with nothing but these files in /var/log.
    pub(crate) fn with_logs(files: &[(&str, &[u8])]) -> Self {
        let mut node = Self::prepare("");
        let logs = node.path("logs");
        std::fs::create_dir(&logs).unwrap();
        for (name, text) in files {
            std::fs::write(logs.join(name), text).unwrap();
        }
        assert!(node.enter("mount").arg("--bind").arg(&logs).arg("/var/log").status().unwrap().success());
        node.start_agent(&[]);
        node
    }

    pub(crate) fn start_agent(&mut self, environment: &[(&str, &str)]) {
        self.0.start_agent(environment).unwrap();
    }

    pub(crate) fn start_agent_unasked(&mut self, environment: &[(&str, &str)]) {
        self.0.start_agent_unasked(environment).unwrap();
    }

    pub(crate) fn failing_agent(&self) -> String {
        self.0.failing_agent().unwrap()
    }

    pub(crate) fn agent_ended(&mut self) {
        self.0.agent_ended().unwrap();
    }

    pub(crate) fn kill_agent(&mut self) {
        self.0.kill_agent().unwrap();
    }

    /// `pact` as an account, with nothing to read and its output kept; not started yet.
    pub(crate) fn pact(&self, account: Account, words: &[&str]) -> Command {
        let mut command = self.0.pact(account, words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `pact words…` to its end.
    pub(crate) fn run(&self, account: Account, words: &[&str]) -> Said {
        self.0.run(account, words).unwrap()
    }

    /// `pact -c line` to its end.
    pub(crate) fn once(&self, account: Account, line: &str) -> Said {
        self.run(account, &["-c", line])
    }

    /// The records, oldest first.
    pub(crate) fn records(&self) -> Vec<String> {
        self.0.records().unwrap()
    }
}

impl Deref for Node {
    type Target = node::Node;

    fn deref(&self) -> &node::Node {
        &self.0
    }
}

/// Waits for a condition; what it was for goes into the failure.
pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, condition);
}

/// The same, for what takes its time.
pub(crate) fn until_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
