//! One line: its processes, its control group, and how each process ended.
//!
//! **Invariant:** all stages are prepared before the first one starts; when one cannot start, those before it are
//! ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use pact_proto::wire::host::{Expand, List, StageEnd, Start, stage_end::End};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitStatus, kill_process_group};

use super::stage::{Process, Streams};
use super::terminal::Terminal;
use super::{Failure, GIVE_UP, Setup, expand, list, stage};
use crate::sandbox::Prepared;
use crate::sandbox::cgroup::{LineGroup, Met};
use crate::sandbox::sys::Single;
use crate::table::Table;

/// What every program finds in its environment, before what the client's terminal adds.
const ENVIRONMENT: [&str; 3] = ["PATH=/usr/bin:/bin", "HOME=/run/home", "LANG=C.UTF-8"];
/// Names that a client's terminal may set; of `LC_` all.
const FROM_CLIENT: [&str; 3] = ["TERM", "LANG", "TZ"];
const LONGEST_VALUE: usize = 128;

/// A line that runs.
pub(super) struct Line {
    id: u64,
    processes: Vec<Process>,
    group: LineGroup,
    /// It was told to die; what lives then is given up.
    deadline: Option<Instant>,
    /// What it draws on; this host's only while the line lives.
    terminal: Option<Terminal>,
    /// How often the session had met its limits before.
    met: Met,
}

impl Line {
    /// Starts a pipeline; answers the other ends: input if it reads any, and the terminal's, or output and errors.
    pub(super) fn start(table: &Table, setup: &Setup, start: &Start) -> Result<(Self, Vec<OwnedFd>), Failure> {
        let environment = environment(&start.environment);
        let mut prepared = Vec::with_capacity(start.stages.len());
        for (index, stage) in (0..).zip(&start.stages) {
            let one = table.prepare(&stage.program, &stage.argv, &environment, (setup.uid, &setup.limits));
            prepared.push(one.map_err(|error| Failure { stage: index, reason: error.to_string() })?);
        }
        if prepared.is_empty() {
            return Err(Failure::all("a line without programs"));
        }
        let group = setup.group.line(start.line_id).map_err(|error| Failure::all(error.to_string()))?;
        let mut line = Self {
            id: start.line_id,
            processes: Vec::new(),
            group,
            deadline: None,
            terminal: None,
            met: setup.group.met(),
        };
        let started = line.start_stages(setup.single, prepared, start);
        line.unless_failed(started)
    }

    /// Starts a stage that looks up files in place of a program.
    pub(super) fn expand(table: &Table, setup: &Setup, asked: &Expand) -> Result<(Self, Vec<OwnedFd>), Failure> {
        let patterns = expand::patterns(&asked.patterns).map_err(Failure::all)?;
        Self::look(table, setup, (asked.line_id, &asked.program), |out| expand::write(&patterns, asked.most, out))
    }

    /// Starts a stage that finds paths in place of a program.
    pub(super) fn list(table: &Table, setup: &Setup, asked: &List) -> Result<(Self, Vec<OwnedFd>), Failure> {
        let reads = table.reads(&asked.program).map_err(|error| Failure::all(error.to_string()))?;
        Self::look(table, setup, (asked.line_id, &asked.program), |out| list::write(asked, reads, out))
    }

