//! A directory that does not outlive this process.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::error::Result;
use crate::node::BELOW;

/// The directory, and a process that removes it when its standard input ends: for a parent that was killed and cannot.
pub(super) struct Place {
    directory: TempDir,
    keeper: Child,
}

impl Place {
    pub(super) fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("pact-site-").tempdir_in(BELOW)?;
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
        let mut command = Command::new("sh");
        command.args(["-c", "cat && rm -rf \"$1\"", "sh"]).arg(directory.path()).process_group(0);
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        Ok(Self { directory, keeper })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _status = self.keeper.wait();
    }
}
