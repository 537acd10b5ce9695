//! Why a line would be judged as it would be.
//!
//! **Invariant:** the verdict is `judge`'s own, of the same line, and then whoever runs lines has a word; what is said of
//! the stages explains it and decides nothing.

use pact_proto::command::{self, Effect};
use pact_proto::exit::ExitCode;
use pact_proto::grammar::{self, Argv, Expanded, ExpandedHead, Line};
use pact_proto::program::Program;
use pact_proto::view::{ExplainedStage, Explanation};

use crate::identity::{Identity, Standing};
use crate::judgement::{Judged, Permitted, Place, judge};
use crate::matrix::{may_start, may_use};
use crate::policy::{Audit, Policy};
use crate::whitelist::Whitelist;

/// As if this somebody had typed it. File patterns stand for themselves: nothing is looked up. `objection` is what stands
/// in the way of a line that is permitted: a code, a sentence, and what to do.
pub fn explain(
    (policy, whitelist): (&Policy, &Whitelist),
    identity: &Identity,
    place: &Place,
    typed: &[u8],
    objection: impl FnOnce(Permitted) -> Option<(ExitCode, String, String)>,
) -> Explanation {
    let unreadable = |message: &str, hint: &str| Explanation {
        line: typed.to_vec(),
        stages: Vec::new(),
        code: ExitCode::General.number(),
        verdict: format!("it cannot be read: {message}"),
        hint: hint.to_owned(),
    };
    let parsed = match grammar::parse(Line::new(typed)) {
        Ok(parsed) => parsed,
        Err(bad) => return unreadable(&bad.message(), &bad.hint()),
    };
    let found = parsed.patterns().iter().map(|pattern| vec![pattern.as_typed().to_vec()]).collect();
    let line = match parsed.expand(found) {
        Ok(line) => line,
        Err(bad) => return unreadable(&bad.message(), &bad.hint()),
    };
    let rules = Rules { policy, whitelist, standing: identity.standing(place), place };
    let stages = rules.stages(&line);
    let refused = |code: ExitCode, message: &str, hint: &str| {
        (code, format!("it would be refused with {}: {message}", code.number()), hint.to_owned())
    };
    let (code, verdict, hint) = match judge(policy, whitelist, identity, place, line) {
        Judged::Permitted(permitted) => {
            let effect = permitted.effect();
            let audit = match policy.audit() {
                Audit::Local => "",
                Audit::Quorum => ", once the journal has it on record",
            };
            match objection(permitted) {
                None => (ExitCode::Success, format!("it would run: it {}{audit}", does(effect)), String::new()),
                Some((code, message, hint)) => refused(code, &message, &hint),
            }
        }
        Judged::Refused(why) => refused(why.code(), why.message(), why.hint()),
    };
    Explanation { line: typed.to_vec(), stages, code: code.number(), verdict, hint }
}

/// What a judgement goes by.
struct Rules<'a> {
    policy: &'a Policy,
    whitelist: &'a Whitelist,
    standing: Standing,
    place: &'a Place,
}

impl Rules<'_> {
    fn stages(&self, line: &Expanded) -> Vec<ExplainedStage> {
        let command = match line.head() {
            ExpandedHead::Command(stage) => Some(self.command(stage.command().name())),
            ExpandedHead::Programs => None,
        };
        command.into_iter().chain(line.stages().iter().map(|argv| self.program(argv))).collect()
    }

    fn command(&self, name: &str) -> ExplainedStage {
        let does = command::find(name).map_or("does nothing", |descriptor| does(descriptor.effect));
        let is_allowed = may_use(self.standing, name);
        let why = format!("a command of pact, which {does}; {}", self.role(is_allowed));
        ExplainedStage { name: name.as_bytes().to_vec(), is_allowed, why }
    }

    fn program(&self, argv: &Argv) -> ExplainedStage {
        let (is_allowed, why) = match self.whitelist.get(argv.name()) {
            None => (false, "no file of the whitelist knows it".to_owned()),
            Some(program) if !self.policy.is_enabled(program.name()) => {
                (false, format!("{}.toml knows it, and the policy takes it away here", program.name()))
            }
            Some(program) => self.arguments(program, argv),
        };
        ExplainedStage { name: argv.name().to_vec(), is_allowed, why }
    }

    fn arguments(&self, program: &Program, argv: &Argv) -> (bool, String) {
        let file = format!("{}.toml", program.name());
        match program.schema().match_argv(argv.words()) {
            Err(error) => {
                let word = argv.words().get(error.index).map(|word| grammar::quote(word)).unwrap_or_default();
                (false, format!("no form in {file} has it: word {} ({word}): {}", error.index, error.message()))
            }
            Ok(found) => {
                let asked = self.policy.service_ai_may_start_programs();
                let is_allowed = may_start(self.standing, found.effect, asked);
                let forms = program.schema().forms().len();
                let form = if forms == 1 { String::new() } else { format!("form {} of {forms} in ", found.form + 1) };
                let does = does(found.effect);
                (is_allowed, format!("{form}{file}, which {does}; {}", self.role(is_allowed)))
            }
        }
    }

    fn role(&self, is_allowed: bool) -> String {
        let may = if is_allowed { "may" } else { "may not" };
        format!("{} on {} {may} do that", self.standing.name(), self.place.vcluster)
    }
}

fn does(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "reads",
        Effect::Change => "changes what can be changed back",
        Effect::Destructive => "changes what cannot be changed back",
    }
}
