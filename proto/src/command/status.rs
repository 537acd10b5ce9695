//! `status`: how a node is.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect, Where};
use crate::model::NodeName;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "status",
    aliases: &[],
    about: "show the state of a node",
    long: "State, vCluster, policy, records, which layers of the sandbox hold, and what is degraded. On a node it is \
           this one, and needs no journal.",
    examples: &[("status", "the state of this node"), ("status node042", "that of another, from a workstation")],
    effect: Effect::Read,
    answered: Where::Node,
    arguments: StatusArguments::augment_args,
    build: |matches| StatusArguments::from_arg_matches(matches).map(Command::Status),
};

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct StatusArguments {
    /// which node; this one unless said otherwise
    #[arg(value_name = "NODE")]
    pub node: Option<NodeName>,
}
