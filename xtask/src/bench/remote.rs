//! A workstation and a node over loopback, beside ssh and sshd over the same: lines, throughput, the first byte.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::figure::{Figure, Samples, Target, Unit};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, NAME, Node, Setup};
use crate::site::{Site, Workstation};
use crate::ssh::Ssh;
use crate::stage::{Prompt, Stage};
use crate::{root, wait};

const ROUNDS: usize = 60;
const WARM: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);
/// What goes through once.
const LARGE: usize = 1 << 30;
const TIMES: usize = 5;
/// Sessions whose memory is measured.
const SESSIONS: u32 = 10;
/// What the policy must allow for a gigabyte.
const POLICY: &str = "[limits]\noutput_bytes = 4294967296\nwall_seconds = 600\noutput_kept_bytes = 0\n";

pub(super) fn measure(built: &Path, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let programs = programs()?;
    let mut site = Site::new(built)?;
    site.start_journal(&[])?;
    site.until_it_listens(interrupt)?;
    let setup = Setup { built, programs: programs.path(), agent: &site.agent(), policy: POLICY };
    let stage = Stage::of(site, &setup, interrupt)?;
    let workstation = stage.workstation(Account::Alice)?;
    let ssh = Ssh::start(&stage.node, interrupt)?;
    let memory = memory(&stage.node, workstation, &ssh, interrupt)?;
    let mut figures = vec![warm(workstation, &ssh, interrupt)?, cold(workstation, &ssh, interrupt)?];
    figures.push(first_byte(&stage.node, workstation, &ssh, interrupt)?);
    figures.push(large(&stage.node, workstation, &ssh, interrupt)?);
    figures.extend(memory);
    Ok(figures)
}

/// The example's, one that does nothing, and two that may read what the bench writes.
pub(super) fn programs() -> Result<tempfile::TempDir> {
    let place = tempfile::tempdir()?;
    for entry in std::fs::read_dir(root().join("examples/programs"))? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        let text = text.replacen("read = [\"/etc\",", "read = [\"/var/tmp\", \"/etc\",", 1);
        std::fs::write(place.path().join(path.file_name().unwrap_or_default()), text)?;
    }
    let nothing = "name = \"true\"\nabout = \"do nothing\"\npaths = [\"/usr/bin/true\"]\n[profile]\nread = []\n[[form]]\neffect = \"read\"\n";
    std::fs::write(place.path().join("true.toml"), nothing)?;
    Ok(place)
}

/// An open session: from Enter to the output on the screen and the next prompt.
fn warm(workstation: &Workstation, ssh: &Ssh, interrupt: &Interrupt) -> Result<Figure> {
    let _master = ssh.master()?;
    let mut session = Prompt::open(workstation, interrupt)?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM {
        interrupt.check()?;
        let one = session.line("uname")?;
        let other = to_end(&mut ssh.warm(&["uname"]))?;
        if round >= WARM {
            ours.push(one);
            peers.push(other);
        }
    }
    session.leave()?;
    Ok(Figure::new(
        "uname where a connection is open",
        Unit::Milliseconds,
        Samples::times("Enter to the next prompt of `pact shell`", &ours),
        Samples::times("ssh uname over a live ControlMaster", &peers),
        Target::Times(1.0),
    ))
}

fn cold(workstation: &Workstation, ssh: &Ssh, interrupt: &Interrupt) -> Result<Figure> {
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM {
        interrupt.check()?;
        let one = to_end(workstation.alone(&["exec", NAME, "--", "true"])?.stdout(Stdio::piped()))?;
        let other = to_end(&mut ssh.cold(&["true"]))?;
        if round >= WARM {
            ours.push(one);
            peers.push(other);
        }
    }
    Ok(Figure::new(
        "true from a shell, with nothing open",
        Unit::Milliseconds,
        Samples::times("pact exec node -- true", &ours),
        Samples::times("ssh node true", &peers),
        Target::Times(0.25),
    ))
}

/// A file grows by a line; when that has come out at the other end.
fn first_byte(node: &Node, workstation: &Workstation, ssh: &Ssh, interrupt: &Interrupt) -> Result<Figure> {
    let path = node.path("grows");
    std::fs::write(&path, "")?;
    let shown = path.display().to_string();
    let follow = ["tail", "-n", "0", "-f", shown.as_str()];
    let mut ours = Followed::start(workstation.alone(&[&["exec", NAME, "--"], &follow[..]].concat())?)?;
    let mut peers = Followed::start(ssh.cold(&follow))?;
    let mut file = File::options().append(true).open(&path)?;
    // Until both follow: what is written before is not shown.
    let (mut one, mut other) = (Vec::new(), Vec::new());
    ours.begins(&mut file)?;
    peers.begins(&mut file)?;
    for round in 0..ROUNDS + WARM {
        interrupt.check()?;
        ours.drain()?;
        peers.drain()?;
        let begun = Instant::now();
        file.write_all(b"x\n")?;
        let first = ours.comes(begun)?;
        peers.comes(begun)?;
        ours.drain()?;
        peers.drain()?;
        let begun = Instant::now();
        file.write_all(b"x\n")?;
        let second = peers.comes(begun)?;
        ours.comes(begun)?;
        if round >= WARM {
            one.push(first);
            other.push(second);
        }
    }
    Ok(Figure::new(
        "a byte written by a program to the byte read from the client",
        Unit::Milliseconds,
        Samples::times("pact exec node -- tail -f", &one),
        Samples::times("ssh node tail -f", &other),
        Target::P99(2.0),
    ))
}

