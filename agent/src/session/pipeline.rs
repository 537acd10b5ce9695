//! A recorded line runs: a command, programs, or a command whose output the programs read.
//!
//! **Invariant:** a line that is running hears its client at every moment: signals are never behind input, and a
//! client that vanishes ends the line at once.

use std::time::Duration;

use pact_policy::Permitted;
use pact_proto::exit::ExitCode;
use pact_proto::grammar::ExpandedHead;
use pact_proto::model::LineId;
use pact_proto::model::entry::{End, LineOutcome, SessionKind, StageStatus, Written};
use pact_proto::wire::host::{Stage, Start};
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Accepted, ClientMessage, StdinCredit};
use tonic::Streaming;

use super::answer::Answer;
use super::input::{FIRST_CREDIT, Input};
use super::line::Ended;
use super::output::{Seen, Stream};
use super::recorded::Recorded;
use super::running::{Bounds, Running};
use super::{Over, Session};
use crate::link::{Host, Pipes};

impl Session<'_> {
    pub(super) async fn run(&mut self, recorded: Recorded<Permitted>, inbound: &mut Streaming<ClientMessage>) -> Ended {
        let (id, line) = recorded.begin();
        let answer = match line.line().head() {
            ExpandedHead::Command(command) => Some(self.answer(command.command()).await),
            ExpandedHead::Programs => None,
        };
        if line.stages().is_empty() {
            return self.say(id, answer).await;
        }
        match self.start(id, &line, answer.is_some()).await {
            Ok(pipes) => self.stream(id, &line, pipes, answer, inbound).await,
            Err(why) => failed(line.stages().len() + usize::from(answer.is_some()), &why),
        }
    }

    /// A command alone.
    async fn say(&self, id: LineId, answer: Option<Answer>) -> Ended {
        let Some(answer) = answer else { return failed(0, "the line is empty") };
        let mut outcome = outcome(End::Finished, vec![StageStatus::Exited(answer.code.number())]);
        let accepted = Accepted { line_id: id.0, terminal: false, reads_stdin: false };
        let mut over = self.out.send(Reply::Accepted(accepted)).await.err().map(Over::from);
        for (stream, bytes) in [(Stream::Out, answer.stdout), (Stream::Err, answer.stderr)] {
            let mut seen = Seen::default();
            for piece in bytes.chunks(32 * 1024) {
                if over.is_none() {
                    seen.add(piece);
                    over = self.out.send(stream.message(piece.to_vec())).await.err().map(Over::from);
                }
            }
            let written = seen.written(over.is_none());
            match stream {
                Stream::Out => outcome.stdout = written,
                Stream::Err => outcome.stderr = written,
            }
        }
        if over.is_some() {
            outcome.end = End::Interrupted("the client vanished".to_owned());
        }
        Ended { outcome, failure: String::new(), over }
    }

    /// Asks the host for the processes.
    async fn start(&mut self, id: LineId, line: &Permitted, fed: bool) -> Result<Pipes, String> {
        let start = Start {
            line_id: id.0,
            stages: line
                .stages()
                .iter()
                .map(|stage| Stage { program: stage.program.to_string(), argv: stage.argv.words().to_vec() })
                .collect(),
            reads_stdin: fed || self.reads_stdin(line),
            environment: self.environment.clone(),
        };
        self.host().await?.start(start).await.map_err(|error| error.to_string())
    }

    /// A prompt's keyboard is never a program's input; there it reads /dev/null.
    fn reads_stdin(&self, line: &Permitted) -> bool {
        line.reads_stdin() && self.kind == SessionKind::Once
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

    /// From the first byte to the last process.
    async fn stream(
        &mut self,
        id: LineId,
        line: &Permitted,
        pipes: Pipes,
        answer: Option<Answer>,
        inbound: &mut Streaming<ClientMessage>,
    ) -> Ended {
        let wants_input = answer.is_none() && self.reads_stdin(line);
        let credit = wants_input.then(|| self.out.clone());
        let mut input = match pipes.stdin.map(|pipe| Input::start(pipe, credit)).transpose() {
            Ok(input) => input.unwrap_or_else(Input::none),
            Err(error) => return failed(line.stages().len(), &error.to_string()),
        };
        let command = answer.as_ref().map(|answer| StageStatus::Exited(answer.code.number()));
        self.announce(id, wants_input, answer, &mut input).await;
        let limits = self.node.policy.limits();
        let bounds = Bounds::new(self.kind, limits.wall_seconds, limits.output_bytes);
        let Some(host) = self.host.as_mut() else { return failed(line.stages().len(), "its host is gone") };
        let running = Running { id, out: &self.out, input, bounds };
        running.until_over(host, pipes.stdout, pipes.stderr, inbound, command).await
    }

    /// Says that the line runs, and gives the programs what the command wrote. A client that has gone is noticed
    /// where the line is waited for.
    async fn announce(&self, id: LineId, wants_input: bool, answer: Option<Answer>, input: &mut Input) {
        let accepted = Accepted { line_id: id.0, terminal: false, reads_stdin: wants_input };
        let _gone = self.out.send(Reply::Accepted(accepted)).await;
        if wants_input {
            let _gone = self.out.send(Reply::StdinCredit(StdinCredit { bytes: FIRST_CREDIT })).await;
        }
        if let Some(answer) = answer {
            if !answer.stderr.is_empty() {
                let _gone = self.out.send(Stream::Err.message(answer.stderr)).await;
            }
            input.feed(&answer.stdout);
            input.end();
        }
    }
}

/// A line of which nothing ran.
fn failed(stages: usize, why: &str) -> Ended {
    let unknown = vec![StageStatus::Unknown("never started".to_owned()); stages];
    let mut outcome = outcome(End::Failed(why.to_owned()), unknown);
    outcome.exit_code = ExitCode::General.number();
    Ended { outcome, failure: why.to_owned(), over: None }
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
