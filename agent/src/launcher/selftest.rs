//! The self-test: a session like any other, whose one program tries to break out.
//!
//! **Invariant:** it takes the same way as every program: host, namespace, groups, identity, terminal, landlock, one
//! exec, allowlist. What is less than asked for is a failure, and while there is one no program starts.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use pact_proto::model::SessionId;
use pact_proto::wire::host::host_reply::Kind as HostSays;
use pact_proto::wire::host::host_request::Kind as HostAsked;
use pact_proto::wire::host::stage_end::End;
use pact_proto::wire::host::{HostReply, HostRequest, SelfTestReport, Stage, Start, Terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Launcher, RunningHost, spawn};
use crate::packet;
use crate::sandbox::{files, probe};
use crate::table::{PROBE, Table};

/// Of the control groups of the self-test.
const NAME: &str = "self-test";
/// What the probe writes is not longer.
const LONGEST: usize = 64 * 1024;
/// A node on which it takes longer is too ill for sessions.
const PATIENCE: Duration = Duration::from_secs(10);

impl Launcher {
    /// What holds on this node, and what does not.
    pub(super) fn self_test(&mut self) -> SelfTestReport {
        let mut report = SelfTestReport::default();
        match files::layers() {
            Ok(layers) => report.layers.extend(layers),
            Err(error) => report.failures.push(error.to_string()),
        }
        let others = ["seccomp allowlist", "one exec", "own uid", "own mounts", "own terminal", "rlimits"];
        report.layers.extend(others.map(str::to_owned));
        match &self.tree {
            Ok(tree) => {
                report.layers.extend(tree.layers());
                report.degraded.extend(tree.missing());
            }
            Err(error) => report.failures.push(error.clone()),
        }
        // Without the rest there is nothing to probe.
        if report.failures.is_empty() {
            match self.probe() {
                Ok(said) => report.failures.extend(said.iter().flat_map(|said| probe::failures(said))),
                Err(reason) => report.failures.push(format!("self-test: {reason}")),
            }
        }
        report
    }

    /// What the probe wrote, without a terminal and on one.
    fn probe(&mut self) -> Result<[String; 2], String> {
        let table = Table::of_probe()?;
        let uid = self.fresh_uid()?;
        let number = self.next_host;
        self.next_host += 1;
        let (setup, ours) = self.setup(&format!("{NAME}-{number}"), uid)?;
        let group = setup.group.clone();
        let (pid, handle) = spawn(&table, setup, (&self.agent, &ours)).map_err(|error| error.to_string())?;
        // From now on it is taken as every host is, whatever becomes of it.
        let session = SessionId::from_slice(&[0; 16]).ok_or("a session has 16 bytes")?;
        self.hosts.insert(number, RunningHost { session, pid, handle, uid, group: group.clone() });
        let deadline = Instant::now() + PATIENCE;
        let on_terminal = Terminal { columns: 80, rows: 24, silent: true };
        let said = converse((&ours, deadline), 1, None).and_then(|plain| {
            let drawn =
                converse((&ours, deadline), 2, Some(on_terminal)).map_err(|why| format!("on a terminal: {why}"))?;
            Ok([plain, drawn])
        });
        if said.is_err() {
            // What does not die now is killed again when its host has been reaped.
            let _later = group.kill();
        }
        said
    }
}

/// One line: the probe, and what it wrote.
fn converse((host, deadline): (&OwnedFd, Instant), line_id: u64, terminal: Option<Terminal>) -> Result<String, String> {
    let (text, on_terminal) = (|error: io::Error| error.to_string(), terminal.is_some());
    let stage = Stage { program: PROBE.to_owned(), argv: vec![PROBE.into(), b"--probe".to_vec()] };
    let start = Start { line_id, stages: vec![stage], reads_stdin: false, environment: Vec::new(), terminal };
    packet::send(host, &HostRequest { kind: Some(HostAsked::Start(start)) }, &[]).map_err(text)?;
    let (reply, mut ends) = next(host, deadline)?;
    match reply {
        HostSays::Started(_) => {}
        HostSays::NotStarted(why) => return Err(why.reason),
        HostSays::Ended(_) | HostSays::GivenUp(_) => return Err("the host says what nobody asked".to_owned()),
    }
    let mut said = Vec::new();
    // The line's end of a terminal comes second, and while it is open, what it says has no end.
    ends.truncate(if on_terminal { 1 } else { ends.len() });
    for end in ends {
        read(File::from(end), &mut said, deadline)?;
    }
    // A terminal puts a carriage return before each line feed.
    let said = String::from_utf8_lossy(&said).replace('\r', "");
    match next(host, deadline)?.0 {
        HostSays::Ended(ended) if ended.stages.iter().all(|stage| stage.end == Some(End::Exited(0))) => Ok(said),
        HostSays::Ended(ended) => Err(format!("the probe ended with {:?}: {said}", ended.stages)),
        HostSays::GivenUp(_) => Err("the probe does not die".to_owned()),
        HostSays::Started(_) | HostSays::NotStarted(_) => Err("the host says what nobody asked".to_owned()),
    }
}

/// All that comes, up to what a probe writes.
fn read(mut end: File, said: &mut Vec<u8>, deadline: Instant) -> Result<(), String> {
    let mut piece = [0; 4096];
    while said.len() < LONGEST {
        readable(&end, deadline)?;
        match end.read(&mut piece) {
            Ok(length @ 1..) => said.extend_from_slice(&piece[..length]),
            // How a terminal that nobody has open any more ends is an error to whoever reads it, and what came counts.
            Ok(0) | Err(_) => break,
        }
    }
    Ok(())
}

/// Waits for something to read, and not for ever: the launcher has others to hear.
fn readable(end: impl AsFd, deadline: Instant) -> Result<(), String> {
    let mut watched = [PollFd::new(&end, PollFlags::IN)];
    let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now()));
    let left = left.map_err(|error| error.to_string())?;
    match poll(&mut watched, Some(&left)) {
        Ok(0) => Err("it takes too long".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn next(host: &OwnedFd, deadline: Instant) -> Result<(HostSays, Vec<OwnedFd>), String> {
    readable(host, deadline)?;
    match packet::receive::<HostReply>(host).map_err(|error| error.to_string())? {
        Some((HostReply { kind: Some(kind) }, descriptors)) => Ok((kind, descriptors)),
        Some((HostReply { kind: None }, _)) => Err("an empty message of the host".to_owned()),
        None => Err("the host ended".to_owned()),
    }
}
