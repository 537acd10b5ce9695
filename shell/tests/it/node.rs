//! A node for tests: the built agent in a mount namespace of its own, with accounts that exist nowhere else.
//!
//! **Invariant:** nothing outside the namespace, the temporary directory and the processes started here is touched;
//! dropping the node ends all of it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No condition in these tests takes longer on a machine that is not broken.
const PATIENCE: Duration = Duration::from_secs(20);
const GROUP: u32 = 61_000;

/// An account of the test node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// ops of the vCluster.
    Alice,
    /// A viewer.
    Bob,
    /// In the group, but bound to nobody.
    Mallory,
    /// The superuser.
    Root,
}

impl Account {
    fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Mallory => "mallory",
            Self::Root => "root",
        }
    }

    fn ids(self) -> (u32, u32) {
        match self {
            Self::Alice => (61_001, GROUP),
            Self::Bob => (61_002, GROUP),
            Self::Mallory => (61_003, GROUP),
            Self::Root => (0, 0),
        }
    }
}

/// A running node.
pub(crate) struct Node {
    place: TempDir,
    /// Holds the namespace open; ends when its standard input does.
    holder: Child,
    agent: Option<Child>,
}

/// What a line did.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Node {
    /// A node whose agent serves.
    pub(crate) fn start() -> Self {
        let mut node = Self::prepare("");
        node.start_agent(&[]);
        node
    }

    /// A node without an agent; `policy` is appended to the usual one.
    pub(crate) fn prepare(policy: &str) -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests make namespaces: run them as root");
        let place = tempfile::Builder::new().prefix("pact-node-").tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        write_accounts(place.path());
        write_configuration(place.path(), policy);
        let holder = hold_namespace(place.path());
        Self { place, holder, agent: None }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Starts the agent and waits until it answers.
    pub(crate) fn start_agent(&mut self, environment: &[(&str, &str)]) {
        let child = self.spawn_agent(environment);
        self.agent = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while self.run(Account::Root, &["status"]).code != Some(0) {
            let ended = self.agent.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "the agent ended: {}", self.agent_log());
            assert!(Instant::now() < deadline, "the agent does not answer: {}", self.agent_log());
        }
    }

    /// Starts the agent and waits for its socket, without sending it a line.
    pub(crate) fn start_agent_unasked(&mut self, environment: &[(&str, &str)]) {
        self.agent = Some(self.spawn_agent(environment));
        until("the agent's socket", || {
            self.enter().args(["test", "-S", "/run/pact/agent.sock"]).status().unwrap().success()
        });
    }

    fn spawn_agent(&self, environment: &[(&str, &str)]) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.path("agent.log")).unwrap();
        self.enter()
            .arg(binary("pact-agent"))
            .arg("--config")
            .arg(self.path("etc/agent.toml"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Starts an agent that is expected to end by itself; what it said.
    pub(crate) fn failing_agent(&self) -> String {
        let mut child = self.spawn_agent(&[]);
        let status = wait(&mut child, "the agent to refuse");
        assert!(!status.success(), "the agent did not refuse");
        self.agent_log()
    }

    pub(crate) fn agent_log(&self) -> String {
        fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }

    /// The agent's process id.
    pub(crate) fn agent_pid(&self) -> u32 {
        self.agent.as_ref().unwrap().id()
    }

    /// Waits until the agent has ended, however.
    pub(crate) fn agent_ended(&mut self) {
        wait(self.agent.as_mut().unwrap(), "the agent to end");
        self.agent = None;
    }

    /// kill -9, as a power cut would.
    pub(crate) fn kill_agent(&mut self) {
        self.agent.as_mut().unwrap().kill().unwrap();
        self.agent_ended();
    }

    /// A command inside the namespace, as root.
    pub(crate) fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        command
    }

    /// `pact` as an account, with its words; not started yet.
    pub(crate) fn pact(&self, account: Account, words: &[&str]) -> Command {
        let (uid, gid) = account.ids();
        let mut command = self.enter();
        command.arg("setpriv").arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
        command.arg(binary("pact")).args(words);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("HOME", self.path(account.name()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `pact words…` to its end.
    pub(crate) fn run(&self, account: Account, words: &[&str]) -> Said {
        Said::from(self.pact(account, words).output().unwrap())
    }

    /// `pact -c line` to its end.
    pub(crate) fn once(&self, account: Account, line: &str) -> Said {
        self.run(account, &["-c", line])
    }

    /// The records, oldest first.
    pub(crate) fn records(&self) -> Vec<String> {
        let said = self.run(Account::Root, &["log", "-n", "1000"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut lines: Vec<String> = said.stdout.lines().map(str::to_owned).collect();
        lines.reverse();
        lines
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let pid = rustix::process::Pid::from_child(&agent);
            let _ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _status = agent.wait();
        }
        drop(self.holder.stdin.take());
        let _status = self.holder.wait();
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

/// Waits for a condition; what it was for goes into the failure.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

fn wait(child: &mut Child, what: &str) -> std::process::ExitStatus {
    let mut ended = None;
    until(what, || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    ended.unwrap()
}

/// A binary of this build. `cargo xtask test` builds all of them; so does `cargo test --workspace`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_pact")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which builds it", path.display());
    path
}

fn write_accounts(place: &Path) {
    let shell = binary("pact");
    let mut passwd = fs::read_to_string("/etc/passwd").unwrap();
    let mut group = fs::read_to_string("/etc/group").unwrap();
    for account in [Account::Alice, Account::Bob, Account::Mallory] {
        let ((uid, gid), name) = (account.ids(), account.name());
        let home = place.join(name);
        fs::create_dir(&home).unwrap();
        chown(&home, Some(uid), Some(gid)).unwrap();
        passwd.push_str(&format!("{name}:x:{uid}:{gid}::{}:{}\n", home.display(), shell.display()));
    }
    fs::create_dir(place.join("root")).unwrap();
    group.push_str(&format!("pact:x:{GROUP}:alice,bob,mallory\n"));
    fs::write(place.join("passwd"), passwd).unwrap();
    fs::write(place.join("group"), group).unwrap();
}

fn write_configuration(place: &Path, policy: &str) {
    let etc = place.join("etc");
    fs::create_dir(&etc).unwrap();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs");
    let programs = programs.canonicalize().unwrap();
    let agent = format!(
        "node = \"node042\"\nvcluster = \"ml-training\"\nspool = \"{}\"\npolicy = \"{}\"\nprograms = \"{}\"\nspool_reserve_bytes = 1048576\n",
        place.join("spool").display(),
        etc.join("policy.toml").display(),
        programs.display(),
    );
    fs::write(etc.join("agent.toml"), agent).unwrap();
    let bindings = "[[bind]]\nuser = \"alice\"\nprincipal = \"alice@example.org\"\nroles = [\"pact-ops-ml-training\"]\n\n\
                    [[bind]]\nuser = \"bob\"\nprincipal = \"bob@example.org\"\nroles = [\"pact-viewer-ml-training\"]\n\n";
    fs::write(etc.join("policy.toml"), format!("{bindings}{policy}")).unwrap();
}

/// A process in a mount namespace of its own with the accounts in place and a fresh /run.
fn hold_namespace(place: &Path) -> Child {
    let script = "mount -t tmpfs -o mode=755 tmpfs /run && mount --bind \"$1/passwd\" /etc/passwd \
                  && mount --bind \"$1/group\" /etc/group && echo ready && exec cat";
    let mut holder = Command::new("unshare")
        .args(["--mount", "--propagation", "slave", "sh", "-c", script, "sh"])
        .arg(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    if ready != "ready\n" {
        let mut why = String::new();
        holder.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        panic!("a mount namespace cannot be made here: {why}");
    }
    holder
}
