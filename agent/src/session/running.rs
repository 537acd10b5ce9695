//! A line that runs, as a state machine: its processes, its two streams, its client, its clock.
//!
//! **Invariant:** it is over when its processes are, and its output was passed on or nobody may have it any more.
//! Whatever cuts it short kills all that it started; only what was cut first is reported.

use std::time::Duration;

use pact_policy::Limits;
use pact_proto::exit::ExitCode;
use pact_proto::model::LineId;
use pact_proto::model::entry::{End, StageStatus, Written};
use pact_proto::wire::host::{Delivery, Met};
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Accepted, Candidates, SignalKind, StdinCredit};
use tokio::time::{Instant, sleep_until};

use super::Over;
use super::inbound::Inbound;
use super::input::{FIRST_CREDIT, Input};
use super::kept::Keeper;
use super::line::Ended;
use super::output::{Allowance, Drained, Passed, Stream, drain};
use super::pipeline::outcome;
use super::streams::Streams;
use super::terminal::Terminal;
use crate::link::{Control, Host, LineEnd};
use crate::recording::Recording;
use pact_session::{Outbound, Size};

// As signal(7) numbers it.
const SIGXCPU: u8 = 24;

/// Ctrl-C asks; what does not end by itself in this time is killed.
const GRACE: Duration = Duration::from_secs(2);

/// What bounds a line in time and output.
pub(super) struct Bounds {
    deadline: Option<Instant>,
    allowance: Allowance,
    limits: Limits,
}

impl Bounds {
    /// A line at a prompt, or on a terminal, has no clock and no end of output: a person is there to stop it.
    pub(super) fn new(is_watched: bool, limits: &Limits) -> Self {
        let bounded = !is_watched;
        Self {
            deadline: bounded.then(|| Instant::now() + Duration::from_secs(limits.wall_seconds)),
            allowance: Allowance::new(bounded.then_some(limits.output_bytes)),
            limits: limits.clone(),
        }
    }
}

/// Why a line was cut short.
enum Cut {
    Client(Over),
    WallTime,
    Output,
    Recording(String),
}

/// A line that runs.
pub(super) struct Running<'a> {
    pub(super) id: LineId,
    pub(super) out: &'a Outbound,
    pub(super) streams: Streams,
    pub(super) bounds: Bounds,
    pub(super) keeper: Keeper,
    pub(super) recording: Option<Recording>,
}

impl Running<'_> {
    /// Says that the line runs, and waits for its end.
    pub(super) async fn until_over(self, host: &mut Host, inbound: &mut Inbound) -> Ended {
        let Self { id, out, streams: Streams { input, asks, stdout, stderr, terminal }, bounds, keeper, mut recording } =
            self;
        let control = host.control();
        let accepted = Accepted { line_id: id.0, terminal: terminal.is_some(), reads_stdin: asks };
        let allowance = bounds.allowance.clone();
        let streams = async {
            // Here, so that a client that does not read holds up nothing but its own output. One that has gone is
            // noticed by whoever hears it.
            let _gone = out.send(Reply::Accepted(accepted)).await;
            if asks {
                let _gone = out.send(Reply::StdinCredit(StdinCredit { bytes: FIRST_CREDIT })).await;
            }
            drain(stdout, stderr, (out, &allowance, &keeper)).await
        };
        tokio::pin!(streams);
        let ended = host.ended(id);
        tokio::pin!(ended);
        let mut client = Client {
            id,
            out,
            input,
            terminal,
            control,
            received: 0,
            stdin_read: 0,
            is_forced: false,
            interrupts: 0,
            kill_at: None,
        };
        let (mut processes, mut passed, mut cut) = (None, None, None);
        while processes.is_none() || (passed.is_none() && cut.is_none() && !given_up(processes.as_ref())) {
            let hangs_up = tokio::select! {
                end = &mut ended, if processes.is_none() => {
                    client.line_ended(&end);
                    processes = Some(end);
                    None
                }
                both = &mut streams, if passed.is_none() => { passed = Some(both); None }
                message = inbound.next(), if cut.is_none() => {
                    client.said(message, inbound.size(), recording.as_ref()).await.err().map(Cut::Client)
                }
                () = at(bounds.deadline), if cut.is_none() => Some(Cut::WallTime),
                () = bounds.allowance.exceeded(), if cut.is_none() => Some(Cut::Output),
                why = broken(&mut recording), if cut.is_none() => Some(Cut::Recording(why)),
                () = at(client.kill_at) => { client.kill_at = None; client.deliver(Delivery::Kill).await; None }
            };
            if let Some(why) = hangs_up {
                client.deliver(Delivery::Kill).await;
                cut = Some(why);
            }
        }
        keeper.finish();
        if let Some(recording) = recording.take()
            && let Err(why) = recording.finish().await
            && cut.is_none()
        {
            cut = Some(Cut::Recording(why));
        }
        let processes = processes.unwrap_or(LineEnd::HostGone);
        let stdin_read = client.stdin_read;
        if let LineEnd::Gone(_, Met { processes: true, .. }) = processes {
            let told = format!("pact: line: it may not have more than {} processes\n", bounds.limits.processes);
            // A client that has gone is noticed by whoever sends it the line's end.
            let _gone = out.send(Stream::Err.message(told.into_bytes())).await;
        }
        Ended { stdin_read, ..bounds.conclude(processes, passed, cut) }
    }
}

