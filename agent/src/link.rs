//! The agent's way to the launcher and to hosts.
//!
//! **Invariant:** whoever asks gets an answer or an error: a launcher or host that is gone answers for everything
//! that was asked of it.
//! **Not here:** the processes at the other end (`crate::launcher`, `crate::host`).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use pact_proto::model::SessionId;
use pact_proto::model::entry::StageStatus;
use pact_proto::wire::host::host_reply::Kind as HostSays;
use pact_proto::wire::host::host_request::Kind as HostAsked;
use pact_proto::wire::host::launcher_reply::Kind as Reply;
use pact_proto::wire::host::launcher_request::Kind as Asked;
use pact_proto::wire::host::stage_end::End;
use pact_proto::wire::host::{
    Deliver, Delivery, EndSession, Examination, Examine, Expand, HostReply, HostRequest, KernelLog, LauncherReply,
    LauncherRequest, List, Met, OpenSession, SelfTest, StageEnd, Start,
};
use prost::Message;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::packet;

/// Requests that wait for the launcher.
const PLACES: usize = 64;

/// What was asked for was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The launcher has ended, and without it nothing can be started.
    #[error("it is gone")]
    LauncherGone,
    /// The session's host has ended.
    #[error("host: it is gone")]
    HostGone,
    /// What the launcher or the host says.
    #[error("{0}")]
    Refused(String),
    /// The operating system refused.
    #[error("{0}")]
    Io(String),
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// What the self-test found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Layers that hold, in words.
    pub layers: Vec<String>,
    /// What is less than asked for.
    pub failures: Vec<String>,
    /// What is bounded in fewer ways than it could be.
    pub degraded: Vec<String>,
}

/// A socket whose packets are awaited. For tokio it is a stream; only whole packets are sent and received.
struct Packets(UnixStream);

impl Packets {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket).map(Self)
    }

    async fn send(&self, message: &impl Message) -> io::Result<()> {
        self.0.async_io(Interest::WRITABLE, || packet::send(&self.0, message, &[])).await
    }

    async fn receive<M: Message + Default>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        self.0.async_io(Interest::READABLE, || packet::receive(&self.0)).await
    }
}

type HostAnswer = oneshot::Sender<Result<Host, LinkError>>;

enum Request {
    Open(SessionId, HostAnswer),
    End(SessionId),
    Test(oneshot::Sender<Report>),
    KernelLog(oneshot::Sender<Option<OwnedFd>>),
    Examine(oneshot::Sender<Option<OwnedFd>>),
}

/// The way to the launcher. Clones share it.
#[derive(Clone)]
pub(crate) struct Launcher {
    requests: mpsc::Sender<Request>,
    gone: watch::Receiver<bool>,
}

impl Launcher {
    /// Takes over the way that `launcher::start` answered; within a runtime.
    pub(crate) fn new(channel: OwnedFd) -> Result<Self, LinkError> {
        let packets = Packets::new(channel)?;
        let (requests, asked) = mpsc::channel(PLACES);
        let (tell, gone) = watch::channel(false);
        tokio::spawn(async move {
            Dispatch::new(packets).run(asked).await;
            // Whoever waits for the launcher's end is told; nobody may be waiting.
            let _nobody = tell.send(true);
        });
        Ok(Self { requests, gone })
    }

    /// Asks for a host.
    pub(crate) async fn open_session(&self, session: SessionId) -> Result<Host, LinkError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Open(session, answer)).await.map_err(|_| LinkError::LauncherGone)?;
        answered.await.map_err(|_| LinkError::LauncherGone)?
    }

    /// Has the hosts of a session killed, with all that they started.
    pub(crate) async fn end_session(&self, session: SessionId) {
        // A launcher that is gone has taken its hosts with it.
        let _gone = self.requests.send(Request::End(session)).await;
    }

    /// Asks what holds on this node.
    pub(crate) async fn self_test(&self) -> Result<Report, LinkError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Test(answer)).await.map_err(|_| LinkError::LauncherGone)?;
        answered.await.map_err(|_| LinkError::LauncherGone)
    }

    /// Asks for the kernel's log; none where the kernel does not give it.
    pub(crate) async fn kernel_log(&self) -> Option<OwnedFd> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::KernelLog(answer)).await.ok()?;
        answered.await.ok().flatten()
    }

    /// Has somebody look at how the node is set up; answers a pipe on which `Findings` come, unless too many look.
    pub(crate) async fn examine(&self) -> Option<OwnedFd> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Examine(answer)).await.ok()?;
        answered.await.ok().flatten()
    }

    /// Returns when the launcher has ended.
    pub(crate) async fn died(&self) -> LinkError {
        // The sender goes away only after it has told.
        let mut gone = self.gone.clone();
        let _told = gone.wait_for(|gone| *gone).await;
        LinkError::LauncherGone
    }
}

