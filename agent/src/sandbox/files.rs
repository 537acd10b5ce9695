//! Landlock: what a stage may read, and the one file that it may execute; what the agent may read, and what it writes.
//!
//! **Invariant:** a hard requirement: everything that the kernel's ABI can handle is handled, and what no rule names
//! is refused. Directories of programs are never named here.
//! **Why:** the crate's default is best effort, which silently does less.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use pact_proto::program::{Family, Profile};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

use super::binary::Binary;
use super::{HOME, sys};

/// Linux 6.2. Below it a file that can be opened for reading can be truncated.
const FLOOR: i32 = 3;

/// What every program may read: libraries, their cache, languages, time zones, and the empty home.
const USUAL: [&str; 11] = [
    #[cfg(target_arch = "x86_64")]
    "/usr/lib/x86_64-linux-gnu",
    #[cfg(target_arch = "aarch64")]
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/etc/ld.so.cache",
    "/usr/lib/locale",
    "/usr/share/locale",
    "/usr/share/locale-langpack",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/timezone",
    "/sys/devices/system/cpu/online",
    HOME,
];
/// Devices that hold nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/tty"];

/// Why a stage cannot be bounded.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The kernel is too old, or landlock is off.
    #[error("landlock: this kernel has ABI {0}, and {FLOOR} is the least (Linux 6.2)")]
    TooOld(i32),
    /// The kernel refused a ruleset or a rule.
    #[error("landlock: {0}")]
    Ruleset(#[from] landlock::RulesetError),
    /// A path of a profile cannot be named safely.
    #[error("{}: {what}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The kernel enforces less than was asked for.
    #[error("landlock: the kernel enforces only a part of the rules")]
    Partial,
}

/// The kernel's ABI, as far as this release knows what it means.
fn abi() -> Result<ABI, FilesError> {
    let kernel = sys::landlock_abi();
    if kernel < FLOOR { Err(FilesError::TooOld(kernel)) } else { Ok(ABI::from(kernel)) }
}

/// What the kernel's landlock bounds, in words.
pub fn layers() -> Result<Vec<String>, FilesError> {
    let kernel = abi()? as i32;
    let mut layers = vec![format!("landlock abi {kernel}")];
    let since = [(4, "landlock network"), (5, "landlock device ioctl"), (6, "landlock signals and abstract sockets")];
    layers.extend(since.iter().filter(|(from, _)| kernel >= *from).map(|(_, name)| (*name).to_owned()));
    Ok(layers)
}

/// Rules, not enforced yet.
pub struct Files(RulesetCreated);

impl Files {
    /// For a program: its binary and loader, and what its profile names.
    pub fn of_program(binary: &Binary, profile: &Profile) -> Result<Self, FilesError> {
        let run = make_bitflags!(AccessFs::{Execute | ReadFile});
        let mut files = Self::of_profile(profile)?.rule(binary.as_fd(), run)?;
        if let Some(loader) = binary.loader() {
            files = files.rule(loader, run)?;
        }
        Ok(files)
    }

    /// Without anything that may be executed.
    pub fn of_profile(profile: &Profile) -> Result<Self, FilesError> {
        let abi = abi()?;
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let mut ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
        let internet = profile.families.iter().any(|family| matches!(family, Family::Inet | Family::Inet6));
        if abi >= ABI::V4 && !internet {
            ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
        }
        if abi >= ABI::V6 {
            ruleset = ruleset.scope(Scope::from_all(abi))?;
        }
        let mut files = Self(ruleset.create()?);
        for path in USUAL {
            files = files.readable(Path::new(path), OFlags::empty())?;
        }
        for path in &profile.read {
            files = files.readable(path, OFlags::NOFOLLOW)?;
        }
        for path in &profile.list {
            if let Some((file, FileType::Directory)) = name(path, OFlags::NOFOLLOW)? {
                files = files.rule(file.as_fd(), AccessFs::ReadDir.into())?;
            }
        }
        let talk: BitFlags<AccessFs> = if abi >= ABI::V5 { AccessFs::IoctlDev.into() } else { BitFlags::EMPTY };
        for path in DEVICES {
            files = files.device(Path::new(path), talk | AccessFs::WriteFile)?;
        }
        for path in &profile.devices {
            files = files.device(path, talk)?;
        }
        for path in &profile.controls {
            files = files.device(path, talk | AccessFs::WriteFile)?;
        }
        Ok(files)
    }

