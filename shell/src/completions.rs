//! Completion of `pact` in a workstation's shell.

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

    #[test]
    fn every_command_and_option_is_in_it() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            let names = TABLE.iter().map(|descriptor| descriptor.name).chain(COMMON.iter().map(|option| option.name));
            for name in names.chain(["vcluster", "author"]) {
                assert!(script.contains(name), "{shell:?}: {name}");
            }
        }
    }
}