/// The one that talks to the launcher; what it drops is answered as gone.
struct Dispatch {
    packets: Packets,
    hosts: BTreeMap<SessionId, HostAnswer>,
    tests: VecDeque<oneshot::Sender<Report>>,
    /// Answered in the order in which they were asked.
    logs: VecDeque<oneshot::Sender<Option<OwnedFd>>>,
    examinations: VecDeque<oneshot::Sender<Option<OwnedFd>>>,
}

impl Dispatch {
    fn new(packets: Packets) -> Self {
        let (tests, logs, examinations) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { packets, hosts: BTreeMap::new(), tests, logs, examinations }
    }

    async fn run(mut self, mut asked: mpsc::Receiver<Request>) {
        loop {
            let went_on = tokio::select! {
                request = asked.recv() => match request {
                    Some(request) => self.ask(request).await,
                    None => return,
                },
                reply = self.packets.receive::<LauncherReply>() => match reply {
                    Ok(Some((reply, descriptors))) => self.answer(reply, descriptors),
                    Ok(None) => return,
                    Err(error) => Err(error),
                },
            };
            if went_on.is_err() {
                return;
            }
        }
    }

    async fn ask(&mut self, request: Request) -> io::Result<()> {
        let kind = match request {
            Request::Open(session, answer) => {
                self.hosts.insert(session, answer);
                Asked::OpenSession(OpenSession { session_id: session.as_bytes().to_vec() })
            }
            Request::End(session) => Asked::EndSession(EndSession { session_id: session.as_bytes().to_vec() }),
            Request::Test(answer) => {
                self.tests.push_back(answer);
                Asked::SelfTest(SelfTest {})
            }
            Request::KernelLog(answer) => {
                self.logs.push_back(answer);
                Asked::KernelLog(KernelLog {})
            }
            Request::Examine(answer) => {
                self.examinations.push_back(answer);
                Asked::Examine(Examine {})
            }
        };
        self.packets.send(&LauncherRequest { kind: Some(kind) }).await
    }

    fn answer(&mut self, reply: LauncherReply, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let mut waiting = |id: &[u8]| SessionId::from_slice(id).and_then(|session| self.hosts.remove(&session));
        let kind = reply.kind.ok_or_else(|| packet::unexpected("an empty reply of the launcher"))?;
        // Whoever asked may have given up; then what came is closed.
        match kind {
            Reply::HostReady(ready) => {
                let socket = descriptors.into_iter().next().ok_or(LinkError::HostGone);
                let host = socket.and_then(|socket| Ok(Host::new(socket)?));
                drop(waiting(&ready.session_id).map(|answer| answer.send(host)));
            }
            Reply::Failed(failed) => {
                let refused = Err(LinkError::Refused(failed.reason));
                drop(waiting(&failed.session_id).map(|answer| answer.send(refused)));
            }
            Reply::SelfTest(report) => {
                let report = Report { layers: report.layers, failures: report.failures, degraded: report.degraded };
                drop(self.tests.pop_front().map(|answer| answer.send(report)));
            }
            Reply::KernelLog(KernelLog {}) => {
                let log = descriptors.into_iter().next();
                drop(self.logs.pop_front().map(|answer| answer.send(log)));
            }
            Reply::Examination(Examination {}) => {
                let findings = descriptors.into_iter().next();
                drop(self.examinations.pop_front().map(|answer| answer.send(findings)));
            }
        }
        Ok(())
    }
}

/// The way to a session's host. Dropping it ends the host and all that it started.
pub(crate) struct Host {
    packets: Arc<Packets>,
}

/// The agent's ends of what a line reads and writes.
#[derive(Debug)]
pub(crate) struct Ends {
    /// What the first stage reads, if it reads what the client sends or a command writes.
    pub stdin: Option<OwnedFd>,
    /// What it writes.
    pub output: Written,
}

/// What a line writes to.
#[derive(Debug)]
pub(crate) enum Written {
    /// Pipes.
    Pipes {
        /// Of the last stage.
        stdout: OwnedFd,
        /// Of all stages.
        stderr: OwnedFd,
    },
    /// A terminal, on which it is typed too.
    Terminal {
        /// The end that is not the line's.
        master: OwnedFd,
        /// The line's own.
        line: OwnedFd,
    },
}

