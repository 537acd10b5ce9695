//! Completion of `pact` in a workstation's shell.
//!
//! **Invariant:** it asks nobody: neither an agent nor the journal.
//! **Not here:** what is completed (`proto/src/command/tree.rs`), completion at pact's own prompt.

use pact_proto::command::{Shell, tree};

/// The script that such a shell reads.
pub(crate) fn script(shell: Shell) -> String {
    let kind = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(kind, &mut tree(), "pact", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use pact_proto::command::{COMMON, TABLE};

    use super::*;

    type Spelled = fn(&str) -> String;

    /// As such a shell's script writes a command and an option.
    fn written(shell: Shell) -> (Spelled, Spelled) {
        let dashes: Spelled = |option| option.to_owned();
        match shell {
            Shell::Bash => (|command| format!("pact,{command})"), dashes),
            Shell::Zsh => (|command| format!("({command})"), dashes),
            Shell::Fish => (
                |command| format!("-a \"{command}\""),
                |option| match option.strip_prefix("--") {
                    Some(long) => format!(" -l {long} "),
                    None => format!(" -s {} ", option.trim_start_matches('-')),
                },
            ),
        }
    }

    #[test]
    fn every_command_and_option_is_in_it() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let (command, option) = written(shell);
            let script = script(shell);
            for descriptor in TABLE {
                assert!(script.contains(&command(descriptor.name)), "{shell:?}: {}", descriptor.name);
                for (spelled, _) in descriptor.options() {
                    assert!(script.contains(&option(&spelled)), "{shell:?}: {}: {spelled}", descriptor.name);
                }
            }
            for common in COMMON {
                assert!(script.contains(&option(&format!("--{}", common.name))), "{shell:?}: {}", common.name);
            }
        }
    }

    /// `?` is help at pact's prompt, and a pattern in a shell.
    #[test]
    fn no_spelling_is_a_pattern() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let (command, _) = written(shell);
            assert!(!script(shell).contains(&command("?")), "{shell:?}");
        }
    }
}
