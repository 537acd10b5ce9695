//! The host of one session: makes its processes, waits for them, signals them.
//!
//! **Invariant:** one thread, one line at a time. No byte of a session passes through it: it makes pipes and terminals
//! and hands their ends up. Whatever a line leaves behind is ended before its end is reported.
//! **Not here:** who may run what; that was judged by the agent, and is looked up once more in `crate::table`.

mod expand;
mod line;
mod list;
mod stage;
mod terminal;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pact_policy::Limits;
use pact_proto::wire::host::host_reply::Kind as Reply;
use pact_proto::wire::host::host_request::Kind as Request;
use pact_proto::wire::host::{
    Deliver, Delivery, Ended, GivenUp, HostReply, HostRequest, Met, NotStarted, Start, Started,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitOptions, getpid, set_child_subreaper, setsid, wait};

use crate::packet;
use crate::sandbox::cgroup::{self, LineGroup, SessionGroup};
use crate::sandbox::namespace::{self, Covers};
use crate::sandbox::sys::{self, Single};
use crate::sandbox::{HOME, identity};
use crate::table::Table;
use line::Line;

/// What does not die of SIGKILL in this time waits in the kernel, and is given up.
const GIVE_UP: Duration = Duration::from_secs(1);
/// A line that has run for so long lets those of other sessions that have not go first: fifty that never end must not make
/// one wait that takes a moment.
const SHORT: Duration = Duration::from_secs(1);
/// So many a turn, so that a line that makes children for ever does not keep the host from hearing the agent.
const MOST_REAPED: usize = 256;
/// How often orphans that are dying are looked for.
const SOON: Duration = Duration::from_millis(1);
/// How often orphans are reaped, and groups of lines that were given up are tried again.
const LATER: Duration = Duration::from_millis(250);

/// What the launcher gives a host.
pub(crate) struct Setup {
    /// That it may fork.
    pub(crate) single: Single,
    /// The uid that its programs run as.
    pub(crate) uid: u32,
    /// Its control groups.
    pub(crate) group: SessionGroup,
    /// What nobody in the session can open.
    pub(crate) hidden: Vec<PathBuf>,
    /// What bounds its programs.
    pub(crate) limits: Limits,
    /// The way to the agent.
    pub(crate) agent: OwnedFd,
    /// Becomes readable when the launcher has ended: then nobody else is left to end this session.
    pub(crate) launcher: OwnedFd,
}

struct Host<'a> {
    table: &'a Table,
    setup: Setup,
    /// What hides pact's own files, or why this session cannot start anything.
    covers: Result<Covers, String>,
    line: Option<Line>,
    /// Since when.
    begun: Instant,
    /// Other sessions go first.
    gives_way: bool,
    /// Something that was started here has not been reaped.
    has_children: bool,
    abandoned: Vec<LineGroup>,
}

/// A host's whole life, in a process that was forked for it.
pub(crate) fn run(table: &Table, setup: Setup) -> ! {
    let covers = settle(table, &setup);
    let mut host = Host {
        table,
        setup,
        covers,
        line: None,
        begun: Instant::now(),
        gives_way: false,
        has_children: false,
        abandoned: Vec::new(),
    };
    let ended = host.serve();
    // This process is in it too. Where there is a launcher it does the same again, and takes the group away.
    let _launchers = host.setup.group.kill();
    sys::exit(i32::from(ended.is_err()))
}

/// Everything that needs root's powers is done here, once; then they are given up.
fn settle(table: &Table, setup: &Setup) -> Result<Covers, String> {
    let text = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    // A session of its own, so that no stage has the agent's terminal.
    setsid().map_err(text("session"))?;
    rustix::thread::set_name(c"pact-host").map_err(text("name"))?;
    set_child_subreaper(Some(getpid())).map_err(text("subreaper"))?;
    setup.group.enter().map_err(|error| error.to_string())?;
    // Where a session has too much memory, its programs end and not what starts them. Where the kernel does not let it be
    // said, a host that ends is replaced.
    let _not_allowed = std::fs::write(stage::OOM_SCORE, "-1000");
    let covers = namespace::enter(&table.kept_in_run(), &setup.hidden).map_err(|error| error.to_string())?;
    rustix::process::chdir(HOME).map_err(text(HOME))?;
    identity::keep_only(identity::HOST).map_err(|error| format!("capabilities: {error}"))?;
    rustix::thread::set_no_new_privs(true).map_err(text("no_new_privs"))?;
    Ok(covers)
}

