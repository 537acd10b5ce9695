//! The way of one line at the journal: read, judge, record, answer, outcome.

use std::time::Instant;

use pact_policy::{Judged, Permitted, judge_at_journal, judge_for_node};
use pact_proto::command::{Command, StatusArguments};
use pact_proto::exit::ExitCode;
use pact_proto::grammar::{self, CommandStage, ExpandedHead, Line, Unreadable};
use pact_proto::model::LineId;
use pact_proto::model::entry::{Body, End, LineOutcome, LineRecorded, StageKind, StageRecord, StageStatus, Written};
use pact_proto::wire::v1;
use pact_proto::wire::v1::line::Form;
use pact_proto::wire::v1::server_message::Kind as Reply;
use prost::Message;
use sha2::{Digest, Sha256};

use super::inbound::Inbound;
use super::{Asker, Over, Refusal, Session};

/// A line that is over.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) code: u8,
    /// Empty unless the journal itself failed or cut the line short.
    pub(super) failure: String,
    /// Bytes that were written.
    pub(super) bytes: u64,
    pub(super) over: Option<Over>,
}

impl Session<'_> {
    pub(super) async fn line(&mut self, wire: v1::Line, inbound: &mut Inbound) -> Result<(), Over> {
        let id = LineId(wire.id);
        if id.0 != self.last_line.0 + 1 {
            return Err(Over::Protocol("lines are numbered one by one"));
        }
        self.last_line = id;
        let hash: [u8; 32] = Sha256::digest(wire.encode_to_vec()).into();
        let form = wire.form.ok_or(Over::Protocol("a line without words"))?;
        match self.read(form) {
            Ok(permitted) => self.permitted(id, hash, &permitted, inbound).await,
            Err(refusal) => self.refuse(id, hash, refusal).await,
        }
    }

    fn read(&self, form: Form) -> Result<Permitted, Refusal> {
        let parsed = match form {
            Form::Text(text) => grammar::parse(Line::new(text)),
            Form::Words(words) => grammar::parse_words(words.words),
        };
        let parsed = parsed.map_err(|unreadable| Refusal::unreadable(&unreadable))?;
        if parsed.has_patterns() {
            let (line, message) = (parsed.line().as_bytes().to_vec(), "patterns: the journal has no files".to_owned());
            let hint = "quote the word, or type it on a node".to_owned();
            return Err(Refusal { line, code: ExitCode::General, message, hint, span: None });
        }
        let expanded = parsed.expand(Vec::new()).map_err(|unreadable| Refusal::unreadable(&unreadable))?;
        let line = expanded.line().as_bytes().to_vec();
        let command = match &self.asker {
            Asker::Person(held) => {
                held.lasts().map_err(|ended| {
                    let message = format!("access: the ticket has ended: {ended}");
                    let hint = "open a new session".to_owned();
                    Refusal { line: line.clone(), code: ExitCode::Auth, message, hint, span: None }
                })?;
                match judge_at_journal(&held.identity(), expanded) {
                    Judged::Permitted(permitted) => permitted,
                    Judged::Refused(refused) => {
                        let (code, message, hint) = (refused.code(), refused.message(), refused.hint());
                        let (message, hint) = (message.to_owned(), hint.to_owned());
                        return Err(Refusal { line, code, message, hint, span: refused.span() });
                    }
                }
            }
            // What its people may do, the node has judged.
            Asker::Node(_) => match judge_for_node(expanded) {
                Judged::Permitted(permitted) if is_for_nodes(&permitted) => permitted,
                Judged::Permitted(_) | Judged::Refused(_) => {
                    let message = "session: a node asks for `log` and `watch`".to_owned();
                    return Err(Refusal { line, code: ExitCode::Policy, message, hint: String::new(), span: None });
                }
            },
        };
        match command.line().head() {
            ExpandedHead::Command(stage) if is_answered_here(stage.command()) => Ok(command),
            ExpandedHead::Command(stage) if matches!(stage.command(), Command::Status(_)) => {
                let message = "status: of which node, or of which vCluster?".to_owned();
                let hint = "`status NODE` from a workstation, or `status --vcluster NAME`".to_owned();
                Err(Refusal { line, code: ExitCode::General, message, hint, span: None })
            }
            ExpandedHead::Command(stage) => {
                let message = format!("{}: the journal does not answer it", stage.command().name());
                let hint = "name a node, as in `pact exec NODE -- …`".to_owned();
                Err(Refusal { line, code: ExitCode::Policy, message, hint, span: None })
            }
            // The judgement permits none.
            ExpandedHead::Programs => {
                let message = "programs: the journal starts none".to_owned();
                Err(Refusal { line, code: ExitCode::NotWhitelisted, message, hint: String::new(), span: None })
            }
        }
    }

    async fn permitted(
        &self,
        id: LineId,
        hash: [u8; 32],
        permitted: &Permitted,
        inbound: &mut Inbound,
    ) -> Result<(), Over> {
        let ExpandedHead::Command(stage) = permitted.line().head() else {
            return Err(Over::Protocol("a line without words"));
        };
        let reason = match stage.command() {
            Command::Revoke(revoke) => revoke.message.as_str(),
            Command::Log(_)
            | Command::Status(_)
            | Command::Exec(_)
            | Command::Shell(_)
            | Command::Watch(_)
            | Command::Completions(_)
            | Command::Cluster
            | Command::Health
            | Command::Whoami
            | Command::Help(_)
            | Command::Exit => "",
        };
        self.record(id, Some(hash), reason, Body::Line(recorded(permitted, stage))).await?;
        let accepted = v1::Accepted { line_id: id.0, ..v1::Accepted::default() };
        self.out.send(Reply::Accepted(accepted)).await?;
        let begun = Instant::now();
        let ended = self.answer(id, stage.command(), inbound).await;
        let outcome = LineOutcome {
            end: ended.end,
            stages: vec![StageStatus::Exited(ended.code)],
            duration: begun.elapsed(),
            stdout: Written { bytes: ended.bytes, sha256: None },
            stderr: Written::default(),
            truncated: false,
            exit_code: ended.code,
        };
        self.record(id, None, "", Body::Outcome(outcome)).await?;
        if let Some(over) = ended.over {
            return Err(over);
        }
        self.out.send(Reply::Exit(v1::Exit { line_id: id.0, code: ended.code.into(), failure: ended.failure })).await
    }
}

