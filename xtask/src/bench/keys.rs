//! From a keystroke to the line drawn again, with many names to complete from, beside bash.
//!
//! **Why:** the line is drawn when nothing more comes: hints and colours are drawn too, and a person waits for them.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::figure::{Figure, Samples, Target, Unit};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, NAME, Node, Setup};
use crate::terminal::Terminal;

/// Programs on the whitelist.
pub(super) const NAMES: usize = 10_000;
const ROUNDS: usize = 60;
/// What is typed: it fits hundreds of names until its last keys.
const TYPED: &[u8] = b"tool-0427";
/// Nothing more comes after so long.
const QUIET: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_secs(30);
/// Kills the line, in every line editor.
const CTRL_U: &[u8] = b"\x15";

pub(super) fn measure(built: &Path, interrupt: &Interrupt) -> Result<Figure> {
    let programs = tempfile::tempdir()?;
    write_programs(programs.path())?;
    let node = Node::start(&Setup { built, programs: programs.path(), agent: "", policy: "" }, interrupt)?;
    let pact = node.shell();
    let mut one = at_prompt(&node, &[&pact], &format!("pact:{NAME}> "), interrupt)?;
    let mut other = at_prompt(&node, &["bash", "--norc", "-i"], "bench> ", interrupt)?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (mine, theirs) = (type_once(&mut one)?, type_once(&mut other)?);
        // The first turn warms.
        if round > 0 {
            ours.extend(mine);
            peers.extend(theirs);
        }
    }
    Ok(Figure::new(
        "keystroke to the line drawn again, 10,000 names to complete from",
        Unit::Milliseconds,
        Samples::times("pact, with colours and hint", &ours),
        Samples::times("bash --norc -i, which only echoes", &peers),
        Target::P99(2.0),
    ))
}

fn write_programs(place: &Path) -> Result<()> {
    for number in 0..NAMES {
        let mut text = String::new();
        let fine = writeln!(
            text,
            "name = \"tool-{number:04}\"\nabout = \"tool number {number}\"\npaths = [\"/usr/bin/uname\"]"
        );
        fine.map_err(|error| Error::failed(error.to_string()))?;
        text.push_str("[profile]\n[[form]]\neffect = \"read\"\noptions = [{ names = [\"-a\"], about = \"all\" }]\n");
        std::fs::write(place.join(format!("tool-{number:04}.toml")), text)?;
    }
    Ok(())
}

fn at_prompt(node: &Node, program: &[&str], prompt: &str, interrupt: &Interrupt) -> Result<Terminal> {
    let mut command = node.program_on_terminal(Account::Alice, program);
    command.env("PS1", "bench> ");
    let mut terminal = Terminal::start(&mut command, 24, 80, interrupt)?;
    let came = terminal.until(Instant::now() + PATIENCE, |terminal| {
        let (row, column) = terminal.screen().cursor_position();
        usize::from(column) == prompt.len() && terminal.row(row).starts_with(prompt)
    })?;
    if came { Ok(terminal) } else { Err(Error::failed(format!("no prompt: {}", terminal.rows().join("\n").trim()))) }
}

/// Types the word and takes it back; the time of each key but the last one, which takes back.
fn type_once(terminal: &mut Terminal) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(TYPED.len());
    for (at, key) in TYPED.iter().enumerate() {
        let (_, before) = terminal.screen().cursor_position();
        times.push(key_to_quiet(terminal, &[*key])?);
        if terminal.screen().cursor_position().1 != before + 1 {
            let screen = terminal.rows().join("\n");
            return Err(Error::failed(format!("key {} did not move the cursor by one: {}", at + 1, screen.trim())));
        }
    }
    key_to_quiet(terminal, CTRL_U)?;
    Ok(times)
}

/// Until the last of what a key brings.
pub(super) fn key_to_quiet(terminal: &mut Terminal, key: &[u8]) -> Result<Duration> {
    let begun = Instant::now();
    terminal.send(key)?;
    let mut taken = None;
    while begun.elapsed() < PATIENCE {
        // Something must come; then it must stop.
        if terminal.take_in(if taken.is_some() { QUIET } else { Duration::from_millis(100) })? {
            taken = Some(begun.elapsed());
        } else if let Some(taken) = taken {
            return Ok(taken);
        }
        if terminal.has_ended() {
            break;
        }
    }
    Err(Error::failed(format!("a key brings nothing: {}", terminal.rows().join("\n").trim())))
}