    /// For the agent proper: what is not there needs no rule; it makes files and directories in what it writes, and nothing
    /// else. Of the network it keeps TCP to these ports, where the kernel can bound that (Linux 6.7).
    pub(crate) fn of_agent(read: &[PathBuf], write: &[&Path], ports: &[u16]) -> Result<Self, FilesError> {
        let abi = abi()?;
        // What later kernels bound beside these, sockets by path and datagrams, is how names are looked up.
        let all = AccessFs::from_all(if abi < ABI::V5 { abi } else { ABI::V5 });
        let tcp = AccessNet::BindTcp | AccessNet::ConnectTcp;
        let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(all)?;
        if abi >= ABI::V4 {
            ruleset = ruleset.handle_access(tcp)?;
        }
        if abi >= ABI::V6 {
            ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
        }
        let mut files = Self(ruleset.create()?);
        for path in read {
            files = files.readable(path, OFlags::empty())?;
        }
        for path in ["/dev/null", "/dev/urandom", "/dev/random"] {
            files = files.device(Path::new(path), AccessFs::WriteFile.into())?;
        }
        let kept = make_bitflags!(AccessFs::{
            ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir
        });
        for path in write {
            let Some((directory, FileType::Directory)) = name(path, OFlags::NOFOLLOW)? else {
                let what = "it is not a directory".to_owned();
                return Err(FilesError::Path { path: path.to_path_buf(), what });
            };
            files = files.rule(directory.as_fd(), kept)?;
        }
        if abi >= ABI::V4 {
            for port in ports {
                files = Self(files.0.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?);
            }
        }
        Ok(files)
    }

    /// Bounds this process, for good.
    pub fn enforce(self) -> Result<(), FilesError> {
        match self.0.restrict_self()?.ruleset {
            RulesetStatus::FullyEnforced => Ok(()),
            RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => Err(FilesError::Partial),
        }
    }

    /// What is not there needs no rule.
    fn readable(self, path: &Path, flags: OFlags) -> Result<Self, FilesError> {
        let Some((file, kind)) = name(path, flags)? else { return Ok(self) };
        match kind {
            FileType::Directory => self.rule(file.as_fd(), AccessFs::ReadFile | AccessFs::ReadDir),
            FileType::RegularFile => self.rule(file.as_fd(), AccessFs::ReadFile.into()),
            FileType::Symlink => Err(FilesError::Path {
                path: path.to_owned(),
                what: "it is a symbolic link: a profile names what is read itself".to_owned(),
            }),
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                let what = "it is neither a file nor a directory".to_owned();
                Err(FilesError::Path { path: path.to_owned(), what })
            }
        }
    }

    fn device(self, path: &Path, more: BitFlags<AccessFs>) -> Result<Self, FilesError> {
        let Some((file, kind)) = name(path, OFlags::NOFOLLOW)? else { return Ok(self) };
        if kind != FileType::CharacterDevice {
            let what = "it is not a character device".to_owned();
            return Err(FilesError::Path { path: path.to_owned(), what });
        }
        self.rule(file.as_fd(), more | AccessFs::ReadFile)
    }

    fn rule(self, file: impl AsFd, access: BitFlags<AccessFs>) -> Result<Self, FilesError> {
        Ok(Self(self.0.add_rule(PathBeneath::new(file, access))?))
    }
}

/// A descriptor that only names, and what it names.
fn name(path: &Path, flags: OFlags) -> Result<Option<(OwnedFd, FileType)>, FilesError> {
    let wrong = |error: rustix::io::Errno| FilesError::Path { path: path.to_owned(), what: error.to_string() };
    match openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty()) {
        Ok(file) => {
            let stat = fstat(&file).map_err(wrong)?;
            Ok(Some((file, FileType::from_raw_mode(stat.st_mode))))
        }
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(error) => Err(wrong(error)),
    }
}
