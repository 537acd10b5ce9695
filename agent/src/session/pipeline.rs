//! A recorded line runs: a command, programs, or a command whose output the programs read.
//!
//! **Invariant:** a line that is running hears its client at every moment: signals are never behind input, and a
//! client that vanishes ends the line at once.

use std::os::fd::OwnedFd;
use std::time::Duration;

use pact_policy::Permitted;
use pact_proto::command::{Command, LogArguments, Show};
use pact_proto::exit::ExitCode;
use pact_proto::grammar::ExpandedHead;
use pact_proto::model::LineId;
use pact_proto::model::entry::{Body, End, LineOutcome, SessionKind, StageStatus, Written};
use pact_proto::wire::host::{self, Stage, Start};
use pact_proto::wire::v1::Accepted;
use pact_proto::wire::v1::server_message::Kind as Reply;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use super::Session;
use super::answer::Answer;
use super::attended::{Cut, attended};
use super::inbound::Inbound;
use super::kept::Keeper;
use super::line::{self, Ended};
use super::output::{Seen, Stream};
use super::recorded::Recorded;
use super::running::{Bounds, Running};
use super::streams::Streams;
use crate::link::{Ends, Host};
use crate::recording::{Recording, RecordingError};
use pact_session::{ClientGone, Outbound, Size};

/// A host opens what a program may read before it starts it; a dead network file system answers never.
const START_PATIENCE: Duration = Duration::from_secs(10);

