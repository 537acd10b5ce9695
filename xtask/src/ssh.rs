//! sshd and ssh of Debian on loopback, with keys and without DNS: the peer of everything that goes over a network, and a
//! way in that tests try.
//!
//! **Invariant:** its keys, its address and its control socket are of this run alone; it ends with it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::Node;
use crate::run::to_its_end;
use crate::wait;

const PATIENCE: Duration = Duration::from_secs(30);
const PACE: Duration = Duration::from_millis(5);

/// sshd in the namespace of a node, and how ssh reaches it.
pub struct Ssh {
    sshd: Child,
    port: u16,
    place: PathBuf,
}

impl Ssh {
    /// Makes keys, and waits until it listens.
    pub fn start(node: &Node, interrupt: &Interrupt) -> Result<Self> {
        let place = node.path("ssh");
        std::fs::create_dir(&place)?;
        for name in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place.join(name));
            to_its_end(&mut keygen, "ssh-keygen")?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let at = |name: &str| place.join(name).display().to_string();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nUseDNS no\n\
             StrictModes no\nPasswordAuthentication no\nMaxSessions 100\nPermitRootLogin prohibit-password\n\
             Subsystem sftp /usr/lib/openssh/sftp-server\n",
            at("host"),
            at("user.pub"),
        );
        std::fs::write(place.join("sshd_config"), configuration)?;
        let mut command = node.enter("sh");
        // The directory that sshd locks itself into lies in a /run of the node's own.
        command.args(["-c", "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -f \"$1\"", "sh"]);
        let log = std::fs::File::create(place.join("log"))?;
        let sshd = command.arg(place.join("sshd_config")).stdin(Stdio::null()).stderr(log).spawn()?;
        let ssh = Self { sshd, port, place };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            interrupt.check()?;
            if wait::for_exit(ssh.sshd.id(), PACE)? || Instant::now() > deadline {
                let why = std::fs::read_to_string(ssh.place.join("log")).unwrap_or_default();
                return Err(Error::failed(format!("sshd does not listen: {why}")));
            }
        }
        let first = ssh.cold(&["true"]).status()?;
        if first.success() { Ok(ssh) } else { Err(Error::failed(format!("ssh: {first}"))) }
    }

    /// A connection of its own.
    pub fn cold(&self, words: &[&str]) -> Command {
        let mut command = self.ssh();
        command.args(["-o", "ControlPath=none", "root@127.0.0.1"]).args(words);
        command
    }

    /// Over the connection that [`Self::master`] keeps.
    pub fn warm(&self, words: &[&str]) -> Command {
        let mut command = self.ssh();
        command.arg("-S").arg(self.place.join("control")).arg("root@127.0.0.1").args(words);
        command
    }

    /// Opens a connection that others use; it ends with its standard input.
    pub fn master(&self) -> Result<Master> {
        let mut command = self.ssh();
        command.args(["-o", "ControlMaster=yes", "-S"]).arg(self.place.join("control"));
        let child = command.args(["root@127.0.0.1", "cat"]).stdin(Stdio::piped()).spawn()?;
        let master = Master(child);
        let deadline = Instant::now() + PATIENCE;
        while !self.place.join("control").exists() {
            if wait::for_exit(master.0.id(), PACE)? || Instant::now() > deadline {
                return Err(Error::failed("ssh opens no control socket"));
            }
        }
        Ok(master)
    }

    /// A shell on a terminal of its own, by another port that leads to this sshd.
    pub fn terminal(&self, port: u16, line: &str) -> Command {
        let mut command = Command::new("setsid");
        let known = format!("UserKnownHostsFile={}", self.place.join("known-far").display());
        command.args([
            "--ctty",
            "ssh",
            "-F",
            "none",
            "-q",
            "-tt",
            "-p",
            &port.to_string(),
            "-o",
            "BatchMode=yes",
            "-o",
        ]);
        command.args([&known, "-o", "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes", "-i"]);
        command.arg(self.place.join("user")).args(["root@127.0.0.1", line]).env("TERM", "xterm-256color");
        command
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process that listens.
    pub fn pid(&self) -> u32 {
        self.sshd.id()
    }

    /// Another program of OpenSSH, or what uses it, with all that it needs to reach this sshd and no other: `sftp`, `scp`.
    pub fn with(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-F", "none", "-q", "-P", &self.port.to_string()]);
        self.options(&mut command);
        command
    }

    /// As an account of the node.
    pub fn of(&self, account: &str, options: &[&str], words: &[&str]) -> Command {
        let mut command = self.ssh();
        command.args(["-o", "ControlPath=none"]).args(options).arg(format!("{account}@127.0.0.1")).args(words);
        command
    }

    /// How it is called by programs that start it.
    pub fn as_transport(&self) -> String {
        let mut words = vec!["ssh".to_owned(), "-F".to_owned(), "none".to_owned(), "-q".to_owned()];
        words.extend(["-p".to_owned(), self.port.to_string()]);
        let mut options = Command::new("ssh");
        self.options(&mut options);
        words.extend(options.get_args().map(|word| word.to_string_lossy().into_owned()));
        words.join(" ")
    }

    fn options(&self, command: &mut Command) {
        let known = format!("UserKnownHostsFile={}", self.place.join("known").display());
        command.args(["-o", "BatchMode=yes", "-o", &known, "-o", "StrictHostKeyChecking=accept-new"]);
        command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(self.place.join("user"));
    }

    fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-q", "-p", &self.port.to_string()]);
        self.options(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let _gone = self.sshd.kill();
        let _status = self.sshd.wait();
    }
}

/// A connection that is kept.
pub struct Master(Child);

impl Drop for Master {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _status = self.0.wait();
    }
}
