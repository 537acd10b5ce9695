//! `policy`: how a line would be judged, and what roles may do.

use clap::{Args, FromArgMatches};

use super::{Command, Descriptor, Effect};
use crate::grammar::quote;

pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    name: "policy",
    aliases: &[],
    about: "say how a line would be judged and why, and what each role may do",
    long: "`policy explain` judges a line as if you had typed it, stage by stage, and runs nothing of it: what the \
           grammar makes of it, which file of the whitelist knows each program, which of its forms the arguments have, \
           and whether your role may do that. `policy suggestions` counts the names that were refused on this node \
           because no file of the whitelist knows them. `policy explain` ends with the code that the line would end with.",
    examples: &[
        ("policy explain 'dmesg -T | grep -i xid'", "whether it would run, and why"),
        ("policy suggestions", "what people miss here"),
        ("policy matrix", "which role may use which command"),
    ],
    effect: Effect::Read,
    arguments: PolicyArguments::augment_args,
    build: |matches| PolicyArguments::from_arg_matches(matches).map(Command::Policy),
};

/// `policy`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(disable_help_subcommand = true, subcommand_value_name = "explain|suggestions|matrix")]
pub struct PolicyArguments {
    /// what of it
    #[command(subcommand)]
    pub asked: PolicyQuestion,
}

impl PolicyQuestion {
    /// What `explain` is about: a line that was quoted as a whole, or its words.
    pub fn line(words: &[String]) -> String {
        match words {
            [line] => line.clone(),
            words => words.iter().map(|word| quote(word.as_bytes())).collect::<Vec<_>>().join(" "),
        }
    }
}

/// What of the policy.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum PolicyQuestion {
    /// say how a line would be judged and why; nothing of it runs
    #[command(disable_help_flag = true)]
    Explain {
        /// the line; in quotes where it has a pipe or a pattern
        #[arg(value_name = "LINE", required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
        line: Vec<String>,
    },
    /// count the names that were refused on this node because they are on no whitelist
    #[command(disable_help_flag = true)]
    Suggestions,
    /// show which role may use which command
    #[command(disable_help_flag = true)]
    Matrix,
}
