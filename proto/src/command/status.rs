//! `status`: how a node is.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::model::{NodeName, VCluster};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "status",
    aliases: &[],
    about: "show the state of a node, or of all nodes of a vCluster",
    long: "State, vCluster, policy, records, which layers of the sandbox hold, and what is degraded. On a node it is \
           this one, and needs no journal. Of a vCluster it is a table, worst first, as the journal heard it last.",
    examples: &[
        ("status", "the state of this node"),
        ("status node042", "that of another, from a workstation"),
        ("status --vcluster ml", "all nodes of a vCluster, from a workstation"),
    ],
    effect: Effect::Read,
    arguments: StatusArguments::augment_args,
    build: |matches| StatusArguments::from_arg_matches(matches).map(Command::Status),
};

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct StatusArguments {
    /// which node; this one unless said otherwise
    #[arg(value_name = "NODE", conflicts_with = "vcluster")]
    pub node: Option<NodeName>,
    /// all nodes of this vCluster
    #[arg(long, value_name = "VCLUSTER")]
    pub vcluster: Option<VCluster>,
}