    /// Starts a stage that looks at files with the bounds of a program, and writes what it finds.
    fn look(
        table: &Table,
        setup: &Setup,
        (id, program): (u64, &str),
        work: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<(Self, Vec<OwnedFd>), Failure> {
        let bounds = table.bounds(program, (setup.uid, &setup.limits));
        let bounds = bounds.map_err(|error| Failure::all(error.to_string()))?;
        let group = setup.group.line(id).map_err(|error| Failure::all(error.to_string()))?;
        let mut line =
            Self { id, processes: Vec::new(), group, deadline: None, terminal: None, met: setup.group.met() };
        let started = expand::start(bounds, (setup.single, &line.group), work).map(|(process, names)| {
            line.processes.push(process);
            vec![names]
        });
        line.unless_failed(started.map_err(Failure::all))
    }

    fn unless_failed<T>(self, started: Result<T, Failure>) -> Result<(Self, T), Failure> {
        match started {
            Ok(value) => Ok((self, value)),
            Err(failure) => {
                // The launcher ends what this could not, with the session.
                let _launchers = self.group.kill();
                self.group.remove();
                Err(failure)
            }
        }
    }

    fn start_stages(
        &mut self,
        single: Single,
        prepared: Vec<Prepared>,
        start: &Start,
    ) -> Result<Vec<OwnedFd>, Failure> {
        let io = |error: io::Error| Failure::all(format!("pipes: {error}"));
        let mut ends = self.ends(start).map_err(io)?;
        let last = prepared.len() - 1;
        for (index, one) in prepared.into_iter().enumerate() {
            let (next, stdout) = if index == last {
                (None, ends.stdout.try_clone().map_err(io)?)
            } else {
                let (next, stdout) = pipe().map_err(io)?;
                (Some(next), stdout)
            };
            let stdin = match next {
                Some(next) => std::mem::replace(&mut ends.stdin, next),
                None => ends.stdin.try_clone().map_err(io)?,
            };
            let stderr = ends.stderr.try_clone().map_err(io)?;
            let streams = Streams { stdin, stdout, stderr, on_terminal: self.terminal.is_some() };
            let leader = self.processes.first().map(Process::pid);
            let started = stage::start(one, (single, &self.group), leader, streams);
            let stage = u32::try_from(index).unwrap_or(u32::MAX);
            self.processes.push(started.map_err(|reason| Failure { stage, reason })?);
        }
        Ok(ends.agents)
    }

    /// What the first stage reads, the last one writes, and all complain to.
    fn ends(&mut self, start: &Start) -> io::Result<Ends> {
        let (piped, feed) = input(start.reads_stdin)?;
        let mut agents: Vec<_> = feed.into_iter().collect();
        let Some(asked) = start.terminal else {
            let (output, stdout) = pipe()?;
            let (errors, stderr) = pipe()?;
            agents.extend([output, errors]);
            return Ok(Ends { stdin: piped, stdout, stderr, agents });
        };
        let (terminal, master) = Terminal::open(asked)?;
        agents.extend([master, terminal.another()?]);
        // Behind another stage, or behind a command, the keys are for whoever asks the terminal for them.
        let is_alone = start.stages.len() == 1 && !start.reads_stdin;
        let stdin = if is_alone { terminal.another()? } else { piped };
        let ends = Ends { stdin, stdout: terminal.another()?, stderr: terminal.another()?, agents };
        self.terminal = Some(terminal);
        Ok(ends)
    }

    /// Its number in the session.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// How often the session had met its limits before.
    pub(super) fn met(&self) -> Met {
        self.met
    }

    /// When it is given up; `None` until it was told to die.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Its control group.
    pub(super) fn group(&self) -> &LineGroup {
        &self.group
    }

    /// Descriptors of the processes that have not ended.
    pub(super) fn running(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.processes.iter().filter(|process| process.end().is_none()).map(AsFd::as_fd)
    }

    /// Whether every stage has ended; what they left behind may live.
    pub(super) fn all_ended(&self) -> bool {
        self.processes.iter().all(|process| process.end().is_some())
    }

    /// A process was reaped. The number of one that has ended may be another's already.
    pub(super) fn ended(&mut self, pid: Pid, status: WaitStatus) {
        if let Some(process) = self.processes.iter_mut().find(|process| process.pid() == pid && process.end().is_none())
        {
            process.ended(status);
        }
    }

    /// To the process group.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(leader) = self.processes.first() {
            // A group whose last member has gone needs no signal.
            let _gone = kill_process_group(leader.pid(), signal);
        }
    }

    /// To everything in its control group.
    pub(super) fn kill(&mut self) {
        self.deadline = self.deadline.or_else(|| Some(Instant::now() + GIVE_UP));
        if self.group.kill().is_err() {
            self.signal(Signal::KILL);
        }
    }

    /// How each stage ended, and the group.
    pub(super) fn conclude(self) -> (Vec<StageEnd>, LineGroup) {
        let unknown = || StageEnd { end: Some(End::Unknown(true)) };
        (self.processes.iter().map(|process| process.end().unwrap_or_else(unknown)).collect(), self.group)
    }
}

/// Of a line's streams.
struct Ends {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    agents: Vec<OwnedFd>,
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// What the first stage reads, and the agent's end of it.
fn input(reads_stdin: bool) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    if reads_stdin {
        let (read, write) = pipe()?;
        Ok((read, Some(write)))
    } else {
        Ok((openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?, None))
    }
}

/// The agent has looked at it; a host looks again.
fn environment(from_client: &[String]) -> Vec<String> {
    let fit = |pair: &&String| {
        let Some((name, value)) = pair.split_once('=') else { return false };
        let named = FROM_CLIENT.contains(&name)
            || name.strip_prefix("LC_").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_uppercase()));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_+.@:".contains(&b);
        named && value.len() <= LONGEST_VALUE && value.bytes().all(plain)
    };
    let given: Vec<&String> = from_client.iter().filter(fit).collect();
    let usual = ENVIRONMENT.into_iter().filter(|usual| {
        let name = usual.split('=').next();
        !given.iter().any(|pair| pair.split('=').next() == name)
    });
    usual.map(str::to_owned).chain(given.iter().map(|pair| (*pair).clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_comes_from_the_client() {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let given = words(&[
            "TERM=xterm-256color",
            "LC_ALL=de_DE.UTF-8",
            "LC_x=y",
            "LD_PRELOAD=/tmp/x.so",
            "TZ=/etc/shadow",
            "PATH=/tmp",
            "BASH_FUNC_ls%%=() { id; }",
            "TERM",
        ]);
        let expected = words(&[
            "PATH=/usr/bin:/bin",
            "HOME=/run/home",
            "LANG=C.UTF-8",
            "TERM=xterm-256color",
            "LC_ALL=de_DE.UTF-8",
        ]);
        assert_eq!(environment(&given), expected);
        assert_eq!(environment(&words(&["LANG=C"]))[2], "LANG=C");
    }
}
