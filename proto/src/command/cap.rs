//! `cap`: what a node has.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::model::NodeName;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "cap",
    aliases: &[],
    about: "show what a node has: processors, memory, GPUs and their health, network, disks, kernel",
    long: "As the node's kernel knows it at this moment. A GPU is degraded where no driver has it, where PCI Express \
           counts errors that were not corrected, or where its driver reported failing memory or links, as far back \
           as the kernel's log goes.",
    examples: &[("cap", "what this node has"), ("cap node042", "what another has, from a workstation")],
    effect: Effect::Read,
    arguments: CapArguments::augment_args,
    build: |matches| CapArguments::from_arg_matches(matches).map(Command::Cap),
};

/// `cap`
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct CapArguments {
    /// which node; this one unless said otherwise
    #[arg(value_name = "NODE")]
    pub node: Option<NodeName>,
}