/// How a line's processes ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// All are gone; how each stage ended, and which limits they met.
    Gone(Vec<StageStatus>, Met),
    /// Some did not die of SIGKILL.
    GivenUp(Vec<StageStatus>),
    /// Nobody knows: the host is gone.
    HostGone,
}

/// Signals to the line of a host, while somebody else waits for its end.
#[derive(Clone)]
pub(crate) struct Control(Arc<Packets>);

impl Control {
    /// Best said early and often: a line that is over takes no harm.
    pub(crate) async fn deliver(&self, line: pact_proto::model::LineId, what: Delivery) {
        let deliver = Deliver { line_id: line.0, what: what.into() };
        // A host that is gone has taken its processes with it.
        let _gone = self.0.send(&HostRequest { kind: Some(HostAsked::Deliver(deliver)) }).await;
    }
}

impl Host {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { packets: Arc::new(Packets::new(socket)?) })
    }

    /// Whether it has not hung up.
    pub(crate) fn is_alive(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut watched = [PollFd::new(&self.packets.0, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut watched, Some(&now)).is_ok() && watched[0].revents().is_empty()
    }

    /// For signals.
    pub(crate) fn control(&self) -> Control {
        Control(Arc::clone(&self.packets))
    }

    /// Starts a pipeline.
    pub(crate) async fn start(&mut self, start: Start) -> Result<Ends, LinkError> {
        let (reads_stdin, on_terminal) = (start.reads_stdin, start.terminal.is_some());
        let mut ends = self.begin(HostAsked::Start(start)).await?.into_iter();
        let mut next = || ends.next().ok_or(LinkError::HostGone);
        let stdin = if reads_stdin { Some(next()?) } else { None };
        let output = if on_terminal {
            Written::Terminal { master: next()?, line: next()? }
        } else {
            Written::Pipes { stdout: next()?, stderr: next()? }
        };
        Ok(Ends { stdin, output })
    }

    /// Finds paths; answers the pipe on which they come.
    pub(crate) async fn list(&mut self, list: List) -> Result<OwnedFd, LinkError> {
        let names = self.begin(HostAsked::List(list)).await?.into_iter().next();
        names.ok_or(LinkError::HostGone)
    }

    /// Looks up what patterns match; answers the pipe on which names come.
    pub(crate) async fn expand(&mut self, expand: Expand) -> Result<OwnedFd, LinkError> {
        let names = self.begin(HostAsked::Expand(expand)).await?.into_iter().next();
        names.ok_or(LinkError::HostGone)
    }

    async fn begin(&mut self, asked: HostAsked) -> Result<Vec<OwnedFd>, LinkError> {
        self.packets.send(&HostRequest { kind: Some(asked) }).await.map_err(gone)?;
        match self.packets.receive::<HostReply>().await.map_err(gone)? {
            Some((HostReply { kind: Some(HostSays::Started(_)) }, pipes)) => Ok(pipes),
            Some((HostReply { kind: Some(HostSays::NotStarted(why)) }, _)) => Err(LinkError::Refused(why.reason)),
            Some(_) | None => Err(LinkError::HostGone),
        }
    }

    /// Returns when the line has ended.
    pub(crate) async fn ended(&mut self, line: pact_proto::model::LineId) -> LineEnd {
        match self.packets.receive::<HostReply>().await {
            Ok(Some((HostReply { kind: Some(HostSays::Ended(ended)) }, _))) if ended.line_id == line.0 => {
                LineEnd::Gone(ended.stages.into_iter().map(status).collect(), ended.met.unwrap_or_default())
            }
            Ok(Some((HostReply { kind: Some(HostSays::GivenUp(ended)) }, _))) if ended.line_id == line.0 => {
                LineEnd::GivenUp(ended.stages.into_iter().map(status).collect())
            }
            Ok(_) | Err(_) => LineEnd::HostGone,
        }
    }
}

fn gone(error: io::Error) -> LinkError {
    let hung_up = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset, io::ErrorKind::NotConnected];
    if hung_up.contains(&error.kind()) { LinkError::HostGone } else { error.into() }
}

fn status(end: StageEnd) -> StageStatus {
    let number = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    match end.end {
        Some(End::Exited(code)) => StageStatus::Exited(number(code)),
        Some(End::Signaled(signal)) => StageStatus::Signaled(number(signal)),
        Some(End::Unknown(_)) | None => StageStatus::Unknown("its end is not known".to_owned()),
    }
}
