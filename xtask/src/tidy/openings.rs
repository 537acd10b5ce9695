//! Every Rust file opens by saying what it is.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let silent = tree.rust().filter(|file| !opens(&file.text));
    silent
        .map(|file| {
            Finding::new(
                &file.path,
                1,
                "does not open with `//!`",
                "say in one sentence what the file is, with a full stop",
            )
        })
        .collect()
}

/// The first line is `//! Something.`, which may go on in the next lines.
fn opens(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let opening: Vec<_> =
        text.lines().map_while(|line| line.strip_prefix("//!")).take_while(|l| !l.is_empty()).collect();
    first.starts_with("//! ") && opening.last().is_some_and(|last| last.trim_end().ends_with(['.', ':', '?', ')']))
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    #[test]
    fn a_file_that_does_not_say_what_it_is() {
        for (text, is_fine) in [
            ("//! The door.\n\nfn a() {}\n", true),
            ("//! The door,\n//! and its key.\n\nfn a() {}\n", true),
            ("fn a() {}\n", false),
            ("// The door.\n", false),
            ("//!\n//! The door.\n", false),
            ("//! The door\n", false),
            ("", false),
        ] {
            assert_eq!(check(&of(&[("agent/src/a.rs", text)])).is_empty(), is_fine, "{text}");
        }
        assert!(check(&of(&[("proto/src/gen/a.rs", ""), ("a.toml", "")])).is_empty());
    }
}
