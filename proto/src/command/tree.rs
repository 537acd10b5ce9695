//! `pact` as a whole, as it is called on a workstation: for completion scripts and man pages.
//!
//! **Invariant:** it is made of the table and of the common options, and of nothing else.

use super::{Descriptor, TABLE};

/// An option that every command has on a workstation.
#[derive(Clone, Copy, Debug)]
pub struct CommonOption {
    /// As it is typed, without its dashes.
    pub name: &'static str,
    /// What its value is; empty where it has none.
    pub value: &'static str,
    /// One line.
    pub about: &'static str,
}

/// All of them.
pub const COMMON: &[CommonOption] = &[
    CommonOption { name: "endpoint", value: "HOST:PORT", about: "where the journal is" },
    CommonOption { name: "ca", value: "FILE", about: "certificates of the site's authority" },
    CommonOption { name: "token-file", value: "FILE", about: "the token of the identity provider" },
    CommonOption { name: "timeout", value: "SECONDS", about: "how long a connection or an answer may take" },
    CommonOption { name: "output", value: "FORMAT", about: "text, json or yaml" },
    CommonOption { name: "no-color", value: "", about: "without colours" },
];

/// Behind a command's own.
const LAST: usize = 1000;

/// With its commands, each with its arguments.
pub fn tree() -> clap::Command {
    let about = "the shell of a node";
    let pact = clap::Command::new("pact").about(about).version(env!("CARGO_PKG_VERSION"));
    let pact = pact.disable_help_subcommand(true).args(COMMON.iter().map(CommonOption::argument));
    pact.subcommands(TABLE.iter().map(Descriptor::subcommand))
}

impl CommonOption {
    fn argument(&self) -> clap::Arg {
        let argument = clap::Arg::new(self.name).long(self.name).help(self.about).global(true).display_order(LAST);
        let argument = match self.value {
            "" => argument.action(clap::ArgAction::SetTrue),
            value => argument.value_name(value).num_args(1),
        };
        match self.name {
            "ca" | "token-file" => argument.value_hint(clap::ValueHint::FilePath),
            "output" => argument.value_parser(["text", "json", "yaml"]),
            _ => argument,
        }
    }
}

impl Descriptor {
    fn subcommand(&self) -> clap::Command {
        let examples: String =
            self.examples.iter().map(|(line, what)| format!("  pact {line}\n      {what}\n")).collect();
        // First, because derived arguments bring the name of their type along.
        let command = (self.arguments)(clap::Command::new(self.name));
        let command = command.about(self.about).long_about(format!("{}.\n\n{}", self.about, self.long));
        command
            .visible_aliases(self.aliases.iter().copied().filter(|alias| is_plain(alias)))
            .after_help(format!("Examples:\n{examples}"))
    }
}

/// A shell reads `?` as a pattern: in a completion script it would stand for every word of one character.
fn is_plain(alias: &str) -> bool {
    alias.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_grammar_that_clap_takes() {
        tree().debug_assert();
        for descriptor in TABLE {
            assert!(tree().find_subcommand(descriptor.name).is_some(), "{}", descriptor.name);
        }
    }
}
