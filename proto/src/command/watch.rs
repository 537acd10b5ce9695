//! `watch`: what comes on record.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::model::VCluster;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "watch",
    aliases: &[],
    about: "show entries of the journal as they are committed",
    long: "One line an entry, as `log` shows it, oldest first. It ends with Ctrl-C. Where the journal goes away it is \
           waited for, and nothing is missed and nothing shown twice.",
    examples: &[
        ("watch", "whatever comes from now on"),
        ("watch --since 4711", "everything behind entry 4711, and then what comes"),
        ("watch --vcluster ml", "only what is about this vCluster and its nodes"),
    ],
    effect: Effect::Read,
    arguments: WatchArguments::augment_args,
    build: |matches| WatchArguments::from_arg_matches(matches).map(Command::Watch),
};

/// `watch`
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct WatchArguments {
    /// only what is about this vCluster and its nodes
    #[arg(long, value_name = "VCLUSTER")]
    pub vcluster: Option<VCluster>,
    /// the last entry that is known already; without it only what comes is shown
    #[arg(long, value_name = "SEQ")]
    pub since: Option<u64>,
}
