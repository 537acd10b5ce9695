//! The headings of CHANGELOG.md: what is not released first, then versions from the newest, each with its day.

use super::Finding;
use super::tree::Tree;

const PATH: &str = "CHANGELOG.md";
const GROUPS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(PATH) else {
        return vec![Finding::new(PATH, 0, "is missing", "begin it with `# Changelog` and `## [Unreleased]`")];
    };
    let mut findings = Vec::new();
    let mut wrong = |line: usize, what: &str, fix: &str| findings.push(Finding::new(PATH, line + 1, what, fix));
    if file.text.lines().next() != Some("# Changelog") {
        wrong(0, "does not begin with `# Changelog`", "begin with it");
    }
    let headings =
        file.text.lines().enumerate().filter(|(_, line)| line.starts_with("## ") || line.starts_with("### "));
    let mut is_first = true;
    for (at, heading) in headings {
        if let Some(group) = heading.strip_prefix("### ") {
            if !GROUPS.contains(&group) {
                wrong(at, "is no group of changes", "use Added, Changed, Deprecated, Removed, Fixed or Security");
            }
        } else if is_first {
            is_first = false;
            if heading != "## [Unreleased]" {
                wrong(at, "is not `## [Unreleased]`, which comes first", "put it there, even when it is empty");
            }
        } else if !is_release(heading) {
            wrong(at, "is no release", "write `## [1.2.3] - 2026-01-31`");
        }
    }
    if is_first {
        wrong(0, "has no `## [Unreleased]`", "add it");
    }
    findings
}

/// `## [1.2.3] - 2026-01-31`
fn is_release(heading: &str) -> bool {
    let parts = heading.strip_prefix("## [").and_then(|rest| rest.split_once("] - "));
    let numbers = |text: &str, by: char| text.split(by).filter(|n| n.parse::<u32>().is_ok()).count();
    parts.is_some_and(|(version, day)| {
        version.split('.').count() == 3 && numbers(version, '.') == 3 && day.len() == 10 && numbers(day, '-') == 3
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    #[test]
    fn headings_that_are_not_the_houses() {
        for (text, expected) in [
            ("# Changelog\n\n## [Unreleased]\n\n### Added\n\n- x\n\n## [0.1.0] - 2026-01-31\n", ""),
            ("# Changes\n## [Unreleased]\n", "CHANGELOG.md:1: does not begin"),
            ("# Changelog\n## [0.1.0] - 2026-01-31\n", "CHANGELOG.md:2: is not `## [Unreleased]`"),
            ("# Changelog\n", "has no `## [Unreleased]`"),
            ("# Changelog\n## [Unreleased]\n### New\n", "CHANGELOG.md:3: is no group"),
            ("# Changelog\n## [Unreleased]\n## 0.1.0\n", "CHANGELOG.md:3: is no release"),
            ("# Changelog\n## [Unreleased]\n## [0.1] - 2026-01-31\n", "is no release"),
        ] {
            let said: String = check(&of(&[(PATH, text)])).iter().map(ToString::to_string).collect();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{text}: {said}");
        }
        assert_eq!(check(&of(&[])).len(), 1);
    }
}
