//! Lines from sent to exit, beside the durable writes alone; and the start of a program, beside posix_spawn.
//!
//! **Why:** measured from outside, as whoever uses pact sees it. A script sends a line when the line before has ended,
//! so that the time between the outputs of two equal lines is the time of one whole line. A line that starts nothing
//! (`whoami`) has the same two records; what a line that starts `uname` takes longer is the start, run and end of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::figure::{Figure, Samples, Target, Unit};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, Node};

/// Turns, each with every thing that is compared.
const ROUNDS: usize = 12;
/// Lines a turn.
const LINES: usize = 40;
/// Lines that are not counted: until what they need is in the caches.
const WARM: usize = 5;
/// About what the record of such a line takes.
const RECORD: usize = 400;

pub(super) fn measure(node: &Node, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let (mut whole, mut starts, mut syncs, mut spawns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let file = File::create(node.path("peer"))?;
    for _ in 0..ROUNDS {
        interrupt.check()?;
        syncs.extend(repeat(|at| two_durable_writes(&file, at))?);
        let uname = lines(node, "uname", 1)?;
        spawns.extend(repeat(|_| spawn())?);
        let nothing = middle(lines(node, "whoami", 3)?);
        starts.extend(uname.iter().map(|time| time.saturating_sub(nothing)));
        whole.extend(uname);
    }
    Ok(vec![
        Figure::new(
            "sandboxed start, run and end of a program",
            Unit::Milliseconds,
            Samples::times("a line `uname` less a line that starts nothing", &starts),
            Samples::times("posix_spawn of uname, its output read, waited for", &spawns),
            Target::More(1.5),
        ),
        Figure::new(
            "a whole line, sent to exit received",
            Unit::Milliseconds,
            Samples::times("a line `uname` with its two durable records", &whole),
            Samples::times("two writes of a record's size, each with fdatasync", &syncs),
            Target::More(3.0),
        ),
    ])
}

fn repeat(mut once: impl FnMut(usize) -> Result<()>) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(LINES);
    for at in 0..WARM + LINES {
        let begun = Instant::now();
        once(at)?;
        if at >= WARM {
            times.push(begun.elapsed());
        }
    }
    Ok(times)
}

/// The same line again and again in one session; `rows` is how many lines it shows.
fn lines(node: &Node, line: &str, rows: usize) -> Result<Vec<Duration>> {
    let mut command = node.pact(Account::Alice, &[]);
    let mut pact = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    if let Some(mut stdin) = pact.stdin.take() {
        stdin.write_all(format!("{line}\n").repeat(WARM + LINES).as_bytes())?;
    }
    let mut shown = Vec::new();
    for row in BufReader::new(pact.stdout.take().ok_or_else(|| Error::failed("no output"))?).lines() {
        row?;
        shown.push(Instant::now());
    }
    let status = pact.wait()?;
    if !status.success() || shown.len() != rows * (WARM + LINES) {
        return Err(Error::failed(format!("`{line}` in a script: {status}, {} rows were shown", shown.len())));
    }
    let ends: Vec<Instant> = shown.into_iter().skip(rows - 1).step_by(rows).collect();
    Ok(ends.windows(2).skip(WARM - 1).map(|pair| pair[1] - pair[0]).collect())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn two_durable_writes(file: &File, at: usize) -> Result<()> {
    for half in 0..2 {
        file.write_all_at(&[b'x'; RECORD], ((at * 2 + half) * RECORD) as u64)?;
        file.sync_data()?;
    }
    Ok(())
}

/// The standard library uses posix_spawn for this.
fn spawn() -> Result<()> {
    let output = Command::new("/usr/bin/uname").stdin(Stdio::null()).output()?;
    if output.status.success() { Ok(()) } else { Err(Error::failed("uname failed")) }
}
