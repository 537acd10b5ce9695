//! `health`: what is wrong, in one screen.

use super::{Command, Descriptor, Effect};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "health",
    aliases: &[],
    about: "show what is wrong with the journal and the nodes that you may see",
    long: "One line a finding, and one that says so where there is none. Its status is 0 where all is well, and 1 where \
           something is not.",
    examples: &[("health", "whether all is well")],
    effect: Effect::Read,
    arguments: |command| command,
    build: |_| Ok(Command::Health),
};
