//! One stage: a process that joins the line, is bounded, and executes one file.
//!
//! **Invariant:** it is started when it has executed its file, and then it can execute nothing more. A stage that
//! cannot be bounded as asked says why and ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pact_proto::wire::host::host_reply::Kind;
use pact_proto::wire::host::stage_end::End;
use pact_proto::wire::host::{HostReply, NotStarted, StageEnd, Started};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, setpgid, waitpid};

use super::terminal::take_keys;
use crate::packet;
use crate::sandbox::cgroup::LineGroup;
use crate::sandbox::sys::{self, Fork, Single};
use crate::sandbox::{Prepared, once};

/// Which process the kernel ends first where there is too much memory (proc(5)).
pub(super) const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// A process of a line.
pub(super) struct Process {
    pid: Pid,
    /// Becomes readable when it has ended.
    handle: OwnedFd,
    end: Option<StageEnd>,
}

/// What becomes its descriptors 0, 1 and 2.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// Its errors go to a terminal, whose keys it takes where it leads the line.
    pub(super) on_terminal: bool,
}

impl Process {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<StageEnd> {
        self.end
    }

    /// It was reaped.
    pub(super) fn ended(&mut self, status: WaitStatus) {
        let number = |number: i32| number.unsigned_abs();
        let end = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => End::Exited(number(code)),
            (None, Some(signal)) => End::Signaled(number(signal)),
            (None, None) => End::Unknown(true),
        };
        self.end = Some(StageEnd { end: Some(end) });
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// Starts a program; returns when it is executing.
pub(super) fn start(
    prepared: Prepared,
    place: (Single, &LineGroup),
    leader: Option<Pid>,
    streams: Streams,
) -> Result<Process, String> {
    let host = getpid();
    let (process, said) = spawn(place, leader, streams, |host_end| {
        let hand_out = |listener: OwnedFd| started(host_end, &[listener.as_fd()]);
        match prepared.enforce(Some(host), hand_out).and_then(crate::sandbox::Enforced::exec) {
            Ok(never) => match never {},
            Err(error) => Err(error.to_string()),
        }
    })?;
    let granted = receive(&said).and_then(|mut listener| {
        let listener = listener.pop().ok_or("exec: the stage handed out no listener")?;
        match once::grant(listener, process.pid, &said) {
            Ok(()) => executing(&said),
            // What it has to say itself tells more.
            Err(error) => executing(&said).and_then(|()| Err(format!("exec: {error}"))),
        }
    });
    unless_failed(process, granted)
}

/// Starts a process that does `work` instead of executing a file; returns when it is bounded.
pub(super) fn start_work(
    place: (Single, &LineGroup),
    streams: Streams,
    bound: impl FnOnce() -> Result<(), String>,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<Process, String> {
    let (process, said) = spawn(place, None, streams, |host_end| {
        bound()?;
        started(host_end, &[]).map_err(|error| error.to_string())?;
        work()?;
        sys::exit(0)
    })?;
    let bounded = receive(&said).map(drop);
    unless_failed(process, bounded)
}

/// A child in the line's groups with its streams in place, which this process then has no more. `body` returns only to
/// say what went wrong.
#[expect(clippy::needless_pass_by_value, reason = "the parent's copies must be closed when this returns")]
fn spawn(
    (single, group): (Single, &LineGroup),
    leader: Option<Pid>,
    streams: Streams,
    body: impl FnOnce(&OwnedFd) -> Result<std::convert::Infallible, String>,
) -> Result<(Process, OwnedFd), String> {
    let text = |error: io::Error| format!("start: {error}");
    let (ours, theirs) = packet::pair().map_err(text)?;
    match single.fork(Some(group.entry())).map_err(text)? {
        Fork::Child => {
            drop(ours);
            let failed = match join(leader, &streams).map_err(text).and_then(|()| body(&theirs)) {
                Ok(never) => match never {},
                Err(reason) => NotStarted { line_id: 0, stage: 0, reason },
            };
            // A host that is gone has ended this process too.
            let _gone = packet::send(&theirs, &HostReply { kind: Some(Kind::NotStarted(failed)) }, &[]);
            sys::exit(127)
        }
        Fork::Parent { pid, handle } => Ok((Process { pid, handle, end: None }, ours)),
    }
}

/// The line's process group, and its streams.
fn join(leader: Option<Pid>, streams: &Streams) -> io::Result<()> {
    setpgid(None, leader)?;
    // The host's own is lower; to lower it again, a program would have to write to a file.
    std::fs::write(OOM_SCORE, "0")?;
    if streams.on_terminal && leader.is_none() {
        take_keys(streams.stderr.as_fd())?;
    }
    rustix::stdio::dup2_stdin(&streams.stdin)?;
    rustix::stdio::dup2_stdout(&streams.stdout)?;
    rustix::stdio::dup2_stderr(&streams.stderr)?;
    Ok(())
}

fn started(host: &OwnedFd, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    packet::send(host, &HostReply { kind: Some(Kind::Started(Started { line_id: 0 })) }, descriptors)
}

/// What the stage handed out, or why it could not.
fn receive(said: &OwnedFd) -> Result<Vec<OwnedFd>, String> {
    match packet::receive::<HostReply>(said) {
        Ok(Some((HostReply { kind: Some(Kind::Started(_)) }, descriptors))) => Ok(descriptors),
        Ok(Some((HostReply { kind: Some(Kind::NotStarted(why)) }, _))) => Err(why.reason),
        Ok(Some(_)) => Err("start: the stage said something that no stage says".to_owned()),
        Ok(None) => Err("start: the stage ended before it was bounded".to_owned()),
        Err(error) => Err(format!("start: {error}")),
    }
}

/// The connection is closed by the exec itself.
fn executing(said: &OwnedFd) -> Result<(), String> {
    match packet::receive::<HostReply>(said) {
        Ok(None) => Ok(()),
        Ok(Some((HostReply { kind: Some(Kind::NotStarted(why)) }, _))) => Err(why.reason),
        Ok(Some(_)) => Err("start: the stage said something that no stage says".to_owned()),
        Err(error) => Err(format!("start: {error}")),
    }
}

fn unless_failed(process: Process, started: Result<(), String>) -> Result<Process, String> {
    match started {
        Ok(()) => Ok(process),
        Err(reason) => {
            // It has ended, or is about to: either way it is gone after this.
            let _ended = kill_process(process.pid, Signal::KILL);
            let _reaped = waitpid(Some(process.pid), WaitOptions::empty());
            Err(reason)
        }
    }
}
