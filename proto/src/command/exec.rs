//! `exec`: one line on another node, or on many.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::nodeset::NodeSet;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "exec",
    aliases: &[],
    about: "run one line on other nodes, from a workstation",
    long: "What stands behind `--` is the line: words are words, and a single word that holds a pipeline is read like a \
           line at the prompt. Standard input is passed on, output comes as it is written, and the status is the \
           line's. With several nodes every line of output begins with the node it is from, and the status is the \
           worst; sets of nodes are written as in node[001-100,205], @<vCluster>, with , ! & and ^.",
    examples: &[
        ("exec node042 -- dmesg -T", "the kernel's messages of node042"),
        ("exec 'node[001-100]' -b -- uname -r", "which kernels run, equal answers together"),
        ("exec node042 -- 'dmesg | tail -n 5'", "a pipeline, which runs on the node"),
    ],
    effect: Effect::Read,
    arguments: ExecArguments::augment_args,
    build: |matches| ExecArguments::from_arg_matches(matches).map(Command::Exec),
};

/// `exec`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct ExecArguments {
    /// one node, or a set of them
    #[arg(value_name = "NODES")]
    pub nodes: NodeSet,
    /// show equal answers once, under the set of nodes that gave them
    #[arg(short = 'b', long = "fold")]
    pub fold: bool,
    /// the line
    #[arg(value_name = "WORD", last = true, required = true)]
    pub words: Vec<String>,
}
