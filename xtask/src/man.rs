//! `cargo xtask man DIR`: the man pages of `pact` and of each of its commands, from the table.

use std::path::Path;

use clap_mangen::Man;
use pact_proto::command::tree;

use crate::error::Result;

/// Writes `pact.1` and `pact-<command>.1`.
pub(crate) fn write(into: &Path) -> Result<()> {
    std::fs::create_dir_all(into)?;
    let mut pact = tree();
    pact.build();
    page(&pact, "pact", into)?;
    for command in pact.get_subcommands() {
        let name = format!("pact-{}", command.get_name());
        page(&command.clone().display_name(name.clone()), &name, into)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str, into: &Path) -> Result<()> {
    let mut page = Vec::new();
    Man::new(command.clone()).title(name).render(&mut page)?;
    std::fs::write(into.join(format!("{name}.1")), page)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use pact_proto::command::TABLE;

    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples() {
        let into = tempfile::tempdir().unwrap();
        write(into.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(into.path().join(format!("{name}.1"))).unwrap();
        let overview = read("pact");
        for descriptor in TABLE {
            let name = descriptor.name;
            assert!(overview.contains(name), "{name}");
            let page = read(&format!("pact-{name}")).replace("\\-", "-").replace("\\*(Aq", "'");
            assert!(page.contains(".TH") && page.contains(descriptor.about), "{name}: {page}");
            for (line, _) in descriptor.examples {
                let first = line.split(' ').next().unwrap_or_default();
                assert!(page.contains(&format!("pact {first}")), "{name}: {line}: {page}");
            }
        }
    }
}
