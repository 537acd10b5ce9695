//! `help`: what there is, or how one command or program is used.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "help",
    aliases: &["?"],
    about: "show what there is, or how one command or program is used",
    long: "Without a name it lists pact's commands and the programs that you may start. With a name it shows every \
           form that is allowed, option by option: what is not listed is refused.",
    examples: &[("help", "list what there is"), ("help grep", "show which options of grep are allowed")],
    effect: Effect::Read,
    arguments: HelpArguments::augment_args,
    build: |matches| HelpArguments::from_arg_matches(matches).map(Command::Help),
};

/// `help`
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct HelpArguments {
    /// a command or a program
    #[arg(value_name = "NAME")]
    pub topic: Option<String>,
}