/// The client of a line that runs.
struct Client<'a> {
    id: LineId,
    out: &'a Outbound,
    input: Input,
    terminal: Option<Terminal>,
    control: Control,
    received: u64,
    stdin_read: u64,
    /// It was ended because it heard no key.
    is_forced: bool,
    interrupts: u32,
    kill_at: Option<Instant>,
}

impl Client<'_> {
    /// Its processes are gone. What of its input they have not read is the prompt's again: nobody writes to its terminal
    /// any more, and then it is counted.
    fn line_ended(&mut self, processes: &LineEnd) {
        self.stdin_read = self.received;
        let Some(terminal) = self.terminal.take() else { return };
        let owed = u64::from(self.input.stop());
        match processes {
            LineEnd::Gone(..) if !self.is_forced => {
                let unread = terminal.unread().map(|unread| unread + owed);
                self.stdin_read = self.received.saturating_sub(unread.unwrap_or(0));
            }
            LineEnd::Gone(..) | LineEnd::GivenUp(_) | LineEnd::HostGone => {}
        }
    }

    async fn deliver(&self, what: Delivery) {
        self.control.deliver(self.id, what).await;
    }

    /// What it says while the line runs; its terminal is now of this size.
    async fn said(
        &mut self,
        message: Result<Kind, Over>,
        size: Option<Size>,
        recording: Option<&Recording>,
    ) -> Result<(), Over> {
        match message? {
            Kind::Stdin(stdin) => {
                let is_fed_up = self.terminal.as_mut().is_some_and(|t| t.typed(&stdin.data, Instant::now()));
                if is_fed_up {
                    self.is_forced = true;
                    self.deliver(Delivery::Kill).await;
                }
                self.received += stdin.data.len() as u64;
                self.input.push(&stdin.data).map_err(|_| Over::Protocol("more input than credit"))
            }
            Kind::StdinEnd(_) => {
                self.input.end();
                Ok(())
            }
            Kind::Signal(signal) => {
                match signal.kind() {
                    SignalKind::Unspecified => return Err(Over::Protocol("an unknown signal")),
                    SignalKind::Interrupt if self.interrupts == 0 => {
                        self.interrupts += 1;
                        self.kill_at = Some(Instant::now() + GRACE);
                        self.deliver(Delivery::Interrupt).await;
                    }
                    SignalKind::Quit => self.deliver(Delivery::Quit).await,
                    SignalKind::Interrupt | SignalKind::Kill => self.deliver(Delivery::Kill).await,
                }
                Ok(())
            }
            Kind::Complete(asked) => {
                let none = Candidates { id: asked.id, candidates: Vec::new() };
                self.out.send_if_room(Reply::Candidates(none));
                Ok(())
            }
            Kind::Resize(_) => {
                if let (Some(terminal), Some(size)) = (&self.terminal, size) {
                    terminal.resize(size);
                    if let Some(recording) = recording {
                        recording.resized(size);
                    }
                }
                Ok(())
            }
            Kind::Close(_) => Err(Over::Left),
            Kind::Line(_) => Err(Over::Protocol("one line at a time")),
            Kind::Open(_) => Err(Over::Protocol("a session is opened once")),
            Kind::Renew(_) => Err(Over::Protocol("this session has no ticket to renew")),
        }
    }
}

