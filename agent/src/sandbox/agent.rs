//! What the agent proper is held to: an account of its own, its directories, its ports, and no process but itself.
//!
//! **Invariant:** after `confine` there is no way back. What the network can reach has no capability, writes nothing but
//! what it keeps, starts nothing, and is reached by no process of another account. What needs root it asks of the launcher,
//! by messages that say all there is to say.
//! **Not here:** which account (`crate::own`), what the launcher does (`crate::launcher`).

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, parent_process_death_signal, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::allowlist::Allowlist;
use super::files::{Files, FilesError};
use super::sys::Single;
use super::{SandboxError, identity, step};
use crate::own::Account;

/// What it is left with.
pub(crate) struct Keeps<'k> {
    /// Who it is from now on.
    pub(crate) account: Account,
    /// The directories that it writes in.
    pub(crate) directories: &'k [&'k Path],
    /// The ports that it connects to: its journal's.
    pub(crate) ports: Vec<u16>,
}

/// What it may read: accounts and names of machines, with what looks them up, and what the kernel says. No file of these
/// that is closed to other accounts can be read by it all the same.
const READ: [&str; 16] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
    "/proc",
    "/sys",
    "/run/nscd",
    "/run/systemd/resolve",
    "/run/systemd/userdb",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/var/db",
    "/var/lib/sss",
];

/// Bounds this process, which has one thread, for good.
pub(crate) fn confine(keeps: &Keeps<'_>, _alone: Single) -> Result<(), SandboxError> {
    leave_terminal().map_err(step("terminal"))?;
    // What its supervisor asked of the kernel: becoming another account forgets it.
    let of_parent = parent_process_death_signal().map_err(step("parent"))?;
    become_account(keeps.account).map_err(step("account"))?;
    set_parent_process_death_signal(of_parent).map_err(step("parent"))?;
    // Keys are in its memory.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(step("dumps"))?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(step("dumps"))?;
    rustix::thread::set_no_new_privs(true).map_err(step("no_new_privs"))?;
    let read: Vec<PathBuf> = READ.iter().map(PathBuf::from).collect();
    match Files::of_agent(&read, keeps.directories, &keeps.ports) {
        Ok(files) => files.enforce()?,
        // A kernel on which no program starts: who asks why is answered, by an account without power still.
        Err(FilesError::TooOld(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Allowlist::of_agent()?.enforce()?)
}

/// Whoever started it may have been at a terminal: then it keeps a way to complain there, and none to hear.
fn leave_terminal() -> io::Result<()> {
    let null = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    if rustix::termios::isatty(rustix::stdio::stderr()) {
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::stdio::dup2_stderr(&openat(CWD, "/proc/self/fd/2", flags, Mode::empty())?)?;
    }
    Ok(())
}

fn become_account(Account { uid, gid }: Account) -> io::Result<()> {
    // Before the ids, because only root may.
    identity::empty_bounding_set(CapabilitySet::empty())?;
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    let empty = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: empty, permitted: empty, inheritable: empty })?;
    Ok(clear_ambient_capability_set()?)
}
