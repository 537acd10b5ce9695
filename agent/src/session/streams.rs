//! The agent's side of what a line reads and writes: pipes, or a terminal.
//!
//! **Invariant:** on a terminal the client is asked for keys always; otherwise for input where the first program reads
//! it. What a command writes into a pipeline is no client's business.

use std::io;
use std::os::fd::OwnedFd;

use pact_session::Outbound;
use tokio::net::unix::pipe;

use super::input::Input;
use super::terminal::Terminal;
use crate::link::Written;

/// All of them.
pub(super) struct Streams {
    pub(super) input: Input,
    /// The client is asked for it.
    pub(super) asks: bool,
    pub(super) stdout: pipe::Receiver,
    /// None where errors are drawn on the terminal too.
    pub(super) stderr: Option<pipe::Receiver>,
    pub(super) terminal: Option<Terminal>,
}

impl Streams {
    /// Of a line that writes there. The client behind `client` is given credit for what it types.
    pub(super) fn new(written: Written, client: &Outbound) -> io::Result<Self> {
        match written {
            Written::Pipes { stdout, stderr } => Ok(Self {
                input: Input::none(),
                asks: false,
                stdout: pipe::Receiver::from_owned_fd(stdout)?,
                stderr: Some(pipe::Receiver::from_owned_fd(stderr)?),
                terminal: None,
            }),
            Written::Terminal { master, line } => {
                let terminal = Terminal::new(master, line)?;
                Ok(Self {
                    input: Input::start(terminal.keys()?, client.clone()),
                    asks: true,
                    stdout: terminal.drawn()?,
                    stderr: None,
                    terminal: Some(terminal),
                })
            }
        }
    }

    /// The client is asked for what the first program reads from this pipe.
    pub(super) fn ask(&mut self, pipe: OwnedFd, client: &Outbound) -> io::Result<()> {
        self.input = Input::start(pipe::Sender::from_owned_fd(pipe)?, client.clone());
        self.asks = true;
        Ok(())
    }
}
