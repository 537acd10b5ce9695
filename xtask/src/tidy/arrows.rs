//! Which crate may know which: read from what cargo builds, held against what ARCHITECTURE.md says.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use super::Finding;
use crate::error::{Error, Result};
use crate::root;
use crate::run::output_of;

/// Everything that a crate may depend on. What tests need beside that is their own.
const ARROWS: [(&str, &[&str]); 10] = [
    ("pact-proto", &[]),
    ("pact-policy", &["pact-proto"]),
    ("pact-client", &["pact-proto", "pact-resume"]),
    ("pact-shell", &["pact-client", "pact-proto"]),
    ("pact-files", &[]),
    ("pact-resume", &["pact-proto"]),
    ("pact-session", &["pact-policy", "pact-proto"]),
    ("pact-agent", &["pact-files", "pact-policy", "pact-proto", "pact-resume", "pact-session"]),
    ("pact-journal", &["pact-files", "pact-policy", "pact-proto", "pact-resume", "pact-session"]),
    ("pact-xtask", &["pact-proto"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A crate of the house and what it depends on.
#[derive(Deserialize)]
pub(super) struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    /// Set for what lies in the tree.
    path: Option<String>,
}

pub(super) fn read() -> Result<Vec<Package>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(root());
    let json = output_of(&mut cargo, "cargo metadata")?;
    let metadata: Metadata = serde_json::from_str(&json).map_err(|e| Error::failed(format!("cargo metadata: {e}")))?;
    Ok(metadata.packages)
}

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_one).collect()
}

fn check_one(package: &Package) -> Vec<Finding> {
    let manifest = package.manifest_path.strip_prefix(root()).unwrap_or(&package.manifest_path).display().to_string();
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        let fix = "draw its arrows in ARCHITECTURE.md and in xtask/src/tidy/arrows.rs";
        return vec![Finding::new(manifest, 0, format!("{} is not in the architecture", package.name), fix)];
    };
    let of_the_house = package.dependencies.iter().filter(|d| d.path.is_some() && d.kind.as_deref() != Some("dev"));
    let other = of_the_house.filter(|dependency| !allowed.contains(&dependency.name.as_str()));
    other
        .map(|dependency| {
            let what = format!("{} → {} is no arrow of the architecture", package.name, dependency.name);
            Finding::new(&manifest, 0, what, "put what both need into pact-proto, or turn the arrow")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependency: &str, kind: Option<&str>) -> Package {
        let path = dependency.starts_with("pact-").then(|| "/x".to_owned());
        let dependency = Dependency { name: dependency.to_owned(), kind: kind.map(str::to_owned), path };
        Package { name: name.to_owned(), manifest_path: root().join("x/Cargo.toml"), dependencies: vec![dependency] }
    }

    #[test]
    fn an_arrow_that_nobody_drew() {
        for (from, to, kind, is_fine) in [
            ("pact-shell", "pact-client", None, true),
            ("pact-shell", "pact-policy", None, false),
            ("pact-shell", "pact-policy", Some("build"), false),
            ("pact-agent", "pact-client", Some("dev"), true),
            ("pact-agent", "pact-client", None, false),
            ("pact-proto", "pact-policy", None, false),
            ("pact-proto", "serde", None, true),
            ("pact-new", "pact-proto", None, false),
        ] {
            assert_eq!(check(&[package(from, to, kind)]).is_empty(), is_fine, "{from} → {to}");
        }
    }
}
