//! Who may write what every login depends on: pact's own files, the directories of programs and libraries, the accounts.
//!
//! **Invariant:** of pact's own files owner and mode of every directory above count, on the path as it is named and without
//! links. A directory above may be writable where it is sticky: what is root's in it stays there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pact_proto::model::{Check, Severity};

use super::tree::Tree;
use super::{Examined, Findings};

const SYSTEM: &[&str] = &[
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/etc",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/shells",
    "/etc/ssh",
    "/etc/ssh/sshd_config",
    "/etc/sudoers",
    "/etc/sudoers.d",
];
const LOADER: &str = "/etc/ld.so.conf";
const LOADER_PARTS: &str = "/etc/ld.so.conf.d";
const PRELOAD: &str = "/etc/ld.so.preload";

/// Everything about owners and modes.
pub(super) fn examine(tree: &Tree, place: &Examined, findings: &mut Findings) {
    for shell in &place.shells {
        binary(tree, shell, findings);
    }
    own(tree, place, findings);
    let mut seen = BTreeSet::new();
    let libraries = libraries(tree, findings);
    for path in SYSTEM.iter().map(|path| (*path).to_owned()).chain(libraries) {
        let Some(Some(metadata)) = findings.known(Check::Files, &path, Severity::Serious, tree.metadata(&path)) else {
            continue;
        };
        if seen.insert((metadata.dev(), metadata.ino())) {
            system(&path, &metadata, findings);
        }
    }
    preload(tree, findings);
}

/// It has no power of its own, and must get none.
fn binary(tree: &Tree, shell: &Path, findings: &mut Findings) {
    let place = shell.display().to_string();
    let Some(found) = findings.known(Check::Files, &place, Severity::Serious, tree.metadata(shell)) else { return };
    let Some(metadata) = found else {
        let what = "it is not there, and nobody whose login shell it is can log in";
        return findings.serious(Check::Files, &place, what, "install pact there");
    };
    if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
        findings.serious(Check::Files, &place, "it is no program", "install pact there");
    }
    if metadata.mode() & 0o6000 != 0 {
        let what = "it is set-uid or set-gid, and pact needs no power of its own";
        findings.serious(Check::Files, &place, what, &format!("take that away: `chmod ug-s {place}`"));
    }
    let mut bytes = [0; 64];
    let capabilities = rustix::fs::getxattr(tree.at(shell), c"security.capability", &mut bytes);
    if capabilities.is_ok_and(|length| length > 0) || capabilities == Err(rustix::io::Errno::RANGE) {
        let what = "it has capabilities, and pact needs no power of its own";
        findings.serious(Check::Files, &place, what, &format!("take them away: `setcap -r {place}`"));
    }
}

/// Each of them, what lies in it where it is a directory, and all that is above it.
fn own(tree: &Tree, place: &Examined, findings: &mut Findings) {
    let mut ends = BTreeSet::new();
    let mut above = BTreeSet::new();
    for path in place.own.iter().chain(&place.shells) {
        for path in [Some(path.clone()), tree.real(path)].into_iter().flatten() {
            above.extend(path.ancestors().skip(1).map(Path::to_owned));
            ends.insert(path);
        }
    }
    for directory in ends.clone() {
        if tree.metadata(&directory).is_ok_and(|found| found.is_some_and(|metadata| metadata.is_dir())) {
            let shown = directory.display().to_string();
            let names = findings.known(Check::Files, &shown, Severity::Serious, tree.names(&directory)).flatten();
            ends.extend(names.unwrap_or_default().into_iter().map(|name| directory.join(name)));
        }
    }
    for path in above.union(&ends) {
        roots(tree, path, !ends.contains(path), findings);
    }
}

fn roots(tree: &Tree, path: &PathBuf, is_above: bool, findings: &mut Findings) {
    let place = path.display().to_string();
    let Some(Some(metadata)) = findings.known(Check::Files, &place, Severity::Serious, tree.metadata(path)) else {
        return;
    };
    if metadata.uid() != 0 {
        let what = format!("it belongs to uid {}, who may put another in place of what is pact's", metadata.uid());
        findings.serious(Check::Files, &place, &what, &format!("give it to root: `chown root {place}`"));
    }
    let is_kept = is_above && metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    if metadata.mode() & 0o022 != 0 && !is_kept {
        let what = "others than its owner may write it, and it is pact's or above what is";
        findings.serious(Check::Files, &place, what, &format!("close it: `chmod go-w {place}`"));
    }
}

fn system(place: &str, metadata: &Metadata, findings: &mut Findings) {
    if metadata.uid() != 0 {
        let what = format!("it belongs to uid {}, and every login depends on it", metadata.uid());
        findings.serious(Check::Files, place, &what, &format!("give it to root: `chown root {place}`"));
    }
    if metadata.mode() & 0o002 != 0 {
        let what = "everybody may write it, and every login depends on it";
        findings.serious(Check::Files, place, what, &format!("close it: `chmod o-w {place}`"));
    }
    if metadata.mode() & 0o020 != 0 && metadata.gid() != 0 {
        let what = format!("the group {} may write it, and every login depends on it", metadata.gid());
        findings.note(Check::Files, place, &what, &format!("close it: `chmod g-w {place}`"));
    }
}

/// Directories from which the loader takes libraries, as its configuration names them.
fn libraries(tree: &Tree, findings: &mut Findings) -> Vec<String> {
    let read = tree.names(LOADER_PARTS);
    let names = findings.known(Check::Files, LOADER_PARTS, Severity::Serious, read).flatten().unwrap_or_default();
    let is_part = |name: &&String| Path::new(name).extension() == Some(OsStr::new("conf"));
    let parts = names.iter().filter(is_part).map(|name| format!("{LOADER_PARTS}/{name}"));
    let mut directories = Vec::new();
    for file in std::iter::once(LOADER.to_owned()).chain(parts) {
        let Some(Some(text)) = findings.known(Check::Files, &file, Severity::Serious, tree.text(&file)) else {
            continue;
        };
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        directories.extend(lines.filter(|line| line.starts_with('/')).map(str::to_owned));
    }
    directories.truncate(4096);
    directories
}

fn preload(tree: &Tree, findings: &mut Findings) {
    let Some(Some(text)) = findings.known(Check::Files, PRELOAD, Severity::Serious, tree.text(PRELOAD)) else { return };
    let libraries = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let libraries: Vec<_> = libraries.filter(|line| !line.is_empty()).collect();
    if !libraries.is_empty() {
        let what = format!("every program is loaded with {}, pact too", libraries.join(" "));
        findings.serious(Check::Files, PRELOAD, &what, "take out what you did not put there");
    }
}
