//! The way of one line: read, expand, judge, record, run, outcome.

use std::time::Instant;

use pact_policy::{Judged, Permitted, PlannedStage, judge};
use pact_proto::command::{CapArguments, Command, DoctorArguments, StatusArguments};
use pact_proto::exit::ExitCode;
use pact_proto::grammar::{self, Expanded, ExpandedHead, Line, Parsed};
use pact_proto::model::entry::{Body, LineOutcome};
use pact_proto::model::{LineId, NodeName};
use pact_proto::view::Format;
use pact_proto::wire::v1::line::Form;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{self};
use prost::Message;
use sha2::{Digest, Sha256};

use super::inbound::Inbound;
use super::pipeline::{cut_short, failed};
use super::recorded::{Recorded, Unrecorded};
use super::{Over, Refusal, Session};
use pact_files::failpoint;

/// It ends by itself where all fits on the screen, shows colours, and leaves what was read where it is.
const PAGER: [&str; 2] = ["less", "-FRX"];

/// A line that is over: what goes on record, what the person is told beside the status, and whether the session
/// goes on.
pub(super) struct Ended {
    pub(super) outcome: LineOutcome,
    /// Empty unless pact itself failed or cut the line short.
    pub(super) failure: String,
    pub(super) over: Option<Over>,
    /// Of a line that had the terminal: how much of what was typed was read.
    pub(super) stdin_read: u64,
}

/// A line whose patterns did not become words, and whether that ends the session.
pub(super) struct Unexpanded {
    pub(super) refusal: Refusal,
    pub(super) over: Option<Over>,
}

impl From<Refusal> for Unexpanded {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, over: None }
    }
}

impl Session<'_> {
    pub(super) async fn line(&mut self, wire: v1::Line, inbound: &mut Inbound) -> Result<(), Over> {
        let id = LineId(wire.id);
        if id.0 != self.last_line.0 + 1 {
            return Err(Over::Protocol("lines are numbered one by one"));
        }
        self.last_line = id;
        if let Some(size) = inbound.size() {
            self.style.columns = size.columns;
        }
        let hash: [u8; 32] = Sha256::digest(wire.encode_to_vec()).into();
        let parsed = match wire.form.ok_or(Over::Protocol("a line without words"))? {
            Form::Text(text) => grammar::parse(Line::new(text)),
            Form::Words(words) => grammar::parse_words(words.words),
        };
        let parsed = parsed.map_err(|unreadable| Refusal::unreadable(&unreadable));
        let judged = match parsed.and_then(|parsed| self.in_time(parsed)) {
            Ok(parsed) => match self.expand(id, parsed, inbound).await {
                Ok(expanded) => self.judge(expanded),
                Err(Unexpanded { refusal, over: None }) => Err(refusal),
                Err(Unexpanded { refusal, over: Some(over) }) => {
                    self.record_refusal(id, hash, &refusal).await?;
                    return Err(over);
                }
            },
            Err(refusal) => Err(refusal),
        };
        match judged {
            Ok(permitted) => self.permitted(id, hash, permitted, inbound).await,
            Err(refusal) => self.refuse(id, hash, refusal).await,
        }
    }

    /// Lines that cannot be read are slowed down with other refusals, and do not count here.
    fn in_time(&self, parsed: Parsed) -> Result<Parsed, Refusal> {
        let most = self.node.policy.limits().lines_per_minute;
        match self.node.rate.count(&self.who, most, Instant::now()) {
            Ok(()) => Ok(parsed),
            Err(wait) => {
                let message = format!("lines: you sent more than {most} in a minute");
                let hint = format!("there is room again in {} s", wait.as_secs() + 1);
                Err(Refusal::new(parsed.line().as_bytes(), ExitCode::General, message, hint))
            }
        }
    }

    /// File patterns become words in the session's own sandbox; a line without any needs none.
    async fn expand(&mut self, id: LineId, parsed: Parsed, inbound: &mut Inbound) -> Result<Expanded, Unexpanded> {
        let words = match parsed.has_patterns() {
            true if !self.node.spool.has_room() => return Err(no_room(parsed.line().as_bytes()).into()),
            true => self.expand_patterns(id, &parsed, inbound).await?,
            false => Vec::new(),
        };
        parsed.expand(words).map_err(|unreadable| Refusal::unreadable(&unreadable).into())
    }

    fn judge(&self, expanded: Expanded) -> Result<Permitted, Refusal> {
        let node = self.node;
        if let Some(Err(ended)) = self.proof.ticket().map(|held| held.lasts()) {
            return Err(Refusal::outlived(expanded.line().as_bytes(), &ended));
        }
        let judged = |expanded| match judge(&node.policy, &node.whitelist, &self.identity(), &node.place, expanded) {
            Judged::Permitted(permitted) => self.possible(permitted),
            Judged::Refused(refused) => Err(Refusal::judged(&refused)),
        };
        let paged = self.pages(&expanded).then(|| judged(expanded.clone().paged(&PAGER)).ok()).flatten();
        let plain = judged(expanded)?;
        // Whatever stands in the way of a pager, the command is answered without it.
        Ok(paged.filter(|paged| self.need(paged) == self.need(&plain)).unwrap_or(plain))
    }

    /// Whether somebody would like to read the answer page by page.
    fn pages(&self, expanded: &Expanded) -> bool {
        let is_long = match expanded.head() {
            ExpandedHead::Command(stage) => stage.command().may_be_long() && expanded.stages().is_empty(),
            ExpandedHead::Programs => false,
        };
        is_long && self.has_terminal && self.format == Format::Text && self.node.spool.has_room()
    }

    /// What is allowed may still not be possible on this node, now.
    pub(super) fn possible(&self, permitted: Permitted) -> Result<Permitted, Refusal> {
        let line = permitted.line().line().as_bytes();
        if let ExpandedHead::Command(stage) = permitted.line().head()
            && let Some(message) = elsewhere(stage.command(), &self.node.place.node)
        {
            return Err(Refusal::new(line, ExitCode::Policy, message, "type it on a workstation"));
        }
        if let Some((message, hint)) = self.undrawn(permitted.stages()) {
            return Err(Refusal::new(line, ExitCode::General, message, hint));
        }
        if let (Some(failure), false) = (self.node.sandbox.failures.first(), permitted.stages().is_empty()) {
            let message = format!("sandbox: {failure}");
            return Err(Refusal::new(line, ExitCode::General, message, "`status` says what holds on this node"));
        }
        Ok(permitted)
    }

    /// Why a stage that draws on a terminal has none, and what to type instead. One terminal is for one program, and
    /// keys that two read are lost to both.
    fn undrawn(&self, stages: &[PlannedStage]) -> Option<(String, String)> {
        let (last, before) = stages.split_last()?;
        if let Some(stage) = before.iter().find(|stage| stage.terminal) {
            let message = format!("{}: it draws on a terminal, so it comes last in a line", stage.program);
            return Some((message, self.instead(stage, false)));
        }
        if !last.terminal || self.has_terminal {
            return None;
        }
        let message = format!("{}: it needs a terminal, and there is none here", last.program);
        Some((message, self.instead(last, !before.is_empty())))
    }

    /// What to type in place of a program that draws.
    fn instead(&self, stage: &PlannedStage, is_fed: bool) -> String {
        let program = self.node.whitelist.get(stage.program.as_str().as_bytes());
        let is_plain = program.is_some_and(|program| program.schema().forms().iter().any(|form| !form.terminal));
        match (is_plain, is_fed) {
            (true, _) => format!("see `help {}` for the forms that write plain text", stage.program),
            (false, true) => format!("leave `| {}` out: what comes before it is text", stage.program),
            (false, false) => "type it at a prompt, as in `pact shell NODE`".to_owned(),
        }
    }

    async fn permitted(
        &mut self,
        id: LineId,
        hash: [u8; 32],
        permitted: Permitted,
        inbound: &mut Inbound,
    ) -> Result<(), Over> {
        if let Err(why) = self.expects_journal(self.need(&permitted)) {
            return self.refuse(id, hash, why.refusal(permitted.line().line().as_bytes())).await;
        }
        let ended = match Recorded::write(self, id, hash, permitted, inbound).await? {
            Ok(recorded) => {
                let begun = Instant::now();
                let mut ended = self.run(recorded, inbound).await;
                ended.outcome.duration = begun.elapsed();
                ended
            }
            Err(Unrecorded::NoRoom(line)) => {
                return self.refuse(id, hash, no_room(line.line().line().as_bytes())).await;
            }
            Err(Unrecorded::NoJournal(line, why)) => {
                let mut ended = failed(stages(&line), &why.0);
                ended.outcome.exit_code = ExitCode::Unreachable.number();
                ended
            }
            Err(Unrecorded::Cut(line, cut)) => cut_short(cut, stages(&line)),
        };
        self.finish(id, ended).await
    }

    /// The outcome goes on record before the client is told.
    async fn finish(&self, id: LineId, ended: Ended) -> Result<(), Over> {
        failpoint::hit("before-outcome");
        let code = ended.outcome.exit_code;
        self.record(self.draft(id, None, Body::Outcome(ended.outcome))).await?;
        if let Some(over) = ended.over {
            return Err(over);
        }
        let (failure, stdin_read) = (ended.failure, ended.stdin_read);
        let exit = v1::Exit { line_id: id.0, code: code.into(), failure, stdin_read };
        Ok(self.out.send(Reply::Exit(exit)).await?)
    }
}