fn is_for_nodes(permitted: &Permitted) -> bool {
    match permitted.line().head() {
        ExpandedHead::Command(stage) => matches!(stage.command(), Command::Log(_) | Command::Watch(_)),
        ExpandedHead::Programs => false,
    }
}

/// Whether the journal is the one to ask.
fn is_answered_here(command: &Command) -> bool {
    match command {
        Command::Log(_)
        | Command::Watch(_)
        | Command::Cluster
        | Command::Health
        | Command::Revoke(_)
        | Command::Whoami
        | Command::Help(_)
        | Command::Exit
        | Command::Status(StatusArguments { vcluster: Some(_), .. }) => true,
        Command::Status(StatusArguments { vcluster: None, .. })
        | Command::Completions(_)
        | Command::Exec(_)
        | Command::Shell(_) => false,
    }
}

fn recorded(permitted: &Permitted, stage: &CommandStage) -> LineRecorded {
    let command = StageRecord {
        kind: StageKind::Command(stage.command().name().to_owned()),
        argv: stage.argv().words().to_vec(),
    };
    let line = permitted.line().line().as_bytes().to_vec();
    LineRecorded { line, stages: vec![command], expansions: Vec::new() }
}

impl Refusal {
    fn unreadable(unreadable: &Unreadable) -> Self {
        Self {
            line: unreadable.line().as_bytes().to_vec(),
            code: ExitCode::General,
            message: unreadable.message(),
            hint: unreadable.hint(),
            span: Some(unreadable.span()),
        }
    }
}