fn large(node: &Node, workstation: &Workstation, ssh: &Ssh, interrupt: &Interrupt) -> Result<Figure> {
    let path = node.path("large");
    let file = File::create(&path)?;
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for at in 0..LARGE / block.len() {
        file.write_all_at(&block, (at * block.len()) as u64)?;
    }
    let shown = path.display().to_string();
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..=TIMES {
        interrupt.check()?;
        let one = through(&mut workstation.alone(&["exec", NAME, "--", "cat", &shown])?)?;
        let other = through(&mut ssh.cold(&["cat", &shown]))?;
        // The first turn warms.
        if round > 0 {
            ours.push(one);
            peers.push(other);
        }
    }
    std::fs::remove_file(&path)?;
    Ok(Figure::new(
        "1 GiB from a node, encrypted",
        Unit::Milliseconds,
        Samples::times("pact exec node -- cat", &ours),
        Samples::times("ssh node cat", &peers),
        Target::Times(1.0),
    ))
}

/// The agent with everything that it started, idle and with open sessions, beside sshd.
fn memory(node: &Node, workstation: &Workstation, ssh: &Ssh, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let (idle, peers_idle) = (memory_of(node.agent_pid())?, memory_of(ssh.pid())?);
    let mut sessions = Vec::new();
    let mut others = Vec::new();
    for _ in 0..SESSIONS {
        let mut session = Prompt::open(workstation, interrupt)?;
        session.line("uname")?;
        sessions.push(session);
        let mut ssh = ssh.cold(&["sh -c 'uname && cat'"]);
        let mut child = ssh.stdin(Stdio::piped()).spawn()?;
        let mut first = [0];
        child.stdout.as_mut().ok_or_else(|| Error::failed("no output"))?.read_exact(&mut first)?;
        others.push(child);
    }
    let (busy, peers_busy) = (memory_of(node.agent_pid())?, memory_of(ssh.pid())?);
    for session in sessions {
        session.leave()?;
    }
    for mut other in others {
        drop(other.stdin.take());
        other.wait()?;
    }
    let each = |busy: f64, idle: f64| (busy - idle) / f64::from(SESSIONS);
    let figures = |counted: &str, of: fn(Memory) -> f64| {
        let (idle, busy, peers_idle, peers_busy) = (of(idle), of(busy), of(peers_idle), of(peers_busy));
        [
            Figure::new(
                format!("memory, idle, {counted}"),
                Unit::Mebibytes,
                Samples::of("pact-agent with its launcher", [idle]),
                Samples::of("sshd", [peers_idle]),
                Target::Median(20.0),
            ),
            Figure::new(
                format!("memory of each of ten sessions, {counted}"),
                Unit::Mebibytes,
                Samples::of("pact-agent with all that it started", [each(busy, idle)]),
                Samples::of("sshd with all that it started", [each(peers_busy, peers_idle)]),
                Target::Median(3.0),
            ),
        ]
    };
    let resident = figures("resident (RSS)", |memory| memory.resident);
    let in_proportion = figures("shared pages in proportion (PSS)", |memory| memory.in_proportion);
    Ok(resident.into_iter().chain(in_proportion).collect())
}

/// Memory of a process and all below it, in MiB.
#[derive(Clone, Copy, Default)]
pub(super) struct Memory {
    /// Each page as often as it is mapped.
    pub(super) resident: f64,
    /// Each page in proportion to how many share it.
    pub(super) in_proportion: f64,
}

pub(super) fn memory_of(process: u32) -> Result<Memory> {
    let mut total = Memory::default();
    let mut all = vec![process];
    while let Some(process) = all.pop() {
        let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let mebibytes = |name: &str| {
            let row = rollup.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = row.and_then(|row| row.split_ascii_whitespace().next()?.parse::<u32>().ok());
            f64::from(kilobytes.unwrap_or(0)) / 1024.0
        };
        total.resident += mebibytes("Rss:");
        total.in_proportion += mebibytes("Pss:");
        for thread in std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    if total.resident > 0.0 { Ok(total) } else { Err(Error::failed("memory cannot be read")) }
}

fn to_end(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let taken = begun.elapsed();
    if output.status.success() { Ok(taken) } else { Err(Error::failed(format!("{command:?}: {}", output.status))) }
}

/// All of the large file, read and thrown away.
fn through(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut from = child.stdout.take().ok_or_else(|| Error::failed("no output"))?;
    let (mut buffer, mut total) = (vec![0; 256 * 1024], 0);
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            read => total += read,
        }
    }
    let status = child.wait()?;
    let taken = begun.elapsed();
    if status.success() && total == LARGE {
        return Ok(taken);
    }
    Err(Error::failed(format!("{command:?}: {status}, {total} bytes came")))
}

/// A program whose output is waited for.
struct Followed {
    child: std::process::Child,
    out: std::process::ChildStdout,
}

impl Followed {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| Error::failed("no output"))?;
        Ok(Self { child, out })
    }

    /// Writes until something comes.
    fn begins(&mut self, file: &mut File) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            file.write_all(b"x\n")?;
            if wait::for_reading(std::os::fd::AsFd::as_fd(&self.out), Duration::from_millis(50))? {
                return Ok(());
            }
        }
        Err(Error::failed("nothing follows"))
    }

    /// Takes what is there until nothing more comes.
    fn drain(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        while wait::for_reading(std::os::fd::AsFd::as_fd(&self.out), Duration::from_millis(15))? {
            if self.out.read(&mut buffer)? == 0 {
                return Err(Error::failed("it ended"));
            }
        }
        Ok(())
    }

    fn comes(&mut self, since: Instant) -> Result<Duration> {
        if wait::for_reading(std::os::fd::AsFd::as_fd(&self.out), PATIENCE)? {
            return Ok(since.elapsed());
        }
        Err(Error::failed("nothing came"))
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
