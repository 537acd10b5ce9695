//! The judgement: is this somebody allowed to do this, here?
//!
//! **Invariant:** all stages are judged before any is permitted; the order of the questions is fixed, so that a
//! refusal tells nothing that the one who asked may not know. The argv that is judged is the argv in `Permitted`.

use std::ops::Range;

use pact_proto::command::{self, Command, Effect};
use pact_proto::exit::ExitCode;
use pact_proto::grammar::{Argv, Expanded, ExpandedHead, quote};
use pact_proto::model::{NodeName, ProgramName, VCluster};
use pact_proto::program::{ArgumentError, Match, Program};
use pact_proto::view::{escape, near};

use crate::identity::{Identity, Standing};
use crate::matrix::{may_see, may_start, may_use};
use crate::policy::Policy;
use crate::whitelist::Whitelist;

/// Which node, in which vCluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeName,
    /// Its vCluster.
    pub vcluster: VCluster,
}

/// A verdict.
#[derive(Clone, Debug)]
pub enum Judged {
    /// It may be recorded and run.
    Permitted(Permitted),
    /// It may be recorded.
    Refused(Refused),
}

/// A line that may run. Only `judge` makes one:
///
/// ```compile_fail,E0451
/// # use pact_proto::grammar::{Line, parse};
/// # let line = parse(Line::new("uname")).unwrap().expand(Vec::new()).unwrap();
/// let effect = pact_proto::command::Effect::Read;
/// let forged = pact_policy::Permitted { line, stages: Vec::new(), effect };
/// ```
#[derive(Clone, Debug)]
pub struct Permitted {
    line: Expanded,
    stages: Vec<PlannedStage>,
    effect: Effect,
}

/// One program of it.
#[derive(Clone, Debug)]
pub struct PlannedStage {
    /// Its name in the whitelist.
    pub program: ProgramName,
    /// What is executed.
    pub argv: Argv,
    /// It reads its standard input.
    pub reads_stdin: bool,
    /// It draws on a terminal.
    pub terminal: bool,
}

impl Permitted {
    /// What was typed, and what it became.
    pub fn line(&self) -> &Expanded {
        &self.line
    }

    /// The programs, in order.
    pub fn stages(&self) -> &[PlannedStage] {
        &self.stages
    }

    /// The most that any part of it does to the node.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Whether the first program reads what the client sends. Behind a command it reads what the command writes.
    pub fn reads_stdin(&self) -> bool {
        match self.line.head() {
            ExpandedHead::Programs => self.stages.first().is_some_and(|stage| stage.reads_stdin),
            ExpandedHead::Command(_) => false,
        }
    }
}

/// A line that may not run.
#[derive(Clone, Debug)]
pub struct Refused {
    line: Expanded,
    verdict: Verdict,
}

#[derive(Clone, Debug)]
struct Verdict {
    code: ExitCode,
    message: String,
    hint: String,
    span: Option<Range<usize>>,
}

impl Refused {
    /// What was typed, and what it became.
    pub fn line(&self) -> &Expanded {
        &self.line
    }

    /// 2 or 6.
    pub fn code(&self) -> ExitCode {
        self.verdict.code
    }

    /// `<what>: <why>`, to the person; the same goes on record.
    pub fn message(&self) -> &str {
        &self.verdict.message
    }

    /// What to do; may be empty.
    pub fn hint(&self) -> &str {
        &self.verdict.hint
    }

    /// Which bytes of the line it is about.
    pub fn span(&self) -> Option<Range<usize>> {
        self.verdict.span.clone()
    }
}

/// Judges a line.
pub fn judge(policy: &Policy, whitelist: &Whitelist, identity: &Identity, place: &Place, line: Expanded) -> Judged {
    let judge = Judge { policy, whitelist, standing: identity.standing(place), line: &line };
    match judge.line() {
        Ok((stages, effect)) => Judged::Permitted(Permitted { line, stages, effect }),
        Err(verdict) => Judged::Refused(Refused { line, verdict }),
    }
}

/// Judges a line at the journal, which starts no program and is of no vCluster. What the command shows is for `Sight`.
pub fn judge_at_journal(identity: &Identity, line: Expanded) -> Judged {
    journal(identity.standing_anywhere(), line)
}

/// The same for what a node passes on: it may no more than its own root, who is no person.
pub fn judge_for_node(line: Expanded) -> Judged {
    journal(Standing::Root, line)
}

fn journal(standing: Standing, line: Expanded) -> Judged {
    match at_journal(standing, &line) {
        Ok(effect) => Judged::Permitted(Permitted { line, stages: Vec::new(), effect }),
        Err(verdict) => Judged::Refused(Refused { line, verdict }),
    }
}

fn at_journal(standing: Standing, line: &Expanded) -> Result<Effect, Verdict> {
    let (ExpandedHead::Command(stage), []) = (line.head(), line.stages()) else {
        return Err(Verdict {
            code: ExitCode::NotWhitelisted,
            message: "programs: the journal starts none".to_owned(),
            hint: "type it on a node, as in `pact shell NODE`".to_owned(),
            span: line.span(0, 0),
        });
    };
    may_command(standing, stage.command(), "here")
}

fn may_command(standing: Standing, command: &Command, place: &str) -> Result<Effect, Verdict> {
    let name = command.name();
    match command::find(name) {
        Some(descriptor) if may_use(standing, name) => Ok(descriptor.effect),
        Some(_) | None => Err(auth(&format!("{name}: you may not use it {place}"))),
    }
}

/// Whether what others saw on the terminals of a node is for this person.
pub fn may_see_others(identity: &Identity, place: &Place) -> bool {
    may_see(identity.standing(place))
}

/// How the reason ends where no file of the whitelist knows a program; before it stands the name.
pub const NOT_WHITELISTED: &str = ": it is not a whitelisted program";