impl Session<'_> {
    pub(super) async fn run(&mut self, recorded: Recorded<Permitted>, inbound: &mut Inbound) -> Ended {
        let (id, line) = recorded.begin();
        if let (Some(number), []) = (played(&line), line.stages())
            && self.has_terminal
        {
            return self.play(id, &line, number, inbound).await;
        }
        let answer = match line.line().head() {
            ExpandedHead::Command(command) => {
                let for_program = !line.stages().is_empty() && !line.line().is_paged();
                Some(self.answer(id, command, for_program))
            }
            ExpandedHead::Programs => None,
        };
        match (answer, line.stages()) {
            (Some(answer), _) if line.line().is_paged() => self.paged(id, &line, answer, inbound).await,
            (None, []) => failed(0, "the line is empty"),
            (Some(answer), []) => self.say(id, answer, inbound).await,
            (answer, _) => {
                let size = inbound.size();
                let recording = match attended(self.recording(id, &line, size), inbound, Some(START_PATIENCE)).await {
                    Ok(Ok(recording)) => recording,
                    Ok(Err(error)) => return failed(line::stages(&line), &format!("recording: {error}")),
                    Err(cut) => return cut_short(cut, line::stages(&line)),
                };
                self.programs(id, &line, answer, recording, inbound).await
            }
        }
    }

    /// Programs, and what a command gives them to read.
    async fn programs(
        &mut self,
        id: LineId,
        line: &Permitted,
        answer: Option<Answer>,
        recording: Option<Recording>,
        inbound: &mut Inbound,
    ) -> Ended {
        match self.start(id, line, answer.is_some(), inbound).await {
            Ok(Ok(ends)) => self.stream(id, line, (ends, answer, recording), inbound).await,
            Ok(Err(why)) => failed(line::stages(line), &why),
            Err(cut) => {
                // Whatever it was doing for this line, it does it no more.
                self.abandon_host().await;
                cut_short(cut, line::stages(line))
            }
        }
    }

    /// A command whose answer is read page by page, where it does not fit on the screen and there is a pager.
    async fn paged(&mut self, id: LineId, line: &Permitted, mut answer: Answer, inbound: &mut Inbound) -> Ended {
        let size = inbound.size();
        let fits = match attended(answer.fits(size), inbound, None).await {
            Ok(fits) => fits,
            Err(cut) => return cut_short(cut, line::stages(line)),
        };
        let started = if fits { None } else { Some(self.start(id, line, true, inbound).await) };
        match started {
            Some(Ok(Ok(ends))) => return self.stream(id, line, (ends, Some(answer), None), inbound).await,
            Some(Err(cut @ (Cut::Signal | Cut::Over(_)))) => {
                self.abandon_host().await;
                return cut_short(cut, line::stages(line));
            }
            // Whatever stands in the way of a pager is no reason for no answer.
            Some(Err(Cut::Late)) => self.abandon_host().await,
            Some(Ok(Err(_))) | None => {}
        }
        let mut ended = self.say(id, answer, inbound).await;
        ended.outcome.stages.push(StageStatus::Unknown("not needed".to_owned()));
        ended
    }

    /// Begun before anything is drawn, where the policy wants it. A pager that nobody typed shows what is on record.
    async fn recording(
        &self,
        id: LineId,
        line: &Permitted,
        size: Option<Size>,
    ) -> Result<Option<Recording>, RecordingError> {
        let size = size.filter(|_| self.has_terminal && draws(line) && !line.line().is_paged());
        let Some(size) = size else { return Ok(None) };
        let terminal = self.environment.iter().find_map(|pair| pair.strip_prefix("TERM=")).unwrap_or_default();
        self.node.recordings.begin((self.id, id), size, terminal).await
    }

    /// A command alone.
    async fn say(&self, id: LineId, answer: Answer, inbound: &mut Inbound) -> Ended {
        match attended(tell(&self.out, id, answer), inbound, None).await {
            Ok(Ok(outcome)) => Ended { outcome, failure: String::new(), over: None, stdin_read: 0 },
            Ok(Err(ClientGone)) => cut_short(Cut::Over(ClientGone.into()), 1),
            Err(cut) => cut_short(cut, 1),
        }
    }

    /// Asks the host for the processes.
    async fn start(
        &mut self,
        id: LineId,
        line: &Permitted,
        fed: bool,
        inbound: &mut Inbound,
    ) -> Result<Result<Ends, String>, Cut> {
        let start = Start {
            line_id: id.0,
            stages: line
                .stages()
                .iter()
                .map(|stage| Stage { program: stage.program.to_string(), argv: stage.argv.words().to_vec() })
                .collect(),
            reads_stdin: fed || self.reads_stdin(line),
            environment: self.environment.clone(),
            terminal: self.terminal_of(line, inbound),
        };
        let starting = async { self.host().await?.start(start).await.map_err(|error| error.to_string()) };
        attended(starting, inbound, Some(START_PATIENCE)).await
    }

    /// A prompt's keyboard is never a program's input; there it reads /dev/null. On a terminal of its own it is.
    fn reads_stdin(&self, line: &Permitted) -> bool {
        line.reads_stdin() && self.kind == SessionKind::Once && !draws(line)
    }

    /// The terminal that a line gets.
    fn terminal_of(&self, line: &Permitted, inbound: &Inbound) -> Option<host::Terminal> {
        let size = inbound.size().filter(|_| self.has_terminal && draws(line))?;
        let silent = line.line().is_paged();
        Some(host::Terminal { columns: size.columns.into(), rows: size.rows.into(), silent })
    }

    /// The session's host; a new one where the last one has died.
    pub(super) async fn host(&mut self) -> Result<&mut Host, String> {
        let alive = self.host.take().filter(Host::is_alive);
        let host = match alive {
            Some(host) => host,
            None => self.node.launcher.open_session(self.id).await.map_err(|error| error.to_string())?,
        };
        Ok(self.host.insert(host))
    }

    /// Ends the session's host and all that it started; the next line gets another one.
    pub(super) async fn abandon_host(&mut self) {
        if self.host.take().is_some() {
            self.node.launcher.end_session(self.id).await;
        }
    }

    /// From the first byte to the last process.
    async fn stream(
        &mut self,
        id: LineId,
        line: &Permitted,
        (ends, answer, recording): (Ends, Option<Answer>, Option<Recording>),
        inbound: &mut Inbound,
    ) -> Ended {
        let (stages, mut feeding) = (line.stages().len(), None);
        let streams = Streams::new(ends.output, &self.out).and_then(|mut streams| {
            match (answer, ends.stdin) {
                (Some(answer), Some(pipe)) => feeding = Some(tokio::spawn(feed(pipe, answer))),
                (None, Some(pipe)) => streams.ask(pipe, &self.out)?,
                (_, None) => {}
            }
            Ok(streams)
        });
        let streams = match streams {
            Ok(streams) => streams,
            Err(error) => {
                // Its programs run, and nobody hears them.
                self.abandon_host().await;
                return failed(stages, &error.to_string());
            }
        };
        let limits = self.node.policy.limits();
        // Whoever sits before it ends it.
        let is_watched = self.kind == SessionKind::Repl || streams.terminal.is_some();
        let bounds = Bounds::new(is_watched, limits);
        let any = self.draft(id, None, Body::SessionClosed { reason: String::new() });
        let keeper =
            Keeper::new(&self.node.spool, any, limits.output_kept_bytes, recording.as_ref().map(Recording::drawing));
        let Some(host) = self.host.as_mut() else { return failed(stages, "its host is gone") };
        let mut ended =
            Running { id, out: &self.out, streams, bounds, keeper, recording }.until_over(host, inbound).await;
        if let Some(feeding) = feeding {
            let command = self.fed(feeding).await;
            // Who reads the first page and leaves has seen what was asked for.
            if let (true, StageStatus::Exited(code)) = (line.line().is_paged(), &command)
                && ended.outcome.exit_code == ExitCode::Success.number()
            {
                ended.outcome.exit_code = *code;
            }
            ended.outcome.stages.insert(0, command);
        }
        ended
    }

    /// How the command at the head ended. Nobody reads what it would still write.
    async fn fed(&self, feeding: JoinHandle<Fed>) -> StageStatus {
        feeding.abort();
        match feeding.await {
            Ok(Fed::All(complaint, code)) => {
                if !complaint.is_empty() {
                    // A client that has gone is noticed by whoever sends it the line's end.
                    let _gone = self.out.send(Stream::Err.message(complaint.into_bytes())).await;
                }
                StageStatus::Exited(code)
            }
            Ok(Fed::Unread) | Err(_) => StageStatus::Signaled(SIGPIPE),
        }
    }
}

