//! File patterns become names, in a process of the session's own: its uid, its read set, no exec.
//!
//! **Invariant:** names are found by reading directories inside the sandbox, and by nothing else in pact. What is
//! found is bounded; what cannot be read does not match.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pact_proto::grammar::{Component, Matcher, Pattern};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::getpid;

use super::stage::{self, Process, Streams};
use crate::sandbox::Bounds;
use crate::sandbox::cgroup::LineGroup;
use crate::sandbox::sys::Single;

/// Directories that are looked into on the way to what matches.
const MOST_ON_THE_WAY: usize = 65_536;

/// Reads patterns as the agent sent them.
pub(super) fn patterns(typed: &[Vec<u8>]) -> Result<Vec<Pattern>, String> {
    typed.iter().map(|typed| Pattern::parse(typed).ok_or_else(|| "expand: that is no pattern".to_owned())).collect()
}

/// Starts a process that looks at files; answers the end of the pipe on which names come, each ended by NUL, an empty one
/// after each list.
pub(super) fn start(
    bounds: Bounds,
    place: (Single, &LineGroup),
    work: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(Process, OwnedFd), String> {
    let text = |error: rustix::io::Errno| format!("files: {error}");
    let (names, stdout) = pipe_with(PipeFlags::CLOEXEC).map_err(text)?;
    let null = || openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(text);
    let streams = Streams { stdin: null()?, stdout, stderr: null()?, on_terminal: false };
    let host = getpid();
    let process = stage::start_work(
        place,
        streams,
        || bounds.enforce(Some(host), || Ok(())).map_err(|error| error.to_string()),
        || work(&mut io::stdout()).map_err(|error| format!("files: {error}")),
    )?;
    Ok((process, names))
}

/// What patterns match, a list for each.
pub(super) fn write(patterns: &[Pattern], most: u32, to: &mut dyn Write) -> io::Result<()> {
    let mut left = usize::try_from(most).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    for pattern in patterns {
        // One more than is allowed tells the agent that there are too many.
        let found = matching(pattern, left + 1);
        left = left.saturating_sub(found.len());
        for path in found {
            out.extend_from_slice(path.as_os_str().as_bytes());
            out.push(0);
        }
        out.push(0);
    }
    to.write_all(&out)?;
    to.flush()
}

/// Paths that match, in the order of their bytes, at most so many.
fn matching(pattern: &Pattern, most: usize) -> Vec<PathBuf> {
    let components = pattern.components();
    let is_absolute = matches!(components.first(), Some(Component::Name(name)) if name.is_empty());
    let mut found = vec![if is_absolute { PathBuf::from("/") } else { PathBuf::new() }];
    for component in &components {
        found = match component {
            Component::Name(name) if name.is_empty() => found,
            Component::Name(name) => found.into_iter().map(|path| path.join(name)).filter(|p| exists(p)).collect(),
            Component::Matching(matcher) => {
                let mut next = Vec::new();
                for path in found {
                    next.extend(inside(&path, matcher));
                    if next.len() > MOST_ON_THE_WAY {
                        // The agent refuses more than may be in a line, whatever they are.
                        next.truncate(most);
                        return next;
                    }
                }
                next
            }
        };
    }
    let slash = matches!(components.last(), Some(Component::Name(name)) if name.is_empty());
    if slash {
        found = found.into_iter().filter(|path| path.is_dir()).map(|path| path.join("")).collect();
    }
    found.truncate(most);
    found
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Names of a directory that match. One that is not UTF-8 cannot be typed, and does not match.
fn inside(directory: &Path, matcher: &Matcher) -> Vec<PathBuf> {
    let place = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let names = fs::read_dir(place).into_iter().flatten().flatten().map(|item| item.file_name());
    let mut names: Vec<_> = names.filter(|name| name.to_str().is_some_and(|name| matcher.matches(name))).collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        for name in ["a.log", "b.log", "c.txt", ".hidden.log", "sub/x.log"] {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let root = place.path().to_str().unwrap();
        let found = matching(&Pattern::parse(format!("{root}/{pattern}").as_bytes()).unwrap(), 256);
        let found: Vec<String> = found
            .iter()
            .map(|path| path.to_str().unwrap().strip_prefix(&format!("{root}/")).unwrap().to_owned())
            .collect();
        assert_eq!(found, expected, "{pattern}");
    }

    #[test]
    fn names_are_found_a_component_at_a_time() {
        check("*.log", &["a.log", "b.log"]);
        check(".h*", &[".hidden.log"]);
        check("*/x.log", &["sub/x.log"]);
        check("[ac].???", &["a.log", "c.txt"]);
        check("s*/", &["sub/"]);
        check("*/y.log", &[]);
        check("*.log/x", &[]);
    }

    #[test]
    fn only_what_matches_at_the_end_counts() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..300 {
            fs::create_dir_all(place.path().join(format!("d{number:03}/b"))).unwrap();
        }
        fs::write(place.path().join("d299/b/x.log"), "").unwrap();
        let pattern = format!("{}/d*/[ab]*/x.log", place.path().display());
        let found = matching(&Pattern::parse(pattern.as_bytes()).unwrap(), 256);
        assert_eq!(found, [place.path().join("d299/b/x.log")]);
    }

    #[test]
    fn what_is_found_is_bounded() {
        let all = matching(&Pattern::parse(b"/proc/[0-9]*").unwrap(), 3);
        assert_eq!(all.len(), 3);
    }
}
