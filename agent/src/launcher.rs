//! The launcher: root, one thread, forked before the agent had a key, a thread or a database; it makes hosts.
//!
//! **Invariant:** it is the only process that makes hosts, and it makes them from root's own whitelist. When the
//! agent goes, it ends every session and goes too; when it goes, the agent does.
//! **Not here:** the way to it from the agent (`crate::link`).

mod examining;
mod selftest;

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pact_policy::{Limits, Whitelist};
use pact_proto::model::SessionId;
use pact_proto::wire::host::launcher_reply::Kind as Reply;
use pact_proto::wire::host::launcher_request::Kind as Request;
use pact_proto::wire::host::{
    EndSession, Examination, HostReady, KernelLog, LauncherFailed, LauncherReply, LauncherRequest, OpenSession,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, PidfdFlags, WaitOptions, getpid, pidfd_open, setsid, waitpid};

use crate::config::Config;
use crate::doctor::Examined;
use crate::host;
use crate::packet;
use crate::sandbox::allowlist::AllowlistError;
use crate::sandbox::cgroup::{SessionGroup, Tree};
use crate::sandbox::sys::{self, Fork, Single};
use crate::table::Table;
use examining::Examining;

/// Hosts beyond the sessions of a node.
const SPARE: usize = 32;
/// How often groups that are not empty yet are tried again.
const LATER: Duration = Duration::from_millis(100);
/// What does not die in this time when the agent goes is left to the next one.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// What a launcher must know; made before the fork.
pub(crate) struct Settings {
    table: Table,
    limits: Limits,
    hidden: Vec<PathBuf>,
    uids: RangeInclusive<u32>,
    examined: Examined,
}