impl Bounds {
    /// Which limit ended it, if one did.
    fn met(&self, stages: &[StageStatus], met: Met) -> Option<String> {
        if stages.contains(&StageStatus::Signaled(SIGXCPU)) {
            let limit = self.limits.cpu_seconds;
            return Some(format!("line: a program took more than {limit} s of processor time and was ended"));
        }
        if met.memory {
            let limit = self.limits.memory_bytes;
            return Some(format!("line: a program took more than {limit} bytes of memory and was ended"));
        }
        None
    }

    fn conclude(self, processes: LineEnd, passed: Option<(Passed, Passed)>, cut: Option<Cut>) -> Ended {
        let (given_up, mut end, stages) = match processes {
            LineEnd::Gone(stages, met) => {
                let end = self.met(&stages, met).map_or(End::Finished, End::Interrupted);
                (false, end, stages)
            }
            LineEnd::GivenUp(stages) => (true, End::Interrupted("given up: it does not die".to_owned()), stages),
            LineEnd::HostGone => (false, End::Interrupted("its host died".to_owned()), Vec::new()),
        };
        let mut failure = match &end {
            End::Interrupted(why) => why.clone(),
            End::Finished | End::Failed(_) => String::new(),
        };
        let mut code = given_up.then_some(ExitCode::General);
        let mut over = None;
        match cut {
            None => {}
            Some(Cut::Client(gone)) => {
                end = End::Interrupted(gone.reason().to_owned());
                over = Some(gone);
            }
            Some(Cut::WallTime) => {
                failure = format!("line: it took longer than {} s and was ended", self.limits.wall_seconds);
                (end, code) = (End::Interrupted(failure.clone()), Some(ExitCode::Unreachable));
            }
            Some(Cut::Recording(why)) => {
                failure = format!("recording: it cannot go on ({why}), so the line was ended");
                (end, code) = (End::Interrupted(failure.clone()), Some(ExitCode::General));
            }
            Some(Cut::Output) => {
                failure = format!("line: it wrote more than {} bytes and was ended", self.limits.output_bytes);
                (end, code) = (End::Interrupted(failure.clone()), Some(ExitCode::General));
            }
        }
        let mut outcome = outcome(end, stages);
        outcome.exit_code = code.map_or(outcome.exit_code, ExitCode::number);
        (outcome.stdout, outcome.stderr, outcome.truncated) = written(passed);
        Ended { outcome, failure, over, stdin_read: 0 }
    }
}

fn given_up(end: Option<&LineEnd>) -> bool {
    matches!(end, Some(LineEnd::GivenUp(_)))
}

async fn broken(recording: &mut Option<Recording>) -> String {
    match recording {
        Some(recording) => recording.breaks().await,
        None => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Bytes of both streams, and whether some did not arrive.
fn written(passed: Option<(Passed, Passed)>) -> (Written, Written, bool) {
    let Some((stdout, stderr)) = passed else { return (Written::default(), Written::default(), true) };
    let one = |passed: Passed| passed.unwrap_or((Written::default(), Drained::ClientGone));
    let ((stdout, how), (stderr, other)) = (one(stdout), one(stderr));
    (stdout, stderr, how != Drained::Whole || other != Drained::Whole)
}
