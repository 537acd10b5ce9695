//! A site of its own on this machine: an authority, an identity provider, and a journal of this build.
//!
//! **Invariant:** nothing outside one temporary directory, one port of the loopback address and the processes started
//! here is touched; dropping the site ends all of it, and so does the end of this process, however it comes.
//! **Not here:** its nodes; [`Site::agent`] is what makes a node one of them.

mod place;
mod workstation;

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub use workstation::Workstation;

use crate::authority::{Authority, Leaf};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::issuer::{AUDIENCE, Provider, Signs};
use crate::node::NAME;
use crate::wait;
use place::Place;

/// What the journal's certificate is for, and every machine knows.
pub const HOST: &str = "localhost";
/// A journal that takes longer is broken.
const PATIENCE: Duration = Duration::from_secs(60);
/// What must be asked again is asked this often.
const PACE: Duration = Duration::from_millis(5);

/// A site.
pub struct Site {
    /// Who makes its certificates.
    pub authority: Authority,
    /// Who says who persons are.
    pub provider: Provider,
    journal: Option<Child>,
    /// The program.
    built: PathBuf,
    port: u16,
    place: Place,
}

impl Site {
    /// Makes one from the directory of built programs; its journal is not started yet.
    pub fn new(built: &Path) -> Result<Self> {
        let built = built.join("pact-journal");
        if !built.exists() {
            let what = format!("{} is missing: run `cargo xtask test`, which builds it", built.display());
            return Err(Error::failed(what));
        }
        let (authority, provider) =
            (Authority::new("the site")?, Provider::new("https://id.example.org", Signs::EdDsa)?);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = free.local_addr()?.port();
        let site = Self { authority, provider, journal: None, built, port, place: Place::new()? };
        site.write_files()?;
        Ok(site)
    }

    fn write_files(&self) -> Result<()> {
        std::fs::write(self.path("keys.json"), self.provider.jwks()?)?;
        std::fs::write(self.path("ca.pem"), self.authority.certificate())?;
        self.write("member", &self.authority.member(1, &[HOST])?)?;
        self.write("node", &self.authority.node(NAME)?)?;
        let [ca, data, keys] = ["ca.pem", "journal", "keys.json"].map(|name| self.shown(name));
        let [certificate, key] = ["member.pem", "member.key"].map(|name| self.shown(name));
        let (port, issuer) = (self.port, &self.provider.name);
        let journal = format!(
            "member = 1\nlisten = \"127.0.0.1:{port}\"\ndata = {data}\nca = {ca}\ncertificate = {certificate}\n\
             key = {key}\n[[issuer]]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"\nalgorithm = \"EdDSA\"\n\
             jwks = {keys}\n"
        );
        Ok(std::fs::write(self.path("journal.toml"), journal)?)
    }

    /// What makes a node one of the site's: the table of its agent's configuration, as TOML.
    pub fn agent(&self) -> String {
        let [ca, certificate, key] = ["ca.pem", "node.pem", "node.key"].map(|name| self.shown(name));
        let endpoint = self.endpoint();
        format!(
            "[journal]\nca = {ca}\ncertificate = {certificate}\nkey = {key}\nendpoint = \"{endpoint}\"\n\
             listen = \"127.0.0.1:0\"\n"
        )
    }

    /// Where the journal is.
    pub fn endpoint(&self) -> String {
        format!("{HOST}:{}", self.port)
    }

    /// The port that it has.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A path in the site's directory: `ca.pem`, `node.pem` and `node.key`, `member.pem` and `member.key`, `journal`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// As a string of TOML.
    fn shown(&self, name: &str) -> String {
        format!("\"{}\"", self.path(name).display())
    }

    /// `<name>.pem` and `<name>.key`, in place of what was there.
    pub fn write(&self, name: &str, leaf: &Leaf) -> Result<()> {
        leaf.write(self.place.path(), name).map(drop)
    }

    /// Starts the journal with this in its environment; it may not listen yet.
    pub fn start_journal(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.path("journal.log"))?;
        let mut command = Command::new("setpriv");
        // SIGKILL leaves this process no way out; then the kernel ends the journal.
        command.args(["--pdeathsig", "TERM"]).arg(&self.built).arg("--config").arg(self.path("journal.toml"));
        command.envs(environment.iter().copied());
        // A group of its own: Ctrl-C at the prompt is not for the journal.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.journal = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until the journal listens.
    pub fn until_it_listens(&mut self, interrupt: &Interrupt) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            interrupt.check()?;
            if self.journal_has_ended()? || Instant::now() > deadline {
                return Err(Error::failed(format!("the journal does not listen: {}", self.journal_log())));
            }
            wait::for_exit(self.journal_pid(), PACE)?;
        }
        Ok(())
    }

    /// Its process id; 0 where none runs.
    pub fn journal_pid(&self) -> u32 {
        self.journal.as_ref().map_or(0, Child::id)
    }

    /// What the journals of this site said so far.
    pub fn journal_log(&self) -> String {
        std::fs::read_to_string(self.path("journal.log")).unwrap_or_default()
    }

    /// kill -9.
    pub fn kill_journal(&mut self) -> Result<()> {
        if let Some(mut journal) = self.journal.take() {
            journal.kill()?;
            journal.wait()?;
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn journal_has_ended(&mut self) -> Result<bool> {
        self.journal.as_mut().map_or(Ok(true), |journal| Ok(journal.try_wait()?.is_some()))
    }

    /// Holds it up, lets it go on, or has it end.
    pub fn signal_journal(&self, signal: Signal) -> Result<()> {
        let Some(journal) = &self.journal else { return Err(Error::failed("no journal runs")) };
        Ok(kill_process(Pid::from_child(journal), signal).map_err(std::io::Error::from)?)
    }

    /// Has the journal end in order, and waits for that.
    pub fn end_journal(&mut self) -> Result<()> {
        self.signal_journal(Signal::TERM)?;
        if !wait::for_exit(self.journal_pid(), PATIENCE)? {
            return Err(Error::failed(format!("the journal goes on: {}", self.journal_log())));
        }
        self.kill_journal()
    }

    /// Looks whether what is kept is whole, and lists it, oldest first; the journal must have ended in order.
    pub fn verify(&self) -> Result<Vec<String>> {
        let output = Command::new(&self.built).arg("verify").arg("--list").arg(self.path("journal")).output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(Error::failed(format!("verify: {}: {why}{}", output.status, self.journal_log())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _gone = self.kill_journal();
    }
}
