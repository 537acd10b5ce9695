//! A pager for what the journal answers on a terminal: what `PAGER` names, or `less`.
//!
//! **Invariant:** it is started before `pact` gives up starting anything, and has what `pact` would have shown: filtered
//! text. Without one the answer is shown as it is.
//! **Why:** on a node the agent has a pager in a sandbox; the journal has none, and this machine is its user's own.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use pact_client::Terminal;
use pact_client::settings::Output as Format;
use pact_proto::grammar::{Head, parse_words};
use tokio::io::AsyncReadExt as _;

use crate::signals::{Heard, Signals};
use crate::streams::Output;

const VARIABLES: [&str; 2] = ["PACT_PAGER", "PAGER"];
/// Ends where all fits on the screen, passes colours, and leaves what it showed.
const LESS: &str = "FRX";

/// One that runs.
pub(super) struct Pager {
    /// What it reads; its other end is closed when it ends.
    stream: UnixStream,
}

impl Pager {
    /// Where somebody would like to read the answer page by page.
    pub(super) fn start(words: &[Vec<u8>], format: Format, terminal: &Terminal) -> Option<Self> {
        let is_read = format == Format::Text && terminal.stdin && terminal.stdout && may_be_long(words);
        let named = VARIABLES.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "less".to_owned());
        let mut named = named.split_whitespace();
        let program = named.next().filter(|program| is_read && *program != "cat")?;
        let (ours, its) = UnixStream::pair().ok()?;
        let mut command = Command::new(program);
        command.args(named).stdin(Stdio::from(OwnedFd::from(its)));
        if std::env::var_os("LESS").is_none() {
            command.env("LESS", LESS);
        }
        // One that is not there is no reason for no answer. It ends by itself, after whoever reads in it.
        let _child = command.spawn().ok()?;
        Some(Self { stream: ours })
    }

    /// What is written to it.
    pub(super) fn output(&self) -> io::Result<Output> {
        Output::open(&self.stream, true)
    }

    /// All is said: waits until it has ended, or somebody ends `pact`, with this code.
    pub(super) async fn finish(self) -> io::Result<Option<u8>> {
        let mut signals = Signals::listen()?;
        self.stream.shutdown(std::net::Shutdown::Write)?;
        self.stream.set_nonblocking(true)?;
        let mut stream = tokio::net::UnixStream::from_std(self.stream)?;
        let mut nothing = [0; 1];
        loop {
            tokio::select! {
                // It never writes; one that ends before it has read all resets it.
                _ended = stream.read(&mut nothing) => return Ok(None),
                heard = signals.next() => match heard {
                    // Its own keys.
                    Heard::Interrupt | Heard::Quit => {}
                    Heard::Leave(code) => return Ok(Some(code)),
                },
            }
        }
    }
}

fn may_be_long(words: &[Vec<u8>]) -> bool {
    let Ok(parsed) = parse_words(words.to_vec()) else { return false };
    match parsed.head() {
        Head::Command(stage) => stage.command().may_be_long(),
        Head::Programs => false,
    }
}