/// Of `log play`: which.
fn played(line: &Permitted) -> Option<u64> {
    let ExpandedHead::Command(stage) = line.line().head() else { return None };
    let Command::Log(LogArguments { show: Some(Show::Play { number }), .. }) = stage.command() else { return None };
    Some(*number)
}

/// Whether a line draws on a terminal; the last stage is the one that can.
fn draws(line: &Permitted) -> bool {
    line.stages().last().is_some_and(|stage| stage.terminal)
}

// As signal(7) numbers them; what a program would have died of in the place of pact's command.
const SIGINT: u8 = 2;
const SIGPIPE: u8 = 13;

/// Sends an answer, piece by piece.
async fn tell(out: &Outbound, id: LineId, mut answer: Answer) -> Result<LineOutcome, ClientGone> {
    let accepted = Accepted { line_id: id.0, terminal: false, reads_stdin: false };
    out.send(Reply::Accepted(accepted)).await?;
    let (mut stdout, mut stderr) = (Seen::default(), Seen::default());
    while let Some(piece) = answer.next().await {
        stdout.add(&piece);
        out.send(Stream::Out.message(piece)).await?;
    }
    let (complaint, code) = answer.finish();
    if !complaint.is_empty() {
        stderr.add(complaint.as_bytes());
        out.send(Stream::Err.message(complaint.into_bytes())).await?;
    }
    let mut outcome = outcome(End::Finished, vec![StageStatus::Exited(code)]);
    (outcome.stdout, outcome.stderr) = (stdout.written(true), stderr.written(true));
    Ok(outcome)
}

/// How an answer was read by a program.
enum Fed {
    /// To its end; what it complains of, and its status.
    All(String, u8),
    /// Not to its end.
    Unread,
}

/// Gives an answer to the first program of a pipeline.
async fn feed(pipe: OwnedFd, mut answer: Answer) -> Fed {
    let Ok(mut pipe) = pipe::Sender::from_owned_fd(pipe) else { return Fed::Unread };
    while let Some(piece) = answer.next().await {
        if pipe.write_all(&piece).await.is_err() {
            return Fed::Unread;
        }
    }
    let (complaint, code) = answer.finish();
    Fed::All(complaint, code)
}

/// A line that was over before its processes were, or before its answer was read.
pub(super) fn cut_short(cut: Cut, stages: usize) -> Ended {
    let why = cut.reason();
    let mut outcome = outcome(End::Interrupted(why.to_owned()), vec![StageStatus::Signaled(SIGINT); stages]);
    outcome.truncated = true;
    let failure = match cut {
        Cut::Late => {
            outcome.exit_code = ExitCode::Unreachable.number();
            format!("start: {why}")
        }
        Cut::Signal | Cut::Over(_) => String::new(),
    };
    Ended { outcome, failure, over: cut.over(), stdin_read: 0 }
}

/// A line of which nothing ran.
pub(super) fn failed(stages: usize, why: &str) -> Ended {
    let unknown = vec![StageStatus::Unknown("never started".to_owned()); stages];
    let mut outcome = outcome(End::Failed(why.to_owned()), unknown);
    outcome.exit_code = ExitCode::General.number();
    Ended { outcome, failure: why.to_owned(), over: None, stdin_read: 0 }
}

/// How a line of these stages ended; its status is the last stage's.
pub(super) fn outcome(end: End, stages: Vec<StageStatus>) -> LineOutcome {
    let exit_code = stages.last().map_or(ExitCode::General.number(), StageStatus::code);
    LineOutcome {
        end,
        stages,
        duration: Duration::ZERO,
        stdout: Written::default(),
        stderr: Written::default(),
        truncated: false,
        exit_code,
    }
}
