//! The prompt of a node, as somebody at a workstation has it.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::NAME;
use crate::site::Workstation;
use crate::terminal::Terminal;

/// A line that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);
const CTRL_L: &[u8] = b"\x0c";

/// `pact shell` on a terminal of its own.
pub(crate) struct Prompt(Terminal);

impl Prompt {
    /// When this returns, a line can be typed.
    pub(crate) fn open(workstation: &Workstation, interrupt: &Interrupt) -> Result<Self> {
        let mut command = workstation.on_terminal(&["shell", NAME]);
        let mut terminal = Terminal::start(command.env("NO_COLOR", "1"), 24, 100, interrupt)?;
        let came = terminal.until(Instant::now() + PATIENCE, |terminal| is_prompt(terminal, 0))?;
        if came { Ok(Self(terminal)) } else { Err(failed("no prompt came", &terminal)) }
    }

    /// Types a line that shows something at the top of an empty screen, and waits for the prompt below that; how long
    /// that took since Enter.
    pub(crate) fn line(&mut self, line: &str) -> Result<Duration> {
        let Self(terminal) = self;
        terminal.send(CTRL_L)?;
        let cleared = terminal.until(Instant::now() + PATIENCE, |terminal| {
            terminal.screen().cursor_position().0 == 0 && is_prompt(terminal, 0)
        })?;
        terminal.send(line.as_bytes())?;
        let begun = Instant::now();
        terminal.send(b"\r")?;
        if cleared && terminal.until(begun + PATIENCE, |terminal| is_prompt(terminal, 2))? {
            return Ok(begun.elapsed());
        }
        Err(failed(&format!("`{line}` shows nothing"), terminal))
    }

    /// Leaves, and waits for the end.
    pub(crate) fn leave(mut self) -> Result<()> {
        self.0.send(b"exit\r")?;
        let ended = self.0.until(Instant::now() + PATIENCE, Terminal::has_ended)?;
        if ended { Ok(()) } else { Err(failed("it does not end", &self.0)) }
    }
}

fn is_prompt(terminal: &Terminal, from: u16) -> bool {
    let prompt = format!("pact:{NAME}> ");
    let (row, column) = terminal.screen().cursor_position();
    row >= from && usize::from(column) == prompt.len() && terminal.row(row).starts_with(&prompt)
}

fn failed(what: &str, terminal: &Terminal) -> Error {
    Error::failed(format!("{what}: {}", terminal.rows().join("\n").trim()))
}
