//! The way of one line at the journal: read, judge, record, answer, outcome.

use std::time::Instant;

use pact_files::failpoint;
use pact_policy::{Judged, Permitted, judge_at_journal, judge_for_node};
use pact_proto::command::{Command, PolicyArguments, PolicyQuestion, StatusArguments};
use pact_proto::exit::ExitCode;
use pact_proto::grammar::{self, CommandStage, ExpandedHead, Line};
use pact_proto::model::LineId;
use pact_proto::model::entry::{Body, End, LineOutcome, LineRecorded, StageKind, StageRecord, StageStatus, Written};
use pact_proto::wire::v1;
use pact_proto::wire::v1::line::Form;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_session::Refusal;
use prost::Message;
use sha2::{Digest, Sha256};

use super::inbound::Inbound;
use super::{Asker, Over, Session};

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
            let (message, hint) = ("patterns: the journal has no files", "quote the word, or type it on a node");
            return Err(Refusal::new(parsed.line().as_bytes(), ExitCode::General, message, hint));
        }
        let expanded = parsed.expand(Vec::new()).map_err(|unreadable| Refusal::unreadable(&unreadable))?;
        let judged = match &self.asker {
            Asker::Person(held) => {
                let line = expanded.line().as_bytes();
                held.lasts().map_err(|ended| Refusal::outlived(line, &ended))?;
                judge_at_journal(&held.identity(), expanded)
            }
            // What its people may do, the node has judged.
            Asker::Node(_) => judge_for_node(expanded),
        };
        let permitted = match (judged, &self.asker) {
            (Judged::Permitted(permitted), _) => permitted,
            (Judged::Refused(refused), Asker::Person(_)) => return Err(Refusal::judged(&refused)),
            (Judged::Refused(refused), Asker::Node(_)) => return Err(not_for_nodes(refused.line().line().as_bytes())),
        };
        self.possible(permitted)
    }

    /// What is allowed may still not be the journal's to answer.
    fn possible(&self, permitted: Permitted) -> Result<Permitted, Refusal> {
        let line = permitted.line().line().as_bytes();
        let command = match (permitted.line().head(), &self.asker) {
            (ExpandedHead::Command(stage), Asker::Person(_)) => stage.command(),
            (ExpandedHead::Command(stage), Asker::Node(_))
                if matches!(stage.command(), Command::Log(_) | Command::Watch(_)) =>
            {
                stage.command()
            }
            (ExpandedHead::Command(_) | ExpandedHead::Programs, _) => return Err(not_for_nodes(line)),
        };
        match command {
            Command::Log(_)
            | Command::Watch(_)
            | Command::Cluster
            | Command::Health
            | Command::Revoke(_)
            | Command::Whoami
            | Command::Help(_)
            | Command::Exit
            | Command::Status(StatusArguments { vcluster: Some(_), .. }) => Ok(permitted),
            Command::Status(StatusArguments { vcluster: None, .. }) => {
                let message = "status: of which node, or of which vCluster?";
                let hint = "`status NODE` from a workstation, or `status --vcluster NAME`";
                Err(Refusal::new(line, ExitCode::General, message, hint))
            }
            Command::Cap(_) => {
                let hint = "`cap NODE` from a workstation";
                Err(Refusal::new(line, ExitCode::General, "cap: of which node?", hint))
            }
            Command::Doctor(_) => {
                let hint = "`doctor NODE` from a workstation";
                Err(Refusal::new(line, ExitCode::General, "doctor: of which node?", hint))
            }
            Command::Policy(PolicyArguments { asked: PolicyQuestion::Matrix }) => Ok(permitted),
            Command::Policy(_) => {
                let hint = "`pact exec NODE -- policy explain LINE`: lines are judged by the node that they are for";
                Err(Refusal::new(line, ExitCode::General, "policy: of which node?", hint))
            }
            Command::Completions(_) | Command::Exec(_) | Command::Shell(_) => {
                let message = format!("{}: the journal does not answer it", command.name());
                Err(Refusal::new(line, ExitCode::Policy, message, "name a node, as in `pact exec NODE -- …`"))
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
        let reason = if let Command::Revoke(revoke) = stage.command() { revoke.message.as_str() } else { "" };
        if let Err(why) = self.record(id, Some(hash), reason, Body::Line(recorded(permitted, stage))).await {
            return Err(self.not_on_record(id, &why).await);
        }
        failpoint::hit("after-record");
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
        failpoint::hit("before-outcome");
        let on_record = self.record(id, None, "", Body::Outcome(outcome)).await;
        if let (Err(why), None) = (on_record, &ended.over) {
            let text = format!("how the line ended is not on record: {why}");
            self.out.send(Reply::Notice(v1::Notice { text })).await?;
            return Err(Over::Unrecorded);
        }
        if let Some(over) = ended.over {
            return Err(over);
        }
        let exit = v1::Exit { line_id: id.0, code: ended.code.into(), failure: ended.failure, stdin_read: 0 };
        Ok(self.out.send(Reply::Exit(exit)).await?)
    }
}

fn not_for_nodes(line: &[u8]) -> Refusal {
    Refusal::new(line, ExitCode::Policy, "session: a node asks for `log` and `watch`", "")
}

fn recorded(permitted: &Permitted, stage: &CommandStage) -> LineRecorded {
    let command = StageRecord {
        kind: StageKind::Command(stage.command().name().to_owned()),
        argv: stage.argv().words().to_vec(),
    };
    let line = permitted.line().line().as_bytes().to_vec();
    LineRecorded { line, stages: vec![command], expansions: Vec::new() }
}
