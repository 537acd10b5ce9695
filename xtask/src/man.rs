//! `cargo xtask man DIR`: the man pages of `pact` and of each of its commands, from the table.
//!
//! **Invariant:** a page that another one names is written.
//! **Not here:** what stands in them (`proto/src/command/tree.rs`).

use std::path::Path;

use clap_mangen::Man;
use pact_proto::command::tree;

use crate::error::Result;

/// Writes `pact.1`, `pact-<command>.1`, and a page for each form that is a command below a command.
pub(crate) fn write(into: &Path) -> Result<()> {
    std::fs::create_dir_all(into)?;
    let mut pact = tree();
    pact.build();
    pages(&pact, "pact", into)
}

fn pages(command: &clap::Command, name: &str, into: &Path) -> Result<()> {
    std::fs::write(into.join(format!("{name}.1")), page(command, name)?)?;
    command.get_subcommands().try_for_each(|below| pages(below, &format!("{name}-{}", below.get_name()), into))
}

fn page(command: &clap::Command, name: &str) -> Result<String> {
    let mut page = Vec::new();
    let command = command.clone().display_name(name.to_owned());
    Man::new(command).title(name).source(concat!("pact ", env!("CARGO_PKG_VERSION"))).render(&mut page)?;
    // What stands behind the help has no name of its own in clap.
    Ok(String::from_utf8_lossy(&page).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pact_proto::command::{COMMON, TABLE};

    use super::*;

    /// What man(7) and troff know and these pages need.
    const MACROS: [&str; 11] = ["TH", "SH", "TP", "PP", "IP", "RS", "RE", "br", "ie", "el", "ds"];

    /// Without what only troff reads.
    fn written() -> BTreeMap<String, String> {
        let into = tempfile::tempdir().unwrap();
        write(into.path()).unwrap();
        let files = std::fs::read_dir(into.path()).unwrap().map(|entry| entry.unwrap());
        let page = |entry: std::fs::DirEntry| {
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
        };
        files.map(page).collect()
    }

    fn plain(page: &str) -> String {
        page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
    }

    #[test]
    fn every_command_has_a_page_with_its_options_and_examples() {
        let pages = written();
        let overview = plain(&pages["pact.1"]);
        for descriptor in TABLE {
            let name = descriptor.name;
            assert!(overview.contains(&format!("\npact-{name}(1)\n{}\n", descriptor.about)), "{name}: {overview}");
            let page = plain(&pages[&format!("pact-{name}.1")]);
            assert!(page.contains(&format!("\npact-{name} - {}\n", descriptor.about)), "{name}: {page}");
            let options = descriptor.options().into_iter().map(|(spelled, _)| spelled);
            for option in options.chain(COMMON.iter().map(|option| format!("--{}", option.name))) {
                assert!(page.contains(&option), "{name}: {option}: {page}");
            }
            let (_, examples) = page.split_once("\n.SH EXAMPLES\n").unwrap();
            for (line, what) in descriptor.examples {
                assert!(examples.contains(&format!("  pact {line}\n      {what}\n")), "{name}: {line}: {page}");
            }
        }
    }

    #[test]
    fn no_page_names_one_that_is_not_there() {
        let pages = written();
        for (file, page) in &pages {
            let page = plain(page);
            for named in page.lines().filter_map(|line| line.strip_suffix("(1)")) {
                assert!(pages.contains_key(&format!("{named}.1")), "{file}: {named}(1)");
            }
        }
        assert!(pages.contains_key("pact-log-show.1"), "{:?}", pages.keys());
    }

    /// A line that begins with `.` or `'` is a request to troff, which leaves out those that it does not know.
    #[test]
    fn troff_knows_every_request() {
        for (file, page) in written() {
            for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
                let request = line[1..].split_ascii_whitespace().next().unwrap_or_default();
                assert!(MACROS.contains(&request), "{file}: {line}");
            }
        }
    }
}
