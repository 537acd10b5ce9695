//! Every dependency comes under a licence that deny.toml allows.
//!
//! **Not here:** known vulnerabilities; they are in a database that changes daily, which `cargo deny check advisories`
//! reads and a build does not.

use std::collections::BTreeSet;
use std::process::Command;

use serde::Deserialize;
use toml_edit::{DocumentMut, Item};

use super::Finding;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::root;
use crate::run::output_of;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Licensed>,
}

/// A crate, and the licence that it states.
#[derive(Deserialize)]
pub(super) struct Licensed {
    name: String,
    version: String,
    license: Option<String>,
}

/// What is built here: crates for other systems are not fetched for this.
pub(super) fn read() -> Result<Vec<Licensed>> {
    let mut cargo = Command::new(env!("CARGO"));
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo.args(["metadata", "--format-version", "1", "--filter-platform", &target]).current_dir(root());
    let json = output_of(&mut cargo, "cargo metadata")?;
    let metadata: Metadata = serde_json::from_str(&json).map_err(|e| Error::failed(format!("cargo metadata: {e}")))?;
    Ok(metadata.packages)
}

pub(super) fn check(tree: &Tree, packages: &[Licensed]) -> Vec<Finding> {
    let allowed = tree.file("deny.toml").map(|file| allowed(&file.text)).unwrap_or_default();
    let refused = packages.iter().filter(|package| {
        let licence = package.license.as_deref().unwrap_or_default();
        !permits(licence, &allowed)
    });
    refused
        .map(|Licensed { name, version, license }| {
            let stated = license.as_deref().unwrap_or("no licence");
            let fix = "do without it, or have the licence looked at and allowed in deny.toml";
            Finding::new("deny.toml", 0, format!("{name} {version} comes under {stated}"), fix)
        })
        .collect()
}

fn allowed(deny: &str) -> BTreeSet<String> {
    let document: Option<DocumentMut> = deny.parse().ok();
    let list = document.as_ref().and_then(|d| d.get("licenses")?.get("allow")).and_then(Item::as_array);
    list.into_iter().flatten().filter_map(|licence| licence.as_str().map(str::to_owned)).collect()
}

/// Whether one side of every OR is allowed, with all of its ANDs. `/` is an old way to write OR.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = any(&mut words, allowed);
    verdict && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= all(words, allowed);
    }
    verdict
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words, allowed);
    }
    verdict
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => any(words, allowed) && words.next() == Some(")"),
        Some(licence) if words.next_if_eq(&"WITH").is_some() => {
            words.next().is_some_and(|exception| allowed.contains(&format!("{licence} WITH {exception}")))
        }
        Some(licence) => allowed.contains(licence),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::of;
    use super::*;

    #[test]
    fn expressions() {
        let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
        for (expression, is_fine) in [
            ("MIT", true),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0/MIT", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("GPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("(GPL-3.0 OR AGPL-3.0) AND MIT", false),
            ("(MIT OR GPL-3.0", false),
            ("MIT GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(permits(expression, &allowed), is_fine, "{expression}");
        }
    }

    #[test]
    fn a_crate_that_states_none_is_named() {
        let tree = of(&[("deny.toml", "[licenses]\nallow = [\"MIT\"]\n")]);
        let package = |license: Option<&str>| Licensed {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
        };
        assert_eq!(check(&tree, &[package(Some("MIT"))]), []);
        let said = check(&tree, &[package(None)])[0].to_string();
        assert!(said.contains("a 1.0.0 comes under no licence"), "{said}");
    }
}