/// The launcher cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// A filter cannot be made.
    #[error("{0}")]
    Allowlist(#[from] AllowlistError),
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Settings {
    /// `hidden` is what no session sees; `examined` is what `doctor` looks at.
    pub(crate) fn new(
        config: &Config,
        whitelist: &Whitelist,
        limits: &Limits,
        hidden: Vec<PathBuf>,
        examined: Examined,
    ) -> Result<Self, LauncherError> {
        let table = Table::new(whitelist)?;
        Ok(Self { table, limits: limits.clone(), hidden, uids: config.sessions.uids.clone(), examined })
    }
}

/// Forks it; answers the agent's end of the way to it. For a process with one thread.
pub(crate) fn start(settings: Settings) -> Result<OwnedFd, LauncherError> {
    let (ours, theirs) = packet::roomy_pair()?;
    let agent = getpid();
    let single = Single::process()?;
    match single.fork(None)? {
        Fork::Parent { .. } => Ok(ours),
        Fork::Child => {
            drop(ours);
            let ended = detach().and_then(|()| Launcher::new(single, settings, agent, theirs)?.serve());
            sys::exit(i32::from(ended.is_err()))
        }
    }
}

/// Leaves the agent's terminal and standard streams; only what it has to complain of goes to the old stderr.
fn detach() -> io::Result<()> {
    setsid()?;
    rustix::thread::set_name(c"pact-launcher")?;
    sys::ignore_endings()?;
    let null = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}

struct Launcher {
    single: Single,
    settings: Settings,
    agent: OwnedFd,
    tree: Result<Tree, String>,
    /// By a number of their own: a session whose host does not die gets another one.
    hosts: BTreeMap<u64, RunningHost>,
    next_host: u64,
    /// Groups of sessions that are over and not empty yet, with the uids of what is in them.
    leaving: Vec<(SessionGroup, u32)>,
    next_uid: u32,
    /// Those that look at how the node is set up.
    examining: Vec<Examining>,
    /// Becomes readable when the agent has ended, whoever may hold its end of the connection.
    agent_process: OwnedFd,
}

struct RunningHost {
    session: SessionId,
    pid: Pid,
    /// Becomes readable when it has ended.
    handle: OwnedFd,
    uid: u32,
    group: SessionGroup,
}

impl Launcher {
    fn new(single: Single, settings: Settings, agent_pid: Pid, agent: OwnedFd) -> io::Result<Self> {
        let agent_process = pidfd_open(agent_pid, PidfdFlags::empty())?;
        if rustix::process::getppid() != Some(agent_pid) {
            return Err(io::Error::other("the agent is gone"));
        }
        let pid = agent_pid.as_raw_nonzero().get().unsigned_abs();
        // Begins anywhere in the range, so that an agent that is started again does not use the same uids again.
        let mut random = [0; 4];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let width = settings.uids.end() - settings.uids.start() + 1;
        let next_uid = settings.uids.start() + u32::from_ne_bytes(random) % width;
        let tree = Tree::make(pid).map_err(|error| error.to_string());
        Ok(Self {
            single,
            settings,
            agent,
            tree,
            hosts: BTreeMap::new(),
            next_host: 0,
            leaving: Vec::new(),
            next_uid,
            examining: Vec::new(),
            agent_process,
        })
    }

    fn serve(mut self) -> io::Result<()> {
        let served = self.until_the_agent_goes();
        self.end_everything();
        served
    }

    fn until_the_agent_goes(&mut self) -> io::Result<()> {
        loop {
            let asked = self.wait()?;
            self.reap();
            if !asked {
                continue;
            }
            match packet::receive::<LauncherRequest>(&self.agent)? {
                Some((LauncherRequest { kind: Some(Request::OpenSession(open)) }, _)) => self.open_session(&open)?,
                Some((LauncherRequest { kind: Some(Request::SelfTest(_)) }, _)) => {
                    let report = self.self_test();
                    self.send(Reply::SelfTest(report), &[])?;
                }
                Some((LauncherRequest { kind: Some(Request::EndSession(end)) }, _)) => self.end_session(&end),
                Some((LauncherRequest { kind: Some(Request::KernelLog(_)) }, _)) => {
                    // A kernel without a log, or that does not give it away: then there is nothing to be read.
                    let log: Vec<OwnedFd> = kernel_log().into_iter().collect();
                    self.send(Reply::KernelLog(KernelLog {}), &log)?;
                }
                Some((LauncherRequest { kind: Some(Request::Examine(_)) }, _)) => {
                    // One that cannot begin now is as one too many.
                    let findings: Vec<OwnedFd> = self.examine().ok().flatten().into_iter().collect();
                    self.send(Reply::Examination(Examination {}), &findings)?;
                }
                Some((LauncherRequest { kind: None }, _)) => return Err(packet::unexpected("an empty request")),
                None => return Ok(()),
            }
        }
    }

    /// Waits until something happens; answers whether the agent has sent something.
    fn wait(&self) -> io::Result<bool> {
        let mut watched =
            vec![PollFd::new(&self.agent, PollFlags::IN), PollFd::new(&self.agent_process, PollFlags::IN)];
        watched.extend(self.hosts.values().map(|host| PollFd::new(&host.handle, PollFlags::IN)));
        watched.extend(self.examining.iter().map(Examining::watched));
        let later = (!self.leaving.is_empty()).then_some(LATER);
        // One that does not die of SIGKILL is asked again and again, and not without a pause.
        let late = self.examining.iter().map(|examining| examining.left().max(LATER)).min();
        let timeout = later.into_iter().chain(late).min().map(Timespec::try_from).transpose();
        match poll(&mut watched, timeout.map_err(io::Error::other)?.as_ref()) {
            Ok(_) if !watched[1].revents().is_empty() => Err(io::Error::other("the agent is gone")),
            Ok(_) => Ok(!watched[0].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes hosts that have ended, and whatever of their sessions is left.
    fn reap(&mut self) {
        let ended = |host: &RunningHost| !matches!(waitpid(Some(host.pid), WaitOptions::NOHANG), Ok(None));
        let gone: Vec<u64> = self.hosts.iter().filter(|(_, host)| ended(host)).map(|(number, _)| *number).collect();
        for host in gone.iter().filter_map(|number| self.hosts.remove(number)) {
            // What cannot be ended now is tried again below, and by the next agent.
            let _later = host.group.kill();
            self.leaving.push((host.group, host.uid));
        }
        self.leaving.retain(|(group, _)| !group.remove());
        self.reap_examining();
    }

    fn open_session(&mut self, asked: &OpenSession) -> io::Result<()> {
        let session_id = asked.session_id.clone();
        match self.host(&asked.session_id) {
            Ok((uid, host)) => self.send(Reply::HostReady(HostReady { session_id, uid }), &[host]),
            Err(reason) => self.send(Reply::Failed(LauncherFailed { session_id, reason }), &[]),
        }
    }

    /// Hosts too: one may be waiting in the kernel for a file system that does not answer.
    fn end_session(&self, asked: &EndSession) {
        let session = SessionId::from_slice(&asked.session_id);
        for host in self.hosts.values().filter(|host| Some(host.session) == session) {
            // What does not die now is killed again when its host has been reaped.
            let _later = host.group.kill();
        }
    }

    /// Forks a host for a session; answers its uid and the agent's end of the way to it.
    fn host(&mut self, session: &[u8]) -> Result<(u32, OwnedFd), String> {
        let session = SessionId::from_slice(session).ok_or("a session has 16 bytes")?;
        if self.hosts.len() >= self.most_hosts() {
            return Err("too many sessions have programs on this node".to_owned());
        }
        let (number, uid) = (self.next_host, self.fresh_uid()?);
        self.next_host += 1;
        let (setup, ours) = self.setup(&format!("{}-{number}", name(session)), uid)?;
        let group = setup.group.clone();
        let text = |error: io::Error| format!("host: {error}");
        let (pid, handle) = spawn(&self.settings.table, setup, (&self.agent, &ours)).map_err(text)?;
        self.hosts.insert(number, RunningHost { session, pid, handle, uid, group });
        Ok((uid, ours))
    }

    /// The agent counts sessions; this is for one that does not. Some hosts are given up, and others take their place.
    fn most_hosts(&self) -> usize {
        usize::try_from(self.settings.limits.sessions_per_node).unwrap_or(usize::MAX).saturating_add(SPARE)
    }

    /// What a host gets, and the agent's end of the way to it.
    fn setup(&self, name: &str, uid: u32) -> Result<(host::Setup, OwnedFd), String> {
        let tree = self.tree.as_ref().map_err(Clone::clone)?;
        let group = tree.session(name, &self.settings.limits).map_err(|error| error.to_string())?;
        let (ours, agent) = packet::roomy_pair().map_err(|error| format!("host: {error}"))?;
        let (hidden, limits) = (self.settings.hidden.clone(), self.settings.limits.clone());
        let launcher = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| format!("host: {error}"))?;
        Ok((host::Setup { single: self.single, uid, group, hidden, limits, agent, launcher }, ours))
    }

    /// A uid that no session has; one that was given back comes round again only after all others.
    fn fresh_uid(&mut self) -> Result<u32, String> {
        let uids = self.settings.uids.clone();
        for _ in 0..=self.hosts.len() + self.leaving.len() {
            let uid = self.next_uid;
            self.next_uid = if uid == *uids.end() { *uids.start() } else { uid + 1 };
            let in_use = self.hosts.values().map(|host| host.uid).chain(self.leaving.iter().map(|(_, uid)| *uid));
            if in_use.into_iter().all(|other| other != uid) {
                return Ok(uid);
            }
        }
        Err("every uid of the range is in use".to_owned())
    }

    fn send(&self, kind: Reply, descriptors: &[OwnedFd]) -> io::Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        packet::send(&self.agent, &LauncherReply { kind: Some(kind) }, &descriptors)
    }

    fn end_everything(&mut self) {
        let deadline = Instant::now() + LAST_PATIENCE;
        for host in self.hosts.values() {
            // What cannot be ended is ended by the next agent.
            let _next = host.group.kill();
        }
        while (!self.hosts.is_empty() || !self.leaving.is_empty()) && Instant::now() < deadline {
            self.reap();
            let mut watched: Vec<_> =
                self.hosts.values().map(|host| PollFd::new(&host.handle, PollFlags::IN)).collect();
            // Groups have no descriptor to wait for; they are empty a moment after their processes are gone.
            let moment = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
            let _woken = poll(&mut watched, Some(&moment));
        }
        if let Ok(tree) = &self.tree {
            tree.leave();
            tree.remove();
        }
    }
}

/// The kernel's log, from its beginning, for somebody who reads it and does not wait for more.
fn kernel_log() -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(CWD, "/dev/kmsg", flags, Mode::empty())
}

/// Of the session's control groups.
fn name(session: SessionId) -> String {
    session.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Forks the process that becomes a host; what it must not hold is closed in it first.
fn spawn(table: &Table, setup: host::Setup, (agent, other_end): (&OwnedFd, &OwnedFd)) -> io::Result<(Pid, OwnedFd)> {
    match setup.single.fork(None)? {
        Fork::Parent { pid, handle } => Ok((pid, handle)),
        Fork::Child => {
            // As long as a copy of it is open, nobody notices that the launcher is gone.
            if sys::close_in_child(&[agent.as_fd(), other_end.as_fd()]).is_err() {
                sys::exit(1);
            }
            host::run(table, setup)
        }
    }
}
