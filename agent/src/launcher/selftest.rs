//! The self-test: a session like any other, whose one program tries to break out.
//!
//! **Invariant:** it takes the same way as every program: host, namespace, groups, identity, terminal, landlock, one
//! exec, allowlist. What is less than asked for is a failure, and while there is one no program starts.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use pact_proto::wire::host::host_reply::Kind as HostSays;
use pact_proto::wire::host::host_request::Kind as HostAsked;
use pact_proto::wire::host::stage_end::End;
use pact_proto::wire::host::{HostReply, HostRequest, SelfTestReport, Stage, Start, Terminal};
use rustix::process::{WaitOptions, waitpid};

use super::{Launcher, spawn};
use crate::packet;
use crate::sandbox::{files, probe};
use crate::table::{PROBE, Table};

/// Of the control groups of the self-test.
const NAME: &str = "self-test";
/// What the probe writes is not longer.
const LONGEST: u64 = 64 * 1024;

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
        let uid = *self.settings.uids.start();
        let (setup, ours) = self.setup(NAME, uid)?;
        let group = setup.group.clone();
        let (pid, _handle) = spawn(&table, setup, (&self.agent, &ours)).map_err(|error| error.to_string())?;
        let on_terminal = Terminal { columns: 80, rows: 24, silent: true };
        let said = converse(&ours, 1, None).and_then(|plain| {
            let drawn = converse(&ours, 2, Some(on_terminal)).map_err(|why| format!("on a terminal: {why}"))?;
            Ok([plain, drawn])
        });
        drop(ours);
        // It ends once its connection is closed; then its groups can go.
        let _reaped = waitpid(Some(pid), WaitOptions::empty());
        self.leaving.push((group, uid));
        said
    }
}

/// One line: the probe, and what it wrote.
fn converse(host: &OwnedFd, line_id: u64, terminal: Option<Terminal>) -> Result<String, String> {
    let (text, on_terminal) = (|error: io::Error| error.to_string(), terminal.is_some());
    let stage = Stage { program: PROBE.to_owned(), argv: vec![PROBE.into(), b"--probe".to_vec()] };
    let start = Start { line_id, stages: vec![stage], reads_stdin: false, environment: Vec::new(), terminal };
    packet::send(host, &HostRequest { kind: Some(HostAsked::Start(start)) }, &[]).map_err(text)?;
    let (reply, mut ends) = next(host)?;
    match reply {
        HostSays::Started(_) => {}
        HostSays::NotStarted(why) => return Err(why.reason),
        HostSays::Ended(_) | HostSays::GivenUp(_) => return Err("the host says what nobody asked".to_owned()),
    }
    let mut said = Vec::new();
    // The line's end of a terminal comes second, and while it is open, what it says has no end.
    ends.truncate(if on_terminal { 1 } else { ends.len() });
    for end in ends {
        // How a terminal that nobody has open any more ends is an error to whoever reads it, and what came counts.
        let _ended = File::from(end).take(LONGEST).read_to_end(&mut said);
    }
    // A terminal puts a carriage return before each line feed.
    let said = String::from_utf8_lossy(&said).replace('\r', "");
    match next(host)?.0 {
        HostSays::Ended(ended) if ended.stages.iter().all(|stage| stage.end == Some(End::Exited(0))) => Ok(said),
        HostSays::Ended(ended) => Err(format!("the probe ended with {:?}: {said}", ended.stages)),
        HostSays::GivenUp(_) => Err("the probe does not die".to_owned()),
        HostSays::Started(_) | HostSays::NotStarted(_) => Err("the host says what nobody asked".to_owned()),
    }
}

fn next(host: &OwnedFd) -> Result<(HostSays, Vec<OwnedFd>), String> {
    match packet::receive::<HostReply>(host).map_err(|error| error.to_string())? {
        Some((HostReply { kind: Some(kind) }, descriptors)) => Ok((kind, descriptors)),
        Some((HostReply { kind: None }, _)) => Err("an empty message of the host".to_owned()),
        None => Err("the host ended".to_owned()),
    }
}
