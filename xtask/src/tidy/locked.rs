//! One version of everything: what Cargo.lock has twice is argued in deny.toml, and nothing else is.
//!
//! **Why:** the file is cargo-deny's; reading its list here holds the rule on machines that do not have cargo-deny.

use std::collections::BTreeMap;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::Finding;
use super::tree::Tree;

const DENY: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let document = |path: &str| tree.file(path).and_then(|file| file.text.parse::<DocumentMut>().ok());
    let (Some(deny), Some(lock)) = (document(DENY), document(LOCK)) else {
        return vec![Finding::new(DENY, 0, "it or Cargo.lock is missing or no TOML", "write them")];
    };
    let mut findings = Vec::new();
    let skipped = skipped(&deny, &mut findings);
    let versions = versions(&lock);
    for (name, found) in &versions {
        let left: Vec<_> = found.iter().filter(|v| !skipped.contains_key(&format!("{name}@{v}"))).cloned().collect();
        if left.len() > 1 {
            let what = format!("{name} is there as {}", left.join(" and "));
            findings.push(Finding::new(
                LOCK,
                0,
                what,
                "settle on one, or argue the older one in `bans.skip` of deny.toml",
            ));
        }
    }
    for (krate, line) in &skipped {
        let twice = krate.split_once('@').and_then(|(name, version)| {
            versions.get(name).filter(|found| found.len() > 1 && found.iter().any(|v| v == version))
        });
        if twice.is_none() {
            let what = format!("{krate} is argued and not there twice");
            findings.push(Finding::new(DENY, *line, what, "take it off `bans.skip`"));
        }
    }
    findings
}

/// `name@version` of every argued duplicate; what is not argued is a finding.
fn skipped(deny: &DocumentMut, findings: &mut Vec<Finding>) -> BTreeMap<String, usize> {
    let entries = deny.get("bans").and_then(|bans| bans.get("skip")).and_then(Item::as_array);
    let mut skipped = BTreeMap::new();
    for entry in entries.into_iter().flatten() {
        let text = |key: &str| entry.as_inline_table().and_then(|t| t.get(key)).and_then(Value::as_str);
        let krate = text("crate").unwrap_or_default().to_owned();
        if text("reason").is_none_or(|reason| reason.len() < 20) {
            let what = format!("`{krate}` in `bans.skip` has no argument");
            findings.push(Finding::new(DENY, 0, what, "say who brings it, why it cannot bite and when it goes"));
        }
        skipped.insert(krate, 0);
    }
    skipped
}

fn versions(lock: &DocumentMut) -> BTreeMap<String, Vec<String>> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let packages = lock.get("package").and_then(Item::as_array_of_tables);
    let text = |package: &Table, key: &str| package.get(key).and_then(Item::as_str).unwrap_or_default().to_owned();
    for package in packages.into_iter().flatten() {
        versions.entry(text(package, "name")).or_default().push(text(package, "version"));
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    const TWICE: &str =
        "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n";
    const ONCE: &str = "[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n";

    #[test]
    fn duplicates_are_argued_and_arguments_are_of_duplicates() {
        let skip =
            |krate: &str, reason: &str| format!("[bans]\nskip = [{{ crate = \"{krate}\", reason = \"{reason}\" }}]\n");
        let why = "sled brings it; goes with sled";
        for (deny, lock, expected) in [
            (skip("a@1.0.0", why), TWICE, ""),
            ("[bans]\n".to_owned(), ONCE, ""),
            ("[bans]\n".to_owned(), TWICE, "a is there as 1.0.0 and 2.0.0"),
            (skip("a@1.0.0", "old"), TWICE, "has no argument"),
            (skip("a@1.0.0", why), ONCE, "is argued and not there twice"),
            (skip("a@3.0.0", why), ONCE, "is argued and not there twice"),
            ("[bans".to_owned(), ONCE, "is missing or no TOML"),
        ] {
            let said: String = check(&of(&[(DENY, &deny), (LOCK, lock)])).iter().map(ToString::to_string).collect();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{deny}: {said}");
        }
    }
}
