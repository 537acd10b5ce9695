//! `status`: how the node is.

use super::{Command, Descriptor, Effect, Where};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "status",
    aliases: &[],
    about: "show the state of this node",
    long: "State, vCluster, policy, records, which layers of the sandbox hold, and what is degraded.",
    examples: &[("status", "the state of this node")],
    effect: Effect::Read,
    answered: Where::Node,
    arguments: |command| command,
    build: |_| Ok(Command::Status),
};
