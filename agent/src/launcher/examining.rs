//! Looking at how the node is set up, for `doctor`: in a process of its own, which may read what root may and do nothing else.
//!
//! **Invariant:** it writes nothing but its findings, starts nothing and connects to nothing; few look at once, and one that
//! takes too long is killed. So a home directory on a server that is gone costs a launcher nothing.
//! **Not here:** what is looked at (`crate::doctor`).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use pact_policy::Limits;
use pact_proto::program::{Capability, Profile};
use pact_proto::wire::host::{Finding, Findings};
use prost::Message;
use rustix::event::PollFd;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

use super::Launcher;
use crate::doctor::{self, Examined};
use crate::sandbox::Bounds;
use crate::sandbox::allowlist::Allowlist;
use crate::sandbox::files::Files;
use crate::sandbox::identity::Identity;
use crate::sandbox::sys::{self, Fork};

/// So many at once.
const MOST: usize = 2;
/// A node whose files cannot be read in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that looks.
pub(super) struct Examining {
    pid: Pid,
    handle: OwnedFd,
    deadline: Instant,
}

impl Examining {
    /// What becomes readable when it has ended.
    pub(super) fn watched(&self) -> PollFd<'_> {
        PollFd::new(&self.handle, rustix::event::PollFlags::IN)
    }

    /// Until it is killed.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Launcher {
    /// Begins one; answers where its findings are read, and nothing where there are too many.
    pub(super) fn examine(&mut self) -> io::Result<Option<OwnedFd>> {
        if self.examining.len() >= MOST {
            return Ok(None);
        }
        let (findings, out) = pipe_with(PipeFlags::CLOEXEC)?;
        let launcher = getpid();
        match self.single.fork(None)? {
            Fork::Parent { pid, handle } => {
                self.examining.push(Examining { pid, handle, deadline: Instant::now() + PATIENCE });
                Ok(Some(findings))
            }
            Fork::Child => {
                // A copy of it would keep the agent from noticing that the launcher is gone.
                let closed = sys::close_in_child(&[self.agent.as_fd(), findings.as_fd()]);
                let looked = closed.and_then(|()| look(&self.settings.examined, launcher, out));
                sys::exit(i32::from(looked.is_err()))
            }
        }
    }

    /// Takes those that have ended, and kills those that are late.
    pub(super) fn reap_examining(&mut self) {
        for late in self.examining.iter().filter(|examining| examining.left().is_zero()) {
            // One that waits in the kernel dies when that lets it go; it is asked again meanwhile.
            let _later = kill_process(late.pid, Signal::KILL);
        }
        self.examining.retain(|examining| matches!(waitpid(Some(examining.pid), WaitOptions::NOHANG), Ok(None)));
    }
}

/// A child's whole work.
fn look(examined: &Examined, launcher: Pid, out: OwnedFd) -> io::Result<()> {
    rustix::thread::set_name(c"pact-doctor")?;
    bounds()?.enforce(Some(launcher), || Ok(())).map_err(io::Error::other)?;
    let findings = doctor::examine(examined).into_iter().map(|found| Finding {
        check: found.check.name().to_owned(),
        place: found.place,
        what: found.what,
        fix: found.fix,
        severity: found.severity.name().to_owned(),
    });
    let findings = Findings { findings: findings.collect(), complete: true };
    File::from(out).write_all(&findings.encode_to_vec())
}

/// Nobody in particular, who may read every file and that is all.
fn bounds() -> io::Result<Bounds> {
    let profile =
        Profile { read: vec!["/".into()], capabilities: vec![Capability::DacReadSearch], ..Profile::default() };
    let files = Files::of_profile(&profile).map_err(io::Error::other)?;
    let allowlist = Allowlist::of_profile(&profile).map_err(io::Error::other)?;
    Ok(Bounds::new(files, allowlist, Identity::new(NOBODY, Vec::new(), &profile), Limits::default()))
}

/// The uid that owns no file.
const NOBODY: u32 = 65_534;
