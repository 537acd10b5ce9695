//! `cluster`: who keeps the journal.

use super::{Command, Descriptor, Effect};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "cluster",
    aliases: &[],
    about: "show the members of the journal",
    long: "Its name, its members, which of them leads, how far each has come, and how many nodes are connected.",
    examples: &[("cluster", "who keeps the journal")],
    effect: Effect::Read,
    arguments: |command| command,
    build: |_| Ok(Command::Cluster),
};
