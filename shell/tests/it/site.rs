//! A site for tests: an authority, a journal of this build, and what a node needs to reach it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pact_xtask::authority::{Authority, Leaf};
use pact_xtask::issuer::{AUDIENCE, Provider, Signs};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::node::{Account, Node, until};

/// What the journal's certificate is for, and every machine knows.
pub(crate) const HOST: &str = "localhost";

/// A site.
pub(crate) struct Site {
    pub(crate) authority: Authority,
    /// Who says who persons are.
    pub(crate) provider: Provider,
    place: TempDir,
    port: u16,
    journal: Option<Child>,
}

impl Site {
    /// Its journal is not started yet.
    pub(crate) fn new() -> Self {
        // Not /tmp, which is memory on many machines.
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let authority = Authority::new("the site").unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        let provider = Provider::new("https://id.example.org", Signs::EdDsa).unwrap();
        let site = Self { authority, provider, place, port, journal: None };
        std::fs::write(site.path("keys.json"), site.provider.jwks().unwrap()).unwrap();
        std::fs::write(site.path("ca.pem"), site.authority.certificate()).unwrap();
        site.write("member", &site.authority.member(1, &[HOST]).unwrap());
        site.write("node", &site.authority.node("node042").unwrap());
        let [ca, data] = ["ca.pem", "journal"].map(|name| site.shown(name));
        let [certificate, key] = ["member.pem", "member.key"].map(|name| site.shown(name));
        let journal = format!(
            "member = 1\nlisten = \"127.0.0.1:{port}\"\ndata = {data}\nca = {ca}\ncertificate = {certificate}\nkey = {key}\n"
        );
        let issuer = format!(
            "[[issuer]]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\nalgorithm = \"EdDSA\"\njwks = {}\n",
            site.provider.name,
            site.shown("keys.json")
        );
        std::fs::write(site.path("journal.toml"), journal + &issuer).unwrap();
        site
    }

    /// With its journal.
    pub(crate) fn start() -> Self {
        let mut site = Self::new();
        site.start_journal("");
        site
    }

    /// A node of the site; its agent is not started.
    pub(crate) fn node(&self, policy: &str) -> Node {
        let [ca, certificate, key] = ["ca.pem", "node.pem", "node.key"].map(|name| self.shown(name));
        let endpoint = self.endpoint();
        let journal = format!("ca = {ca}\ncertificate = {certificate}\nkey = {key}\nendpoint = \"{endpoint}\"\n");
        let journal = format!("{journal}listen = \"127.0.0.1:0\"\n");
        Node::prepare_with(&format!("[journal]\n{journal}"), policy)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{HOST}:{}", self.port)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// As a string of TOML.
    fn shown(&self, name: &str) -> String {
        format!("\"{}\"", self.path(name).display())
    }

    /// `<name>.pem` and `<name>.key`, in place of what was there.
    pub(crate) fn write(&self, name: &str, leaf: &Leaf) {
        leaf.write(self.place.path(), name).unwrap();
    }

    /// Starts the journal; `failpoint` is where it is to end, or nothing.
    pub(crate) fn start_journal(&mut self, failpoint: &str) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("journal.log")).unwrap();
        let mut command = journal();
        command.arg("--config").arg(self.path("journal.toml")).env("PACT_FAILPOINT", failpoint);
        self.journal = Some(command.stdin(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// kill -9.
    pub(crate) fn kill_journal(&mut self) {
        if let Some(mut journal) = self.journal.take() {
            journal.kill().unwrap();
            journal.wait().unwrap();
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn journal_has_ended(&mut self) -> bool {
        self.journal.as_mut().is_none_or(|journal| journal.try_wait().unwrap().is_some())
    }

    /// Holds it up, or lets it go on.
    pub(crate) fn signal_journal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.journal.as_ref().unwrap()), signal).unwrap();
    }

    /// Kills the journal, lets it come to itself, and reads what is in it, oldest first, without its numbers; what is
    /// not this node's is left out, and so is kept output, which `log` does not list. It is ended then.
    pub(crate) fn records(&mut self) -> Vec<String> {
        let mut records = self.all_records();
        records.retain(|record| record.contains(" node:node042 ") && !record.contains(" OUTPUT "));
        records
    }

    /// The same of everything.
    pub(crate) fn all_records(&mut self) -> Vec<String> {
        self.kill_journal();
        self.start_journal("");
        until("the journal to listen", || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
        self.signal_journal(Signal::TERM);
        until("the journal to end", || self.journal_has_ended());
        self.journal = None;
        let output = journal().arg("verify").arg("--list").arg(self.path("journal")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let why = String::from_utf8_lossy(&output.stderr);
        let said = std::fs::read_to_string(self.path("journal.log")).unwrap_or_default();
        assert!(output.status.success(), "{why}{said}");
        text.lines().filter_map(without_number).collect()
    }

    /// Everything that the node has on record now, once the journal has said that it has it too; then ends the journal
    /// and looks whether that is so: the same, in the same order, once. Without a journal a node shows its own records.
    pub(crate) fn has_all_of(&mut self, node: &Node) -> Vec<String> {
        let kept = node.run(Account::Root, &["log", "-n", "1000", "--kind", "OUTPUT"]).stdout.lines().count();
        let all = node.records().len() + kept;
        until("the journal to have all records", || acknowledged(node) >= all as u64);
        let there = self.records();
        let here: Vec<_> = node.records().iter().filter_map(|record| without_number(record)).collect();
        assert!(here.len() >= there.len(), "{} of {}: {here:#?}", here.len(), there.len());
        for (at, (here, there)) in here.iter().zip(&there).enumerate() {
            assert_eq!(there, here, "record {}", at + 1);
        }
        there
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut journal) = self.journal.take() {
            let _gone = journal.kill();
            let _status = journal.wait();
        }
    }
}

fn journal() -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_pact")).with_file_name("pact-journal");
    assert!(program.exists(), "{} is missing: run `cargo xtask test`, which builds it", program.display());
    let mut command = Command::new(program);
    command.stdout(Stdio::piped());
    command
}

/// `#12 2026-…` without its first word, which differs between a node and the journal.
fn without_number(record: &str) -> Option<String> {
    record.strip_prefix('#')?.split_once(' ').map(|(_, rest)| rest.to_owned())
}

/// How far the agent has written down that the journal has its records.
pub(crate) fn acknowledged(node: &Node) -> u64 {
    number(node, "spool/acknowledged")
}

/// How many times the node's records were written.
pub(crate) fn written(node: &Node) -> u64 {
    number(node, "spool/head")
}

/// The number in a small file as the agent sees it; 0 where it is not there yet.
fn number(node: &Node, name: &str) -> u64 {
    let file = format!("/proc/{}/root{}", node.agent_pid(), node.path(name).display());
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.get(16..24).map_or(0, |number| u64::from_be_bytes(number.try_into().unwrap()))
}
