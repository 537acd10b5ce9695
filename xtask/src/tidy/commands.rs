//! Every command of pact's table has help, examples that can be read, and a row in the matrix of roles.

use pact_proto::command::{Descriptor, TABLE};
use pact_proto::grammar;

use super::Finding;
use super::tree::Tree;

const TABLE_AT: &str = "proto/src/command.rs";
const MATRIX: &str = "policy/matrix.txt";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let matrix = tree.file(MATRIX).map(|file| file.text.as_str()).unwrap_or_default();
    TABLE.iter().flat_map(|descriptor| check_one(&Row::from(descriptor), matrix)).collect()
}

/// What the rule looks at.
struct Row<'a> {
    name: &'a str,
    about: &'a str,
    long: &'a str,
    examples: &'a [(&'a str, &'a str)],
}

impl From<&Descriptor> for Row<'static> {
    fn from(descriptor: &Descriptor) -> Self {
        let Descriptor { name, about, long, examples, .. } = descriptor;
        Self { name, about, long, examples }
    }
}

fn check_one(row: &Row<'_>, matrix: &str) -> Vec<Finding> {
    let name = row.name;
    let mut findings = Vec::new();
    if row.about.is_empty() || row.long.is_empty() {
        findings.push(Finding::new(TABLE_AT, 0, format!("`{name}` has no help"), "fill `about` and `long`"));
    }
    if row.examples.is_empty() {
        findings.push(Finding::new(TABLE_AT, 0, format!("`{name}` has no example"), "show how it is used"));
    }
    for (line, _) in row.examples {
        if !line.split(' ').any(|word| word == name) {
            let what = format!("the example `{line}` of `{name}` does not use it");
            findings.push(Finding::new(TABLE_AT, 0, what, "show the command at work"));
        }
        if let Err(error) = grammar::parse(grammar::Line::new(*line)) {
            let what = format!("the example `{line}` of `{name}` cannot be read: {error}");
            findings.push(Finding::new(TABLE_AT, 0, what, "show a line that works"));
        }
    }
    if !matrix.lines().any(|line| line.split(' ').next() == Some(name)) {
        let fix = "give it a row in policy/src/matrix.rs; without one it runs for nobody";
        findings.push(Finding::new(MATRIX, 0, format!("`{name}` has no row"), fix));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_whole() {
        let whole = Row { name: "log", about: "a", long: "b", examples: &[("log -n 5", "c")] };
        assert_eq!(check_one(&whole, "log   yes\n"), []);
        for (row, matrix, expected) in [
            (Row { about: "", ..whole }, "log yes\n", "has no help"),
            (Row { long: "", ..whole }, "log yes\n", "has no help"),
            (Row { examples: &[], ..whole }, "log yes\n", "has no example"),
            (Row { examples: &[("log ; id", "")], ..whole }, "log yes\n", "cannot be read"),
            (Row { examples: &[("log --nonsense", "")], ..whole }, "log yes\n", "cannot be read"),
            (Row { examples: &[("status", "")], ..whole }, "log yes\n", "does not use it"),
            (whole, "login yes\n", "has no row"),
        ] {
            let said: Vec<_> = check_one(&row, matrix).iter().map(ToString::to_string).collect();
            assert!(said.len() == 1 && said[0].contains(expected), "{expected}: {said:?}");
        }
    }
}
