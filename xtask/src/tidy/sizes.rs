//! Files that only grow.
//!
//! **Invariant:** the list of files that may be longer can only shrink: one that is short again must leave it, and none
//! may grow past the number that stands there.

use super::Finding;
use super::tree::Tree;

/// Files tend to 100 to 200 lines; here one looks for the seam.
const MOST: usize = 500;

/// A file, the lines that it may have, and why it is so long.
const LONGER: &[(&str, usize, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_against(tree, LONGER)
}

fn check_against(tree: &Tree, longer: &[(&str, usize, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let lines = file.text.lines().count();
        let listed = longer.iter().find(|(path, ..)| *path == file.path).map(|(_, most, _)| *most);
        match listed {
            None if lines > MOST => {
                findings.push(Finding::new(
                    &file.path,
                    MOST + 1,
                    format!("has {lines} lines, {MOST} are the most"),
                    "look for the seam",
                ));
            }
            Some(_) if lines <= MOST => {
                findings.push(Finding::new(
                    &file.path,
                    0,
                    "is short again",
                    "take it off the list in xtask/src/tidy/sizes.rs",
                ));
            }
            Some(most) if lines > most => {
                findings.push(Finding::new(
                    &file.path,
                    most + 1,
                    format!("has grown to {lines} lines from {most}"),
                    "look for the seam",
                ));
            }
            None | Some(_) => {}
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    fn found(lines: usize, longer: &[(&str, usize, &str)]) -> Vec<Finding> {
        check_against(&of(&[("agent/src/a.rs", &"x\n".repeat(lines))]), longer)
    }

    #[test]
    fn growth_is_found_and_so_is_a_permission_that_is_not_needed() {
        let listed: &[_] = &[("agent/src/a.rs", 600, "a table")];
        for (lines, longer, expected) in [
            (500, &[] as &[_], ""),
            (501, &[], "has 501 lines"),
            (600, listed, ""),
            (601, listed, "has grown to 601"),
            (500, listed, "is short again"),
        ] {
            let said: String = found(lines, longer).iter().map(ToString::to_string).collect();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{lines}: {said}");
        }
        assert!(check_against(&of(&[("proto/src/gen/a.rs", &"x\n".repeat(2000))]), &[]).is_empty());
    }
}
