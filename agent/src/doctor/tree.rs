//! Reading below a directory: what is bounded, never waited for, and never taken for something else.
//!
//! **Invariant:** a reading ends: files are regular and at most a mebibyte, directories have at most 4096 names, and links
//! that lead in circles are the kernel's to refuse. Nothing that is opened can keep whoever opens it.
//! **Why:** some of what is read belongs to the accounts that are examined, who may put a pipe or a device in its place.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// Bytes of one file.
const MOST_BYTES: u64 = 1 << 20;
/// Names in one directory.
const MOST_NAMES: usize = 4096;

/// Why something that is there is not known.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) String);

/// What is there, or that nothing is, or that nobody knows.
pub(super) type Known<T> = Result<Option<T>, Unreadable>;

/// The files of a node.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where it lies. No `..` leads out of the root.
    pub(super) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let mut at = PathBuf::new();
        for component in path.as_ref().components() {
            match component {
                Component::Normal(name) => at.push(name),
                Component::ParentDir => {
                    at.pop();
                }
                Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
            }
        }
        self.root.join(at)
    }

    /// The path, as the node names it, without links in it.
    pub(super) fn real(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        let real = self.at(path).canonicalize().ok()?;
        let root = self.root.canonicalize().ok()?;
        real.strip_prefix(root).ok().map(|rest| Path::new("/").join(rest))
    }

    /// A text; bytes that are none become marks.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Known<String> {
        let Some(file) = open(&self.at(path))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Unreadable("it is larger than 1 MiB".to_owned()));
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, directory: impl AsRef<Path>) -> Known<Vec<String>> {
        let Some(entries) = there(std::fs::read_dir(self.at(directory)))? else { return Ok(None) };
        let mut names = Vec::new();
        for entry in entries.take(MOST_NAMES + 1) {
            names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
        }
        if names.len() > MOST_NAMES {
            return Err(Unreadable(format!("it has more than {MOST_NAMES} names")));
        }
        names.sort();
        Ok(Some(names))
    }

    /// Of what a link leads to.
    pub(super) fn metadata(&self, path: impl AsRef<Path>) -> Known<Metadata> {
        there(std::fs::metadata(self.at(path)))
    }

    /// Of a link itself.
    pub(super) fn own_metadata(&self, path: impl AsRef<Path>) -> Known<Metadata> {
        there(std::fs::symlink_metadata(self.at(path)))
    }

    /// It is there, or nobody knows that it is not.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        !matches!(self.metadata(path), Ok(None))
    }

    /// What a link says.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        std::fs::read_link(self.at(path)).ok()
    }
}

/// Opened once it is known to be a file: a device may act when it is opened, as a watchdog does, and whose home it is leaves
/// a link to one. What was named is what is opened, whatever has come in its place meanwhile.
fn open(path: &Path) -> Known<File> {
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    let Some(named) = there(OpenOptions::new().read(true).custom_flags(flags).open(path))? else { return Ok(None) };
    if !named.metadata().map_err(unreadable)?.is_file() {
        return Err(Unreadable("it is no regular file".to_owned()));
    }
    File::open(format!("/proc/self/fd/{}", named.as_raw_fd())).map(Some).map_err(unreadable)
}

fn there<T>(found: std::io::Result<T>) -> Known<T> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` calls")]
fn unreadable(error: std::io::Error) -> Unreadable {
    Unreadable(error.to_string())
}

/// Whether a whole text matches: `*` is any number of characters, `?` is one.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut unit, mut at) = (0, 0);
    let mut star = None;
    while at < text.len() {
        match (pattern.get(unit), star) {
            (Some('*'), _) => {
                star = Some((unit, at));
                unit += 1;
            }
            (Some(c), _) if *c == '?' || *c == text[at] => {
                unit += 1;
                at += 1;
            }
            (_, Some((any, from))) => {
                star = Some((any, from + 1));
                (unit, at) = (any + 1, from + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[unit..].iter().all(|c| *c == '*')
}
