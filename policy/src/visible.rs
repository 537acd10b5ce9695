//! What somebody may name: for help, hints and completion.

use pact_proto::command::{Effect, TABLE};
use pact_proto::program::Program;

use crate::identity::Identity;
use crate::judgement::Place;
use crate::matrix::{may_start, may_use};
use crate::policy::Policy;
use crate::whitelist::Whitelist;

/// Commands and programs.
#[derive(Clone, Debug)]
pub struct Visible<'a> {
    /// Names of pact's commands.
    pub commands: Vec<&'static str>,
    /// Programs that have a form for them.
    pub programs: Vec<&'a Program>,
}

impl Identity {
    /// Names of pact's commands that this somebody may use at the journal.
    pub fn commands_at_journal(&self) -> Vec<&'static str> {
        let standing = self.standing_anywhere();
        TABLE.iter().map(|descriptor| descriptor.name).filter(|name| may_use(standing, name)).collect()
    }
}

impl Policy {
    /// What this somebody may name on this node.
    pub fn visible<'a>(&self, identity: &Identity, place: &Place, whitelist: &'a Whitelist) -> Visible<'a> {
        let standing = identity.standing(place);
        let asked = self.service_ai_may_start_programs();
        let commands = TABLE.iter().map(|descriptor| descriptor.name).filter(|name| may_use(standing, name)).collect();
        let startable = |program: &&Program| {
            self.is_enabled(program.name())
                && program.schema().forms().iter().any(|form| may_start(standing, form.effect, asked))
        };
        Visible { commands, programs: whitelist.programs().filter(startable).collect() }
    }

    /// Whether they may start any program at all.
    pub fn may_start_programs(&self, identity: &Identity, place: &Place) -> bool {
        may_start(identity.standing(place), Effect::Read, self.service_ai_may_start_programs())
    }
}
