//! Names in a directory that begin in a certain way, for whoever is typing one. Runs inside a stage's bounds.
//!
//! **Invariant:** as many names as were asked for and no more, in the order of their bytes, those of directories with a
//! slash behind them. A directory that cannot be read has none.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use pact_proto::wire::host::List;

/// Each ended by NUL, and an empty one at the end.
pub(super) fn write(asked: &List, to: &mut dyn Write) -> io::Result<()> {
    let directory = PathBuf::from(OsString::from_vec(asked.directory.clone()));
    let read = fs::read_dir(&directory).into_iter().flatten().flatten();
    let begins = |name: &[u8]| {
        name.starts_with(&asked.prefix) && (asked.prefix.first() == Some(&b'.') || name.first() != Some(&b'.'))
    };
    let mut found: Vec<_> = read.filter(|entry| begins(entry.file_name().as_bytes())).collect();
    found.sort_by_cached_key(fs::DirEntry::file_name);
    let most = usize::try_from(asked.most).unwrap_or(usize::MAX).max(1);
    if found.len() > most {
        found.drain(most - 1..found.len() - 1);
    }
    let mut out = Vec::new();
    for entry in found {
        out.extend_from_slice(entry.file_name().as_bytes());
        // Behind a link there may be a directory, too.
        let is_directory =
            entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && entry.path().is_dir());
        if is_directory {
            out.push(b'/');
        }
        out.push(0);
    }
    out.push(0);
    to.write_all(&out)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(place: &std::path::Path, prefix: &str, most: u32) -> Vec<String> {
        let directory = place.as_os_str().as_bytes().to_vec();
        let asked = List { directory, prefix: prefix.into(), most, ..List::default() };
        let mut out = Vec::new();
        write(&asked, &mut out).unwrap();
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
        assert_eq!(listed(place.path(), "su", 10), ["sub/", "sublink/", "sum", "sunk"]);
        assert_eq!(listed(place.path(), "", 10), ["a.log", "sub/", "sublink/", "sum", "sunk"]);
        assert_eq!(listed(place.path(), ".", 10), [".hidden"]);
        assert_eq!(listed(place.path(), "", 3), ["a.log", "sub/", "sunk"]);
        assert_eq!(listed(place.path(), "z", 3), Vec::<String>::new());
        assert_eq!(listed(&place.path().join("no"), "", 3), Vec::<String>::new());
    }
}
