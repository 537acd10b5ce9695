//! The file that will be executed: found, looked at, and held by a descriptor that is executed.
//!
//! **Invariant:** a `Binary` is a regular ELF file of root's that nobody else can write, in directories of which the
//! same holds; what was looked at is what is executed, because it is the same descriptor.
//! **Why:** a path can name something else a moment later.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

/// An executable file that was looked at.
pub struct Binary {
    /// The descriptor that is executed.
    file: OwnedFd,
    /// The loader that its header names, if it has one; the same was asked of it.
    loader: Option<OwnedFd>,
}

/// A file that will not be executed: which, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct BinaryError {
    path: PathBuf,
    what: String,
}

impl BinaryError {
    fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into() }
    }

    fn io(path: &Path, what: &str, error: impl Into<io::Error>) -> Self {
        Self::new(path, format!("{what}: {}", error.into()))
    }
}

impl Binary {
    /// The first of `paths` that exists, if it is fit to be executed.
    pub fn find(paths: &[PathBuf]) -> Result<Self, BinaryError> {
        let first = paths.first().map_or(Path::new("/"), PathBuf::as_path);
        let there = paths.iter().find(|path| path.exists());
        let path = there.ok_or_else(|| BinaryError::new(first, "it is not installed on this node"))?;
        let (real, file) = open_roots(path)?;
        Self::of(&real, file)
    }

    /// The program that is running now, wherever it was installed: for the self-test.
    pub fn own() -> Result<Self, BinaryError> {
        let path = Path::new("/proc/self/exe");
        let file = File::open(path).map_err(|e| BinaryError::io(path, "it cannot be opened", e))?;
        Self::of(path, file.into())
    }

    fn of(path: &Path, file: OwnedFd) -> Result<Self, BinaryError> {
        let stat = fstat(&file).map_err(|e| BinaryError::io(path, "it cannot be looked at", e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(BinaryError::new(path, "it is not a file"));
        }
        if stat.st_mode & 0o111 == 0 {
            return Err(BinaryError::new(path, "it is not executable"));
        }
        if stat.st_mode & 0o6000 != 0 {
            return Err(BinaryError::new(path, "it is set-uid or set-gid"));
        }
        let file = File::from(file);
        let loader = loader(&file).map_err(|what| BinaryError::new(path, what))?;
        let loader = loader.map(|loader| open_roots(&loader).map(|(_, file)| file)).transpose()?;
        Ok(Self { file: file.into(), loader })
    }

    /// The loader that the kernel will start with it.
    pub(super) fn loader(&self) -> Option<BorrowedFd<'_>> {
        self.loader.as_ref().map(AsFd::as_fd)
    }
}

impl AsFd for Binary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A file that only root can have put there; with the path that it really has.
fn open_roots(path: &Path) -> Result<(PathBuf, OwnedFd), BinaryError> {
    let real = path.canonicalize().map_err(|e| BinaryError::io(path, "it cannot be resolved", e))?;
    for directory in real.ancestors().skip(1) {
        let file = open(directory, OFlags::PATH | OFlags::DIRECTORY)?;
        roots(directory, &file)?;
    }
    let file = open(&real, OFlags::RDONLY)?;
    roots(&real, &file)?;
    Ok((real, file))
}

/// `path` is canonical: a link in it now is one that was put there meanwhile.
fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, BinaryError> {
    openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
        .map_err(|e| BinaryError::io(path, "it cannot be opened", e))
}

fn roots(path: &Path, file: &OwnedFd) -> Result<(), BinaryError> {
    let stat = fstat(file).map_err(|e| BinaryError::io(path, "it cannot be looked at", e))?;
    let sticky_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_mode & 0o1000 != 0;
    if stat.st_uid != 0 {
        return Err(BinaryError::new(path, "its owner is not root"));
    }
    if stat.st_mode & 0o022 != 0 && !sticky_directory {
        return Err(BinaryError::new(path, "others than root may write it"));
    }
    Ok(())
}

const PT_INTERP: u32 = 3;
/// A path is not longer.
const LONGEST_LOADER: u64 = 4096;

/// Reads PT_INTERP of a 64-bit little-endian ELF file (elf(5)).
fn loader(file: &File) -> Result<Option<PathBuf>, &'static str> {
    const NOT_ELF: &str = "it is not a 64-bit ELF program; scripts are never executed";
    let mut header = [0; 64];
    file.read_exact_at(&mut header, 0).map_err(|_| NOT_ELF)?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return Err(NOT_ELF);
    }
    let (offset, size, count) = (word64(&header, 32), word16(&header, 54), word16(&header, 56));
    if size != 56 {
        return Err(NOT_ELF);
    }
    for index in 0..u64::from(count) {
        let mut program = [0; 56];
        let at = offset.checked_add(index * 56).ok_or(NOT_ELF)?;
        file.read_exact_at(&mut program, at).map_err(|_| NOT_ELF)?;
        if word32(&program, 0) != PT_INTERP {
            continue;
        }
        let (at, length) = (word64(&program, 8), word64(&program, 32));
        if !(2..=LONGEST_LOADER).contains(&length) {
            return Err(NOT_ELF);
        }
        let mut path = vec![0; usize::try_from(length).map_err(|_| NOT_ELF)?];
        file.read_exact_at(&mut path, at).map_err(|_| NOT_ELF)?;
        let path = String::from_utf8(path).map_err(|_| NOT_ELF)?;
        let path = path.strip_suffix('\0').filter(|p| p.starts_with('/') && !p.contains('\0')).ok_or(NOT_ELF)?;
        return Ok(Some(path.into()));
    }
    Ok(None)
}

fn word16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from(word16(bytes, at)) | u32::from(word16(bytes, at + 2)) << 16
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from(word32(bytes, at)) | u64::from(word32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;

    fn refused(make: impl FnOnce(&Path)) -> String {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("program");
        std::fs::copy("/usr/bin/uname", &path).unwrap();
        make(&path);
        Binary::find(&[path]).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn mode(mode: u32) -> impl FnOnce(&Path) {
        move |path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap()
    }

    #[test]
    fn only_roots_own_elf_files_are_executed() {
        assert_eq!(refused(|_| ()), "");
        assert!(refused(mode(0o777)).contains("others than root may write it"));
        assert!(refused(mode(0o4755)).contains("set-uid"));
        assert!(refused(mode(0o644)).contains("not executable"));
        assert!(refused(|path| std::fs::write(path, "#!/bin/sh\n").unwrap()).contains("scripts are never"));
        assert!(refused(|path| std::os::unix::fs::chown(path, Some(12345), None).unwrap()).contains("owner"));
        let parent = |path: &Path| mode(0o777)(path.parent().unwrap());
        assert!(refused(parent).contains("others than root may write it"));
    }

    #[test]
    fn the_loader_is_the_one_that_the_header_names() {
        let uname = Binary::find(&["/no/such/file".into(), "/usr/bin/uname".into()]).unwrap();
        let loader = std::fs::read_link(format!("/proc/self/fd/{}", uname.loader().unwrap().as_raw_fd())).unwrap();
        assert!(loader.to_string_lossy().contains("/ld-"), "{}", loader.display());
    }
}
