//! What the kernel holds programs to: `Profile → Prepared → Enforced`, and only `Enforced` has exec.
//!
//! **Invariant:** every layer is a hard requirement: one that cannot be had is an error, and nothing starts. The
//! order below must hold; each step says what it needs of the one before.
//! **Not here:** which process is sandboxed when (`crate::host`), who may start what (`pact-policy`).

pub(crate) mod agent;
pub mod allowlist;
pub mod binary;
mod bpf;
pub mod cgroup;
pub mod files;
pub mod identity;
pub mod limits;
pub mod namespace;
pub mod once;
pub mod probe;
pub(crate) mod sys;

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use pact_policy::Limits;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use allowlist::{Allowlist, AllowlistError};
use binary::{Binary, BinaryError};
use files::{Files, FilesError};
use identity::Identity;

/// Home and working directory of every program: empty, and nobody can write it.
pub(crate) const HOME: &str = "/run/home";

/// A layer that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The program's file.
    #[error("{0}")]
    Binary(#[from] BinaryError),
    /// Landlock.
    #[error("{0}")]
    Files(#[from] FilesError),
    /// Seccomp.
    #[error("{0}")]
    Allowlist(#[from] AllowlistError),
    /// A step on the way, by its name.
    #[error("{step}: {source}")]
    Step {
        /// Which.
        step: &'static str,
        /// The refusal.
        #[source]
        source: io::Error,
    },
    /// A word with a NUL in it, which the grammar refuses.
    #[error("argv: a word holds a NUL")]
    Nul,
}

fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |error| SandboxError::Step { step, source: error.into() }
}

/// Everything that a stage needs, looked at and opened, before its process exists.
pub struct Prepared {
    binary: Binary,
    argv: Vec<CString>,
    environment: Vec<CString>,
    bounds: Bounds,
}

/// The bounds of a stage, without what it executes.
pub struct Bounds {
    files: Files,
    allowlist: Allowlist,
    identity: Identity,
    limits: Limits,
}

/// A process that is bounded in every way, and may execute one file.
pub struct Enforced {
    binary: Binary,
    argv: Vec<CString>,
    environment: Vec<CString>,
}

impl Bounds {
    /// Puts them together.
    pub fn new(files: Files, allowlist: Allowlist, identity: Identity, limits: Limits) -> Self {
        Self { files, allowlist, identity, limits }
    }

    /// Bounds this process. `between` runs when only the allowlist is missing, the last moment at which a listener
    /// can be made and handed out.
    pub fn enforce(self, parent: Option<Pid>, between: impl FnOnce() -> io::Result<()>) -> Result<(), SandboxError> {
        sys::close_on_exec_from(3).map_err(step("descriptors"))?;
        sys::reset_signals().map_err(step("signals"))?;
        limits::set(&self.limits).map_err(step("limits"))?;
        self.identity.assume().map_err(step("identity"))?;
        // After the change of identity, because that clears it.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(step("parent"))?;
        if getppid() != parent {
            return Err(step("parent")(io::Error::other("the host is gone")));
        }
        rustix::thread::set_no_new_privs(true).map_err(step("no_new_privs"))?;
        self.files.enforce()?;
        between().map_err(step("exec"))?;
        Ok(self.allowlist.enforce()?)
    }
}

impl Prepared {
    /// Puts together what was opened.
    pub fn new(binary: Binary, argv: &[Vec<u8>], environment: &[String], bounds: Bounds) -> Result<Self, SandboxError> {
        let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| SandboxError::Nul);
        let argv = argv.iter().map(|word| c_string(word)).collect::<Result<_, _>>()?;
        let environment = environment.iter().map(|word| c_string(word.as_bytes())).collect::<Result<_, _>>()?;
        Ok(Self { binary, argv, environment, bounds })
    }

    /// Bounds this process; `hand_out` gets the descriptor that decides on its one exec.
    pub fn enforce(
        self,
        parent: Option<Pid>,
        hand_out: impl FnOnce(OwnedFd) -> io::Result<()>,
    ) -> Result<Enforced, SandboxError> {
        self.bounds.enforce(parent, || hand_out(once::install()?))?;
        Ok(Enforced { binary: self.binary, argv: self.argv, environment: self.environment })
    }
}

impl Enforced {
    /// Becomes the program; returns only to say why not.
    pub fn exec(self) -> Result<Infallible, SandboxError> {
        Err(step("exec")(sys::exec(&self.binary, &self.argv, &self.environment)))
    }
}