/// Of a line: its command, if it has one, and its programs.
pub(super) fn stages(line: &Permitted) -> usize {
    let command = match line.line().head() {
        ExpandedHead::Command(_) => 1,
        ExpandedHead::Programs => 0,
    };
    line.stages().len() + command
}

/// Why a command is not for a node's agent: a session on a node reaches no other node.
fn elsewhere(command: &Command, here: &NodeName) -> Option<String> {
    let name = command.name();
    match command {
        Command::Exec(_) | Command::Shell(_) => Some(format!("{name}: from a node there is no way to another")),
        Command::Status(StatusArguments { node: Some(node), .. }) | Command::Cap(CapArguments { node: Some(node) })
            if node != here =>
        {
            Some(format!("{name}: this is {here}, and from here there is no way to {node}"))
        }
        Command::Status(StatusArguments { vcluster: Some(vcluster), .. }) => {
            Some(format!("{name}: the journal knows the nodes of {vcluster}, and is not asked from a node"))
        }
        Command::Doctor(DoctorArguments { node: Some(node) }) if node != here => {
            Some(format!("{name}: this is {here}, and from here there is no way to {node}"))
        }
        Command::Completions(_) => Some(format!("{name}: it is for the shell of a workstation")),
        Command::Cluster | Command::Health | Command::Revoke(_) => {
            Some(format!("{name}: the journal answers it, and is not asked from a node"))
        }
        Command::Status(_)
        | Command::Cap(_)
        | Command::Doctor(_)
        | Command::Log(_)
        | Command::Policy(_)
        | Command::Watch(_)
        | Command::Whoami
        | Command::Help(_)
        | Command::Exit => None,
    }
}

fn no_room(line: &[u8]) -> Refusal {
    let message = "records: the disk of this node's records is full, so no program starts";
    Refusal::new(line, ExitCode::General, message, "`status`, `log`, `help` and `whoami` still answer")
}
