//! Paths that begin in a certain way, for whoever is typing one. Runs inside a stage's bounds: what a file system does
//! not answer, it does not answer to this process alone.
//!
//! **Invariant:** as many as were asked for and no more, in the order of their bytes, those of directories with a slash
//! behind them. A directory that cannot be read has none; what leads to one that can is found.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use pact_proto::wire::host::List;

/// Each ended by NUL, and an empty one at the end. `reads` is what the program may read.
pub(super) fn write(asked: &List, reads: &[PathBuf], to: &mut dyn Write) -> io::Result<()> {
    let mut found = on_the_way(reads, &asked.path);
    found.extend(inside(&asked.path));
    found.sort();
    found.dedup();
    let most = usize::try_from(asked.most).unwrap_or(usize::MAX).max(1);
    if found.len() > most {
        found.drain(most - 1..found.len() - 1);
    }
    let mut out = Vec::new();
    for mut path in found {
        if !path.ends_with(b"/") && Path::new(OsStr::from_bytes(&path)).is_dir() {
            path.push(b'/');
        }
        out.append(&mut path);
        out.push(0);
    }
    out.push(0);
    to.write_all(&out)?;
    to.flush()
}

/// What is in the directory of a path, and begins as it does.
fn inside(path: &[u8]) -> Vec<Vec<u8>> {
    let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { return Vec::new() };
    let (directory, prefix) = path.split_at(slash + 1);
    let names = fs::read_dir(OsStr::from_bytes(directory)).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().into_vec());
    let begins =
        |name: &Vec<u8>| name.starts_with(prefix) && (prefix.first() == Some(&b'.') || name.first() != Some(&b'.'));
    names.filter(begins).map(|name| [directory, &name].concat()).collect()
}

/// What leads from `path` to something that may be read, one step of each.
fn on_the_way(reads: &[PathBuf], path: &[u8]) -> Vec<Vec<u8>> {
    // The root alone is no step.
    let from = path.len().max(1);
    let step = |read: &PathBuf| {
        let read = read.as_os_str().as_bytes();
        let behind = read.get(from..).filter(|behind| !behind.is_empty() && read.starts_with(path))?;
        let end = behind.iter().position(|byte| *byte == b'/').map_or(read.len(), |slash| from + slash + 1);
        Some(read[..end].to_vec())
    };
    reads.iter().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str, reads: &[&str], most: u32) -> Vec<String> {
        let asked = List { path: path.into(), most, ..List::default() };
        let reads: Vec<_> = reads.iter().map(PathBuf::from).collect();
        let mut out = Vec::new();
        write(&asked, &reads, &mut out).unwrap();
        assert!(out.ends_with(b"\0"), "{out:?}");
        let text = String::from_utf8(out).unwrap();
        text.trim_end_matches('\0').split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn names_that_begin_so_are_listed_and_directories_marked() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("sub", place.path().join("sublink")).unwrap();
        std::os::unix::fs::symlink("nowhere", place.path().join("sunk")).unwrap();
        for name in ["a.log", "sum", ".hidden"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        let root = format!("{}/", place.path().display());
        for (prefix, most, expected) in [
            ("su", 10, &["sub/", "sublink/", "sum", "sunk"][..]),
            ("", 10, &["a.log", "sub/", "sublink/", "sum", "sunk"]),
            (".", 10, &[".hidden"]),
            ("", 3, &["a.log", "sub/", "sunk"]),
            ("z", 3, &[]),
            ("no/", 3, &[]),
        ] {
            let found = listed(&format!("{root}{prefix}"), &[], most);
            let found: Vec<_> = found.iter().map(|path| path.strip_prefix(&root).unwrap()).collect();
            assert_eq!(found, expected, "{prefix}");
        }
    }

    #[test]
    fn what_may_be_read_is_found_step_by_step() {
        let reads = ["/nowhere/a", "/nowhere/b/c", "/nothing", "/usr"];
        for (path, expected) in [
            ("", &["/nothing", "/nowhere/", "/usr/"][..]),
            ("/no", &["/nothing", "/nowhere/"]),
            ("/nowhere", &["/nowhere/"]),
            ("/nowhere/", &["/nowhere/a", "/nowhere/b/"]),
            ("/nowhere/b/c", &[]),
            ("/nowhere/x", &[]),
            ("/nothing", &[]),
        ] {
            assert_eq!(listed(path, &reads, 10), expected, "{path}");
        }
    }
}
