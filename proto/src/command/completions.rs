//! `completions`: for the shell of a workstation.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "completions",
    aliases: &[],
    about: "write what a workstation's shell needs to complete `pact`",
    long: "On standard output, for bash, zsh or fish. At pact's own prompt nothing of that is needed.",
    examples: &[(
        "completions bash",
        "into a file below ~/.local/share/bash-completion/completions, it is loaded by the next bash",
    )],
    effect: Effect::Read,
    arguments: CompletionsArguments::augment_args,
    build: |matches| CompletionsArguments::from_arg_matches(matches).map(Command::Completions),
};

/// `completions`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct CompletionsArguments {
    /// which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// A workstation's shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}
