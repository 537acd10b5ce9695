//! `shell`: the prompt of another node.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::model::NodeName;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "shell",
    aliases: &[],
    about: "the prompt of another node, from a workstation",
    long: "The same prompt as on the node itself: lines are edited here, and read, judged, recorded and run there.",
    examples: &[("shell node042", "the prompt of node042")],
    effect: Effect::Read,
    arguments: ShellArguments::augment_args,
    build: |matches| ShellArguments::from_arg_matches(matches).map(Command::Shell),
};

/// `shell`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct ShellArguments {
    /// which node
    #[arg(value_name = "NODE")]
    pub node: NodeName,
}
