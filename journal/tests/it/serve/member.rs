//! A member as it is built, as a process of its own, and what it says.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pact_xtask::authority::{Authority, Leaf};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A member that takes longer is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A site: its authority, and one member's files.
pub(crate) struct Site {
    pub(crate) authority: Authority,
    place: TempDir,
}

/// A running member.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    child: Child,
    lines: Receiver<String>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("site").unwrap();
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("ca.pem"), authority.certificate()).unwrap();
        authority.member(1, &["localhost"]).unwrap().write(place.path(), "member").unwrap();
        let site = Self { authority, place };
        site.configure("");
        site
    }

    /// Writes the configuration, with more at its end.
    pub(crate) fn configure(&self, more: &str) {
        let place = self.place.path().display();
        let text = format!(
            "member = 1\nlisten = \"127.0.0.1:0\"\ndata = \"{place}/data\"\nca = \"{place}/ca.pem\"\n\
             certificate = \"{place}/member.pem\"\nkey = \"{place}/member.key\"\n{more}"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("journal.toml")
    }

    pub(crate) fn node(&self, name: &str) -> Leaf {
        self.authority.node(name).unwrap()
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&self) -> Member {
        let mut member = Member::spawn(&mut self.command());
        member.listens().unwrap_or_else(|said| panic!("it does not listen: {said:?}"));
        member
    }

    /// The same, unless the failpoint ends it before.
    pub(crate) fn start_or_die(&self, failpoint: &str) -> Option<Member> {
        let mut member = Member::spawn(self.command().env("PACT_FAILPOINT", failpoint));
        match member.listens() {
            Ok(()) => Some(member),
            Err(said) => {
                assert!(said.is_empty() && !member.ended().success(), "it was not the failpoint: {said:?}");
                None
            }
        }
    }

    /// The member's program with its configuration; not started yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pact-journal"));
        command.arg("--config").arg(self.config());
        command
    }

    /// Starts one that must end by itself; what it said.
    pub(crate) fn fails(&self) -> String {
        let mut member = Member::spawn(&mut self.command());
        let status = member.ended();
        let said: Vec<_> = member.lines.iter().collect();
        assert_eq!(status.code(), Some(1), "{said:?}");
        said.join("\n")
    }

    /// What `pact-journal verify --list` says of the files: all that is on record, and that it holds. That the member
    /// began is left out.
    pub(crate) fn records(&self) -> Vec<String> {
        let output = verify(&["--list"], &self.path("data"));
        assert!(output.status.success(), "{output:?}");
        let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        let last = lines.pop().unwrap();
        assert!(last.starts_with(&format!("journal \"pact\": {} records, the last has hash ", lines.len())), "{last}");
        lines.retain(|line| !line.contains(" MEMBER "));
        lines
    }
}

pub(crate) fn verify(options: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pact-journal")).arg("verify").args(options).arg(directory).output().unwrap()
}

impl Member {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (told, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), child, lines }
    }

    /// Waits until it says where it listens; what it said instead.
    pub(crate) fn listens(&mut self) -> Result<(), Vec<String>> {
        let said = self.until(" listens on ")?;
        let (_, after) = said.split_once(" listens on ").unwrap();
        self.address = after.split_once(';').unwrap().0.parse().unwrap();
        Ok(())
    }

    /// The next line that has these words; all that it said instead, where it ended without.
    pub(crate) fn until(&self, words: &str) -> Result<String, Vec<String>> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.contains(words) {
                return Ok(line);
            }
            said.push(line);
        }
        Err(said)
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = self.ended();
        assert!(status.success(), "{status:?}: {:?}", self.until("nothing that it says"));
    }

    /// Waits until it has ended, by whatever.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        assert!(pact_xtask::wait::for_exit(self.child.id(), PATIENCE).unwrap(), "it goes on");
        self.child.wait().unwrap()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended, which is what is wanted.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
