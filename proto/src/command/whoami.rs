//! `whoami`: who one is to pact.

use super::{Command, Descriptor, Effect};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "whoami",
    aliases: &[],
    about: "show who you are to pact",
    long: "The principal that your lines are recorded under, how it was verified, and its roles.",
    examples: &[("whoami", "who you are, and your roles")],
    effect: Effect::Read,
    arguments: |command| command,
    build: |_| Ok(Command::Whoami),
};