impl Host<'_> {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let asked = self.wait()?;
            self.reap();
            if asked {
                match packet::receive::<HostRequest>(&self.setup.agent)? {
                    Some((request, _)) => self.handle(request)?,
                    None => return Ok(()),
                }
            }
            self.advance()?;
        }
    }

    /// Waits until something happens; answers whether the agent has sent something.
    fn wait(&self) -> io::Result<bool> {
        let (agent, launcher) = (&self.setup.agent, &self.setup.launcher);
        let mut watched = vec![PollFd::new(agent, PollFlags::IN), PollFd::new(launcher, PollFlags::IN)];
        // Orphans have no descriptor here, and count against the session until they are reaped.
        let has_orphans = self.has_children || !self.abandoned.is_empty();
        let mut timeout = has_orphans.then_some(LATER);
        if let Some(line) = &self.line {
            if !self.gives_way {
                let left = (self.begun + SHORT).saturating_duration_since(Instant::now());
                timeout = Some(timeout.map_or(left, |other| other.min(left)));
            }
            watched.extend(line.running().map(|process| PollFd::from_borrowed_fd(process, PollFlags::IN)));
            if let Some(deadline) = line.deadline() {
                watched.push(PollFd::new(line.group(), PollFlags::PRI));
                let mut left = deadline.saturating_duration_since(Instant::now());
                if line.all_ended() && self.has_children {
                    // An orphan that dies has no descriptor here.
                    left = left.min(SOON);
                }
                timeout = Some(timeout.map_or(left, |other| other.min(left)));
            }
        }
        let timeout = timeout.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) if !watched[1].revents().is_empty() => Err(io::Error::other("the launcher is gone")),
            Ok(_) => Ok(!watched[0].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes every process that has ended, orphans of lines too.
    fn reap(&mut self) {
        self.has_children = true;
        for _ in 0..MOST_REAPED {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if let Some(line) = &mut self.line {
                        line.ended(pid, status);
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    self.has_children = false;
                    break;
                }
            }
        }
        self.abandoned.retain(|group| !group.remove());
    }

    fn handle(&mut self, request: HostRequest) -> io::Result<()> {
        if self.line.is_none() {
            self.begun = Instant::now();
            if std::mem::take(&mut self.gives_way) {
                self.setup.group.give_way(false);
            }
        }
        match request.kind {
            Some(Request::Start(start)) => {
                let begun = self.idle().and_then(|()| self.start(&start));
                self.answer(start.line_id, begun)
            }
            Some(Request::Expand(expand)) => {
                let begun = self.idle().and_then(|()| self.expand(&expand));
                self.answer(expand.line_id, begun)
            }
            Some(Request::List(list)) => {
                let begun = self.idle().and_then(|()| self.list(&list));
                self.answer(list.line_id, begun)
            }
            Some(Request::Deliver(deliver)) => self.deliver(&deliver),
            None => Err(packet::unexpected("an empty request")),
        }
    }

    fn idle(&self) -> Result<(), Failure> {
        match (&self.covers, &self.line) {
            (Err(why), _) => Err(Failure::all(why.clone())),
            (Ok(_), Some(_)) => Err(Failure::all("a line is running already")),
            (Ok(covers), None) => covers.check().map_err(|error| Failure::all(error.to_string())),
        }
    }

    fn start(&self, start: &Start) -> Result<(Line, Vec<OwnedFd>), Failure> {
        Line::start(self.table, &self.setup, start)
    }

    fn expand(&self, asked: &pact_proto::wire::host::Expand) -> Result<(Line, Vec<OwnedFd>), Failure> {
        Line::expand(self.table, &self.setup, asked)
    }

    fn list(&self, asked: &pact_proto::wire::host::List) -> Result<(Line, Vec<OwnedFd>), Failure> {
        Line::list(self.table, &self.setup, asked)
    }

    fn answer(&mut self, line_id: u64, begun: Result<(Line, Vec<OwnedFd>), Failure>) -> io::Result<()> {
        match begun {
            Ok((line, pipes)) => {
                self.line = Some(line);
                let pipes: Vec<_> = pipes.iter().map(std::os::fd::AsFd::as_fd).collect();
                self.send(Reply::Started(Started { line_id }), &pipes)
            }
            Err(Failure { stage, reason }) => self.send(Reply::NotStarted(NotStarted { line_id, stage, reason }), &[]),
        }
    }

    fn deliver(&mut self, deliver: &Deliver) -> io::Result<()> {
        // A signal for a line that is over has come too late, and harms nobody.
        let Some(line) = self.line.as_mut().filter(|line| line.id() == deliver.line_id) else { return Ok(()) };
        match deliver.what() {
            Delivery::Unspecified => return Err(packet::unexpected("a delivery of nothing")),
            Delivery::Interrupt => line.signal(Signal::INT),
            Delivery::Quit => line.signal(Signal::QUIT),
            Delivery::Kill => line.kill(),
        }
        Ok(())
    }

    /// Ends a line whose stages are gone, or that did not die in time.
    fn advance(&mut self) -> io::Result<()> {
        let Some(line) = &mut self.line else { return Ok(()) };
        if !self.gives_way && self.begun.elapsed() >= SHORT {
            self.gives_way = true;
            self.setup.group.give_way(true);
        }
        if line.all_ended() && line.deadline().is_none() {
            line.kill();
        }
        // What was given up before may never be reaped, and does not count.
        let is_reaped = !self.has_children || !self.abandoned.is_empty();
        let is_over = line.all_ended() && is_reaped && !line.group().is_populated()?;
        let is_late = line.deadline().is_some_and(|deadline| Instant::now() >= deadline);
        if !is_over && !is_late {
            return Ok(());
        }
        let Some(line) = self.line.take() else { return Ok(()) };
        let line_id = line.id();
        let before = line.met();
        let (stages, group) = line.conclude();
        if !group.remove() {
            self.abandoned.push(group);
        }
        self.send(
            if is_over {
                Reply::Ended(Ended { line_id, stages, met: Some(self.met_since(before)) })
            } else {
                Reply::GivenUp(GivenUp { line_id, stages })
            },
            &[],
        )
    }

    /// What a line met that began with these counts.
    fn met_since(&self, before: cgroup::Met) -> Met {
        let now = self.setup.group.met();
        Met { memory: now.memory > before.memory, processes: now.processes > before.processes }
    }

    fn send(&self, kind: Reply, descriptors: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<()> {
        packet::send(&self.setup.agent, &HostReply { kind: Some(kind) }, descriptors)
    }
}

/// Nothing was started: which stage stood in the way, and why.
struct Failure {
    stage: u32,
    reason: String,
}

impl Failure {
    fn all(reason: impl Into<String>) -> Self {
        Self { stage: 0, reason: reason.into() }
    }
}