/// What clients that copy files have a node start: their users see what it says.
const COPYING: &[&str] = &[
    "git-receive-pack",
    "git-upload-archive",
    "git-upload-pack",
    "internal-sftp",
    "rsync",
    "scp",
    "sftp",
    "sftp-server",
];
const NO_COPYING: &str =
    "no files are copied to or from this node: `pact exec NODE -- cat FILE` at a workstation shows one";

struct Judge<'a> {
    policy: &'a Policy,
    whitelist: &'a Whitelist,
    standing: Standing,
    line: &'a Expanded,
}

impl Judge<'_> {
    fn line(&self) -> Result<(Vec<PlannedStage>, Effect), Verdict> {
        let mut effect = Effect::Read;
        if let ExpandedHead::Command(stage) = self.line.head() {
            effect = effect.max(may_command(self.standing, stage.command(), "on this node")?);
        }
        let asked = self.policy.service_ai_may_start_programs();
        if !self.line.stages().is_empty() && !may_start(self.standing, Effect::Read, asked) {
            return Err(auth("programs: you may not start programs on this node"));
        }
        let mut stages = Vec::with_capacity(self.line.stages().len());
        for (index, argv) in self.line.stages().iter().enumerate() {
            let program = self.program(index, argv)?;
            let found = program.schema().match_argv(argv.words()).map_err(|e| self.argument(index, program, &e))?;
            stages.push((index, program, argv, found));
        }
        for (index, program, _, found) in &stages {
            self.effect(*index, program, *found)?;
            effect = effect.max(found.effect);
        }
        let planned = |(_, program, argv, found): (usize, &Program, &Argv, Match)| PlannedStage {
            program: program.name().clone(),
            argv: argv.clone(),
            reads_stdin: found.reads_stdin,
            terminal: found.terminal,
        };
        Ok((stages.into_iter().map(planned).collect(), effect))
    }

    fn program(&self, index: usize, argv: &Argv) -> Result<&Program, Verdict> {
        let found = self.whitelist.get(argv.name()).filter(|program| self.policy.is_enabled(program.name()));
        found.ok_or_else(|| {
            let (message, hint) = self.not_a_program(argv);
            Verdict { code: ExitCode::NotWhitelisted, message, hint, span: self.line.span(index, 0) }
        })
    }

    /// What to say of a name that is not a program for this somebody.
    fn not_a_program(&self, argv: &Argv) -> (String, String) {
        let shown = spelled_out(argv.name());
        let typed = String::from_utf8_lossy(argv.name());
        if command::find(&typed).is_some() {
            return (format!("{shown}: a command of pact can only come first in a line"), String::new());
        }
        let commands = command::TABLE.iter().map(|descriptor| descriptor.name);
        if typed == "pact" {
            let Some(word) = argv.words().get(1) else {
                return ("pact: you are in it already".to_owned(), hint(&[]));
            };
            let message = format!("pact: {} is not one of its commands", spelled_out(word));
            return (message, hint(&near(&String::from_utf8_lossy(word), commands)));
        }
        let enabled = self.whitelist.programs().map(Program::name).filter(|name| self.policy.is_enabled(name));
        let names = enabled.map(ProgramName::as_str).chain(commands);
        // A name is never a path; who types one means what stands behind its last slash.
        let meant = typed.rsplit('/').next().unwrap_or_default();
        if COPYING.contains(&meant) {
            return (format!("{shown}{NOT_WHITELISTED}"), NO_COPYING.to_owned());
        }
        (format!("{shown}{NOT_WHITELISTED}"), hint(&near(meant, names)))
    }

    fn argument(&self, index: usize, program: &Program, error: &ArgumentError) -> Verdict {
        let hint = match error.nearest() {
            [] => format!("`help {}` lists what is allowed", program.name()),
            found => format!("did you mean {}?", found.join(" or ")),
        };
        Verdict {
            code: ExitCode::NotWhitelisted,
            message: format!("{}: {}", program.name(), error.message()),
            hint,
            span: self.line.span(index, error.index).or_else(|| self.line.span(index, 0)),
        }
    }

    fn effect(&self, index: usize, program: &Program, found: Match) -> Result<(), Verdict> {
        let asked = self.policy.service_ai_may_start_programs();
        if may_start(self.standing, found.effect, asked) {
            return Ok(());
        }
        let why = match self.standing {
            Standing::Regulated => "a change needs a second person, and none can be asked on this node",
            Standing::PlatformAdmin
            | Standing::Ops
            | Standing::Viewer
            | Standing::ServiceAi
            | Standing::Root
            | Standing::Stranger => "your role may only read",
        };
        let mut verdict = auth(&format!("{}: {why}", program.name()));
        verdict.span = self.line.span(index, 0);
        Err(verdict)
    }
}

/// Near names, or where to look.
fn hint(near: &[&str]) -> String {
    match near {
        [] => "`help` lists what there is".to_owned(),
        names => format!("did you mean {}?", names.join(" or ")),
    }
}

fn auth(message: &str) -> Verdict {
    let hint = "`whoami` shows your roles".to_owned();
    Verdict { code: ExitCode::Auth, message: message.to_owned(), hint, span: None }
}

/// A name as it was typed; characters that look like others get their code point.
fn spelled_out(name: &[u8]) -> String {
    let shown = match std::str::from_utf8(name) {
        Ok(_) => escape(quote(name).as_bytes()),
        Err(_) => escape(name),
    };
    let odd: Vec<String> = String::from_utf8_lossy(name)
        .chars()
        .filter(|c| !c.is_ascii())
        .map(|c| format!("U+{:04X}", u32::from(c)))
        .collect();
    if odd.is_empty() { shown } else { format!("{shown} ({})", odd.join(" ")) }
}
