//! From the start of `pact` to its first prompt, beside bash.
//!
//! **Why:** both wait behind a gate, in the same namespace, as the same account, on the same kind of terminal, so that
//! what is measured begins with the exec of the one or the other and holds nothing of how they got there.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;

use super::figure::{Figure, Samples, Target, Unit};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, NAME, Node};
use crate::terminal::Terminal;

const ROUNDS: usize = 60;
const WARM: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);
const PEERS_PROMPT: &str = "bench> ";

pub(super) fn measure(node: &Node, interrupt: &Interrupt) -> Result<Figure> {
    let gate = node.path("gate");
    mknodat(CWD, &gate, FileType::Fifo, Mode::from_raw_mode(0o666), 0).map_err(std::io::Error::from)?;
    std::fs::set_permissions(&gate, std::fs::Permissions::from_mode(0o666))?;
    let pact = node.shell();
    let prompt = format!("pact:{NAME}> ");
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM {
        let one = start(node, &gate, &[&pact], &prompt, interrupt)?;
        let other = start(node, &gate, &["bash", "--norc", "-i"], PEERS_PROMPT, interrupt)?;
        if round >= WARM {
            ours.push(one);
            peers.push(other);
        }
    }
    Ok(Figure::new(
        "start to first prompt on a terminal",
        Unit::Milliseconds,
        Samples::times("pact", &ours),
        Samples::times("bash --norc -i", &peers),
        Target::Times(1.0),
    ))
}

fn start(node: &Node, gate: &Path, program: &[&str], prompt: &str, interrupt: &Interrupt) -> Result<Duration> {
    let gate_name = gate.to_string_lossy();
    let words = [&["sh", "-c", "read go < \"$0\"; exec \"$@\"", gate_name.as_ref()], program].concat();
    let mut command = node.program_on_terminal(Account::Alice, &words);
    command.env("PS1", PEERS_PROMPT);
    let mut terminal = Terminal::start(&mut command, 24, 80, interrupt)?;
    let mut gate = open_gate(gate, &mut terminal)?;
    let begun = Instant::now();
    gate.write_all(b"\n")?;
    let came = terminal.until(begun + PATIENCE, |terminal| {
        let (row, column) = terminal.screen().cursor_position();
        usize::from(column) == prompt.len() && terminal.row(row).starts_with(prompt)
    })?;
    let taken = begun.elapsed();
    if !came {
        return Err(Error::failed(format!("{program:?} shows no prompt: {}", terminal.rows().join("\n").trim())));
    }
    terminal.send(b"exit\r")?;
    terminal.until(Instant::now() + PATIENCE, Terminal::has_ended)?;
    Ok(taken)
}

/// Opens once the program waits behind it.
fn open_gate(gate: &Path, terminal: &mut Terminal) -> Result<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match open(gate, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(opened) => return Ok(File::from(opened)),
            Err(Errno::NXIO) if Instant::now() < deadline && !terminal.has_ended() => {
                terminal.take_in(Duration::from_millis(1))?;
            }
            Err(error) => return Err(Error::failed(format!("nothing waits at the gate: {error}"))),
        }
    }
}
