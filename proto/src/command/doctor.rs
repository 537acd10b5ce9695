//! `doctor`: what is wrong with how a node is set up.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::model::NodeName;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "doctor",
    aliases: &[],
    about: "say what is wrong with how a node is set up: what goes around pact, and what to do about it",
    long: "Kernel and sandbox are tried anew. Read are the settings of sshd, the accounts whose shell is pact, /etc/shells, \
           cron, at and user services, rules of sudo, and who may write what all this depends on. Nothing is changed or \
           started. It ends with 1 where a finding is serious: somebody may get around pact, or pact does not work.",
    examples: &[
        ("doctor", "what is wrong with this node"),
        ("doctor node042", "with another, from a workstation"),
        ("pact --output json doctor", "for a program that watches over nodes"),
    ],
    effect: Effect::Read,
    arguments: DoctorArguments::augment_args,
    build: |matches| DoctorArguments::from_arg_matches(matches).map(Command::Doctor),
};

/// `doctor`
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct DoctorArguments {
    /// which node; this one unless said otherwise
    #[arg(value_name = "NODE")]
    pub node: Option<NodeName>,
}
