//! A line at a prompt, alone and beside fifty sessions that do what they can against it.
//!
//! **Why:** the peers are the same prompts before the others came: what the crowd costs them is the figure.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::figure::{Figure, Samples, Target, Unit};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, NAME, Node, Setup};
use crate::root;
use crate::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(60);
const SEATS: usize = 5;
const ROUNDS: usize = 20;
const CROWD: usize = 50;
/// bash as a program of the whitelist, to do what no administrator would be given.
const DO: &str = "name = \"do\"\nabout = \"do anything\"\npaths = [\"/usr/bin/bash\", \"/bin/bash\"]\n[[form]]\n\
                  effect = \"read\"\noptions = [{ names = [\"-c\"], about = \"this\", value = \"text\" }]\n";
const LIMITS: &str =
    "[limits]\nprocesses = 8\nmemory_bytes = 67108864\nsessions_per_user = 60\nsessions_per_node = 100\n";
/// Processes, memory, output, and processors without an end.
const HOSTILE: [&str; 4] = [
    "do -c 'bomb() { bomb | bomb & }; bomb; wait; while :; do :; done'",
    "do -c 'while :; do (a=x; while :; do a=$a$a; done); done'",
    "do -c 'while :; do echo an endless line; done'",
    "do -c 'trap \"\" INT QUIT TERM HUP; while :; do :; done'",
];

pub(super) fn measure(built: &Path, interrupt: &Interrupt) -> Result<Figure> {
    let programs = tempfile::tempdir()?;
    for program in std::fs::read_dir(root().join("examples/programs"))? {
        let program = program?;
        std::fs::copy(program.path(), programs.path().join(program.file_name()))?;
    }
    std::fs::write(programs.path().join("do.toml"), DO)?;
    let node = Node::start(&Setup { built, programs: programs.path(), agent: "", policy: LIMITS }, interrupt)?;
    let mut seats = (0..SEATS).map(|_| seat(&node, interrupt)).collect::<Result<Vec<_>>>()?;
    let alone = lines(&mut seats, interrupt)?;
    let hostile: Vec<_> = HOSTILE.iter().cycle().take(CROWD).collect();
    let crowd = Crowd(hostile.into_iter().map(|line| start(&node, line)).collect::<Result<_>>()?);
    until_at_work(&node, interrupt)?;
    let beside = lines(&mut seats, interrupt)?;
    drop(crowd);
    Ok(Figure::new(
        "`uname -s` at five prompts, beside fifty hostile sessions",
        Unit::Milliseconds,
        Samples::times("beside them", &beside),
        Samples::times("alone", &alone),
        Target::Times(2.0),
    ))
}

fn seat(node: &Node, interrupt: &Interrupt) -> Result<Terminal> {
    let mut command = node.pact_on_terminal(Account::Bob, &[]);
    let mut terminal = Terminal::start(command.env("NO_COLOR", "1"), 24, 80, interrupt)?;
    until(&mut terminal, "a prompt", |terminal| is_prompt(terminal, terminal.screen().cursor_position().0))?;
    Ok(terminal)
}

/// Each seat types in turn; the time from Enter to the next prompt.
fn lines(seats: &mut [Terminal], interrupt: &Interrupt) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for round in 0..=ROUNDS {
        for terminal in &mut *seats {
            interrupt.check()?;
            // On a screen that was cleared, so that what is seen is new.
            terminal.send(b"\x0c")?;
            until(terminal, "a clear screen", |terminal| {
                is_prompt(terminal, 0) && terminal.rows().iter().skip(1).all(|row| row.trim().is_empty())
            })?;
            terminal.send(b"uname -s")?;
            until(terminal, "the line", |terminal| terminal.row(0).trim_end().ends_with("> uname -s"))?;
            let begun = Instant::now();
            terminal.send(b"\r")?;
            until(terminal, "the answer", |terminal| terminal.row(1).trim_end() == "Linux" && is_prompt(terminal, 2))?;
            // The first turn warms.
            if round > 0 {
                times.push(begun.elapsed());
            }
        }
    }
    Ok(times)
}

/// In this row.
fn is_prompt(terminal: &Terminal, row: u16) -> bool {
    let prompt = format!("pact:{NAME}> ");
    let at = terminal.screen().cursor_position();
    (at.0, usize::from(at.1)) == (row, prompt.len()) && terminal.row(row).trim_end() == prompt.trim_end()
}

fn until(terminal: &mut Terminal, what: &str, shows: impl FnMut(&Terminal) -> bool) -> Result<()> {
    if terminal.until(Instant::now() + PATIENCE, shows)? {
        return Ok(());
    }
    Err(Error::failed(format!("{what} does not come: {}", terminal.rows().join("\n").trim())))
}

fn start(node: &Node, line: &str) -> Result<Child> {
    let mut command = node.pact(Account::Alice, &["-c", line]);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// Once as many sessions are open as there are to be.
fn until_at_work(node: &Node, interrupt: &Interrupt) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        interrupt.check()?;
        let status = node.run(Account::Root, &["status"])?.stdout;
        let number = |row: &str| row.split_once(", ")?.1.split_once(" open session")?.0.parse::<usize>().ok();
        let open = status.lines().find_map(number);
        match open {
            Some(open) if open > CROWD + SEATS => return Ok(()),
            Some(_) | None if Instant::now() > deadline => {
                return Err(Error::failed(format!("the crowd does not come: {status}")));
            }
            Some(_) | None => {}
        }
    }
}

/// The hostile ones: they end with this.
struct Crowd(Vec<Child>);

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}
